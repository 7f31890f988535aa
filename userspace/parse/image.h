/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * image.h - reading images of disks: raw or qcow2; MBR, GPT or no partitions; ext2, 3, 4
 *
 * Nothing is mounted.
 */
#ifndef FZ_IMAGE_H
#define FZ_IMAGE_H

#include "harvest.h"

bool fz_image_begins(int fd);

/* Hand over what is in each ext4 of the image, as a tree; other partitions are noted. */
int fz_image_read(int fd, const struct fz_harvest *h, struct fz_error *err);

#endif
