/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reports.h - what must hold of every report, whatever was in the log
 */
#ifndef REPORTS_H
#define REPORTS_H

#include "../unit/fake_db.h"
#include "fuzz.h"
#include "report.h"

/* Contents 20 to 23 are in two files, 30 in a file that is packaged twice. */
static const struct fake_file known_files[] = {
	{ "/usr/bin/one", "one", "1", 1, true, 1, 0x1000, 4, { 10, 11, 20, 21 } },
	{ "/usr/bin/two", "two", "1", 2, true, 1, 0x1000, 4, { 12, 20, 21, 22 } },
	{ "/usr/bin/fix\xc3\xa9""d", "", "", 3, false, 0, 0x400000, 4, { 13, 14, 23, 666 } },
	{ "/usr/bin/thr<ee", "a", "1", 4, true, 2, 0x3000, 2, { 30, 31 } },
	{ "/opt/three", "b", "2", 4, true, 2, 0x3000, 2, { 30, 31 } },
	{ "/usr/lib/same", "one", "1", 5, true, 0, 0, 3, { 40, 40, 41 } },
};

#define NOBODY	90	/* contents from here on are in no file */

typedef int (*format)(const struct fz_report *rep, FILE *out, struct fz_error *err);

static inline char *print(const struct fz_report *rep, format fn, size_t *len)
{
	struct fz_error err = { "" };
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f)
		abort();
	CHECK(!fn(rep, f, &err));
	fclose(f);
	return text;
}

/* Nothing that a terminal would obey. */
static inline void check_printable(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		CHECK((text[i] == '\n' || (unsigned char)text[i] >= 0x20) && text[i] != 0x7f &&
		      ((uint8_t)text[i] != 0xc2 || (uint8_t)text[i + 1] >= 0xa0));
}

static inline void check_results(const struct fz_results *r)
{
	size_t i, frames = 0, unknown = 0, modified = 0, gone = 0;

	for (i = 0; i < r->nvms; i++) {
		const struct fz_results_vm *vm = &r->vms[i];

		CHECK(vm->frames == vm->known + vm->ambiguous + vm->unknown);
		CHECK(vm->modified <= vm->unknown);
		CHECK(memchr(vm->comm, 0, sizeof(vm->comm)));
		frames += vm->frames;
		unknown += vm->unknown;
		modified += vm->modified;
		gone += vm->let_go.frames;
	}
	CHECK(frames == r->nframes + gone);
	for (i = 0, frames = 0; i < r->nunknowns; i++)
		frames += r->unknowns[i].frames;
	CHECK(frames == unknown - modified);
	for (i = 0; i < r->nframes; i++) {
		const struct fz_frame *f = &r->frames[i];
		const struct fz_content *c = &r->contents[f->content];

		/* Never identified without that very content in the database. */
		if (f->verdict == FZ_VERDICT_KNOWN || f->verdict == FZ_VERDICT_AMBIGUOUS)
			CHECK(c->ncandidates && !c->broken && !c->forged);
		else
			CHECK(!c->ncandidates || f->why == FZ_WHY_MISPLACED ||
			      f->why == FZ_WHY_PADDING);
		CHECK(!f->misplaced || f->verdict == FZ_VERDICT_UNKNOWN);
		CHECK(f->class == FZ_NO_CLASS || f->class < r->nclasses);
		CHECK(f->verdict != FZ_VERDICT_KNOWN || !r->classes[f->class].ambiguous);
	}
	for (i = 0; i < r->nprograms; i++)
		CHECK(r->programs[i].nclasses && r->programs[i].pages_seen <=
		      r->programs[i].pages_total);
}

static inline void check_reports(const struct fz_report *rep)
{
	char *text, *again, *line, *save;
	size_t len, len_again;
	json_t *json;

	check_results(rep->results);
	text = print(rep, fz_report_text, &len);
	check_printable(text, len);
	free(text);

	text = print(rep, fz_report_json, &len);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	CHECK(json);
	json_decref(json);
	again = print(rep, fz_report_json, &len_again);
	CHECK(len == len_again && !memcmp(text, again, len));
	check_printable(text, len);
	free(again);
	free(text);

	text = print(rep, fz_report_frames, &len);
	check_printable(text, len);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		CHECK(json);
		json_decref(json);
	}
	free(text);
}

#endif
