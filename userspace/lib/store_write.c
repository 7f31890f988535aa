// SPDX-License-Identifier: GPL-2.0-only
/*
 * store_write.c - writing a store beside the old one, and putting it in its place
 *
 * All tables are written in key order (MDB_APPEND): LMDB then fills its pages to
 * the brim, where random inserts would leave a third of each empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store.h"

#define TXN_BYTES	(32UL << 20)	/* bounds LMDB's memory; nobody sees the file yet */
#define MAP_SLACK	(64UL << 20)

static int system_error(struct fz_error *err, const char *path, const char *what)
{
	return fz_fail(err, -errno, "%s cannot be %s: %s", path, what, strerror(errno));
}

int fz_store_put(struct fz_store_writer *w, unsigned int table, const MDB_val *key,
		 const MDB_val *val, struct fz_error *err)
{
	bool dups = w->kind->tables[table].flags & MDB_DUPSORT;
	MDB_val k = *key, v = *val;
	int rc = 0;

	w->bytes += k.mv_size + v.mv_size;
	if (w->bytes > TXN_BYTES) {
		w->bytes = 0;
		rc = mdb_txn_commit(w->txn);
		w->txn = NULL;
		if (!rc)
			rc = mdb_txn_begin(w->env, NULL, 0, &w->txn);
	}
	if (!rc)
		rc = mdb_put(w->txn, w->dbi[table], &k, &v, dups ? MDB_APPENDDUP : MDB_APPEND);
	return rc ? fz_store_mdb(w->kind, w->temp, rc, err) : 0;
}

static int write_env(struct fz_store_writer *w, size_t bytes, fz_store_fill *fill, void *arg,
		     struct fz_error *err)
{
	unsigned int i;
	int rc, ret;

	rc = mdb_env_create(&w->env);
	if (rc)
		return fz_store_mdb(w->kind, w->temp, rc, err);
	w->bytes = 0;
	rc = mdb_env_set_maxdbs(w->env, w->kind->ntables);
	if (!rc)
		rc = mdb_env_set_mapsize(w->env, (2 * bytes + MAP_SLACK) & ~(FZ_STORE_BLOCK - 1UL));
	if (!rc)
		rc = mdb_env_open(w->env, w->temp, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0644);
	if (!rc)
		rc = mdb_txn_begin(w->env, NULL, 0, &w->txn);
	for (i = 0; !rc && i < w->kind->ntables; i++)
		rc = mdb_dbi_open(w->txn, w->kind->tables[i].name,
				  MDB_CREATE | w->kind->tables[i].flags, &w->dbi[i]);
	ret = rc ? fz_store_mdb(w->kind, w->temp, rc, err) : fill(arg, err);
	if (!ret) {
		rc = mdb_txn_commit(w->txn);
		w->txn = NULL;
		ret = rc ? fz_store_mdb(w->kind, w->temp, rc, err) : 0;
	}
	if (w->txn)
		mdb_txn_abort(w->txn);
	w->txn = NULL;
	mdb_env_close(w->env);
	w->env = NULL;
	return ret;
}

/* Write and seal the new file at w->temp, on disk when this returns. */
static int write_temp(struct fz_store_writer *w, size_t bytes, fz_store_fill *fill, void *arg,
		      struct fz_error *err)
{
	int fd, ret;

	/* A writer that died left one. The lock is ours, so it is nobody's. */
	if (unlink(w->temp) && errno != ENOENT)
		return system_error(err, w->temp, "removed");
	fd = open(w->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return system_error(err, w->temp, "created");
	ret = write_env(w, bytes, fill, arg, err);
	if (!ret)
		ret = fz_store_seal(w->kind, fd, w->temp, err);
	if (!ret && fsync(fd))
		ret = system_error(err, w->temp, "written");
	close(fd);
	return ret;
}

int fz_store_publish(struct fz_store_writer *w, size_t bytes, fz_store_fill *fill, void *arg,
		     struct fz_error *err)
{
	int ret = write_temp(w, bytes, fill, arg, err);

	if (!ret && rename(w->temp, w->path))
		ret = system_error(err, w->path, "replaced");
	if (ret)
		unlink(w->temp);
	else if (fsync(w->dirfd))
		ret = system_error(err, w->dir, "written");
	return ret;
}

static int make_directory(const char *dir, struct fz_error *err)
{
	char path[PATH_MAX], *p;

	if (strlen(dir) >= sizeof(path))
		return fz_fail(err, -ENAMETOOLONG, "%s is too long a path", dir);
	strcpy(path, dir);
	for (p = path + 1; ; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return system_error(err, path, "created");
		*p = c;
		if (!c)
			return 0;
	}
}

static int set_paths(struct fz_store_writer *w, const char *path)
{
	char *copy;

	w->path = realpath(path, NULL);	/* or rename() would replace a symbolic link */
	if (!w->path)
		w->path = strdup(path);
	copy = w->path ? strdup(w->path) : NULL;
	w->dir = copy ? strdup(dirname(copy)) : NULL;
	free(copy);
	if (w->dir && asprintf(&w->temp, "%s.new", w->path) >= 0)
		return 0;
	w->temp = NULL;
	return -ENOMEM;
}

static int lock(struct fz_store_writer *w, struct fz_error *err)
{
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dirfd < 0)
		return system_error(err, w->dir, "opened");
	if (!flock(w->dirfd, LOCK_EX | LOCK_NB))
		return 0;
	if (errno != EWOULDBLOCK)
		return system_error(err, w->dir, "locked");
	return fz_fail(err, -EBUSY,
		       "%s is being written to by another process; try again when it is done", w->dir);
}

int fz_store_write_open(struct fz_store_writer *w, const struct fz_store_kind *kind,
			const char *path, struct fz_error *err)
{
	int ret;

	*w = (struct fz_store_writer){ .kind = kind, .dirfd = -1 };
	if (set_paths(w, path))
		return fz_fail(err, -ENOMEM, "out of memory");
	ret = make_directory(w->dir, err);
	return ret ? ret : lock(w, err);
}

void fz_store_write_close(struct fz_store_writer *w)
{
	if (w->kind && w->dirfd >= 0)
		close(w->dirfd);
	free(w->path);
	free(w->temp);
	free(w->dir);
	*w = (struct fz_store_writer){ 0 };
}
