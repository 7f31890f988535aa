/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arcfs.h - a tree of files in an archive, or in several that lie on each other
 *
 * An archive is read twice: for what is in it, then for the files that still count.
 */
#ifndef FZ_ARCFS_H
#define FZ_ARCFS_H

#include "fs.h"

#define FZ_ARCFS_LAYERS	512

/* An archive: the file @fd, or the member @member of the tar that it is. */
struct fz_arcsource {
	int fd;
	const char *member;
};

struct fz_arcfs;

/*
 * Index @n tars (whatever their compression) or one ISO 9660 image. Of several,
 * later ones cover earlier ones, as layers of a container image do, with their
 * whiteouts. @s must last. -EINVAL: it is no archive, or cut short or damaged.
 */
int fz_arcfs_open(struct fz_arcfs **a, const struct fz_arcsource *s, size_t n,
		  struct fz_error *err);
void fz_arcfs_close(struct fz_arcfs *a);
struct fz_fs *fz_arcfs_fs(struct fz_arcfs *a);

/* What is in the file at @fd? */
enum fz_arc_kind { FZ_ARC_NONE, FZ_ARC_TAR, FZ_ARC_ISO };
enum fz_arc_kind fz_arc_kind(int fd);

#endif
