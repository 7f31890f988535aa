// SPDX-License-Identifier: GPL-2.0-only
/*
 * rpmdb.c - what rpm knows of an installed root
 *
 * The SQLite database of rpm 4.16 and later: a table of headers. SQLite reads it in
 * memory, from a copy: the root may be in an archive, and is not to be written to.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "owners_priv.h"
#include "rpmheader.h"

#define DB_MAX		(1UL << 30)
#define SQLITE_MAGIC	"SQLite format 3"
#define PATH_BYTES	4096

/* By OpenPGP's number. */
static enum fz_owners_algo algo_of(uint32_t n)
{
	static const uint8_t algos[] = { [1] = FZ_OWNERS_MD5, [2] = FZ_OWNERS_SHA1,
					 [8] = FZ_OWNERS_SHA256, [9] = FZ_OWNERS_SHA384,
					 [10] = FZ_OWNERS_SHA512, [11] = FZ_OWNERS_SHA224 };

	return n < sizeof(algos) ? algos[n] : FZ_OWNERS_UNSURE;
}

/* Hex of which as many bytes are kept as an entry has. */
static bool parse_digest(const char *hex, enum fz_owners_algo algo, uint8_t *digest)
{
	static const uint8_t whole[FZ_OWNERS_ALGOS] = { 0, 16, 20, 28, 32, 48, 64 };
	uint8_t all[64];

	if (!fz_hex(hex, all, whole[algo]))
		return false;
	memcpy(digest, all, fz_owners_digest_len(algo));
	return true;
}

static int add_files(struct fz_owners *o, const struct fz_rpmheader *h, struct fz_error *err)
{
	struct fz_rpmstrings names = fz_rpm_strings(h, FZ_RPM_BASENAMES);
	struct fz_rpmstrings digests = fz_rpm_strings(h, FZ_RPM_FILEDIGESTS);
	struct fz_rpmstrings list = fz_rpm_strings(h, FZ_RPM_DIRNAMES);
	uint32_t ndirs = list.left, i, dir, number = 1;
	uint8_t digest[FZ_OWNERS_DIGEST];
	const char **dirs, *name, *hex;
	enum fz_owners_algo algo;
	char path[PATH_BYTES];
	int ret = 0, len;

	fz_rpm_u32(h, FZ_RPM_FILEDIGESTALGO, 0, &number);
	algo = algo_of(number);
	if (!algo || !ndirs || (size_t)(list.end - list.s) < ndirs)
		return 0;
	dirs = calloc(ndirs, sizeof(*dirs));
	if (!dirs)
		return fz_fail(err, -ENOMEM, "out of memory");
	for (i = 0; i < ndirs; i++)
		dirs[i] = fz_rpm_next(&list);
	for (i = 0; !ret && (name = fz_rpm_next(&names)) && (hex = fz_rpm_next(&digests)); i++) {
		/* A directory, a link or a ghost has "". */
		if (!fz_rpm_u32(h, FZ_RPM_DIRINDEXES, i, &dir) || dir >= ndirs || !dirs[dir] ||
		    !parse_digest(hex, algo, digest))
			continue;
		len = snprintf(path, sizeof(path), "%s%s", dirs[dir], name);
		if (len < (int)sizeof(path))
			ret = fz_owners_entry(o, path, len, algo, digest, err);
	}
	free(dirs);
	return ret;
}

static int add_package(struct fz_owners *o, const void *blob, size_t size, struct fz_error *err)
{
	struct fz_rpmheader h;
	struct fz_package p;
	struct fz_error why;
	int ret;

	ret = fz_rpmheader_parse(&h, blob, size, &why);
	if (!ret)
		ret = fz_rpm_package(&h, &p, &why);
	if (ret) {
		o->h->note(o->h->ctx, "rpm's database", false, why.text);
		return 0;
	}
	ret = fz_owners_add(o, &p, err);
	return ret ? ret : add_files(o, &h, err);
}

static int read_rows(struct fz_owners *o, sqlite3 *db, struct fz_error *err)
{
	sqlite3_stmt *st = NULL;
	int rc, ret = 0;

	rc = sqlite3_prepare_v2(db, "SELECT blob FROM Packages ORDER BY hnum", -1, &st, NULL);
	while (rc == SQLITE_OK && !ret) {
		rc = sqlite3_step(st);
		if (rc != SQLITE_ROW)
			break;
		rc = SQLITE_OK;
		if (sqlite3_column_type(st, 0) == SQLITE_BLOB)
			ret = add_package(o, sqlite3_column_blob(st, 0),
					  sqlite3_column_bytes(st, 0), err);
	}
	if (!ret && rc != SQLITE_DONE)
		ret = fz_fail(err, -EINVAL, "rpm's database cannot be read: %s", sqlite3_errmsg(db));
	sqlite3_finalize(st);
	return ret;
}

static int read_db(struct fz_owners *o, struct fz_buffer *b, struct fz_error *err)
{
	sqlite3 *db = NULL;
	int ret;

	if (b->len < 100 || memcmp(b->p, SQLITE_MAGIC, sizeof(SQLITE_MAGIC)))
		return fz_fail(err, -EINVAL, "rpm's database is no SQLite database");
	/* Of a write-ahead log nothing is known here; without one, this is how it reads. */
	b->p[18] = b->p[19] = 1;
	if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
	    sqlite3_deserialize(db, "main", b->p, b->len, b->len, SQLITE_DESERIALIZE_READONLY)) {
		sqlite3_close(db);
		return fz_fail(err, -ENOMEM, "rpm's database cannot be opened");
	}
	/* It is hostile: no triggers, views or functions of its own. */
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, FZ_RPM_HEADER_MAX);
	ret = read_rows(o, db, err);
	sqlite3_close(db);
	return ret;
}

int fz_rpmdb_read(struct fz_owners *o, struct fz_error *err)
{
	static const char *const places[] = { "usr/lib/sysimage/rpm", "var/lib/rpm" };
	static const char *const older[] = { "Packages", "Packages.db" };
	struct fz_buffer b = { 0 }, wal = { 0 };
	char path[64];
	size_t i, j;
	int ret = -ENOENT;

	for (i = 0; i < 2 && ret == -ENOENT; i++) {
		snprintf(path, sizeof(path), "%s/rpmdb.sqlite", places[i]);
		ret = o->fs->read(o->fs, path, &b, DB_MAX, err);
	}
	if (!ret) {
		ret = read_db(o, &b, err);
		snprintf(path, sizeof(path), "%s/rpmdb.sqlite-wal", places[i - 1]);
		/* Files that it would vouch for come without a package, never with a wrong one. */
		if (!ret && o->fs->read(o->fs, path, &wal, DB_MAX, NULL) != -ENOENT && wal.len)
			o->h->note(o->h->ctx, path, false,
				   "changes that rpm had not yet merged are not read");
		free(b.p);
		free(wal.p);
		return ret;
	}
	free(b.p);
	for (i = 0; i < 4 && ret == -ENOENT; i++) {
		j = i % 2;
		snprintf(path, sizeof(path), "%s/%s", places[i / 2], older[j]);
		b = (struct fz_buffer) { 0 };
		if (o->fs->read(o->fs, path, &b, 1, NULL) != -ENOENT)
			o->h->note(o->h->ctx, path, false,
				   "a database of rpm before 4.16 is not read; files come without packages");
		free(b.p);
	}
	return ret == -ENOENT ? 0 : ret;
}
