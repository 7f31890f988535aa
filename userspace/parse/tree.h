/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tree.h - reading directory trees
 */
#ifndef FZ_TREE_H
#define FZ_TREE_H

#include "harvest.h"

/*
 * Hand over all ELF files and Debian packages below @path, in the order of their
 * names, symbolic links not followed; of a file with several names, the first.
 *
 * If @path has var/lib/dpkg, it is an installed root: files get their packages,
 * those that differ from their package's md5sums none; .deb files are left alone
 * (they are in a cache, not installed), and so are /dev, /proc, /run and /sys. If
 * it has at least usr/, paths begin at it; else they are those of this machine.
 */
int fz_tree_read(const char *path, const struct fz_harvest *h, struct fz_error *err);

#endif
