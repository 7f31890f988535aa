/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * upx.h - programs packed by UPX
 *
 * Such a program is a stub and compressed data; it maps memory where the original's segments
 * were linked (or anywhere, if that was position-independent), unpacks them, and runs
 * what has no file. So the original is known as an image, made from the packed file.
 */
#ifndef FZ_UPX_H
#define FZ_UPX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"

/* Is this ELF file packed by UPX? It says so behind its program headers. */
bool fz_upx_magic(const void *data, size_t size);

/*
 * Of the ELF file at @data keep what its executable segments have, as the stub unpacks it
 * to memory of zeros: all else becomes zero.
 */
int fz_upx_image(void *data, size_t size, struct fz_error *err);

#endif
