// SPDX-License-Identifier: GPL-2.0-only
/* identify.c - take records, look their pages up; identify.h has the rules */
#include <openssl/evp.h>
#include <xxhash.h>
#include "identify_priv.h"

#define OUT_OF_MEMORY(err) fz_fail(err, -ENOMEM, "out of memory")
#define WAYS		4	/* places in the cache where a content can be */

int fz_identify_new(struct fz_identify **out, struct fz_hashdb *db, struct fz_error *err)
{
	struct fz_identify *id = calloc(1, sizeof(*id));

	if (!id)
		return OUT_OF_MEMORY(err);
	id->sha = EVP_MD_CTX_new();
	if (!id->sha || !EVP_DigestInit_ex2(id->sha, EVP_sha256(), NULL)) {
		fz_identify_free(id);
		return fz_fail(err, -ENOMEM, "SHA-256 is not available");
	}
	id->db = db;
	id->limit = FZ_FRAMES_MAX;
	*out = id;
	return 0;
}

void fz_identify_free(struct fz_identify *id)
{
	size_t i;

	if (!id)
		return;
	for (i = 0; fz_oracles[i]; i++)
		if (id->oracle_state[i])
			fz_oracles[i]->free(id->oracle_state[i]);
	EVP_MD_CTX_free(id->sha);
	fz_identify_ungroup(id);
	fz_unseen_free(id);
	fz_generators_free(id);
	fz_past_free(id);
	for (i = 0; id->cached && i < FZ_CACHE_PAGES; i++)
		free(id->cached[i].page);
	free(id->cached);
	free(id->written);
	free(id->versions);
	free(id->by_written.slot);
	for (i = 0; i < id->r.nfiles; i++)
		fz_hashdb_file_free(&id->r.files[i]);
	for (i = 0; i < id->r.nclasses; i++)
		free(id->r.classes[i].members);
	for (i = 0; i < id->r.ncontents; i++) {
		free(id->r.contents[i].candidates);
		free(id->r.contents[i].page);
	}
	free(id->r.files);
	free(id->r.classes);
	for (i = 0; i < id->r.nframes; i++) {
		free(id->r.frames[i].like);
		free(id->r.frames[i].bytes);
	}
	free(id->r.contents);
	free(id->r.frames);
	free(id->r.vms);
	free(id->file_ids);
	free(id->file_classes);
	free(id->by_id.slot);
	free(id->by_sha.slot);
	free(id->by_content.slot);
	free(id->by_frame.slot);
	free(id->by_vm.slot);
	free(id);
}

void fz_identify_reference(struct fz_identify *id, fz_page_source source, void *arg)
{
	id->source = source;
	id->source_arg = arg;
}

const struct fz_results *fz_identify_results(const struct fz_identify *id)
{
	return &id->r;
}

/* ------------------------------------------------------------ files, classes */

static bool same_package(const struct fz_hashdb_file *a, const struct fz_hashdb_file *b)
{
	return !strcmp(a->package, b->package) && !strcmp(a->version, b->version) &&
	       !strcmp(a->arch, b->arch);
}

/* Packaged files name a class before others; then by path, package, version. */
static int name_order(const struct fz_hashdb_file *a, const struct fz_hashdb_file *b)
{
	int c = !*a->package - !*b->package;

	if (!c)
		c = strcmp(a->path, b->path);
	if (!c)
		c = strcmp(a->package, b->package);
	return c ? c : strcmp(a->version, b->version);
}

static int join_class(struct fz_identify *id, uint32_t file, uint32_t *class, struct fz_error *err)
{
	const struct fz_hashdb_file *f = &id->r.files[file];
	uint64_t hash = fz_content_hash(f->sha256);
	size_t it = FZ_INDEX_START(hash), i;
	struct fz_class *c;
	uint32_t at, *m;

	while ((at = fz_index_next(&id->by_sha, hash, &it)) != FZ_NONE)
		if (!memcmp(class_file(&id->r, at)->sha256, f->sha256, sizeof(f->sha256)) &&
		    class_file(&id->r, at)->kind == f->kind &&
		    class_file(&id->r, at)->flags == f->flags)
			break;
	if (at == FZ_NONE) {
		if (FZ_GROW(id->r.classes, id->r.nclasses, id->classes_cap) ||
		    fz_index_add(&id->by_sha, hash, id->r.nclasses))
			return OUT_OF_MEMORY(err);
		at = id->r.nclasses++;
		id->r.classes[at] = (struct fz_class){ .file = file };
	}
	c = &id->r.classes[at];
	m = reallocarray(c->members, c->nmembers + 1, sizeof(*m));
	if (!m)
		return OUT_OF_MEMORY(err);
	c->members = m;
	for (i = c->nmembers++; i && name_order(f, &id->r.files[m[i - 1]]) < 0; i--)
		m[i] = m[i - 1];
	m[i] = file;
	c->file = m[0];
	for (i = 1; i < c->nmembers; i++)
		if (*id->r.files[m[i]].package &&
		    !same_package(&id->r.files[m[i]], &id->r.files[m[0]]))
			c->ambiguous = true;
	*class = at;
	return 0;
}

int fz_identify_file(struct fz_identify *id, uint32_t file, uint32_t *class, struct fz_error *err)
{
	size_t it = FZ_INDEX_START(file);
	uint32_t at = fz_index_next(&id->by_id, file, &it);
	int ret;

	if (at != FZ_NONE) {
		*class = id->file_classes[at];
		return 0;
	}
	if (FZ_GROW(id->r.files, id->r.nfiles, id->files_cap) ||
	    FZ_GROW(id->file_ids, id->r.nfiles, id->file_ids_cap) ||
	    FZ_GROW(id->file_classes, id->r.nfiles, id->file_classes_cap))
		return OUT_OF_MEMORY(err);
	at = id->r.nfiles;
	ret = fz_hashdb_file(id->db, file, &id->r.files[at], err);
	if (ret)
		return ret;
	id->r.nfiles++;
	id->file_ids[at] = file;
	ret = join_class(id, at, class, err);
	if (ret)
		return ret;
	id->file_classes[at] = *class;
	return fz_index_add(&id->by_id, file, at) ? OUT_OF_MEMORY(err) : 0;
}

/* ------------------------------------------------------------------ contents */

static int by_class_page(const void *a, const void *b)
{
	const struct fz_candidate *x = a, *y = b;

	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	return x->page < y->page ? -1 : x->page > y->page;
}

static int look_up(struct fz_identify *id, struct fz_content *c, const void *page,
		   struct fz_error *err)
{
	struct fz_hashdb_ref refs[FZ_REFS_MAX];
	size_t n = 0, have, mine = 0, i;
	int ret;

	if (c->broken)
		return 0;
	ret = fz_hashdb_lookup_by(id->db, c->xxh64, c->sha, page, refs, FZ_REFS_MAX, &n, &c->forged,
				  err);
	if (ret <= 0)
		return ret;
	c->weight = fz_hashdb_content(page);
	have = n < FZ_REFS_MAX ? n : FZ_REFS_MAX;
	c->uncounted = n > have;
	c->candidates = calloc(have + !have, sizeof(*c->candidates));
	if (!c->candidates)
		return OUT_OF_MEMORY(err);
	for (i = 0; i < have; i++) {
		uint32_t class;

		ret = fz_identify_file(id, refs[i].file, &class, err);
		if (ret)
			return ret;
		if (!fz_hashdb_foreign(class_file(&id->r, class)))
			c->candidates[mine++] = (struct fz_candidate){ class, refs[i].page };
	}
	have = mine;
	qsort(c->candidates, have, sizeof(*c->candidates), by_class_page);
	for (i = 0; i < have; i++)
		if (!i || by_class_page(&c->candidates[i], &c->candidates[c->ncandidates - 1]))
			c->candidates[c->ncandidates++] = c->candidates[i];
	return 0;
}

/* One of the WAYS places where a content of this hash may be. */
static struct fz_cached *cache_slot(const struct fz_identify *id, uint64_t xxh64, unsigned int way)
{
	return &id->cached[(xxh64 >> way * 16) % FZ_CACHE_PAGES];
}

/*
 * Most captures repeat what some VM ran before. To compare 4096 bytes is far faster than
 * their SHA-256, and as sure; XXH64 alone would not be.
 */
static bool cached(const struct fz_identify *id, const struct fz_rec *rec, uint32_t *at)
{
	unsigned int way;

	for (way = 0; id->cached && way < WAYS; way++) {
		const struct fz_cached *k = cache_slot(id, rec->hash, way);

		if (!k->page)
			break;		/* ways are filled in order */
		if (k->xxh64 != rec->hash || memcmp(k->page, fz_rec_page(rec), FZ_PAGE_SIZE))
			continue;
		*at = k->at;
		return true;
	}
	return false;
}

/* Without memory for it all is as before, only slower. */
static void cache(struct fz_identify *id, const struct fz_rec *rec, uint32_t at)
{
	struct fz_cached *k;
	unsigned int way;

	if (!id->cached)
		id->cached = calloc(FZ_CACHE_PAGES, sizeof(*id->cached));
	if (!id->cached)
		return;
	for (way = 0; way < WAYS; way++) {
		k = cache_slot(id, rec->hash, way);
		if (!k->page)
			break;
	}
	/* All taken: any one of them goes, so that part of what comes in turn stays. */
	if (way == WAYS)
		k = cache_slot(id, rec->hash, id->r.records % WAYS);
	if (!k->page)
		k->page = malloc(FZ_PAGE_SIZE);
	if (!k->page)
		return;
	memcpy(k->page, fz_rec_page(rec), FZ_PAGE_SIZE);
	k->xxh64 = rec->hash;
	k->at = at;
}

static int take_content(struct fz_identify *id, const struct fz_rec *rec, uint32_t *at,
			struct fz_error *err)
{
	const uint8_t *page = fz_rec_page(rec);
	struct fz_content c = { .xxh64 = rec->hash };
	size_t it;
	int ret;

	if (!EVP_DigestInit_ex2(id->sha, NULL, NULL) ||
	    !EVP_DigestUpdate(id->sha, page, FZ_PAGE_SIZE) ||
	    !EVP_DigestFinal_ex(id->sha, c.sha, NULL))
		return fz_fail(err, -ENOMEM, "SHA-256 is not available");
	c.broken = XXH64(page, FZ_PAGE_SIZE, 0) != rec->hash;
	id->r.broken += c.broken;
	it = FZ_INDEX_START(fz_content_hash(c.sha));
	while ((*at = fz_index_next(&id->by_content, fz_content_hash(c.sha), &it)) != FZ_NONE) {
		const struct fz_content *k = &id->r.contents[*at];

		if (k->xxh64 == c.xxh64 && !memcmp(k->sha, c.sha, sizeof(c.sha)))
			return 0;
	}
	if (FZ_GROW(id->r.contents, id->r.ncontents, id->contents_cap))
		return OUT_OF_MEMORY(err);
	ret = look_up(id, &c, page, err);
	if (!ret && fz_index_add(&id->by_content, fz_content_hash(c.sha), id->r.ncontents))
		ret = OUT_OF_MEMORY(err);
	if (ret) {
		free(c.candidates);
		return ret;
	}
	*at = id->r.ncontents;
	id->r.contents[id->r.ncontents++] = c;
	return 0;
}

int fz_identify_content(struct fz_identify *id, const struct fz_rec *rec, uint32_t *at,
			struct fz_error *err)
{
	int ret;

	if (cached(id, rec, at))
		return 0;
	ret = take_content(id, rec, at, err);
	/* A broken record's hash is not its page's. */
	if (!ret && !id->r.contents[*at].broken)
		cache(id, rec, *at);
	return ret;
}

/* Oracles and rule 5 need the snapshot of what is unknown. */
static int keep_page(struct fz_identify *id, struct fz_content *c, const struct fz_rec *rec,
		     struct fz_error *err)
{
	size_t *kept = rec->cpl == 3 ? &id->kept_user : &id->kept_other;

	if (c->ncandidates || c->broken || c->page)
		return 0;
	if (*kept == FZ_KEPT_MAX) {
		id->r.not_compared++;
		id->r.vms[id->last_vm].not_compared++;
		return 0;
	}
	c->page = malloc(FZ_PAGE_SIZE);
	if (!c->page)
		return OUT_OF_MEMORY(err);
	memcpy(c->page, fz_rec_page(rec), FZ_PAGE_SIZE);
	c->of_user = rec->cpl == 3;
	++*kept;
	return 0;
}

/* --------------------------------------------------------------- VMs, frames */

static struct fz_results_vm *find_vm(struct fz_identify *id, uint64_t vm, struct fz_error *err)
{
	size_t it = FZ_INDEX_START(vm);
	uint32_t at;

	if (id->last_vm < id->r.nvms && id->r.vms[id->last_vm].id == vm)
		return &id->r.vms[id->last_vm];
	at = fz_index_next(&id->by_vm, vm, &it);
	if (at == FZ_NONE) {
		if (FZ_GROW(id->r.vms, id->r.nvms, id->vms_cap) ||
		    fz_index_add(&id->by_vm, vm, id->r.nvms)) {
			OUT_OF_MEMORY(err);
			return NULL;
		}
		at = id->r.nvms++;
		id->r.vms[at] = (struct fz_results_vm){ .id = vm };
	}
	id->last_vm = at;
	return &id->r.vms[at];
}

static void describe_vm(struct fz_results_vm *vm, uint32_t pid, uint32_t vcpus, uint64_t pages,
			uint64_t not_covered, const char *comm)
{
	vm->pid = pid;
	if (vcpus > vm->vcpus)
		vm->vcpus = vcpus;
	if (pages > vm->pages)
		vm->pages = pages;
	vm->not_covered |= not_covered;
	if (*comm)
		memcpy(vm->comm, comm, sizeof(vm->comm));
}

int fz_identify_vm(void *arg, const struct fz_vm_desc *v, struct fz_error *err)
{
	struct fz_results_vm *vm = find_vm(arg, v->id, err);

	if (!vm)
		return -ENOMEM;
	describe_vm(vm, v->pid, v->vcpus, v->pages, v->not_covered, v->comm);
	vm->attached = v->attached;
	return 0;
}

static int add_frame(struct fz_identify *id, const struct fz_rec *rec, struct fz_error *err)
{
	struct fz_frame new = { .gfn = rec->gfn, .cr3 = rec->cr3, .rip = rec->rip,
		.first = rec->time, .vm = id->last_vm, .mode = rec->mode, .cpl = rec->cpl,
		.as_id = rec->as_id };
	uint32_t vm = id->last_vm, content, at;
	struct fz_frame *f;
	uint64_t hash, writer;
	size_t it;
	int ret;

	if (id->limit && id->r.nframes >= id->limit) {
		ret = fz_retire(id, err);
		if (ret < 0)
			return ret;
		if (!ret)
			return fz_past_uncounted(id, vm, rec,
						 fz_why_by_mode(new.mode, new.cpl, new.as_id),
						 err);
	}
	ret = fz_identify_content(id, rec, &content, err);
	if (!ret)
		ret = keep_page(id, &id->r.contents[content], rec, err);
	if (ret)
		return ret;
	new.content = content;
	hash = fz_frame_hash(&new);
	it = FZ_INDEX_START(hash);
	while ((at = fz_index_next(&id->by_frame, hash, &it)) != FZ_NONE) {
		f = &id->r.frames[at];
		if (f->gfn == rec->gfn && f->content == content && f->cr3 == rec->cr3 &&
		    f->vm == vm)
			break;
	}
	if (at == FZ_NONE) {
		if (id->r.nframes == FZ_NONE - 1 ||
		    FZ_GROW(id->r.frames, id->r.nframes, id->frames_cap) ||
		    fz_index_add(&id->by_frame, hash, id->r.nframes))
			return OUT_OF_MEMORY(err);
		f = &id->r.frames[id->r.nframes++];
		if (!id->r.vms[vm].any)
			id->r.vms[vm].born = !(rec->mode & FZ_MODE_PE);
		id->r.vms[vm].any = true;
		*f = new;
	}
	if (fz_written_take(id, vm, rec, &writer)) {
		f->written = true;
		f->writer = writer;
	}
	f->last = rec->time;
	f->events++;
	f->mixed |= rec->type == FZ_REC_MIXED;
	f->late |= !!(rec->flags & FZ_RECF_LATE);
	return 0;
}

int fz_identify_add(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	struct fz_identify *id = arg;
	struct fz_results_vm *vm;
	int ret;

	id->r.records++;
	id->lost |= rec->type == FZ_REC_LOST;
	if (!rec->vm)
		return 0;
	vm = find_vm(id, rec->vm, err);
	if (!vm)
		return -ENOMEM;
	vm->events[rec->type]++;
	vm->last = rec->time;
	vm->late += !!(rec->flags & FZ_RECF_LATE);
	vm->blind += rec->type == FZ_REC_MIXED && !fz_rec_page(rec);
	switch (rec->type) {
	case FZ_REC_VM_ATTACH:
		vm->attached = rec->time;
		break;
	case FZ_REC_VM_DIED:
		vm->died = true;
		__attribute__((fallthrough));
	case FZ_REC_VM_DETACH:
		vm->gone = rec->time;
		break;
	}
	if (rec->type >= FZ_REC_VM_ATTACH && rec->type <= FZ_REC_VM_DIED)
		describe_vm(vm, rec->u.vm.pid, rec->u.vm.vcpus, rec->u.vm.pages, rec->u.vm.reason,
			    rec->u.vm.comm);
	ret = fz_unseen_add(id, id->last_vm, rec, err);
	if (!ret)
		ret = fz_written_add(id, id->last_vm, rec, err);
	/* What drifted may have run, or not: it is no frame that ran. */
	if (ret || !fz_rec_page(rec) || rec->type == FZ_REC_DRIFT)
		return ret;
	return add_frame(id, rec, err);
}

const char *fz_verdict_name(enum fz_verdict v)
{
	static const char * const name[] = { "unknown", "known", "ambiguous", "modified",
					     "ambiguous" };

	return name[v];
}

static const struct { const char *name, *text; } the_whys[FZ_WHYS] = {
	[FZ_WHY_USER]		= { "user", "user mode" },
	[FZ_WHY_KERNEL]		= { "kernel", "kernel mode" },
	[FZ_WHY_NOPAGING]	= { "no-paging", "protected mode without paging" },
	[FZ_WHY_REAL]		= { "real-mode", "real mode" },
	[FZ_WHY_SMM]		= { "smm", "system management mode" },
	[FZ_WHY_FORGED]		= { "forged",
			"made to look known: XXH64 of a known page, other content" },
	[FZ_WHY_BROKEN]		= { "broken", "the record's hash is not that of its snapshot" },
	[FZ_WHY_VDSO]		= { "vdso", "the kernel's vDSO" },
	[FZ_WHY_BPF]		= { "bpf", "what looks like a BPF program that the kernel compiled" },
	[FZ_WHY_TRAMPOLINE]	= { "trampoline", "trampoline of ftrace, copied by the kernel" },
	[FZ_WHY_KPROBE]		= { "kprobe", "kprobe slot, made by the kernel" },
	[FZ_WHY_KERNEL_INIT]	= { "kernel-init", "the kernel's start-up code" },
	[FZ_WHY_FIRMWARE]	= { "firmware",
			"firmware in its place, with bytes that its file does not explain: data, or changed code" },
	[FZ_WHY_LOADER]		= { "boot-loader", "boot loader" },
	[FZ_WHY_DATA]		= { "data",
			"a known program's code, beside data or leftovers that its file does not tell" },
	[FZ_WHY_ITSELF]		= { "patches-itself", "a known program's code, which it has patched itself" },
	[FZ_WHY_PADDING]	= { "padding", "hardly any content, as many pages are" },
	[FZ_WHY_MODULES]	= { "modules",
			"kernel mode, where modules lie: one that is not known, or made by the kernel" },
	[FZ_WHY_GENERATED]	= { "generated", "generated by a program that compiles as it runs" },
	[FZ_WHY_WITHIN]		= { "within",
			"user mode, in a known program: a library that the database has not, or injected code" },
	[FZ_WHY_CALLS]		= { "calls",
			"a known kernel's code, with a call that leads where no other does" },
	[FZ_WHY_SYMBOLS]	= { "symbols",
			"a known program's code, with text relocations against symbols that may lead anywhere" },
	[FZ_WHY_MISPLACED]	= { "misplaced", "a page of a known file where that can't have it" },
};

const char *fz_why_text(enum fz_why why)
{
	return the_whys[why].text;
}

const char *fz_why_name(enum fz_why why)
{
	return the_whys[why].name;
}
