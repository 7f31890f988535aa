// SPDX-License-Identifier: GPL-2.0-only
/*
 * source.c - fuzz the readers of archives, container images and disk images, and what
 * apk and rpm know of the roots in them
 */
#include "formats.h"
#include "fuzz.h"
#include "harvest_fuzz.h"
#include "package.h"
#include "source.h"

static unsigned int files;

static int take_file(void *ctx, const struct fz_package *p, const char *path, const void *data,
		     size_t size, struct fz_error *err)
{
	(void)ctx;
	(void)err;
	CHECK(path[0] == '/' && !strstr(path, "/../") && size <= FZ_FORMAT_MAX);
	CHECK(fz_format_of(data, size));
	CHECK(!p || (p->name[0] && p->version[0] && p->arch[0] && p->source[0]));
	files++;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fz_harvest harvest = {
		.file = take_file, .package = take_package, .other = take_other, .note = take_note,
	};
	int fd = as_file(data, size), ret;
	struct fz_error err = { "" };
	enum fz_source kind = fz_source_kind(fd);

	files = 0;
	if (kind) {
		ret = fz_source_read(fd, kind, &harvest, &err);
		check_error(ret, &err);
	}
	return 0;
}
