/* SPDX-License-Identifier: GPL-2.0-only */
/* harvest_fuzz.h - what a harvest's caller is given besides files, and may rely on */
#ifndef FZ_HARVEST_FUZZ_H
#define FZ_HARVEST_FUZZ_H

#include "fuzz.h"

static int take_package(void *ctx, const char *path, int fd, struct fz_error *err)
{
	(void)ctx;
	(void)err;
	CHECK(path[0] && fd >= 0);
	return 0;
}

static int take_other(void *ctx, struct fz_error *err)
{
	(void)ctx;
	(void)err;
	return 0;
}

static void take_note(void *ctx, const char *path, bool skipped, const char *why)
{
	(void)ctx;
	(void)skipped;
	CHECK(path && why[0]);
}

#endif
