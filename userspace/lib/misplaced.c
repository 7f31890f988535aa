// SPDX-License-Identifier: GPL-2.0-only
/* misplaced.c - rule 6 of identify.h: pages of known files where these can't have them */
#include "identify_priv.h"

#define GIB		(1ULL << 30)

/*
 * Where Linux loads what is not randomized: there, one process after another has the
 * same CR3 and nearly the same load addresses.
 */
bool fz_random_base(uint64_t base)
{
	static const uint64_t from[] = { 0, 0x2aaaaaaaa000, 0x555555554000, 0x7fff00000000 };
	size_t i;

	for (i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		if (base >= from[i] && base - from[i] < 4 * GIB)
			return false;
	return true;
}

bool fz_nowhere(const struct fz_identify *id, const struct fz_frame *f)
{
	const struct fz_content *c = &id->r.contents[f->content];
	uint64_t bases[FZ_BASES_MAX];
	uint32_t i;

	if (f->cpl != 3 || !(f->mode & FZ_MODE_PG) || c->uncounted || !c->ncandidates)
		return false;
	for (i = 0; i < c->ncandidates; i++)
		if (fz_place_page(class_file(&id->r, c->candidates[i].class),
				  c->candidates[i].page, f->rip, bases))
			return false;
	return true;
}

/* From the first executable byte to behind the last. */
static uint64_t span(const struct fz_hashdb_file *f)
{
	uint64_t lo = UINT64_MAX, hi = 0;
	size_t i;

	for (i = 0; i < f->nsegments; i++) {
		uint64_t end = f->segments[i].vaddr + (uint64_t)f->segments[i].pages * FZ_PAGE_SIZE;

		lo = f->segments[i].vaddr < lo ? f->segments[i].vaddr : lo;
		hi = end > hi ? end : hi;
	}
	return hi > lo ? hi - lo : 0;
}

/* Of one file in one address space: which load address do most of its frames agree on? */
static uint64_t main_base(const struct fz_certain *c, size_t n)
{
	size_t i, from, most = 0;
	uint64_t base = 0;

	for (from = 0, i = 1; i <= n; i++) {
		if (i < n && c[i].place.base == c[from].place.base)
			continue;
		if (i - from > most) {
			most = i - from;
			base = c[from].place.base;
		}
		from = i;
	}
	return most > 1 ? base : 0;
}

/* Was one of its frames at @base first seen about when @f was? */
static bool near_in_time(const struct fz_results *r, const struct fz_certain *c, size_t n,
			 uint64_t base, const struct fz_frame *f)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint64_t t = r->frames[c[i].frame].first;

		if (c[i].place.base == base &&
		    (t > f->first ? t - f->first : f->first - t) < FZ_NEAR_NS)
			return true;
	}
	return false;
}

static void find_overlaps(struct fz_results *r, struct fz_certain *c, size_t n)
{
	uint64_t base = main_base(c, n), size = span(class_file(r, c->place.class));
	size_t i;

	if (!base || !fz_random_base(base))
		return;
	for (i = 0; i < n; i++) {
		uint64_t b = c[i].place.base, d = b > base ? b - base : base - b;
		struct fz_frame *f = &r->frames[c[i].frame];

		if (!d || d >= size || !fz_random_base(b) || !near_in_time(r, c, n, base, f))
			continue;
		f->misplaced = true;
		f->base = base;
	}
}

static int certain_order(const void *a, const void *b)
{
	const struct fz_certain *x = a, *y = b;
	int c = fz_place_order(&x->place, &y->place);

	return c ? c : x->frame < y->frame ? -1 : x->frame > y->frame;
}

void fz_find_misplaced(struct fz_identify *id, struct fz_certain *c, size_t n)
{
	size_t from, to;

	if (n)
		qsort(c, n, sizeof(*c), certain_order);
	for (from = 0; from < n; from = to) {
		for (to = from + 1; to < n && c[to].place.vm == c[from].place.vm &&
		     c[to].place.cr3 == c[from].place.cr3 &&
		     c[to].place.class == c[from].place.class; to++)
			;
		if (class_file(&id->r, c[from].place.class)->pie)
			find_overlaps(&id->r, c + from, to - from);
	}
}
