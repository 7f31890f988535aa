/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * source.h - whatever "fitzroy db add" is given that is no package and no program
 */
#ifndef FZ_SOURCE_H
#define FZ_SOURCE_H

#include "harvest.h"

/* Hand over what is in the directory @path: a container image, or a tree. */
int fz_source_dir(const char *path, const struct fz_harvest *h, struct fz_error *err);

enum fz_source { FZ_SOURCE_NONE, FZ_SOURCE_ARCHIVE, FZ_SOURCE_OCI, FZ_SOURCE_IMAGE };

/* What is the file at @fd, by its content? */
enum fz_source fz_source_kind(int fd);

/* Hand over what is in it. */
int fz_source_read(int fd, enum fz_source kind, const struct fz_harvest *h, struct fz_error *err);

#endif
