// SPDX-License-Identifier: GPL-2.0-only
/* reloc.c - relocated code: arithmetic on its sites */
#include <string.h>
#include <xxhash.h>
#include "reloc.h"

#define PAGE	4096

unsigned int fz_reloc_bytes(unsigned int fix)
{
	static const uint8_t bytes[] = { 8, 4, 2, 2 };

	return bytes[fix & 3];
}

static void add(uint8_t *page, uint16_t site, uint64_t distance, bool undo, unsigned int carry)
{
	unsigned int fix = FZ_SITE_FIX(site), bytes = fz_reloc_bytes(fix), from = 0, i;
	uint64_t d = fix == FZ_RELOC_HIGH ? distance >> 16 : distance;
	unsigned int at = FZ_SITE_AT(site), sum;

	if (undo)
		d = -d;
	if (site & FZ_SITE_BEFORE) {
		from = at;
		at = 0;
	} else {
		carry = 0;
	}
	for (i = from; i < bytes && at < PAGE; i++, at++) {
		sum = page[at] + (d >> 8 * i & 0xff) + carry;
		page[at] = sum;
		carry = sum >> 8;
	}
}

void fz_reloc_move(uint8_t *page, const uint16_t *sites, size_t n, uint64_t distance, bool undo,
		   unsigned int way)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!(way & 1) || !(sites[i] & FZ_SITE_HEADER))
			add(page, sites[i], distance, undo, way >> 1);
}

unsigned int fz_reloc_ways(const uint16_t *sites, size_t n)
{
	unsigned int ways = 1;
	size_t i;

	for (i = 0; i < n; i++)
		if (sites[i] & (FZ_SITE_HEADER | FZ_SITE_BEFORE))
			ways = 4;
	return ways;
}

bool fz_reloc_symbols(uint8_t *page, const struct fz_reloc_symbol *symbols, size_t n,
		      uint64_t base)
{
	bool all = true;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct fz_reloc_symbol *s = &symbols[i];
		uint64_t value = s->value + (s->flags & FZ_SYMBOL_BASE ? base : 0);
		int k;

		all &= !(s->flags & FZ_SYMBOL_OPEN);
		for (k = 0; k < s->bytes && k < 8; k++) {
			if (s->at + k < 0 || s->at + k >= PAGE)
				continue;
			all &= page[s->at + k] == (uint8_t)(value >> 8 * k);
			page[s->at + k] = s->was >> 8 * k;
		}
	}
	return all;
}

uint64_t fz_reloc_anchor(const uint8_t *block, unsigned int i)
{
	uint64_t hash;

	/* One pattern of 8 bytes all along is padding. */
	if (!memcmp(block, block + 8, FZ_ANCHOR - 8))
		return 0;
	hash = XXH64(block, FZ_ANCHOR, 0x72656c6f63000000ULL + i);
	return hash + !hash;
}
