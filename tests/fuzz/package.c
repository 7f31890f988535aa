// SPDX-License-Identifier: GPL-2.0-only
/*
 * package.c - fuzz the reader of Debian packages
 */
#include "formats.h"
#include "fuzz.h"
#include "package.h"

#define AR	8	/* bytes of its magic */
#define MEMBER	60	/* of a member's header */
#define BLOCK	512	/* of a tar */

static unsigned int files;

static int take_elf(void *ctx, const struct fz_package *p, const char *path, const void *data,
		    size_t size, struct fz_error *err)
{
	struct fz_error why = { "" };
	struct fz_elf elf;

	(void)ctx;
	(void)err;
	CHECK(p->name[0] && p->version[0] && p->arch[0] && p->source[0]);
	CHECK(path[0] == '/' && !strstr(path, "/../") && size <= FZ_FORMAT_MAX);
	CHECK(fz_format_of(data, size));
	fz_elf_parse(&elf, data, size, &why);
	files++;
	return 0;
}

static int take_other(void *ctx, struct fz_error *err)
{
	(void)ctx;
	(void)err;
	files++;
	return 0;
}

static void take_note(void *ctx, const char *path, bool skipped, const char *why)
{
	(void)ctx;
	CHECK(path && skipped && why[0]);
	files++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fz_harvest harvest = {
		.file = take_elf, .other = take_other, .note = take_note,
	};
	struct fz_error err = { "" };
	struct fz_package p;
	int ret;

	memset(&p, 0, sizeof(p));
	files = 0;
	ret = fz_package_read(&p, as_file(data, size), &harvest, &err);
	check_error(ret, &err);
	CHECK(files <= FZ_MEMBERS_MAX);
	CHECK(ret || (p.name[0] && p.version[0] && p.arch[0]));
	return 0;
}

/* The digits at @p, or 0. */
static size_t number(const uint8_t *p, size_t digits, unsigned int base)
{
	char text[16] = "";

	memcpy(text, p, digits);
	return strtoul(text, NULL, base);
}

/* Make the checksums of an uncompressed tar right. */
static void fix_tar(uint8_t *p, size_t size)
{
	size_t i, sum, at = 0, next;

	for (; at + BLOCK <= size && p[at]; at += next) {
		memset(p + at + 148, ' ', 8);
		for (i = 0, sum = 0; i < BLOCK; i++)
			sum += p[at + i];
		snprintf((char *)p + at + 148, 8, "%06zo", sum);
		next = number(p + at + 124, 11, 8);
		next = next < size ? BLOCK + (next + BLOCK - 1) / BLOCK * BLOCK : size;
	}
}

/* Half of the time, repair what the mutation did to sizes and checksums. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	size_t at, len;
	char text[16];

	size = LLVMFuzzerMutate(data, size, max);
	if (seed % 2 || size < AR)
		return size;
	memcpy(data, "!<arch>\n", AR);
	for (at = AR; at + MEMBER <= size; at += len + len % 2) {
		data[at + 58] = '`';
		data[at + 59] = '\n';
		len = number(data + at + 48, 10, 10);
		at += MEMBER;
		if (len > size - at) {
			len = size - at;
			snprintf(text, sizeof(text), "%-10zu", len);
			memcpy(data + at - 12, text, 10);
		}
		if (len >= BLOCK && !memcmp(data + at + 257, "ustar", 5))
			fix_tar(data + at, len);
	}
	return size;
}
