/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * oci.h - reading container images: OCI layouts, in a directory or a tar, and what
 * "docker save" writes
 */
#ifndef FZ_OCI_H
#define FZ_OCI_H

#include "harvest.h"

/* Is it one? @dirfd: a directory, or -1; @fd: a file that is a tar, or -1. */
bool fz_oci_begins(int dirfd, int fd);

/*
 * Hand over what the images in it have, as trees: each image's layers on each
 * other. All blobs must have the digest that the layout says.
 */
int fz_oci_read(int dirfd, int fd, const struct fz_harvest *h, struct fz_error *err);

#endif
