// SPDX-License-Identifier: GPL-2.0-only
/* test_versions.c - another version of a known file, and what is only a changed one */
#include "fake_identify.h"
#include "tap.h"

/* The new one's first four pages are the old one's. */
static const struct fake_file files[] = {
	{ "/lib/libx.so.1", "libx", "1", 1, true, 4, 0x4000, 18,
	  { 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116,
	    117 } },
	{ "/lib/libx.so.1", "libx", "2", 2, true, 4, 0x4000, 18,
	  { 100, 101, 102, 103, 124, 125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136,
	    137 } },
	{ "/lib/liby.so.1", "liby", "1", 3, true, 4, 0x4000, 18,
	  { 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216,
	    217 } },
	{ "/bin/prog", "prog", "1", 4, true, 1, 0x1000, 12,
	  { 300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 310, 311 } },
};

#define BASE	0x7f0000000000ULL
#define BASE2	0x7f1000000000ULL
#define FIXED	0x555555554000ULL	/* where Linux loads what is not randomized */

static void begin(void)
{
	begin_with(files, sizeof(files) / sizeof(files[0]));
}

/* Page @page of the file (its first is @first) runs with content @content. */
static void run(uint64_t cr3, uint64_t base, unsigned int page, unsigned int content, bool changed)
{
	make_exec(1, cr3, base + page * 4096ULL + 0x123, content);
	if (changed)
		make_changed(700 + page);
	if (fz_identify_add(id, &made.rec, &err))
		abort();
}

/* Pages 4 to 3 + @n of liby, the first @changed of them changed. */
static void run_y(uint64_t cr3, uint64_t base, unsigned int n, unsigned int changed)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		run(cr3, base, 4 + i, 200 + i, i < changed);
}

static const struct fz_program *program(const char *path, const char *version, enum fz_verdict v)
{
	const struct fz_hashdb_file *f;
	size_t i;

	for (i = 0; i < r->nprograms; i++) {
		f = &r->files[r->classes[r->programs[i].classes[0]].file];
		if (r->programs[i].verdict == v && !strcmp(f->path, path) &&
		    !strcmp(f->version, version))
			return &r->programs[i];
	}
	return NULL;
}

#define Y(v) program("/lib/liby.so.1", "1", FZ_VERDICT_##v)

static void test_share(void)
{
	const struct fz_program *p;

	begin();
	run_y(0x1000, BASE, 18, 1);
	settle();
	ok(Y(MODIFIED) && !Y(VERSION) && Y(MODIFIED)->nfindings == 1,
	   "one changed page among many is a modified file");
	fz_identify_free(id);

	begin();
	run_y(0x1000, BASE, 4, 3);
	settle();
	ok(Y(MODIFIED) && !Y(VERSION), "three changed pages of four: too few to say");
	fz_identify_free(id);

	begin();
	run_y(0x1000, BASE, 17, 4);
	settle();
	ok(Y(MODIFIED) && !Y(VERSION), "four of 17: less than a quarter");
	fz_identify_free(id);

	begin();
	run_y(0x1000, BASE, 16, 4);
	settle();
	p = Y(VERSION);
	ok(p && !Y(MODIFIED) && p->same == 12 && p->differ == 4 && p->nfindings == 4,
	   "four of 16: another version, with how much of it differs");
	ok(!Y(KNOWN) && r->nprograms == 1 && r->vms[0].modified == 4 && r->vms[0].known == 12 &&
	   r->vms[0].unknown == 4, "and no page that differs is identified");
	fz_identify_free(id);
}

static void test_unknown_pages(void)
{
	unsigned int i;

	begin();
	for (i = 0; i < 6; i++)
		run(0x1000, BASE, 4 + i, 200 + i, false);
	for (; i < 12; i++)
		run(0x1000, BASE, 4 + i, 600 + i, false);
	settle();
	ok(Y(KNOWN) && !Y(VERSION), "unknown code after the last of its pages may be another's");
	run(0x1000, BASE, 20, 216, false);
	settle();
	ok(!Y(KNOWN) && Y(VERSION) && Y(VERSION)->same == 7 && Y(VERSION)->differ == 6,
	   "between them it is of another version");
	ok(r->vms[0].unknown == 6 && r->nunknowns == 1 && r->unknowns[0].frames == 6,
	   "and unknown");
	fz_identify_free(id);

	begin();
	for (i = 0; i < 12; i++)
		run(0x1000, FIXED, 4 + i, i % 2 ? 600 + i : 200 + i, false);
	settle();
	ok(Y(KNOWN) && !Y(VERSION), "where nothing is randomized, it says nothing");
	fz_identify_free(id);
}

static void test_between(void)
{
	unsigned int i;

	begin();
	for (i = 0; i < 18; i++)
		run(0x1000, BASE, 4 + i, i < 4 || i % 2 ? 100 + i : 120 + i, false);
	settle();
	ok(!program("/lib/libx.so.1", "1", FZ_VERDICT_KNOWN) &&
	   !program("/lib/libx.so.1", "2", FZ_VERDICT_KNOWN) &&
	   program("/lib/libx.so.1", "1", FZ_VERDICT_VERSION) &&
	   program("/lib/libx.so.1", "2", FZ_VERDICT_VERSION),
	   "some pages of each of two versions, at one place: neither is known");
	fz_identify_free(id);

	begin();
	for (i = 0; i < 18; i++)
		run(0x1000, BASE, 4 + i, 100 + i, false);
	for (i = 4; i < 18; i++)
		run(0x2000, BASE2, 4 + i, 120 + i, false);
	settle();
	ok(program("/lib/libx.so.1", "1", FZ_VERDICT_KNOWN) &&
	   program("/lib/libx.so.1", "2", FZ_VERDICT_KNOWN) &&
	   !program("/lib/libx.so.1", "1", FZ_VERDICT_VERSION) &&
	   !program("/lib/libx.so.1", "2", FZ_VERDICT_VERSION),
	   "two versions, each at its own place: both are known");
	fz_identify_free(id);
}

/* What ran in one process is not logged again in the next. */
static void test_few_pages(void)
{
	unsigned int i;

	begin();
	run_y(0x1000, BASE, 16, 8);
	run(0x2000, BASE2, 20, 216, false);
	run(0x2000, BASE2, 21, 217, true);
	settle();
	ok(Y(VERSION) && !Y(KNOWN) && !Y(MODIFIED),
	   "the few pages of a second process count with the VM's others");
	fz_identify_free(id);

	begin();
	run_y(0x1000, BASE, 16, 0);
	run(0x2000, BASE2, 20, 216, false);
	run(0x2000, BASE2, 21, 217, true);
	settle();
	ok(Y(MODIFIED) && Y(KNOWN) && !Y(VERSION), "where those are the file's, one is a changed page");
	fz_identify_free(id);

	begin();
	for (i = 0; i < 8; i++) {
		run(0x1000 * (i + 1), BASE + ((uint64_t)i << 32), 4 + i, 200 + i, false);
		make_exec(1, 0x1000 * (i + 1), BASE + ((uint64_t)i << 32) + 20 * 4096ULL, 216);
		make_changed(i);
		fz_identify_add(id, &made.rec, &err);
	}
	settle();
	ok(Y(MODIFIED) && !Y(VERSION), "one page changed in eight processes is one page");
	fz_identify_free(id);
}

/* A program of which a quarter is other code is not known, whoever did it. */
static void test_program(void)
{
	unsigned int i;
	size_t k;

	begin();
	for (i = 0; i < 12; i++)
		run(0x1000, BASE, 1 + i, i == 5 ? 600 : 300 + i, false);
	settle();
	ok(r->nfindings == 1 && r->findings[0].kind == FZ_FINDING_FOREIGN &&
	   program("/bin/prog", "1", FZ_VERDICT_KNOWN), "one foreign page in a program is a finding");
	fz_identify_free(id);

	begin();
	for (i = 0; i < 12; i++)
		run(0x1000, BASE, 1 + i, i % 2 && i < 10 ? 600 + i : 300 + i, false);
	run(0x1000, BASE2, 0, 650, false);
	run(0x1000, BASE, 12, 311, true);
	run(0x1000, BASE, 11, 310, false);
	settle();
	for (k = i = 0; k < r->nframes; k++)
		i += r->frames[k].verdict == FZ_VERDICT_KNOWN && r->frames[k].another;
	ok(!program("/bin/prog", "1", FZ_VERDICT_KNOWN) &&
	   program("/bin/prog", "1", FZ_VERDICT_VERSION) && i == 8 && r->vms[0].unknown == 7,
	   "six of twelve: another version, and what differs stays unknown");
	ok(!r->nfindings && r->frames[12].why == FZ_WHY_WITHIN && !r->frames[12].another,
	   "what runs elsewhere is not of that version");
	fz_identify_free(id);
}

int main(void)
{
	test_share();
	test_unknown_pages();
	test_between();
	test_few_pages();
	test_program();
	return done();
}
