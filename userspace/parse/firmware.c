// SPDX-License-Identifier: GPL-2.0-only
/*
 * firmware.c - PE programs and firmware images, as the database takes them
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "firmware.h"
#include "fv.h"
#include "moved.h"
#include "pe.h"
#include "reloc.h"
#include "textrel.h"

#define PAGE		4096U
#define SEGMENTS	64		/* what the database takes */
#define ANCHORS		4		/* for a page that has sites */
#define LOOSE		(FZ_PE_SECTIONS + 2)
#define BIOS_MIN	(1U << 16)	/* bytes */
#define BIOS_MAX	(1U << 24)
#define ROM_BLOCK	512U
#define ROM_MAX		(1U << 24)

/* A PE program on its way into the database. */
struct program {
	struct fz_pe pe;
	uint8_t *image;
	struct fz_pe_site *sites;
	size_t nsites;
	const struct fz_textrel_symbol *symbols;	/* as sites, but against symbols */
	size_t nsymbols;
	size_t nsegments;
	struct fz_hashdb_segment segments[SEGMENTS];
	struct {
		struct fz_reloc_image image;
		struct fz_reloc_loose ranges[LOOSE];
	} blob;
	char build_id[2 * FZ_PE_BUILD_ID + 1];
};

/* Pages that have at least one byte of code from the file. */
static int find_pages(struct program *p, struct fz_error *err)
{
	const struct fz_pe *pe = &p->pe;
	size_t i;

	for (i = 0; i < pe->nsections; i++) {
		const struct fz_pe_section *s = &pe->sections[i];
		struct fz_hashdb_segment *last = &p->segments[p->nsegments ? p->nsegments - 1 : 0];
		uint64_t first = s->rva & ~(PAGE - 1);
		uint64_t end = ((uint64_t)s->rva + s->filled + PAGE - 1) & ~(uint64_t)(PAGE - 1);

		if (!s->code || !s->filled)
			continue;
		if (first < pe->missing)	/* who knows what is in front of it */
			first = (pe->missing + PAGE - 1) & ~(PAGE - 1);
		if (p->nsegments && first <= last->offset + (uint64_t)last->pages * PAGE)
			first = last->offset + (uint64_t)last->pages * PAGE;
		if (first >= end)
			continue;
		if (p->nsegments && first == last->offset + (uint64_t)last->pages * PAGE) {
			last->pages += (end - first) / PAGE;
			continue;
		}
		if (p->nsegments == SEGMENTS)
			return fz_fail(err, -EINVAL, "it has more than %d runs of code", SEGMENTS);
		p->segments[p->nsegments++] = (struct fz_hashdb_segment) {
			.offset = first, .vaddr = first, .pages = (end - first) / PAGE };
	}
	return p->nsegments ? 1 : fz_fail(err, 0, "it has no code");
}

static void add_loose(struct program *p, uint32_t from, uint32_t to)
{
	uint32_t n = p->blob.image.nloose;

	if (from >= to)
		return;
	if (n && p->blob.ranges[n - 1].to == from) {
		p->blob.ranges[n - 1].to = to;
		return;
	}
	p->blob.ranges[n] = (struct fz_reloc_loose){ from, to };
	p->blob.image.nloose++;
}

/* All but headers and what the file has of code and constants. */
static void find_loose(struct program *p)
{
	const struct fz_pe *pe = &p->pe;
	uint32_t at = pe->missing + pe->headers;
	size_t i;

	add_loose(p, 0, pe->missing);
	for (i = 0; i < pe->nsections; i++) {
		const struct fz_pe_section *s = &pe->sections[i];

		if (!s->code && s->writable)
			continue;
		add_loose(p, at, s->rva);
		at = s->rva + s->bytes;
	}
	add_loose(p, at, pe->image);
}

static int prepare(struct program *p, const void *data, size_t size, struct fz_error *err)
{
	size_t i;
	int ret;

	ret = find_pages(p, err);
	if (ret <= 0)
		return ret;
	ret = fz_pe_load(&p->pe, data, size, &p->image, err);
	if (!ret)
		ret = fz_pe_sites(&p->pe, p->image, &p->sites, &p->nsites, err);
	if (ret)
		return ret;
	p->blob.image.base = p->pe.base;
	p->blob.image.bytes = p->pe.image;
	find_loose(p);
	for (i = 0; i < p->pe.build_id_len; i++)
		sprintf(p->build_id + 2 * i, "%02x", p->pe.build_id[i]);
	return 1;
}

static void mark(uint64_t *blocks, uint32_t from, uint32_t to)
{
	for (from /= FZ_ANCHOR; from * FZ_ANCHOR < to && from < 64; from++)
		*blocks |= 1ULL << from;
}

/* The first symbol that ends behind @start. */
static size_t first_symbol(const struct program *p, uint32_t start)
{
	size_t lo = 0, hi = p->nsymbols;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->symbols[mid].rva + p->symbols[mid].bytes <= start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Blocks of page @page that anchors can't be made of: they have a site, or are loose. */
static uint64_t bad_blocks(const struct program *p, uint32_t page, const uint16_t *sites, size_t n)
{
	uint32_t start = page * PAGE, i;
	uint64_t bad = 0;
	size_t k;

	for (i = 0; i < n; i++) {
		uint32_t at = FZ_SITE_AT(sites[i]), bytes = fz_reloc_bytes(FZ_SITE_FIX(sites[i]));

		if (sites[i] & FZ_SITE_BEFORE)
			mark(&bad, 0, bytes - at);
		else
			mark(&bad, at, at + bytes);
	}
	for (k = first_symbol(p, start); k < p->nsymbols && p->symbols[k].rva < start + PAGE; k++) {
		const struct fz_textrel_symbol *s = &p->symbols[k];

		mark(&bad, s->rva > start ? s->rva - start : 0, s->rva + s->bytes - start);
	}
	for (i = 0; i < p->blob.image.nloose; i++) {
		const struct fz_reloc_loose *l = &p->blob.ranges[i];

		if (l->to > start && l->from < start + PAGE)
			mark(&bad, l->from > start ? l->from - start : 0, l->to - start);
	}
	return bad;
}

static int add_anchors(const struct program *p, uint32_t page, uint64_t bad,
		       const struct fz_taker *t, struct fz_error *err)
{
	unsigned int i, n = 0;
	uint64_t hash;
	int ret;

	/* Spread over the page: 0, 37, 10, ... are all of 0 to 63. */
	for (i = 0; i < 64 && n < ANCHORS; i++) {
		unsigned int b = i * 37 % 64;

		if (bad & 1ULL << b)
			continue;
		hash = fz_reloc_anchor(p->image + page * PAGE + b * FZ_ANCHOR, b);
		if (!hash)
			continue;
		ret = t->anchor(t->ctx, hash, page, err);
		if (ret)
			return ret;
		n++;
	}
	return 0;
}

static int add_page(const struct program *p, uint32_t page, size_t *next, const struct fz_taker *t,
		    struct fz_error *err)
{
	uint16_t sites[PAGE / 2 + 2];
	uint64_t start = (uint64_t)page * PAGE, end = start + PAGE, bad;
	uint32_t base_at = p->pe.te ? 0 : p->pe.base_at;
	size_t n = 0, i;
	int ret = 0;

	if (base_at && !page)
		sites[n++] = base_at | FZ_SITE_HEADER |
			(p->pe.is64 ? FZ_RELOC_64 : FZ_RELOC_32) << 12;
	for (i = *next; i < p->nsites && p->sites[i].rva < end; i++) {
		const struct fz_pe_site *s = &p->sites[i];

		if (s->rva + fz_reloc_bytes(s->fix) <= start)
			*next = i + 1;
		else if (s->rva < start)
			sites[n++] = (start - s->rva) | s->fix << 12 | FZ_SITE_BEFORE;
		else
			sites[n++] = (s->rva - start) | s->fix << 12;
	}
	bad = bad_blocks(p, page, sites, n);
	if (n)
		ret = t->extra(t->ctx, FZ_BLOB_RELOC, 1 + page, sites, n * sizeof(*sites), err);
	if (!ret && (n || bad))
		ret = add_anchors(p, page, bad, t, err);
	return ret;
}

static int add_symbols(const struct program *p, uint32_t page, const struct fz_taker *t,
		       struct fz_error *err)
{
	struct fz_reloc_symbol out[PAGE / 4 + 2];
	uint32_t start = page * PAGE;
	size_t i, n = 0;

	for (i = first_symbol(p, start); i < p->nsymbols && p->symbols[i].rva < start + PAGE; i++) {
		const struct fz_textrel_symbol *s = &p->symbols[i];

		out[n++] = (struct fz_reloc_symbol){ (int64_t)s->rva - start, s->bytes, s->flags, 0,
						     s->value, s->was };
	}
	return n ? t->extra(t->ctx, FZ_BLOB_SYMBOLS, 1 + page, out, n * sizeof(*out), err) : 0;
}

static int add_extras(const struct program *p, const struct fz_taker *t, struct fz_error *err)
{
	size_t len = sizeof(p->blob.image) + p->blob.image.nloose * sizeof(p->blob.ranges[0]);
	size_t next = 0, i;
	uint32_t k;
	int ret;

	ret = t->extra(t->ctx, FZ_BLOB_RELOC, 0, &p->blob, len, err);
	for (i = 0; !ret && i < p->nsegments; i++)
		for (k = 0; !ret && k < p->segments[i].pages; k++)
			ret = add_page(p, p->segments[i].offset / PAGE + k, &next, t, err);
	for (i = 0; !ret && p->nsymbols && i < p->nsegments; i++)
		for (k = 0; !ret && k < p->segments[i].pages; k++)
			ret = add_symbols(p, p->segments[i].offset / PAGE + k, t, err);
	return ret;
}

/* 1 if it was taken, 0 if it has nothing to take. */
static int take_program(const struct fz_hashdb_file *given, const void *data, size_t size, bool te,
			const struct fz_taker *t, struct fz_error *err)
{
	struct program *p = calloc(1, sizeof(*p));
	struct fz_hashdb_file f = *given;
	int ret;

	if (!p)
		return fz_fail(err, -ENOMEM, "out of memory");
	ret = te ? fz_te_parse(&p->pe, data, size, err) : fz_pe_parse(&p->pe, data, size, err);
	if (ret > 0)
		ret = prepare(p, data, size, err);
	if (ret > 0) {
		f.kind = te ? FZ_FILE_TE : FZ_FILE_PE;
		f.machine = fz_pe_elf_machine(&p->pe);
		f.is64 = p->pe.is64;
		/* Most of a kernel's is packed. */
		f.flags = FZ_FILE_IMAGE | (p->pe.linux_kernel ? 0 : FZ_FILE_STORED) |
			(f.machine == 62 || f.machine == 3 ? 0 : FZ_FILE_FOREIGN);
		if (!f.arch)
			f.arch = (char *)fz_pe_arch(&p->pe);
		f.build_id = p->build_id;
		f.pie = true;
		f.entry = p->pe.entry;
		f.nsegments = p->nsegments;
		f.segments = p->segments;
		ret = t->take_image(t->ctx, &f, data, size, p->image, p->pe.image, err);
		if (ret > 0)
			ret = add_extras(p, t, err);
		ret = ret < 0 ? ret : 1;
	}
	free(p->image);
	free(p->sites);
	free(p);
	return ret;
}

int fz_firmware_elf(const struct fz_elf *elf, const void *data, size_t size,
		    const struct fz_textrel *r, const struct fz_taker *t, struct fz_error *err)
{
	struct program *p = calloc(1, sizeof(*p));
	size_t i;
	int ret;

	if (!p)
		return fz_fail(err, -ENOMEM, "out of memory");
	p->pe.te = true;	/* no header with the base in it */
	p->sites = r->sites;
	p->nsites = r->nsites;
	p->symbols = r->symbols;
	p->nsymbols = r->nsymbols;
	for (i = 0; i < elf->nsegments && i < SEGMENTS; i++) {
		p->segments[i] = (struct fz_hashdb_segment) { elf->segments[i].offset,
			elf->segments[i].vaddr, elf->segments[i].pages };
		p->blob.image.bytes = elf->segments[i].offset + elf->segments[i].pages * PAGE;
	}
	p->nsegments = i;
	p->image = calloc(1, p->blob.image.bytes);
	if (p->image) {
		memcpy(p->image, data, size < p->blob.image.bytes ? size : p->blob.image.bytes);
		ret = add_extras(p, t, err);
	} else {
		ret = fz_fail(err, -ENOMEM, "out of memory");
	}
	free(p->image);
	free(p);
	return ret;
}

int fz_firmware_pe(const struct fz_hashdb_file *f, const void *data, size_t size,
		   const struct fz_taker *t, struct fz_error *err)
{
	return take_program(f, data, size, false, t, err);
}

/* --------------------------------------------------------------- firmware images */

/* All of it, as it is. 1, or 0 if it was known before. */
static int put_raw(const struct fz_hashdb_file *given, const void *data, size_t size,
		   const struct fz_taker *t, struct fz_error *err)
{
	struct fz_hashdb_segment segment = { .pages = (size + PAGE - 1) / PAGE };
	struct fz_hashdb_file f = *given;

	f.kind = FZ_FILE_FIRMWARE;
	f.flags = FZ_FILE_STORED;
	f.pie = true;
	f.nsegments = 1;
	f.segments = &segment;
	if (!f.arch)
		f.arch = "amd64";
	return t->take(t->ctx, &f, data, size, err);
}

static int take_raw(const struct fz_hashdb_file *given, const void *data, size_t size,
		    const struct fz_taker *t, struct fz_error *err)
{
	int ret = put_raw(given, data, size, t, err);

	return ret < 0 ? ret : 1;
}

/*
 * A BIOS is told by its end, where the processor begins. At its beginning SeaBIOS has
 * zeros, as many other files have.
 */
bool fz_firmware_bios_magic(const void *data, size_t size)
{
	const uint8_t *p = data;

	return size >= FZ_FORMAT_HEAD && !p[0] && !memcmp(p, p + 1, FZ_FORMAT_HEAD - 1);
}

bool fz_firmware_bios_end(const void *tail, size_t size)
{
	const uint8_t *end = (const uint8_t *)tail + FZ_FORMAT_TAIL;

	/* jmp far 0xf000:..., then a date: 06/23/99 */
	return size >= BIOS_MIN && size <= BIOS_MAX && !(size & (size - 1)) && end[-16] == 0xea &&
	       end[-12] == 0xf0 && !end[-13] && end[-9] == '/' && end[-6] == '/';
}

int fz_firmware_bios(const struct fz_hashdb_file *f, const void *data, size_t size,
		     const struct fz_taker *t, struct fz_error *err)
{
	struct {
		struct fz_moves head;
		uint32_t fields[FZ_MOVES_MAX];
	} *m;
	size_t n;
	int ret;

	if (!fz_firmware_bios_end((const uint8_t *)data + size - FZ_FORMAT_TAIL, size))
		return fz_fail(err, 0, "it begins with zeros and is no BIOS");
	ret = put_raw(f, data, size, t, err);
	if (ret <= 0)
		return ret < 0 ? ret : 1;
	m = malloc(sizeof(*m));
	if (!m)
		return fz_fail(err, -ENOMEM, "out of memory");
	if (fz_bios_moves(data, size, &m->head, m->fields)) {
		n = m->head.n[0] + m->head.n[1] + m->head.n[2];
		ret = t->extra(t->ctx, FZ_BLOB_MOVED, 0, m,
			       sizeof(m->head) + n * sizeof(*m->fields), err);
	}
	free(m);
	return ret < 0 ? ret : 1;
}

bool fz_firmware_rom_magic(const void *data, size_t size)
{
	const uint8_t *p = data;

	return size >= ROM_BLOCK && p[0] == 0x55 && p[1] == 0xaa && p[2];
}

int fz_firmware_rom(const struct fz_hashdb_file *f, const void *data, size_t size,
		    const struct fz_taker *t, struct fz_error *err)
{
	const uint8_t *p = data;

	if (size > ROM_MAX || p[2] * ROM_BLOCK > size)
		return fz_fail(err, 0, "it begins as an option ROM and is none");
	return take_raw(f, data, size, t, err);
}

struct volumes {
	const struct fz_hashdb_file *f;
	const struct fz_taker *t;
	int taken;
};

static int take_item(void *ctx, const struct fz_fv_item *item, struct fz_error *err)
{
	struct volumes *v = ctx;
	struct fz_hashdb_file f = *v->f;
	char path[PATH_MAX];
	int ret;

	if (snprintf(path, sizeof(path), "%s: %s", f.path, item->name) >= (int)sizeof(path))
		return fz_fail(err, -EINVAL, "its path is too long");
	f.path = path;
	if (item->kind == FZ_FV_IN_PLACE) {
		if (!item->size)
			return 0;
		ret = take_raw(&f, item->data, item->size, v->t, err);
	} else {
		ret = take_program(&f, item->data, item->size, item->kind == FZ_FV_TE, v->t, err);
	}
	v->taken += ret > 0;
	return ret < 0 ? ret : 0;
}

int fz_firmware_volumes(const struct fz_hashdb_file *f, const void *data, size_t size,
			const struct fz_taker *t, struct fz_error *err)
{
	struct volumes v = { f, t, 0 };
	int ret = fz_fv_read(data, size, take_item, &v, err);

	if (ret)
		return ret;
	return v.taken ? v.taken : fz_fail(err, 0, "it has no programs");
}
