/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * disk.h - the content of a disk: an image as it is, or in qcow2
 */
#ifndef FZ_DISK_H
#define FZ_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"

struct fz_disk;

/*
 * Open the image at @fd, which must last. Not read: qcow2 with a backing file,
 * encryption, external data or subclusters; internal snapshots are not looked at.
 */
int fz_disk_open(struct fz_disk **d, int fd, struct fz_error *err);
void fz_disk_close(struct fz_disk *d);
bool fz_disk_qcow2(int fd);
uint64_t fz_disk_bytes(const struct fz_disk *d);

/* Read @len bytes at @pos; past the end is an error, -EINVAL. */
int fz_disk_read(struct fz_disk *d, uint64_t pos, void *to, size_t len, struct fz_error *err);

#endif
