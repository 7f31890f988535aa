/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * formats.h - which kinds of files hold code, and who reads them
 *
 * A kind is a row of the table in formats.c: how its content begins, and a reader.
 */
#ifndef FZ_FORMATS_H
#define FZ_FORMATS_H

#include <stdbool.h>
#include <stddef.h>
#include "elffile.h"
#include "error.h"
#include "harvest.h"
#include "hashdb.h"

#define FZ_FORMAT_HEAD	4096	/* bytes by which a kind is told, or the whole file */
#define FZ_FORMAT_TAIL	16	/* bytes for ends() */
#define FZ_FORMAT_MAX	FZ_ELF_MAX

/* Who takes what a reader found. 1 = new, 0 = known before, or a negative errno. */
struct fz_taker {
	void *ctx;
	int (*take)(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		    struct fz_error *err);
	/* As @take, where an image is mapped that was made from the file (FZ_FILE_IMAGE). */
	int (*take_image)(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
			  const void *image, size_t image_size, struct fz_error *err);
	/* fz_hashdb_write_extra() and _anchor() for what was taken last, if it was new. */
	int (*extra)(void *ctx, uint32_t blob, uint32_t index, const void *data, size_t len,
		     struct fz_error *err);
	int (*anchor)(void *ctx, uint64_t hash, uint32_t page, struct fz_error *err);
	/*
	 * Unpack the packed program at @data, file @path, to @out; NULL: nobody does. 1, 0 if
	 * it can't be (and that has been said), or a negative errno.
	 */
	int (*unpack)(void *ctx, const char *path, const void *data, size_t size,
		      struct fz_buffer *out, struct fz_error *err);
};

struct fz_format {
	const char *name;
	bool (*begins)(const void *head, size_t size);
	/*
	 * Where the beginning says little, or NULL: do the last FZ_FORMAT_TAIL bytes of
	 * a file of @size fit, too? Who has the end at hand asks; else read() finds out.
	 */
	bool (*ends)(const void *tail, size_t size);
	/*
	 * Read the whole file at @data. @f has its path and package, all else is zero
	 * or NULL; fill a copy of it and hand it to @t with the content that is mapped (the
	 * file's own, or what it unpacks to), once for each program in it. Return how many
	 * were taken; 0 if it is sound but has nothing that runs (@err says why);
	 * -EINVAL if it lies.
	 */
	int (*read)(const struct fz_hashdb_file *f, const void *data, size_t size,
		    const struct fz_taker *t, struct fz_error *err);
};

/* The kind of the file that begins with these bytes, or NULL. */
const struct fz_format *fz_format_of(const void *head, size_t size);

#endif
