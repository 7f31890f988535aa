// SPDX-License-Identifier: GPL-2.0-only
/*
 * apkdb.c - what apk (Alpine) knows of an installed root
 *
 * One file of stanzas: P, V, A, o: package, version, architecture, origin; then F, a
 * directory, and R, a file in it, whose SHA-1 follows in Z, as "Q1" and Base64.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include "control.h"
#include "owners_priv.h"

#define DB_MAX	(256UL << 20)
#define SHA1	20

struct state {
	struct fz_owners *o;
	struct fz_error *err;
	const char *dir, *file;
	size_t dir_len, file_len;
	char *path;		/* room for both and slashes */
	size_t path_size;
};

static int add_file(struct state *s, const char *digest, size_t len)
{
	uint8_t sha1[24];

	/* 28 digits, the last of which fills up. */
	if (!s->file || len != 30 || memcmp(digest, "Q1", 2) ||
	    EVP_DecodeBlock(sha1, (const uint8_t *)digest + 2, 28) != SHA1 + 1)
		return 0;
	len = s->dir_len + s->file_len + 2;
	if (len > s->path_size) {
		char *p = realloc(s->path, 2 * len);

		if (!p)
			return fz_fail(s->err, -ENOMEM, "out of memory");
		s->path = p;
		s->path_size = 2 * len;
	}
	s->path[0] = '/';
	memcpy(s->path + 1, s->dir, s->dir_len);
	len = 1 + s->dir_len;
	if (s->dir_len)
		s->path[len++] = '/';
	memcpy(s->path + len, s->file, s->file_len);
	s->file = NULL;
	return fz_owners_entry(s->o, s->path, len + s->file_len, FZ_OWNERS_SHA1, sha1, s->err);
}

static int add_files(struct state *s, const char *p, const char *end)
{
	int ret = 0;

	s->dir = s->file = NULL;
	while (!ret && p < end) {
		const char *nl = memchr(p, '\n', end - p), *e = nl ? nl : end;

		if (e - p >= 2 && p[1] == ':') {
			if (*p == 'F') {
				s->dir = p + 2;
				s->dir_len = e - p - 2;
				s->file = NULL;
			} else if (*p == 'R' && s->dir) {
				s->file = p + 2;
				s->file_len = e - p - 2;
			} else if (*p == 'Z') {
				ret = add_file(s, p + 2, e - p - 2);
			}
		}
		p = e + 1;
	}
	return ret;
}

static bool field(char *to, size_t size, const char *s, const char *end, const char *key)
{
	size_t len = 0;
	const char *v;

	/* Fields' letters differ by case: A and a, which a control file's don't. */
	for (; s < end; s = v + 1) {
		v = memchr(s, '\n', end - s);
		v = v ? v : end;
		if (v - s > 2 && s[0] == key[0] && s[1] == ':') {
			len = v - s - 2;
			return fz_word_copy(to, size, s + 2, len);
		}
	}
	return false;
}

static int add_package(struct state *s, const char *p, const char *end)
{
	struct fz_package pkg = { 0 };
	int ret;

	if (!field(pkg.name, sizeof(pkg.name), p, end, "P") ||
	    !field(pkg.version, sizeof(pkg.version), p, end, "V") ||
	    !field(pkg.arch, sizeof(pkg.arch), p, end, "A")) {
		s->o->h->note(s->o->h->ctx, "lib/apk/db/installed", false,
			      "a package's name, version or architecture makes no sense");
		return 0;
	}
	if (!field(pkg.source, sizeof(pkg.source), p, end, "o"))
		strcpy(pkg.source, pkg.name);
	strcpy(pkg.source_version, pkg.version);
	ret = fz_owners_add(s->o, &pkg, s->err);
	return ret ? ret : add_files(s, p, end);
}

static int read_db(struct state *s, const struct fz_buffer *b)
{
	const char *p = (char *)b->p, *end = p + b->len, *next;
	int ret = 0;

	for (; !ret && p < end; p = next) {
		next = fz_control_end(p, end);
		ret = add_package(s, p, next);
		while (next < end && *next == '\n')
			next++;
	}
	return ret;
}

int fz_apkdb_read(struct fz_owners *o, struct fz_error *err)
{
	static const char *const places[] = { "lib/apk/db/installed", "usr/lib/apk/db/installed" };
	struct state s = { .o = o, .err = err };
	struct fz_buffer b = { 0 };
	int ret;

	ret = o->fs->read(o->fs, places[0], &b, DB_MAX, err);
	if (ret == -ENOENT)
		ret = o->fs->read(o->fs, places[1], &b, DB_MAX, err);
	ret = ret == -ENOENT ? 0 : ret ? ret : read_db(&s, &b);
	free(s.path);
	free(b.p);
	return ret;
}
