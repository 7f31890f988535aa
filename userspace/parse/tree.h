/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tree.h - reading trees of files
 */
#ifndef FZ_TREE_H
#define FZ_TREE_H

#include "fs.h"

#define FZ_TREE_PACKAGE_MAX	(1UL << 30)	/* bytes of a package in an archive or image */

/*
 * Hand over all files of known kinds and all packages below @path, in the order of
 * their names, symbolic links not followed; of a file with several names, the first.
 *
 * If dpkg, rpm or apk have their database in it, it is an installed root: files get
 * their packages, those that differ from what their package installed none; packages
 * are left alone (they are in a cache, not installed), and so are /dev, /proc, /run
 * and /sys. If it has at least usr/, paths begin at it; else they are those of this
 * machine.
 */
int fz_tree_read(const char *path, const struct fz_harvest *h, struct fz_error *err);

/* The same of any tree; paths begin at it. */
int fz_tree_walk(struct fz_fs *fs, const struct fz_harvest *h, struct fz_error *err);

#endif
