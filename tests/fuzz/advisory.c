// SPDX-License-Identifier: GPL-2.0-only
/*
 * advisory.c - fuzz what reads advisories, hash lists and versions
 *
 * The first byte of the input says how: as a file, or as versions, a line each.
 */
#include <fcntl.h>
#include "advisory.h"
#include "fuzz.h"
#include "labels_format.h"

#define VERSIONS	8

static int file = -1;

static void remove_file(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/fz-fuzz-advisory-%d", getpid());
	unlink(path);
}

/* SQLite opens by name, and memory has none. */
static int write_file(const uint8_t *data, size_t size)
{
	char path[64];

	if (file < 0) {
		snprintf(path, sizeof(path), "/tmp/fz-fuzz-advisory-%d", getpid());
		file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		atexit(remove_file);
	}
	if (file < 0 || ftruncate(file, 0) || pwrite(file, data, size, 0) != (ssize_t)size)
		abort();
	return file;
}

/* As the writer takes it: it may refuse, but what it accepts is read back the same. */
static int statement(void *ctx, const char *distro, const char *package, const char *id,
		     const struct fz_statement *s, struct fz_error *err)
{
	(void)ctx;
	CHECK(s->kind > 0 && s->kind < FZ_SAYS_KINDS && fz_advisory_order(distro) != FZ_ORDERS);
	CHECK((s->kind == FZ_SAYS_SUITE) == !*id);
	CHECK(strlen(package) < FZ_ADVISORY_VALUE && strlen(s->release) < FZ_ADVISORY_VALUE &&
	      strlen(s->introduced) < FZ_ADVISORY_VALUE && strlen(s->last) < FZ_ADVISORY_VALUE);
	/* Only what can be ordered is given as a range. */
	CHECK(!*s->fixed || fz_version_valid(fz_advisory_order(distro), s->fixed) ||
	      !strcmp(s->fixed, "0"));
	return strlen(package) > 200 ? fz_fail(err, -EINVAL, "too long") : 0;
}

static int hash(void *ctx, const uint8_t sha256[32], enum fz_label_kind kind, const char *name,
		struct fz_error *err)
{
	size_t i;

	(void)ctx;
	(void)sha256;
	(void)err;
	CHECK(kind < FZ_LABELS && strlen(name) < FZ_LAB_NAME);
	for (i = 0; name[i]; i++)
		CHECK(name[i] >= 0x20 && name[i] < 0x7f);
	return 0;
}

/* Any three are in one order, whichever way they are asked. */
static void versions(enum fz_order order, const uint8_t *data, size_t size)
{
	char text[512], *v[VERSIONS], *save;
	int n = 0, i, k, j, ab, ba, bc, ac;

	if (size >= sizeof(text))
		size = sizeof(text) - 1;
	memcpy(text, data, size);
	text[size] = '\0';
	for (save = text; n < VERSIONS && (v[n] = strsep(&save, "\n")); n++)
		;
	for (i = 0; i < n; i++) {
		for (k = 0; k < n; k++) {
			int ret = fz_version_compare(order, v[i], v[k], &ab);

			CHECK(!ret == (fz_version_valid(order, v[i]) &&
				       fz_version_valid(order, v[k])));
			if (ret)
				continue;
			CHECK(!fz_version_compare(order, v[k], v[i], &ba));
			CHECK((ab > 0) == (ba < 0) && (ab < 0) == (ba > 0));
			CHECK(i != k || !ab);
			/* rpm's releases that are left out, and apk's suffixes: no strict order */
			for (j = 0; j < n && order == FZ_ORDER_DEB; j++)
				if (!fz_version_compare(order, v[k], v[j], &bc) && ab <= 0 &&
				    bc <= 0) {
					CHECK(!fz_version_compare(order, v[i], v[j], &ac));
					CHECK(ac <= 0);
				}
		}
	}
}

static void records(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *end = data + size;
	MDB_val key = { size, (void *)data };
	const char *strings[3];
	struct fz_statement s;
	uint32_t source;

	while (fz_lab_next(&p, end, &s) > 0)
		CHECK(p <= end && strlen(s.note) < FZ_LAB_STRING && (const uint8_t *)s.note < end);
	if (fz_lab_key(&key, strings, &source))
		CHECK(strlen(strings[0]) + strlen(strings[1]) + strlen(strings[2]) + 7 == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fz_advice to = { .statement = statement, .hash = hash, .as = FZ_LABELS };
	struct fz_advisory_read done = { 0 };
	struct fz_error err = { "" };
	int ret;

	if (!size)
		return 0;
	switch (*data) {
	case '1' ... '3':
		versions(*data - '1', data + 1, size - 1);
		return 0;
	case '4':
		records(data + 1, size - 1);
		return 0;
	case '5':
		to.as = FZ_LABEL_GOOD;
		break;
	}
	ret = fz_advisory_read(write_file(data + 1, size - 1), &to, &done, &err);
	check_error(ret, &err);
	CHECK(ret || done.format);
	return 0;
}
