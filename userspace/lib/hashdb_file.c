// SPDX-License-Identifier: GPL-2.0-only
/*
 * hashdb_file.c - the database file as a whole: is it ours, whole and unharmed?
 *
 * LMDB trusts its file: it follows what is in there, and a page past the end is
 * a SIGBUS. So nothing is mapped before all of it was read and its digest agreed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "hashdb_format.h"

#define READ_BYTES	(1 << 20)
#define LMDB_MAGIC	0xBEEFC0DEU	/* mm_magic of the first meta page */
#define LMDB_MAGIC_AT	16

_Static_assert(sizeof(struct fz_db_trailer) == 48, "trailer layout");
_Static_assert(sizeof(struct fz_db_page) == 32, "page layout");
_Static_assert(sizeof(struct fz_db_segment) == 24, "segment layout");
_Static_assert(sizeof(struct fz_db_file) == 64, "file layout");
_Static_assert(sizeof(struct fz_db_anchor) == 16, "anchor layout");
_Static_assert(sizeof(struct fz_db_extra) == 12, "layout of an extra's key");
_Static_assert(FZ_DB_SEGMENTS <= UINT8_MAX, "number of segments");
_Static_assert(sizeof(struct fz_db_key) == 17, "key layout");

const struct fz_db_table_def fz_db_tables[FZ_DB_TABLES] = {
	[FZ_DB_PAGES]	 = { "pages", MDB_INTEGERKEY | MDB_DUPSORT | MDB_DUPFIXED },
	[FZ_DB_FILES]	 = { "files", MDB_INTEGERKEY },
	[FZ_DB_PACKAGES] = { "packages", MDB_INTEGERKEY },
	[FZ_DB_SKETCHES] = { "sketches", MDB_INTEGERKEY },
	[FZ_DB_IDENTS]	 = { "idents", 0 },
	[FZ_DB_EXTRAS]	 = { "extras", 0 },
	[FZ_DB_ANCHORS]	 = { "anchors", MDB_INTEGERKEY | MDB_DUPSORT | MDB_DUPFIXED },
};

int fz_db_mdb(struct fz_error *err, const char *path, int rc)
{
	if (rc > 0)
		return fz_fail(err, -rc, "%s: %s", path, strerror(rc));
	return fz_fail(err, -EBADMSG, "%s is damaged (%s); build it anew with 'fitzroy db add'",
		       path, mdb_strerror(rc));
}

int fz_db_broken(struct fz_error *err, const char *path, const char *what, unsigned long long id)
{
	return fz_fail(err, -EBADMSG,
		       "%s is damaged (%s, %llu); build it anew with 'fitzroy db add'", path, what, id);
}

static ssize_t read_at(int fd, void *buf, size_t len, uint64_t pos)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = pread(fd, (char *)buf + got, len - got, pos + got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += n;
	}
	return got;
}

int fz_db_digest(int fd, const struct fz_db_trailer *trailer, uint8_t digest[16],
		 const char *path, struct fz_error *err)
{
	XXH3_state_t *state = XXH3_createState();
	uint8_t *buf = malloc(READ_BYTES);
	XXH128_canonical_t out;
	uint64_t pos = 0;
	ssize_t n;
	int ret;

	ret = fz_fail(err, -ENOMEM, "out of memory");
	if (!state || !buf)
		goto out;
	XXH3_128bits_reset(state);
	while (pos < trailer->bytes) {
		size_t want = READ_BYTES;

		if (want > trailer->bytes - pos)
			want = trailer->bytes - pos;
		n = read_at(fd, buf, want, pos);
		if (n < 0 || (size_t)n != want) {
			ret = n < 0 ? n : -EIO;
			fz_fail(err, ret, "%s cannot be read: %s", path, strerror(-ret));
			goto out;
		}
		XXH3_128bits_update(state, buf, n);
		pos += n;
	}
	XXH3_128bits_update(state, trailer, offsetof(struct fz_db_trailer, digest));
	XXH128_canonicalFromHash(&out, XXH3_128bits_digest(state));
	memcpy(digest, out.digest, 16);
	ret = 0;
out:
	XXH3_freeState(state);
	free(buf);
	return ret;
}

int fz_db_check_owner(const struct stat *st, const char *path, struct fz_error *err)
{
	if (st->st_uid && st->st_uid != geteuid())
		return fz_fail(err, -EPERM,
			       "%s belongs to user %u, who could make it say anything; chown or copy it",
			       path, st->st_uid);
	if (st->st_mode & 0022)
		return fz_fail(err, -EPERM, "%s may write %s and make it say anything; chmod go-w it",
			       st->st_mode & 0002 ? "anyone" : "its group", path);
	return 0;
}

static int check_content(int fd, uint64_t size, struct fz_hashdb_info *info, const char *path,
			 struct fz_error *err)
{
	uint8_t block[FZ_DB_BLOCK], head[LMDB_MAGIC_AT + 4], digest[16];
	struct fz_db_trailer t;
	uint32_t magic = 0;
	int ret;

	if (read_at(fd, head, sizeof(head), 0) == sizeof(head))
		memcpy(&magic, head + LMDB_MAGIC_AT, 4);
	if (magic != LMDB_MAGIC)
		return fz_fail(err, -EINVAL, "%s is not a database of known binaries", path);
	if (size < 3 * FZ_DB_BLOCK || size % FZ_DB_BLOCK ||
	    read_at(fd, block, sizeof(block), size - FZ_DB_BLOCK) != sizeof(block))
		goto cut;
	memcpy(&t, block, sizeof(t));
	if (memcmp(t.magic, FZ_DB_MAGIC, sizeof(t.magic)))
		goto cut;
	if (t.schema != FZ_DB_SCHEMA)
		return fz_fail(err, -EINVAL,
			       "%s has schema %u, this fitzroy knows %d; build it anew with 'fitzroy db add'",
			       path, t.schema, FZ_DB_SCHEMA);
	if (t.bytes != size - FZ_DB_BLOCK)
		goto cut;
	ret = fz_db_digest(fd, &t, digest, path, err);
	if (ret)
		return ret;
	if (memcmp(digest, t.digest, sizeof(digest)))
		return fz_fail(err, -EBADMSG,
			       "%s is damaged (its digest is wrong); build it anew with 'fitzroy db add'",
			       path);
	info->schema = t.schema;
	info->bytes = size;
	memcpy(info->digest, t.digest, sizeof(digest));
	return 0;
cut:
	return fz_fail(err, -EBADMSG,
		       "%s is cut short, damaged or another program's; build it anew with 'fitzroy db add'",
		       path);
}

/* Open @path and verify it. Return a file descriptor. */
static int open_verified(const char *path, struct stat *st, struct fz_hashdb_info *info,
			 struct fz_error *err)
{
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return fz_fail(err, -ENOENT,
			       "there is no database at %s; make one with 'fitzroy db add'", path);
	if (fd < 0)
		return fz_fail(err, -errno, "%s cannot be opened: %s", path, strerror(errno));
	if (fstat(fd, st))
		ret = fz_fail(err, -errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st->st_mode))
		ret = fz_fail(err, -EINVAL, "%s is not a file", path);
	else
		ret = fz_db_check_owner(st, path, err);
	if (!ret)
		ret = check_content(fd, st->st_size, info, path, err);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* How many records has @table, whose keys are 1, 2, 3...? */
static int count_ids(struct fz_hashdb *db, enum fz_db_table table, uint32_t *n,
		     struct fz_error *err)
{
	MDB_stat st;
	int rc = mdb_stat(db->txn, db->dbi[table], &st);

	if (rc)
		return fz_db_mdb(err, db->path, rc);
	if (st.ms_entries >= UINT32_MAX)
		return fz_db_broken(err, db->path, fz_db_tables[table].name, st.ms_entries);
	*n = st.ms_entries;
	return 0;
}

static int open_tables(struct fz_hashdb *db, struct fz_error *err)
{
	const char *s[FZ_DB_STRINGS];
	MDB_stat st;
	uint32_t id;
	int i, rc;

	rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &db->txn);
	for (i = 0; !rc && i < FZ_DB_TABLES; i++)
		rc = mdb_dbi_open(db->txn, fz_db_tables[i].name, 0, &db->dbi[i]);
	if (!rc)
		rc = mdb_cursor_open(db->txn, db->dbi[FZ_DB_PAGES], &db->pages);
	if (!rc)
		rc = mdb_cursor_open(db->txn, db->dbi[FZ_DB_ANCHORS], &db->anchors);
	if (!rc)
		rc = mdb_stat(db->txn, db->dbi[FZ_DB_PAGES], &st);
	if (rc)
		return fz_db_mdb(err, db->path, rc);
	db->info.pages = st.ms_entries;
	rc = count_ids(db, FZ_DB_FILES, &db->info.files, err);
	if (!rc)
		rc = count_ids(db, FZ_DB_PACKAGES, &db->packages, err);
	for (id = 1; !rc && id <= db->packages; id++) {
		rc = fz_db_get_package(db, id, s, err);
		if (!rc)
			db->info.packages += *s[0] != '\0';
	}
	return rc;
}

/* LMDB opens by name; a new file may have been renamed there. 1 = same file, 0 = another. */
static int open_env(struct fz_hashdb *db, const struct stat *verified, struct fz_error *err)
{
	struct stat st;
	int fd, rc;

	rc = mdb_env_create(&db->env);
	if (!rc)
		rc = mdb_env_set_maxdbs(db->env, FZ_DB_TABLES);
	if (!rc)
		rc = mdb_env_set_mapsize(db->env, verified->st_size);
	if (!rc)
		rc = mdb_env_open(db->env, db->path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0);
	if (!rc)
		rc = mdb_env_get_fd(db->env, &fd);
	if (rc)
		return fz_db_mdb(err, db->path, rc);
	if (fstat(fd, &st))
		return fz_fail(err, -errno, "%s: %s", db->path, strerror(errno));
	return st.st_dev == verified->st_dev && st.st_ino == verified->st_ino;
}

int fz_hashdb_open(struct fz_hashdb **out, const char *path, struct fz_error *err)
{
	struct fz_hashdb *db = calloc(1, sizeof(*db));
	struct stat st;
	int fd, ret;

	if (db)
		db->path = strdup(path);
	if (!db || !db->path) {
		free(db);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	do {
		if (db->env)
			mdb_env_close(db->env);
		db->env = NULL;
		fd = open_verified(path, &st, &db->info, err);
		ret = fd;
		if (fd < 0)
			break;
		ret = open_env(db, &st, err);
		close(fd);	/* only now: an open file keeps its inode number */
	} while (!ret);
	if (ret > 0)
		ret = open_tables(db, err);
	if (ret < 0) {
		fz_hashdb_close(db);
		return ret;
	}
	*out = db;
	return 0;
}

void fz_hashdb_close(struct fz_hashdb *db)
{
	if (!db)
		return;
	if (db->pages)
		mdb_cursor_close(db->pages);
	if (db->anchors)
		mdb_cursor_close(db->anchors);
	if (db->txn)
		mdb_txn_abort(db->txn);
	if (db->env)
		mdb_env_close(db->env);
	free(db->path);
	fz_unpacked_free(&db->contents);
	free(db->maybe);
	free(db);
}

void fz_hashdb_info(struct fz_hashdb *db, struct fz_hashdb_info *info)
{
	*info = db->info;
}

int fz_db_seal(int fd, const char *path, struct fz_error *err)
{
	uint8_t block[FZ_DB_BLOCK] = { 0 };
	struct fz_db_trailer t = { .schema = FZ_DB_SCHEMA };
	struct stat st;
	ssize_t n;
	int ret;

	if (fstat(fd, &st))
		return fz_fail(err, -errno, "%s: %s", path, strerror(errno));
	memcpy(t.magic, FZ_DB_MAGIC, sizeof(t.magic));
	t.bytes = st.st_size;
	ret = fz_db_digest(fd, &t, t.digest, path, err);
	if (ret)
		return ret;
	memcpy(block, &t, sizeof(t));
	n = pwrite(fd, block, sizeof(block), t.bytes);
	if (n != sizeof(block))
		return fz_fail(err, n < 0 ? -errno : -ENOSPC, "%s cannot be written: %s", path,
			       strerror(n < 0 ? errno : ENOSPC));
	return 0;
}
