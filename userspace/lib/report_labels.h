/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report_labels.h - advisories and hash lists in the report
 *
 * A program has the verdict malicious if all files that it can be are, else vulnerable if
 * all are and nothing of it is modified. What only some are is said of the candidates.
 */
#ifndef FZ_REPORT_LABELS_H
#define FZ_REPORT_LABELS_H

#include "labels.h"
#include "report.h"

/* What the labels say about results; zeros and @labels to begin with. */
struct fz_report_labels {
	struct fz_labels *labels;
	struct fz_labelled *files;	/* by fz_results.files */
	uint8_t *verdicts;		/* by fz_results.programs: FZ_LABELS = nothing */
	size_t nfiles, files_cap, verdicts_cap;
};

/*
 * All releases that @f's package is of, by what the class @c, which it is in, has in the
 * database: "Debian:bookworm,Debian:trixie", "" if it is of none. The caller frees.
 */
char *fz_report_releases(const struct fz_results *r, const struct fz_class *c,
			 const struct fz_hashdb_file *f);

/* After each settle. */
int fz_report_label(struct fz_report_labels *l, const struct fz_results *r, struct fz_error *err);
void fz_report_labels_free(struct fz_report_labels *l);

/* The verdict for people and JSON, labels considered. */
const char *fz_report_verdict(const struct fz_report *rep, const struct fz_program *p);
/* FZ_LABEL_MALICIOUS, FZ_LABEL_VULNERABLE or FZ_LABELS: what all that @p can be are. */
enum fz_label_kind fz_report_labelled(const struct fz_report *rep, const struct fz_program *p);

/* Without labels: nothing is added, and nothing printed. New references, stolen. */
int fz_report_labels_program(const struct fz_report *rep, const struct fz_program *p, json_t *to);
int fz_report_labels_file(const struct fz_report *rep, const struct fz_hashdb_file *f, json_t *to);
int fz_report_labels_vm(const struct fz_report *rep, uint32_t vm, json_t *to);
int fz_report_labels_whole(const struct fz_report *rep, json_t *to);
/* Lines of "Findings" for a VM; @heading is printed before the first. 1 = there were some. */
int fz_report_labels_text(const struct fz_report *rep, uint32_t vm, const char *heading, FILE *out);
/* "CVE-2024-0727 and 3 more", for a line; -ENOMEM. */
int fz_report_labels_line(const struct fz_report *rep, const struct fz_program *p, FILE *out);

#endif
