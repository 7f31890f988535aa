// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel_symbols.c - kallsyms, which a kernel carries in its read-only data
 *
 * Nothing says where it is; its tables vouch for each other. The tokens of the digits
 * lie in a row, token_index leads to each token; before the names stands their number,
 * behind them where every 256th is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "kernel_priv.h"

#define SYMS_MAX	(1U << 20)
#define FAR		(32UL << 20)
#define NAME_MAX_	512
#define NAMES_MAX	(128UL << 20)	/* bytes of all names */
#define TRIES_MAX	(256UL << 20)	/* steps of the search, which a hostile file can prolong */
#define ALIGN8(x)	(((x) + 7) & ~7ULL)

struct kallsyms {
	const uint8_t *p;	/* the section */
	uint64_t size;
	uint64_t tokens, index, names, offsets;
	uint32_t n;
	uint64_t relative_base;
	uint64_t tries;
};

static uint16_t u16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t u64(const uint8_t *p)
{
	return u32(p) | (uint64_t)u32(p + 4) << 32;
}

/* Is there a token_index at @at whose 48th token is at @digit? */
static bool try_index(struct kallsyms *s, uint64_t at, uint64_t digit)
{
	const uint8_t *idx = s->p + at;
	uint64_t start;
	int i;

	if (at + 512 > s->size || u16(idx) || u16(idx + 2 * 0x30) > digit)
		return false;
	start = digit - u16(idx + 2 * 0x30);
	for (i = 1; i < 256; i++)
		if (u16(idx + 2 * i) <= u16(idx + 2 * i - 2) ||
		    start + u16(idx + 2 * i) > at || s->p[start + u16(idx + 2 * i) - 1])
			return false;
	s->tokens = start;
	s->index = at;
	return true;
}

static bool find_tokens(struct kallsyms *s)
{
	static const char digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";
	const uint8_t *p = s->p, *end = s->p + s->size;
	uint64_t at;

	while ((p = memmem(p, end - p, digits, sizeof(digits)))) {
		uint64_t digit = p - s->p;

		for (at = ALIGN8(digit); at < digit + 16384; at += 8) {
			if (++s->tries > TRIES_MAX)
				return false;
			if (try_index(s, at, digit))
				return true;
		}
		p++;
	}
	return false;
}

/* The length of the name at @at, with what says how long it is; 0 at the end. */
static uint64_t name_len(const struct kallsyms *s, uint64_t at, unsigned int *skip)
{
	uint64_t len;

	if (at + 2 > s->tokens)
		return 0;
	len = s->p[at];
	*skip = 1;
	if (len & 0x80) {
		len = (len & 0x7f) | (uint64_t)s->p[at + 1] << 7;
		*skip = 2;
	}
	return len && at + *skip + len <= s->tokens ? *skip + len : 0;
}

/* Are there names at @at, and markers behind them that agree? */
static bool try_names(struct kallsyms *s, uint64_t at)
{
	uint32_t n = u32(s->p + at - 8), i;
	uint64_t pos, len, marker;
	unsigned int skip;

	if (n < FZ_KALLSYMS_MIN || n > SYMS_MAX || u32(s->p + at - 4))
		return false;
	for (i = 0, pos = at; i < n; i++, pos += len) {
		len = name_len(s, pos, &skip);
		if (!len || ++s->tries > TRIES_MAX)
			return false;
	}
	marker = ALIGN8(pos);
	if (marker + (n + 255) / 256 * 4 > s->tokens)
		return false;
	for (i = 0, pos = at; i < n; i++, pos += name_len(s, pos, &skip))
		if (i % 256 == 0 && pos - at != u32(s->p + marker + i / 256 * 4))
			return false;
	s->names = at;
	s->n = n;
	return true;
}

/* Names lie before the tokens, with other tables between (6.1), or without. */
static bool find_names(struct kallsyms *s)
{
	uint64_t at = s->tokens & ~7ULL, least = at > FAR ? at - FAR : 8;

	for (; at >= least && at >= 8; at -= 8)
		if (try_names(s, at))
			return true;
	return false;
}

/* The offsets stand before all else (6.1) or behind the tokens (6.4 and later). */
static bool find_offsets(const struct fz_kimage *k, struct kallsyms *s)
{
	uint64_t bytes = ALIGN8(4ULL * s->n), after = s->index + 512;

	if (s->names >= 16 + bytes) {
		s->offsets = s->names - 16 - bytes;
		s->relative_base = u64(s->p + s->names - 16);
		if (s->relative_base == k->base)
			return true;
	}
	if (after + bytes + 8 > s->size)
		return false;
	s->offsets = after;
	s->relative_base = u64(s->p + after + bytes);
	return s->relative_base == k->base;
}

static int by_address(const void *a, const void *b)
{
	const struct fz_ksym *x = a, *y = b;

	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	return (x->name > y->name) - (x->name < y->name);
}

/* Without the type. */
static const char *name_of(const struct fz_kimage *k, uint32_t at)
{
	const char *name = k->names + k->syms[at].name;

	return *name ? name + 1 : name;
}

static int by_name(const void *a, const void *b, void *k)
{
	const uint32_t *x = a, *y = b;
	int c = strcmp(name_of(k, *x), name_of(k, *y));

	return c ? c : (*x > *y) - (*x < *y);
}

static int sort(struct fz_kimage *k, struct fz_error *err)
{
	size_t i;

	qsort(k->syms, k->nsyms, sizeof(*k->syms), by_address);
	k->by_name = calloc(k->nsyms + 1, sizeof(*k->by_name));
	if (!k->by_name)
		return fz_fail(err, -ENOMEM, "out of memory");
	for (i = 0; i < k->nsyms; i++)
		k->by_name[i] = i;
	qsort_r(k->by_name, k->nsyms, sizeof(*k->by_name), by_name, k);
	return 0;
}

static int expand(struct fz_kimage *k, const struct kallsyms *s, struct fz_error *err)
{
	size_t cap = 0, used = 0;
	uint64_t pos = s->names;
	unsigned int skip, i;
	uint32_t n;

	k->syms = calloc(s->n, sizeof(*k->syms));
	if (!k->syms)
		return fz_fail(err, -ENOMEM, "out of memory");
	for (n = 0; n < s->n; n++) {
		uint64_t len = name_len(s, pos, &skip);
		int32_t offset = u32(s->p + s->offsets + 4ULL * n);
		size_t start = used;

		if (cap - used < NAME_MAX_ + 1) {
			char *q;

			if (cap >= NAMES_MAX)
				return fz_fail(err, -EINVAL, "its kernel's symbols lie");
			q = realloc(k->names, cap = cap * 2 + (1 << 20));
			if (!q)
				return fz_fail(err, -ENOMEM, "out of memory");
			k->names = q;
		}
		for (i = skip; i < len; i++) {
			const char *t = (const char *)s->p + s->tokens +
					u16(s->p + s->index + 2 * s->p[pos + i]);

			while (*t && used - start < NAME_MAX_)
				k->names[used++] = *t++;
		}
		k->names[used++] = '\0';
		pos += len;
		/* positive: per-CPU or absolute */
		if (offset < 0)
			k->syms[k->nsyms++] = (struct fz_ksym){
				s->relative_base - 1 - offset, start };
	}
	return sort(k, err);
}

int fz_kernel_symbols(struct fz_kimage *k, struct fz_error *err)
{
	const struct fz_ktable *t = fz_ktable(k, ".rodata");
	struct kallsyms s = { 0 };

	if (!t)
		return 0;
	s.p = fz_kat(k, t->vaddr, t->size);
	s.size = t->size;
	if (s.size < 4096 || !find_tokens(&s) || !find_names(&s) || !find_offsets(k, &s))
		return 0;
	return expand(k, &s, err);
}

size_t fz_ksym_at(const struct fz_kimage *k, uint64_t vaddr)
{
	size_t lo = 0, hi = k->nsyms, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (k->syms[mid].vaddr < vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint64_t fz_ksym(const struct fz_kimage *k, const char *name)
{
	size_t lo = 0, hi = k->nsyms, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (strcmp(name_of(k, k->by_name[mid]), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == k->nsyms || strcmp(name_of(k, k->by_name[lo]), name))
		return 0;
	return k->syms[k->by_name[lo]].vaddr;
}
