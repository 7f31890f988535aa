/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unpacked.h - what the database keeps as zstd, unpacked: that which was asked for lately
 *
 * Frames come in the order in which they ran, all over a kernel. With one piece at hand
 * nearly each page of a kernel was the unpacking of 64.
 */
#ifndef FZ_UNPACKED_H
#define FZ_UNPACKED_H

#include "hashdb.h"

#define FZ_UNPACKED_PIECES	128
#define FZ_UNPACKED_BYTES	(32UL << 20)	/* of all, or one that is larger */

/* Start from zeros. */
struct fz_unpacked {
	struct fz_unpacked_piece {
		uint32_t file, blob, index;
		uint64_t used;			/* the lowest goes first; 0 = empty */
		uint8_t *data;
		size_t len;
	} piece[FZ_UNPACKED_PIECES];
	uint64_t now;
	size_t bytes;
};

/*
 * Get blob @blob, @index of file @file, as fz_hashdb_extra() does, unpacked; at most @max
 * bytes. It stays until the next call. 1, 0: there is none, -EBADMSG, or another errno.
 */
int fz_unpacked_get(struct fz_unpacked *u, struct fz_hashdb *db, uint32_t file, uint32_t blob,
		    uint32_t index, size_t max, const uint8_t **data, size_t *len,
		    struct fz_error *err);
void fz_unpacked_free(struct fz_unpacked *u);

#endif
