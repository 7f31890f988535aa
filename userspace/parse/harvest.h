/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * harvest.h - what package.c and tree.c hand over: the files with code that they find
 */
#ifndef FZ_HARVEST_H
#define FZ_HARVEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"
#include "release.h"

/*
 * What a control file says. Printable ASCII without spaces; never empty but for
 * @source_version's sake. @release is what the root says that it is in (release.h), or "".
 */
struct fz_package {
	char name[128];
	char source[128];
	char version[128];
	char source_version[128];
	char arch[32];
	char release[FZ_RELEASE_TEXT];
};

/* Who takes it. A negative value ends the harvest, which returns it. */
struct fz_harvest {
	void *ctx;
	/* A whole file that fz_format_of() knows; @package is NULL if none is known. */
	int (*file)(void *ctx, const struct fz_package *package, const char *path,
		    const void *data, size_t size, struct fz_error *err);
	/* A package, open at its start (in a tree). */
	int (*package)(void *ctx, const char *path, int fd, struct fz_error *err);
	/* Any other file. */
	int (*other)(void *ctx, struct fz_error *err);
	/* Something is wrong with @path; if @skipped, it is a file that is left out for it. */
	void (*note)(void *ctx, const char *path, bool skipped, const char *why);
};

enum fz_kind {
	FZ_KIND_OTHER,
	FZ_KIND_FILE,		/* a row of formats.c */
	FZ_KIND_DEB,
	FZ_KIND_RPM,
	FZ_KIND_APK,
};

static inline bool fz_kind_package(int kind)
{
	return kind >= FZ_KIND_DEB;
}

/* What begins with these bytes, FZ_FORMAT_HEAD of them or the whole file? */
enum fz_kind fz_kind_of(const void *head, size_t size);

/* What does the content of the file at @fd begin as? A negative errno if it can't be read. */
int fz_kind(int fd);

/* A buffer that grows and is used again. Start from zeros; free(@p) in the end. */
struct fz_buffer {
	uint8_t *p;
	size_t len, cap;
};

int fz_buffer_room(struct fz_buffer *b, size_t more, struct fz_error *err);

/* Read all of @fd. -EFBIG: more than @max bytes. */
int fz_buffer_read(struct fz_buffer *b, int fd, size_t max, struct fz_error *err);

/*
 * Turn a member's name ("./usr/bin/x", "usr/bin/x") into the absolute path that it
 * is installed as. -EINVAL: it climbs (".."), is longer than @size - 1, has control
 * characters or is not UTF-8. Such a path could not be printed as it is.
 */
int fz_path_clean(const char *name, char *path, size_t size);

#endif
