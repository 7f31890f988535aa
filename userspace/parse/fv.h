/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fv.h - UEFI firmware images: volumes, the files in them, the programs in those
 */
#ifndef FZ_FV_H
#define FZ_FV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"

#ifndef FZ_FV_UNPACKED_MAX	/* the fuzzers have smaller limits */
#define FZ_FV_UNPACKED_MAX	(1UL << 28)	/* bytes that an image may unpack to */
#endif
#define FZ_FV_ITEMS_MAX		16384		/* volumes, files and sections */
#define FZ_FV_DEPTH_MAX		8
#define FZ_FV_NAME		80

enum fz_fv_kind {
	FZ_FV_PE,		/* a program that the firmware loads */
	FZ_FV_TE,
	FZ_FV_IN_PLACE,		/* a volume of programs that run where they are */
};

struct fz_fv_item {
	enum fz_fv_kind kind;
	char name[FZ_FV_NAME];	/* ASCII: of its own, or its GUID */
	const uint8_t *data;
	size_t size;
	bool unpacked;		/* @data is not part of the image */
};

/* 0, or negative to end the walk. */
typedef int (*fz_fv_sink)(void *ctx, const struct fz_fv_item *item, struct fz_error *err);

bool fz_fv_magic(const void *data, size_t size);

/*
 * Hand over the programs and volumes of the firmware image at @data. -EINVAL: its
 * headers lie, or more of it is packed than allowed; some were handed over by then.
 */
int fz_fv_read(const void *data, size_t size, fz_fv_sink sink, void *ctx, struct fz_error *err);

#endif
