/* SPDX-License-Identifier: GPL-2.0-only */
/* db_upx.h - have upx unpack a program */
#ifndef FZ_CMD_DB_UPX_H
#define FZ_CMD_DB_UPX_H

#include "harvest.h"

/*
 * Unpack the packed program at @data to @out. 1; 0 if there is no upx (@err says what that
 * means), -EINVAL if it does not unpack, -EIO if it cannot be tried.
 */
int db_upx(const void *data, size_t size, struct fz_buffer *out, struct fz_error *err);

#endif
