// SPDX-License-Identifier: GPL-2.0-only
/* report_labels.c - what advisories and hash lists say about what ran */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "report_labels.h"
#include "table.h"
#include "text.h"

#define FILES_MAX	1024	/* candidates of a program that are asked about */
#define LABELS_MAX	512	/* of a program in JSON; the rest is counted */
#define SHOWN_MAX	6	/* in text */
#define LINES_MAX	40

/* ------------------------------------------------------------------- deciding */

static bool has(const struct fz_label *labels, size_t n, enum fz_label_kind kind)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (labels[i].kind == kind)
			return true;
	return false;
}

static bool file_has(const struct fz_labelled *f, enum fz_label_kind kind)
{
	return has(f->package, f->npackage, kind) || has(f->content, f->ncontent, kind);
}

static enum fz_label_kind decide(const struct fz_report_labels *l, const struct fz_results *r,
				 const struct fz_program *p)
{
	const struct fz_hashdb_file *files[FILES_MAX];
	size_t n = fz_report_files(r, p->classes, p->nclasses, files, FILES_MAX), i;
	size_t malicious = 0, vulnerable = 0;

	/* What is known of a version says nothing of another. */
	if (p->verdict == FZ_VERDICT_VERSION)
		return FZ_LABELS;
	for (i = 0; i < n && n <= FILES_MAX; i++) {
		malicious += file_has(&l->files[files[i] - r->files], FZ_LABEL_MALICIOUS);
		vulnerable += file_has(&l->files[files[i] - r->files], FZ_LABEL_VULNERABLE);
	}
	if (!n)
		return FZ_LABELS;
	if (malicious == n)
		return FZ_LABEL_MALICIOUS;
	return vulnerable == n ? FZ_LABEL_VULNERABLE : FZ_LABELS;
}

/* Packages of one name and version are one, though of several releases. */
static bool same_package(const struct fz_hashdb_file *a, const struct fz_hashdb_file *b)
{
	return !strcmp(a->package, b->package) && !strcmp(a->source, b->source) &&
	       !strcmp(a->version, b->version) && !strcmp(a->arch, b->arch) &&
	       !strcmp(a->source_version, b->source_version);
}

char *fz_report_releases(const struct fz_results *r, const struct fz_class *c,
			 const struct fz_hashdb_file *f)
{
	char *names = strdup(f->release), *more;
	uint32_t i;

	for (i = 0; names && i < c->nmembers; i++) {
		const struct fz_hashdb_file *g = &r->files[c->members[i]];
		size_t len = strlen(g->release);
		const char *at = len ? strstr(names, g->release) : NULL;

		while (at && ((at != names && at[-1] != ',') || (at[len] && at[len] != ',')))
			at = strstr(at + 1, g->release);
		if (!len || at || !same_package(f, g))
			continue;
		if (asprintf(&more, "%s%s%s", names, *names ? "," : "", g->release) < 0)
			more = NULL;
		free(names);
		names = more;
	}
	return names;
}

static int label_file(struct fz_report_labels *l, const struct fz_results *r,
		      const struct fz_class *c, uint32_t file, struct fz_error *err)
{
	struct fz_hashdb_file f = r->files[file];
	int ret;

	f.release = fz_report_releases(r, c, &r->files[file]);
	if (!f.release)
		return fz_fail(err, -ENOMEM, "out of memory");
	ret = fz_labels_of(l->labels, &f, &l->files[file], err);
	free(f.release);
	return ret;
}

/* A file that is new to a class may say of which other releases its members' packages are. */
static int label_class(struct fz_report_labels *l, const struct fz_results *r,
		       const struct fz_class *c, size_t old, struct fz_error *err)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; i < c->nmembers && c->members[i] < old; i++)
		;
	if (i == c->nmembers)
		return 0;
	for (i = 0; !ret && i < c->nmembers; i++)
		ret = label_file(l, r, c, c->members[i], err);
	return ret;
}

int fz_report_label(struct fz_report_labels *l, const struct fz_results *r, struct fz_error *err)
{
	size_t i, old = l->nfiles;
	int ret;

	/* Files are only ever added, each to a class. */
	for (; l->nfiles < r->nfiles; l->nfiles++) {
		if (FZ_GROW(l->files, l->nfiles, l->files_cap))
			return fz_fail(err, -ENOMEM, "out of memory");
		l->files[l->nfiles] = (struct fz_labelled){ 0 };
	}
	for (i = 0; old < l->nfiles && i < r->nclasses; i++) {
		ret = label_class(l, r, &r->classes[i], old, err);
		if (ret)
			return ret;
	}
	for (i = 0; i < r->nprograms; i++) {
		if (FZ_GROW(l->verdicts, i, l->verdicts_cap))
			return fz_fail(err, -ENOMEM, "out of memory");
		l->verdicts[i] = decide(l, r, &r->programs[i]);
	}
	return 0;
}

void fz_report_labels_free(struct fz_report_labels *l)
{
	free(l->files);
	free(l->verdicts);
	l->files = NULL;
	l->verdicts = NULL;
	l->nfiles = l->files_cap = l->verdicts_cap = 0;
}

enum fz_label_kind fz_report_labelled(const struct fz_report *rep, const struct fz_program *p)
{
	return rep->labels ? rep->labels->verdicts[p - rep->results->programs] : FZ_LABELS;
}

const char *fz_report_verdict(const struct fz_report *rep, const struct fz_program *p)
{
	enum fz_label_kind kind = fz_report_labelled(rep, p);

	if (kind == FZ_LABEL_MALICIOUS ||
	    (kind == FZ_LABEL_VULNERABLE && p->verdict != FZ_VERDICT_MODIFIED))
		return fz_label_name(kind);
	return fz_verdict_name(p->verdict);
}

/* ----------------------------------------------------------------------- JSON */

static json_t *one(const struct fz_report *rep, const struct fz_label *l)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "kind", fz_label_name(l->kind),
			 "id", fz_report_string(l->id), "fixed", fz_report_string(l->fixed),
			 "release", fz_report_string(l->release), "note", fz_report_string(l->note),
			 "source", fz_report_string(fz_labels_source(rep->labels->labels,
								     l->source)->name));
}

static int add_labels(const struct fz_report *rep, const struct fz_labelled *f, json_t *to)
{
	json_t *a = json_array();
	size_t i, n = f->ncontent + f->npackage;

	for (i = 0; a && i < n && i < LABELS_MAX; i++)
		json_array_append_new(a, one(rep, i < f->ncontent ? &f->content[i] :
					     &f->package[i - f->ncontent]));
	if (!a || json_object_set_new(to, "labels", a))
		return -ENOMEM;
	return n <= LABELS_MAX ? 0 :
		json_object_set_new(to, "labels_omitted", json_integer(n - LABELS_MAX));
}

static const struct fz_labelled *of_file(const struct fz_report *rep,
					 const struct fz_hashdb_file *f)
{
	return &rep->labels->files[f - rep->results->files];
}

int fz_report_labels_file(const struct fz_report *rep, const struct fz_hashdb_file *f, json_t *to)
{
	return rep->labels ? add_labels(rep, of_file(rep, f), to) : 0;
}

/* Of one file, or of candidates that are of one package; else they have their own. */
int fz_report_labels_program(const struct fz_report *rep, const struct fz_program *p, json_t *to)
{
	const struct fz_hashdb_file *files[FILES_MAX];
	struct fz_labelled f, none = { 0 };
	size_t n, i;

	if (!rep->labels)
		return 0;
	n = fz_report_files(rep->results, p->classes, p->nclasses, files, FILES_MAX);
	if (!n || n > FILES_MAX || p->verdict == FZ_VERDICT_VERSION)
		return add_labels(rep, &none, to);
	f = *of_file(rep, files[0]);
	for (i = 1; i < n; i++) {
		if (of_file(rep, files[i])->package != f.package)
			f.npackage = 0;
		if (of_file(rep, files[i])->content != f.content)
			f.ncontent = 0;
	}
	return add_labels(rep, &f, to);
}

int fz_report_labels_vm(const struct fz_report *rep, uint32_t vm, json_t *to)
{
	const struct fz_results *r = rep->results;
	json_int_t malicious = 0, vulnerable = 0;
	size_t i;

	if (!rep->labels)
		return 0;
	for (i = 0; i < r->nprograms; i++) {
		if (r->programs[i].vm != vm)
			continue;
		malicious += rep->labels->verdicts[i] == FZ_LABEL_MALICIOUS;
		vulnerable += rep->labels->verdicts[i] == FZ_LABEL_VULNERABLE;
	}
	return json_object_set_new(to, "labelled", json_pack("{s:I, s:I}", "malicious", malicious,
							     "vulnerable", vulnerable));
}

int fz_report_labels_whole(const struct fz_report *rep, json_t *to)
{
	const struct fz_labels_source *s;
	struct fz_labels_info info;
	char digest[33], t[FZ_TIME_TEXT];
	json_t *a;
	uint32_t i;

	if (!rep->labels)
		return json_object_set_new(to, "labels", json_null());
	a = json_array();
	fz_labels_info(rep->labels->labels, &info);
	for (i = 0; a && (s = fz_labels_source(rep->labels->labels, i)); i++) {
		fz_text_time(s->dated * 1000000000ULL, t);
		json_array_append_new(a, json_pack("{s:o, s:o, s:s}", "name",
			fz_report_string(s->name), "format", fz_report_string(s->format), "dated", t));
	}
	fz_text_hex(info.digest, sizeof(info.digest), digest);
	return json_object_set_new(to, "labels", json_pack("{s:s, s:o}", "digest", digest,
							   "sources", a));
}

/* ----------------------------------------------------------------------- text */

static int put(FILE *out, const char *s)
{
	char *t = fz_text_plain(s);

	if (!t)
		return -ENOMEM;
	fputs(t, out);
	free(t);
	return 0;
}

/* The labels of @kind, some of them. */
static int put_labels(const struct fz_labelled *f, enum fz_label_kind kind, size_t max, FILE *out)
{
	size_t i, n = f->ncontent + f->npackage, shown = 0, more = 0;
	int ret = 0;

	for (i = 0; !ret && i < n; i++) {
		const struct fz_label *l = i < f->ncontent ? &f->content[i] :
						&f->package[i - f->ncontent];

		if (l->kind != kind)
			continue;
		if (shown == max) {
			more++;
			continue;
		}
		fputs(shown++ ? ", " : "", out);
		ret = put(out, *l->id ? l->id : "no name");
		if (!ret && max > 1 && *l->fixed) {
			fputs(" (fixed in ", out);
			ret = put(out, l->fixed);
			fputc(')', out);
		} else if (max > 1 && kind == FZ_LABEL_VULNERABLE && *l->release) {
			fputs(" (no fix yet)", out);
		}
	}
	if (more)
		fprintf(out, " and %zu more", more);
	return ret;
}

int fz_report_labels_line(const struct fz_report *rep, const struct fz_program *p, FILE *out)
{
	const struct fz_hashdb_file *f[1];

	if (!rep->labels || !fz_report_files(rep->results, p->classes, p->nclasses, f, 1))
		return 0;
	return put_labels(of_file(rep, f[0]), fz_report_labelled(rep, p), 1, out);
}

/* Programs of one source package in one version have a line together. */
static bool same_source(const struct fz_hashdb_file *a, const struct fz_hashdb_file *b)
{
	return !strcmp(a->source, b->source) && !strcmp(a->version, b->version) &&
	       !strcmp(a->source_version, b->source_version);
}

static const struct fz_hashdb_file *vulnerable_file(const struct fz_report *rep, size_t program,
						    uint32_t vm, enum fz_label_kind kind)
{
	const struct fz_results *r = rep->results;
	const struct fz_program *p = &r->programs[program];
	const struct fz_hashdb_file *f[1];

	if (p->vm != vm || rep->labels->verdicts[program] != kind ||
	    !fz_report_files(r, p->classes, p->nclasses, f, 1))
		return NULL;
	return f[0];
}

static int print_times(const struct fz_report *rep, uint64_t first, uint64_t last, FILE *out)
{
	char a[FZ_TIME_TEXT], b[FZ_TIME_TEXT];

	fz_text_time(fz_log_real(rep->header, first), a);
	fz_text_time(fz_log_real(rep->header, last), b);
	a[19] = b[19] = 0;
	fprintf(out, ", seen from %s to %s\n", a + 11, b + 11);
	return 0;
}

/* One source package: all its programs of this verdict, from @program on. */
static int print_package(const struct fz_report *rep, size_t program, uint32_t vm,
			 enum fz_label_kind kind, FILE *out)
{
	const struct fz_results *r = rep->results;
	const struct fz_hashdb_file *f = vulnerable_file(rep, program, vm, kind), *g;
	uint64_t first = UINT64_MAX, last = 0;
	size_t i, shown = 0, more = 0;
	int ret;

	fputs("    ", out);
	ret = put(out, *f->source && kind == FZ_LABEL_VULNERABLE ? f->source : f->path);
	if (!ret && *f->source && kind == FZ_LABEL_VULNERABLE) {
		fputc(' ', out);
		ret = put(out, *f->source_version ? f->source_version : f->version);
	}
	fprintf(out, " is %s: ", fz_label_name(kind));
	if (!ret)
		ret = put_labels(of_file(rep, f), kind, SHOWN_MAX, out);
	fputs("\n      ran as ", out);
	for (i = program; !ret && i < r->nprograms; i++) {
		g = vulnerable_file(rep, i, vm, kind);
		if (!g || !same_source(f, g) || (kind == FZ_LABEL_MALICIOUS && i != program))
			continue;
		first = r->programs[i].first < first ? r->programs[i].first : first;
		last = r->programs[i].last > last ? r->programs[i].last : last;
		if (shown == SHOWN_MAX) {
			more++;
			continue;
		}
		fputs(shown++ ? ", " : "", out);
		ret = put(out, g->path);
	}
	if (more)
		fprintf(out, " and %zu more", more);
	return ret ? ret : print_times(rep, first, last, out);
}

int fz_report_labels_text(const struct fz_report *rep, uint32_t vm, const char *heading, FILE *out)
{
	static const enum fz_label_kind kinds[] = { FZ_LABEL_MALICIOUS, FZ_LABEL_VULNERABLE };
	const struct fz_results *r = rep->results;
	size_t k, i, before, lines = 0;
	int ret = 0;

	for (k = 0; rep->labels && k < 2; k++) {
		for (i = 0; !ret && i < r->nprograms; i++) {
			const struct fz_hashdb_file *f = vulnerable_file(rep, i, vm, kinds[k]), *g;

			if (!f)
				continue;
			for (before = 0; before < i; before++) {
				g = vulnerable_file(rep, before, vm, kinds[k]);
				if (g && kinds[k] == FZ_LABEL_VULNERABLE && same_source(f, g))
					break;
			}
			if (before < i)
				continue;
			if (!lines)
				fputs(heading, out);
			if (lines++ < LINES_MAX)
				ret = print_package(rep, i, vm, kinds[k], out);
		}
	}
	if (lines > LINES_MAX)
		fprintf(out, "    and %zu more such (--format json)\n", lines - LINES_MAX);
	return ret ? ret : lines > 0;
}
