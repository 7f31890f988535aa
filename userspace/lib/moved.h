/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * moved.h - a BIOS that moves its start-up code: what is kept of it
 *
 * SeaBIOS copies the code that it needs only while it starts (its "init") from below
 * 1 MiB to the end of memory, at any multiple of some 32 bytes. Three lists in the image
 * say which 32-bit fields change: in the copy those to which the distance is added, those
 * from which it is subtracted, and in what stays those to which it is added.
 *
 * FZ_BLOB_MOVED of a file, index 0: struct fz_moves, then the fields of the three lists,
 * u32 each, as offsets in the file. A file of n bytes lies at 1 MiB - n.
 */
#ifndef FZ_MOVED_H
#define FZ_MOVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fz_move { FZ_MOVE_ADD, FZ_MOVE_SUBTRACT, FZ_MOVE_STAYS, FZ_MOVES };

#define FZ_MOVES_MAX	16384	/* fields in all */
#define FZ_MOVES_TOP	0x100000U

struct fz_moves {
	uint32_t start, end;		/* the code that is moved, offsets in the file */
	uint32_t bytes;			/* of the file */
	uint32_t n[FZ_MOVES];
};

/*
 * Find the lists in a BIOS. They vouch for themselves: each field of the first leads into
 * what is moved, each of the second out of it, each of the third into it; and where what
 * is moved begins there is but one answer. @fields has room for FZ_MOVES_MAX. False: there
 * are none, or it can't be told.
 */
bool fz_bios_moves(const uint8_t *data, size_t size, struct fz_moves *m, uint32_t *fields);

#endif
