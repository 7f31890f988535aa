// SPDX-License-Identifier: GPL-2.0-only
/*
 * retire.c - let frames go when there are too many; identify.h says which and what stays
 *
 * A guest can execute ever new pages, and a long watch sees ever new processes. What is let
 * go was settled right before; later verdicts must not get surer by it. So what speaks for
 * another candidate is kept: where files lay (rule 4), and which of their pages ran (10, 11).
 */
#include "identify_priv.h"

struct space {
	uint32_t vm;
	bool pinned;
	uint64_t cr3, last;
};

/* A frame that may go. In order: those that go first. */
struct unit {
	uint32_t vm, rank, frame;
	uint64_t time, cr3;
};

struct retire {
	struct fz_identify *id;
	bool *pinned, *gone;		/* by frame */
	struct space *spaces;
	size_t nspaces, spaces_cap;
	struct fz_index by_space, by_page;
	struct unit *units;
	size_t nunits;
	size_t *of_vm;			/* frames of each VM */
};

void fz_identify_limit(struct fz_identify *id, size_t frames)
{
	id->limit = frames;
}

static bool has_space(const struct fz_frame *f)
{
	return f->cpl == 3 && f->mode & FZ_MODE_PG;
}

static struct space *space_of(struct retire *t, const struct fz_frame *f)
{
	uint64_t hash = fz_mix(f->cr3) + f->vm;
	size_t it = FZ_INDEX_START(hash);
	uint32_t at;

	while ((at = fz_index_next(&t->by_space, hash, &it)) != FZ_NONE)
		if (t->spaces[at].vm == f->vm && t->spaces[at].cr3 == f->cr3)
			return &t->spaces[at];
	if (FZ_GROW(t->spaces, t->nspaces, t->spaces_cap) ||
	    fz_index_add(&t->by_space, hash, t->nspaces))
		return NULL;
	t->spaces[t->nspaces] = (struct space){ .vm = f->vm, .cr3 = f->cr3 };
	return &t->spaces[t->nspaces++];
}

static int find_spaces(struct retire *t)
{
	const struct fz_results *r = &t->id->r;
	struct space *s;
	size_t i;

	for (i = 0; i < r->nframes; i++) {
		const struct fz_frame *f = &r->frames[i];

		t->of_vm[f->vm]++;
		if (!has_space(f))
			continue;
		s = space_of(t, f);
		if (!s)
			return -ENOMEM;
		if (f->last > s->last)
			s->last = f->last;
	}
	return 0;
}

/* @f is a finding. What else ran in its address space may be what tells that. */
static int pin(struct retire *t, size_t frame, bool space)
{
	const struct fz_frame *f = &t->id->r.frames[frame];
	struct space *s;

	t->pinned[frame] = true;
	if (!space || !has_space(f))
		return 0;
	s = space_of(t, f);
	if (s)
		s->pinned = true;
	return s ? 0 : -ENOMEM;
}

/* The first @most findings of each kind, of each VM. */
static int pin_findings(struct retire *t, size_t most)
{
	const struct fz_results *r = &t->id->r;
	size_t *modified = calloc(r->nvms + 1, sizeof(*modified)), i, n = 0;
	int ret = modified ? 0 : -ENOMEM;

	memset(t->pinned, 0, r->nframes * sizeof(*t->pinned));
	for (i = 0; i < t->nspaces; i++)
		t->spaces[i].pinned = false;
	for (i = 0; i < r->nfindings && !ret; i++) {
		const struct fz_finding *f = &r->findings[i];

		n = i && f->vm == f[-1].vm && f->kind == f[-1].kind ? n + 1 : 0;
		if (f->kind >= FZ_FINDING_MISPLACED && n < most)
			ret = pin(t, f->at, f->kind == FZ_FINDING_MISPLACED ||
					    f->kind == FZ_FINDING_FOREIGN);
	}
	for (i = 0; i < r->nframes && !ret; i++)
		if (r->frames[i].verdict == FZ_VERDICT_MODIFIED &&
		    modified[r->frames[i].vm]++ < most)
			ret = pin(t, i, true);
	free(modified);
	return ret;
}

static bool is_sure(const struct fz_frame *f)
{
	return f->verdict == FZ_VERDICT_KNOWN || f->verdict == FZ_VERDICT_AMBIGUOUS;
}

static int unit_order(const void *a, const void *b)
{
	const struct unit *x = a, *y = b;

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	if (x->cr3 != y->cr3)
		return x->cr3 < y->cr3 ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

/* Of the kernel, the same page at the same place as a frame before: it says nothing new. */
static int is_repeated(struct retire *t, size_t frame, bool *is)
{
	const struct fz_frame *f = &t->id->r.frames[frame], *g;
	uint64_t hash = fz_mix(fz_mix(f->base) + f->content) + f->vm;
	size_t it = FZ_INDEX_START(hash);
	uint32_t at;

	*is = false;
	if (f->cpl == 3 || !(f->mode & FZ_MODE_PG) || f->verdict != FZ_VERDICT_KNOWN || !f->placed)
		return 0;
	while ((at = fz_index_next(&t->by_page, hash, &it)) != FZ_NONE) {
		g = &t->id->r.frames[at];
		if (g->vm == f->vm && g->content == f->content && g->base == f->base) {
			*is = true;
			return 0;
		}
	}
	return fz_index_add(&t->by_page, hash, frame);
}

/*
 * What may go, in order: unknown frames and repeated ones, then address spaces. By what ran
 * lately other frames there may be misplaced (rule 6).
 */
static int find_units(struct retire *t)
{
	const struct fz_results *r = &t->id->r;
	const struct space *s;
	bool repeated;
	size_t i;

	free(t->by_page.slot);
	t->by_page = (struct fz_index){ 0 };
	t->nunits = 0;
	for (i = 0; i < r->nframes; i++) {
		const struct fz_frame *f = &r->frames[i];
		struct unit u = { .vm = f->vm, .frame = i, .time = f->last };

		if (is_repeated(t, i, &repeated))
			return -ENOMEM;
		if (t->pinned[i])
			continue;
		if (has_space(f) && (f->another || f->verdict != FZ_VERDICT_UNKNOWN)) {
			s = space_of(t, f);
			if (!s)
				return -ENOMEM;
			if (s->pinned || s->last + FZ_NEAR_NS > r->vms[f->vm].last)
				continue;
			u.rank = 1;
			u.time = s->last;
			u.cr3 = f->cr3;
		} else if (is_sure(f) && !repeated) {
			continue;
		}
		t->units[t->nunits++] = u;
	}
	if (t->nunits)
		qsort(t->units, t->nunits, sizeof(*t->units), unit_order);
	return 0;
}

/* So many frames each VM may keep that all together keep half of the limit. */
static size_t fair_share(const struct retire *t)
{
	size_t lo = 0, hi = t->id->limit / 2, mid, sum, i;

	while (lo < hi) {
		mid = lo + (hi - lo + 1) / 2;
		for (sum = 0, i = 0; i < t->id->r.nvms; i++)
			sum += t->of_vm[i] < mid ? t->of_vm[i] : mid;
		if (sum <= t->id->limit / 2)
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

/* Which go; how many. An address space goes as a whole. */
static size_t choose(struct retire *t)
{
	size_t keep = fair_share(t), n = 0, done = 0, i;

	memset(t->gone, 0, t->id->r.nframes * sizeof(*t->gone));
	for (i = 0; i < t->nunits; i++) {
		const struct unit *u = &t->units[i];

		if (!i || u->vm != u[-1].vm)
			done = 0;
		if (t->of_vm[u->vm] - done <= keep &&
		    !(u->rank && done && u[-1].rank && u->cr3 == u[-1].cr3))
			continue;
		t->gone[u->frame] = true;
		done++;
		n++;
	}
	return n;
}

/* ------------------------------------------------------------------------- let go */

static void drop_content(struct fz_identify *id, struct fz_content *c)
{
	if (c->page && c->of_user)
		id->kept_user--;
	else if (c->page)
		id->kept_other--;
	free(c->candidates);
	free(c->page);
}

/* Contents move: who knows one by its place must look anew. */
static int compact_contents(struct fz_identify *id, uint32_t *moved)
{
	struct fz_results *r = &id->r;
	struct fz_index index = { 0 };
	size_t i, n = 0;

	memset(moved, 0xff, r->ncontents * sizeof(*moved));
	for (i = 0; i < r->nframes; i++)
		moved[r->frames[i].content] = 0;
	for (i = 0; i < r->ndrifted; i++)
		moved[r->drifted[i].content] = 0;
	for (i = 0; i < r->ncontents; i++) {
		if (moved[i] == FZ_NONE) {
			drop_content(id, &r->contents[i]);
			continue;
		}
		moved[i] = n;
		r->contents[n++] = r->contents[i];
	}
	r->ncontents = n;
	for (i = 0; i < r->nframes; i++)
		r->frames[i].content = moved[r->frames[i].content];
	for (i = 0; i < r->ndrifted; i++)
		r->drifted[i].content = moved[r->drifted[i].content];
	for (i = 0; i < n; i++)
		if (fz_index_add(&index, fz_content_hash(r->contents[i].sha), i))
			break;
	free(id->by_content.slot);
	id->by_content = index;
	return i < n ? -ENOMEM : 0;
}

static int compact(struct retire *t)
{
	struct fz_identify *id = t->id;
	struct fz_results *r = &id->r;
	uint32_t *moved = calloc(r->ncontents + 1, sizeof(*moved));
	struct fz_index index = { 0 };
	size_t i, n = 0;
	int ret;

	if (!moved)
		return -ENOMEM;
	for (i = 0; fz_oracles[i]; i++) {
		if (id->oracle_state[i])
			fz_oracles[i]->free(id->oracle_state[i]);
		id->oracle_state[i] = NULL;
	}
	for (i = 0; id->cached && i < FZ_CACHE_PAGES; i++)
		free(id->cached[i].page);
	free(id->cached);
	id->cached = NULL;
	for (i = 0; i < r->nframes; i++) {
		if (t->gone[i]) {
			free(r->frames[i].like);
			free(r->frames[i].bytes);
		} else {
			r->frames[n++] = r->frames[i];
		}
	}
	r->nframes = n;
	ret = compact_contents(id, moved);
	free(moved);
	for (i = 0; i < n && !ret; i++)
		ret = fz_index_add(&index, fz_frame_hash(&r->frames[i]), i);
	free(id->by_frame.slot);
	id->by_frame = index;
	return ret;
}

static int let_go(struct retire *t)
{
	struct fz_identify *id = t->id;
	int ret = fz_past_keep(id, t->gone);

	/* Both are made of frames, by number; the next settle makes them anew. */
	fz_identify_ungroup(id);
	id->r.nfindings = 0;
	return ret ? ret : compact(t);
}

static int retire(struct retire *t)
{
	struct fz_identify *id = t->id;
	size_t most = id->limit / 16 < FZ_PINNED_MAX ? id->limit / 16 : FZ_PINNED_MAX, n;
	int ret = find_spaces(t);

	for (; !ret; most /= 4) {
		ret = pin_findings(t, most);
		if (!ret)
			ret = find_units(t);
		if (ret)
			break;
		n = choose(t);
		if (n >= id->limit / 4 || (n && !most))
			return let_go(t) ? -ENOMEM : 1;
		if (!most)
			break;
	}
	return ret;
}

int fz_retire(struct fz_identify *id, struct fz_error *err)
{
	struct retire t = { .id = id };
	size_t n = id->r.nframes;
	int ret;

	/* Not for each frame anew, when there is nothing that may go. */
	if (id->refused && id->refused < id->limit / 8)
		return 0;
	id->refused = 0;
	ret = fz_identify_settle(id, err);
	if (ret)
		return ret;
	t.pinned = calloc(n + 1, sizeof(*t.pinned));
	t.gone = calloc(n + 1, sizeof(*t.gone));
	t.units = calloc(n + 1, sizeof(*t.units));
	t.of_vm = calloc(id->r.nvms + 1, sizeof(*t.of_vm));
	ret = t.pinned && t.gone && t.units && t.of_vm ? retire(&t) : -ENOMEM;
	free(t.pinned);
	free(t.gone);
	free(t.units);
	free(t.of_vm);
	free(t.spaces);
	free(t.by_space.slot);
	free(t.by_page.slot);
	return ret < 0 ? fz_fail(err, ret, "out of memory") : ret;
}
