// SPDX-License-Identifier: GPL-2.0-only
/*
 * versions.c - rule 11 of identify.h: is what runs another version of a known file
 *
 * Of each place of a file, the pages that ran there are the file's or differ. Differ do
 * modified pages (rule 5); and where load addresses are random, unknown code and pages
 * of another version of the file, if they ran between two of its own in time.
 */
#include "identify_priv.h"

#define PAGE_MASK	(~(uint64_t)(FZ_PAGE_SIZE - 1))
#define SPAN		0xff0	/* an instruction from here on can reach the next page */
#define NOWHERE		UINT64_MAX	/* no load address */
#define OVERLAPS_MAX	64	/* files that lie over each other in an address space */

/* What ran at a page of a place: the strongest comes first. */
enum word { DIFFERS, SAME, DOUBTED };

/* One page of a place. */
struct seen {
	uint32_t vm, class, page;
	uint64_t base;
	enum word word;
};

/* A file in an address space: where, and when. */
struct range {
	uint64_t from, to, reach;	/* @reach: the highest @to so far in the address space */
	uint32_t place;			/* into fz_places.space */
	uint32_t first, last;		/* frames, in order of appearance */
};

struct versions {
	struct fz_identify *id;
	const struct fz_places *p;
	struct range *ranges;
	struct seen *seen;
	size_t n, cap;
	struct fz_version *found;	/* by class: all its places together */
};

static int range_order(const void *a, const void *b, void *places)
{
	const struct range *x = a, *y = b;
	const struct fz_place *p = &((struct fz_place *)places)[x->place];
	const struct fz_place *q = &((struct fz_place *)places)[y->place];

	if (p->vm != q->vm)
		return p->vm < q->vm ? -1 : 1;
	if (p->cr3 != q->cr3)
		return p->cr3 < q->cr3 ? -1 : 1;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static bool same_space(const struct fz_place *p, const struct fz_place *q)
{
	return p->vm == q->vm && p->cr3 == q->cr3;
}

static size_t find_place(const struct fz_place *p, size_t n, struct fz_place key)
{
	const struct fz_place *at = n ? bsearch(&key, p, n, sizeof(key), fz_place_order) : NULL;

	return at ? (size_t)(at - p) : n;
}

/* When did pages of each place run, the changed ones included? */
static int find_ranges(struct versions *v)
{
	const struct fz_results *r = &v->id->r;
	const struct fz_places *p = v->p;
	uint32_t classes[FZ_REFS_MAX], n, k;
	size_t i, s, at;

	v->ranges = calloc(p->n + 1, sizeof(*v->ranges));
	if (!v->ranges)
		return -ENOMEM;
	for (i = 0; i < p->n; i++) {
		const struct fz_hashdb_file *f = class_file(r, p->space[i].class);

		v->ranges[i] = (struct range){ .from = UINT64_MAX, .place = i, .first = FZ_NONE };
		for (s = 0; s < f->nsegments; s++) {
			uint64_t from = p->space[i].base + f->segments[s].vaddr;
			uint64_t to = from + (uint64_t)f->segments[s].pages * FZ_PAGE_SIZE;

			if (from < v->ranges[i].from)
				v->ranges[i].from = from;
			if (to > v->ranges[i].to)
				v->ranges[i].to = to;
		}
	}
	for (i = 0; i < r->nframes; i++) {
		const struct fz_frame *f = &r->frames[i];

		n = f->cpl == 3 && f->placed ? fz_frame_classes(r, f, classes) : 0;
		for (k = 0; k < n; k++) {
			at = find_place(p->space, p->n, (struct fz_place){ f->vm, classes[k],
									   f->cr3, f->base });
			if (at == p->n)
				continue;
			if (v->ranges[at].first == FZ_NONE)
				v->ranges[at].first = i;
			v->ranges[at].last = i;
		}
	}
	if (p->n)
		qsort_r(v->ranges, p->n, sizeof(*v->ranges), range_order, p->space);
	for (i = 0; i < p->n; i++) {
		struct range *x = &v->ranges[i];

		x->reach = x->to;
		if (i && same_space(&p->space[x->place], &p->space[x[-1].place]) &&
		    x[-1].reach > x->reach)
			x->reach = x[-1].reach;
	}
	return 0;
}

/* The page of @file at @vaddr, or FZ_NO_PAGE. */
static uint32_t page_at(const struct fz_hashdb_file *file, uint64_t vaddr)
{
	size_t s;

	for (s = 0; s < file->nsegments; s++) {
		const struct fz_hashdb_segment *seg = &file->segments[s];

		if (vaddr >= seg->vaddr &&
		    vaddr - seg->vaddr < (uint64_t)seg->pages * FZ_PAGE_SIZE)
			return (seg->offset + (vaddr - seg->vaddr)) / FZ_PAGE_SIZE;
	}
	return FZ_NO_PAGE;
}

static int add_seen(struct versions *v, uint32_t class, const struct fz_frame *f, uint64_t base,
		    uint32_t page, enum word word)
{
	if (FZ_GROW(v->seen, v->n, v->cap))
		return -ENOMEM;
	v->seen[v->n++] = (struct seen){ f->vm, class, page, base, word };
	return 0;
}

static bool same_path(const struct fz_results *r, uint32_t a, uint32_t b)
{
	return a != b && !strcmp(class_file(r, a)->path, class_file(r, b)->path);
}

static bool unknown_code(const struct fz_results *r, const struct fz_frame *f)
{
	return f->verdict == FZ_VERDICT_UNKNOWN && f->why == FZ_WHY_USER && !f->written &&
	       !r->contents[f->content].ncandidates;
}

/*
 * @frame lies in range @x. Is it the page that the file has there, or another? -1: no word
 * of it. Unknown code before the first page of the file or after the last may be another
 * process's: that is no more than doubt.
 */
static int word_of(const struct versions *v, uint32_t frame, const struct range *x, uint32_t page)
{
	const struct fz_results *r = &v->id->r;
	const struct fz_place *p = &v->p->space[x->place];
	const struct fz_frame *f = &r->frames[frame];
	const struct fz_content *c = &r->contents[f->content];
	uint32_t i;

	for (i = 0; i < c->ncandidates; i++)
		if (c->candidates[i].class == p->class && c->candidates[i].page == page)
			return SAME;
	if (c->uncounted || !fz_random_base(p->base) || x->first == FZ_NONE ||
	    frame < x->first || frame > x->last)
		return unknown_code(r, f) ? DOUBTED : -1;
	if (f->verdict == FZ_VERDICT_UNKNOWN)
		return unknown_code(r, f) ? DIFFERS : -1;
	return f->class != FZ_NO_CLASS && same_path(r, f->class, p->class) ? DIFFERS : -1;
}

/* The ranges in which @f ran, and the page of each; how many. */
static size_t find_around(const struct versions *v, const struct fz_frame *f,
			  const struct range *x[OVERLAPS_MAX], uint32_t pages[OVERLAPS_MAX])
{
	const struct fz_place key = { .vm = f->vm, .cr3 = f->cr3 };
	uint64_t at = f->rip & PAGE_MASK;
	size_t lo = 0, hi = v->p->n, i, n = 0;

	/* Which of the two pages it was, the address does not tell. */
	if ((f->rip & ~PAGE_MASK) > SPAN)
		return 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct fz_place *p = &v->p->space[v->ranges[mid].place];

		if (same_space(p, &key) ? v->ranges[mid].from <= at :
		    p->vm < key.vm || (p->vm == key.vm && p->cr3 < key.cr3))
			lo = mid + 1;
		else
			hi = mid;
	}
	for (i = lo; i && lo - i < OVERLAPS_MAX; i--) {
		const struct fz_place *p = &v->p->space[v->ranges[i - 1].place];

		if (!same_space(p, &key) || v->ranges[i - 1].reach <= at)
			break;
		x[n] = &v->ranges[i - 1];
		pages[n] = page_at(class_file(&v->id->r, p->class), at - p->base);
		n += pages[n] != FZ_NO_PAGE;
	}
	return n;
}

/* What is said of @frame by the files that lie where it ran. */
static int look_around(struct versions *v, uint32_t frame)
{
	const struct fz_frame *f = &v->id->r.frames[frame];
	const struct range *x[OVERLAPS_MAX];
	uint32_t pages[OVERLAPS_MAX];
	size_t n = find_around(v, f, x, pages), i;
	int ret = 0, is;

	for (i = 0; !ret && i < n; i++) {
		const struct fz_place *p = &v->p->space[x[i]->place];

		if (f->placed && f->class == p->class && f->base == p->base)
			continue;
		is = word_of(v, frame, x[i], pages[i]);
		if (is >= 0)
			ret = add_seen(v, p->class, f, p->base, pages[i], is);
	}
	return ret;
}

/* Pages that ran in frames that were let go. At none of the places that are judged. */
static int look_back(struct versions *v)
{
	const struct fz_identify *id = v->id;
	struct fz_frame at = { 0 };
	size_t i;
	uint32_t k, c;
	int ret = 0;

	for (i = 0; i < id->npasts; i++) {
		const struct fz_past *p = &id->pasts[i];

		/* Of which of several files they are is not known. */
		if (p->verdict == FZ_VERDICT_AMBIGUOUS && p->nclasses > 1)
			continue;
		at.vm = p->vm;
		for (k = 0; k < p->npages && !ret; k++)
			for (c = 0; c < p->nclasses && !(p->pages[k] >> 31) && !ret; c++)
				ret = add_seen(v, p->classes[c], &at, NOWHERE,
					       p->pages[k] & ~FZ_PAST_DIFFERS,
					       p->pages[k] & FZ_PAST_DIFFERS ? DIFFERS : SAME);
	}
	return ret;
}

static int look_at_all(struct versions *v)
{
	const struct fz_results *r = &v->id->r;
	uint32_t classes[FZ_REFS_MAX], n, k;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < r->nframes; i++) {
		const struct fz_frame *f = &r->frames[i];
		bool modified = f->verdict == FZ_VERDICT_MODIFIED;

		if (f->cpl != 3 || !(f->mode & FZ_MODE_PG))
			continue;
		n = f->placed && (f->class != FZ_NO_CLASS || modified) ?
		    fz_frame_classes(r, f, classes) : 0;
		for (k = 0; !ret && k < n; k++)
			ret = add_seen(v, classes[k], f, f->base, f->page != FZ_NO_PAGE ? f->page :
				       page_at(class_file(r, classes[k]),
					       (f->rip & PAGE_MASK) - f->base),
				       modified ? DIFFERS : SAME);
		if (!ret)
			ret = look_around(v, i);
	}
	return ret;
}

/* ------------------------------------------------------------------- judging */

static int by_class(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	if (x->page != y->page)
		return x->page < y->page ? -1 : 1;
	return (int)x->word - (int)y->word;
}

static int by_place(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->vm != y->vm || x->class != y->class)
		return by_class(a, b);
	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	return by_class(a, b);
}

/* Count the pages of one place, or of one class, from entry @i on. Return where the next begins. */
static size_t count_pages(const struct versions *v, size_t i, bool place, struct fz_version *out)
{
	const struct seen *first = &v->seen[i], *last = NULL, *s;

	*out = (struct fz_version){ .vm = first->vm, .class = first->class, .base = first->base };
	for (; i < v->n; i++) {
		s = &v->seen[i];
		if (s->vm != first->vm || s->class != first->class ||
		    (place && s->base != first->base))
			break;
		if (last && last->page == s->page)
			continue;
		last = s;
		out->differ += s->word == DIFFERS;
		out->same += s->word == SAME;
		out->doubted += s->word == DOUBTED;
	}
	return i;
}

static bool is_another(const struct fz_version *c)
{
	return c->differ >= FZ_ANOTHER_PAGES &&
	       (uint64_t)c->differ * FZ_ANOTHER_SHARE >= (uint64_t)c->same + c->differ;
}

static int version_order(const void *a, const void *b)
{
	const struct fz_version *x = a, *y = b;

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	return x->base < y->base ? -1 : x->base > y->base;
}

/* Keep the places in order; those of another version with what all of these have. */
static int judge(struct versions *v)
{
	struct fz_identify *id = v->id;
	const struct fz_past_place *past;
	struct fz_version of_class, at;
	size_t i, from, n = 0;

	free(id->versions);
	id->nversions = 0;
	id->versions = calloc(v->n + 1, sizeof(*id->versions));
	v->found = calloc(v->n + 1, sizeof(*v->found));
	if (!id->versions || !v->found)
		return -ENOMEM;
	if (v->n)
		qsort(v->seen, v->n, sizeof(*v->seen), by_class);
	for (i = 0; i < v->n; ) {
		i = count_pages(v, i, false, &of_class);
		v->found[n++] = of_class;
	}
	if (v->n)
		qsort(v->seen, v->n, sizeof(*v->seen), by_place);
	for (i = 0, n = 0; i < v->n; ) {
		from = i;
		i = count_pages(v, i, true, &at);
		if (from && (v->seen[from].vm != v->seen[from - 1].vm ||
			     v->seen[from].class != v->seen[from - 1].class))
			n++;
		past = at.base == NOWHERE ? NULL : fz_past_place(id, at.vm, at.class, at.base);
		if (past) {
			at.same += past->same;
			at.differ += past->differ;
			if (past->doubted > at.doubted)
				at.doubted = past->doubted;
		}
		at.another = (past && past->another) ||
			     is_another(at.same + at.differ >= FZ_ANOTHER_ALONE ?
					&at : &v->found[n]);
		if (at.another) {
			at.same = v->found[n].same;
			at.differ = v->found[n].differ;
		}
		id->versions[id->nversions++] = at;
	}
	return 0;
}

const struct fz_version *fz_version_at(const struct fz_identify *id, uint32_t vm, uint32_t class,
				       uint64_t base)
{
	const struct fz_version key = { .vm = vm, .class = class, .base = base };

	return id->nversions ? bsearch(&key, id->versions, id->nversions, sizeof(key),
				       version_order) : NULL;
}

const struct fz_version *fz_another_version(const struct fz_identify *id, const struct fz_frame *f,
					    uint32_t class)
{
	const struct fz_version *v = f->cpl == 3 && f->placed ?
				     fz_version_at(id, f->vm, class, f->base) : NULL;

	return v && v->another ? v : NULL;
}

bool fz_in_doubt(const struct fz_version *v)
{
	return v && (v->another ||
		     ((uint64_t)v->differ + v->doubted) * (FZ_ANOTHER_SHARE - 1) >= v->same);
}

bool fz_doubted_anywhere(const struct fz_identify *id, uint32_t vm, uint32_t class)
{
	const struct fz_version key = { .vm = vm, .class = class };
	size_t lo = 0, hi = id->nversions;

	if (fz_past_doubted(id, vm, class))
		return true;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (version_order(&id->versions[mid], &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < id->nversions && id->versions[lo].vm == vm &&
	     id->versions[lo].class == class; lo++)
		if (id->versions[lo].differ || id->versions[lo].doubted)
			return true;
	return false;
}

/*
 * Unknown code where another version of a file lies is that one's, as far as can be told.
 * It is foreign where nearly all that ran there is the file's.
 */
static void judge_unknown(const struct versions *v, uint32_t frame)
{
	struct fz_frame *f = &v->id->r.frames[frame];
	const struct range *x[OVERLAPS_MAX];
	uint32_t pages[OVERLAPS_MAX];
	size_t n = find_around(v, f, x, pages), i;

	f->another = false;
	for (i = 0; i < n && !f->another; i++) {
		const struct fz_place *p = &v->p->space[x[i]->place];
		const struct fz_version *at = fz_version_at(v->id, f->vm, p->class, p->base);

		if (!at || word_of(v, frame, x[i], pages[i]) != DIFFERS)
			continue;
		if (at->another) {
			f->another = true;
		} else if (at->same >= FZ_ANOTHER_PAGES && !fz_in_doubt(at)) {
			f->foreign = FZ_FOREIGN_TEXT;
			f->origin = p->class;
		}
	}
	if (f->another) {
		f->foreign = FZ_FOREIGN_NOT;
		f->origin = FZ_NO_CLASS;
	}
}

static void mark(const struct versions *v)
{
	struct fz_results *r = &v->id->r;
	uint32_t classes[FZ_REFS_MAX], n, k;
	size_t i;

	for (i = 0; i < r->nframes; i++) {
		struct fz_frame *f = &r->frames[i];

		if (f->cpl != 3 || !(f->mode & FZ_MODE_PG))
			continue;
		if (f->verdict == FZ_VERDICT_UNKNOWN) {
			if (f->why == FZ_WHY_USER)
				judge_unknown(v, i);
			continue;
		}
		n = fz_frame_classes(r, f, classes);
		for (k = 0; k < n && fz_another_version(v->id, f, classes[k]); k++)
			;
		f->another = n && k == n;
	}
}

int fz_find_versions(struct fz_identify *id, const struct fz_places *p, struct fz_error *err)
{
	struct versions v = { .id = id, .p = p };
	int ret = find_ranges(&v);

	if (!ret)
		ret = look_at_all(&v);
	if (!ret)
		ret = look_back(&v);
	if (!ret)
		ret = judge(&v);
	if (!ret)
		mark(&v);
	free(v.ranges);
	free(v.seen);
	free(v.found);
	return ret ? fz_fail(err, ret, "out of memory") : 0;
}
