// SPDX-License-Identifier: GPL-2.0-only
/* report_unseen.c - what the report says of MIXED, DRIFT and AUDIT; report.h describes it */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "report.h"
#include "text.h"

#define LIST_MAX	1024	/* mixed frames named in JSON, per VM */
#define SHOWN_MAX	5	/* and in text */
#define FILES_MAX	64	/* that a drifted page may be of, named */

static json_t *hex(uint64_t v)
{
	return json_sprintf("0x%" PRIx64, v);
}

/* FZ_NO_GFN: the module could not tell. */
static json_t *gfn_json(uint64_t gfn)
{
	return gfn == FZ_NO_GFN ? json_null() : hex(gfn);
}

static json_t *integer(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static json_t *when(const struct fz_report *rep, uint64_t mono)
{
	char buf[FZ_TIME_TEXT];

	fz_text_time(fz_log_real(rep->header, mono), buf);
	return json_string(buf);
}

static double share(uint64_t ns, uint64_t first, uint64_t last)
{
	return last > first && ns < last - first ? (double)ns / (last - first) : 1;
}

/* Up to now, for a window that is open. */
static uint64_t mixed_ns(const struct fz_results *r, const struct fz_mixed_frame *m)
{
	return m->ns + (m->open ? r->vms[m->vm].last - m->open : 0);
}

static uint64_t mixed_until(const struct fz_results *r, const struct fz_mixed_frame *m)
{
	return m->open ? r->vms[m->vm].last : m->stay.at;
}

/* The most mixed first. */
static const struct fz_results *sorting;

static int by_ns(const void *a, const void *b)
{
	const struct fz_mixed_frame *x = *(const struct fz_mixed_frame *const *)a;
	const struct fz_mixed_frame *y = *(const struct fz_mixed_frame *const *)b;
	uint64_t n = mixed_ns(sorting, x), k = mixed_ns(sorting, y);

	if (n != k)
		return n > k ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* The mixed frames of a VM; the caller frees. NULL = out of memory. */
static const struct fz_mixed_frame **mixed_of(const struct fz_results *r, uint32_t vm, size_t *n)
{
	const struct fz_mixed_frame **list = calloc(r->nmixed + 1, sizeof(*list));
	size_t i;

	*n = 0;
	for (i = 0; list && i < r->nmixed; i++)
		if (r->mixed[i].vm == vm)
			list[(*n)++] = &r->mixed[i];
	sorting = r;
	if (list && *n)
		qsort(list, *n, sizeof(*list), by_ns);
	return list;
}

static json_t *mixed_json(const struct fz_report *rep, const struct fz_mixed_frame *m)
{
	const struct fz_results *r = rep->results;

	return json_pack("{s:o, s:I, s:o, s:o, s:b, s:f, s:o, s:o, s:o, s:o, s:i}",
			 "gfn", gfn_json(m->gfn), "windows", (json_int_t)m->windows,
			 "ns", integer(mixed_ns(r, m)), "longest_ns", integer(m->longest),
			 "open", m->open != 0,
			 "share", share(mixed_ns(r, m), m->first, mixed_until(r, m)),
			 "first", when(rep, m->first), "last", when(rep, m->last),
			 "rip", hex(m->rip), "address_space", hex(m->cr3), "cpl", m->cpl);
}

json_t *fz_report_mixed(const struct fz_report *rep, uint32_t vm)
{
	const struct fz_results *r = rep->results;
	const struct fz_gone *g = &r->vms[vm].let_go;
	uint64_t windows = g->windows, ns = g->ns, longest = g->longest;
	const struct fz_mixed_frame **m;
	json_t *list = json_array();
	size_t n, i;

	m = mixed_of(r, vm, &n);
	if (!m || !list) {
		free(m);
		json_decref(list);
		return NULL;
	}
	for (i = 0; i < n; i++) {
		windows += m[i]->windows;
		ns += mixed_ns(r, m[i]);
		if (m[i]->longest > longest)
			longest = m[i]->longest;
		if (i < LIST_MAX)
			json_array_append_new(list, mixed_json(rep, m[i]));
	}
	free(m);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "frames",
			 integer(n + g->mixed_frames), "windows", integer(windows), "ns", integer(ns),
			 "longest_ns", integer(longest), "open", integer(r->vms[vm].mixed_open),
			 "list", list);
}

/* What a drifted frame held: the files that it is a page of. */
static size_t drift_files(const struct fz_results *r, const struct fz_drifted *d,
			  const struct fz_hashdb_file **files)
{
	uint32_t classes[FZ_REFS_MAX];
	uint32_t n = fz_content_classes(&r->contents[d->content], classes);
	size_t have = fz_report_files(r, classes, n, files, FILES_MAX);

	return have < FILES_MAX ? have : FILES_MAX;
}

static const char *drift_verdict(const struct fz_results *r, const struct fz_drifted *d, size_t n)
{
	const struct fz_content *c = &r->contents[d->content];

	if (!n)
		return fz_verdict_name(FZ_VERDICT_UNKNOWN);
	return fz_verdict_name(n > 1 || c->uncounted ? FZ_VERDICT_AMBIGUOUS : FZ_VERDICT_KNOWN);
}

static json_t *drift_json(const struct fz_report *rep, const struct fz_drifted *d)
{
	const struct fz_hashdb_file *f[FILES_MAX];
	size_t n = drift_files(rep->results, d, f), i;
	json_t *may = json_array();

	for (i = 0; may && i < n; i++)
		json_array_append_new(may, json_pack("{s:o, s:o, s:o}",
			"path", fz_report_string(f[i]->path),
			"package", fz_report_string(f[i]->package),
			"version", fz_report_string(f[i]->version)));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "kind", "drift",
			 "gfn", gfn_json(d->gfn), "time", when(rep, d->time),
			 "unseen_ns", integer(d->unseen_ns),
			 "captured", json_sprintf("%016" PRIx64, d->captured),
			 "hash", json_sprintf("%016" PRIx64, rep->results->contents[d->content].xxh64),
			 "verdict", drift_verdict(rep->results, d, n), "may_have_run", may);
}

json_t *fz_report_event(const struct fz_report *rep, const struct fz_finding *f)
{
	const struct fz_results *r = rep->results;
	const struct fz_results_vm *v = &r->vms[f->vm];
	const struct fz_audited *a;
	json_t *j;

	switch (f->kind) {
	case FZ_FINDING_DRIFT:
		return drift_json(rep, &r->drifted[f->at]);
	case FZ_FINDING_STAYS:
		j = mixed_json(rep, &r->mixed[f->at]);
		if (j)
			json_object_set_new(j, "kind", json_string("stays-mixed"));
		return j;
	case FZ_FINDING_STAYS_MANY:
		return json_pack("{s:s, s:o, s:o}", "kind", "stays-mixed-many",
				 "ns", integer(v->mixed_ns), "time", when(rep, f->time));
	case FZ_FINDING_MISPLACED:
	case FZ_FINDING_ENTERED:
	case FZ_FINDING_LAYER:
	case FZ_FINDING_FOREIGN:
		return fz_report_found(rep, f);
	case FZ_FINDING_AUDIT:
		break;
	}
	a = &r->audited[f->at];
	return json_pack("{s:s, s:o, s:I, s:o, s:s, s:I, s:o, s:o}", "kind", "audit",
			 "gfn", gfn_json(a->gfn), "level", (json_int_t)a->level,
			 "entry", hex(a->spte), "state", fz_state_name(a->state),
			 "times", (json_int_t)a->times, "first", when(rep, a->first),
			 "last", when(rep, a->last));
}

static void frame_name(uint64_t gfn, FILE *out)
{
	if (gfn == FZ_NO_GFN)
		fputs("a frame", out);
	else
		fprintf(out, "frame 0x%" PRIx64, gfn);
}

static const char *clock_of(const struct fz_report *rep, uint64_t mono, char buf[FZ_TIME_TEXT])
{
	fz_text_time(fz_log_real(rep->header, mono), buf);
	buf[19] = 0;
	return buf + 11;
}

static void mixed_times(const struct fz_report *rep, const struct fz_mixed_frame *m, FILE *out)
{
	const struct fz_results *r = rep->results;
	uint64_t ns = mixed_ns(r, m), until = mixed_until(r, m);
	char from[FZ_TIME_TEXT], to[FZ_TIME_TEXT];

	frame_name(m->gfn, out);
	fprintf(out, " was writable while it ran %u time%s, %.3f s (%.0f %%) from %s to %s%s, at 0x%"
		PRIx64, m->windows, m->windows == 1 ? "" : "s", ns / 1e9,
		100 * share(ns, m->first, until), clock_of(rep, m->first, from),
		clock_of(rep, until, to), m->open ? " and on" : "", m->rip);
	if (m->cpl == 3)
		fprintf(out, " in address space 0x%" PRIx64, m->cr3);
}

static int drift_text(const struct fz_report *rep, const struct fz_drifted *d, FILE *out)
{
	const struct fz_hashdb_file *f[FILES_MAX];
	size_t n = drift_files(rep->results, d, f);
	char *paths, *plain, t[FZ_TIME_TEXT];

	frame_name(d->gfn, out);
	fprintf(out, " was changed unseen, at most %.3f s before %s; ", d->unseen_ns / 1e9,
		clock_of(rep, d->time, t));
	if (!n) {
		fputs("what it held then is unknown, and may have run", out);
		return 0;
	}
	paths = fz_report_paths(f, n);
	plain = paths ? fz_text_plain(paths) : NULL;
	if (plain)
		fprintf(out, "then it held a page of %s, which may have run", plain);
	free(paths);
	free(plain);
	return plain ? 0 : -ENOMEM;
}

int fz_report_event_text(const struct fz_report *rep, const struct fz_finding *f, FILE *out)
{
	const struct fz_results *r = rep->results;
	const struct fz_audited *a;
	char t[FZ_TIME_TEXT];

	switch (f->kind) {
	case FZ_FINDING_DRIFT:
		return drift_text(rep, &r->drifted[f->at], out);
	case FZ_FINDING_STAYS:
		mixed_times(rep, &r->mixed[f->at], out);
		fputs(": it stays so, and what it ran is not known", out);
		return 0;
	case FZ_FINDING_STAYS_MANY:
		fprintf(out, "its frames were writable while they ran for %.3f s in all: more than code "
			"that patches itself needs", r->vms[f->vm].mixed_ns / 1e9);
		return 0;
	case FZ_FINDING_MISPLACED:
	case FZ_FINDING_ENTERED:
	case FZ_FINDING_LAYER:
	case FZ_FINDING_FOREIGN:
		return fz_report_found_text(rep, f, out);
	case FZ_FINDING_AUDIT:
		break;
	}
	a = &r->audited[f->at];
	frame_name(a->gfn, out);
	fprintf(out, " (%s) has a page-table entry that is not allowed: level %u, 0x%" PRIx64
		", found %u time%s, first %s", fz_state_name(a->state), a->level, a->spte, a->times,
		a->times == 1 ? "" : "s", clock_of(rep, a->first, t));
	return 0;
}

int fz_report_mixed_text(const struct fz_report *rep, uint32_t vm, FILE *out)
{
	const struct fz_results *r = rep->results;
	const struct fz_gone *g = &r->vms[vm].let_go;
	uint64_t windows = g->windows, ns = g->ns, longest = g->longest, all;
	const struct fz_mixed_frame **m;
	size_t n, i;

	m = mixed_of(r, vm, &n);
	if (!m)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		windows += m[i]->windows;
		ns += mixed_ns(r, m[i]);
		if (m[i]->longest > longest)
			longest = m[i]->longest;
	}
	all = n + g->mixed_frames;
	if (all)
		fprintf(out, "    what %" PRIu64 " mixed frame%s ran, after a snapshot each time, while writable: "
			"%" PRIu64 " time%s, %.3f s in all, %.3f s at most\n", all, all == 1 ? "" : "s",
			windows, windows == 1 ? "" : "s", ns / 1e9, longest / 1e9);
	for (i = 0; i < n && i < SHOWN_MAX; i++) {
		fputs("      ", out);
		mixed_times(rep, m[i], out);
		fputc('\n', out);
	}
	if (all > SHOWN_MAX)
		fprintf(out, "      and %" PRIu64 " more, for shorter (--format json)\n",
			all - (n < SHOWN_MAX ? n : SHOWN_MAX));
	free(m);
	return 0;
}
