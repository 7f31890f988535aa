// SPDX-License-Identifier: GPL-2.0-only
/* test_kernel.c - a made-up kernel that patches itself, against a real database of it */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>
#include "hashdb_write.h"
#include "ident_calls.h"
#include "ident_made.h"
#include "identify.h"
#include "tap.h"
#include "undo.h"

#define PAGES	8
#define LINKED	0xffffffff81000000ULL
#define DELTA	0x12000000ULL
#define TRAMP	0xffffffffc0123000ULL
#define KERNEL	(FZ_MODE_PE | FZ_MODE_PG | FZ_MODE_PAE | FZ_MODE_LMA | FZ_MODE_CS_L)
#define VALUE	0xffff888012345000ULL
#define OTHER	0xffff888012346000ULL

static const uint32_t functions[] = {
	0x5000, 0x5040, 0x5080, 0x50c0, 0x5100, 0x5140, 0x5180, 0x51c0, 0x5200,
	0x5240, 0x5280, 0x52c0, 0x5300, 0x5340, 0x5380, 0x53c0, 0x5400,
};
static const struct fz_ftrace ftrace[2] = { { 0x4100, 0x4120, 0x4140, 0, 0x4160 } };

static uint8_t image[PAGES * FZ_PAGE_SIZE], page[FZ_PAGE_SIZE], tramp[FZ_PAGE_SIZE];
static char dir[] = "/tmp/fitzroy-kernel.XXXXXX", path[64];
static struct fz_hashdb *db;
static struct fz_identify *id;
static struct fz_error err;
static uint64_t seed = 7, seq;
static uint32_t vm;

static uint8_t rnd(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed >> 33;
}

static int put(void *ctx, uint32_t index, const void *data, size_t len, struct fz_error *e)
{
	return fz_hashdb_write_extra(ctx, FZ_BLOB_SITES, index, data, len, e);
}

#define INITIAL	(FZ_SLOT_KEYS | FZ_SLOT_INITIAL | 0x40)

static bool make_db(void)
{
	struct fz_hashdb_segment segment = { 0, LINKED, PAGES };
	struct fz_hashdb_file f = { .path = "/vmlinuz", .package = "p", .version = "1",
		.arch = "amd64", .build_id = "", .kind = FZ_FILE_KERNEL, .machine = 62,
		.is64 = true, .flags = FZ_FILE_STORED, .nsegments = 1, .segments = &segment };
	uint64_t ptr = fz_constant_id("runtime_ptr_x", false);
	static const uint8_t call[6] = { 0xe8, 0, 0, 0, 0, 0x90 };
	struct fz_sites *s = fz_sites_new();
	struct fz_hashdb_writer *w;
	uint8_t packed[256];
	uint64_t hash;
	unsigned int i;

	for (i = 0; i < sizeof(image); i++)
		image[i] = rnd();
	memset(image + 0x7000, 0, FZ_PAGE_SIZE);
	memcpy(image + 0x4120, "\x48\x8b\x15", 3);
	image[0x4140] = 0xe8;
	snprintf(path, sizeof(path), "%s/known.db", dir);
	if (fz_hashdb_write_open(&w, path, &err) ||
	    fz_hashdb_write_image(w, &f, image, sizeof(image), image, sizeof(image), &err) != 1)
		return false;
	if (fz_sites_symbol(s, 0x1100, 8, false, 0, ptr) ||
	    fz_sites_symbol(s, 0x1200, 8, false, 0, ptr) ||
	    fz_sites_symbol(s, 0x2100, 8, false, 0, ptr) ||
	    fz_sites_symbol(s, 0x3100, 8, false, 0, ptr) ||
	    fz_sites_symbol(s, 0x3108, 1, false, 0, fz_constant_id("runtime_shift_x", true)) ||
	    fz_sites_symbol(s, 0x3140, 8, false, 0, fz_constant_id("runtime_ptr_y", false)) ||
	    fz_sites_call(s, 0x7300, call, 6, 1, 5) ||
	    fz_sites_call(s, 0x1300, call, 6, 1, 5) || fz_sites_call(s, 0x2300, call, 6, 1, 5) ||
	    fz_sites_call(s, 0x3300, call, 6, 1, 6) || fz_sites_call(s, 0x3320, call, 6, 1, 5) ||
	    fz_sites_call(s, 0x1340, call, 6, 1, INITIAL) ||
	    fz_sites_call(s, 0x2340, call, 6, 1, INITIAL) || fz_sites_traced(s, 0x2400) ||
	    fz_sites_write(s, PAGES, put, w, &err))
		return false;
	i = ZSTD_compress(packed, sizeof(packed), functions, sizeof(functions), 1);
	if (fz_hashdb_write_extra(w, FZ_BLOB_KERNEL, 0, packed, i, &err) ||
	    fz_hashdb_write_extra(w, FZ_BLOB_KERNEL, 2, ftrace, sizeof(ftrace), &err))
		return false;
	for (i = 0; i < PAGES - 1; i++)	/* the last has nothing to find it by */
		if (!fz_sites_anchor(s, image, i, &hash) ||
		    fz_hashdb_write_anchor(w, hash, i, &err))
			return false;
	fz_sites_free(s);
	fz_hashdb_write_keep(w);
	if (fz_hashdb_write_publish(w, &err))
		return false;
	fz_hashdb_write_close(w);
	return !fz_hashdb_open(&db, path, &err) && !fz_hashdb_check(db, &err);
}

/* ------------------------------------------------------------------- patching */

static void load(unsigned int n)
{
	memcpy(page, image + n * FZ_PAGE_SIZE, FZ_PAGE_SIZE);
}

static void set(unsigned int at, uint64_t value)
{
	memcpy(page + at, &value, 8);
}

/* At @at of page @n, a call to offset @to of the image, or to @vaddr if that is set. */
static void call_to(unsigned int n, unsigned int at, uint32_t to, uint64_t vaddr)
{
	uint64_t from = LINKED + DELTA + n * FZ_PAGE_SIZE + at + 5;
	int32_t rel = (vaddr ? vaddr : LINKED + DELTA + to) - from;

	page[at] = 0xe8;
	memcpy(page + at + 1, &rel, 4);
	if (!vaddr)
		page[at + 5] = 0x90;
}

static void runs_at(uint64_t rip, const uint8_t *p)
{
	static struct {
		struct fz_rec rec;
		uint8_t page[FZ_PAGE_SIZE];
	} r;

	memcpy(r.page, p, FZ_PAGE_SIZE);
	r.rec = (struct fz_rec){ .size = sizeof(r), .type = FZ_REC_EXEC, .flags = FZ_RECF_PAGE,
		.seq = seq, .time = 1000 + seq, .vm = vm, .gfn = 0x1000 + seq, .rip = rip,
		.cr3 = 0x1000, .mode = KERNEL, .hash = XXH64(r.page, FZ_PAGE_SIZE, 0) };
	seq++;
	if (fz_identify_add(id, &r.rec, &err))
		abort();
}

static void runs(unsigned int n)
{
	runs_at(LINKED + DELTA + n * FZ_PAGE_SIZE + 0x80, page);
}

static void begin(void)
{
	fz_identify_free(id);
	seq = 0;
	vm = 1;
	if (fz_identify_new(&id, db, &err))
		abort();
	/* A page that is as in the file tells nothing about where the kernel lies. */
	load(3);
	call_to(3, 0x300, functions[1], 0);
	runs(3);
}

/* What is frame @n (the first is begin()'s)? Settle it twice, as who watches does. */
static const struct fz_frame *frame(unsigned int n)
{
	if (fz_identify_settle(id, &err) || fz_identify_settle(id, &err))
		abort();
	return &fz_identify_results(id)->frames[n];
}

static bool known(unsigned int n)
{
	const struct fz_frame *f = frame(n);

	return f->verdict == FZ_VERDICT_KNOWN;
}

static bool doubtful(unsigned int n)
{
	const struct fz_frame *f = frame(n);

	return f->verdict == FZ_VERDICT_UNKNOWN && f->why == FZ_WHY_CALLS;
}

static bool modified(unsigned int n, unsigned int bytes)
{
	const struct fz_frame *f = frame(n);

	if (f->verdict != FZ_VERDICT_MODIFIED || f->ndiffer != bytes)
		diag("%s, %u bytes", fz_verdict_name(f->verdict), f->ndiffer);
	return f->verdict == FZ_VERDICT_MODIFIED && f->ndiffer == bytes;
}

static void constants(void)
{
	begin();
	load(1);
	set(0x100, VALUE);
	set(0x200, VALUE);
	runs(1);
	load(2);
	set(0x100, VALUE);
	runs(2);
	ok(known(1) && known(2) && frame(2)->patched, "one constant at all of its sites");
	load(3);
	set(0x100, OTHER);
	runs(3);
	ok(modified(3, 8), "another value at one site: modified");
	load(1);
	set(0x100, OTHER);
	set(0x200, VALUE);
	runs(1);
	ok(modified(4, 8), "two values in a page: modified where it is another");
	load(1);
	set(0x100, OTHER);
	set(0x200, OTHER);
	runs(1);
	ok(known(5), "another that two sites agree on: the kernel was started anew");
	ok(known(3), "then that is a value like the first");

	begin();
	load(1);
	set(0x100, OTHER);
	set(0x200, VALUE);
	runs(1);
	ok(modified(1, 16), "two values in the first page: neither is believed");

	begin();
	load(2);
	set(0x100, 0x1234);
	runs(2);
	ok(modified(1, 8), "no value that the constant can have");
	load(3);
	page[0x108] = 77;
	runs(3);
	ok(image[0x3108] == 77 || modified(2, 1), "nor a shift by 77");
	load(3);
	page[0x108] = 20;
	runs(3);
	ok(known(3), "but one by 20");
}

static void calls(void)
{
	begin();
	load(1);
	call_to(1, 0x300, functions[0], 0);
	runs(1);
	load(2);
	call_to(2, 0x300, functions[0], 0);
	runs(2);
	ok(known(1) && known(2), "calls through one pointer, to one function");
	load(2);
	call_to(2, 0x300, functions[1], 0);
	runs(2);
	ok(doubtful(3), "to another function: unknown, and why");
	runs(2);
	ok(doubtful(3) && doubtful(4), "the same site again is no second one");
	load(3);
	call_to(3, 0x300, functions[1], 0);
	runs(3);
	ok(known(5) && doubtful(3), "through another pointer: to another function");
	load(3);
	call_to(3, 0x300, functions[1] + 1, 0);
	runs(3);
	ok(modified(6, 6), "to no function: modified");
	load(3);
	call_to(3, 0x320, functions[1], 0);
	runs(3);
	ok(known(7) && known(3) && known(4), "a second site that leads there: the pointer was changed");

	begin();
	load(1);
	call_to(1, 0x340, functions[1], 0);
	runs(1);
	load(3);
	runs(3);
	ok(doubtful(1) && known(2), "the first value, where the file tells which that is: not believed");
	load(2);
	call_to(2, 0x340, functions[1], 0);
	runs(2);
	ok(known(1) && known(3), "but if two sites have it");

	begin();
	load(1);
	call_to(1, 0x340, functions[1], 0);
	page[0x500] ^= 1;
	runs(1);
	load(3);
	runs(3);
	load(2);
	call_to(2, 0x340, functions[1], 0);
	runs(2);
	ok(modified(1, 1) && doubtful(3), "a changed page is no witness");
}

/* ------------------------------------------------------- what the kernel makes */

static void make_tramp(void)
{
	int32_t rel = 0x60 + 5 - (0x20 + 7);
	uint64_t ops = 0xffffffff92345678;

	memset(tramp, 0xdd, sizeof(tramp));	/* nobody clears the rest */
	memcpy(tramp, image + 0x4100, 0x60);
	memcpy(tramp + 0x23, &rel, 4);
	memcpy(tramp + 0x41, "\x11\x22\x33\x44", 4);
	memcpy(tramp + 0x60, "\xc3\xcc\xcc\xcc\xcc", 5);
	memcpy(tramp + 0x65, &ops, 8);
}

static void trampolines(void)
{
	unsigned int i, n;

	begin();
	make_tramp();
	load(2);
	call_to(2, 0x400, 0, TRAMP);
	runs(2);
	ok(modified(1, 5), "a call at an ftrace site, to nobody knows what: modified");
	runs_at(TRAMP, tramp);
	ok(frame(2)->verdict == FZ_VERDICT_UNKNOWN && frame(2)->why == FZ_WHY_TRAMPOLINE,
	   "a copy of the kernel's ftrace_caller: unknown, a trampoline");
	ok(known(1), "then the call is one that ftrace makes");
	load(2);
	call_to(2, 0x400, 0, TRAMP + 1);
	runs(2);
	ok(modified(3, 5), "not one beside it");
	load(2);
	call_to(2, 0x400, 0, TRAMP);
	page[0x400] = 0xe9;
	runs(2);
	ok(modified(4, 5), "nor a jump");

	for (i = 0, n = 0; i < 0x65; i++) {
		if (i >= 0x41 && i < 0x45)	/* the call leads anywhere */
			continue;
		begin();
		make_tramp();
		tramp[i] ^= 0x10;
		runs_at(TRAMP, tramp);
		if (frame(1)->why == FZ_WHY_TRAMPOLINE && (i <= 0x60 || i > 0x64))
			n++;
	}
	ok(!n, "nor is anything else in a trampoline left open: %u", n);
	begin();
	make_tramp();
	memset(tramp + 0x69, 0, 4);
	runs_at(TRAMP, tramp);
	ok(frame(1)->why == FZ_WHY_MODULES, "its ops lie in the kernel's half");
}

/* What a guest can have remembered has an end, and behind it nothing new is believed. */
static void bounds(void)
{
	struct fz_calls_of of = { .vm = 1, .file = 1 };
	struct fz_calls_page *p = calloc(1, sizeof(*p));
	struct fz_calls *c = fz_calls_new();
	unsigned int i, n;

	begin();
	for (i = 0; i < FZ_CALLS_VALUES; i++) {
		load(1);
		call_to(1, 0x300, functions[i], 0);
		runs(1);
	}
	load(2);
	call_to(2, 0x300, functions[FZ_CALLS_VALUES - 1], 0);
	runs(2);
	ok(known(1) && doubtful(2) && known(FZ_CALLS_VALUES) && known(FZ_CALLS_VALUES + 1),
	   "as many functions of a pointer as are told apart");
	load(1);
	call_to(1, 0x300, functions[FZ_CALLS_VALUES], 0);
	runs(1);
	load(2);
	call_to(2, 0x300, functions[FZ_CALLS_VALUES], 0);
	runs(2);
	n = FZ_CALLS_VALUES + 2;
	ok(doubtful(n) && doubtful(n + 1), "one more: unknown, though two sites have it");
	load(2);
	call_to(2, 0x300, functions[0], 0);
	runs(2);
	ok(known(n + 2), "and those that were believed still are");

	for (i = 0, n = 0; i < FZ_CALLS_VM_MAX; i++) {
		p->n = 0;
		of.base = i;
		fz_calls_ask(p, 5, LINKED, 1);
		n += fz_calls_agree(c, &of, p);
	}
	p->n = 0;
	of.base = i;
	fz_calls_ask(p, 5, LINKED, 1);
	ok(n == FZ_CALLS_VM_MAX && !fz_calls_agree(c, &of, p), "pointers of a VM, and not one more");
	of.vm = 0;
	ok(fz_calls_agree(c, &of, p) == 1, "another VM has its own");
	fz_calls_free(c);
	free(p);
}

/* The same, of constants and trampolines. */
static void more_bounds(void)
{
	unsigned int i, n;

	begin();
	for (i = 0; i < 17; i++) {
		load(1);
		set(0x100, VALUE + i * 0x1000);
		set(0x200, VALUE + i * 0x1000);
		runs(1);
	}
	for (i = 0, n = 0; i < 17; i++)
		n += known(i + 1);
	ok(n == 16 && known(1) && modified(17, 16), "16 values of a constant, and no 17th: %u", n);

	begin();
	make_tramp();
	for (i = 0; i < 1025; i++)
		runs_at(TRAMP + 0x1000 * i, tramp);
	load(2);
	call_to(2, 0x400, 0, TRAMP + 0x1000 * 1023);
	runs(2);
	load(2);
	call_to(2, 0x400, 0, TRAMP + 0x1000 * 1024);
	runs(2);
	ok(frame(1024)->why == FZ_WHY_TRAMPOLINE && frame(1025)->why == FZ_WHY_TRAMPOLINE &&
	   known(1026) && modified(1027, 5), "1024 trampolines that are called, and no more");
}

static void bpf(void)
{
	/* Of a guest of 6.1: a filter for system calls. */
	static const uint8_t program[] = {
		0x80, 0x00, 0x00, 0x00, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
		0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
		0x0f, 0x1f, 0x44, 0x00, 0x00, 0x55, 0x48, 0x89, 0xe5, 0x53, 0x41, 0x55, 0x31, 0xc0,
		0x45, 0x31, 0xed, 0x48, 0x89, 0xfb, 0x8b, 0x43, 0x04, 0xbe, 0x3e, 0x00, 0x00, 0xc0,
	};
	unsigned int end;

	begin();
	memset(page, 0xcc, sizeof(page));
	memcpy(page + 0x640, program, sizeof(program));
	ok(fz_made_bpf(page, 0x65c, &end) && end == 0x6c0, "a BPF program by its begin");
	ok(!fz_made_bpf(page, 0x650, &end) && !fz_made_bpf(page, 0x6c0, &end),
	   "not before it, nor behind");
	runs_at(TRAMP + 0x65c, page);
	ok(frame(1)->verdict == FZ_VERDICT_UNKNOWN && frame(1)->why == FZ_WHY_BPF,
	   "is unknown, and named");
	page[0x640] = 0x81;
	ok(!fz_made_bpf(page, 0x65c, &end), "no size of a chunk");
	page[0x640] = 0x80;
	page[0x650] = 0x90;
	ok(!fz_made_bpf(page, 0x65c, &end), "no int3 before it");
	page[0x650] = 0xcc;
	page[0x640 + 33] = 0x90;
	ok(!fz_made_bpf(page, 0x65c, &end), "no frame");
	runs_at(TRAMP + 0x165c, page);
	ok(frame(2)->why == FZ_WHY_MODULES, "so it is unknown where modules lie");
	page[0x640 + 33] = 0x55;
	page[0x641] = 0x20;	/* 8320 bytes */
	runs_at(TRAMP + 0x1065c, page);
	memset(page, 0x90, sizeof(page));
	runs_at(TRAMP + 0x11000, page);
	runs_at(TRAMP + 0x13000, page);
	ok(frame(3)->why == FZ_WHY_BPF && frame(4)->why == FZ_WHY_BPF &&
	   frame(5)->why == FZ_WHY_MODULES, "a large one goes on where its size says");
}

/* ------------------------------------------------------------ what is not shared */

static void apart(void)
{
	begin();
	load(1);
	set(0x100, VALUE);
	set(0x200, VALUE);
	runs(1);
	load(3);
	set(0x140, OTHER);
	runs(3);
	load(2);
	set(0x100, OTHER);
	runs(2);
	ok(known(1) && known(2) && modified(3, 8), "no constant has another's value");
	make_tramp();
	runs_at(TRAMP, tramp);
	load(2);
	call_to(2, 0x400, 0, TRAMP);
	runs(2);
	ok(known(5), "what one VM shows");
	vm = 2;
	load(2);
	page[0x800] ^= 1;
	runs(2);
	ok(frame(6)->verdict == FZ_VERDICT_UNKNOWN, "where its kernel lies does not count in another");
	load(3);
	call_to(3, 0x300, functions[1], 0);
	runs(3);
	load(1);
	set(0x100, OTHER);
	set(0x200, OTHER);
	runs(1);
	load(2);
	set(0x100, VALUE);
	runs(2);
	ok(known(7) && known(8) && modified(9, 8), "nor do its constants");
	load(2);
	call_to(2, 0x400, 0, TRAMP);
	runs(2);
	ok(modified(10, 5), "nor its trampolines");
	load(1);
	call_to(1, 0x300, functions[0], 0);
	runs(1);
	vm = 1;
	load(2);
	call_to(2, 0x300, functions[1], 0);
	runs(2);
	ok(known(11) && known(12), "nor where its pointers lead");
}

static void elsewhere(void)
{
	static const uint64_t by[] = { 0x1000, -0x1000ULL, 0x100000, -DELTA - 0x1000000 };
	unsigned int i, n = 0;

	for (i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		begin();
		fz_identify_free(id);
		if (fz_identify_new(&id, db, &err))
			abort();
		runs_at(LINKED + DELTA + by[i] + 0x3080, page);
		n += frame(0)->verdict == FZ_VERDICT_UNKNOWN;
	}
	ok(n == i, "no kernel lies at a place where KASLR puts none: %u", n);

	begin();
	load(7);
	call_to(7, 0x300, functions[0], 0);
	runs(7);
	ok(known(0) && frame(1)->verdict == FZ_VERDICT_UNKNOWN, "a page with hardly any content is none");
}

int main(void)
{
	if (!ok(mkdtemp(dir) && make_db(), "a database of a kernel"))
		return done();
	constants();
	calls();
	trampolines();
	bpf();
	bounds();
	more_bounds();
	apart();
	elsewhere();
	fz_identify_free(id);
	fz_hashdb_close(db);
	unlink(path);
	rmdir(dir);
	return done();
}
