// SPDX-License-Identifier: GPL-2.0-only
/* test_generated.c - code that programs make: what is set aside, what is a finding */
#include <time.h>
#include "fake_identify.h"
#include "tap.h"

static const struct fake_file files[] = {
	{ "/usr/bin/alpha", "alpha", "1", 1, true, 4, 0x4000, 4, { 10, 11, 12, 13 } },
	{ "/usr/lib/libbeta.so.1", "beta", "1", 2, true, 4, 0x4000, 4, { 20, 21, 22, 23 } },
	{ "/usr/lib/jvm/bin/java", "jre", "1", 3, true, 1, 0x1000, 2, { 30, 31 } },
	{ "/opt/own/bin/engine-2", "own", "1", 4, true, 1, 0x1000, 2, { 40, 41 } },
	{ "/usr/lib/libpcre2-8.so.0", "pcre", "1", 5, true, 1, 0x1000, 8,
	  { 50, 51, 52, 53, 54, 55, 56, 57 } },
};

#define BASE	0x558000000000ULL
#define LIB	0x7f1000000000ULL

static void begin(void)
{
	begin_with(files, sizeof(files) / sizeof(files[0]));
}

static const struct fz_finding *finding(enum fz_finding_kind kind)
{
	size_t i;

	for (i = 0; i < r->nfindings; i++)
		if (r->findings[i].kind == kind)
			return &r->findings[i];
	return NULL;
}

/* A record about the frame of the last exec(). */
static void about(enum fz_rec_type type, uint64_t cr3, uint8_t cpl)
{
	struct fz_rec rec = made.rec;

	rec.type = type;
	rec.flags = 0;
	rec.size = sizeof(rec);
	rec.cr3 = cr3;
	rec.cpl = cpl;
	rec.rip = 0x1234567;
	rec.time += 1000;
	fz_identify_add(id, &rec, &err);
}

static void again(uint64_t cr3, unsigned int content)
{
	struct fz_rec rec = made.rec;

	page_of(content, made.page);
	made.rec = rec;
	made.rec.type = FZ_REC_REEXEC;
	made.rec.cr3 = cr3;
	made.rec.time += 2000;
	made.rec.hash = XXH64(made.page, FZ_PAGE_SIZE, 0);
	fz_identify_add(id, &made.rec, &err);
}

static void test_generators(void)
{
	begin();
	exec(0x1000, LIB + 0x100, 5000);
	exec(0x1000, BASE + 0x1000, 30);
	exec(0x1000, LIB + 0x1100, 5001);
	exec(0x1000, BASE + 0x2000, 31);
	exec(0x1000, LIB + 0x2100, 5002);
	exec(0x2000, LIB + 0x3100, 5003);
	settle();
	ok(r->frames[0].why == FZ_WHY_USER, "what ran before the generator is not its");
	ok(r->frames[2].why == FZ_WHY_GENERATED && r->frames[4].why == FZ_WHY_GENERATED &&
	   r->frames[2].verdict == FZ_VERDICT_UNKNOWN, "beside java: generated, and still unknown");
	ok(r->frames[5].why == FZ_WHY_USER, "in another address space: not");
	ok(r->vms[0].generated == 2 && r->vms[0].unknown == 4, "counted apart");
	ok(!r->nfindings, "no finding");
	exec(0x1000, 0x401000, 5004);
	settle();
	ok(r->frames[6].why == FZ_WHY_USER, "after its last page, and far from what it made: not");
	exec(0x1000, BASE + 0x100001000, 10);
	exec(0x1000, LIB + 0x3100, 5005);
	settle();
	ok(r->frames[8].why == FZ_WHY_USER, "after another program, in the same address space: not");
	end();

	begin();
	exec(0x1000, BASE + 0x1000, 40);
	exec(0x1000, LIB + 0x1100, 5001);
	exec(0x1000, BASE + 0x2000, 41);
	settle();
	ok(r->frames[1].why == FZ_WHY_WITHIN, "a program that is not known to generate code");
	fz_identify_generator(id, "engine-[0-9]", &err);
	settle();
	ok(r->frames[1].why == FZ_WHY_GENERATED, "the operator knows it: by its name");
	end();

	begin();
	fz_identify_generator(id, "/opt/own/*", &err);
	fz_identify_generator(id, "/usr/bin/eng*", &err);
	exec(0x1000, BASE + 0x1000, 40);
	exec(0x1000, LIB + 0x1100, 5001);
	exec(0x1000, BASE + 0x2000, 41);
	exec(0x2000, BASE + 0x4000, 10);
	exec(0x2000, LIB + 0x1100, 5002);
	settle();
	ok(r->frames[1].why == FZ_WHY_GENERATED && r->frames[4].why == FZ_WHY_USER, "or by its path");
	end();
}

static void test_busy(void)
{
	int i;

	begin();
	for (i = 0; i < 8; i++) {
		exec(0x1000, LIB + 0x1000 * (i + 1), 50 + i);
		exec(0x1000, LIB + 0x91000 + 0x1000 * i, 5000 + i);
	}
	exec(0x1000, LIB + 0x1000, 50);
	settle();
	ok(r->frames[13].why == FZ_WHY_USER && r->frames[15].why == FZ_WHY_GENERATED,
	   "a library that compiles when it is used: 8 pages of it are use, 7 are not");
	end();
}

/* One generator after another, each at another address, and a program between. */
#define MANY	150000

static void test_many(void)
{
	size_t i, right = 0;
	clock_t start;

	begin();
	for (i = 0; i < MANY; i++) {
		exec(0x1000, BASE + (i + 1) * 0x100000 + 0x1000, 30);
		exec(0x1000, BASE + 0x4000, 10);
	}
	exec(0x1000, BASE + 0x100000UL * MANY + 0x4000, 5000);
	exec(0x1000, BASE + 0x100000UL * MANY + 0x2000, 31);
	start = clock();
	settle();
	for (i = 0; i < 2 * MANY; i++)
		right += r->frames[i].verdict == FZ_VERDICT_KNOWN;
	ok(right == 2 * MANY, "%zu of %u frames of many generators are known", right, 2 * MANY);
	ok((clock() - start) / CLOCKS_PER_SEC < 10, "many generators take their time, not its square");
	end();
}

static void test_layers(void)
{
	begin();
	exec(0x1000, LIB + 0x91000, 5001);
	about(FZ_REC_WRITE, 0x1000, 3);
	again(0x1000, 5002);
	settle();
	ok(finding(FZ_FINDING_LAYER) && finding(FZ_FINDING_LAYER)->at == 1 && r->nfindings == 1 &&
	   r->frames[1].writer == 0x1234567, "written by itself, then run: a finding, with where from");
	again(0x1000, 5003);
	settle();
	ok(r->nfindings == 1, "a write counts once");
	end();

	begin();
	exec(0x1000, LIB + 0x91000, 5001);
	about(FZ_REC_WRITE, 0x2000, 3);
	again(0x1000, 5002);
	settle();
	ok(!r->nfindings, "written by another address space: no finding");
	end();

	begin();
	exec(0x1000, LIB + 0x91000, 5001);
	about(FZ_REC_WRITE, 0x1000, 0);
	again(0x1000, 5002);
	settle();
	ok(!r->nfindings, "written by the kernel: none");
	end();

	begin();
	exec(0x1000, LIB + 0x91000, 5001);
	about(FZ_REC_WRITE, 0x1000, 3);
	about(FZ_REC_CHANGED, 0x1000, 3);
	again(0x1000, 5002);
	settle();
	ok(!r->nfindings, "changed by the host since: none");
	end();

	begin();
	exec(0x1000, LIB + 0x91000, 5001);
	about(FZ_REC_WRITE, 0x1000, 3);
	made.rec.rip = LIB + 0x4000;
	again(0x1000, 20);
	settle();
	ok(!r->nfindings && r->frames[1].verdict == FZ_VERDICT_KNOWN, "it runs a known page: none");
	end();

	begin();
	exec(0x1000, BASE + 0x1000, 30);
	exec(0x1000, LIB + 0x91000, 5001);
	about(FZ_REC_WRITE, 0x1000, 3);
	again(0x1000, 5002);
	exec(0x1000, BASE + 0x2000, 31);
	settle();
	ok(!r->nfindings && r->vms[0].generated == 2, "a program known to do so: none");
	end();
}

int main(void)
{
	plan(10 + 1 + 2 + 7);
	test_generators();
	test_busy();
	test_many();
	test_layers();
	return done();
}
