/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * extio.h - libext2fs reads from a disk's image through this
 */
#ifndef FZ_EXTIO_H
#define FZ_EXTIO_H

#include <ext2fs/ext2fs.h>
#include "disk.h"

struct fz_extio {
	struct fz_disk *disk;
	uint64_t start, bytes;
};

extern struct struct_io_manager fz_extio_manager;

/* Open the file system there; a libext2fs error code, or 0. */
errcode_t fz_extio_open(const struct fz_extio *place, ext2_filsys *fs);

#endif
