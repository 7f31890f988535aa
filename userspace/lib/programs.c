// SPDX-License-Identifier: GPL-2.0-only
/* programs.c - group settled frames into programs and unknowns */
#include "grouping.h"

void fz_identify_ungroup(struct fz_identify *id)
{
	size_t i;

	for (i = 0; i < id->r.nprograms; i++) {
		free(id->r.programs[i].classes);
		free(id->r.programs[i].spaces);
		free(id->r.programs[i].findings);
	}
	free(id->r.programs);
	free(id->r.unknowns);
	id->r.programs = NULL;
	id->r.unknowns = NULL;
	id->r.nprograms = 0;
	id->r.nunknowns = 0;
	id->programs_cap = 0;
	id->unknowns_cap = 0;
}

uint32_t fz_frame_classes(const struct fz_results *r, const struct fz_frame *f,
			  uint32_t classes[FZ_REFS_MAX])
{
	const struct fz_content *c = &r->contents[f->content];
	uint32_t n = 0, i;

	if (f->class != FZ_NO_CLASS) {
		classes[n++] = f->class;
	} else if (f->nlike) {
		for (i = 0; i < f->nlike; i++)
			classes[n++] = f->like[i];
	} else if (f->verdict == FZ_VERDICT_AMBIGUOUS) {
		for (i = 0; i < c->ncandidates; i++)
			if (!n || classes[n - 1] != c->candidates[i].class)
				classes[n++] = c->candidates[i].class;
	}
	return n;
}

static int modified_order(const void *a, const void *b)
{
	const struct modified *x = a, *y = b;
	int c = fz_place_order(&x->place, &y->place);

	return c ? c : x->n < y->n ? -1 : x->n > y->n;
}

/* A file that is modified at this place is told apart from one that is not elsewhere. */
static bool is_modified(const struct grouping *g, const struct fz_frame *f,
			const uint32_t *classes, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct modified key = { { f->vm, classes[i], f->cr3, f->base }, n };

		if (!f->placed || !g->nmodified ||
		    !bsearch(&key, g->modified, g->nmodified, sizeof(key), modified_order))
			return false;
	}
	return true;
}

int fz_group_modified(struct grouping *g)
{
	const struct fz_results *r = &g->id->r;
	uint32_t classes[FZ_REFS_MAX], n, k;
	size_t i;

	for (i = 0; i < r->nframes; i++) {
		const struct fz_frame *f = &r->frames[i];

		if (f->verdict != FZ_VERDICT_MODIFIED)
			continue;
		n = fz_frame_classes(r, f, classes);
		for (k = 0; k < n; k++) {
			if (FZ_GROW(g->modified, g->nmodified, g->modified_cap))
				return -ENOMEM;
			g->modified[g->nmodified++] = (struct modified){
				{ f->vm, classes[k], f->cr3, f->base }, n };
		}
	}
	if (g->nmodified)
		qsort(g->modified, g->nmodified, sizeof(*g->modified), modified_order);
	return 0;
}

static bool same_program(const struct fz_program *p, uint32_t vm, enum fz_verdict verdict,
			 const uint32_t *classes, uint32_t n)
{
	return p->vm == vm && p->verdict == verdict && p->nclasses == n &&
	       !memcmp(p->classes, classes, n * sizeof(*classes));
}

int fz_group_program(struct grouping *g, const struct fz_frame *f, enum fz_verdict verdict,
			const uint32_t *classes, uint32_t n, uint32_t *at)
{
	struct fz_identify *id = g->id;
	struct fz_results *r = &id->r;
	uint64_t hash = fz_mix(f->vm * 4ULL + verdict);
	struct fz_program *p;
	uint32_t i;
	size_t it;

	for (i = 0; i < n; i++)
		hash = fz_mix(hash + classes[i]);
	it = FZ_INDEX_START(hash);
	while ((*at = fz_index_next(&g->by_key, hash, &it)) != FZ_NONE)
		if (same_program(&r->programs[*at], f->vm, verdict, classes, n))
			return 0;
	if (FZ_GROW(r->programs, r->nprograms, id->programs_cap))
		return -ENOMEM;
	p = &r->programs[r->nprograms];
	*p = (struct fz_program){ .vm = f->vm, .verdict = verdict, .nclasses = n,
				  .first = f->first };
	p->classes = calloc(n, sizeof(*classes));
	if (!p->classes)
		return -ENOMEM;
	memcpy(p->classes, classes, n * sizeof(*classes));
	*at = r->nprograms++;
	return fz_index_add(&g->by_key, hash, *at);
}

enum fz_verdict fz_group_verdict(const struct grouping *g, const struct fz_frame *f,
				       const uint32_t *classes, uint32_t n)
{
	if (f->another)
		return FZ_VERDICT_VERSION;
	return is_modified(g, f, classes, n) ? FZ_VERDICT_MODIFIED : f->verdict;
}

/* Several files differ in which page it is: the content stands for it. */
uint32_t fz_group_page(const struct fz_results *r, const struct fz_frame *f, uint32_t n)
{
	if (f->page != FZ_NO_PAGE)
		return f->page;
	return n > 1 ? (uint32_t)fz_content_hash(r->contents[f->content].sha) | 1U << 31 :
		       FZ_NO_PAGE;
}

static int add_to_program(struct grouping *g, uint32_t frame)
{
	const struct fz_results *r = &g->id->r;
	const struct fz_frame *f = &r->frames[frame];
	uint32_t classes[FZ_REFS_MAX], n, at;
	struct fz_program *p;

	n = fz_frame_classes(r, f, classes);
	if (fz_group_program(g, f, fz_group_verdict(g, f, classes, n), classes, n, &at) ||
	    FZ_GROW(g->items, g->nitems, g->items_cap))
		return -ENOMEM;
	g->items[g->nitems++] = (struct item){ .program = at, .frame = frame, .cr3 = f->cr3,
		.page = fz_group_page(r, f, n) };
	p = &g->id->r.programs[at];
	if (f->first < p->first)
		p->first = f->first;
	if (f->last > p->last)
		p->last = f->last;
	p->nfindings += f->verdict == FZ_VERDICT_MODIFIED;
	p->patched += f->patched;
	if (f->another) {
		const struct fz_version *v = fz_another_version(g->id, f, classes[0]);

		p->same = v->same;
		p->differ = v->differ;
	}
	return 0;
}

int fz_item_order(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->program != y->program)
		return x->program < y->program ? -1 : 1;
	return x->page < y->page ? -1 : x->page > y->page;
}

static int by_cr3(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->program != y->program)
		return x->program < y->program ? -1 : 1;
	return x->cr3 < y->cr3 ? -1 : x->cr3 > y->cr3;
}

static int by_frame(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

/* Fill in what programs have many of: pages, address spaces, findings. */
static int fill_programs(struct grouping *g)
{
	struct fz_results *r = &g->id->r;
	struct item *it = g->items;
	size_t i, n = g->nitems, kept;

	if (!n)
		return 0;
	for (i = 0; i < r->nprograms; i++) {
		struct fz_program *p = &r->programs[i];

		p->findings = calloc(p->nfindings + 1, sizeof(*p->findings));
		if (!p->findings)
			return -ENOMEM;
		p->nfindings = 0;
		p->pages_total = class_file(r, p->classes[0])->pages_total;
	}
	qsort(it, n, sizeof(*it), by_frame);
	for (i = 0; i < n && it[i].frame != FZ_NONE; i++) {
		struct fz_program *p = &r->programs[it[i].program];

		if (r->frames[it[i].frame].verdict == FZ_VERDICT_MODIFIED)
			p->findings[p->nfindings++] = it[i].frame;
	}
	kept = i;
	/* Those that are kept come first: only they have an address space. */
	if (kept)
		qsort(it, kept, sizeof(*it), by_cr3);
	for (i = 0; i < kept; i++)
		if (!i || by_cr3(&it[i], &it[i - 1]))
			r->programs[it[i].program].nspaces++;
	for (i = 0; i < r->nprograms; i++) {
		struct fz_program *p = &r->programs[i];

		p->spaces = calloc(p->nspaces + 1, sizeof(*p->spaces));
		if (!p->spaces)
			return -ENOMEM;
		p->nspaces = 0;
	}
	for (i = 0; i < kept; i++) {
		struct fz_program *p = &r->programs[it[i].program];

		if (!i || by_cr3(&it[i], &it[i - 1]))
			p->spaces[p->nspaces++] = it[i].cr3;
	}
	qsort(it, n, sizeof(*it), fz_item_order);
	for (i = 0; i < n; i++)
		if (it[i].page != FZ_NO_PAGE && (!i || fz_item_order(&it[i], &it[i - 1])))
			r->programs[it[i].program].pages_seen++;
	return 0;
}

/* ---------------------------------------------------------------- unknowns */

static int add_unknown(struct grouping *g, const struct fz_frame *f)
{
	struct fz_identify *id = g->id;
	struct fz_results *r = &id->r;
	bool has_space = f->cpl == 3 && f->mode & FZ_MODE_PG;
	uint64_t space = has_space ? f->cr3 : 0, page = f->rip & ~(uint64_t)(FZ_PAGE_SIZE - 1);
	uint64_t hash = fz_mix(fz_mix(fz_mix(space) + f->region) + f->vm * 64ULL + f->why * 2 +
			       has_space);
	size_t it = FZ_INDEX_START(hash);
	struct fz_unknown *u;
	uint32_t at;

	while ((at = fz_index_next(&g->by_space, hash, &it)) != FZ_NONE) {
		u = &r->unknowns[at];
		if (u->vm == f->vm && u->why == f->why && u->has_space == has_space &&
		    u->space == space && u->from == f->region &&
		    (f->why != FZ_WHY_WITHIN || u->origin == f->origin))
			break;
	}
	if (at == FZ_NONE) {
		if (FZ_GROW(r->unknowns, r->nunknowns, id->unknowns_cap) ||
		    fz_index_add(&g->by_space, hash, r->nunknowns))
			return -ENOMEM;
		at = r->nunknowns++;
		r->unknowns[at] = (struct fz_unknown){ .vm = f->vm, .why = f->why,
			.has_space = has_space, .space = space, .first = f->first,
			.rip = f->rip, .from = f->region,
			.origin = f->foreign ? FZ_NO_CLASS : f->origin };
	}
	u = &r->unknowns[at];
	if (f->first > u->last)
		u->last = f->first;
	if (f->region && page + FZ_PAGE_SIZE > u->to)
		u->to = page + FZ_PAGE_SIZE;
	u->frames++;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Which programs, libraries aside, ran in the same address space? */
static void find_beside(const struct fz_results *r, struct fz_unknown *u)
{
	uint32_t i;

	for (i = 0; u->has_space && i < r->nprograms && u->nbeside < 4; i++) {
		const struct fz_program *p = &r->programs[i];

		if (p->vm == u->vm && p->nclasses == 1 &&
		    class_file(r, p->classes[0])->kind == FZ_FILE_ELF &&
		    bsearch(&u->space, p->spaces, p->nspaces, sizeof(u->space), by_number) &&
		    !strstr(class_file(r, p->classes[0])->path, ".so"))
			u->beside[u->nbeside++] = i;
	}
}

/* ------------------------------------------------------------------ order */

static int file_order(const struct fz_hashdb_file *a, const struct fz_hashdb_file *b)
{
	int c = strcmp(a->path, b->path);

	if (!c)
		c = strcmp(a->package, b->package);
	if (!c)
		c = strcmp(a->version, b->version);
	return c ? c : memcmp(a->sha256, b->sha256, sizeof(a->sha256));
}

static int class_order(const void *a, const void *b, void *results)
{
	return file_order(class_file(results, *(const uint32_t *)a),
			  class_file(results, *(const uint32_t *)b));
}

static int program_order(const void *a, const void *b, void *results)
{
	const struct fz_program *x = a, *y = b;
	uint32_t i;
	int c;

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	for (i = 0; i < x->nclasses && i < y->nclasses; i++) {
		c = class_order(&x->classes[i], &y->classes[i], results);
		if (c)
			return c;
	}
	if (x->nclasses != y->nclasses)
		return x->nclasses < y->nclasses ? -1 : 1;
	return (int)x->verdict - (int)y->verdict;
}

static int unknown_order(const void *a, const void *b)
{
	const struct fz_unknown *x = a, *y = b;

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	if (x->why != y->why)
		return x->why < y->why ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	if (x->has_space != y->has_space)
		return x->has_space ? -1 : 1;
	if (x->space != y->space)
		return x->space < y->space ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

static int group(struct grouping *g)
{
	struct fz_results *r = &g->id->r;
	size_t i;
	int ret;

	ret = fz_group_modified(g);
	if (!ret)
		ret = fz_past_programs(g);
	for (i = 0; !ret && i < r->nframes; i++)
		ret = r->frames[i].verdict == FZ_VERDICT_UNKNOWN ?
			add_unknown(g, &r->frames[i]) : add_to_program(g, i);
	if (!ret)
		ret = fill_programs(g);
	if (!ret)
		ret = fz_past_unknowns(g->id);
	if (ret)
		return ret;
	for (i = 0; i < r->nprograms; i++)
		qsort_r(r->programs[i].classes, r->programs[i].nclasses, sizeof(uint32_t),
			class_order, r);
	if (r->nprograms)
		qsort_r(r->programs, r->nprograms, sizeof(*r->programs), program_order, r);
	if (r->nunknowns)
		qsort(r->unknowns, r->nunknowns, sizeof(*r->unknowns), unknown_order);
	for (i = 0; i < r->nunknowns; i++)
		find_beside(r, &r->unknowns[i]);
	return 0;
}

int fz_identify_group(struct fz_identify *id, struct fz_error *err)
{
	struct grouping g = { .id = id };
	int ret = group(&g);

	free(g.modified);
	free(g.items);
	free(g.by_key.slot);
	free(g.by_space.slot);
	return ret ? fz_fail(err, ret, "out of memory") : 0;
}
