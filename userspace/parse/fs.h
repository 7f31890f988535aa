/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fs.h - a tree of files, wherever it is: in a directory, an archive, a file system's image
 *
 * Symbolic links lead within the tree. Paths given have no first slash.
 */
#ifndef FZ_FS_H
#define FZ_FS_H

#include <sys/types.h>
#include "harvest.h"

/* A regular file, during a visit. */
struct fz_node {
	const char *path;	/* in the tree, with its first slash; any bytes */
	int fd;			/* open, or -1 */
	/*
	 * Read on from where @b ends, up to @max bytes in all. A failure ends the walk,
	 * unless @soft: then only this file cannot be read.
	 */
	int (*more)(struct fz_node *n, struct fz_buffer *b, size_t max, struct fz_error *err);
	bool soft;
};

struct fz_visitor {
	void *ctx;
	int (*file)(void *ctx, struct fz_node *n, struct fz_error *err);
	/* Shall this directory be entered? Sources that can't choose don't ask. */
	bool (*enter)(void *ctx, const char *path);
	void (*note)(void *ctx, const char *path, bool skipped, const char *why);
};

struct fz_fs {
	/* Read the regular file @path. -ENOENT: there is none; -EFBIG: more than @max bytes. */
	int (*read)(struct fz_fs *fs, const char *path, struct fz_buffer *b, size_t max,
		    struct fz_error *err);
	/* Where the symbolic link @path leads, with a NUL; false if it is none, or too long. */
	bool (*link)(struct fz_fs *fs, const char *path, char *target, size_t size);
	/* Each regular file, of those with several names one; the same order every time. */
	int (*walk)(struct fz_fs *fs, const struct fz_visitor *v, struct fz_error *err);
};

#endif
