// SPDX-License-Identifier: GPL-2.0-only
/*
 * control.c - fuzz the parser of Debian control files, and of member names
 */
#include "control.h"
#include "fuzz.h"

static void check_word(const char *s, size_t size)
{
	size_t n = strnlen(s, size), i;

	CHECK(n && n < size);
	for (i = 0; i < n; i++)
		CHECK(s[i] > 0x20 && s[i] < 0x7f && s[i] != '/');
}

static void try_path(const uint8_t *data, size_t size)
{
	char *name = strndup((const char *)data, size), path[64];

	if (!name)
		abort();
	if (!fz_path_clean(name, path, sizeof(path))) {
		CHECK(path[0] == '/' && path[1] && strnlen(path, sizeof(path)) < sizeof(path));
		CHECK(!strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./"));
		CHECK(strcmp(path + strlen(path) - 1, "/"));
	}
	free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = text + size, *s;
	struct fz_error err = { "" };
	struct fz_package p;
	size_t len;
	int ret;

	ret = fz_control_parse(&p, text, size, &err);
	check_error(ret, &err);
	if (!ret) {
		check_word(p.name, sizeof(p.name));
		check_word(p.source, sizeof(p.source));
		check_word(p.version, sizeof(p.version));
		check_word(p.source_version, sizeof(p.source_version));
		check_word(p.arch, sizeof(p.arch));
	}
	s = fz_control_end(text, end);
	CHECK(s >= text && s <= end);
	s = fz_control_field(text, end, "Status", &len);
	if (s)
		CHECK(s >= text && s + len <= end && !memchr(s, '\n', len));
	try_path(data, size);
	return 0;
}
