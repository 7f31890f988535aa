// SPDX-License-Identifier: GPL-2.0-only
/* knowledge.c - generators of code, and originals of pages */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "cmd.h"
#include "knowledge.h"
#include "package.h"
#include "table.h"
#include "tree.h"

#define PATTERNS_MAX	4096
#define REFERENCE_MAX	(1UL << 30)	/* bytes of files in memory */
#define FRAMES_MIN	16384	/* several kernels', and room */

int know_generators(struct fz_identify *id, const char *path)
{
	const char *name = path ? path : GENERATORS;
	FILE *f = fopen(name, "re");
	struct fz_error err;
	char line[1024], *s;
	size_t n = 0, len;
	int ret = EXIT_DONE;

	if (!f)
		return !path && errno == ENOENT ? EXIT_DONE :
		       trouble("%s cannot be read: %s", name, strerror(errno));
	while (!ret && fgets(line, sizeof(line), f)) {
		len = strcspn(line, "\n");
		if (!line[len] && len == sizeof(line) - 1)
			ret = trouble("%s: line %zu is too long", name, n + 1);
		line[len] = 0;
		line[strcspn(line, "#")] = 0;
		for (len = strlen(line); len && strchr(" \t\r", line[len - 1]);)
			line[--len] = 0;
		s = line + strspn(line, " \t");
		if (++n > PATTERNS_MAX)
			ret = trouble("%s has more than %d lines", name, PATTERNS_MAX);
		if (!ret && *s && fz_identify_generator(id, s, &err))
			ret = trouble("%s", err.text);
	}
	if (!ret && ferror(f))
		ret = trouble("%s cannot be read: %s", name, strerror(errno));
	fclose(f);
	return ret;
}

/* ---------------------------------------------------------------- originals */

struct reference {
	struct original {
		uint8_t sha256[32];
		uint8_t *data;
		size_t size;
	} *files;
	size_t n, cap, bytes;
};

static int keep(void *ctx, const struct fz_package *package, const char *path, const void *data,
		size_t size, struct fz_error *err)
{
	struct reference *ref = ctx;
	struct original *o;

	(void)package;
	(void)path;
	if (size > REFERENCE_MAX - ref->bytes)
		return fz_fail(err, -EFBIG, "more than %lu MiB; name the packages that matter",
			       REFERENCE_MAX >> 20);
	if (FZ_GROW(ref->files, ref->n, ref->cap))
		return fz_fail(err, -ENOMEM, "out of memory");
	o = &ref->files[ref->n];
	o->data = malloc(size + !size);
	if (!o->data || !EVP_Digest(data, size, o->sha256, NULL, EVP_sha256(), NULL)) {
		free(o->data);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	memcpy(o->data, data, size);
	o->size = size;
	ref->bytes += size;
	ref->n++;
	return 0;
}

static int ignore(void *ctx, struct fz_error *err)
{
	(void)ctx;
	(void)err;
	return 0;
}

static void ignore_note(void *ctx, const char *path, bool skipped, const char *why)
{
	(void)ctx;
	(void)path;
	(void)skipped;
	(void)why;
}

static int keep_package(void *ctx, const char *path, int fd, struct fz_error *err)
{
	struct fz_harvest h = { .ctx = ctx, .file = keep, .package = keep_package,
				.other = ignore, .note = ignore_note };
	struct fz_package package;

	(void)path;
	return fz_package_read(&package, fd, &h, err);
}

static int read_file(struct reference *ref, int fd, struct fz_error *err)
{
	struct fz_buffer buf = { 0 };
	int ret = fz_buffer_read(&buf, fd, REFERENCE_MAX, err);

	if (!ret)
		ret = keep(ref, NULL, "", buf.p, buf.len, err);
	free(buf.p);
	return ret;
}

int reference_add(struct reference **made, const char *path)
{
	struct reference *ref = *made;
	struct fz_harvest h = { .file = keep, .package = keep_package, .other = ignore,
				.note = ignore_note };
	struct fz_error err;
	struct stat st;
	int fd, ret;

	if (!ref)
		ref = *made = calloc(1, sizeof(*ref));
	if (!ref)
		return trouble("out of memory");
	h.ctx = ref;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		ret = fz_fail(&err, -errno, "%s", strerror(errno));
	else if (S_ISDIR(st.st_mode))
		ret = fz_tree_read(path, &h, &err);
	else if (!S_ISREG(st.st_mode))
		ret = fz_fail(&err, -EINVAL, "it is no file or directory");
	else
		ret = fz_kind_package(fz_kind(fd)) ? keep_package(ref, path, fd, &err) :
						     read_file(ref, fd, &err);
	if (fd >= 0)
		close(fd);
	return ret ? trouble("%s: %s", path, err.text) : EXIT_DONE;
}

static int page_of(void *arg, const uint8_t sha256[32], uint32_t page, uint8_t *buf)
{
	const struct reference *ref = arg;
	size_t i, at = (size_t)page * FZ_PAGE_SIZE, n;

	for (i = 0; i < ref->n; i++) {
		const struct original *o = &ref->files[i];

		if (memcmp(o->sha256, sha256, sizeof(o->sha256)) || at >= o->size)
			continue;
		n = o->size - at;
		memset(buf, 0, FZ_PAGE_SIZE);
		memcpy(buf, o->data + at, n < FZ_PAGE_SIZE ? n : FZ_PAGE_SIZE);
		return 1;
	}
	return 0;
}

void reference_use(struct reference *ref, struct fz_identify *id)
{
	if (ref)
		fz_identify_reference(id, page_of, ref);
}

void reference_free(struct reference *ref)
{
	size_t i;

	for (i = 0; ref && i < ref->n; i++)
		free(ref->files[i].data);
	if (ref)
		free(ref->files);
	free(ref);
}

int max_frames_option(const char *cmd, const char *value, size_t *frames)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(value, &end, 10);
	if (errno || *end || end == value || *value == '-' || (n && n < FRAMES_MIN) || n >= FZ_NONE)
		return usage(cmd, "--max-frames %.64s: from %d on, or 0 for no limit", value,
			     FRAMES_MIN);
	*frames = n;
	return EXIT_DONE;
}
