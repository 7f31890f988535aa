/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * extfs.h - a tree of files in an ext2, ext3 or ext4 file system
 */
#ifndef FZ_EXTFS_H
#define FZ_EXTFS_H

#include "disk.h"
#include "fs.h"

struct fz_extfs;

/* Is there one in the @bytes at @start of @d? */
bool fz_extfs_begins(struct fz_disk *d, uint64_t start, uint64_t bytes);

/* Open it; nothing is ever written. -EINVAL: damaged, or not unmounted. */
int fz_extfs_open(struct fz_extfs **e, struct fz_disk *d, uint64_t start, uint64_t bytes,
		  struct fz_error *err);
void fz_extfs_close(struct fz_extfs *e);
struct fz_fs *fz_extfs_fs(struct fz_extfs *e);

#endif
