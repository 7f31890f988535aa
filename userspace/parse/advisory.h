/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * advisory.h - reading advisories and hash lists that the operator brings
 *
 * By content: Debian's security tracker (JSON), OSV (a document, an array of them, or a
 * zip, tar or directory of files), NSRL RDSv3 (SQLite), lists of SHA-256. Compressed
 * ones (gzip, xz, zstd, bzip2) are read as they are. A JSON value of more than
 * FZ_ADVISORY_VALUE bytes is refused, so memory does not grow with the file.
 */
#ifndef FZ_ADVISORY_H
#define FZ_ADVISORY_H

#include "labels.h"

#ifndef FZ_ADVISORY_VALUE
#define FZ_ADVISORY_VALUE	(16UL << 20)
#endif
#ifndef FZ_ADVISORY_UNPACKED
#define FZ_ADVISORY_UNPACKED	(16UL << 30)	/* bytes of all files of a source */
#endif
#ifndef FZ_ADVISORY_STEPS
#define FZ_ADVISORY_STEPS	0		/* of SQLite's machine; 0 = as many as it takes */
#endif

/* Who takes what is read. A failure ends the reading, but for -EINVAL: that is skipped. */
struct fz_advice {
	void *ctx;
	int (*statement)(void *ctx, const char *distro, const char *package, const char *id,
			 const struct fz_statement *s, struct fz_error *err);
	int (*hash)(void *ctx, const uint8_t sha256[32], enum fz_label_kind kind,
		    const char *name, struct fz_error *err);
	/* A hash list's lines have no kind of their own: this one. FZ_LABELS = they have. */
	enum fz_label_kind as;
};

struct fz_advisory_read {
	const char *format;	/* "Debian security tracker", "OSV", "NSRL", "hash list" */
	uint64_t documents;	/* advisories, or lines */
	uint64_t withdrawn;
	uint64_t foreign;	/* of ecosystems that are no distribution's */
	uint64_t skipped;	/* that make no sense */
};

/* Read file @fd. -EINVAL: none of these, or damaged. All files of a source have one format. */
int fz_advisory_read(int fd, const struct fz_advice *to, struct fz_advisory_read *done,
		     struct fz_error *err);

/* The version order of a distribution as OSV names it. FZ_ORDERS = none that is known. */
enum fz_order fz_advisory_order(const char *distro);

#endif
