// SPDX-License-Identifier: GPL-2.0-only
/* test_identify.c - what pages are taken for, on made-up files and records */
#include "fake_identify.h"
#include "tap.h"

/* Contents: 1x = alpha's, 2x = beta's, 9x = shared. */
static const struct fake_file files[] = {
	{ "/usr/bin/alpha", "alpha", "1", 1, true, 4, 0x4000, 4, { 10, 11, 90, 12 } },
	{ "/usr/bin/beta", "beta", "1", 2, true, 4, 0x5000, 4, { 20, 90, 21, 91 } },
	{ "/usr/bin/gamma", "gamma", "1", 3, true, 4, 0x4000, 3, { 91, 92, 92 } },
	{ "/usr/bin/twin", "twin", "1", 4, true, 1, 0x1000, 2, { 40, 41 } },
	{ "/usr/bin/twin", "twin", "2", 4, true, 1, 0x1000, 2, { 40, 41 } },
	{ "/usr/bin/perl", "perl", "5", 5, false, 1, 0x401000, 3, { 50, 51, 95 } },
	{ "/usr/bin/perl5.36", "perl", "5", 5, false, 1, 0x401000, 3, { 50, 51, 95 } },
	{ "/usr/bin/perl-new", "perl", "6", 6, false, 1, 0x401000, 3, { 60, 61, 95 } },
	{ "/srv/copy-of-alpha", "", "", 1, true, 4, 0x4000, 4, { 10, 11, 90, 12 } },
	{ "/usr/bin/dir", "core", "1", 8, true, 1, 0x1000, 2, { 80, 81 } },
	{ "/usr/bin/ls", "core", "1", 9, true, 1, 0x1000, 2, { 80, 81 } },
	{ "/usr/bin/evil", "evil", "1", 7, true, 1, 0x1000, 1, { 666 } },
	/* Code of ARM: its last page is alpha's first, its first two nobody else's. */
	{ "/arm/bin/cat", "arm", "1", 10, true, 4, 0x4000, 3, { 30, 31, 10 } },
	{ "/usr/bin/same", "same", "1", 11, true, 4, 0x4000, 3, { 70, 71, 71 } },
};

#define BASE	0x7f0000000000ULL

static void begin(void)
{
	begin_with(files, sizeof(files) / sizeof(files[0]));
}

static const char *path(const struct fz_frame *f)
{
	if (f->class == FZ_NO_CLASS)
		return "-";
	return r->files[r->classes[f->class].file].path;
}

static bool is(size_t frame, enum fz_verdict v, const char *want, uint32_t page)
{
	const struct fz_frame *f = &r->frames[frame];

	if (f->verdict == v && !strcmp(path(f), want) && f->page == page)
		return true;
	diag("frame %zu is %s, %s, page %u", frame, fz_verdict_name(f->verdict), path(f), f->page);
	return false;
}

static const struct fz_program *program(const char *want, enum fz_verdict v)
{
	size_t i;

	for (i = 0; i < r->nprograms; i++)
		if (r->programs[i].verdict == v && r->programs[i].nclasses == 1 &&
		    !strcmp(r->files[r->classes[r->programs[i].classes[0]].file].path, want))
			return &r->programs[i];
	return NULL;
}

static void test_unique(void)
{
	const struct fz_program *p;

	begin();
	exec(0x1000, BASE + 0x4123, 10);
	exec(0x1000, BASE + 0x5001, 11);
	exec(0x2000, BASE + 0x7000, 12);
	settle();
	ok(is(0, FZ_VERDICT_KNOWN, "/usr/bin/alpha", 4) && r->frames[0].placed &&
	   r->frames[0].base == BASE, "a page of one file: file, page, load address");
	p = program("/usr/bin/alpha", FZ_VERDICT_KNOWN);
	ok(p && p->pages_seen == 3 && p->pages_total == 4 && p->nspaces == 2, "its program");
	ok(r->classes[p->classes[0]].nmembers == 2 && !strcmp(path(&r->frames[0]),
	   "/usr/bin/alpha"), "the packaged path names it, the copy is an alias");
	ok(r->vms[0].frames == 3 && r->vms[0].known == 3, "the counts");
	end();
}

/* Whatever ran, ran on x86. */
static void test_foreign(void)
{
	uint32_t classes[FZ_REFS_MAX];

	begin();
	exec(0x1000, BASE + 0x4000, 30);
	exec(0x1000, BASE + 0x5000, 31);
	settle();
	ok(r->frames[0].verdict == FZ_VERDICT_UNKNOWN && !r->nprograms && r->vms[0].unknown == 2,
	   "pages that only code of another architecture has: unknown");
	exec(0x1000, BASE + 0x6000, 10);
	exec(0x2000, BASE + 0x4000, 10);
	exec(0x2000, BASE + 0x5000, 31);
	make_exec(1, 0x1000, BASE + 0x5000, 31);
	make_changed(100);
	fz_identify_add(id, &made.rec, &err);
	settle();
	ok(is(3, FZ_VERDICT_KNOWN, "/usr/bin/alpha", 4) &&
	   fz_frame_classes(r, &r->frames[3], classes) == 1,
	   "a page that it shares with a file of x86 is that one's");
	ok(!program("/arm/bin/cat", FZ_VERDICT_KNOWN) &&
	   !program("/arm/bin/cat", FZ_VERDICT_MODIFIED) &&
	   r->frames[4].verdict == FZ_VERDICT_UNKNOWN && r->frames[5].verdict == FZ_VERDICT_UNKNOWN,
	   "nor is a changed page one of its");
	end();
}

static void test_same(void)
{
	begin();
	exec(0x1000, BASE + 0x4000, 70);
	exec(0x1000, BASE + 0x6000, 71);
	settle();
	ok(is(1, FZ_VERDICT_KNOWN, "/usr/bin/same", 6), "two pages alike: the address tells which");
	exec(0x1000, BASE + 0x1000 + 0x4000, 70);
	settle();
	ok(is(1, FZ_VERDICT_KNOWN, "/usr/bin/same", FZ_NO_PAGE) && !r->frames[1].placed,
	   "loaded twice, so that both fit: that file, but which page nobody knows");
	end();
}

static void test_shared(void)
{
	begin();
	exec(0x1000, BASE + 0x6000, 90);		/* alpha's by the load address */
	settle();
	ok(is(0, FZ_VERDICT_AMBIGUOUS, "-", FZ_NO_PAGE), "shared, nothing else known: ambiguous");
	ok(r->nprograms == 1 && r->programs[0].nclasses == 2 && r->vms[0].ambiguous == 1,
	   "it names both");
	exec(0x1000, BASE + 0x4000, 10);
	settle();
	ok(is(0, FZ_VERDICT_KNOWN, "/usr/bin/alpha", 6), "an unshared page decides it later");
	end();

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	exec(0x2000, BASE + 0x9000000 + 0x6000, 90);
	settle();
	ok(is(1, FZ_VERDICT_AMBIGUOUS, "-", FZ_NO_PAGE), "another load address decides nothing");
	end();

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	exec(0x1000, BASE + 0x9000000 + 0x5000, 20);
	exec(0x1000, BASE + 0x9000000 + 0x6000, 90);	/* beta's second page */
	settle();
	ok(is(2, FZ_VERDICT_KNOWN, "/usr/bin/beta", 5), "both loaded: the address tells");
	end();

	begin();
	exec(0x1000, BASE + 0x4000, 10);	/* alpha at BASE: 90 at +0x6000 */
	exec(0x1000, BASE + 0x5000, 20);	/* beta at BASE: 90 at +0x6000 too */
	exec(0x1000, BASE + 0x6000, 90);
	settle();
	ok(is(2, FZ_VERDICT_AMBIGUOUS, "-", FZ_NO_PAGE), "both fit: ambiguous");
	end();

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	exec(0x2000, BASE + 0x5000, 20);
	exec(0x1000, BASE + 0x6000, 90);
	settle();
	ok(is(2, FZ_VERDICT_AMBIGUOUS, "-", FZ_NO_PAGE),
	   "the other fits elsewhere in the VM: ambiguous");
	end();

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	exec(0x2000, BASE + 0x6000, 90);		/* a fork of it */
	settle();
	ok(is(1, FZ_VERDICT_KNOWN, "/usr/bin/alpha", 6), "the same address after a fork");
	end();

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	fz_identify_add(id, make_exec(2, 0x1000, BASE + 0x6000, 90), &err);
	settle();
	ok(is(1, FZ_VERDICT_AMBIGUOUS, "-", FZ_NO_PAGE), "another VM's load address is no evidence");
	end();
}

static void test_spanning(void)
{
	begin();
	exec(0x1000, BASE + 0x4000, 10);
	exec(0x1000, BASE + 0x5ffe, 90);	/* the instruction before reaches into it */
	settle();
	ok(is(1, FZ_VERDICT_KNOWN, "/usr/bin/alpha", 6), "an instruction over two pages");
	end();
	begin();
	exec(0x1000, BASE + 0x4000, 10);
	exec(0x1000, BASE + 0x5fe0, 90);
	settle();
	ok(is(1, FZ_VERDICT_AMBIGUOUS, "-", FZ_NO_PAGE), "too far from the end to reach over");
	end();
}

static void test_same_page_twice(void)
{
	begin();
	exec(0x1000, BASE + 0x5000, 92);
	settle();
	ok(is(0, FZ_VERDICT_KNOWN, "/usr/bin/gamma", FZ_NO_PAGE),
	   "a file with the page twice: the file, not the page");
	exec(0x1000, BASE + 0x4000, 91);
	settle();
	ok(is(1, FZ_VERDICT_AMBIGUOUS, "-", FZ_NO_PAGE), "which is no evidence for a shared page");
	end();
}

static void test_identical(void)
{
	begin();
	exec(0x1000, BASE + 0x1000, 40);
	settle();
	ok(r->frames[0].verdict == FZ_VERDICT_AMBIGUOUS && r->vms[0].known == 0 &&
	   r->nprograms == 1 && r->classes[r->programs[0].classes[0]].nmembers == 2,
	   "one file in two versions of a package: ambiguous");
	end();
}

static void test_fixed_address(void)
{
	begin();
	exec(0x1000, 0x401010, 50);
	exec(0x1000, 0x403010, 95);
	settle();
	ok(is(1, FZ_VERDICT_KNOWN, "/usr/bin/perl", 3), "not position-independent, same space");
	ok(!r->classes[r->frames[0].class].ambiguous, "hard links of one package are one file");
	exec(0x2000, 0x401010, 60);
	settle();
	ok(is(1, FZ_VERDICT_AMBIGUOUS, "-", 3),
	   "another version at the same fixed address ran too: ambiguous");
	end();
	begin();
	exec(0x1000, 0x401010, 50);
	exec(0x2000, 0x403010, 95);
	settle();
	ok(is(1, FZ_VERDICT_AMBIGUOUS, "-", 3),
	   "a fixed address in another space is no evidence");
	end();
	begin();
	exec(0x1000, 0x9401010, 50);
	settle();
	ok(is(0, FZ_VERDICT_UNKNOWN, "-", FZ_NO_PAGE) && r->frames[0].why == FZ_WHY_MISPLACED,
	   "at an address that is not its own: not known, see test_place");
	end();
}

static void test_modified(void)
{
	const struct fz_program *p;

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	exec(0x1000, BASE + 0x5000, 11);
	make_exec(1, 0x1000, BASE + 0x7123, 12);
	make_changed(0x305);
	fz_identify_add(id, &made.rec, &err);
	exec(0x2000, BASE + 0x5550000 + 0x4000, 10);	/* the real one ran as well */
	settle();
	ok(is(2, FZ_VERDICT_MODIFIED, "/usr/bin/alpha", 7), "one byte changed: modified");
	ok(r->frames[2].differ == 0xf000, "the block that differs (%lx)", r->frames[2].differ);
	p = program("/usr/bin/alpha", FZ_VERDICT_MODIFIED);
	ok(p && p->nfindings == 1 && p->findings[0] == 2 && p->nspaces == 1 &&
	   p->spaces[0] == 0x1000 && p->pages_seen == 3, "its program has the verdict");
	p = program("/usr/bin/alpha", FZ_VERDICT_KNOWN);
	ok(p && p->nspaces == 1 && p->spaces[0] == 0x2000, "the unchanged one stays known");
	ok(r->vms[0].frames == 4 && r->vms[0].known == 3 && r->vms[0].unknown == 1 &&
	   r->vms[0].modified == 1 && !r->nunknowns, "the changed frame is not identified");
	end();

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	make_exec(1, 0x1000, BASE + 0x7123, 12);
	make_changed(0x005);
	make_changed(0x105);
	make_changed(0x205);
	make_changed(0xf05);
	fz_identify_add(id, &made.rec, &err);
	settle();
	ok(is(1, FZ_VERDICT_MODIFIED, "/usr/bin/alpha", 7) && r->frames[1].differ == 0xf000000000000fff,
	   "12 of 16 blocks equal: modified");
	made.rec.gfn++;
	make_changed(0x505);
	fz_identify_add(id, &made.rec, &err);
	settle();
	ok(is(2, FZ_VERDICT_UNKNOWN, "-", FZ_NO_PAGE), "11 of 16: unknown");
	end();

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	make_exec(1, 0x1000, BASE + 0x6123, 12);
	make_changed(0x305);
	fz_identify_add(id, &made.rec, &err);
	make_exec(1, 0x2000, BASE + 0x97123, 12);
	make_changed(0x305);
	fz_identify_add(id, &made.rec, &err);
	settle();
	ok(is(1, FZ_VERDICT_UNKNOWN, "-", FZ_NO_PAGE), "the wrong page of the file: unknown");
	ok(is(2, FZ_VERDICT_UNKNOWN, "-", FZ_NO_PAGE), "where no file is loaded: unknown");
	end();
}

/* Two files with the same code and different data, as ls and dir. */
static void test_same_code(void)
{
	uint32_t classes[FZ_REFS_MAX];

	begin();
	exec(0x1000, BASE + 0x1000, 80);
	exec(0x1000, BASE + 0x2000, 81);
	exec(0x2000, BASE + 0x770000 + 0x1000, 80);
	make_exec(1, 0x2000, BASE + 0x770000 + 0x2000, 81);
	make_changed(0x705);
	fz_identify_add(id, &made.rec, &err);
	settle();
	ok(is(0, FZ_VERDICT_AMBIGUOUS, "-", 1) && is(1, FZ_VERDICT_AMBIGUOUS, "-", 2) &&
	   r->frames[0].placed && r->frames[0].base == BASE,
	   "the same code in two files: either, but page and address are certain");
	ok(is(3, FZ_VERDICT_MODIFIED, "-", 2) && r->frames[3].differ == 0xfULL << 28 &&
	   fz_frame_classes(r, &r->frames[3], classes) == 2, "modified: a copy of either");
	ok(r->nprograms == 2 && r->programs[0].verdict == FZ_VERDICT_AMBIGUOUS &&
	   r->programs[0].spaces[0] == 0x1000 && r->programs[0].pages_seen == 2 &&
	   r->programs[1].verdict == FZ_VERDICT_MODIFIED && r->programs[1].nfindings == 1 &&
	   r->programs[1].pages_seen == 2 && r->programs[1].nclasses == 2,
	   "the modified one apart from the other");
	ok(r->vms[0].known == 0 && r->vms[0].ambiguous == 3 && r->vms[0].unknown == 1, "the counts");
	end();
}

static const struct fz_unknown *unknown(enum fz_why why)
{
	size_t i;

	for (i = 0; i < r->nunknowns; i++)
		if (r->unknowns[i].why == why)
			return &r->unknowns[i];
	return NULL;
}

static void other(uint32_t mode, uint8_t cpl, uint8_t as_id, uint64_t cr3)
{
	make_exec(1, cr3, 0xfff0, 7000 + made_seq);
	made.rec.mode = mode;
	made.rec.cpl = cpl;
	made.rec.as_id = as_id;
	fz_identify_add(id, &made.rec, &err);
}

static void test_unknown(void)
{
	const struct fz_unknown *u;

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	exec(0x1000, 0x401000, 7777);
	exec(0x1000, 0x402000, 7778);
	exec(0x3000, 0x401000, 7779);
	other(0, 0, 0, 0);
	other(FZ_MODE_PE, 0, 0, 0);
	other(USER64, 0, 0, 0x1000);
	other(USER64, 0, 0, 0x2000);
	other(USER64 | FZ_MODE_SMM, 0, 1, 0);
	settle();
	u = unknown(FZ_WHY_USER);
	ok(u && u->has_space && u->space == 0x1000 && u->frames == 2 && u->rip == 0x401000,
	   "unknown user code by address space");
	ok(u && u->nbeside == 1, "with the program that ran beside it");
	ok(unknown(FZ_WHY_KERNEL) && unknown(FZ_WHY_KERNEL)->frames == 2 &&
	   !unknown(FZ_WHY_KERNEL)->has_space, "kernel code by mode");
	ok(unknown(FZ_WHY_REAL) && unknown(FZ_WHY_NOPAGING) && unknown(FZ_WHY_SMM),
	   "real mode, no paging, system management mode");
	ok(r->nunknowns == 6 && r->vms[0].unknown == 8 && r->vms[0].frames == 9, "the counts");
	end();

	begin();
	make_exec(1, 0x1000, BASE + 0x4000, 10);
	made.page[5] ^= 1;				/* the hash stays */
	fz_identify_add(id, &made.rec, &err);
	make_exec(1, 0x1000, BASE + 0x4000, 10);
	made.rec.hash ^= 1;
	fz_identify_add(id, &made.rec, &err);
	settle();
	ok(r->broken == 2 && r->vms[0].unknown == 2 && unknown(FZ_WHY_BROKEN),
	   "a hash that is not the snapshot's: never identified");
	end();

	begin();
	make_exec(1, 0x1000, BASE + 0x1000, 666);
	make_changed(100);
	fz_identify_add(id, &made.rec, &err);
	settle();
	ok(r->vms[0].known == 0 && unknown(FZ_WHY_FORGED), "a forged XXH64 is named as such");
	end();
}

static void test_counting(void)
{
	struct fz_rec rec;

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	made.rec.type = FZ_REC_REEXEC;
	fz_identify_add(id, &made.rec, &err);
	made.rec.type = FZ_REC_MIXED;
	fz_identify_add(id, &made.rec, &err);
	made.rec.cr3 = 0x2000;
	made.rec.type = FZ_REC_REEXEC;
	fz_identify_add(id, &made.rec, &err);
	rec = made.rec;
	rec.flags = 0;
	rec.size = sizeof(rec);
	rec.type = FZ_REC_CHANGED;
	fz_identify_add(id, &rec, &err);
	settle();
	ok(r->nframes == 2 && r->frames[0].events == 3 && r->frames[0].mixed &&
	   r->vms[0].mixed == 1 && r->vms[0].events[FZ_REC_CHANGED] == 1,
	   "a frame is a gfn, a content and an address space");
	ok(r->vms[0].frames == r->vms[0].known + r->vms[0].ambiguous + r->vms[0].unknown &&
	   r->vms[0].frames == r->nframes, "frames = identified + ambiguous + unknown");
	end();
}

int main(void)
{
	plan(4 + 3 + 2 + 9 + 2 + 2 + 1 + 5 + 9 + 4 + 7 + 2);
	test_unique();
	test_foreign();
	test_same();
	test_shared();
	test_spanning();
	test_same_page_twice();
	test_identical();
	test_fixed_address();
	test_modified();
	test_same_code();
	test_unknown();
	test_counting();
	return done();
}
