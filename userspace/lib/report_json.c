// SPDX-License-Identifier: GPL-2.0-only
/* report_json.c - the JSON report; report.h describes it */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "report.h"
#include "report_labels.h"
#include "text.h"

#define CANDIDATES_MAX	1024
#define PATHS_MAX	6

json_t *fz_report_string(const char *s)
{
	json_t *j;
	char *t;

	if (!s || !*s)
		return json_null();
	t = fz_text_utf8(s);
	j = t ? json_string(t) : NULL;
	free(t);
	return j;
}

static json_t *hex(uint64_t v)
{
	return json_sprintf("0x%" PRIx64, v);
}

static json_t *when(const struct fz_report *rep, uint64_t mono)
{
	char buf[FZ_TIME_TEXT];

	if (!mono)
		return json_null();
	fz_text_time(fz_log_real(rep->header, mono), buf);
	return json_string(buf);
}

static json_t *count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

bool fz_report_complete(const struct fz_report *rep)
{
	return !rep->missing && !rep->seq->ngaps && !rep->seq->disorder &&
	       !rep->results->broken && !rep->lost_pending;
}

size_t fz_report_files(const struct fz_results *r, const uint32_t *classes, uint32_t nclasses,
		       const struct fz_hashdb_file **files, size_t max)
{
	size_t n = 0;
	uint32_t i, k;

	for (i = 0; i < nclasses; i++) {
		const struct fz_class *c = &r->classes[classes[i]];
		uint32_t members = c->ambiguous ? c->nmembers : 1;

		for (k = 0; k < members; k++, n++)
			if (n < max)
				files[n] = &r->files[c->members[k]];
	}
	return n;
}

/* ---------------------------------------------------------------- programs */

enum { FIELD_PATH, FIELD_PACKAGE, FIELD_SOURCE, FIELD_VERSION, FIELD_ARCH, FIELD_BUILD_ID,
	FIELD_RELEASE };

static const char *field(const struct fz_hashdb_file *f, int which)
{
	switch (which) {
	case FIELD_PATH:
		return f->path;
	case FIELD_PACKAGE:
		return f->package;
	case FIELD_SOURCE:
		return f->source;
	case FIELD_VERSION:
		return f->version;
	case FIELD_ARCH:
		return f->arch;
	case FIELD_RELEASE:
		return f->release;
	}
	return f->build_id;
}

char *fz_report_paths(const struct fz_hashdb_file **f, size_t n)
{
	size_t i, k, bytes = 8;
	char *s, *at;

	for (i = 0; i < n; i++)
		bytes += strlen(f[i]->path) + 3;
	at = s = calloc(1, bytes);
	for (i = 0; s && i < n && i < PATHS_MAX; i++) {
		for (k = 0; k < i && strcmp(f[k]->path, f[i]->path); k++)
			;
		if (k == i)
			at += sprintf(at, "%s%s", i ? " | " : "", f[i]->path);
	}
	if (s && n > PATHS_MAX)
		strcpy(at, " | ...");
	return s;
}

char *fz_report_frame_paths(const struct fz_results *r, const struct fz_frame *f)
{
	const struct fz_hashdb_file *files[PATHS_MAX + 1];
	uint32_t classes[FZ_REFS_MAX];
	size_t n = fz_report_files(r, classes, fz_frame_classes(r, f, classes), files,
				   PATHS_MAX + 1);

	return fz_report_paths(files, n > PATHS_MAX + 1 ? PATHS_MAX + 1 : n);
}

static json_t *paths(const struct fz_hashdb_file **f, size_t n)
{
	char *s = fz_report_paths(f, n);
	json_t *j = s ? fz_report_string(s) : NULL;

	free(s);
	return j;
}

/* What all candidates agree on, or null. */
static json_t *agreed(const struct fz_hashdb_file **f, size_t n, int which)
{
	size_t i;

	for (i = 1; i < n; i++)
		if (strcmp(field(f[i], which), field(f[0], which)))
			return json_null();
	return fz_report_string(field(f[0], which));
}

static json_t *agreed_total(const struct fz_hashdb_file **f, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++)
		if (f[i]->pages_total != f[0]->pages_total)
			return json_null();
	return json_integer(f[0]->pages_total);
}

static json_t *candidate(const struct fz_report *rep, const struct fz_hashdb_file *f)
{
	json_t *j = json_pack("{s:o, s:o, s:o, s:o, s:o}", "path", fz_report_string(f->path),
			 "package", fz_report_string(f->package),
			 "version", fz_report_string(f->version),
			 "release", fz_report_string(f->release),
			 "build_id", fz_report_string(f->build_id));

	if (j && fz_report_labels_file(rep, f, j)) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static json_t *candidates(const struct fz_report *rep, const struct fz_hashdb_file **f, size_t n)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; a && i < n; i++)
		json_array_append_new(a, candidate(rep, f[i]));
	return a;
}

/* A package may be of several releases: then it is one in all else. */
static json_t *releases(const struct fz_results *r, const struct fz_program *p,
			const struct fz_hashdb_file **f, size_t n)
{
	char *names;
	json_t *j;

	if (n != 1)
		return agreed(f, n, FIELD_RELEASE);
	names = fz_report_releases(r, &r->classes[p->classes[0]], f[0]);
	j = names ? fz_report_string(names) : NULL;
	free(names);
	return j;
}

static json_t *aliases(const struct fz_results *r, const struct fz_program *p)
{
	const struct fz_class *c = &r->classes[p->classes[0]];
	const char *last = r->files[c->file].path;
	json_t *a = json_array();
	uint32_t i;

	for (i = 1; a && p->nclasses == 1 && i < c->nmembers; i++) {
		const char *path = r->files[c->members[i]].path;

		if (!strcmp(path, last) || !strcmp(path, r->files[c->file].path))
			continue;
		json_array_append_new(a, fz_report_string(path));
		last = path;
	}
	return a;
}

static json_t *blocks(uint64_t differ)
{
	json_t *a = json_array();
	int i;

	for (i = 0; a && i < FZ_SKETCH; i++)
		if (differ & 0xfULL << 4 * i)
			json_array_append_new(a, json_integer(i));
	return a;
}

/* @n adjacent bytes. */
static json_t *run_of_bytes(const struct fz_byte *b, uint32_t n)
{
	char expected[2 * FZ_BYTES_MAX + 1], found[2 * FZ_BYTES_MAX + 1];
	uint32_t i;

	for (i = 0; i < n; i++) {
		sprintf(expected + 2 * i, "%02x", b[i].expected);
		sprintf(found + 2 * i, "%02x", b[i].found);
	}
	return json_pack("{s:i, s:s, s:s}", "offset", b->at, "expected", expected, "found", found);
}

static json_t *differences(const struct fz_frame *f)
{
	json_t *a = f->ndiffer ? json_array() : json_null();
	uint32_t i, end;

	for (i = 0; a && i < f->nbytes; i = end) {
		for (end = i + 1; end < f->nbytes && f->bytes[end].at == f->bytes[end - 1].at + 1;)
			end++;
		json_array_append_new(a, run_of_bytes(f->bytes + i, end - i));
	}
	return a;
}

json_t *fz_report_finding(const struct fz_report *rep, const struct fz_frame *f)
{
	const struct fz_results *r = rep->results;
	const struct fz_hashdb_file *files[CANDIDATES_MAX];
	uint32_t classes[FZ_REFS_MAX];
	char ranges[FZ_RANGES_TEXT];
	size_t n;

	n = fz_report_files(r, classes, fz_frame_classes(r, f, classes), files, CANDIDATES_MAX);
	if (n > CANDIDATES_MAX)
		n = CANDIDATES_MAX;
	fz_report_ranges(f->differ, ranges);
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "kind", f->another ? "another-version" : "modified",
			 "path", paths(files, n),
			 "page", f->page == FZ_NO_PAGE ? json_null() : json_integer(f->page),
			 "file_offset", f->page == FZ_NO_PAGE ? json_null() :
				json_integer((json_int_t)f->page * FZ_PAGE_SIZE),
			 "blocks", blocks(f->differ),
			 "bytes", ranges,
			 "differences", differences(f),
			 "differing_bytes", f->ndiffer ? json_integer(f->ndiffer) : json_null(),
			 "address_space", hex(f->cr3),
			 "address", hex(f->rip & ~(uint64_t)(FZ_PAGE_SIZE - 1)),
			 "gfn", hex(f->gfn),
			 "hash", json_sprintf("%016" PRIx64, r->contents[f->content].xxh64),
			 "time", when(rep, f->first));
}

json_t *fz_report_program(const struct fz_report *rep, const struct fz_program *p)
{
	const struct fz_results *r = rep->results;
	const struct fz_hashdb_file *files[CANDIDATES_MAX];
	size_t n = fz_report_files(r, p->classes, p->nclasses, files, CANDIDATES_MAX);
	json_t *spaces = json_array(), *findings = json_array(), *j;
	uint32_t i;

	if (n > CANDIDATES_MAX)
		n = CANDIDATES_MAX;
	for (i = 0; spaces && i < p->nspaces; i++)
		json_array_append_new(spaces, hex(p->spaces[i]));
	for (i = 0; findings && i < p->nfindings; i++)
		json_array_append_new(findings,
				      fz_report_finding(rep, &r->frames[p->findings[i]]));
	j = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:I, s:o, s:o, s:o, s:s, s:o}",
		      "path", paths(files, n),
		      "package", agreed(files, n, FIELD_PACKAGE),
		      "source", agreed(files, n, FIELD_SOURCE),
		      "version", agreed(files, n, FIELD_VERSION),
		      "architecture", agreed(files, n, FIELD_ARCH),
		      "release", releases(r, p, files, n),
		      "build_id", agreed(files, n, FIELD_BUILD_ID),
		      "pages_seen", (json_int_t)p->pages_seen,
		      "pages_total", agreed_total(files, n),
		      "patched", (json_int_t)p->patched,
		      "first_seen", when(rep, p->first), "last_seen", when(rep, p->last),
		      "address_spaces", spaces, "verdict", fz_report_verdict(rep, p),
		      "findings", findings);
	if (!j)
		return NULL;
	if (p->verdict == FZ_VERDICT_VERSION) {
		json_object_set(j, "nearest", json_object_get(j, "version"));
		json_object_set_new(j, "version", json_null());
		json_object_set_new(j, "build_id", json_null());
		json_object_set_new(j, "pages_same", json_integer(p->same));
		json_object_set_new(j, "pages_differ", json_integer(p->differ));
	}
	if (n > 1)
		json_object_set_new(j, "candidates", candidates(rep, files, n));
	else
		json_object_set_new(j, "aliases", aliases(r, p));
	if (fz_report_labels_program(rep, p, j)) {
		json_decref(j);
		return NULL;
	}
	return j;
}

json_t *fz_report_unknown(const struct fz_report *rep, const struct fz_unknown *u)
{
	const struct fz_results *r = rep->results;
	double s = (u->last - u->first) / 1e9;
	json_t *beside = json_array(), *j;
	uint32_t i;

	for (i = 0; beside && i < u->nbeside; i++) {
		const struct fz_program *p = &r->programs[u->beside[i]];
		const struct fz_class *c = &r->classes[p->classes[0]];

		json_array_append_new(beside, fz_report_string(r->files[c->file].path));
	}
	j = json_pack("{s:o, s:I, s:o, s:o, s:s, s:s, s:o}",
			 "address_space", u->has_space ? hex(u->space) : json_null(),
			 "frames", (json_int_t)u->frames, "first_seen", when(rep, u->first),
			 "rip", hex(u->rip), "reason", fz_why_text(u->why),
			 "kind", fz_why_name(u->why), "beside", beside);
	if (j && u->gone)
		json_object_set_new(j, "kept", json_false());
	if (j && u->origin != FZ_NO_CLASS) {
		json_object_set_new(j, "origin",
				    fz_report_string(r->files[r->classes[u->origin].file].path));
		if (u->why == FZ_WHY_WITHIN && !u->gone) {
			json_object_set_new(j, "from", hex(u->from));
			json_object_set_new(j, "to", hex(u->to));
			return j;
		}
		json_object_set_new(j, "per_second",
				    s > 0 ? json_real((u->frames - 1) / s) : json_null());
	}
	return j;
}

/* -------------------------------------------------------------------- whole */

static json_t *log_part(const struct fz_report *rep)
{
	const struct fz_seq *s = rep->seq;
	json_t *gaps = json_array(), *losses = json_array();
	char head[2 * FZ_LOG_HASH + 1] = "";
	uint64_t i;

	for (i = 0; gaps && i < s->ngaps && i < FZ_NOTED_MAX; i++)
		json_array_append_new(gaps, json_pack("{s:I, s:o, s:o, s:b, s:o}",
			"cpu", (json_int_t)s->gaps[i].cpu, "first_seq", count(s->gaps[i].first_seq),
			"count", count(s->gaps[i].count), "repeated", s->gaps[i].repeated,
			"before", when(rep, s->gaps[i].before)));
	for (i = 0; losses && i < s->nlosses && i < FZ_NOTED_MAX; i++) {
		const struct fz_lost *l = &s->losses[i].lost;

		json_array_append_new(losses, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}",
			"cpu", (json_int_t)s->losses[i].cpu, "count", count(l->count),
			"execs", count(l->execs), "held", count(l->held), "first", when(rep, l->first_time),
			"last", when(rep, l->last_time)));
	}
	if (rep->head)
		fz_text_hex(rep->head, FZ_LOG_HASH, head);
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "complete", fz_report_complete(rep), "events", count(s->records),
			 "lost", count(s->lost), "gaps", gaps, "lost_execs", count(s->lost_execs),
			 "losses", losses, "lost_pending", count(rep->lost_pending),
			 "broken", count(rep->results->broken),
			 "missing", fz_report_string(rep->missing),
			 "head", fz_report_string(head),
			 "created", when(rep, rep->header->mono),
			 "host", fz_report_string(rep->header->host),
			 "boot_id", fz_report_string(rep->header->boot_id),
			 "kernel", fz_report_string(rep->header->kernel));
}

/* Of the frames in the coverage, those that are only counted. */
static json_t *not_kept(const struct fz_results_vm *v)
{
	const struct fz_gone *g = &v->let_go;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "frames", count(g->frames),
			 "identified", count(g->known), "ambiguous", count(g->ambiguous),
			 "unknown", count(g->unknown), "modified", count(g->modified),
			 "findings", count(g->findings), "places_lost", v->unplaced);
}

static json_t *vm_part(const struct fz_report *rep, uint32_t at)
{
	const struct fz_results *r = rep->results;
	const struct fz_results_vm *v = &r->vms[at];
	json_t *programs = json_array(), *unknowns = json_array(), *events = json_object();
	json_t *findings = json_array(), *vm;
	size_t i;

	for (i = 0; programs && i < r->nprograms; i++)
		if (r->programs[i].vm == at)
			json_array_append_new(programs, fz_report_program(rep, &r->programs[i]));
	for (i = 0; unknowns && i < r->nunknowns; i++)
		if (r->unknowns[i].vm == at)
			json_array_append_new(unknowns, fz_report_unknown(rep, &r->unknowns[i]));
	for (i = 0; findings && i < r->nfindings; i++)
		if (r->findings[i].vm == at)
			json_array_append_new(findings, fz_report_event(rep, &r->findings[i]));
	for (i = FZ_REC_EXEC; events && i <= FZ_REC_MIXED_END; i++)
		if (i != FZ_REC_LOST)
			json_object_set_new(events, fz_rec_name(i), count(v->events[i]));
	json_object_set_new(events, "late", count(v->late));
	vm = json_pack("{s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:b, s:o,"
			 " s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}, s:o, s:o, s:o, s:o, s:o,"
			 " s:o}",
			 "id", count(v->id), "name", fz_report_string(v->comm),
			 "pid", (json_int_t)v->pid, "vcpus", (json_int_t)v->vcpus,
			 "memory_pages", count(v->pages), "attached", when(rep, v->attached),
			 "gone", when(rep, v->gone), "died", v->died,
			 "not_covered", hex(v->not_covered), "coverage",
			 "frames", count(v->frames), "identified", count(v->known),
			 "ambiguous", count(v->ambiguous), "unknown", count(v->unknown),
			 "mixed", count(v->mixed), "drift", count(v->events[FZ_REC_DRIFT]),
			 "changed", count(v->events[FZ_REC_CHANGED]),
			 "modified", count(v->modified), "patched", count(v->patched),
			 "generated", count(v->generated),
			 "events", events, "programs", programs, "unknown", unknowns,
			 "mixed", fz_report_mixed(rep, at), "findings", findings,
			 "not_compared", count(v->not_compared));
	if (vm && v->let_go.frames + v->let_go.findings)
		json_object_set_new(vm, "not_kept", not_kept(v));
	return vm;
}

static json_t *labelled_vm(const struct fz_report *rep, uint32_t at)
{
	json_t *vm = vm_part(rep, at);

	if (!vm || !fz_report_labels_vm(rep, at, vm))
		return vm;
	json_decref(vm);
	return NULL;
}

static int dump(json_t *j, FILE *out, size_t flags, struct fz_error *err)
{
	int ret = 0;

	if (!j)
		return fz_fail(err, -ENOMEM, "out of memory");
	if (json_dumpf(j, out, flags) || fputc('\n', out) == EOF)
		ret = fz_fail(err, -EIO, "cannot write the report: %s", strerror(errno));
	json_decref(j);
	return ret;
}

int fz_report_json(const struct fz_report *rep, FILE *out, struct fz_error *err)
{
	json_t *vms = json_array(), *whole;
	size_t i;

	for (i = 0; vms && i < rep->results->nvms; i++)
		json_array_append_new(vms, labelled_vm(rep, i));
	whole = json_pack("{s:i, s:o, s:o}", "schema", 1, "log", log_part(rep), "vms", vms);
	if (whole && fz_report_labels_whole(rep, whole)) {
		json_decref(whole);
		whole = NULL;
	}
	return dump(whole, out, JSON_INDENT(1), err);
}

static json_t *frame_line(const struct fz_report *rep, const struct fz_frame *f)
{
	const struct fz_results *r = rep->results;
	const struct fz_content *c = &r->contents[f->content];
	const struct fz_hashdb_file *files[CANDIDATES_MAX];
	uint32_t classes[FZ_REFS_MAX];
	json_t *j, *list = NULL;
	size_t n;

	n = fz_report_files(r, classes, fz_frame_classes(r, f, classes), files, CANDIDATES_MAX);
	if (n > CANDIDATES_MAX)
		n = CANDIDATES_MAX;
	if (n > 1)
		list = candidates(rep, files, n);
	j = json_pack("{s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:o, s:I, s:b, s:s, s:o}",
		      "vm", count(r->vms[f->vm].id), "gfn", hex(f->gfn),
		      "hash", json_sprintf("%016" PRIx64, c->xxh64), "cr3", hex(f->cr3),
		      "rip", hex(f->rip), "cpl", f->cpl,
		      "mode", f->mode, "time", count(f->first), "events", (json_int_t)f->events,
		      "mixed", f->mixed, "verdict", fz_verdict_name(f->verdict), "reason",
		      f->verdict == FZ_VERDICT_UNKNOWN ? json_string(fz_why_text(f->why)) :
							 json_null());
	if (!j)
		return NULL;
	json_object_set_new(j, "path", n ? agreed(files, n, FIELD_PATH) : json_null());
	json_object_set_new(j, "package", n ? agreed(files, n, FIELD_PACKAGE) : json_null());
	json_object_set_new(j, "version", n ? agreed(files, n, FIELD_VERSION) : json_null());
	json_object_set_new(j, "page", f->page == FZ_NO_PAGE ? json_null() :
							       json_integer(f->page));
	json_object_set_new(j, "patched", json_boolean(f->patched));
	json_object_set_new(j, "kind", f->verdict == FZ_VERDICT_UNKNOWN ?
				       json_string(fz_why_name(f->why)) : json_null());
	json_object_set_new(j, "base", f->placed ? hex(f->base) : json_null());
	json_object_set_new(j, "candidates", list ? list : json_array());
	return j;
}

int fz_report_frames(const struct fz_report *rep, FILE *out, struct fz_error *err)
{
	size_t i;
	int ret;

	for (i = 0; i < rep->results->nframes; i++) {
		ret = dump(frame_line(rep, &rep->results->frames[i]), out, JSON_COMPACT, err);
		if (ret)
			return ret;
	}
	return 0;
}
