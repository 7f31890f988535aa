// SPDX-License-Identifier: GPL-2.0-only
/*
 * ident_kernel.c - is a page of kernel mode one of a known Linux kernel's, patched by itself?
 *
 * A kernel lies at its link address plus one delta, that of KASLR: a multiple of 2 MiB
 * below 1 GiB. An anchor leads from a page to a candidate, RIP to the delta; undoing
 * what the kernel's own tables allow must give the page of the file to the bit, which
 * SHA-256 confirms. From then on, every address of the VM's kernel leads to a page.
 *
 * Early code runs at other addresses (identity-mapped, before or beside the kernel's own
 * mapping), with the same delta in it: anchors lead there, too.
 */
#include "ident_calls.h"
#include "ident_made.h"
#include "ident_module.h"

#define ALIGN		(2ULL << 20)
#define RANGE		(1ULL << 30)	/* KERNEL_IMAGE_SIZE */
#define SPAN		0xff0
#define PAGE_MASK	(~(uint64_t)(FZ_PAGE_SIZE - 1))
#define ANCHORED_MAX	16		/* more candidates than these are no anchor */
#define BASES_MAX	4		/* kernels of one VM: it may boot another */
#define MODIFIED_MAX	1024		/* bytes that differ; more is something else */
#define LEARNT_MAX	64		/* values of constants in one page */
#define AGREE		2		/* sites, for a second value of a constant */
/* What a VM can have us remember; a kernel has far less. */
#define VALUES_MAX	16		/* of a constant */
#define TRAMPOLINES_MAX	1024

struct kernel {
	uint32_t file, class;
	struct fz_hashdb_file about;
	uint64_t base;			/* link address of page 0 */
	uint32_t *functions;		/* offsets from base, ascending */
	size_t nfunctions;
	struct fz_export *exports;
	size_t nexports;
	struct fz_ftrace ftrace[2];
};

struct base {
	uint32_t vm, kernel;
	uint64_t delta;
};

/* A value that a constant has in a VM's kernel. */
struct constant {
	struct base of;
	uint64_t id, value;
	unsigned int sites;		/* while it is learnt: how many have it */
};

struct trampoline {
	uint32_t vm;
	uint64_t vaddr;
};

/*
 * What was found out about a content in a VM; it stays true. In another VM it need not be:
 * there, its calls may lead elsewhere.
 */
struct memo {
	uint32_t kernel, page;
	uint64_t delta;
	bool known, patched, searched;
};

struct state {
	bool loaded;
	struct kernel *kernels;
	size_t nkernels, kernels_cap;
	struct base *bases;
	size_t nbases, bases_cap;
	struct memo *memos;
	size_t nmemos, memos_cap;
	struct fz_index by_memo;	/* by fz_memo_key() */
	struct fz_unpacked sites;
	struct fz_modules *modules;
	struct constant *constants;
	size_t nconstants, constants_cap;
	struct fz_calls *calls;
	bool doubt;			/* of the last page: it is one but for where calls lead */
	struct trampoline *trampolines;
	size_t ntrampolines, trampolines_cap;
};

static void free_state(void *p)
{
	struct state *s = p;
	size_t i;

	for (i = 0; i < s->nkernels; i++) {
		fz_hashdb_file_free(&s->kernels[i].about);
		free(s->kernels[i].functions);
		free(s->kernels[i].exports);
	}
	free(s->kernels);
	free(s->bases);
	free(s->constants);
	free(s->trampolines);
	free(s->memos);
	free(s->by_memo.slot);
	fz_unpacked_free(&s->sites);
	fz_modules_free(s->modules);
	fz_calls_free(s->calls);
	free(s);
}

static int load_ftrace(struct fz_identify *id, struct kernel *k, struct fz_error *err)
{
	const void *data;
	size_t len;
	int ret = fz_hashdb_extra(id->db, k->file, FZ_BLOB_KERNEL, 2, &data, &len, err);

	if (ret > 0 && len == sizeof(k->ftrace))
		memcpy(k->ftrace, data, len);
	return ret < 0 ? ret : 0;
}

static int load_kernels(struct fz_identify *id, struct state *s, struct fz_error *err)
{
	struct fz_hashdb_info info;
	struct fz_hashdb_file f;
	uint32_t file;
	int ret;

	s->modules = fz_modules_new();
	s->calls = fz_calls_new();
	if (!s->modules || !s->calls)
		return fz_fail(err, -ENOMEM, "out of memory");
	fz_hashdb_info(id->db, &info);
	for (file = 1; file <= info.files; file++) {
		ret = fz_hashdb_file(id->db, file, &f, err);
		if (ret)
			return ret;
		if (f.kind == FZ_FILE_MODULE) {
			ret = fz_modules_add(s->modules, id->db, file, &f, err);
			if (ret)
				return ret;
			continue;
		}
		/* Those that may lie anywhere are ident_carried.c's. */
		if (f.kind != FZ_FILE_KERNEL || f.pie ||
		    FZ_GROW(s->kernels, s->nkernels, s->kernels_cap)) {
			fz_hashdb_file_free(&f);
			continue;
		}
		s->kernels[s->nkernels] = (struct kernel){
			.file = file, .class = FZ_NO_CLASS, .about = f,
			.base = f.segments[0].vaddr - f.segments[0].offset };
		ret = fz_functions_load(id->db, file, &s->kernels[s->nkernels].functions,
					&s->kernels[s->nkernels].nfunctions, err);
		if (!ret)
			ret = fz_exports_load(id->db, file, &s->kernels[s->nkernels].exports,
					      &s->kernels[s->nkernels].nexports, err);
		if (!ret)
			ret = load_ftrace(id, &s->kernels[s->nkernels], err);
		s->nkernels++;
		if (ret)
			return ret;
	}
	s->loaded = true;
	return 0;
}

/* ---------------------------------------------------------------- one page */

struct asking {
	struct state *s;
	const struct kernel *k;
	struct base base;
	bool strict;			/* learn nothing */
	struct constant learnt[LEARNT_MAX];
	size_t n;
	struct fz_calls_page calls;
};

static bool has_function(const struct kernel *k, uint64_t vaddr)
{
	return fz_functions_have(k->functions, k->nfunctions, vaddr - k->base);
}

static bool is_function(void *ctx, uint64_t vaddr)
{
	const struct asking *a = ctx;

	return has_function(a->k, vaddr);
}

static bool is_function_part(void *ctx, uint64_t next, const uint8_t *bytes, int from, int to)
{
	const struct kernel *k = ((const struct asking *)ctx)->k;

	return fz_functions_have_part(k->functions, k->nfunctions, k->base, next, bytes, from, to);
}

static size_t trampolines_of(const struct state *s, uint32_t vm)
{
	size_t i, n = 0;

	for (i = 0; i < s->ntrampolines; i++)
		n += s->trampolines[i].vm == vm;
	return n;
}

static bool is_trampoline(const struct state *s, uint32_t vm, uint64_t vaddr)
{
	size_t i;

	for (i = 0; i < s->ntrampolines; i++)
		if (s->trampolines[i].vm == vm && s->trampolines[i].vaddr == vaddr)
			return true;
	return false;
}

static bool is_traced(void *ctx, uint64_t vaddr)
{
	const struct asking *a = ctx;

	return is_trampoline(a->s, a->base.vm, vaddr);
}

static bool same_base(const struct base *a, const struct base *b)
{
	return a->vm == b->vm && a->kernel == b->kernel && a->delta == b->delta;
}

/* A constant's value: a known one, or a new one that has to prove itself. */
static bool agreed(struct asking *a, uint64_t id, bool whole, uint64_t implied, uint64_t *value)
{
	size_t i;

	for (i = 0; i < a->s->nconstants; i++) {
		const struct constant *c = &a->s->constants[i];

		if (c->id != id || !same_base(&c->of, &a->base) || (whole && c->value != implied))
			continue;
		*value = c->value;
		return true;
	}
	if (!whole || a->strict)
		return false;
	*value = implied;
	for (i = 0; i < a->n; i++)
		if (a->learnt[i].id == id && a->learnt[i].value == implied) {
			a->learnt[i].sites++;
			return true;
		}
	if (a->n == LEARNT_MAX)
		return false;
	a->learnt[a->n++] = (struct constant){ a->base, id, implied, 1 };
	return true;
}

static bool constant(void *ctx, uint64_t id, bool whole, uint64_t implied, uint64_t *value)
{
	return (!whole || fz_constant_may_be(id, implied)) &&
	       agreed(ctx, id, whole, implied, value);
}

static bool call(void *ctx, uint64_t slot, uint64_t vaddr, uint64_t site)
{
	struct asking *a = ctx;

	return fz_calls_ask(&a->calls, slot, vaddr, site);
}

/*
 * The first value of a constant that is seen is believed, and no other: unless two sites
 * of a page have it. (A VM that starts its kernel anew at the same place may have another.)
 */
static bool believe(const struct asking *a)
{
	size_t i, k, values;

	for (i = 0; i < a->n; i++) {
		for (k = 0; k < a->n; k++)
			if (k != i && a->learnt[k].id == a->learnt[i].id)
				return false;
		for (k = 0, values = 0; k < a->s->nconstants; k++)
			values += a->s->constants[k].id == a->learnt[i].id &&
				  same_base(&a->s->constants[k].of, &a->base);
		if (values && (a->learnt[i].sites < AGREE || values == VALUES_MAX))
			return false;
	}
	return true;
}

/* Is @have page @pageno of kernel @b->kernel at @b->delta? 1 if SHA-256 says so. */
static int try_page(struct fz_identify *id, struct state *s, const struct base *b, uint32_t pageno,
		    const uint8_t *have, uint8_t *want, uint8_t *undone, struct fz_error *err)
{
	const struct kernel *k = &s->kernels[b->kernel];
	struct asking a = { .s = s, .k = k, .base = *b };
	struct fz_undo u = { .delta = b->delta,
			     .vaddr = k->base + (uint64_t)pageno * FZ_PAGE_SIZE,
			     .target = is_function, .target_part = is_function_part,
			     .symbol = constant, .call = call, .traced = is_traced, .ctx = &a };
	int ret = fz_undo_confirmed(id, &s->sites, k->file, pageno, &u, have, want, undone, err);
	size_t i;

	s->doubt = false;
	if (ret > 0 && !believe(&a)) {
		a.strict = true;
		a.n = 0;
		a.calls.n = 0;
		ret = fz_undo_confirmed(id, &s->sites, k->file, pageno, &u, have, want, undone,
					err);
	}
	if (ret > 0) {
		ret = fz_calls_agree(s->calls, &(struct fz_calls_of){ b->vm, k->file, b->delta },
				     &a.calls);
		if (ret < 0)
			return fz_fail(err, ret, "out of memory");
		s->doubt = !ret;
	}
	for (i = 0; ret > 0 && i < a.n; i++) {
		if (FZ_GROW(s->constants, s->nconstants, s->constants_cap))
			return fz_fail(err, -ENOMEM, "out of memory");
		s->constants[s->nconstants++] = a.learnt[i];
	}
	return ret;
}

/* ---------------------------------------------------------------- trampolines */

struct template {
	struct fz_identify *id;
	struct state *s;
	struct base base;
	uint64_t vaddr;
};

static int template_page(void *ctx, uint32_t pageno, uint8_t *page, struct fz_error *err)
{
	const struct template *t = ctx;
	int ret = fz_hashdb_page(t->id->db, t->s->kernels[t->base.kernel].file, pageno, page, err);

	return ret == -ENOENT ? 0 : ret ? ret : 1;
}

static int template_confirm(void *ctx, uint32_t pageno, const uint8_t *page, struct fz_error *err)
{
	const struct template *t = ctx;
	uint8_t want[FZ_PAGE_SIZE], undone[FZ_PAGE_SIZE];

	return try_page(t->id, t->s, &t->base, pageno, page, want, undone, err);
}

static bool template_function(void *ctx, int64_t offset)
{
	const struct template *t = ctx;

	return has_function(&t->s->kernels[t->base.kernel], t->vaddr + offset - t->base.delta);
}

/* Frames that ran from a page's begin in the module area: which are trampolines? */
static int find_trampolines(struct fz_identify *id, struct state *s, struct fz_error *err)
{
	size_t i, b;
	int ret, which;

	for (i = 0; i < id->r.nframes; i++) {
		struct fz_frame *f = &id->r.frames[i];

		if (!fz_is_open(id, f) || f->cpl == 3 || !(f->mode & FZ_MODE_LMA) ||
		    f->rip % FZ_PAGE_SIZE || f->rip < FZ_MODULES || f->rip >= FZ_MODULES_END)
			continue;
		for (b = 0, which = 0; b < s->nbases; which ? b++ : 0, which = !which) {
			struct template t = { id, s, s->bases[b], f->rip };

			if (s->bases[b].vm != f->vm)
				continue;
			ret = fz_made_trampoline(&s->kernels[t.base.kernel].ftrace[which],
				id->r.contents[f->content].page, &(struct fz_template){
				template_page, template_confirm, template_function, &t }, err);
			if (ret < 0)
				return ret;
			if (!ret)
				continue;
			fz_say_why(f, FZ_WHY_TRAMPOLINE);
			if (is_trampoline(s, f->vm, f->rip) ||
			    trampolines_of(s, f->vm) == TRAMPOLINES_MAX)
				break;
			if (FZ_GROW(s->trampolines, s->ntrampolines, s->trampolines_cap))
				return fz_fail(err, -ENOMEM, "out of memory");
			s->trampolines[s->ntrampolines++] = (struct trampoline){ f->vm, f->rip };
			break;
		}
	}
	return 0;
}

/* ------------------------------------------------------------------ decisions */

static bool has_page(const struct kernel *k, uint32_t page)
{
	size_t i;

	for (i = 0; i < k->about.nsegments; i++) {
		const struct fz_hashdb_segment *g = &k->about.segments[i];

		if (page - g->offset / FZ_PAGE_SIZE < g->pages)
			return true;
	}
	return false;
}

static bool in_kernel_range(uint64_t vaddr)
{
	return vaddr >= -(2 * RANGE) && vaddr < -RANGE;
}

static int add_base(struct state *s, uint32_t vm, uint32_t kernel, uint64_t delta)
{
	size_t i, n = 0;

	for (i = 0; i < s->nbases; i++) {
		if (s->bases[i].vm != vm)
			continue;
		if (s->bases[i].kernel == kernel && s->bases[i].delta == delta)
			return 0;
		n++;
	}
	if (n >= BASES_MAX)
		return 0;
	if (FZ_GROW(s->bases, s->nbases, s->bases_cap))
		return -ENOMEM;
	s->bases[s->nbases++] = (struct base){ vm, kernel, delta };
	return 0;
}

static int say(struct fz_identify *id, struct state *s, struct fz_frame *f, const struct memo *m,
	       uint64_t base, struct fz_error *err)
{
	struct kernel *k = &s->kernels[m->kernel];
	int ret = fz_identify_file(id, k->file, &k->class, err);

	if (!ret)
		fz_say_known(id, f, k->class, m->page, base, m->patched);
	return ret;
}

/* Where would @page of @k have to be loaded for @f to have run in it? */
static uint64_t load_base(const struct kernel *k, const struct fz_frame *f, uint32_t page)
{
	return (f->rip & PAGE_MASK) - (k->base + (uint64_t)page * FZ_PAGE_SIZE);
}

/* NULL: out of memory; not if it was asked for before. */
static struct memo *memo_of(struct state *s, const struct fz_frame *f)
{
	uint32_t at = fz_memo_at(&s->by_memo, f);

	if (at != FZ_NONE)
		return &s->memos[at];
	if (FZ_GROW(s->memos, s->nmemos, s->memos_cap) ||
	    fz_index_add(&s->by_memo, fz_memo_key(f), s->nmemos))
		return NULL;
	s->memos[s->nmemos] = (struct memo){ 0 };
	return &s->memos[s->nmemos++];
}

/* @page of kernel @at? 1: it is, and that is said. */
static int try_at(struct fz_identify *id, struct state *s, struct fz_frame *f, uint32_t at,
		  uint32_t page, uint64_t delta, uint8_t *want, uint8_t *undone,
		  struct fz_error *err)
{
	struct memo *m = memo_of(s, f);
	const uint8_t *have = id->r.contents[f->content].page;
	const struct base b = { f->vm, at, delta };
	int ret = try_page(id, s, &b, page, have, want, undone, err);

	if (ret <= 0)
		return ret;
	/* Padding alone is no evidence. */
	if (fz_hashdb_content(want) < 2)
		return 0;
	m->known = true;
	m->patched = memcmp(have, want, FZ_PAGE_SIZE);
	m->kernel = at;
	m->page = page;
	m->delta = delta;
	ret = add_base(s, f->vm, at, delta);
	if (ret)
		return fz_fail(err, ret, "out of memory");
	return 1;
}

/* Follow the anchors of @f's content. 1: it is known now. */
static int by_anchors(struct fz_identify *id, struct state *s, struct fz_frame *f,
		      struct fz_error *err)
{
	const uint8_t *have = id->r.contents[f->content].page;
	uint8_t want[FZ_PAGE_SIZE], undone[FZ_PAGE_SIZE];
	struct fz_hashdb_ref refs[ANCHORED_MAX];
	unsigned int at;
	size_t n, i, b;
	uint32_t kn;
	int ret, spans = (f->rip & ~PAGE_MASK) > SPAN;

	for (at = 0; at + FZ_ANCHOR <= FZ_PAGE_SIZE; at += FZ_ANCHOR_STEP) {
		ret = fz_hashdb_anchors(id->db, fz_anchor(have, at), refs, ANCHORED_MAX, &n, err);
		if (ret)
			return ret;
		for (i = 0; i < n && n <= ANCHORED_MAX; i++) {
			for (kn = 0; kn < s->nkernels; kn++)
				if (s->kernels[kn].file == refs[i].file)
					break;
			if (kn == s->nkernels)
				continue;
			for (b = 0; b <= (size_t)spans && in_kernel_range(f->rip); b++) {
				uint64_t delta = load_base(&s->kernels[kn], f, refs[i].page) +
						 b * FZ_PAGE_SIZE;

				if (delta % ALIGN || delta >= RANGE)
					continue;
				ret = try_at(id, s, f, kn, refs[i].page, delta, want, undone, err);
				if (ret)
					return ret;
			}
			for (b = 0; b < s->nbases && !in_kernel_range(f->rip); b++) {
				if (s->bases[b].vm != f->vm || s->bases[b].kernel != kn)
					continue;
				ret = try_at(id, s, f, kn, refs[i].page, s->bases[b].delta, want,
					     undone, err);
				if (ret)
					return ret;
			}
		}
	}
	return 0;
}

static int say_modified(struct fz_identify *id, struct state *s, struct fz_frame *f,
			const struct base *b, uint32_t page, const uint8_t *want,
			const uint8_t *undone, struct fz_error *err)
{
	const uint8_t *have = id->r.contents[f->content].page;
	struct kernel *k = &s->kernels[b->kernel];
	struct fz_byte bytes[MODIFIED_MAX];
	uint32_t n = 0, i;
	int ret;

	for (i = 0; i < FZ_PAGE_SIZE; i++) {
		if (undone[i] == want[i])
			continue;
		if (n == MODIFIED_MAX)
			return 0;
		bytes[n++] = (struct fz_byte){ i, want[i], have[i] };
	}
	ret = fz_identify_file(id, k->file, &k->class, err);
	return ret ? ret : fz_say_modified_bytes(id, f, k->class, page, b->delta, bytes, n, err);
}

/*
 * @f lies in a kernel that was found: which page should it be, and is it? If not, that is
 * said only at the @end: then all calls have been seen.
 */
static int by_address(struct fz_identify *id, struct state *s, struct fz_frame *f, bool end,
		      struct fz_error *err)
{
	uint8_t want[2][FZ_PAGE_SIZE], undone[2][FZ_PAGE_SIZE];
	const struct base *closest = NULL;
	uint32_t page = 0;
	size_t b, span, slot = 0;
	unsigned int least = MODIFIED_MAX + 1;
	int ret;

	if (!in_kernel_range(f->rip))
		return 0;
	for (b = 0; b < s->nbases; b++) {
		for (span = 0; span <= ((f->rip & ~PAGE_MASK) > SPAN); span++) {
			const struct kernel *k = &s->kernels[s->bases[b].kernel];
			uint64_t offset = (f->rip & PAGE_MASK) + span * FZ_PAGE_SIZE -
					  s->bases[b].delta - k->base;
			unsigned int i, differ = 0;

			if (s->bases[b].vm != f->vm || offset / FZ_PAGE_SIZE >= UINT32_MAX ||
			    !has_page(k, offset / FZ_PAGE_SIZE))
				continue;
			ret = try_at(id, s, f, s->bases[b].kernel, offset / FZ_PAGE_SIZE,
				     s->bases[b].delta, want[slot], undone[slot], err);
			if (ret)
				return ret;
			if (s->doubt && end)
				fz_say_why(f, FZ_WHY_CALLS);
			for (i = 0; i < FZ_PAGE_SIZE; i++)
				differ += want[slot][i] != undone[slot][i];
			if (differ && differ < least) {
				least = differ;
				closest = &s->bases[b];
				page = offset / FZ_PAGE_SIZE;
				slot ^= 1;
			}
		}
	}
	if (!closest || !end)
		return 0;
	return say_modified(id, s, f, closest, page, want[slot ^ 1], undone[slot ^ 1], err);
}

static bool concerns(const struct fz_identify *id, const struct fz_frame *f)
{
	return fz_is_open(id, f) && f->cpl != 3 && f->mode & FZ_MODE_LMA;
}

/* By anchors; by address; and once more, when it is known where calls lead. */
enum pass { ANCHORS, ADDRESS, END };

/* Early code: its delta is known once the kernel was found at its own address. */
static int settle_one(struct fz_identify *id, struct state *s, struct fz_frame *f, enum pass pass,
		      struct fz_error *err)
{
	struct memo *m;
	int ret = 0;

	if (!concerns(id, f))
		return 0;
	m = memo_of(s, f);
	if (!m)
		return fz_fail(err, -ENOMEM, "out of memory");
	if (!m->known && in_kernel_range(f->rip))
		ret = pass != ANCHORS ? by_address(id, s, f, pass == END, err) : 0;
	if (!ret && !m->known && f->verdict == FZ_VERDICT_UNKNOWN &&
	    (pass == ANCHORS ? !m->searched : pass == END && !in_kernel_range(f->rip))) {
		if (in_kernel_range(f->rip))
			m->searched = true;
		ret = by_anchors(id, s, f, err);
	}
	if (ret < 0 || !m->known)
		return ret;
	return say(id, s, f, m, load_base(&s->kernels[m->kernel], f, m->page), err);
}

/* --------------------------------------------------- what modules ask about */

static bool view_symbol(void *ctx, uint32_t vm, uint64_t id, uint64_t *value)
{
	const struct state *s = ctx;
	const struct fz_export *e;
	size_t i;

	for (i = 0; i < s->nbases; i++) {
		const struct kernel *k = &s->kernels[s->bases[i].kernel];

		if (s->bases[i].vm != vm)
			continue;
		e = fz_export_find(k->exports, k->nexports, id);
		if (!e)
			continue;
		/* per-CPU symbols are offsets, and stay where they are */
		*value = e->value + (e->value >> 63 ? s->bases[i].delta : 0);
		return true;
	}
	return false;
}

static bool view_function(void *ctx, uint32_t vm, uint64_t vaddr)
{
	struct state *s = ctx;
	size_t i;

	for (i = 0; i < s->nbases; i++)
		if (s->bases[i].vm == vm &&
		    has_function(&s->kernels[s->bases[i].kernel], vaddr - s->bases[i].delta))
			return true;
	return false;
}

static bool view_function_part(void *ctx, uint32_t vm, uint64_t next, const uint8_t *bytes,
			       int from, int to)
{
	const struct state *s = ctx;
	size_t i;

	for (i = 0; i < s->nbases; i++) {
		const struct kernel *k = &s->kernels[s->bases[i].kernel];

		if (s->bases[i].vm == vm &&
		    fz_functions_have_part(k->functions, k->nfunctions,
					   k->base + s->bases[i].delta, next, bytes, from, to))
			return true;
	}
	return false;
}

static bool view_traced(void *ctx, uint32_t vm, uint64_t vaddr)
{
	const struct state *s = ctx;
	size_t i;

	for (i = 0; i < s->nbases; i++) {
		const struct kernel *k = &s->kernels[s->bases[i].kernel];
		uint64_t at = vaddr - s->bases[i].delta - k->base;

		if (s->bases[i].vm == vm && at &&
		    (at == k->ftrace[0].start || at == k->ftrace[1].start))
			return true;
	}
	return is_trampoline(s, vm, vaddr);
}

static int settle(struct fz_identify *id, void **state, struct fz_error *err)
{
	struct state *s = *state;
	size_t i;
	enum pass pass;
	int ret;

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return fz_fail(err, -ENOMEM, "out of memory");
		*state = s;
	}
	ret = s->loaded ? 0 : load_kernels(id, s, err);
	if (ret || !s->nkernels)
		return ret ? ret : fz_made_name(id, err);
	for (pass = ANCHORS; !ret && pass <= END; pass++) {
		for (i = 0; ret >= 0 && i < id->r.nframes; i++)
			ret = settle_one(id, s, &id->r.frames[i], pass, err);
		if (ret >= 0 && pass == ANCHORS)
			ret = find_trampolines(id, s, err);
	}
	if (ret < 0)
		return ret;
	ret = fz_modules_settle(id, s->modules, &(struct fz_kernel_view){
		view_symbol, view_function, view_function_part, view_traced, s }, err);
	return ret ? ret : fz_made_name(id, err);
}

const struct fz_oracle fz_oracle_kernel = { "Linux kernel", settle, free_state };
