/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * labels_format.h - how the labels lie in their store (store.h); for labels*.c and their tests
 *
 *	table		key				value
 *	sources		id (u32)			struct fz_lab_source, name, format
 *	advisories	distribution NUL package NUL	statements: kind, flags (a byte each),
 *			advisory NUL source (u32)	then 5 strings, each with its NUL
 *	hashes		SHA-256, source (u32)		kind (enum fz_label_kind, a byte), name
 *
 * The u32 within keys are big-endian. Suites are under the advisory "".
 */
#ifndef FZ_LABELS_FORMAT_H
#define FZ_LABELS_FORMAT_H

#include "labels.h"
#include "store.h"
#include "table.h"

#define FZ_LAB_SCHEMA	1
#define FZ_LAB_STRINGS	5	/* release, introduced, fixed, last, note */
#define FZ_LAB_DISTRO	64	/* bytes of a string in a key, its NUL included */
#define FZ_LAB_PACKAGE	256
#define FZ_LAB_ID	128
#define FZ_LAB_STRING	1024	/* ... in a statement */
#define FZ_LAB_NAME	256	/* ... of a source, or of what a hash stands for */

enum fz_lab_table { FZ_LAB_SOURCES, FZ_LAB_ADVISORIES, FZ_LAB_HASHES, FZ_LAB_TABLES };

extern const struct fz_store_kind fz_lab_kind;

struct fz_lab_source {
	uint8_t digest[32];
	uint64_t dated, advisories, hashes, skipped;
};

/* What was judged of a package version. */
struct fz_lab_judged {
	char *key;
	size_t key_len;
	struct fz_label *labels;
	size_t n, cap;
};

/* ... of a content. */
struct fz_lab_content {
	uint8_t sha256[32];
	struct fz_label *labels;
	size_t n, cap;
};

struct fz_labels {
	struct fz_store store;
	struct fz_labels_info info;
	struct fz_labels_source *sources;
	char *release;			/* fz_labels_set_release(), or NULL */
	struct fz_lab_judged *judged;
	struct fz_lab_content *contents;
	size_t njudged, judged_cap, ncontents, contents_cap;
	struct fz_index by_package, by_sha;
};

/* Take a value's next statement; its strings lie in the value. 1, 0 at the end, -1 broken. */
int fz_lab_next(const uint8_t **p, const uint8_t *end, struct fz_statement *s);

/* Take a key apart: three strings in it, and the source. */
bool fz_lab_key(const MDB_val *key, const char *strings[3], uint32_t *source);

/* A source's record; the strings are the caller's. -EBADMSG if it is broken. */
int fz_lab_get_source(const char *path, const MDB_val *key, const MDB_val *val,
		      struct fz_labels_source *s, struct fz_error *err);

int fz_lab_broken(struct fz_error *err, const char *path, const char *what);
int fz_lab_mdb(struct fz_error *err, const char *path, int rc);

#endif
