/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unpack.h - files out of archives, within bounds; what the readers of packages share
 */
#ifndef FZ_UNPACK_H
#define FZ_UNPACK_H

#include <archive.h>
#include <archive_entry.h>
#include "harvest.h"

#ifndef FZ_UNPACKED_MAX		/* the fuzzers have smaller limits */
#define FZ_MEMBERS_MAX	(1UL << 20)	/* files in a package */
#define FZ_UNPACKED_MAX	(64UL << 30)	/* bytes that a package may unpack to */
#endif
#define FZ_UNPACK_BLOCK	(1 << 16)

struct fz_unpack {
	const struct fz_harvest *h;
	struct fz_package *package;	/* handed over with the files; NULL: none */
	struct fz_error *err;
	struct fz_buffer buf;		/* the entry's content so far; free(buf.p) in the end */
	uint64_t unpacked;		/* of layers */
	uint64_t content, members;
};

/* One archive in an entry of another. */
struct fz_layer {
	struct archive *below, *a;
	uint64_t *unpacked;
};

/* @what is cut short or damaged, and what libarchive says of it: -EINVAL. */
int fz_unpack_damaged(struct fz_unpack *u, const char *what, struct archive *a);

/* All compressions that packages have. */
void fz_unpack_filters(struct archive *a);

static inline bool fz_unpack_good(int ret)
{
	return ret == ARCHIVE_OK || ret == ARCHIVE_WARN;
}

/* Read on in the current entry, up to @max bytes in all. 1 = there is more. */
int fz_unpack_entry(struct fz_unpack *u, struct archive *a, size_t max);

/* Hand over the entry that @a is at, as file @name, if its content is of a known kind. */
int fz_unpack_file(struct fz_unpack *u, struct archive *a, const char *name);

/*
 * Hand the regular files of @a to @use, by their names, to the end of the archive. Of a file with
 * several names (hard links), the first.
 */
int fz_unpack_all(struct fz_unpack *u, struct archive *a,
		  int (*use)(struct fz_unpack *u, struct archive *a, const char *name));

/*
 * Read the entry that @below is at: as a tar if @tar, else as raw data, decompressed.
 * @l must last as long; archive_read_free(@l->a) in the end, also after an error.
 */
int fz_layer_open(struct fz_layer *l, struct fz_unpack *u, struct archive *below, bool tar);

/* Read what is left of the entry below, so that its checksums are seen. */
int fz_layer_drain(struct fz_layer *l, struct fz_unpack *u, const char *what);

#endif
