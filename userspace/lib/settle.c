// SPDX-License-Identifier: GPL-2.0-only
/* settle.c - decide what each frame is; identify.h has the rules */
#include "identify_priv.h"

#define SPAN		0xff0	/* an instruction from here on can reach the next page */
#define POSSIBLE_MAX	16	/* more candidates than these say nothing */
#define PAGE_MASK	(~(uint64_t)(FZ_PAGE_SIZE - 1))

size_t fz_place_page(const struct fz_hashdb_file *f, uint32_t page, uint64_t rip,
		     uint64_t bases[FZ_BASES_MAX])
{
	uint64_t at = rip & PAGE_MASK, offset = (uint64_t)page * FZ_PAGE_SIZE;
	int spans = (rip & ~PAGE_MASK) > SPAN, i;
	size_t n = 0, s;

	for (s = 0; s < f->nsegments; s++) {
		const struct fz_hashdb_segment *seg = &f->segments[s];

		if (offset < seg->offset ||
		    offset - seg->offset >= (uint64_t)seg->pages * FZ_PAGE_SIZE)
			continue;
		for (i = 0; i <= spans && n < FZ_BASES_MAX; i++) {
			uint64_t base = at + (uint64_t)i * FZ_PAGE_SIZE -
					(seg->vaddr + (offset - seg->offset));

			/* A load address lies in the lower half and on a page. */
			if (f->pie ? base >> 63 || base & ~PAGE_MASK : base)
				continue;
			bases[n++] = base;
		}
	}
	return n;
}

int fz_place_order(const void *a, const void *b)
{
	const struct fz_place *x = a, *y = b;

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	if (x->cr3 != y->cr3)
		return x->cr3 < y->cr3 ? -1 : 1;
	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	return x->base < y->base ? -1 : x->base > y->base;
}

static size_t sort_unique(struct fz_place *p, size_t n)
{
	size_t i, out = 0;

	if (n)
		qsort(p, n, sizeof(*p), fz_place_order);
	for (i = 0; i < n; i++)
		if (!out || fz_place_order(&p[i], &p[out - 1]))
			p[out++] = p[i];
	return out;
}

static int add_place(struct fz_places *p, uint32_t vm, uint64_t cr3, uint32_t class, uint64_t base)
{
	if (FZ_GROW(p->space, p->n, p->cap))
		return -ENOMEM;
	p->space[p->n++] = (struct fz_place){ .vm = vm, .cr3 = cr3, .class = class,
					      .base = base };
	return 0;
}

static int index_places(struct fz_places *p)
{
	size_t i;

	p->n = sort_unique(p->space, p->n);
	free(p->vm);
	p->vm = calloc(p->n + 1, sizeof(*p->vm));
	if (!p->vm)
		return -ENOMEM;
	for (i = 0; i < p->n; i++) {
		p->vm[i] = p->space[i];
		p->vm[i].cr3 = 0;
	}
	if (p->n)
		qsort(p->vm, p->n, sizeof(*p->vm), fz_place_order);
	free(p->spaces);
	p->spaces = calloc(p->n + 1, sizeof(*p->spaces));
	if (!p->spaces)
		return -ENOMEM;
	for (i = 0, p->nvm = 0; i < p->n; i++) {
		if (!p->nvm || fz_place_order(&p->vm[i], &p->vm[p->nvm - 1]))
			p->vm[p->nvm++] = p->vm[i];
		p->spaces[p->nvm - 1]++;
	}
	return 0;
}

static bool in_space(const struct fz_places *p, const struct fz_frame *f, uint32_t class,
		     uint64_t base)
{
	struct fz_place key = { .vm = f->vm, .cr3 = f->cr3, .class = class, .base = base };

	return p->n && bsearch(&key, p->space, p->n, sizeof(key), fz_place_order);
}

static bool in_vm(const struct fz_identify *id, const struct fz_places *p,
		  const struct fz_frame *f, uint32_t class, uint64_t base)
{
	struct fz_place key = { .vm = f->vm, .class = class, .base = base };
	const struct fz_past_place *past = fz_past_place(id, f->vm, class, base);

	return (past && past->certain) ||
	       (p->nvm && bsearch(&key, p->vm, p->nvm, sizeof(key), fz_place_order));
}

static bool one_class(const struct fz_content *c)
{
	return c->ncandidates && !c->uncounted &&
	       c->candidates[0].class == c->candidates[c->ncandidates - 1].class;
}

/* Rule 3, where nothing is in doubt: one file, one page, one load address. */
static int certain_places(struct fz_identify *id, struct fz_places *p)
{
	struct fz_certain *certain = NULL;
	size_t i, n = 0, cap = 0;
	int ret = 0;

	for (i = 0; i < id->r.nframes; i++) {
		const struct fz_frame *f = &id->r.frames[i];
		const struct fz_content *c = &id->r.contents[f->content];
		uint64_t bases[FZ_BASES_MAX];

		if (f->cpl != 3 || c->ncandidates != 1 || c->uncounted || c->weight < FZ_WEAK)
			continue;
		if (fz_place_page(class_file(&id->r, c->candidates[0].class), c->candidates[0].page,
				  f->rip, bases) != 1)
			continue;
		if (FZ_GROW(certain, n, cap)) {
			free(certain);
			return -ENOMEM;
		}
		certain[n++] = (struct fz_certain){
			{ f->vm, c->candidates[0].class, f->cr3, bases[0] }, i };
	}
	fz_find_misplaced(id, certain, n);
	for (i = 0; i < n && !ret; i++) {
		const struct fz_place *at = &certain[i].place;

		if (!id->r.frames[certain[i].frame].misplaced)
			ret = add_place(p, at->vm, at->cr3, at->class, at->base);
	}
	free(certain);
	return ret ? ret : index_places(p);
}

struct choice {
	unsigned int space, vm;		/* placements supported by each kind of evidence */
	bool two;			/* ... by more than one class */
	uint32_t class, page;
	uint64_t base;
};

/* Rule 4. Weigh every placement of every candidate against the certain places. */
static bool choose(const struct fz_identify *id, const struct fz_places *p,
		   const struct fz_frame *f, struct choice *out)
{
	const struct fz_content *c = &id->r.contents[f->content];
	uint64_t bases[FZ_BASES_MAX];
	struct choice best = { 0 };
	uint32_t i;
	size_t n, k;

	/* What would speak for another candidate is no longer known. */
	if (id->r.vms[f->vm].unplaced && c->ncandidates > 1)
		return false;
	for (i = 0; i < c->ncandidates; i++) {
		uint32_t class = c->candidates[i].class;
		const struct fz_hashdb_file *file = class_file(&id->r, class);

		n = fz_place_page(file, c->candidates[i].page, f->rip, bases);
		for (k = 0; k < n; k++) {
			bool space = in_space(p, f, class, bases[k]);

			if (!space && !in_vm(id, p, f, class, bases[k]))
				continue;
			if (best.space + best.vm && best.class != class)
				best.two = true;
			if (space ? !best.space : !best.space && !best.vm) {
				best.class = class;
				best.page = c->candidates[i].page;
				best.base = bases[k];
			}
			if (space)
				best.space++;
			else
				best.vm++;
		}
	}
	*out = best;
	if (best.two || c->uncounted)
		return false;
	if (best.space)
		return best.space == 1;
	return best.vm == 1 && class_file(&id->r, best.class)->pie;
}

static void set_known(const struct fz_identify *id, struct fz_frame *f, uint32_t class,
		      uint32_t page)
{
	f->verdict = id->r.classes[class].ambiguous ? FZ_VERDICT_AMBIGUOUS : FZ_VERDICT_KNOWN;
	f->class = class;
	f->page = page;
}

/* Whichever file it is: do all agree on the page and the load address? */
static void agree(const struct fz_identify *id, struct fz_frame *f)
{
	const struct fz_content *c = &id->r.contents[f->content];
	uint64_t bases[FZ_BASES_MAX], base = 0;
	uint32_t i;

	for (i = 0; i < c->ncandidates; i++) {
		if (c->candidates[i].page != c->candidates[0].page ||
		    fz_place_page(class_file(&id->r, c->candidates[i].class),
				  c->candidates[i].page, f->rip, bases) != 1 ||
		    (i && bases[0] != base))
			return;
		base = bases[0];
	}
	f->page = c->candidates[0].page;
	f->placed = true;
	f->base = base;
}

static void decide(const struct fz_identify *id, const struct fz_places *p, struct fz_frame *f)
{
	const struct fz_content *c = &id->r.contents[f->content];
	uint64_t bases[FZ_BASES_MAX];
	struct choice best = { 0 };
	bool chosen = f->cpl == 3 && choose(id, p, f, &best);

	if (f->misplaced || (!chosen && fz_nowhere(id, f))) {
		/* A page with little content proves nothing here either. */
		f->misplaced = c->weight >= FZ_WEAK;
		f->why = f->misplaced ? FZ_WHY_MISPLACED : FZ_WHY_PADDING;
	} else if (chosen) {
		set_known(id, f, best.class, best.page);
		f->placed = true;
		f->base = best.base;
	} else if (!c->weight) {
		f->why = FZ_WHY_PADDING;
	} else if (one_class(c) && c->weight >= FZ_WEAK) {
		set_known(id, f, c->candidates[0].class,
			  c->ncandidates == 1 ? c->candidates[0].page : FZ_NO_PAGE);
		if (f->cpl == 3 && c->ncandidates == 1 &&
		    fz_place_page(class_file(&id->r, f->class), f->page, f->rip, bases)) {
			f->placed = true;
			f->base = bases[0];
		}
	} else {
		f->verdict = FZ_VERDICT_AMBIGUOUS;
		f->class = FZ_NO_CLASS;
		f->page = FZ_NO_PAGE;
		if (f->cpl == 3 && !c->uncounted)
			agree(id, f);
	}
}

enum fz_why fz_why_by_mode(uint32_t mode, uint8_t cpl, uint8_t as_id)
{
	if (as_id == 1 || mode & FZ_MODE_SMM)
		return FZ_WHY_SMM;
	if (!(mode & FZ_MODE_PE))
		return FZ_WHY_REAL;
	if (!(mode & FZ_MODE_PG))
		return FZ_WHY_NOPAGING;
	return cpl == 3 ? FZ_WHY_USER : FZ_WHY_KERNEL;
}

static enum fz_why why_unknown(const struct fz_content *c, const struct fz_frame *f)
{
	if (c->broken)
		return FZ_WHY_BROKEN;
	return c->forged ? FZ_WHY_FORGED : fz_why_by_mode(f->mode, f->cpl, f->as_id);
}

static int add_possible(struct fz_identify *id, struct fz_places *p, const struct fz_frame *f)
{
	const struct fz_content *c = &id->r.contents[f->content];
	uint64_t bases[FZ_BASES_MAX];
	size_t n, k;
	uint32_t i;

	if (f->class != FZ_NO_CLASS)
		return f->placed ? add_place(p, f->vm, f->cr3, f->class, f->base) : 0;
	if (f->cpl != 3 || c->ncandidates > POSSIBLE_MAX)
		return 0;
	for (i = 0; i < c->ncandidates; i++) {
		n = fz_place_page(class_file(&id->r, c->candidates[i].class),
				  c->candidates[i].page, f->rip, bases);
		for (k = 0; k < n; k++)
			if (add_place(p, f->vm, f->cr3, c->candidates[i].class, bases[k]))
				return -ENOMEM;
	}
	return 0;
}

static void count(struct fz_results_vm *vm, const struct fz_frame *f)
{
	vm->frames++;
	vm->known += f->verdict == FZ_VERDICT_KNOWN;
	vm->ambiguous += f->verdict == FZ_VERDICT_AMBIGUOUS;
	vm->unknown += f->verdict == FZ_VERDICT_UNKNOWN || f->verdict == FZ_VERDICT_MODIFIED;
	vm->modified += f->verdict == FZ_VERDICT_MODIFIED;
	vm->mixed += f->mixed;
	vm->generated += f->verdict == FZ_VERDICT_UNKNOWN && f->why == FZ_WHY_GENERATED;
	vm->patched += f->verdict == FZ_VERDICT_KNOWN && f->patched;
}

static void forget(struct fz_frame *f)
{
	f->verdict = FZ_VERDICT_UNKNOWN;
	f->placed = false;
	f->patched = false;
	f->misplaced = false;
	f->foreign = FZ_FOREIGN_NOT;
	f->region = 0;
	f->another = false;
	f->origin = FZ_NO_CLASS;
	f->base = 0;
	free(f->like);
	f->like = NULL;
	f->nlike = 0;
	free(f->bytes);
	f->bytes = NULL;
	f->nbytes = 0;
	f->ndiffer = 0;
	f->differ = 0;
	f->class = FZ_NO_CLASS;
	f->page = FZ_NO_PAGE;
}

static int settle(struct fz_identify *id, struct fz_places *p, struct fz_error *err)
{
	struct fz_results *r = &id->r;
	size_t i;
	int ret;

	for (i = 0; i < r->nframes; i++)
		forget(&r->frames[i]);
	if (certain_places(id, p))
		return fz_fail(err, -ENOMEM, "out of memory");
	for (i = 0; i < r->nframes; i++) {
		struct fz_frame *f = &r->frames[i];

		if (r->contents[f->content].ncandidates)
			decide(id, p, f);
		else
			f->why = why_unknown(&r->contents[f->content], f);
	}
	for (i = 0; fz_oracles[i]; i++) {
		ret = fz_oracles[i]->settle(id, &id->oracle_state[i], err);
		if (ret)
			return ret;
	}
	/* What rules 3 and 4 placed, and what they left open, is evidence for rule 5. */
	for (i = 0; i < r->nframes; i++)
		if (add_possible(id, p, &r->frames[i]))
			return fz_fail(err, -ENOMEM, "out of memory");
	if (index_places(p))
		return fz_fail(err, -ENOMEM, "out of memory");
	for (i = 0; i < r->nvms; i++) {
		struct fz_results_vm *vm = &r->vms[i];

		vm->frames = vm->let_go.frames;
		vm->known = vm->let_go.known;
		vm->ambiguous = vm->let_go.ambiguous;
		vm->unknown = vm->let_go.unknown;
		vm->modified = vm->let_go.modified;
		vm->patched = vm->let_go.patched;
		vm->generated = vm->let_go.generated;
		vm->mixed = vm->blind + vm->let_go.mixed;
	}
	for (i = 0; i < r->nframes; i++) {
		if (r->frames[i].verdict == FZ_VERDICT_UNKNOWN && r->frames[i].why == FZ_WHY_USER) {
			ret = fz_find_modified(id, p, &r->frames[i], err);
			if (ret < 0)
				return ret;
		}
	}
	ret = fz_find_versions(id, p, err);
	if (!ret)
		ret = fz_find_generated(id, p, err);
	if (ret)
		return ret;
	for (i = 0; i < r->nframes; i++)
		count(&r->vms[r->frames[i].vm], &r->frames[i]);
	return 0;
}

static int by_vm_kind_time(const void *a, const void *b)
{
	const struct fz_finding *x = a, *y = b;

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* One finding for all that is foreign in a file, or behind a program. */
static int add_foreign(struct fz_identify *id, struct fz_index *x, size_t frame)
{
	const struct fz_frame *f = &id->r.frames[frame];
	uint64_t hash = fz_mix(fz_mix(f->cr3) + f->origin) + f->vm * 4ULL + f->foreign;
	size_t it = FZ_INDEX_START(hash);
	uint32_t at;

	while ((at = fz_index_next(x, hash, &it)) != FZ_NONE) {
		const struct fz_frame *g = &id->r.frames[id->r.findings[at].at];

		if (g->vm == f->vm && g->cr3 == f->cr3 && g->origin == f->origin &&
		    g->foreign == f->foreign) {
			id->r.findings[at].count++;
			return 0;
		}
	}
	return fz_index_add(x, hash, id->r.nfindings) ||
	       fz_add_finding(id, FZ_FINDING_FOREIGN, f->vm, frame, f->first) ? -ENOMEM : 0;
}

/* A page beside its place, in what may be another version of the file: it may be its place. */
static bool may_be_newer(const struct fz_identify *id, const struct fz_frame *f)
{
	const struct fz_content *c = &id->r.contents[f->content];

	return f->base && fz_in_doubt(fz_version_at(id, f->vm, c->candidates[0].class, f->base));
}

/* What single frames are a finding for. */
static int frame_findings(struct fz_identify *id)
{
	struct fz_index by_program = { 0 };
	size_t i;
	int ret = 0;

	for (i = 0; i < id->r.nframes; i++) {
		const struct fz_frame *f = &id->r.frames[i];

		if (f->misplaced && !may_be_newer(id, f))
			ret |= fz_add_finding(id, FZ_FINDING_MISPLACED, f->vm, i, f->first);
		if (f->foreign)
			ret |= add_foreign(id, &by_program, i);
		if (f->written && f->verdict == FZ_VERDICT_UNKNOWN && f->why == FZ_WHY_USER)
			ret |= fz_add_finding(id, FZ_FINDING_LAYER, f->vm, i, f->first);
	}
	free(by_program.slot);
	return ret;
}

int fz_identify_settle(struct fz_identify *id, struct fz_error *err)
{
	struct fz_places p = { 0 };
	int ret;

	fz_identify_ungroup(id);
	id->r.nfindings = 0;
	ret = settle(id, &p, err);
	if (!ret)
		ret = fz_unseen_settle(id, err);
	if (!ret && frame_findings(id))
		ret = fz_fail(err, -ENOMEM, "out of memory");
	if (!ret)
		ret = fz_find_entered(id, err);
	if (!ret && id->r.nfindings)
		qsort(id->r.findings, id->r.nfindings, sizeof(*id->r.findings), by_vm_kind_time);
	free(p.space);
	free(p.vm);
	free(p.spaces);
	return ret ? ret : fz_identify_group(id, err);
}
