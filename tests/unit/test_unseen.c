// SPDX-License-Identifier: GPL-2.0-only
/* test_unseen.c - MIXED, DRIFT and AUDIT: what is made of them, and what of it is said */
#include <stdio.h>
#include "fake_db.h"
#include "report.h"
#include "identify_priv.h"
#include "tap.h"

#define MS	1000000ULL
#define S	1000000000ULL

static const struct fake_file files[] = {
	{ "/usr/bin/alpha", "alpha", "1", 1, true, 4, 0x4000, 2, { 10, 11 } },
	{ "/usr/bin/dir", "core", "4", 3, true, 1, 0x1000, 2, { 30, 31 } },
	{ "/usr/bin/ls", "core", "4", 4, true, 1, 0x1000, 2, { 30, 31 } },
};

static struct fz_error err;
static struct fz_identify *id;
static struct fz_log_header header;
static struct fz_seq seq;

static void fresh(void)
{
	fz_identify_free(id);
	fake_files = files;
	fake_nfiles = sizeof(files) / sizeof(files[0]);
	if (fz_identify_new(&id, NULL, &err))
		abort();
}

static void add(void)
{
	if (fz_identify_add(id, &made.rec, &err))
		abort();
}

static void add_mixed(uint64_t gfn, uint64_t at)
{
	make_exec(7, 0x1000, 0x401000, 4444);
	made.rec.type = FZ_REC_MIXED;
	made.rec.gfn = gfn;
	made.rec.time = at;
	add();
}

static void add_end(uint64_t gfn, uint64_t since, uint64_t ns)
{
	made.rec = (struct fz_rec){ .size = sizeof(made.rec), .type = FZ_REC_MIXED_END, .vm = 7,
		.gfn = gfn, .time = since + ns, .u.mixed_end = { since, ns } };
	add();
}

static void window(uint64_t gfn, uint64_t at, uint64_t ns)
{
	add_mixed(gfn, at);
	add_end(gfn, at, ns);
}

static const struct fz_results *settled(void)
{
	if (fz_identify_settle(id, &err))
		abort();
	return fz_identify_results(id);
}

static char *print(int (*format)(const struct fz_report *, FILE *, struct fz_error *))
{
	struct fz_report rep = { .results = settled(), .header = &header, .seq = &seq };
	char *s = NULL;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	if (!f || format(&rep, f, &err) || fclose(f))
		abort();
	return s;
}

/* The most mixed guest that was seen: a boot of Debian in an emulator. */
static void test_boot(void)
{
	static const unsigned int gaps[] = { 17, 25, 38, 176, 499, 631, 66, 18, 14, 498, 16, 103,
					     37, 23, 39, 1207, 22, 546, 360, 1552, 32, 120, 53 };
	const struct fz_results *r;
	uint64_t at = 5 * S;
	size_t i;

	fresh();
	for (i = 0; i < 9; i++)
		window(0x3efeb, S + i * 30 * MS, 25 * MS);
	for (i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		window(0x31a48, at, gaps[i] < 25 ? gaps[i] * MS : 25 * MS);
		at += gaps[i] * MS;
	}
	for (i = 0; i < 5; i++)
		window(0x10 + i, 2 * S, 20 * MS);
	r = settled();
	ok(r->nmixed == 7 && r->mixed[1].windows == 23 && r->vms[0].mixed_ns > 700 * MS,
	   "7 frames are mixed, 0.8 s in all");
	ok(!r->nfindings, "as in a boot: no finding");
}

static void test_stays(void)
{
	const struct fz_results *r;
	uint64_t i;

	fresh();
	for (i = 0; i < 200; i++)
		window(0x800, S + i * 20 * MS, 19 * MS);
	r = settled();
	ok(r->nmixed == 1 && r->mixed[0].windows == 200 && r->mixed[0].ns == 200 * 19 * MS &&
	   r->mixed[0].longest == 19 * MS && !r->mixed[0].open, "4 s in one frame, added up");
	ok(r->nfindings == 2 && r->findings[0].kind == FZ_FINDING_STAYS &&
	   r->findings[1].kind == FZ_FINDING_STAYS_MANY, "it stays mixed, and so does the VM");

	fresh();
	for (i = 0; i < 3000; i++)
		window(0x800 + i, S + i * 20 * MS, 10 * MS);
	r = settled();
	ok(r->nfindings == 1 && r->findings[0].kind == FZ_FINDING_STAYS_MANY,
	   "from frame to frame, each for a moment: the VM does");

	/* For ever, but rarely enough to be patches: one in 25 is less than the share. */
	fresh();
	for (i = 0; i < 3000; i++)
		window(0x800, S + i * 250 * MS, 10 * MS);
	ok(!settled()->nfindings, "10 ms in every 250: no finding, listed all the same");
	fresh();
	for (i = 0; i < 3000; i++)
		window(0x800, S + i * 100 * MS, 10 * MS);
	r = settled();
	ok(r->nfindings == 1 && r->findings[0].kind == FZ_FINDING_STAYS,
	   "10 ms in every 100, for minutes: it stays mixed");
}

/* Windows come and go as long as a guest runs; what is kept is of those that are open. */
static void test_many(void)
{
	const struct fz_results *r;
	uint64_t i;

	fresh();
	add_mixed(0x700, S);
	for (i = 1; i <= 20000; i++)
		window(0x800, S + i * MS, MS / 2);
	add_end(0x700, S, 30 * S);
	r = settled();
	ok(r->nmixed == 2 && r->mixed[1].windows == 20000 && r->mixed[1].ns == 20000 * MS / 2 &&
	   r->mixed[0].ns == 30 * S && r->mixed[0].windows == 1 && !r->vms[0].mixed_open,
	   "20,000 windows end while one is open, which then ends as well");
	ok(id->by_since.cap <= 4096, "no more is kept than %zu places for them", id->by_since.cap);
}

/* Records are lost, or lie. */
static void test_broken(void)
{
	const struct fz_results *r;
	uint64_t i;

	fresh();
	add_mixed(0x800, S);
	make_exec(7, 0x1000, 0x401000, 4445);
	made.rec.gfn = 0x800;
	made.rec.time = 4 * S;
	add();
	r = settled();
	ok(r->mixed[0].ns == 3 * S && !r->vms[0].mixed_open && r->nfindings >= 1,
	   "without its end: until it is captured again");
	fresh();
	add_mixed(0x800, S);
	make_exec(7, 0x1000, 0x401000, 4445);
	made.rec.time = 4 * S;
	add();
	r = settled();
	ok(!r->mixed[0].ns && r->vms[0].mixed_open == 1 && r->findings[0].kind == FZ_FINDING_STAYS,
	   "or until the log ends");
	made.rec = (struct fz_rec){ .size = sizeof(made.rec), .type = FZ_REC_VM_DIED, .vm = 7,
				    .time = 5 * S };
	add();
	r = settled();
	ok(r->mixed[0].ns == 4 * S && !r->vms[0].mixed_open, "or until the VM does");
	fresh();
	add_end(0x900, S, 20 * MS);
	r = settled();
	ok(r->nmixed == 1 && r->mixed[0].gfn == 0x900 && r->mixed[0].windows == 1 &&
	   r->mixed[0].ns == 20 * MS, "an end without a begin counts");
	fresh();
	for (i = 0; i < 10; i++)
		window(0x800 + i % 2, UINT64_MAX - i * S, UINT64_MAX - i);
	free(print(fz_report_text));
	free(print(fz_report_json));
	ok(settled()->nfindings, "times that cannot be");
}

static void add_drift(uint64_t gfn, unsigned int content)
{
	make_exec(7, 0, 0, content);
	made.rec.type = FZ_REC_DRIFT;
	made.rec.gfn = gfn;
	made.rec.time = 9 * S;
	made.rec.cpl = 0;
	made.rec.mode = 0;
	made.rec.u.drift.captured = 0x1234;
	made.rec.u.drift.unseen_ns = 2500 * MS;
	add();
}

static void test_said(void)
{
	const struct fz_results *r;
	json_t *j, *v, *f;
	size_t i;
	char *s;

	fresh();
	add_drift(0x801, 10);
	add_drift(0x802, 30);
	add_drift(FZ_NO_GFN, 555);
	for (i = 0; i < 3; i++) {
		made.rec = (struct fz_rec){ .size = sizeof(made.rec), .type = FZ_REC_AUDIT, .vm = 7,
			.gfn = 0x77, .time = S + i, .u.audit = { 0xabc, 1, 3 } };
		add();
	}
	for (i = 0; i < 200; i++)
		window(0x800, S + i * 20 * MS, 19 * MS);
	r = settled();
	ok(r->ndrifted == 3 && r->naudited == 1 && r->audited[0].times == 3 && r->nfindings == 6,
	   "3 drifts, 1 bad entry found three times, 2 that stay mixed");
	ok(r->nframes == 1 && r->vms[0].frames == 1 && !r->nprograms,
	   "what drifted is no frame that ran, and no program");

	s = print(fz_report_text);
	ok(strstr(s, "frame 0x801 was changed unseen, at most 2.500 s before") &&
	   strstr(s, "then it held a page of /usr/bin/alpha, which may have run") &&
	   strstr(s, "a page of /usr/bin/dir | /usr/bin/ls, which may have run") &&
	   strstr(s, "what it held then is unknown, and may have run"), "text: drift");
	ok(strstr(s, "frame 0x77 (written since it ran) has a page-table entry that is not allowed: "
		  "level 1, 0xabc, found 3 times"), "text: audit");
	ok(strstr(s, "frame 0x800 was writable while it ran 200 times, 3.800 s (95 %)") &&
	   strstr(s, "at 0x401000 in address space 0x1000: it stays so") &&
	   strstr(s, "what 1 mixed frame ran, after a snapshot each time, while writable: 200 times, "
		  "3.800 s in all, 0.019 s at most") &&
	   strstr(s, "what 3 frames that changed unseen ran until then"), "text: mixed, not covered");
	free(s);

	s = print(fz_report_json);
	j = json_loads(s, 0, NULL);
	v = json_array_get(json_object_get(j, "vms"), 0);
	f = json_object_get(v, "findings");
	ok(json_array_size(f) == 6 &&
	   !strcmp(json_string_value(json_object_get(json_array_get(f, 0), "kind")), "audit") &&
	   json_integer_value(json_object_get(json_array_get(f, 1), "unseen_ns")) == 2500000000 &&
	   !strcmp(json_string_value(json_object_get(json_array_get(f, 1), "verdict")), "known") &&
	   !strcmp(json_string_value(json_object_get(json_array_get(f, 2), "verdict")), "ambiguous") &&
	   json_array_size(json_object_get(json_array_get(f, 2), "may_have_run")) == 2 &&
	   json_is_null(json_object_get(json_array_get(f, 3), "gfn")), "JSON: findings");
	ok(json_integer_value(json_object_get(json_object_get(v, "mixed"), "windows")) == 200 &&
	   json_integer_value(json_object_get(json_object_get(v, "coverage"), "drift")) == 3 &&
	   json_integer_value(json_object_get(json_object_get(v, "coverage"), "changed")) == 0,
	   "JSON: mixed, drift");
	json_decref(j);
	free(s);
}

int main(void)
{
	header.real = 1700000000000000000ULL;
	plan(2 + 5 + 2 + 5 + 7);
	test_boot();
	test_stays();
	test_many();
	test_broken();
	test_said();
	fz_identify_free(id);
	return done();
}
