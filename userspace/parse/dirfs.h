/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dirfs.h - a tree of files in a directory
 */
#ifndef FZ_DIRFS_H
#define FZ_DIRFS_H

#include <limits.h>
#include "fs.h"

struct fz_dirfs {
	struct fz_fs fs;
	int fd;
	size_t skip;		/* bytes of a path that lead to the root */
	char path[PATH_MAX];
};

/* fz_dirfs_close() in the end, also after an error. */
int fz_dirfs_open(struct fz_dirfs *d, const char *path, struct fz_error *err);
void fz_dirfs_close(struct fz_dirfs *d);

#endif
