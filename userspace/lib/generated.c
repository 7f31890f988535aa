// SPDX-License-Identifier: GPL-2.0-only
/* generated.c - rules 8 and 9 of identify.h: code that programs make while they run */
#include <fnmatch.h>
#include "identify_priv.h"

#define PROGRAMS_MAX	16	/* of an address space */

/*
 * Programs and libraries that compile while they run, by the last part of their path.
 * Those that many link and few use so must have been used: BUSY pages of libpcre2 are
 * more than its start and end. libffi is not here: it would explain away whatever runs
 * beside it.
 */
#define BUSY		8
static const char * const busy[] = { "libpcre2-*.so*" };
static const char * const shipped[] = {
	"java", "libjvm.so", "node", "nodejs", "libnode.so*", "libv8*.so*", "deno", "bun",
	"firefox*", "libmozjs-*.so*", "libxul.so", "chrome", "chromium*", "electron",
	"libjavascriptcoregtk-*.so*", "libQt*WebEngineCore.so*", "mono*", "libmono*.so*",
	"dotnet", "libcoreclr.so", "libclrjit.so", "php", "php[0-9]*", "php-fpm*",
	"libphp*.so", "opcache.so", "luajit*", "libluajit*.so*", "pypy*", "beam.smp", "julia",
	"libjulia*.so*", "guile*", "libguile-*.so*", "qemu-*", "postgres", "llvmjit.so",
	"wasmtime", "racket", "sbcl", "gforth*", "valgrind*", "rr", "grep",
};

struct fz_generators {
	char **pattern;
	size_t n, cap;
};

int fz_identify_generator(struct fz_identify *id, const char *pattern, struct fz_error *err)
{
	struct fz_generators *g = id->generators;
	char *s = strdup(pattern);

	if (!g)
		g = id->generators = calloc(1, sizeof(*g));
	if (!s || !g || FZ_GROW(g->pattern, g->n, g->cap)) {
		free(s);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	g->pattern[g->n++] = s;
	return 0;
}

void fz_generators_free(struct fz_identify *id)
{
	size_t i;

	if (!id->generators)
		return;
	for (i = 0; i < id->generators->n; i++)
		free(id->generators->pattern[i]);
	free(id->generators->pattern);
	free(id->generators);
}

/* A pattern with a slash is of the whole path. */
static bool matches(const char *pattern, const char *path)
{
	const char *base = strrchr(path, '/');

	return !fnmatch(pattern, strchr(pattern, '/') || !base ? path : base + 1, 0);
}

/* How many of its pages must have run? 0: it is no generator. */
static uint32_t is_generator(const struct fz_identify *id, const char *path)
{
	size_t i;

	for (i = 0; i < sizeof(busy) / sizeof(busy[0]); i++)
		if (matches(busy[i], path))
			return BUSY;
	for (i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++)
		if (matches(shipped[i], path))
			return 1;
	for (i = 0; id->generators && i < id->generators->n; i++)
		if (matches(id->generators->pattern[i], path))
			return 1;
	return 0;
}

/* Frames by address space, then by time. */
static int by_space(const void *a, const void *b, void *results)
{
	const struct fz_results *r = results;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const struct fz_frame *x = &r->frames[i], *y = &r->frames[k];

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	if (x->cr3 != y->cr3)
		return x->cr3 < y->cr3 ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return i < k ? -1 : i > k;
}

/*
 * The vDSO of Linux is code that no file has, in every process. Whoever makes a page
 * that looks like it is unknown as well, only not a finding of rule 9.
 */
static bool like_vdso(const struct fz_identify *id, const struct fz_frame *f)
{
	const uint8_t *page = id->r.contents[f->content].page;

	return f->rip >> 40 == 0x7f && page && !memcmp(page, "\177ELF", 4) &&
	       memmem(page, FZ_PAGE_SIZE, "linux-vdso.so.1", 16);
}

static bool open_code(const struct fz_identify *id, const struct fz_frame *f)
{
	return f->verdict == FZ_VERDICT_UNKNOWN && f->why == FZ_WHY_USER &&
	       !f->another && !f->foreign && !like_vdso(id, f);
}

/* A program, not a library, at a load address that no other process has by chance. */
static bool is_program(const struct fz_identify *id, const struct fz_frame *f)
{
	const struct fz_hashdb_file *file;

	if (f->verdict != FZ_VERDICT_KNOWN || !f->placed || f->class == FZ_NO_CLASS)
		return false;
	file = class_file(&id->r, f->class);
	return file->pie && fz_random_base(f->base) && !strstr(file->path, ".so");
}

/* Did it run at that load address in one address space only? A fork has its parent's. */
static bool only_there(const struct fz_identify *id, const struct fz_places *p,
		       const struct fz_frame *f)
{
	struct fz_place key = { .vm = f->vm, .class = f->class, .base = f->base }, *at;

	if (id->r.vms[f->vm].unplaced || fz_past_place(id, f->vm, f->class, f->base))
		return false;
	at = p->nvm ? bsearch(&key, p->vm, p->nvm, sizeof(key), fz_place_order) : NULL;
	return at && p->spaces[at - p->vm] == 1;
}

/* From the first page of a program to its last, in time. */
struct stay {
	uint32_t class;
	uint64_t base;
	size_t first, last;
	bool sure;		/* it is that program, and no other version of it */
};

/*
 * Where Linux loads programs, and what belongs to them: their heap. Libraries lie far above,
 * or with the legacy layout far below; but so does a program that the dynamic linker is told
 * to load.
 */
#define PROGRAMS	0x555555554000ULL
#define PROGRAMS_END	(PROGRAMS + (1ULL << 40))
#define HEAP		(4ULL << 30)

/* Those of the first PROGRAMS_MAX programs of an address space; how many. */
static size_t find_stays(const struct fz_identify *id, const struct fz_places *p,
			 const uint32_t *s, size_t n, struct stay *stays)
{
	size_t i, k, have = 0;

	for (i = 0; i < n; i++) {
		const struct fz_frame *f = &id->r.frames[s[i]];

		if (!is_program(id, f))
			continue;
		for (k = 0; k < have; k++)
			if (stays[k].class == f->class && stays[k].base == f->base)
				break;
		if (k < have)
			stays[k].last = i;
		else if (have < PROGRAMS_MAX && only_there(id, p, f))
			stays[have++] = (struct stay){ f->class, f->base, i, i, false };
	}
	for (k = 0; k < have; k++) {
		const struct fz_version *v = fz_version_at(id, id->r.frames[s[0]].vm,
							   stays[k].class, stays[k].base);

		stays[k].sure = v && v->same >= FZ_ANOTHER_PAGES && !fz_in_doubt(v);
	}
	return have;
}

static bool in_heap(const struct stay *at, const struct fz_frame *f)
{
	return at->sure && at->base >= PROGRAMS && at->base < PROGRAMS_END &&
	       f->rip >= at->base && f->rip - at->base < HEAP;
}

static int by_address(const void *a, const void *b, void *results)
{
	const struct fz_results *r = results;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;

	if (r->frames[i].rip != r->frames[k].rip)
		return r->frames[i].rip < r->frames[k].rip ? -1 : 1;
	return i < k ? -1 : i > k;
}

/*
 * @s[0..n) ran while a program did: all of them, the known ones too. Between two pages that
 * are known is one mapping, as far as is seen.
 */
static void find_regions(struct fz_results *r, uint32_t *s, size_t n, uint32_t class)
{
	uint64_t region = 0;
	size_t i;

	qsort_r(s, n, sizeof(*s), by_address, r);
	for (i = 0; i < n; i++) {
		struct fz_frame *f = &r->frames[s[i]];

		if (f->why != FZ_WHY_WITHIN || f->origin != class ||
		    f->verdict != FZ_VERDICT_UNKNOWN) {
			region = 0;
			continue;
		}
		if (!region)
			region = f->rip & ~(uint64_t)(FZ_PAGE_SIZE - 1);
		f->region = region;
	}
}

/* A generator in an address space, and the code that it is taken to have made. */
struct generator {
	uint32_t class;
	size_t last;		/* its last page that is known, into the frames of the space */
	uint64_t low, high;	/* where that code is */
};

#define NEAR		(64ULL << 20)
#define LOOK_BACK	4096

static bool is_known(const struct fz_frame *f)
{
	return f->class != FZ_NO_CLASS && f->verdict != FZ_VERDICT_UNKNOWN;
}

/*
 * Its pages run while it starts and less and less later. What runs after the last of
 * them is taken to be its own only near what it made before: a CR3 value is used again,
 * and the next process may be anything.
 */
static bool made_by(const struct generator *g, const struct fz_frame *f, size_t i)
{
	return g->class != FZ_NO_CLASS &&
	       (i < g->last || (f->rip + NEAR >= g->low && f->rip <= g->high + NEAR));
}

/*
 * Of a known frame: the one before it of the same file at the same address, and the last.
 * Looked up ahead, or a guest with many generators would have all its frames searched for
 * each.
 */
struct chain {
	uint32_t before, last;		/* into the frames of the space */
};

#define NO_FRAME	UINT32_MAX

struct chains {
	struct chain *of;		/* by frame of the space */
	uint32_t *sorted;
	const struct fz_results *r;
	const uint32_t *s;
};

static int by_file(const void *a, const void *b, void *chains)
{
	const struct chains *c = chains;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const struct fz_frame *x = &c->r->frames[c->s[i]], *y = &c->r->frames[c->s[k]];

	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	return i < k ? -1 : i > k;
}

static void find_chains(struct chains *c, const struct fz_results *r, const uint32_t *s, size_t n)
{
	size_t i, have = 0;

	c->r = r;
	c->s = s;
	for (i = 0; i < n; i++)
		if (is_known(&r->frames[s[i]]))
			c->sorted[have++] = i;
	if (have)
		qsort_r(c->sorted, have, sizeof(*c->sorted), by_file, c);
	for (i = 0; i < have; i++) {
		const struct fz_frame *f = &r->frames[s[c->sorted[i]]];
		const struct fz_frame *o = i ? &r->frames[s[c->sorted[i - 1]]] : NULL;

		c->of[c->sorted[i]].before = o && o->class == f->class && o->base == f->base ?
					     c->sorted[i - 1] : NO_FRAME;
	}
	for (i = have; i-- > 0;) {
		struct chain *of = &c->of[c->sorted[i]];

		of->last = i + 1 < have && c->of[c->sorted[i + 1]].before == c->sorted[i] ?
			   c->of[c->sorted[i + 1]].last : c->sorted[i];
	}
}

/* Of a library that must have been used, did enough run by frame @i? */
static bool enough(const struct chains *c, size_t i, uint32_t want)
{
	size_t at = i;

	while (--want) {
		at = c->of[at].before;
		if (at == NO_FRAME || i - at >= LOOK_BACK)
			return false;
	}
	return true;
}

static void find_generator(const struct fz_identify *id, const uint32_t *s, size_t i,
			   const struct chains *c, struct generator *g)
{
	const struct fz_results *r = &id->r;
	const struct fz_frame *f = &r->frames[s[i]];
	const char *path;
	uint32_t want;

	if (!is_known(f))
		return;
	path = class_file(r, f->class)->path;
	want = is_generator(id, path);
	if (!want) {
		/* Another program, not a library: another process. */
		if (i > g->last && !strstr(path, ".so"))
			g->class = FZ_NO_CLASS;
		return;
	}
	if (g->class != FZ_NO_CLASS || !enough(c, i, want))
		return;
	*g = (struct generator){ .class = f->class, .last = c->of[i].last,
				 .low = UINT64_MAX / 2 };
}

/* Frames @s[0..n) are those of one address space. */
static void one_space(struct fz_identify *id, const struct fz_places *p, const uint32_t *s,
		      size_t n, struct chains *c)
{
	struct fz_results *r = &id->r;
	struct stay stays[PROGRAMS_MAX];
	struct generator g = { .class = FZ_NO_CLASS };
	size_t i, k, have, within;

	find_chains(c, r, s, n);
	for (i = 0; i < n; i++) {
		struct fz_frame *f = &r->frames[s[i]];

		find_generator(id, s, i, c, &g);
		if (!open_code(id, f) || !made_by(&g, f, i))
			continue;
		f->why = FZ_WHY_GENERATED;
		f->origin = g.class;
		if (f->rip < g.low)
			g.low = f->rip;
		if (f->rip > g.high)
			g.high = f->rip;
	}
	have = find_stays(id, p, s, n, stays);
	for (k = 0; k < have; k++) {
		for (within = 0, i = stays[k].first + 1; i < stays[k].last; i++) {
			struct fz_frame *f = &r->frames[s[i]];

			/* What it wrote itself is no library. */
			if (!open_code(id, f) || f->written)
				continue;
			f->origin = stays[k].class;
			if (in_heap(&stays[k], f)) {
				f->foreign = FZ_FOREIGN_HEAP;
				continue;
			}
			f->why = FZ_WHY_WITHIN;
			within++;
		}
		if (!within)
			continue;
		memcpy(c->sorted, s + stays[k].first,
		       (stays[k].last - stays[k].first) * sizeof(*s));
		find_regions(r, c->sorted, stays[k].last - stays[k].first, stays[k].class);
	}
}

int fz_find_generated(struct fz_identify *id, const struct fz_places *p, struct fz_error *err)
{
	struct fz_results *r = &id->r;
	uint32_t *s = calloc(r->nframes + 1, sizeof(*s));
	struct chains c = { .of = calloc(r->nframes + 1, sizeof(*c.of)),
			    .sorted = calloc(r->nframes + 1, sizeof(*c.sorted)) };
	size_t i, n = 0, from;
	int ret = 0;

	if (!s || !c.of || !c.sorted) {
		ret = fz_fail(err, -ENOMEM, "out of memory");
		goto out;
	}
	for (i = 0; i < r->nframes; i++)
		if (r->frames[i].cpl == 3 && r->frames[i].mode & FZ_MODE_PG)
			s[n++] = i;
	if (n)
		qsort_r(s, n, sizeof(*s), by_space, r);
	for (from = 0, i = 1; from < n; i++) {
		const struct fz_frame *f = &r->frames[s[from]];

		if (i < n && r->frames[s[i]].vm == f->vm && r->frames[s[i]].cr3 == f->cr3)
			continue;
		one_space(id, p, s + from, i - from, &c);
		from = i;
	}
out:
	free(s);
	free(c.of);
	free(c.sorted);
	return ret;
}
