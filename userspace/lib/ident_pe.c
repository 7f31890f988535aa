// SPDX-License-Identifier: GPL-2.0-only
/*
 * ident_pe.c - relocated programs: PE, TE
 *
 * An image lies at one address. Where one of its pages is recognized, by its hash or
 * by an anchor, all others are looked for beside it; relocations are undone by the
 * distance between that address and the one it was linked for, and what comes out
 * must have the hashes of that very page. An image is a run of virtual addresses of
 * an address space; firmware, that maps all memory where it is, changes address
 * spaces as it goes, so a run of physical addresses will do, too. Firmware that runs
 * in place is not relocated, but lies in one piece as well.
 */
#include "ident_image.h"
#include "reloc.h"

#define PAGE		((uint64_t)FZ_PAGE_SIZE)
#define PAGE_MASK	(~(PAGE - 1))
#define SPAN		0xff0	/* an instruction from here on can reach the next page */
#define PHYSICAL	(~0ULL)	/* no CR3: its low bits are set */
#define BEFORE_MAX	16	/* images that may begin below an address and reach it */
#define CANDIDATES_MAX	16	/* by anchors */

/* Image @class at @base, or only perhaps: it has a page there that others have, too. */
struct place {
	uint32_t vm, class;
	uint64_t space, base;
	bool perhaps;
};

struct guess {
	uint32_t n;
	struct fz_candidate c[CANDIDATES_MAX];
};

struct state {
	struct fz_images images;
	struct guess **guesses;		/* by content; NULL: not looked for yet */
	size_t nguesses;
	struct place *places;
	size_t nplaces, cap;
};

static struct guess nothing;

/* Where may the page of @f lie? Virtual addresses; one where it is certain. */
static unsigned int addresses(const struct fz_frame *f, uint64_t at[2])
{
	uint64_t first = f->rip & PAGE_MASK;

	at[0] = first;
	at[1] = first + PAGE;
	if ((f->rip & ~PAGE_MASK) <= SPAN || f->gfn == first / PAGE)
		return 1;
	if (f->gfn != at[1] / PAGE)
		return 2;
	at[0] = at[1];
	return 1;
}

static int add_place(struct state *st, const struct fz_frame *f, uint32_t class, uint32_t page,
		     uint64_t base, bool perhaps)
{
	const struct place p[2] = {
		{ f->vm, class, f->cr3, base, perhaps },
		{ f->vm, class, PHYSICAL, f->gfn * PAGE - page * PAGE, perhaps },
	};
	unsigned int i;

	for (i = 0; i < 1 + (f->gfn >= page); i++) {
		if (FZ_GROW(st->places, st->nplaces, st->cap))
			return -ENOMEM;
		st->places[st->nplaces++] = p[i];
	}
	return 0;
}

static int place_order(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	if (x->space != y->space)
		return x->space < y->space ? -1 : 1;
	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	return x->perhaps - y->perhaps;
}

/* ------------------------------------------------------------------ finding images */

/* Pages that the content's anchors lead to. */
static int get_guess(struct fz_identify *id, struct state *st, uint32_t content,
		     struct guess **out, struct fz_error *err)
{
	const uint8_t *page = id->r.contents[content].page;
	struct fz_hashdb_ref refs[CANDIDATES_MAX];
	struct guess g = { 0 }, **list;
	unsigned int i, k;
	uint64_t hash;
	size_t n, j;
	int ret;

	if (content >= st->nguesses) {
		list = reallocarray(st->guesses, id->r.ncontents, sizeof(*list));
		if (!list)
			return fz_fail(err, -ENOMEM, "out of memory");
		memset(list + st->nguesses, 0,
		       (id->r.ncontents - st->nguesses) * sizeof(*list));
		st->guesses = list;
		st->nguesses = id->r.ncontents;
	}
	*out = st->guesses[content];
	if (*out)
		return 0;
	for (i = 0; i < FZ_PAGE_SIZE / FZ_ANCHOR; i++) {
		hash = fz_reloc_anchor(page + i * FZ_ANCHOR, i);
		if (!hash)
			continue;
		ret = fz_hashdb_anchors(id->db, hash, refs, CANDIDATES_MAX, &n, err);
		if (ret)
			return ret;
		/* What many have in common leads nowhere. */
		for (j = 0; n <= CANDIDATES_MAX && j < n; j++) {
			struct fz_candidate c = { .page = refs[j].page };

			ret = fz_identify_file(id, refs[j].file, &c.class, err);
			if (ret)
				return ret;
			for (k = 0; k < g.n; k++)
				if (g.c[k].class == c.class && g.c[k].page == c.page)
					break;
			if (k == g.n && g.n < CANDIDATES_MAX)
				g.c[g.n++] = c;
		}
	}
	*out = &nothing;
	if (g.n) {
		*out = malloc(sizeof(g));
		if (!*out)
			return fz_fail(err, -ENOMEM, "out of memory");
		**out = g;
	}
	st->guesses[content] = *out;
	return 0;
}

/* Is @f what its anchors say, at @base? As fz_image_is_page(). */
static int try_guess(struct fz_identify *id, struct state *st, struct fz_frame *f,
		     const struct fz_candidate *c, uint64_t base, bool near, struct fz_error *err)
{
	int ret;

	if (near)
		return fz_image_compare(id, &st->images, f, c->class, c->page, base, false, err);
	ret = fz_image_is_page(id, &st->images, f, c->class, c->page, base, err);
	if (ret == FZ_IMAGE_BUT_SYMBOLS) {
		fz_say_why(f, FZ_WHY_SYMBOLS);
		return 1;
	}
	if (ret > 0 && add_place(st, f, c->class, c->page, base, ret > 1))
		return fz_fail(err, -ENOMEM, "out of memory");
	if (ret == 1)
		fz_say_known(id, f, c->class, c->page, base, true);
	return ret == 2 ? 0 : ret;
}

/* An open frame that only relocation hides: by its anchors. */
static int by_anchors(struct fz_identify *id, struct state *st, struct fz_frame *f,
		      struct fz_error *err)
{
	unsigned int n, a, near;
	struct guess *g;
	uint64_t at[2];
	uint32_t i;
	int ret;

	ret = get_guess(id, st, f->content, &g, err);
	n = addresses(f, at);
	for (near = 0; near < 2; near++)
		for (i = 0; !ret && i < g->n; i++)
			for (a = 0; !ret && a < n; a++)
				ret = try_guess(id, st, f, &g->c[i],
						at[a] - g->c[i].page * PAGE, near, err);
	return ret < 0 ? ret : 0;
}

/* Each once; where it is certain, not perhaps. */
static void sort_places(struct state *st)
{
	struct place *p = st->places;
	size_t i, n = 0;

	if (st->nplaces)
		qsort(p, st->nplaces, sizeof(*p), place_order);
	for (i = 0; i < st->nplaces; i++)
		if (!n || p[i].vm != p[n - 1].vm || p[i].space != p[n - 1].space ||
		    p[i].base != p[n - 1].base || p[i].class != p[n - 1].class)
			p[n++] = p[i];
	st->nplaces = n;
}

static int collect(struct fz_identify *id, struct state *st, struct fz_error *err)
{
	size_t i;
	int ret;

	st->nplaces = 0;
	for (i = 0; i < id->r.nframes; i++) {
		struct fz_frame *f = &id->r.frames[i];
		const struct fz_content *c = &id->r.contents[f->content];
		struct fz_image *info;
		uint64_t at[2];

		if (c->ncandidates == 1 && !c->uncounted && addresses(f, at) == 1) {
			ret = fz_image_class(id, &st->images, c->candidates[0].class, &info, err);
			if (ret > 0 && add_place(st, f, c->candidates[0].class,
						 c->candidates[0].page,
						 at[0] - c->candidates[0].page * PAGE, false))
				ret = fz_fail(err, -ENOMEM, "out of memory");
		} else {
			ret = fz_is_open(id, f) ? by_anchors(id, st, f, err) : 0;
		}
		if (ret < 0)
			return ret;
	}
	sort_places(st);
	return 0;
}

/* ------------------------------------------------------------------- looking beside */

/* Classes that a frame is a page of, at such a place. */
struct sight {
	struct fz_frame *f;
	uint32_t n, classes[BEFORE_MAX];
	bool sure[BEFORE_MAX];		/* the place is certain */
	uint32_t certain;		/* how many are, and the last of them */
	uint32_t class, page;
	uint64_t base;
};

static void add_sight(struct sight *s, const struct place *p, uint32_t page, uint64_t base)
{
	uint32_t i;

	for (i = 0; i < s->n && s->classes[i] != p->class; i++)
		;
	if (i == BEFORE_MAX || (i < s->n && (p->perhaps || s->sure[i])))
		return;
	if (i == s->n)
		s->classes[s->n++] = p->class;
	s->sure[i] = !p->perhaps;
	s->certain += s->sure[i];
	if (s->sure[i] || s->n == 1) {
		s->class = p->class;
		s->page = page;
		s->base = base;
	}
}

/* Does @s->f, at @at of @p's space, lie in the image at @p? Is it that page? */
static int look_at(struct fz_identify *id, struct state *st, struct sight *s, const struct place *p,
		   uint64_t at, bool near, struct fz_error *err)
{
	const struct fz_content *c = &id->r.contents[s->f->content];
	uint64_t page = (at - p->base) / PAGE, va[2], base = p->base;
	unsigned int n, a;
	struct fz_image *info;
	uint32_t i;
	int ret = fz_image_class(id, &st->images, p->class, &info, err);

	if (ret <= 0 || page >= info->image.bytes / PAGE)
		return ret < 0 ? ret : 0;
	n = p->space == PHYSICAL ? addresses(s->f, va) : 1;
	for (ret = 0, a = 0; !ret && a < n; a++) {
		if (p->space == PHYSICAL)
			base = va[a] - page * PAGE;
		for (i = 0; i < c->ncandidates; i++)
			ret |= c->candidates[i].class == p->class && c->candidates[i].page == page;
		if (!c->ncandidates && near)
			ret = fz_image_compare(id, &st->images, s->f, p->class, page, base, true,
					       err);
		else if (!c->ncandidates)
			ret = fz_image_is_page(id, &st->images, s->f, p->class, page, base, err);
	}
	if (ret == FZ_IMAGE_BUT_SYMBOLS) {
		fz_say_why(s->f, FZ_WHY_SYMBOLS);
		return 0;
	}
	if (ret > 0)
		add_sight(s, p, page, base);
	return ret;
}

static int look_in(struct fz_identify *id, struct state *st, struct sight *s, uint64_t space,
		   uint64_t at, bool near, struct fz_error *err)
{
	const struct place key = { s->f->vm, UINT32_MAX, space, at, true };
	size_t lo = 0, hi = st->nplaces, i;
	int ret = 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (place_order(&st->places[mid], &key) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (i = lo; ret >= 0 && i && lo - i < BEFORE_MAX; i--) {
		const struct place *p = &st->places[i - 1];

		if (p->vm != s->f->vm || p->space != space)
			break;
		if (near && p->perhaps)
			continue;
		ret = look_at(id, st, s, p, at, near, err);
		if (near && ret)
			break;
	}
	return ret < 0 ? ret : 0;
}

static int look_beside(struct fz_identify *id, struct state *st, struct fz_frame *f, bool near,
		       struct fz_error *err)
{
	struct sight s = { .f = f };
	uint64_t at[2];
	unsigned int n = addresses(f, at), a;
	int ret = 0;

	for (a = 0; !ret && a < n && !s.certain; a++)
		ret = look_in(id, st, &s, f->cr3, at[a], near, err);
	if (!ret && !s.certain)
		ret = look_in(id, st, &s, PHYSICAL, f->gfn * PAGE, near, err);
	if (ret || near || !s.n)
		return ret;
	if (s.certain == 1) {
		fz_say_known(id, f, s.class, s.page, s.base,
			     !id->r.contents[f->content].ncandidates);
		return 0;
	}
	return fz_is_open(id, f) ? fz_say_either(f, s.classes, s.n, s.page, s.base, err) : 0;
}

static int settle(struct fz_identify *id, void **state, struct fz_error *err)
{
	struct state *st = *state;
	size_t i;
	int ret;

	if (!st) {
		st = calloc(1, sizeof(*st));
		if (!st)
			return fz_fail(err, -ENOMEM, "out of memory");
		*state = st;
	}
	ret = collect(id, st, err);
	for (i = 0; !ret && st->nplaces && i < id->r.nframes; i++) {
		struct fz_frame *f = &id->r.frames[i];

		if (!fz_is_open(id, f) && (f->verdict == FZ_VERDICT_UNKNOWN || f->placed ||
					   id->r.contents[f->content].uncounted))
			continue;
		ret = look_beside(id, st, f, false, err);
		if (!ret && fz_is_open(id, f))
			ret = look_beside(id, st, f, true, err);
	}
	return ret;
}

static void release(void *state)
{
	struct state *st = state;
	size_t i;

	for (i = 0; i < st->nguesses; i++)
		if (st->guesses[i] != &nothing)
			free(st->guesses[i]);
	free(st->guesses);
	fz_images_free(&st->images);
	free(st->places);
	free(st);
}

const struct fz_oracle fz_oracle_pe = {
	.name = "pe",
	.settle = settle,
	.free = release,
};
