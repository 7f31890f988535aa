// SPDX-License-Identifier: GPL-2.0-only
/* past.c - what programs and unknowns have of frames that retire.c let go */
#include "grouping.h"

#define PLACES_SHARE	2	/* places kept, of the limit: one in so many */

static int find_past(struct grouping *g, const struct fz_frame *f, enum fz_verdict verdict,
		     const uint32_t *classes, uint32_t n, struct fz_past **out)
{
	struct fz_identify *id = g->id;
	uint64_t hash = fz_mix(f->vm * 8ULL + verdict);
	uint32_t at, i;
	size_t it;

	for (i = 0; i < n; i++)
		hash = fz_mix(hash + classes[i]);
	it = FZ_INDEX_START(hash);
	while ((at = fz_index_next(&id->by_past, hash, &it)) != FZ_NONE) {
		*out = &id->pasts[at];
		if ((*out)->vm == f->vm && (*out)->verdict == verdict && (*out)->nclasses == n &&
		    !memcmp((*out)->classes, classes, n * sizeof(*classes)))
			return 0;
	}
	if (FZ_GROW(id->pasts, id->npasts, id->pasts_cap))
		return -ENOMEM;
	*out = &id->pasts[id->npasts];
	**out = (struct fz_past){ .vm = f->vm, .verdict = verdict, .nclasses = n,
				  .first = f->first, .classes = calloc(n, sizeof(*classes)) };
	if (!(*out)->classes)
		return -ENOMEM;
	memcpy((*out)->classes, classes, n * sizeof(*classes));
	return fz_index_add(&id->by_past, hash, id->npasts++);
}

static int past_frame(struct grouping *g, uint32_t frame)
{
	const struct fz_results *r = &g->id->r;
	const struct fz_frame *f = &r->frames[frame];
	uint32_t classes[FZ_REFS_MAX], n = fz_frame_classes(r, f, classes);
	const struct fz_version *v;
	struct fz_past *p;
	struct item it = { .page = fz_group_page(r, f, n) };

	if (find_past(g, f, fz_group_verdict(g, f, classes, n), classes, n, &p))
		return -ENOMEM;
	p->first = f->first < p->first ? f->first : p->first;
	p->last = f->last > p->last ? f->last : p->last;
	p->patched += f->patched;
	v = f->another ? fz_another_version(g->id, f, classes[0]) : NULL;
	if (v) {
		p->same = v->same;
		p->differ = v->differ;
	}
	if (it.page == FZ_NO_PAGE)
		return 0;
	if (f->verdict == FZ_VERDICT_MODIFIED && !(it.page >> 31))
		it.page |= FZ_PAST_DIFFERS;
	it.program = p - g->id->pasts;
	if (FZ_GROW(g->items, g->nitems, g->items_cap))
		return -ENOMEM;
	g->items[g->nitems++] = it;
	return 0;
}

static int page_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* @it[0..n) are pages of @p. */
static int add_pages(struct fz_past *p, const struct item *it, size_t n)
{
	uint32_t *pages = reallocarray(p->pages, p->npages + n, sizeof(*pages)), out = 0;
	size_t i;

	if (!pages)
		return -ENOMEM;
	p->pages = pages;
	for (i = 0; i < n; i++)
		pages[p->npages + i] = it[i].page;
	qsort(pages, p->npages + n, sizeof(*pages), page_order);
	for (i = 0; i < p->npages + n; i++)
		if (!out || pages[i] != pages[out - 1])
			pages[out++] = pages[i];
	p->npages = out;
	return 0;
}

static int keep_programs(struct fz_identify *id, const bool *gone)
{
	struct grouping g = { .id = id };
	size_t i, from;
	int ret = fz_group_modified(&g);

	for (i = 0; i < id->r.nframes && !ret; i++)
		if (gone[i] && id->r.frames[i].verdict != FZ_VERDICT_UNKNOWN)
			ret = past_frame(&g, i);
	if (g.nitems)
		qsort(g.items, g.nitems, sizeof(*g.items), fz_item_order);
	for (from = 0, i = 1; from < g.nitems && !ret; i++) {
		if (i < g.nitems && g.items[i].program == g.items[from].program)
			continue;
		ret = add_pages(&id->pasts[g.items[from].program], g.items + from, i - from);
		from = i;
	}
	free(g.modified);
	free(g.items);
	return ret;
}

static int place_order(const void *a, const void *b)
{
	const struct fz_past_place *x = a, *y = b;

	return fz_place_order(&x->place, &y->place);
}

const struct fz_past_place *fz_past_place(const struct fz_identify *id, uint32_t vm,
					  uint32_t class, uint64_t base)
{
	const struct fz_past_place key = { .place = { .vm = vm, .class = class, .base = base } };

	return id->npast_places ? bsearch(&key, id->past_places, id->npast_places, sizeof(key),
					  place_order) : NULL;
}

bool fz_past_doubted(const struct fz_identify *id, uint32_t vm, uint32_t class)
{
	const struct fz_place key = { .vm = vm, .class = class };
	const struct fz_past_place *p = id->past_places;
	size_t lo = 0, hi = id->npast_places;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (fz_place_order(&p[mid].place, &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < id->npast_places && p[lo].place.vm == vm && p[lo].place.class == class; lo++)
		if (p[lo].doubted)
			return true;
	return false;
}

static bool is_certain(const struct fz_identify *id, const struct fz_frame *f)
{
	const struct fz_content *c = &id->r.contents[f->content];

	return c->ncandidates == 1 && !c->uncounted && c->weight >= FZ_WEAK && !f->misplaced;
}

static int keep_places(struct fz_identify *id, const bool *gone)
{
	struct fz_past_place *p;
	size_t n = id->npast_places + id->nversions, i, out = 0;

	for (i = 0; i < id->r.nframes; i++)
		n += gone[i];
	p = reallocarray(id->past_places, n + 1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	id->past_places = p;
	for (i = 0, n = id->npast_places; i < id->r.nframes; i++) {
		const struct fz_frame *f = &id->r.frames[i];

		if (!gone[i] || f->cpl != 3 || !f->placed || f->class == FZ_NO_CLASS)
			continue;
		p[n++] = (struct fz_past_place){
			.place = { .vm = f->vm, .class = f->class, .base = f->base },
			.certain = is_certain(id, f),
			.same = f->verdict != FZ_VERDICT_MODIFIED,
			.differ = f->verdict == FZ_VERDICT_MODIFIED,
			.another = f->another };
	}
	/* Unknown code at a file's addresses may be what goes. */
	for (i = 0; i < id->nversions; i++) {
		const struct fz_version *v = &id->versions[i];

		if (v->doubted)
			p[n++] = (struct fz_past_place){
				.place = { .vm = v->vm, .class = v->class, .base = v->base },
				.doubted = v->doubted };
	}
	if (n)
		qsort(p, n, sizeof(*p), place_order);
	for (i = 0; i < n; i++) {
		if (!out || place_order(&p[i], &p[out - 1])) {
			p[out++] = p[i];
			continue;
		}
		p[out - 1].certain |= p[i].certain;
		p[out - 1].another |= p[i].another;
		p[out - 1].same += p[i].same;
		p[out - 1].differ += p[i].differ;
		if (p[i].doubted > p[out - 1].doubted)
			p[out - 1].doubted = p[i].doubted;
	}
	/* Without them nothing is said where they could speak against it. */
	for (i = id->limit / PLACES_SHARE; i < out; i++)
		id->r.vms[p[i].place.vm].unplaced = true;
	id->npast_places = out < id->limit / PLACES_SHARE ? out : id->limit / PLACES_SHARE;
	p = reallocarray(p, id->npast_places + 1, sizeof(*p));
	if (p)
		id->past_places = p;
	return 0;
}

static struct fz_past_why *past_whys(struct fz_identify *id, uint32_t vm)
{
	struct fz_past_why (*p)[FZ_WHYS];

	if (vm >= id->past_vms) {
		p = reallocarray(id->past_whys, id->r.nvms, sizeof(*p));
		if (!p)
			return NULL;
		memset(p + id->past_vms, 0, (id->r.nvms - id->past_vms) * sizeof(*p));
		id->past_whys = p;
		id->past_vms = id->r.nvms;
	}
	return id->past_whys[vm];
}

static int count_why(struct fz_identify *id, uint32_t vm, enum fz_why why, uint64_t first,
		     uint64_t rip)
{
	struct fz_past_why *w = past_whys(id, vm);

	if (!w)
		return -ENOMEM;
	w += why;
	if (!w->frames++ || first < w->first) {
		w->first = first;
		w->rip = rip;
	}
	if (first > w->last)
		w->last = first;
	return 0;
}

static int count_gone(struct fz_identify *id, const struct fz_frame *f)
{
	struct fz_gone *g = &id->r.vms[f->vm].let_go;

	g->frames++;
	g->known += f->verdict == FZ_VERDICT_KNOWN;
	g->ambiguous += f->verdict == FZ_VERDICT_AMBIGUOUS;
	g->unknown += f->verdict == FZ_VERDICT_UNKNOWN || f->verdict == FZ_VERDICT_MODIFIED;
	g->modified += f->verdict == FZ_VERDICT_MODIFIED;
	g->mixed += f->mixed;
	g->patched += f->verdict == FZ_VERDICT_KNOWN && f->patched;
	g->generated += f->verdict == FZ_VERDICT_UNKNOWN && f->why == FZ_WHY_GENERATED;
	g->findings += f->verdict == FZ_VERDICT_MODIFIED || f->misplaced || f->foreign ||
		       (f->written && f->verdict == FZ_VERDICT_UNKNOWN && f->why == FZ_WHY_USER);
	return f->verdict == FZ_VERDICT_UNKNOWN ?
	       count_why(id, f->vm, f->why, f->first, f->rip) : 0;
}

int fz_past_uncounted(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec,
			enum fz_why why, struct fz_error *err)
{
	struct fz_gone *g = &id->r.vms[vm].let_go;

	id->refused++;
	g->frames++;
	g->unknown++;
	g->mixed += rec->type == FZ_REC_MIXED;
	return count_why(id, vm, why, rec->time, rec->rip) ?
	       fz_fail(err, -ENOMEM, "out of memory") : 0;
}

int fz_past_keep(struct fz_identify *id, const bool *gone)
{
	int ret = keep_places(id, gone);
	size_t i;

	if (!ret)
		ret = keep_programs(id, gone);
	for (i = 0; i < id->r.nframes && !ret; i++)
		if (gone[i])
			ret = count_gone(id, &id->r.frames[i]);
	return ret;
}

void fz_past_free(struct fz_identify *id)
{
	size_t i;

	for (i = 0; i < id->npasts; i++) {
		free(id->pasts[i].classes);
		free(id->pasts[i].pages);
	}
	free(id->pasts);
	free(id->by_past.slot);
	free(id->past_whys);
	free(id->past_places);
}

/* ---------------------------------------------------------------- and back again */

/* What is kept of frames that were let go. */
int fz_past_programs(struct grouping *g)
{
	struct fz_identify *id = g->id;
	struct fz_program *p;
	uint32_t at, k;
	size_t i;

	for (i = 0; i < id->npasts; i++) {
		const struct fz_past *t = &id->pasts[i];
		const struct fz_frame f = { .vm = t->vm, .first = t->first };

		if (fz_group_program(g, &f, t->verdict, t->classes, t->nclasses, &at))
			return -ENOMEM;
		p = &id->r.programs[at];
		p->last = t->last > p->last ? t->last : p->last;
		p->patched += t->patched;
		p->same = t->same;
		p->differ = t->differ;
		for (k = 0; k < t->npages; k++) {
			if (FZ_GROW(g->items, g->nitems, g->items_cap))
				return -ENOMEM;
			g->items[g->nitems++] = (struct item){ .program = at, .frame = FZ_NONE,
				.page = t->pages[k] >> 31 ? t->pages[k] :
					t->pages[k] & ~FZ_PAST_DIFFERS };
		}
	}
	return 0;
}

int fz_past_unknowns(struct fz_identify *id)
{
	struct fz_results *r = &id->r;
	uint32_t vm;
	int why;

	for (vm = 0; vm < id->past_vms; vm++) {
		for (why = 0; why < FZ_WHYS; why++) {
			const struct fz_past_why *w = &id->past_whys[vm][why];

			if (!w->frames)
				continue;
			if (FZ_GROW(r->unknowns, r->nunknowns, id->unknowns_cap))
				return -ENOMEM;
			r->unknowns[r->nunknowns++] = (struct fz_unknown){ .vm = vm, .why = why,
				.gone = true, .frames = w->frames, .first = w->first,
				.last = w->last, .rip = w->rip, .origin = FZ_NO_CLASS };
		}
	}
	return 0;
}
