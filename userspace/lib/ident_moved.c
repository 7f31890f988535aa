// SPDX-License-Identifier: GPL-2.0-only
/*
 * ident_moved.c - a BIOS's code that was moved, and the pages that it left: moved.h
 *
 * Without paging an address is a place in memory. One block of a captured page that the
 * image has leads to a distance; then the page must come out to the byte, the fields of
 * the image's own lists being changed by just that distance. Of a distance found so, all
 * other pages are told by their place.
 */
#include <xxhash.h>
#include "identify_priv.h"
#include "moved.h"

#define NEEDLE		32	/* bytes; different ones in it at least: */
#define DIFFERENT	12
#define HITS_MAX	4	/* a block that is in the image more often leads nowhere */
#define DISTANCES_MAX	16	/* of a VM: one for each of its starts */
#define EDGE_MIN	1024	/* bytes of a page that the image has to have to be its edge */
#define ALIKE		40	/* of 64 blocks, for a page to be the BIOS's with data in it */

struct bios {
	uint32_t file, class;
	struct fz_moves m;
	uint32_t *fields;
	uint8_t *image;
};

struct moved {
	uint32_t vm, bios;
	uint32_t distance;
};

struct state {
	bool loaded;
	struct bios *bioses;
	size_t n, cap;
	struct moved *moved;
	size_t nmoved, moved_cap;
};

static void free_state(void *p)
{
	struct state *s = p;
	size_t i;

	for (i = 0; i < s->n; i++) {
		free(s->bioses[i].fields);
		free(s->bioses[i].image);
	}
	free(s->bioses);
	free(s->moved);
	free(s);
}

/* All of the image, each page confirmed. 0 if it is not. */
static int load_image(struct fz_identify *id, struct bios *b, struct fz_error *err)
{
	struct fz_hashdb_ref refs[FZ_REFS_MAX];
	uint32_t page;
	bool forged;
	size_t n, i;
	int ret;

	for (page = 0; page < b->m.bytes / FZ_PAGE_SIZE; page++) {
		uint8_t *p = b->image + (size_t)page * FZ_PAGE_SIZE;

		ret = fz_hashdb_page(id->db, b->file, page, p, err);
		if (!ret)
			ret = fz_hashdb_lookup(id->db, XXH64(p, FZ_PAGE_SIZE, 0), p, refs,
					       FZ_REFS_MAX, &n, &forged, err);
		if (ret < 0)
			return ret == -ENOENT ? 0 : ret;
		for (i = 0; i < n && i < FZ_REFS_MAX; i++)
			if (refs[i].file == b->file && refs[i].page == page)
				break;
		/* Many have it: padding. */
		if (!ret || (i == n && n <= FZ_REFS_MAX))
			return 0;
	}
	return 1;
}

static int load_bios(struct fz_identify *id, struct state *s, uint32_t file, struct fz_error *err)
{
	struct bios b = { .file = file, .class = FZ_NO_CLASS };
	const void *data;
	size_t len, all, i;
	int ret = fz_hashdb_extra(id->db, file, FZ_BLOB_MOVED, 0, &data, &len, err);

	if (ret <= 0 || len < sizeof(b.m))
		return ret < 0 ? ret : 0;
	memcpy(&b.m, data, sizeof(b.m));
	all = (size_t)b.m.n[0] + b.m.n[1] + b.m.n[2];
	if (all > FZ_MOVES_MAX || len < sizeof(b.m) + all * sizeof(*b.fields) ||
	    b.m.bytes > FZ_MOVES_TOP || b.m.bytes % FZ_PAGE_SIZE || b.m.start > b.m.end ||
	    b.m.end > b.m.bytes)
		return 0;
	b.fields = calloc(all + 1, sizeof(*b.fields));
	b.image = malloc(b.m.bytes + 1);
	if (b.fields)
		memcpy(b.fields, (const uint8_t *)data + sizeof(b.m), all * sizeof(*b.fields));
	ret = b.fields && b.image ? 1 : fz_fail(err, -ENOMEM, "out of memory");
	for (i = 0; ret > 0 && i < all; i++)
		if (b.fields[i] > b.m.bytes || b.m.bytes - b.fields[i] < 4)
			ret = 0;
	if (ret > 0)
		ret = load_image(id, &b, err);
	/* The same of another package: its class has both. */
	for (i = 0; ret > 0 && i < s->n; i++)
		if (s->bioses[i].m.bytes == b.m.bytes &&
		    !memcmp(s->bioses[i].image, b.image, b.m.bytes))
			ret = 0;
	if (ret > 0 && FZ_GROW(s->bioses, s->n, s->cap))
		ret = fz_fail(err, -ENOMEM, "out of memory");
	if (ret > 0) {
		s->bioses[s->n++] = b;
		return 0;
	}
	free(b.fields);
	free(b.image);
	return ret;
}

static int load(struct fz_identify *id, struct state *s, struct fz_error *err)
{
	struct fz_hashdb_info info;
	struct fz_hashdb_file f;
	bool firmware;
	uint32_t file;
	int ret;

	fz_hashdb_info(id->db, &info);
	for (file = 1; file <= info.files; file++) {
		ret = fz_hashdb_file(id->db, file, &f, err);
		if (ret)
			return ret;
		firmware = f.kind == FZ_FILE_FIRMWARE;
		fz_hashdb_file_free(&f);
		ret = firmware ? load_bios(id, s, file, err) : 0;
		if (ret)
			return ret;
	}
	s->loaded = true;
	return 0;
}

/* ------------------------------------------------------------------ one page */

static uint32_t base_of(const struct bios *b)
{
	return FZ_MOVES_TOP - b->m.bytes;
}

/* Add @by to a field at @at of the file in what @page has of [@from, @from + 4096). */
static void change(uint8_t *page, const struct bios *b, int64_t from, uint32_t at, uint32_t by)
{
	uint32_t v, i;
	uint8_t bytes[4];

	memcpy(&v, b->image + at, 4);
	v += by;
	memcpy(bytes, &v, 4);
	for (i = 0; i < 4; i++)
		if ((int64_t)at + i >= from && (int64_t)at + i < from + FZ_PAGE_SIZE)
			page[at + i - from] = bytes[i];
}

/* What the image gives for a page: offset in the file, and which bytes of it there are. */
struct view {
	int64_t offset;
	unsigned int from, to;
	uint8_t page[FZ_PAGE_SIZE];
};

static void make_view(const struct bios *b, uint64_t addr, uint32_t distance, bool stays,
		      struct view *v)
{
	int64_t start = stays ? 0 : b->m.start, end = stays ? b->m.bytes : b->m.end;
	uint32_t at = 0, list, i;

	v->offset = (int64_t)addr - base_of(b) - (stays ? 0 : distance);
	v->from = v->offset < start ? start - v->offset : 0;
	v->to = v->offset + FZ_PAGE_SIZE > end ? end - v->offset : FZ_PAGE_SIZE;
	if (v->offset + FZ_PAGE_SIZE <= start || v->offset >= end)
		v->from = v->to = 0;
	memset(v->page, 0, FZ_PAGE_SIZE);
	if (v->from < v->to)
		memcpy(v->page + v->from, b->image + v->offset + v->from, v->to - v->from);
	for (list = 0; v->from < v->to && list < FZ_MOVES; list++)
		for (i = 0; i < b->m.n[list]; i++, at++)
			if (stays == (list == FZ_MOVE_STAYS))
				change(v->page, b, v->offset, b->fields[at],
				       list == FZ_MOVE_SUBTRACT ? -distance : distance);
}

/* How well does @f fit? 2: to the byte; 1: where the image has bytes, and RIP is there. */
static int fit(const struct fz_identify *id, const struct fz_frame *f, const struct view *v)
{
	const uint8_t *have = id->r.contents[f->content].page;
	unsigned int at = f->rip % FZ_PAGE_SIZE;

	if (v->to - v->from < EDGE_MIN ||
	    memcmp(v->page + v->from, have + v->from, v->to - v->from))
		return 0;
	if (v->from || v->to < FZ_PAGE_SIZE)
		return f->rip / FZ_PAGE_SIZE == f->gfn && at >= v->from && at < v->to;
	return fz_hashdb_content(v->page) >= FZ_WEAK ? 2 : 0;
}

static int add_moved(struct state *s, uint32_t vm, uint32_t bios, uint32_t distance)
{
	size_t i, n = 0;

	for (i = 0; i < s->nmoved; i++) {
		if (s->moved[i].vm != vm)
			continue;
		if (s->moved[i].bios == bios && s->moved[i].distance == distance)
			return 0;
		n++;
	}
	if (n >= DISTANCES_MAX)
		return 0;
	if (FZ_GROW(s->moved, s->nmoved, s->moved_cap))
		return -ENOMEM;
	s->moved[s->nmoved++] = (struct moved){ vm, bios, distance };
	return 0;
}

static bool is_needle(const uint8_t *p)
{
	unsigned int i, n = 0;

	for (i = 1; i < NEEDLE; i++)
		n += p[i] != p[i - 1];
	return n >= DIFFERENT;
}

/* At which distances may @b's code have been moved to be @f? Those at which it is, are kept. */
static int search(struct fz_identify *id, struct state *s, uint32_t bios, const struct fz_frame *f)
{
	const uint8_t *have = id->r.contents[f->content].page;
	const struct bios *b = &s->bioses[bios];
	const uint8_t *image = b->image + b->m.start, *end = b->image + b->m.end, *p;
	unsigned int at, hits;
	struct view v;

	for (at = 0; at + NEEDLE <= FZ_PAGE_SIZE; at += 4 * NEEDLE) {
		if (!is_needle(have + at))
			continue;
		for (p = image, hits = 0; hits < HITS_MAX; p++, hits++) {
			uint32_t distance;

			p = memmem(p, end - p, have + at, NEEDLE);
			if (!p)
				break;
			distance = f->gfn * FZ_PAGE_SIZE + at - (base_of(b) + (p - b->image));
			make_view(b, f->gfn * FZ_PAGE_SIZE, distance, false, &v);
			if (distance && fit(id, f, &v) == 2)
				return add_moved(s, f->vm, bios, distance);
		}
	}
	return 0;
}

/* ----------------------------------------------------------------- decisions */

static bool concerns(const struct fz_identify *id, const struct fz_frame *f)
{
	return fz_is_open(id, f) && !(f->mode & FZ_MODE_PG) && f->gfn < 1 << 20;
}

/* Is it the BIOS's page in its place, but for some bytes? Which may be data, nobody tells. */
static bool alike(const struct fz_identify *id, const struct fz_frame *f, const struct view *v)
{
	const uint8_t *have = id->r.contents[f->content].page;
	unsigned int i, n = 0;

	if (v->from || v->to < FZ_PAGE_SIZE || fz_hashdb_content(v->page) < FZ_WEAK)
		return false;
	for (i = 0; i < 64; i++)
		n += !memcmp(v->page + 64 * i, have + 64 * i, 64);
	return n >= ALIKE;
}

static int settle_one(struct fz_identify *id, struct state *s, struct fz_frame *f,
		      struct fz_error *err)
{
	const struct bios *best = NULL;
	struct view v, found = { 0 };
	int most = 0, stays, how;
	bool two = false, near = false;
	size_t i;
	int ret;

	for (i = 0; i < s->nmoved; i++) {
		const struct bios *b = &s->bioses[s->moved[i].bios];

		if (s->moved[i].vm != f->vm)
			continue;
		for (stays = 0; stays < 2; stays++) {
			make_view(b, f->gfn * FZ_PAGE_SIZE, s->moved[i].distance, stays, &v);
			how = fit(id, f, &v);
			near |= stays && alike(id, f, &v);
			if (!how || how < most)
				continue;
			if (how > most) {
				two = false;
				best = NULL;
			}
			two |= best && best != b;
			most = how;
			best = b;
			found = v;
		}
	}
	if (most == 2 && !two) {
		uint32_t bios = best - s->bioses;

		ret = fz_identify_file(id, best->file, &s->bioses[bios].class, err);
		if (ret)
			return ret;
		fz_say_known(id, f, best->class, found.offset / FZ_PAGE_SIZE,
			     f->gfn * FZ_PAGE_SIZE - found.offset, true);
	} else if (most) {
		fz_say_why(f, two ? FZ_WHY_FIRMWARE : FZ_WHY_DATA);
	} else if (near) {
		fz_say_why(f, FZ_WHY_FIRMWARE);
	}
	return 0;
}

static int settle(struct fz_identify *id, void **state, struct fz_error *err)
{
	struct state *s = *state;
	size_t i;
	uint32_t k;
	int ret = 0;

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return fz_fail(err, -ENOMEM, "out of memory");
		*state = s;
	}
	if (!s->loaded)
		ret = load(id, s, err);
	for (i = 0; !ret && s->n && i < id->r.nframes; i++)
		for (k = 0; !ret && concerns(id, &id->r.frames[i]) && k < s->n; k++)
			if (search(id, s, k, &id->r.frames[i]))
				ret = fz_fail(err, -ENOMEM, "out of memory");
	for (i = 0; !ret && s->nmoved && i < id->r.nframes; i++)
		if (concerns(id, &id->r.frames[i]))
			ret = settle_one(id, s, &id->r.frames[i], err);
	return ret;
}

const struct fz_oracle fz_oracle_moved = { "moved BIOS", settle, free_state };
