// SPDX-License-Identifier: GPL-2.0-only
/* test_place.c - where pages lie: what contradicts a file, what proves little, what differs */
#include "fake_identify.h"
#include "tap.h"

static const struct fake_file files[] = {
	{ "/usr/lib/libalpha.so", "alpha", "1", 1, true, 4, 0x4000, 6, { 10, 11, 12, 13, 900, 902 } },
	{ "/usr/bin/perl", "perl", "5", 2, false, 1, 0x401000, 3, { 50, 51, 95 } },
	{ "/usr/bin/perl-new", "perl", "6", 3, false, 1, 0x401000, 3, { 60, 61, 95 } },
	{ "/usr/lib/libhigh.so", "high", "1", 4, true, 1, 0x900000, 2, { 70, 71 } },
	{ "/usr/bin/sparse", "sparse", "1", 5, true, 1, 0x1000, 3, { 903, 904, 80 } },
};

#define BASE	0x7f0000000000ULL

static void begin(void)
{
	begin_with(files, sizeof(files) / sizeof(files[0]));
}

static bool known(size_t frame, uint32_t page)
{
	const struct fz_frame *f = &r->frames[frame];

	return f->verdict == FZ_VERDICT_KNOWN && f->page == page && !f->misplaced;
}

/* Is frame @frame a finding, and not identified? */
static bool misplaced(size_t frame)
{
	const struct fz_frame *f = &r->frames[frame];
	size_t i;

	for (i = 0; i < r->nfindings; i++)
		if (r->findings[i].kind == FZ_FINDING_MISPLACED && r->findings[i].at == frame)
			return f->misplaced && f->verdict == FZ_VERDICT_UNKNOWN &&
			       f->why == FZ_WHY_MISPLACED;
	return false;
}

static void test_linked_address(void)
{
	begin();
	exec(0x1000, 0x401010, 50);
	exec(0x1000, 0x9402010, 51);
	exec(0x1000, 0x403fff, 51);	/* the instruction before may be on page 2 */
	exec(0x1000, 0x9403010, 95);	/* of two files, both linked elsewhere */
	settle();
	ok(known(0, 1), "a file that is linked to an address, there");
	ok(misplaced(1) && r->nfindings == 3, "elsewhere: a finding, and not identified");
	ok(misplaced(2), "a page further: neither");
	ok(misplaced(3), "a page of several files, where none can have it");
	ok(r->nprograms == 1 && r->vms[0].known == 1 && r->vms[0].unknown == 3, "the counts");
	settle();
	ok(r->nfindings == 3, "the same after settling again");
	end();

	begin();
	exec(0x1000, 0x401ff8, 51);
	settle();
	ok(known(0, 2) && !r->nfindings, "an instruction that reaches into the page: no finding");
	end();

	begin();
	make_exec(1, 0x1000, 0x9402010, 51);
	made.rec.cpl = 0;
	fz_identify_add(id, &made.rec, &err);
	settle();
	ok(!r->nfindings, "in kernel mode, addresses of user mode are no evidence");
	end();

	begin();
	exec(0x1000, 0x401000, 70);
	exec(0x1000, 0xffff800000001000, 71);
	settle();
	ok(misplaced(0), "a file that would begin below zero");
	ok(misplaced(1), "... or in the upper half");
	end();
}

static void test_overlap(void)
{
	begin();
	exec(0x1000, BASE + 0x4000, 10);
	exec(0x1000, BASE + 0x5000, 11);
	exec(0x1000, BASE + 0x5000, 12);	/* its place is at 0x6000 */
	exec(0x1000, BASE + 0x7000, 13);
	settle();
	ok(misplaced(2) && r->frames[2].base == BASE && r->nfindings == 1,
	   "a page beside its place, where the file is loaded");
	ok(known(0, 4) && known(1, 5) && known(3, 7), "the others are known");
	end();

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	exec(0x1000, BASE + 0x5000, 11);
	exec(0x2000, BASE + 0x5000, 12);
	exec(0x1000, BASE + 0x70000000, 13);
	settle();
	ok(!r->nfindings, "another address space, or a second copy elsewhere: no finding");
	end();

	begin();
	exec(0x1000, BASE + 0x4000, 10);
	exec(0x1000, BASE + 0x5000, 11);
	make_exec(1, 0x1000, BASE + 0x5000, 12);
	made.rec.time += 20000000000ULL;
	fz_identify_add(id, &made.rec, &err);
	settle();
	ok(!r->nfindings, "long after: another process may have that CR3");
	end();

	begin();
	exec(0x1000, 0x7ffff7dd0000 + 0x4000, 10);
	exec(0x1000, 0x7ffff7dd0000 + 0x5000, 11);
	exec(0x1000, 0x7ffff7dd1000 + 0x6000, 12);
	settle();
	ok(!r->nfindings, "load addresses that are not random: it may be the next process");
	end();
}

static void test_weak(void)
{
	begin();
	exec(0x1000, BASE + 0x8000, 900);
	exec(0x1000, BASE + 0x9000, 902);
	settle();
	ok(r->frames[0].verdict == FZ_VERDICT_UNKNOWN && r->frames[0].why == FZ_WHY_PADDING,
	   "a page of zeros is nobody's");
	ok(r->frames[1].verdict == FZ_VERDICT_AMBIGUOUS, "hardly any content, no neighbour: ambiguous");
	exec(0x1000, BASE + 0x4000, 10);
	settle();
	ok(known(0, 8) && known(1, 9), "where a neighbour has proven the file, they are its");
	end();

	begin();
	exec(0x1000, BASE + 0x1000, 903);
	exec(0x1000, BASE + 0x2000, 904);
	settle();
	ok(r->frames[0].verdict == FZ_VERDICT_KNOWN && r->frames[1].verdict == FZ_VERDICT_KNOWN,
	   "enough content proves itself, and the neighbour");
	end();

	begin();
	exec(0x1000, BASE + 0x1000, 903);
	settle();
	ok(r->frames[0].verdict == FZ_VERDICT_AMBIGUOUS, "one block less does not");
	end();
}

/* A page that is in more places than are kept: those that are kept may all be of one file. */
static void test_uncounted(void)
{
	static struct fake_file many[16];
	unsigned int i, k;

	for (i = 0; i < 15; i++) {
		many[i] = (struct fake_file){ "/usr/lib/libsame.so", "same", "1", 7, true, 1, 0x1000,
					      FAKE_PAGES, { 0 } };
		for (k = 0; k < FAKE_PAGES; k++)
			many[i].contents[k] = 40;
	}
	many[15] = (struct fake_file){ "/usr/lib/libother.so", "other", "1", 8, true, 1, 0x1000, 1,
				       { 40 } };
	begin_with(many, 14);
	exec(0x1000, BASE + 0x1000, 40);
	settle();
	ok(known(0, FZ_NO_PAGE), "all pages of one file are equal: it is that file's");
	end();

	begin_with(many, 16);
	exec(0x1000, BASE + 0x1000, 40);
	settle();
	ok(r->contents[0].uncounted && r->frames[0].verdict == FZ_VERDICT_AMBIGUOUS,
	   "... and of so many others that not all were looked at: ambiguous");
	end();
}

/* The original is at hand, or another page of its file. */
static uint32_t shift;

static int source(void *arg, const uint8_t sha256[32], uint32_t page, uint8_t *buf)
{
	const struct fake_file *f = &files[0];

	if (sha256[0] != 1 || page < f->first || page >= f->first + f->n)
		return 0;
	page_of(f->contents[page - f->first + shift], buf);
	buf[9] ^= *(bool *)arg;
	return 1;
}

static void test_bytes(void)
{
	bool lies = false;
	unsigned int i;

	begin();
	fz_identify_reference(id, source, &lies);
	exec(0x1000, BASE + 0x4000, 10);
	make_exec(1, 0x1000, BASE + 0x5000, 11);
	make_changed(0x305);
	make_changed(0x306);
	made.page[0xfff] = ~made.page[0xfff];
	make_changed(0x800);
	fz_identify_add(id, &made.rec, &err);
	make_exec(1, 0x1000, BASE + 0x6000, 12);
	for (i = 0; i < 31; i++)
		make_changed(i * 128);
	fz_identify_add(id, &made.rec, &err);
	make_exec(1, 0x1000, BASE + 0x7000, 13);
	for (i = 0; i < 32; i++)
		make_changed(i * 64);
	fz_identify_add(id, &made.rec, &err);
	settle();
	ok(r->frames[1].verdict == FZ_VERDICT_MODIFIED && r->frames[1].ndiffer == 4 &&
	   r->frames[1].nbytes == 4 && r->frames[1].bytes[1].at == 0x306 &&
	   (r->frames[1].bytes[1].expected ^ r->frames[1].bytes[1].found) == 0x40,
	   "with the original at hand: each byte that differs, expected and found");
	ok(r->frames[1].differ == (1ULL << 12 | 1ULL << 32 | 1ULL << 63), "in blocks of 64 bytes");
	ok(r->frames[2].verdict != FZ_VERDICT_MODIFIED,
	   "a change in each block of 256 bytes: like no page");
	ok(r->frames[3].verdict != FZ_VERDICT_MODIFIED, "32 of 64 blocks equal: not most");
	make_exec(1, 0x1000, BASE + 0x7000, 13);
	for (i = 0; i < 31; i++)
		make_changed(i * 64);
	fz_identify_add(id, &made.rec, &err);
	settle();
	ok(r->frames[4].verdict == FZ_VERDICT_MODIFIED && r->frames[4].page == 7 &&
	   r->frames[4].ndiffer == 31, "33 of 64: modified");
	lies = true;
	settle();
	ok(r->frames[1].verdict == FZ_VERDICT_MODIFIED && !r->frames[1].ndiffer &&
	   r->frames[1].differ == (0xfULL << 12 | 0xfULL << 32 | 0xfULL << 60),
	   "an original that is not what the database knows is not used");
	lies = false;
	shift = 1;
	settle();
	ok(r->frames[1].verdict == FZ_VERDICT_MODIFIED && !r->frames[1].ndiffer,
	   "nor another page of the file");
	shift = 0;
	end();
}

int main(void)
{
	plan(10 + 5 + 5 + 2 + 7);
	test_linked_address();
	test_overlap();
	test_weak();
	test_uncounted();
	test_bytes();
	return done();
}
