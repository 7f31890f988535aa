// SPDX-License-Identifier: GPL-2.0-only
/*
 * ident_module.c - is a page of the module area one of a known module's?
 *
 * An anchor leads to a module and a page, RIP to where the module lies. What it refers to
 * must lie where it does: symbols of the kernel where the VM's kernel has them, symbols of
 * another module where that one was found, the module's own data at one page-aligned place
 * in the module area, the same for all references of all pages. So modules are found after
 * those that they need; what needs one that was not found stays unknown.
 */
#include <xxhash.h>
#include <zstd.h>
#include "ident_calls.h"
#include "ident_module.h"

#define AREA		0xffffffffc0000000ULL	/* MODULES_VADDR, at its lowest */
#define AREA_END	0xffffffffff000000ULL
#define SPAN		0xff0
#define PAGE_MASK	(~(uint64_t)(FZ_PAGE_SIZE - 1))
#define ANCHORED_MAX	16
#define PASSES		16
#define MODIFIED_MAX	64
#define LEARNT_MAX	8
#define INSTANCES_MAX	4096		/* of a VM: more places than modules are loaded at */

struct known_module {
	uint32_t file, class;
	struct fz_hashdb_file about;
	struct fz_export *exports;
	size_t nexports;
	uint32_t *functions;		/* offsets into the text that stays */
	size_t nfunctions;
	bool loaded;
};

/* A module in a VM. */
struct instance {
	uint32_t vm, module;
	uint64_t regions[FZ_REGIONS];	/* 0: not known */
};

struct memo {
	uint32_t instance, page;
	bool patched;
};

struct fz_modules {
	struct known_module *modules;
	size_t nmodules, modules_cap;
	struct instance *instances;
	size_t ninstances, instances_cap;
	struct memo *memos;		/* of what is known */
	size_t nmemos, memos_cap;
	struct fz_index by_memo;	/* by fz_memo_key() */
	struct fz_unpacked sites;
	struct fz_calls *calls;
};

struct fz_modules *fz_modules_new(void)
{
	struct fz_modules *m = calloc(1, sizeof(*m));

	if (m)
		m->calls = fz_calls_new();
	if (m && !m->calls) {
		free(m);
		return NULL;
	}
	return m;
}

void fz_modules_free(struct fz_modules *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < m->nmodules; i++) {
		fz_hashdb_file_free(&m->modules[i].about);
		free(m->modules[i].exports);
		free(m->modules[i].functions);
	}
	free(m->modules);
	free(m->instances);
	free(m->memos);
	free(m->by_memo.slot);
	fz_unpacked_free(&m->sites);
	fz_calls_free(m->calls);
	free(m);
}

int fz_functions_load(struct fz_hashdb *db, uint32_t file, uint32_t **functions, size_t *n,
		      struct fz_error *err)
{
	unsigned long long size;
	const void *data;
	size_t len;
	int ret = fz_hashdb_extra(db, file, FZ_BLOB_KERNEL, 0, &data, &len, err);

	if (ret <= 0)
		return ret;
	size = ZSTD_getFrameContentSize(data, len);
	if (size > 64 << 20)
		return 0;
	*functions = malloc(size + sizeof(**functions));
	if (!*functions)
		return fz_fail(err, -ENOMEM, "out of memory");
	len = ZSTD_decompress(*functions, size, data, len);
	*n = ZSTD_isError(len) ? 0 : len / sizeof(**functions);
	return 0;
}

bool fz_functions_have(const uint32_t *functions, size_t n, uint64_t offset)
{
	size_t lo = 0, hi = n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (functions[mid] < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && functions[lo] == offset;
}

bool fz_functions_have_part(const uint32_t *functions, size_t n, uint64_t base, uint64_t next,
			    const uint8_t *bytes, int from, int to)
{
	uint8_t own[4];
	size_t i;

	for (i = 0; i < n; i++) {
		int32_t rel = base + functions[i] - next;

		memcpy(own, &rel, 4);
		if (!memcmp(own + from, bytes + from, to - from))
			return true;
	}
	return false;
}

int fz_exports_load(struct fz_hashdb *db, uint32_t file, struct fz_export **e, size_t *n,
		    struct fz_error *err)
{
	unsigned long long size;
	const void *data;
	size_t len;
	int ret = fz_hashdb_extra(db, file, FZ_BLOB_KERNEL, 1, &data, &len, err);

	if (ret <= 0)
		return ret;
	size = ZSTD_getFrameContentSize(data, len);
	if (size > 64 << 20)
		return 0;
	*e = malloc(size + sizeof(**e));
	if (!*e)
		return fz_fail(err, -ENOMEM, "out of memory");
	len = ZSTD_decompress(*e, size, data, len);
	*n = ZSTD_isError(len) ? 0 : len / sizeof(**e);
	return 0;
}

const struct fz_export *fz_export_find(const struct fz_export *e, size_t n, uint64_t id)
{
	size_t lo = 0, hi = n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (e[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && e[lo].id == id ? &e[lo] : NULL;
}

int fz_modules_add(struct fz_modules *m, struct fz_hashdb *db, uint32_t file,
		   struct fz_hashdb_file *about, struct fz_error *err)
{
	(void)db;
	if (FZ_GROW(m->modules, m->nmodules, m->modules_cap))
		return fz_fail(err, -ENOMEM, "out of memory");
	m->modules[m->nmodules++] = (struct known_module){ .file = file, .class = FZ_NO_CLASS,
							   .about = *about };
	return 0;
}

int fz_undo_confirmed(struct fz_identify *id, struct fz_unpacked *kept, uint32_t file,
		      uint32_t pageno, const struct fz_undo *u, const uint8_t *have, uint8_t *want,
		      uint8_t *undone, struct fz_error *err)
{
	struct fz_hashdb_ref refs[FZ_REFS_MAX];
	const uint8_t *sites;
	size_t len, n, i;
	bool forged;
	int ret;

	ret = fz_hashdb_page(id->db, file, pageno, want, err);
	if (!ret)
		ret = fz_sites_find(id->db, kept, file, pageno, &sites, &len, err);
	if (ret)
		return ret;
	memcpy(undone, have, FZ_PAGE_SIZE);
	if (fz_undo(sites, len, want, u, undone) < 0)
		return fz_fail(err, -EBADMSG,
			       "the database is damaged (sites of file %u); build it anew", file);
	if (memcmp(undone, want, FZ_PAGE_SIZE))
		return 0;
	ret = fz_hashdb_lookup(id->db, XXH64(undone, FZ_PAGE_SIZE, 0), undone, refs, FZ_REFS_MAX,
			       &n, &forged, err);
	if (ret <= 0)
		return ret;
	for (i = 0; i < n && i < FZ_REFS_MAX; i++)
		if (refs[i].file == file && refs[i].page == pageno)
			return 1;
	return 0;
}

/* -------------------------------------------------------------- one page */

struct asking {
	struct fz_modules *m;
	const struct fz_kernel_view *kernel;
	struct instance *i;
	bool missing;			/* something was asked for that nobody knows */
	/* Modules that the page refers to, and where they would have to lie. */
	struct instance learnt[LEARNT_MAX];
	size_t nlearnt;
	struct fz_calls_page calls;
};

static bool in_area(uint64_t vaddr)
{
	return vaddr >= AREA && vaddr < AREA_END;
}

static bool of_others(struct asking *a, uint64_t id, uint64_t *value)
{
	size_t k;

	for (k = 0; k < a->m->ninstances; k++) {
		const struct instance *i = &a->m->instances[k];
		const struct known_module *m = &a->m->modules[i->module];
		const struct fz_export *e;

		if (i->vm != a->i->vm)
			continue;
		e = fz_export_find(m->exports, m->nexports, id);
		if (!e || e->value >> 32 >= FZ_REGIONS || !i->regions[e->value >> 32])
			continue;
		*value = i->regions[e->value >> 32] + (uint32_t)e->value;
		return true;
	}
	return false;
}

static bool has_export(const struct asking *a, const struct instance *i, uint64_t id,
		       uint64_t *value)
{
	const struct known_module *m = &a->m->modules[i->module];
	const struct fz_export *e = fz_export_find(m->exports, m->nexports, id);

	if (!e || e->value >> 32 != FZ_REGION_TEXT || !i->regions[FZ_REGION_TEXT])
		return false;
	*value = i->regions[FZ_REGION_TEXT] + (uint32_t)e->value;
	return true;
}

/*
 * A module that was not seen to run: the one of the same package that exports the symbol
 * lies where this reference says, if that is on a page; all others must agree.
 */
static bool learn(struct asking *a, uint64_t id, bool whole, uint64_t implied, uint64_t *value)
{
	const struct known_module *own = &a->m->modules[a->i->module];
	uint64_t base;
	size_t k;

	for (k = 0; k < a->nlearnt; k++)
		if (has_export(a, &a->learnt[k], id, value))
			return true;
	for (k = 0; whole && a->nlearnt < LEARNT_MAX && k < a->m->nmodules; k++) {
		const struct known_module *m = &a->m->modules[k];
		const struct fz_export *e = fz_export_find(m->exports, m->nexports, id);
		size_t i;

		if (!e || e->value >> 32 != FZ_REGION_TEXT ||
		    strcmp(m->about.package, own->about.package) ||
		    strcmp(m->about.version, own->about.version))
			continue;
		/* Not one whose place is known: there it is not. */
		for (i = 0; i < a->m->ninstances; i++)
			if (a->m->instances[i].vm == a->i->vm && a->m->instances[i].module == k &&
			    a->m->instances[i].regions[FZ_REGION_TEXT])
				return false;
		base = implied - (uint32_t)e->value;
		if (base & ~PAGE_MASK || !in_area(base))
			return false;
		a->learnt[a->nlearnt] = (struct instance){ .vm = a->i->vm, .module = k };
		a->learnt[a->nlearnt++].regions[FZ_REGION_TEXT] = base;
		*value = implied;
		return true;
	}
	return false;
}

static bool symbol(void *ctx, uint64_t id, bool whole, uint64_t implied, uint64_t *value)
{
	struct asking *a = ctx;

	if (id >= FZ_REGIONS) {
		if (a->kernel->symbol(a->kernel->ctx, a->i->vm, id, value) ||
		    of_others(a, id, value) || learn(a, id, whole, implied, value))
			return true;
		a->missing = true;
		return false;
	}
	if (!a->i->regions[id]) {
		if (!whole || id == FZ_REGION_TEXT ||
		    (id != FZ_REGION_PERCPU && (implied & ~PAGE_MASK || !in_area(implied)))) {
			a->missing = true;
			return false;
		}
		a->i->regions[id] = implied;
	}
	*value = a->i->regions[id];
	return true;
}

static bool function(void *ctx, uint64_t vaddr)
{
	struct asking *a = ctx;

	const struct known_module *own = &a->m->modules[a->i->module];

	if (a->i->regions[FZ_REGION_TEXT] &&
	    fz_functions_have(own->functions, own->nfunctions,
			      vaddr - a->i->regions[FZ_REGION_TEXT]))
		return true;
	/* fz_undo() speaks of link addresses; the module's own is 0. */
	return a->kernel->function(a->kernel->ctx, a->i->vm, vaddr);
}

static bool function_part(void *ctx, uint64_t next, const uint8_t *bytes, int from, int to)
{
	struct asking *a = ctx;
	const struct known_module *own = &a->m->modules[a->i->module];

	if (a->i->regions[FZ_REGION_TEXT] &&
	    fz_functions_have_part(own->functions, own->nfunctions, a->i->regions[FZ_REGION_TEXT],
				   next, bytes, from, to))
		return true;
	return a->kernel->function_part(a->kernel->ctx, a->i->vm, next, bytes, from, to);
}

static bool call(void *ctx, uint64_t slot, uint64_t vaddr, uint64_t site)
{
	struct asking *a = ctx;

	return fz_calls_ask(&a->calls, slot, vaddr, site);
}

static bool traced(void *ctx, uint64_t vaddr)
{
	struct asking *a = ctx;

	return a->kernel->traced(a->kernel->ctx, a->i->vm, vaddr);
}

/* A place for one more module of VM @vm: 1, or 0 if there are too many. */
static int add_instance(struct fz_modules *m, uint32_t vm, struct fz_error *err)
{
	size_t i, n = 0;

	for (i = 0; i < m->ninstances; i++)
		n += m->instances[i].vm == vm;
	if (n == INSTANCES_MAX)
		return 0;
	if (FZ_GROW(m->instances, m->ninstances, m->instances_cap))
		return fz_fail(err, -ENOMEM, "out of memory");
	m->ninstances++;
	return 1;
}

/* Is @f page @page of instance @i? What is learnt about it goes to *@i. */
static int try_page(struct fz_identify *id, struct fz_modules *m, const struct fz_frame *f,
		    struct instance *i, uint32_t page, uint64_t base,
		    const struct fz_kernel_view *kernel, uint8_t *want, uint8_t *undone,
		    bool *missing, struct fz_error *err)
{
	struct instance learnt = *i;
	size_t k;
	struct asking a = { .m = m, .kernel = kernel, .i = &learnt };
	/* All addresses as they are: the delta is in @vaddr. */
	struct fz_undo u = { .vaddr = base + (uint64_t)page * FZ_PAGE_SIZE, .target = function,
			     .target_part = function_part, .symbol = symbol, .traced = traced,
			     .call = call, .ctx = &a };
	int ret = fz_undo_confirmed(id, &m->sites, m->modules[i->module].file, page, &u,
				    id->r.contents[f->content].page, want, undone, err);

	*missing = a.missing;
	if (ret > 0 && fz_hashdb_content(want) < 2)
		return 0;
	if (ret <= 0)
		return ret;
	ret = fz_calls_agree(m->calls, &(struct fz_calls_of){ f->vm, m->modules[i->module].file,
		base }, &a.calls);
	if (ret <= 0) {
		/* Not known yet, like a module that was not found. */
		*missing = true;
		return ret < 0 ? fz_fail(err, ret, "out of memory") : 0;
	}
	*i = learnt;
	for (k = 0; k < a.nlearnt; k++) {
		ret = add_instance(m, f->vm, err);
		if (ret <= 0)
			return ret;
		m->instances[m->ninstances - 1] = a.learnt[k];
	}
	return 1;
}

static int load(struct fz_identify *id, struct known_module *k, struct fz_error *err)
{
	int ret = 0;

	if (!k->loaded)
		ret = fz_functions_load(id->db, k->file, &k->functions, &k->nfunctions, err);
	if (!k->loaded && !ret)
		ret = fz_exports_load(id->db, k->file, &k->exports, &k->nexports, err);
	k->loaded = !ret;
	return ret;
}

/* The region of page @page of @m, and where in it the page is. */
static int region_of(const struct known_module *m, uint32_t page, uint64_t *offset)
{
	const struct fz_hashdb_segment *s = m->about.segments;
	uint64_t at = (uint64_t)page * FZ_PAGE_SIZE;

	/* The text comes first, if there is any; then that of the start. */
	if (m->about.nsegments > 1 && at >= s[1].offset) {
		*offset = at - s[1].offset;
		return FZ_REGION_INIT;
	}
	*offset = at;
	return FZ_REGION_TEXT;
}

/* ---------------------------------------------------------------- decisions */

/* 1, or 0: there is no room for it. */
static int found(struct fz_identify *id, struct fz_modules *m, struct fz_frame *f,
		 const struct instance *i, uint32_t page, const uint8_t *want, struct fz_error *err)
{
	size_t k;
	int ret;

	for (k = 0; k < m->ninstances; k++)
		if (m->instances[k].vm == i->vm && m->instances[k].module == i->module &&
		    (!m->instances[k].regions[FZ_REGION_TEXT] || !i->regions[FZ_REGION_TEXT] ||
		     m->instances[k].regions[FZ_REGION_TEXT] == i->regions[FZ_REGION_TEXT]))
			break;
	if (k == m->ninstances) {
		ret = add_instance(m, i->vm, err);
		if (ret <= 0)
			return ret;
	}
	m->instances[k] = *i;
	if (FZ_GROW(m->memos, m->nmemos, m->memos_cap) ||
	    fz_index_add(&m->by_memo, fz_memo_key(f), m->nmemos))
		return fz_fail(err, -ENOMEM, "out of memory");
	m->memos[m->nmemos++] = (struct memo){ k, page,
		memcmp(id->r.contents[f->content].page, want, FZ_PAGE_SIZE) != 0 };
	ret = fz_identify_file(id, m->modules[i->module].file, &m->modules[i->module].class, err);
	return ret ? ret : 1;
}

/* Try page @page of module @module at @vaddr. 1: it is. */
static int try_at(struct fz_identify *id, struct fz_modules *m, struct fz_frame *f,
		  uint32_t module, uint32_t page, uint64_t vaddr,
		  const struct fz_kernel_view *kernel, struct fz_error *err)
{
	uint8_t want[FZ_PAGE_SIZE], undone[FZ_PAGE_SIZE];
	struct instance i = { .vm = f->vm, .module = module };
	uint64_t offset;
	bool missing;
	size_t k;
	int region = region_of(&m->modules[module], page, &offset), ret;

	/* As one that was found, if it lies there; else as a new one. */
	for (k = 0; k < m->ninstances; k++)
		if (m->instances[k].vm == f->vm && m->instances[k].module == module &&
		    (!m->instances[k].regions[region] ||
		     m->instances[k].regions[region] == vaddr - offset)) {
			i = m->instances[k];
			break;
		}
	i.regions[region] = vaddr - offset;
	if (!in_area(i.regions[region]))
		return 0;
	ret = try_page(id, m, f, &i, page, vaddr - (uint64_t)page * FZ_PAGE_SIZE, kernel, want,
		       undone, &missing, err);
	if (ret <= 0)
		return ret;
	return found(id, m, f, &i, page, want, err);
}

static int by_anchors(struct fz_identify *id, struct fz_modules *m, struct fz_frame *f,
		      const struct fz_kernel_view *kernel, struct fz_error *err)
{
	const uint8_t *have = id->r.contents[f->content].page;
	int ret, span, spans = (f->rip & ~PAGE_MASK) > SPAN;
	struct fz_hashdb_ref refs[ANCHORED_MAX];
	unsigned int at;
	size_t n, r;
	uint32_t k;

	for (at = 0; at + FZ_ANCHOR <= FZ_PAGE_SIZE; at += FZ_ANCHOR_STEP) {
		ret = fz_hashdb_anchors(id->db, fz_anchor(have, at), refs, ANCHORED_MAX, &n, err);
		if (ret)
			return ret;
		for (r = 0; r < n && n <= ANCHORED_MAX; r++) {
			size_t lo = 0, hi = m->nmodules, mid;

			while (lo < hi) {	/* added in the order of their numbers */
				mid = lo + (hi - lo) / 2;
				if (m->modules[mid].file < refs[r].file)
					lo = mid + 1;
				else
					hi = mid;
			}
			k = lo;
			if (lo == m->nmodules || m->modules[k].file != refs[r].file)
				continue;
			for (span = 0; span <= spans; span++) {
				ret = try_at(id, m, f, k, refs[r].page,
					     (f->rip & PAGE_MASK) + span * FZ_PAGE_SIZE, kernel,
					     err);
				if (ret)
					return ret;
			}
		}
	}
	return 0;
}

/* The page of a module that was found, by address. 1: it is that page. */
static int by_address(struct fz_identify *id, struct fz_modules *m, struct fz_frame *f, bool last,
		      const struct fz_kernel_view *kernel, struct fz_error *err)
{
	uint8_t want[FZ_PAGE_SIZE], undone[FZ_PAGE_SIZE];
	uint64_t at = f->rip & PAGE_MASK;
	size_t k;
	int ret;

	for (k = 0; k < m->ninstances; k++) {
		struct instance i = m->instances[k];
		const struct known_module *module = &m->modules[i.module];
		const struct fz_hashdb_segment *s = module->about.segments;
		uint64_t text = i.regions[FZ_REGION_TEXT];
		struct fz_byte bytes[MODIFIED_MAX];
		uint32_t page, n = 0, b;
		bool missing;

		if (i.vm != f->vm || !text || at < text ||
		    at - text >= (uint64_t)s[0].pages * FZ_PAGE_SIZE || s[0].offset)
			continue;
		page = (at - text) / FZ_PAGE_SIZE;
		ret = try_page(id, m, f, &i, page, text, kernel, want, undone, &missing, err);
		if (ret < 0)
			return ret;
		if (ret)
			return found(id, m, f, &i, page, want, err);
		/* Is it changed, or is only something not known that it refers to? */
		if (!last || missing || (f->rip & ~PAGE_MASK) > SPAN)
			continue;
		for (b = 0; b < FZ_PAGE_SIZE && n < MODIFIED_MAX; b++)
			if (undone[b] != want[b])
				bytes[n++] = (struct fz_byte){ b, want[b],
					id->r.contents[f->content].page[b] };
		ret = fz_identify_file(id, module->file, &m->modules[i.module].class, err);
		if (ret)
			return ret;
		if (n < MODIFIED_MAX)
			return fz_say_modified_bytes(id, f, module->class, page, text, bytes, n,
						     err);
	}
	return 0;
}

static int settle_one(struct fz_identify *id, struct fz_modules *m, struct fz_frame *f, bool last,
		      const struct fz_kernel_view *kernel, bool *progress, struct fz_error *err)
{
	const struct memo *memo;
	uint32_t at;
	int ret;

	if (!fz_is_open(id, f) || f->cpl == 3 || !(f->mode & FZ_MODE_LMA) || !in_area(f->rip))
		return 0;
	at = fz_memo_at(&m->by_memo, f);
	if (at == FZ_NONE) {
		ret = by_address(id, m, f, last, kernel, err);
		if (!ret && !last)
			ret = by_anchors(id, m, f, kernel, err);
		if (ret <= 0)
			return ret;
		*progress = true;
		at = fz_memo_at(&m->by_memo, f);
	}
	memo = &m->memos[at];
	fz_say_known(id, f, m->modules[m->instances[memo->instance].module].class, memo->page,
		     (f->rip & PAGE_MASK) - (uint64_t)memo->page * FZ_PAGE_SIZE, memo->patched);
	return 0;
}

int fz_modules_settle(struct fz_identify *id, struct fz_modules *m,
		      const struct fz_kernel_view *kernel, struct fz_error *err)
{
	bool progress = true, last = false;
	unsigned int pass;
	size_t i;
	int ret = 0;

	if (!m->nmodules)
		return 0;
	for (i = 0; !ret && i < m->nmodules && !m->modules[i].loaded; i++)
		ret = load(id, &m->modules[i], err);
	if (ret)
		return ret;
	for (pass = 0; !ret && pass < PASSES && !last; pass++) {
		last = !progress || pass == PASSES - 1;
		progress = false;
		for (i = 0; !ret && i < id->r.nframes; i++)
			ret = settle_one(id, m, &id->r.frames[i], last, kernel, &progress, err);
	}
	return ret;
}
