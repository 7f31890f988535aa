// SPDX-License-Identifier: GPL-2.0-only
/*
 * source.c - whatever "fitzroy db add" is given that is no package and no program
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "arcfs.h"
#include "image.h"
#include "oci.h"
#include "source.h"
#include "tree.h"

int fz_source_dir(const char *path, const struct fz_harvest *h, struct fz_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret;

	/* A tree with a manifest.json of another kind is a tree. */
	if (fd >= 0 && !faccessat(fd, "oci-layout", F_OK, 0))
		ret = fz_oci_read(fd, -1, h, err);
	else
		ret = fz_tree_read(path, h, err);
	if (fd >= 0)
		close(fd);
	return ret;
}

enum fz_source fz_source_kind(int fd)
{
	switch (fz_arc_kind(fd)) {
	case FZ_ARC_TAR:
		return fz_oci_begins(-1, fd) ? FZ_SOURCE_OCI : FZ_SOURCE_ARCHIVE;
	case FZ_ARC_ISO:
		return FZ_SOURCE_ARCHIVE;
	default:
		return fz_image_begins(fd) ? FZ_SOURCE_IMAGE : FZ_SOURCE_NONE;
	}
}

int fz_source_read(int fd, enum fz_source kind, const struct fz_harvest *h, struct fz_error *err)
{
	const struct fz_arcsource s = { fd, NULL };
	struct fz_arcfs *f;
	int ret;

	switch (kind) {
	case FZ_SOURCE_OCI:
		return fz_oci_read(-1, fd, h, err);
	case FZ_SOURCE_IMAGE:
		return fz_image_read(fd, h, err);
	case FZ_SOURCE_ARCHIVE:
		ret = fz_arcfs_open(&f, &s, 1, err);
		if (ret)
			return ret;
		ret = fz_tree_walk(fz_arcfs_fs(f), h, err);
		fz_arcfs_close(f);
		return ret;
	default:
		return fz_fail(err, -EINVAL, "it is no archive or image");
	}
}
