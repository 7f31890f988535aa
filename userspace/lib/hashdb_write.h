/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hashdb_write.h - adding to the known-binary database
 *
 * A writer collects in memory. fz_hashdb_write_publish() merges what was
 * collected with the database of before into PATH.new, in key order, and renames
 * that to PATH: a reader has the old file or the new one, whole, and an
 * interrupted writer changes nothing (PATH.new is overwritten by the next).
 * LMDB's own in-place transactions would need its lock file to keep pages alive
 * that a reader still looks at; and a sorted rewrite is half the size.
 *
 * One writer at a time: it holds flock(2) on the directory.
 */
#ifndef FZ_HASHDB_WRITE_H
#define FZ_HASHDB_WRITE_H

#include "hashdb.h"

#define FZ_HASHDB_BATCH	(1UL << 24)	/* pages between two publications: 64 GiB of code */

struct fz_hashdb_writer;

/* What was added since the writer was opened, less what was undone. */
struct fz_hashdb_added {
	uint64_t files, pages, packages;
};

/*
 * Open @path for adding, or prepare to make it, its directory included. -EBUSY if
 * another writer is at work; else as fz_hashdb_open().
 */
int fz_hashdb_write_open(struct fz_hashdb_writer **w, const char *path, struct fz_error *err);
/* Forget what was not published, and free @w. */
void fz_hashdb_write_close(struct fz_hashdb_writer *w);

/*
 * Add a file of @size bytes at @data. Of @f, all but @sha256, @bytes and
 * @pages_total must be set; NULL strings are "". Return 1, or 0 if it is known:
 * same content, path, package, kind and flags. -EINVAL: @f makes no sense (no segment, one
 * past the end, a string too long) and was left out; -E2BIG: FZ_HASHDB_BATCH
 * reached. After this and any other failure, fz_hashdb_write_undo().
 */
int fz_hashdb_write_file(struct fz_hashdb_writer *w, const struct fz_hashdb_file *f,
			 const void *data, size_t size, struct fz_error *err);

/*
 * The same for a file whose pages are those of @image, which was made from it:
 * @f's segments speak of the image. FZ_FILE_IMAGE is set.
 */
int fz_hashdb_write_image(struct fz_hashdb_writer *w, const struct fz_hashdb_file *f,
			  const void *data, size_t size, const void *image, size_t image_size,
			  struct fz_error *err);

/*
 * Of the file that was added last (the call returned 1): keep @len bytes under @blob
 * and @index, which must ascend from call to call; let @hash lead to its page
 * @page. After a failure, fz_hashdb_write_undo().
 */
int fz_hashdb_write_extra(struct fz_hashdb_writer *w, uint32_t blob, uint32_t index,
			  const void *data, size_t len, struct fz_error *err);
int fz_hashdb_write_anchor(struct fz_hashdb_writer *w, uint64_t hash, uint32_t page,
			   struct fz_error *err);

/*
 * Add the package of @f (the strings but @path are used), though it may hold no
 * file. 1, or 0 if known.
 */
int fz_hashdb_write_package(struct fz_hashdb_writer *w, const struct fz_hashdb_file *f,
			    struct fz_error *err);

/* Note that the archive of this SHA-256 was added; it held @files files of @f's package. */
int fz_hashdb_write_archive(struct fz_hashdb_writer *w, const uint8_t sha256[32],
			    const struct fz_hashdb_file *f, uint32_t files, struct fz_error *err);
/* Was it? 1 and how many files it held, or 0. */
int fz_hashdb_write_has_archive(struct fz_hashdb_writer *w, const uint8_t sha256[32],
				uint32_t *files, struct fz_error *err);

/* Add all that @other has and @w has not: files, packages, what was added. */
int fz_hashdb_write_merge(struct fz_hashdb_writer *w, struct fz_hashdb *other,
			  struct fz_error *err);

/*
 * Before anything is added: keep only the files that @keep says yes to, and *@removed
 * is how many went; a package goes with its last file. What was removed can be added
 * again. All that stays is in memory until it is published, about 60 bytes a page.
 */
int fz_hashdb_write_remove(struct fz_hashdb_writer *w,
			   bool (*keep)(void *ctx, const struct fz_hashdb_file *f), void *ctx,
			   uint64_t *removed, struct fz_error *err);

/* Keep all that was added so far / drop what was added since the last keep or publish. */
void fz_hashdb_write_keep(struct fz_hashdb_writer *w);
void fz_hashdb_write_undo(struct fz_hashdb_writer *w);

/* Pages collected and not published. */
size_t fz_hashdb_write_pending(const struct fz_hashdb_writer *w);

/*
 * Write what was kept; what was not is dropped. Without anything new, the file
 * stays as it is; if there is none, an empty database is made.
 */
int fz_hashdb_write_publish(struct fz_hashdb_writer *w, struct fz_error *err);

void fz_hashdb_write_added(const struct fz_hashdb_writer *w, struct fz_hashdb_added *added);

#endif
