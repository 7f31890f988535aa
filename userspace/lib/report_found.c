// SPDX-License-Identifier: GPL-2.0-only
/* report_found.c - findings about single frames; report.h describes them */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "report.h"
#include "text.h"

#define FILES_MAX	64
#define PAGE_MASK	(~(uint64_t)(FZ_PAGE_SIZE - 1))

static json_t *hex(uint64_t v)
{
	return json_sprintf("0x%" PRIx64, v);
}

static json_t *when(const struct fz_report *rep, uint64_t mono)
{
	char buf[FZ_TIME_TEXT];

	fz_text_time(fz_log_real(rep->header, mono), buf);
	return json_string(buf);
}

static const char *clock_of(const struct fz_report *rep, uint64_t mono, char buf[FZ_TIME_TEXT])
{
	fz_text_time(fz_log_real(rep->header, mono), buf);
	buf[19] = 0;
	return buf + 11;
}

/* The files whose page the frame holds. */
static size_t files_of(const struct fz_results *r, const struct fz_frame *f,
		       const struct fz_hashdb_file **files)
{
	uint32_t classes[FZ_REFS_MAX];
	size_t n = fz_report_files(r, classes,
				   fz_content_classes(&r->contents[f->content], classes), files,
				   FILES_MAX);

	return n < FILES_MAX ? n : FILES_MAX;
}

static json_t *paths(const struct fz_results *r, const struct fz_frame *f)
{
	const struct fz_hashdb_file *files[FILES_MAX];
	char *s = fz_report_paths(files, files_of(r, f, files));
	json_t *j = s ? fz_report_string(s) : NULL;

	free(s);
	return j;
}

static int put_paths(const struct fz_results *r, const struct fz_frame *f, FILE *out)
{
	const struct fz_hashdb_file *files[FILES_MAX];
	char *s = fz_report_paths(files, files_of(r, f, files));
	char *t = s ? fz_text_plain(s) : NULL;

	if (t)
		fputs(t, out);
	free(s);
	free(t);
	return t ? 0 : -ENOMEM;
}

/* What all findings about a frame have. */
static json_t *frame_json(const struct fz_report *rep, const char *kind, const struct fz_frame *f)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "kind", kind,
			 "address_space", hex(f->cr3), "address", hex(f->rip & PAGE_MASK),
			 "gfn", hex(f->gfn), "hash",
			 json_sprintf("%016" PRIx64, rep->results->contents[f->content].xxh64),
			 "time", when(rep, f->first));
}

static const char *origin(const struct fz_results *r, const struct fz_frame *f)
{
	return f->origin == FZ_NO_CLASS ? "" : r->files[r->classes[f->origin].file].path;
}

static json_t *code_json(const struct fz_report *rep, const struct fz_finding *found)
{
	const struct fz_frame *f = &rep->results->frames[found->at];
	json_t *j;

	if (found->kind == FZ_FINDING_LAYER) {
		j = frame_json(rep, "layer", f);
		if (j)
			json_object_set_new(j, "written_from", hex(f->writer));
		return j;
	}
	j = frame_json(rep, "foreign", f);
	if (j) {
		json_object_set_new(j, "frames", json_integer(found->count));
		json_object_set_new(j, "where", json_string(f->foreign == FZ_FOREIGN_HEAP ?
							    "heap" : "text"));
		json_object_set_new(j, "path", fz_report_string(origin(rep->results, f)));
	}
	return j;
}

static int code_text(const struct fz_report *rep, const struct fz_finding *found, FILE *out)
{
	const struct fz_frame *f = &rep->results->frames[found->at];
	char t[FZ_TIME_TEXT], *s;

	if (found->kind == FZ_FINDING_LAYER) {
		fprintf(out, "unknown code ran at 0x%" PRIx64 " in address space 0x%" PRIx64
			" at %s, in a frame that the same address space had written to from 0x%"
			PRIx64, f->rip, f->cr3, clock_of(rep, f->first, t), f->writer);
		return 0;
	}
	s = fz_text_plain(origin(rep->results, f));
	if (!s)
		return -ENOMEM;
	fprintf(out, "unknown code ran %s %s, at 0x%" PRIx64 " in address space 0x%" PRIx64
		" at %s (%" PRIu64 " frame%s)", f->foreign == FZ_FOREIGN_HEAP ?
		"behind a program, where no library is mapped:" : "in the place of code of", s,
		f->rip, f->cr3, clock_of(rep, f->first, t), found->count,
		found->count == 1 ? "" : "s");
	free(s);
	return 0;
}

json_t *fz_report_found(const struct fz_report *rep, const struct fz_finding *found)
{
	const struct fz_results *r = rep->results;
	const struct fz_frame *f = &r->frames[found->at];
	const struct fz_content *c = &r->contents[f->content];
	json_t *j;

	if (found->kind == FZ_FINDING_LAYER || found->kind == FZ_FINDING_FOREIGN)
		return code_json(rep, found);
	j = frame_json(rep, found->kind == FZ_FINDING_ENTERED ? "entered" : "misplaced", f);
	if (!j)
		return NULL;
	json_object_set_new(j, "path", paths(r, f));
	json_object_set_new(j, "page", c->ncandidates == 1 ? json_integer(c->candidates[0].page) :
							     json_null());
	json_object_set_new(j, "load_address", f->base ? hex(f->base) : json_null());
	return j;
}

int fz_report_found_text(const struct fz_report *rep, const struct fz_finding *found, FILE *out)
{
	const struct fz_results *r = rep->results;
	const struct fz_frame *f = &r->frames[found->at];
	char t[FZ_TIME_TEXT];

	if (found->kind == FZ_FINDING_LAYER || found->kind == FZ_FINDING_FOREIGN)
		return code_text(rep, found, out);
	fputs("a page of ", out);
	if (put_paths(r, f, out))
		return -ENOMEM;
	if (found->kind == FZ_FINDING_ENTERED) {
		fprintf(out, " was its first to run, at 0x%" PRIx64 " in address space 0x%" PRIx64
			" at %s: not one where it can be entered", f->rip, f->cr3,
			clock_of(rep, f->first, t));
		return 0;
	}
	fprintf(out, " ran at 0x%" PRIx64 " in address space 0x%" PRIx64 " at %s, where the file "
		"can't have it", f->rip & PAGE_MASK, f->cr3, clock_of(rep, f->first, t));
	if (f->base)
		fprintf(out, ": it is loaded at 0x%" PRIx64, f->base);
	return 0;
}
