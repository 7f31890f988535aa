// SPDX-License-Identifier: GPL-2.0-only
/*
 * image.c - reading images of disks
 */
#include <errno.h>
#include "image.h"

bool fz_image_begins(int fd)
{
	(void)fd;
	return false;
}

int fz_image_read(int fd, const struct fz_harvest *h, struct fz_error *err)
{
	(void)fd;
	(void)h;
	return fz_fail(err, -EINVAL, "it is no disk image");
}
