// SPDX-License-Identifier: GPL-2.0-only
/* test_report.c - the report: JSON as promised, the same bytes every time, no escape codes */
#include <stdio.h>
#include "fake_db.h"
#include "report.h"
#include "tap.h"
#include "text.h"

static const struct fake_file files[] = {
	{ "/usr/bin/al\033[31mpha", "alpha\xff", "1", 1, true, 4, 0x4000, 2, { 10, 11 } },
	{ "/usr/bin/beta", "beta", "2", 2, true, 1, 0x1000, 2, { 20, 21 } },
	{ "/usr/bin/beta", "beta", "3", 2, true, 1, 0x1000, 2, { 20, 21 } },
	{ "/usr/bin/dir", "core", "4", 3, true, 1, 0x1000, 2, { 30, 31 } },
	{ "/usr/bin/ls", "core", "4", 4, true, 1, 0x1000, 2, { 30, 31 } },
};

#define BASE	0x7f0000000000ULL

static struct fz_error err;

struct made_report {
	struct fz_identify *id;
	struct fz_log_header header;
	struct fz_seq seq;
	struct fz_report rep;
};

static void add(struct made_report *m)
{
	if (fz_identify_add(m->id, &made.rec, &err) || fz_seq_add(&m->seq, &made.rec, &err))
		abort();
}

static void make(struct made_report *m)
{
	struct fz_rec rec = { .size = sizeof(rec), .type = FZ_REC_VM_ATTACH, .vm = 9,
			      .time = 999000000 };

	memset(m, 0, sizeof(*m));
	fake_files = files;
	fake_nfiles = sizeof(files) / sizeof(files[0]);
	made_seq = 1;
	made_gfn = 0;
	fz_identify_new(&m->id, NULL, &err);
	strcpy(m->header.host, "ho\033st");
	m->header.real = 1700000000000000000ULL;
	memcpy(rec.u.vm.comm, "qe\033mu\xfe", 7);
	rec.u.vm.pid = 77;
	fz_identify_add(m->id, &rec, &err);
	fz_seq_add(&m->seq, &rec, &err);
	make_exec(9, 0x1000, BASE + 0x4000, 10);
	add(m);
	make_exec(9, 0x1000, BASE + 0x5000, 11);
	make_changed(0);
	add(m);
	make_exec(9, 0x1000, BASE + 0x990000 + 0x1000, 20);
	add(m);
	make_exec(9, 0x1000, BASE + 0xa90000 + 0x1000, 30);
	add(m);
	make_exec(9, 0x3000, 0x401000, 4444);
	made.rec.type = FZ_REC_MIXED;
	add(m);
	fz_identify_settle(m->id, &err);
	m->rep = (struct fz_report){ .results = fz_identify_results(m->id), .header = &m->header,
				     .seq = &m->seq };
}

static void unmake(struct made_report *m)
{
	fz_identify_free(m->id);
	fz_seq_free(&m->seq);
}

static char *print(const struct made_report *m,
		   int (*format)(const struct fz_report *, FILE *, struct fz_error *))
{
	char *s = NULL;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	if (!f || format(&m->rep, f, &err) || fclose(f))
		abort();
	return s;
}

/* Follow a path such as "vms.0.coverage.frames". */
static const json_t *at(const json_t *j, const char *path)
{
	char *copy = strdup(path), *save, *p;

	for (p = strtok_r(copy, ".", &save); p && j; p = strtok_r(NULL, ".", &save))
		j = json_is_array(j) ? json_array_get(j, atoi(p)) : json_object_get(j, p);
	free(copy);
	return j;
}

static bool number(const json_t *j, const char *path, json_int_t want)
{
	return json_is_integer(at(j, path)) && json_integer_value(at(j, path)) == want;
}

static bool string(const json_t *j, const char *path, const char *want)
{
	return json_is_string(at(j, path)) && !strcmp(json_string_value(at(j, path)), want);
}

static void test_json(const struct made_report *m)
{
	char *s = print(m, fz_report_json);
	json_t *j = json_loads(s, 0, NULL);

	ok(j && number(j, "schema", 1) && json_is_true(at(j, "log.complete")) &&
	   number(j, "log.events", 6) && number(j, "log.lost", 0) &&
	   json_is_array(at(j, "log.gaps")), "schema, log");
	ok(number(j, "vms.0.id", 9) && number(j, "vms.0.pid", 77) &&
	   string(j, "vms.0.name", "qe\033mu\\xfe"), "the VM; its name is valid UTF-8");
	ok(number(j, "vms.0.coverage.frames", 5) && number(j, "vms.0.coverage.identified", 1) &&
	   number(j, "vms.0.coverage.ambiguous", 2) && number(j, "vms.0.coverage.unknown", 2) &&
	   number(j, "vms.0.coverage.modified", 1) && number(j, "vms.0.coverage.mixed", 1) &&
	   number(j, "vms.0.coverage.drift", 0), "coverage");
	ok(string(j, "vms.0.programs.0.verdict", "modified") &&
	   string(j, "vms.0.programs.0.package", "alpha\\xff") &&
	   number(j, "vms.0.programs.0.findings.0.page", 5) &&
	   string(j, "vms.0.programs.0.findings.0.bytes", "0x000-0x0ff") &&
	   number(j, "vms.0.programs.0.pages_seen", 2) &&
	   number(j, "vms.0.programs.0.pages_total", 2) &&
	   string(j, "vms.0.programs.0.address_spaces.0", "0x1000") &&
	   string(j, "vms.0.programs.0.first_seen", "2023-11-14T22:13:21.001000Z"),
	   "a modified program and its finding");
	ok(string(j, "vms.0.programs.1.verdict", "ambiguous") &&
	   string(j, "vms.0.programs.1.path", "/usr/bin/beta") &&
	   json_is_null(at(j, "vms.0.programs.1.version")) &&
	   string(j, "vms.0.programs.1.candidates.0.version", "2") &&
	   string(j, "vms.0.programs.1.candidates.1.version", "3"),
	   "two versions: no version is named, both are candidates");
	ok(string(j, "vms.0.programs.2.path", "/usr/bin/dir | /usr/bin/ls") &&
	   string(j, "vms.0.programs.2.version", "4"), "two paths: both");
	ok(string(j, "vms.0.unknown.0.address_space", "0x3000") &&
	   number(j, "vms.0.unknown.0.frames", 1) &&
	   string(j, "vms.0.unknown.0.rip", "0x401000") &&
	   string(j, "vms.0.unknown.0.reason", "user mode") && !at(j, "vms.0.unknown.1"),
	   "unknown; the modified frame is not in it");
	json_decref(j);
	free(s);
}

static void test_frames(const struct made_report *m)
{
	char *s = print(m, fz_report_frames), *line, *save = NULL;
	json_t *j[8];
	size_t n = 0;

	for (line = strtok_r(s, "\n", &save); line && n < 8; line = strtok_r(NULL, "\n", &save))
		j[n++] = json_loads(line, 0, NULL);
	ok(n == 5 && j[0] && j[4], "one object a line for each frame");
	ok(string(j[0], "verdict", "known") && number(j[0], "page", 4) &&
	   string(j[0], "gfn", "0x1000") && string(j[0], "cr3", "0x1000") &&
	   number(j[0], "cpl", 3) && string(j[0], "base", "0x7f0000000000"), "a known frame");
	ok(string(j[1], "verdict", "modified") && string(j[2], "verdict", "ambiguous") &&
	   string(j[4], "verdict", "unknown") && json_is_null(at(j[4], "path")) &&
	   json_is_true(at(j[4], "mixed")), "the others");
	while (n)
		json_decref(j[--n]);
	free(s);
}

static void test_text(const struct made_report *m)
{
	char *s = print(m, fz_report_text);
	size_t i, bad = 0;

	for (i = 0; s[i]; i++)
		bad += s[i] != '\n' && (s[i] < 0x20 || s[i] > 0x7e);
	ok(!bad, "printable ASCII only");
	ok(strstr(s, "al\\x1b[31mpha") && strstr(s, "qe\\x1bmu\\xfe") && strstr(s, "alpha\\xff"),
	   "what is not printable is shown as such");
	ok(strstr(s, "5 frames ran: 1 identified (20.0 %), 2 ambiguous, 2 unknown") &&
	   strstr(s, "MODIFIED") && strstr(s, "page 5 (file offset 0x5000)") &&
	   strstr(s, "what 1 mixed frame ran") && strstr(s, "none missing"), "what a reader looks for");
	free(s);
}

static void test_same(void)
{
	int (*format[])(const struct fz_report *, FILE *, struct fz_error *) = {
		fz_report_json, fz_report_text, fz_report_frames };
	struct made_report a, b;
	size_t i, same = 0;

	make(&a);
	make(&b);
	fz_identify_settle(b.id, &err);	/* settling twice changes nothing */
	for (i = 0; i < 3; i++) {
		char *x = print(&a, format[i]), *y = print(&b, format[i]);

		same += !strcmp(x, y);
		free(x);
		free(y);
	}
	ok(same == 3, "the same records give the same bytes");
	unmake(&a);
	unmake(&b);
}

static void test_incomplete(void)
{
	struct made_report m;
	char *s;

	make(&m);
	make_exec(9, 0x1000, 0x5000, 77);
	made.rec.seq += 4;
	add(&m);
	fz_identify_settle(m.id, &err);
	s = print(&m, fz_report_text);
	ok(!fz_report_complete(&m.rep) && strstr(s, "INCOMPLETE") &&
	   strstr(s, "4 records from number 6 are nowhere accounted for"), "a gap is told");
	free(s);
	unmake(&m);
	make(&m);
	m.rep.missing = "the file ends within block 3";
	ok(!fz_report_complete(&m.rep), "a cut log is not complete");
	unmake(&m);
}

static void test_escapes(void)
{
	char *a = fz_text_plain("a\\b\x7f\xc3\xa9"), *b = fz_text_utf8("\xc3\xa9\xc3\xed\xa0\x80\xf4\x90");
	char t[FZ_TIME_TEXT], ranges[FZ_RANGES_TEXT];

	ok(!strcmp(a, "a\\x5cb\\x7f\\xc3\\xa9"), "plain text");
	ok(!strcmp(b, "\xc3\xa9\\xc3\\xed\\xa0\\x80\\xf4\\x90"), "UTF-8: no stray or surrogate bytes");
	free(a);
	free(b);
	fz_text_time(UINT64_MAX, t);
	ok(strlen(t) == 27, "the latest time");
	fz_report_ranges(0xf000000000000027, ranges);
	ok(!strcmp(ranges, "0x000-0x0bf, 0x140-0x17f, 0xf00-0xfff"), "ranges");
}

int main(void)
{
	struct made_report m;

	plan(7 + 3 + 3 + 1 + 2 + 4);
	make(&m);
	test_json(&m);
	test_frames(&m);
	test_text(&m);
	unmake(&m);
	test_same();
	test_incomplete();
	test_escapes();
	return done();
}
