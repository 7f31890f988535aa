// SPDX-License-Identifier: GPL-2.0-only
/* test_retire.c - more frames than are kept: counts stay, and no verdict gets surer by it */
#include "fake_identify.h"
#include "tap.h"

/* prog, liba and libb share page 4 (content 50); liba and libb two more pages. */
static const struct fake_file files[] = {
	{ "/bin/prog", "prog", "1", 1, true, 1, 0x1000, 5, { 10, 11, 12, 13, 50 } },
	{ "/lib/liba.so", "liba", "1", 2, true, 1, 0x1000, 8, { 20, 21, 22, 51, 50, 52, 23, 24 } },
	{ "/lib/libb.so", "libb", "1", 3, true, 1, 0x1000, 8, { 30, 31, 32, 51, 50, 52, 33, 34 } },
	{ "/lib/libv.so", "libv", "1", 4, true, 4, 0x4000, 18,
	  { 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216,
	    217 } },
	{ "/bin/fixa", "fixa", "1", 5, false, 1, 0x401000, 4, { 60, 61, 53, 62 } },
	{ "/bin/fixb", "fixb", "1", 6, false, 1, 0x401000, 4, { 70, 71, 53, 72 } },
};

#define STEP	1000000000ULL	/* ns from one record to the next */
#define A	0x7f0000000000ULL
#define B	0x7f4000000000ULL
#define P	0x560000000000ULL

static void begin(size_t limit)
{
	begin_with(files, sizeof(files) / sizeof(files[0]));
	fz_identify_limit(id, limit);
}

static uint64_t at_time(uint64_t seq)
{
	return 1000000000 + seq * STEP;
}

static void add(uint64_t vm, uint64_t cr3, uint64_t rip, unsigned int content, bool changed)
{
	make_exec(vm, cr3, rip, content);
	made.rec.time = at_time(made.rec.seq);
	if (changed)
		make_changed(700);
	if (fz_identify_add(id, &made.rec, &err))
		abort();
}

/* @n pages that nobody knows, in ever new address spaces. */
static void flood(uint64_t vm, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		add(vm, 0x900000000 + vm * 0x10000000 + i * 4096ULL, 0x10000123, 100000 + i, false);
}

static const struct fz_program *program(uint64_t vm, const char *path, enum fz_verdict v)
{
	size_t i;

	for (i = 0; i < r->nprograms; i++)
		if (r->programs[i].verdict == v && r->vms[r->programs[i].vm].id == vm &&
		    !strcmp(r->files[r->classes[r->programs[i].classes[0]].file].path, path))
			return &r->programs[i];
	return NULL;
}

/* The numbers of a VM by reason add up to that in its line, and no more is kept than may be. */
static bool adds_up(size_t limit)
{
	uint64_t unknown = 0, modified = 0, frames = 0;
	size_t i;

	for (i = 0; i < r->nunknowns; i++)
		unknown += r->unknowns[i].frames;
	for (i = 0; i < r->nvms; i++) {
		const struct fz_results_vm *v = &r->vms[i];

		modified += v->modified;
		frames += v->unknown;
		if (v->frames != v->known + v->ambiguous + v->unknown)
			return false;
	}
	return unknown + modified == frames && r->nframes <= limit && r->ncontents <= limit;
}

static void test_flood(void)
{
	const struct fz_program *p;
	unsigned int i;

	begin(256);
	for (i = 0; i < 5; i++)
		add(1, 0x1000, P + 0x1000 * (i + 1) + 4, files[0].contents[i], false);
	for (i = 0; i < 17; i++)
		add(1, 0x1000, A + 0x4000 + 0x1000 * i + 4, 200 + i, false);
	add(1, 0x1000, A + 0x4000 + 0x1000 * 17 + 4, 217, true);
	for (i = 0; i < 8; i++)
		add(2, 0x1000, B + 0x1000 * (i + 1) + 4, files[2].contents[i], false);
	flood(1, 5000);
	settle();
	p = program(1, "/bin/prog", FZ_VERDICT_KNOWN);
	ok(p && p->pages_seen == 5 && p->nspaces == 1, "a flood of unknown pages: a program is still there");
	p = program(1, "/lib/libv.so", FZ_VERDICT_MODIFIED);
	ok(p && p->nfindings == 1 && p->pages_seen == 18, "and a changed page before it is still a finding");
	p = program(2, "/lib/libb.so", FZ_VERDICT_KNOWN);
	ok(p && p->pages_seen == 8 && !r->vms[1].let_go.frames, "another VM's frames stay");
	ok(r->vms[0].frames == 23 + 5000 && r->vms[0].unknown == 5001 && r->vms[0].known == 22,
	   "all are counted");
	ok(adds_up(256), "the reasons add up, within the limit");
	add(1, 0x1000, A + 0x4000 + 0x1000 * 9 + 4, 209, true);
	settle();
	p = program(1, "/lib/libv.so", FZ_VERDICT_MODIFIED);
	ok(p && p->nfindings == 2, "a page changed after the flood is told as before");
	end();
}

/* A page that liba and libb have, where a page of liba alone lies as in liba: is it known? */
static bool beside_its_own(void)
{
	add(1, 0xabc000, A + 0x1000 + 4, 20, false);
	add(1, 0xabc000, A + 0x4000 + 4, 51, false);
	settle();
	return r->frames[r->nframes - 1].verdict == FZ_VERDICT_KNOWN;
}

/* As of a forking shell, for days: the same programs at other addresses. */
static void test_processes(void)
{
	const struct fz_program *p;
	unsigned int i, k;

	begin(256);
	for (k = 0; k < 300; k++)
		for (i = 0; i < 4; i++)
			add(1, 0x1000 * (k + 1), P + 0x100000ULL * k + 0x1000 * (i + 1) + 4,
			    files[0].contents[i], false);
	settle();
	p = program(1, "/bin/prog", FZ_VERDICT_KNOWN);
	ok(p && p->pages_seen == 4 && p->first == at_time(0) && p->last == at_time(1199), "a program of many processes: its pages, first and last");
	ok(r->vms[0].frames == 1200 && r->vms[0].known == 1200 && adds_up(256), "all are counted, and known");
	ok(r->vms[0].unplaced, "so many places that not all are kept: that is noted");
	ok(p && p->nspaces && p->nspaces <= 64, "of address spaces only those that are kept");
	ok(!beside_its_own(), "so a page of one of two files, beside the one's own, may yet be the other's");
	end();

	begin(256);
	ok(beside_its_own(), "where all places are known it is not");
	end();
}

/*
 * Both libraries have page 5. Where it runs, each was seen elsewhere in the VM: it can't be
 * told. That must not change because the one was let go.
 */
static void test_not_surer(void)
{
	const struct fz_frame *f;
	unsigned int i;

	begin(64);
	for (i = 0; i < 3; i++)
		add(1, 0x1000, A + 0x1000 * (i + 1) + 4, 20 + i, false);
	flood(1, 10);
	/* All of the first address space goes before any of these. */
	for (i = 0; i < 400; i++)
		add(1, 0x100000 + 0x1000 * i, P + 0x1000 * 2 + 4, 11, false);
	for (i = 0; i < 3; i++)
		add(1, 0x2000, A + 0x1000 * (i + 1) + 4, 30 + i, false);
	add(1, 0x3000, A + 0x1000 * 4 + 4, 51, false);
	settle();
	f = &r->frames[r->nframes - 1];
	ok(program(1, "/lib/liba.so", FZ_VERDICT_KNOWN) && r->vms[0].let_go.known > 3 && !r->vms[0].unplaced,
	   "the one library was let go, and is still reported");
	ok(f->verdict == FZ_VERDICT_AMBIGUOUS, "a page of it or of another stays ambiguous");
	end();
}

static void test_versions(void)
{
	unsigned int i;

	begin(64);
	/* The library in one process, then single pages of it changed in others. */
	for (i = 0; i < 18; i++)
		add(1, 0x1000, A + 0x4000 + 0x1000 * i + 4, 200 + i, false);
	for (i = 0; i < 200; i++)
		add(1, 0x100000 + 0x1000 * i, P + 0x1000 * 2 + 4, 11, false);
	for (i = 0; i < 4; i++) {
		add(1, 0x2000 + i, B + 0x100000 * i + 0x4000 + 4, 200, false);
		add(1, 0x2000 + i, B + 0x100000 * i + 0x4000 + 0x1000 * (i + 1) + 4, 201 + i, true);
	}
	settle();
	ok(r->vms[0].let_go.known >= 18, "all that speaks for a file was let go");
	ok(program(1, "/lib/libv.so", FZ_VERDICT_MODIFIED) && !program(1, "/lib/libv.so", FZ_VERDICT_VERSION),
	   "its changed pages are still no other version of it");
	end();
}

static const void *entries(uint32_t file, size_t *len)
{
	/* Page 0 of each, by entries.h: one bit a page. */
	static const uint8_t blob[4] = { 1 };

	(void)file;
	*len = sizeof(blob);
	return blob;
}

static size_t entered(void)
{
	size_t i, n = 0;

	for (i = 0; i < r->nfindings; i++)
		n += r->findings[i].kind == FZ_FINDING_ENTERED;
	return n;
}

static void test_entered(void)
{
	unsigned int i;

	fake_entries = entries;
	begin(64);
	make_exec(1, 0, 0xfff0, 99999);
	made.rec.mode = 0;
	made.rec.cpl = 0;
	fz_identify_add(id, &made.rec, &err);
	add(1, 0x1000, P + 0x1000 + 4, 10, false);
	add(1, 0x2000, A + 0x2000 + 4, 21, false);
	for (i = 0; i < 300; i++)
		add(1, 0x100000 + 0x1000 * i, P + 0x1000 * 2 + 4, 11, false);
	settle();
	ok(entered() == 1, "who was entered as it can't be stays a finding, and no other becomes one");
	end();
	fake_entries = NULL;
}

/* Packed programs without end: each page is a finding. */
static void test_findings(void)
{
	unsigned int i;

	begin(256);
	for (i = 0; i < 3000; i++) {
		make_exec(1, 0x1000, 0x10000000 + i * 4096ULL, 300000 + i);
		made.rec.type = FZ_REC_WRITE;
		made.rec.flags = 0;
		made.rec.gfn = i;
		fz_identify_add(id, &made.rec, &err);
		make_exec(1, 0x1000, 0x10000000 + i * 4096ULL, 300000 + i);
		made.rec.gfn = i;
		fz_identify_add(id, &made.rec, &err);
	}
	settle();
	ok(r->nfindings && r->findings[0].time == 1000000000 + 1 * 1000000ULL,
	   "findings without end: the first are kept");
	ok(r->nfindings + r->vms[0].let_go.findings == 3000 && adds_up(256), "and the others counted");
	end();
}

/* What the kernel ran does not go. When nothing may go, the rest is counted. */
static void test_full(void)
{
	unsigned int i;

	begin(64);
	for (i = 0; i < 500; i++) {
		make_exec(1, 0, 0xffffffff81000000 + i * 4096, 10 + i % 4);
		made.rec.cpl = 0;
		fz_identify_add(id, &made.rec, &err);
	}
	settle();
	ok(r->nframes == 64 && r->vms[0].let_go.frames == 500 - 64 && adds_up(64),
	   "nothing may go: what is new is only counted");
	end();
}

/* ------------------------------------------------------------ at random: never surer */

static uint64_t seed;

static unsigned int pick(unsigned int n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

static void random_event(void)
{
	static const uint64_t at[] = { P, A, B, A + 0x1000, B + 0x2000, 0x555555554000 };
	unsigned int k = pick(sizeof(files) / sizeof(files[0])), page = pick(files[k].n);
	uint64_t base = files[k].pie ? at[pick(6)] : 0;
	uint64_t cr3 = 0x1000 * (1 + pick(40));

	if (!pick(4))
		add(1 + pick(2), cr3, base + 0x1000 + 8, 500000 + pick(100000), false);
	else
		add(1 + pick(2), cr3, base + files[k].vaddr + page * 4096ULL + 4,
		    files[k].contents[page], !pick(20));
}

struct was {
	uint64_t gfn, first;
	uint32_t class, page;
	uint8_t verdict;
	bool misplaced;
};

static unsigned int surer(unsigned int round, unsigned int *known)
{
	unsigned int n = 1500, i, bad = 0;
	struct was *was = calloc(n, sizeof(*was));

	seed = round;
	begin(0);
	for (i = 0; i < n; i++)
		random_event();
	settle();
	for (i = 0; i < r->nframes; i++)
		was[r->frames[i].gfn - 0x1000] = (struct was){ r->frames[i].gfn, r->frames[i].first,
			r->frames[i].class, r->frames[i].page, r->frames[i].verdict,
			r->frames[i].misplaced };
	end();
	seed = round;
	begin(200);
	for (i = 0; i < n; i++)
		random_event();
	settle();
	for (i = 0; i < r->nframes; i++) {
		const struct fz_frame *f = &r->frames[i];
		const struct was *w = &was[f->gfn - 0x1000];

		*known += f->verdict == FZ_VERDICT_KNOWN;
		/* Rule 6 asks what else ran in the address space lately, which may be gone. */
		if (f->verdict == FZ_VERDICT_KNOWN && !w->misplaced &&
		    (w->verdict != FZ_VERDICT_KNOWN || w->class != f->class || w->page != f->page))
			bad++;
	}
	if (r->vms[0].frames + r->vms[1].frames != n || !adds_up(200))
		bad++;
	end();
	free(was);
	return bad;
}

static void test_random(void)
{
	unsigned int i, bad = 0, known = 0;

	for (i = 1; i <= 40; i++)
		bad += surer(i, &known);
	ok(known > 1000 && !bad, "of %u frames that are kept and known at random, none is surer than "
	   "if all were kept: %u", known, bad);
}

int main(void)
{
	test_flood();
	test_processes();
	test_not_surer();
	test_versions();
	test_entered();
	test_findings();
	test_full();
	test_random();
	return done();
}
