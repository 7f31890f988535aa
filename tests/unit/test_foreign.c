// SPDX-License-Identifier: GPL-2.0-only
/* test_foreign.c - unknown code in a known program: what is a finding, and what may be a library */
#include "fake_identify.h"
#include "tap.h"

static const struct fake_file files[] = {
	{ "/usr/bin/prog", "prog", "1", 1, true, 4, 0x4000, 12,
	  { 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21 } },
	{ "/usr/lib/liblib.so.1", "lib", "1", 2, true, 4, 0x4000, 12,
	  { 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41 } },
	{ "/usr/lib/jvm/bin/java", "jre", "1", 3, true, 1, 0x1000, 2, { 50, 51 } },
};

#define PROG	0x558000000000ULL
#define LIB	0x7f1000000000ULL
#define FIXED	0x555555554000ULL	/* where Linux loads what is not randomized */
#define UNKNOWN	5000

static void begin(void)
{
	begin_with(files, sizeof(files) / sizeof(files[0]));
}

/* Pages [@from, @to) of the program at @base, or of the library (first content @first). */
static void run(uint64_t base, unsigned int first, unsigned int from, unsigned int to)
{
	unsigned int i;

	for (i = from; i < to; i++)
		exec(0x1000, base + (4 + i) * 4096ULL, first + i);
}

/* Unknown code at page @page of what lies at @base. */
static void strange(uint64_t base, unsigned int page)
{
	exec(0x1000, base + (4 + page) * 4096ULL + 0x10, UNKNOWN + page);
}

static const struct fz_finding *foreign(void)
{
	return r->nfindings == 1 && r->findings[0].kind == FZ_FINDING_FOREIGN ? r->findings : NULL;
}

static const struct fz_unknown *group(size_t n)
{
	size_t i;

	for (i = 0; i < r->nunknowns; i++)
		if (r->unknowns[i].why == FZ_WHY_WITHIN && !n--)
			return &r->unknowns[i];
	return NULL;
}

static bool is(const struct fz_unknown *u, uint64_t from, uint64_t to, uint64_t frames)
{
	return u && u->from == from && u->to == to && u->frames == frames && u->space == 0x1000 &&
	       u->origin != FZ_NO_CLASS &&
	       !strcmp(r->files[r->classes[u->origin].file].path, "/usr/bin/prog");
}

static void test_library(void)
{
	begin();
	run(PROG, 10, 0, 1);
	exec(0x1000, LIB + 0x92000, UNKNOWN);
	exec(0x1000, LIB + 0x91010, UNKNOWN + 1);
	exec(0x1000, LIB + 0x99020, UNKNOWN + 2);
	run(PROG, 10, 1, 2);
	exec(0x1000, LIB + 0x93000, UNKNOWN + 3);
	settle();
	ok(!r->nfindings, "a mapping that nobody knows, in a known program: no finding");
	ok(is(group(0), LIB + 0x91000, LIB + 0x9a000, 3) && !group(1),
	   "it is one group, with addresses and the program's name");
	ok(r->frames[1].verdict == FZ_VERDICT_UNKNOWN && r->frames[5].why == FZ_WHY_USER &&
	   r->vms[0].unknown == 4, "what ran after the program may be another's; all are unknown");
	settle();
	ok(is(group(0), LIB + 0x91000, LIB + 0x9a000, 3) && !group(1) && !r->nfindings, "the same again");
	end();

	begin();
	run(PROG, 10, 0, 1);
	exec(0x1000, LIB - 0x3000, UNKNOWN);
	run(LIB, 30, 0, 1);
	exec(0x1000, LIB + 0x91000, UNKNOWN + 1);
	exec(0x1000, LIB + 0x92000, UNKNOWN + 2);
	run(PROG, 10, 1, 2);
	settle();
	ok(is(group(0), LIB - 0x3000, LIB - 0x2000, 1) &&
	   is(group(1), LIB + 0x91000, LIB + 0x93000, 2) && !group(2) && !r->nfindings,
	   "known code between them: two mappings");
	end();

	begin();
	run(LIB, 30, 0, 6);
	exec(0x1000, PROG + 0x91000, UNKNOWN);
	run(LIB, 30, 6, 7);
	settle();
	ok(!r->nfindings && r->frames[6].why == FZ_WHY_USER,
	   "an unknown program with a known library is just unknown");
	end();

	begin();
	exec(0x2000, PROG + 0x4000, 10);
	run(PROG, 10, 1, 2);
	exec(0x1000, LIB + 0x91000, UNKNOWN);
	run(PROG, 10, 2, 3);
	settle();
	ok(!r->nfindings && r->frames[2].why == FZ_WHY_USER, "nor is a fork told from its parent");
	end();

	begin();
	exec(0x1000, PROG + 0x1000, 50);
	exec(0x1000, LIB + 0x91000, UNKNOWN);
	exec(0x1000, PROG + 0x2000, 51);
	settle();
	ok(!r->nfindings && r->frames[1].why == FZ_WHY_GENERATED, "generated code is generated");
	end();

	begin();
	run(PROG, 10, 0, 6);
	make_exec(1, 0x1000, 0x7ffc12345780, UNKNOWN);
	memcpy(made.page, "\177ELF", 4);
	memcpy(made.page + 0x300, "linux-vdso.so.1", 16);
	make_changed(0x800);
	fz_identify_add(id, &made.rec, &err);
	run(PROG, 10, 6, 7);
	settle();
	ok(!r->nfindings && r->frames[6].verdict == FZ_VERDICT_UNKNOWN &&
	   r->frames[6].why == FZ_WHY_USER, "what looks like the vDSO is unknown, and nothing else");
	end();
}

/* @same pages of the file and @other that are not, the last of its own behind them; then @after. */
static void text(uint64_t base, unsigned int first, unsigned int same, unsigned int other,
		 unsigned int after)
{
	unsigned int i;

	begin();
	run(base, first, 0, same - 1);
	for (i = 0; i < other; i++)
		strange(base, same - 1 + i);
	run(base, first, same - 1 + other, same + other);
	for (i = 0; i < after; i++)
		strange(base, same + other + i);
	settle();
}

static void test_text(void)
{
	text(LIB, 30, 4, 1, 0);
	ok(foreign() && foreign()->at == 3 && r->frames[3].foreign == FZ_FOREIGN_TEXT &&
	   r->frames[3].verdict == FZ_VERDICT_UNKNOWN && r->frames[3].origin == r->frames[0].class,
	   "among four pages of a library, one that nobody knows: a finding");
	end();
	text(LIB, 30, 3, 1, 0);
	ok(!r->nfindings && r->frames[2].why == FZ_WHY_USER,
	   "among three: it may be another version of the library");
	end();
	text(PROG, 10, 7, 2, 0);
	ok(foreign() && foreign()->count == 2, "two among seven of a program: one finding");
	end();
	text(PROG, 10, 6, 2, 0);
	ok(!r->nfindings && is(group(0), PROG + 0x9000, PROG + 0xb000, 2), "among six: none");
	end();
	text(PROG, 10, 6, 1, 1);
	ok(!r->nfindings, "nor one, with another after the last of its pages");
	end();
	text(PROG, 10, 7, 1, 1);
	ok(foreign() && foreign()->count == 1, "... which is no finding itself");
	end();
	text(FIXED, 10, 8, 1, 0);
	ok(!r->nfindings, "nor where load addresses are not random");
	end();

	begin();
	run(PROG, 10, 0, 6);
	exec(0x2000, PROG + 0xa000, UNKNOWN);
	run(PROG, 10, 7, 8);
	settle();
	ok(!r->nfindings, "nor in another address space");
	end();

	begin();
	run(LIB, 30, 0, 6);
	exec(0x1000, PROG + 0x1000, 50);
	strange(LIB, 6);
	exec(0x1000, PROG + 0x2000, 51);
	run(LIB, 30, 7, 8);
	settle();
	ok(foreign() && r->frames[7].why == FZ_WHY_USER && !r->vms[0].generated,
	   "a generator of code puts none into a library");
	end();
}

static void heap(uint64_t base, uint64_t at, unsigned int pages)
{
	begin();
	run(base, 10, 0, pages - 1);
	exec(0x1000, base + at, UNKNOWN);
	run(base, 10, pages - 1, pages);
	settle();
}

static void test_heap(void)
{
	heap(PROG, 0x2345000, 4);
	ok(foreign() && r->frames[3].foreign == FZ_FOREIGN_HEAP &&
	   r->frames[3].origin == r->frames[0].class && r->frames[3].why == FZ_WHY_USER,
	   "behind a known program: a finding");
	end();
	heap(PROG, 0x2345000, 3);
	ok(!r->nfindings && group(0), "three pages are too few to know the program");
	end();
	heap(PROG, 0xfffff000, 4);
	ok(foreign(), "up to 4 GiB behind");
	end();
	heap(PROG, 0x100000000, 4);
	ok(!r->nfindings && group(0), "and not more");
	end();
	heap(PROG, -0x1000, 4);
	ok(!r->nfindings && group(0), "nor before it");
	end();
	heap(LIB, 0x2345000, 4);
	ok(!r->nfindings && group(0), "nor behind one that lies where libraries do");
	end();

	begin();
	run(PROG, 10, 0, 5);
	strange(PROG, 5);
	strange(PROG, 6);
	exec(0x1000, PROG + 0x2345000, UNKNOWN);
	run(PROG, 10, 7, 8);
	settle();
	ok(!r->nfindings && group(0), "nor if it may be another version of the program");
	end();

	begin();
	run(PROG, 10, 0, 3);
	exec(0x1000, PROG + 0x2345000, UNKNOWN);
	strange(PROG, 3);
	run(PROG, 10, 4, 8);
	settle();
	ok(r->nfindings == 2 && r->findings[0].at == 3 && r->findings[1].at == 4,
	   "code behind the program, and code in it, are two findings");
	end();
}

/* A version of the program that the database has not may have some pages of the other. */
static void test_newer(void)
{
	begin();
	run(PROG, 10, 0, 2);
	exec(0x1000, PROG + 0x8000, 13);	/* its place is a page before */
	settle();
	ok(r->nfindings == 1 && r->findings[0].kind == FZ_FINDING_MISPLACED,
	   "a page beside its place is a finding");
	strange(PROG, 9);
	settle();
	ok(!r->nfindings && r->frames[2].verdict == FZ_VERDICT_UNKNOWN &&
	   r->frames[2].why == FZ_WHY_MISPLACED,
	   "not if unknown code ran in the file: a newer one may have it there; it stays unknown");
	run(PROG, 10, 5, 6);
	run(PROG, 10, 7, 8);
	settle();
	ok(r->nfindings == 2 && r->findings[0].kind == FZ_FINDING_MISPLACED &&
	   r->findings[1].kind == FZ_FINDING_FOREIGN,
	   "four pages that are the file's, for one that is not: it is that file");
	end();
}

int main(void)
{
	plan(9 + 9 + 8 + 3);
	test_library();
	test_text();
	test_heap();
	test_newer();
	return done();
}
