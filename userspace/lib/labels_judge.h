/* SPDX-License-Identifier: GPL-2.0-only */
/* labels_judge.h - shared by labels_judge.c and labels_release.c only */
#ifndef FZ_LABELS_JUDGE_H
#define FZ_LABELS_JUDGE_H

#include "labels_format.h"
#include "release.h"

#define FZ_RELEASES_MAX	16	/* that a package may be of */

/* A known file's package, as its packager orders it. */
struct fz_lab_subject {
	enum fz_order order;
	char distro[FZ_RELEASE_TEXT];
	const char *package;
	char *version;
	size_t n;
	char *releases[FZ_RELEASES_MAX];
};

/* The records about a package, in order. */
struct fz_lab_walk {
	struct fz_labels *l;
	MDB_cursor *c;
	char prefix[FZ_LAB_DISTRO + FZ_LAB_PACKAGE];
	size_t len;
	MDB_val key, val;
	const char *id;
	uint32_t source;	/* index */
};

int fz_lab_walk_open(struct fz_lab_walk *w, struct fz_labels *l, const char *distro,
		     const char *package, struct fz_error *err);
/* 1, 0 at the end. */
int fz_lab_walk_next(struct fz_lab_walk *w, struct fz_error *err);
void fz_lab_walk_close(struct fz_lab_walk *w);

/*
 * What to ask about @f: its packager's order, its name and version there, and the releases
 * that it may be of. None: nothing can be claimed. fz_lab_subject_free() in any case.
 */
int fz_lab_subject(struct fz_labels *l, const struct fz_hashdb_file *f, struct fz_lab_subject *s,
		   struct fz_error *err);
void fz_lab_subject_free(struct fz_lab_subject *s);

#endif
