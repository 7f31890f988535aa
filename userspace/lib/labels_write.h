/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * labels_write.h - importing advisories and hash lists
 *
 * A writer collects what each source says in memory (bounded: FZ_LABELS_MEMORY), then
 * merges it with the file of before into PATH.new and renames that to PATH. A source
 * that is imported again replaces what it said before. One writer at a time, and none
 * beside one of the database of known binaries there: flock(2) on the directory.
 */
#ifndef FZ_LABELS_WRITE_H
#define FZ_LABELS_WRITE_H

#include "labels.h"

#define FZ_LABELS_MEMORY	(1UL << 30)	/* bytes collected by one command */

struct fz_labels_writer;

int fz_labels_write_open(struct fz_labels_writer **w, const char *path, struct fz_error *err);
void fz_labels_write_close(struct fz_labels_writer *w);

/*
 * Begin source @name, whose content has @digest. 1, or 0 if just that was imported
 * before: there is nothing to do. -EINVAL: no name for a source.
 */
int fz_labels_write_begin(struct fz_labels_writer *w, const char *name, const uint8_t digest[32],
			  struct fz_error *err);
/*
 * What the source says. Repeated, it counts once. -EINVAL: a string is too long or no
 * text; leave it out. -E2BIG: too much. @id is "" for a suite alone.
 */
int fz_labels_write_statement(struct fz_labels_writer *w, const char *distro, const char *package,
			      const char *id, const struct fz_statement *s, struct fz_error *err);
/* @kind: MALICIOUS, VULNERABLE, LISTED or GOOD. Of several for a hash, the first of these. */
int fz_labels_write_hash(struct fz_labels_writer *w, const uint8_t sha256[32],
			 enum fz_label_kind kind, const char *name, struct fz_error *err);
/* End it: keep it, or forget it as if it had not begun. */
void fz_labels_write_end(struct fz_labels_writer *w, const char *format, uint64_t dated,
			 uint64_t skipped);
void fz_labels_write_undo(struct fz_labels_writer *w);

/* Forget a source that is in the file. -ENOENT. */
int fz_labels_write_remove(struct fz_labels_writer *w, const char *name, struct fz_error *err);

/* Write what was kept. Without a change, the file stays as it is. */
int fz_labels_write_publish(struct fz_labels_writer *w, struct fz_error *err);

#endif
