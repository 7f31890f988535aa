// SPDX-License-Identifier: GPL-2.0-only
/* modified.c - rule 5 of identify.h: is an unknown page a changed page of a known file */
#include <xxhash.h>
#include "identify_priv.h"

#define SPAN		0xff0	/* an instruction from here on can reach the next page */
#define LIKE_MAX	16
#define BLOCK		64
#define SOME		4	/* blocks of a sketch that make it worth to get the page */
#define PAGE_MASK	(~(uint64_t)(FZ_PAGE_SIZE - 1))

/*
 * Which blocks differ? The database tells how many are equal. Change one block of
 * a copy at a time, to a sketch that is not its own: the count falls by one if and
 * only if the block was equal.
 */
static int differing_blocks(struct fz_identify *id, uint32_t file, uint32_t pageno,
			    const uint8_t *page, int equal, uint64_t *differ, struct fz_error *err)
{
	const size_t block = FZ_PAGE_SIZE / FZ_SKETCH;
	uint8_t copy[FZ_PAGE_SIZE], own[FZ_SKETCH], now[FZ_SKETCH];
	int i, n;

	memcpy(copy, page, sizeof(copy));
	fz_hashdb_sketch(page, own);
	*differ = 0;
	for (i = 0; i < FZ_SKETCH; i++) {
		do {
			uint16_t *x = (uint16_t *)(copy + i * block);

			++*x;
			fz_hashdb_sketch(copy, now);
		} while (now[i] == own[i]);
		n = fz_hashdb_similar(id->db, file, pageno, copy, err);
		if (n < 0)
			return n;
		if (n != equal - 1)
			*differ |= 0xfULL << 4 * i;
		memcpy(copy + i * block, page + i * block, block);
	}
	return 0;
}

/* Get page @pageno of a file as it should be. 1, 0 if it is not at hand, negative errno. */
static int original(struct fz_identify *id, uint32_t file, uint32_t pageno, uint8_t *want,
		    struct fz_error *err)
{
	const struct fz_hashdb_file *f = &id->r.files[file];
	struct fz_hashdb_ref refs[FZ_REFS_MAX];
	bool forged, stored = f->flags & FZ_FILE_STORED;
	size_t n, i;
	int ret;

	if (stored)
		ret = fz_hashdb_page(id->db, id->file_ids[file], pageno, want, err);
	else
		ret = id->source && id->source(id->source_arg, f->sha256, pageno, want) ?
		      0 : -ENOENT;
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	ret = fz_hashdb_lookup(id->db, XXH64(want, FZ_PAGE_SIZE, 0), want, refs, FZ_REFS_MAX, &n,
			       &forged, err);
	for (i = 0; ret > 0 && i < n && i < FZ_REFS_MAX; i++)
		if (refs[i].file == id->file_ids[file] && refs[i].page == pageno)
			return 1;
	return ret < 0 ? ret : 0;
}

static int equal_blocks(const uint8_t *a, const uint8_t *b)
{
	int i, n = 0;

	for (i = 0; i < FZ_PAGE_SIZE; i += BLOCK)
		n += !memcmp(a + i, b + i, BLOCK);
	return n;
}

/* Enough of @page is as in the file, of whose sketch @equal blocks are. 1, 0, or an errno. */
static int is_like(struct fz_identify *id, uint32_t file, uint32_t pageno, const uint8_t *page,
		   int equal, struct fz_error *err)
{
	uint8_t want[FZ_PAGE_SIZE];
	int ret;

	if (equal < SOME)
		return 0;
	ret = original(id, file, pageno, want, err);
	if (ret)
		return ret < 0 ? ret : equal_blocks(page, want) > FZ_PAGE_SIZE / BLOCK / 2;
	return equal >= FZ_SIMILAR;
}

/* The best matches so far. */
struct match {
	int equal;			/* blocks, 0 = none */
	uint32_t n, classes[LIKE_MAX];
	uint32_t page;			/* FZ_NO_PAGE: they differ in it */
	uint32_t file;			/* the first one's */
	uint64_t base;
};

static void add_match(struct match *m, const struct fz_results *r, const struct fz_place *place,
		      uint32_t page, int equal)
{
	uint32_t i;

	if (equal < m->equal)
		return;
	if (equal > m->equal) {
		*m = (struct match){ .equal = equal, .page = page, .base = place->base,
				     .file = r->classes[place->class].file };
	}
	if (m->page != page || m->base != place->base)
		m->page = FZ_NO_PAGE;
	for (i = 0; i < m->n; i++)
		if (m->classes[i] == place->class)
			return;
	if (m->n < LIKE_MAX)
		m->classes[m->n++] = place->class;
}

/* Compare @page with the page of @place's file that lies at @vaddr, if one does. */
static int compare(struct fz_identify *id, const uint8_t *page, const struct fz_place *place,
		   uint64_t vaddr, struct match *m, struct fz_error *err)
{
	const struct fz_class *class = &id->r.classes[place->class];
	const struct fz_hashdb_file *file = &id->r.files[class->file];
	size_t s;

	for (s = 0; s < file->nsegments; s++) {
		const struct fz_hashdb_segment *seg = &file->segments[s];
		uint64_t pageno = (seg->offset + (vaddr - seg->vaddr)) / FZ_PAGE_SIZE;
		int equal, ret;

		if (vaddr < seg->vaddr ||
		    vaddr - seg->vaddr >= (uint64_t)seg->pages * FZ_PAGE_SIZE ||
		    pageno >= FZ_NO_PAGE)
			continue;
		equal = fz_hashdb_similar(id->db, id->file_ids[class->file], pageno, page, err);
		if (equal < 0 && equal != -ENOENT)
			return equal;
		ret = equal < 0 ? 0 : is_like(id, class->file, pageno, page, equal, err);
		if (ret < 0)
			return ret;
		if (ret)
			add_match(m, &id->r, place, pageno, equal);
	}
	return 0;
}

/* Compare with what lies there by places @p[0..n): those of an address space, or of a VM. */
static int compare_all(struct fz_identify *id, const struct fz_frame *f, const struct fz_place *p,
		       size_t n, bool pie_only, struct match *m, struct fz_error *err)
{
	int spans = (f->rip & ~PAGE_MASK) > SPAN, i, ret;
	size_t k;

	for (k = 0; k < n; k++) {
		if (pie_only && !class_file(&id->r, p[k].class)->pie)
			continue;
		for (i = 0; i <= spans; i++) {
			uint64_t v = (f->rip & PAGE_MASK) + (uint64_t)i * FZ_PAGE_SIZE;

			if (v < p[k].base)
				continue;
			ret = compare(id, id->r.contents[f->content].page, &p[k], v - p[k].base,
				      m, err);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int set_modified(struct fz_identify *id, struct fz_frame *f, const struct match *m,
			struct fz_error *err)
{
	uint8_t want[FZ_PAGE_SIZE];
	int ret;

	f->verdict = FZ_VERDICT_MODIFIED;
	f->page = m->page;
	f->placed = true;
	f->base = m->base;
	if (m->n == 1) {
		f->class = m->classes[0];
	} else {
		f->like = calloc(m->n, sizeof(*f->like));
		if (!f->like)
			return fz_fail(err, -ENOMEM, "out of memory");
		memcpy(f->like, m->classes, m->n * sizeof(*f->like));
		f->nlike = m->n;
	}
	f->differ = 0;
	if (m->page == FZ_NO_PAGE)
		return 0;
	ret = original(id, m->file, m->page, want, err);
	if (ret > 0)
		return fz_set_bytes(id, f, want, err);
	if (ret < 0)
		return ret;
	return differing_blocks(id, id->file_ids[m->file], m->page,
				id->r.contents[f->content].page, m->equal, &f->differ, err);
}

static size_t lower_bound(const struct fz_place *p, size_t n, const struct fz_place *key)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (fz_place_order(&p[mid], key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int fz_find_modified(struct fz_identify *id, const struct fz_places *p, struct fz_frame *f,
		     struct fz_error *err)
{
	struct match m = { 0 };
	struct fz_place key = { .vm = f->vm, .cr3 = f->cr3 };
	size_t lo, hi;
	int ret;

	if (!id->r.contents[f->content].page || !p->n)
		return 0;
	lo = lower_bound(p->space, p->n, &key);
	for (hi = lo; hi < p->n && p->space[hi].vm == f->vm && p->space[hi].cr3 == f->cr3;)
		hi++;
	ret = compare_all(id, f, p->space + lo, hi - lo, false, &m, err);
	if (ret)
		return ret;
	if (m.equal)
		return set_modified(id, f, &m, err);
	key.cr3 = 0;
	lo = lower_bound(p->vm, p->nvm, &key);
	for (hi = lo; hi < p->nvm && p->vm[hi].vm == f->vm;)
		hi++;
	ret = compare_all(id, f, p->vm + lo, hi - lo, true, &m, err);
	return ret || !m.equal ? ret : set_modified(id, f, &m, err);
}
