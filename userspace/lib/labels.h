/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * labels.h - what advisories and hash lists say about known files
 *
 * One LMDB file beside the database of known binaries, so that a daily update of
 * advisories need not rewrite that. The same rules: it never changes once it is there
 * (labels_write.h), a digest over all of it is verified at open, and it is refused if
 * anyone but root or the caller could have written it.
 *
 * It keeps what the sources say (statements); what that means for a file is judged
 * when asked, with the version order of its packager (vercmp.h). A handle is for one
 * thread at a time.
 */
#ifndef FZ_LABELS_H
#define FZ_LABELS_H

#include "hashdb.h"
#include "vercmp.h"

#define FZ_LABELS_NAME	"labels.db"	/* beside the database of known binaries */

/* What a source says of versions of a package in a release. */
enum fz_statement_kind {
	FZ_SAYS_RANGE = 1,	/* affected from @introduced to before @fixed, or to @last */
	FZ_SAYS_VERSION,	/* affected: @introduced, just that */
	FZ_SAYS_CLEAR,		/* not affected */
	FZ_SAYS_UNDETERMINED,	/* not known whether it is */
	FZ_SAYS_SUITE,		/* no advisory: the release has version @fixed */
	FZ_SAYS_KINDS,
};

/* An affected version that makes no verdict, for the distribution holds it for minor. */
#define FZ_SAYS_MINOR	1

struct fz_statement {
	enum fz_statement_kind kind;
	unsigned int flags;		/* FZ_SAYS_MINOR */
	const char *release;		/* Debian's by code name; "" = any */
	const char *introduced;		/* "" or "0" = from the first on */
	const char *fixed, *last;	/* "" = none: not fixed yet */
	const char *note;		/* "no-dsa: Minor issue"; may be "" */
};

/* In order of weight. */
enum fz_label_kind {
	FZ_LABEL_MALICIOUS,	/* this very file, by SHA-256 */
	FZ_LABEL_VULNERABLE,	/* before the fix for its release, or none is there yet */
	FZ_LABEL_POSSIBLE,	/* in some of the releases that it may be of */
	FZ_LABEL_UNDETERMINED,	/* the source does not know, or its versions make no sense */
	FZ_LABEL_MINOR,		/* affected, but FZ_SAYS_MINOR */
	FZ_LABEL_LISTED,	/* this very file is in a set of files, good or not */
	FZ_LABEL_GOOD,		/* this very file is known good */
	FZ_LABELS,
};

struct fz_label {
	enum fz_label_kind kind;
	char *id;		/* of the advisory; for hashes, the name there */
	char *fixed;		/* "" = none yet, or not of that kind */
	char *release;		/* "bookworm", or several: "bookworm, sid" */
	char *note;
	uint32_t source;	/* index for fz_labels_source() */
};

/* What was imported. */
struct fz_labels_source {
	uint32_t id;
	char *name, *format;
	uint8_t digest[32];	/* of the file or files */
	uint64_t dated;		/* last change of the newest of them, seconds since 1970 */
	uint64_t advisories, hashes;	/* records */
	uint64_t skipped;	/* what could not be used, see "db cve" */
};

struct fz_labels_info {
	uint32_t schema;
	uint64_t bytes, advisories, hashes;
	uint8_t digest[16];
	uint32_t nsources;
};

struct fz_labels;

/* As fz_hashdb_open(): -ENOENT, -EINVAL, -EBADMSG, -EPERM. */
int fz_labels_open(struct fz_labels **l, const char *path, struct fz_error *err);
void fz_labels_close(struct fz_labels *l);
void fz_labels_info(const struct fz_labels *l, struct fz_labels_info *info);
/* Sources by name. NULL past the last. */
const struct fz_labels_source *fz_labels_source(const struct fz_labels *l, uint32_t at);
/* Verify every record. 0, or -EBADMSG and the first that is wrong. */
int fz_labels_check(struct fz_labels *l, struct fz_error *err);

/* "DIR/labels.db" for the database at @known; the caller frees. NULL = out of memory. */
char *fz_labels_beside(const char *known);

/*
 * Which release are packages of, where neither the database of known binaries nor their
 * version says it? "bookworm", "Debian:12", "Alpine:v3.18". Before the first question.
 * -EINVAL if it is none.
 */
int fz_labels_set_release(struct fz_labels *l, const char *release, struct fz_error *err);

/*
 * The labels of @f by package and version, and those by content, each by weight, then
 * id. They belong to @l and stay until it is closed.
 */
struct fz_labelled {
	const struct fz_label *package, *content;
	size_t npackage, ncontent;
};

int fz_labels_of(struct fz_labels *l, const struct fz_hashdb_file *f, struct fz_labelled *out,
		 struct fz_error *err);

const char *fz_label_name(enum fz_label_kind kind);

#endif
