// SPDX-License-Identifier: GPL-2.0-only
/*
 * labels_file.c - the labels' file as a whole: is it ours, whole and unharmed?
 *
 * As hashdb_file.c: nothing is mapped before its digest agreed.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "labels_format.h"

_Static_assert(sizeof(FZ_LAB_MAGIC) == sizeof(((struct fz_db_trailer *)0)->magic), "magic");
_Static_assert(sizeof(struct fz_lab_source) == 64, "source layout");

const struct fz_db_table_def fz_lab_tables[FZ_LAB_TABLES] = {
	[FZ_LAB_SOURCES]    = { "sources", MDB_INTEGERKEY },
	[FZ_LAB_ADVISORIES] = { "advisories", 0 },
	[FZ_LAB_HASHES]	    = { "hashes", 0 },
};

static int check_content(int fd, uint64_t size, struct fz_labels_info *info, const char *path,
			 struct fz_error *err)
{
	uint8_t block[FZ_DB_BLOCK], digest[16];
	struct fz_db_trailer t = { .magic = "" };
	int ret;

	if (size >= 3 * FZ_DB_BLOCK && size % FZ_DB_BLOCK == 0 &&
	    pread(fd, block, sizeof(block), size - FZ_DB_BLOCK) == sizeof(block))
		memcpy(&t, block, sizeof(t));
	if (memcmp(t.magic, FZ_LAB_MAGIC, sizeof(t.magic)) || t.bytes != size - FZ_DB_BLOCK)
		return fz_fail(err, -EBADMSG, "%s is no file of labels, or cut short; import with "
			       "'fitzroy db cve' into another", path);
	if (t.schema != FZ_LAB_SCHEMA)
		return fz_fail(err, -EINVAL, "%s has schema %u, this fitzroy knows %d; remove it and "
			       "import with 'fitzroy db cve' again", path, t.schema, FZ_LAB_SCHEMA);
	ret = fz_db_digest(fd, &t, digest, path, err);
	if (ret)
		return ret;
	if (memcmp(digest, t.digest, sizeof(digest)))
		return fz_lab_broken(err, path, "its digest is wrong");
	info->schema = t.schema;
	info->bytes = size;
	memcpy(info->digest, t.digest, sizeof(digest));
	return 0;
}

static int open_verified(const char *path, struct stat *st, struct fz_labels_info *info,
			 struct fz_error *err)
{
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return fz_fail(err, -ENOENT,
			       "there are no labels at %s; import some with 'fitzroy db cve'", path);
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

/* LMDB opens by name; a new file may have been renamed there. 1 = same file, 0 = another. */
static int open_env(struct fz_labels *l, const struct stat *verified, struct fz_error *err)
{
	struct stat st;
	int fd, rc;

	rc = mdb_env_create(&l->env);
	if (!rc)
		rc = mdb_env_set_maxdbs(l->env, FZ_LAB_TABLES);
	if (!rc)
		rc = mdb_env_set_mapsize(l->env, verified->st_size);
	if (!rc)
		rc = mdb_env_open(l->env, l->path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0);
	if (!rc)
		rc = mdb_env_get_fd(l->env, &fd);
	if (rc)
		return fz_lab_mdb(err, l->path, rc);
	if (fstat(fd, &st))
		return fz_fail(err, -errno, "%s: %s", l->path, strerror(errno));
	return st.st_dev == verified->st_dev && st.st_ino == verified->st_ino;
}

int fz_lab_get_source(const char *path, const MDB_val *key, const MDB_val *val,
		      struct fz_labels_source *s, struct fz_error *err)
{
	struct fz_lab_source rec;
	const char *name, *end, *format;

	if (key->mv_size != sizeof(s->id) || val->mv_size < sizeof(rec) + 2)
		return fz_lab_broken(err, path, "a source");
	memcpy(&rec, val->mv_data, sizeof(rec));
	name = (const char *)val->mv_data + sizeof(rec);
	end = (const char *)val->mv_data + val->mv_size;
	format = memchr(name, '\0', end - name);
	if (!format || !memchr(format + 1, '\0', end - format - 1) ||
	    format + strlen(format + 1) + 2 != end)
		return fz_lab_broken(err, path, "a source's name");
	*s = (struct fz_labels_source){ .name = strdup(name), .format = strdup(format + 1),
		.dated = rec.dated, .advisories = rec.advisories, .hashes = rec.hashes,
		.skipped = rec.skipped };
	memcpy(&s->id, key->mv_data, sizeof(s->id));
	memcpy(s->digest, rec.digest, sizeof(s->digest));
	if (s->name && s->format)
		return 0;
	free(s->name);
	free(s->format);
	return fz_fail(err, -ENOMEM, "out of memory");
}

static int by_name(const void *a, const void *b)
{
	const struct fz_labels_source *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int load_sources(struct fz_labels *l, struct fz_error *err)
{
	MDB_val key, val;
	MDB_cursor *c;
	size_t cap = 0;
	int rc, ret = 0;

	rc = mdb_cursor_open(l->txn, l->dbi[FZ_LAB_SOURCES], &c);
	if (rc)
		return fz_lab_mdb(err, l->path, rc);
	while (!ret && !(rc = mdb_cursor_get(c, &key, &val, MDB_NEXT))) {
		if (FZ_GROW(l->sources, l->info.nsources, cap))
			ret = fz_fail(err, -ENOMEM, "out of memory");
		else
			ret = fz_lab_get_source(l->path, &key, &val,
						&l->sources[l->info.nsources], err);
		if (!ret) {
			l->info.advisories += l->sources[l->info.nsources].advisories;
			l->info.hashes += l->sources[l->info.nsources].hashes;
			l->info.nsources++;
		}
	}
	mdb_cursor_close(c);
	if (!ret && rc != MDB_NOTFOUND)
		ret = fz_lab_mdb(err, l->path, rc);
	if (l->info.nsources)
		qsort(l->sources, l->info.nsources, sizeof(*l->sources), by_name);
	return ret;
}

static int open_tables(struct fz_labels *l, struct fz_error *err)
{
	int i, rc;

	rc = mdb_txn_begin(l->env, NULL, MDB_RDONLY, &l->txn);
	for (i = 0; !rc && i < FZ_LAB_TABLES; i++)
		rc = mdb_dbi_open(l->txn, fz_lab_tables[i].name, 0, &l->dbi[i]);
	return rc ? fz_lab_mdb(err, l->path, rc) : load_sources(l, err);
}

int fz_labels_open(struct fz_labels **out, const char *path, struct fz_error *err)
{
	struct fz_labels *l = calloc(1, sizeof(*l));
	struct stat st;
	int fd, ret;

	if (l)
		l->path = strdup(path);
	if (!l || !l->path) {
		free(l);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	do {
		if (l->env)
			mdb_env_close(l->env);
		l->env = NULL;
		fd = open_verified(path, &st, &l->info, err);
		ret = fd;
		if (fd < 0)
			break;
		ret = open_env(l, &st, err);
		close(fd);	/* only now: an open file keeps its inode number */
	} while (!ret);
	if (ret > 0)
		ret = open_tables(l, err);
	if (ret < 0) {
		fz_labels_close(l);
		return ret;
	}
	*out = l;
	return 0;
}

static void free_labels(struct fz_label *labels, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(labels[i].id);
		free(labels[i].fixed);
		free(labels[i].release);
		free(labels[i].note);
	}
	free(labels);
}

void fz_labels_close(struct fz_labels *l)
{
	size_t i;

	if (!l)
		return;
	if (l->txn)
		mdb_txn_abort(l->txn);
	if (l->env)
		mdb_env_close(l->env);
	for (i = 0; i < l->info.nsources; i++) {
		free(l->sources[i].name);
		free(l->sources[i].format);
	}
	for (i = 0; i < l->njudged; i++) {
		free(l->judged[i].key);
		free_labels(l->judged[i].labels, l->judged[i].n);
	}
	for (i = 0; i < l->ncontents; i++)
		free_labels(l->contents[i].labels, l->contents[i].n);
	free(l->judged);
	free(l->contents);
	free(l->by_package.slot);
	free(l->by_sha.slot);
	free(l->sources);
	free(l->distro);
	free(l->release);
	free(l->path);
	free(l);
}

char *fz_labels_beside(const char *known)
{
	char *copy = strdup(known), *path = NULL;

	if (copy && asprintf(&path, "%s/%s", dirname(copy), FZ_LABELS_NAME) < 0)
		path = NULL;
	free(copy);
	return path;
}

int fz_lab_seal(int fd, const char *path, struct fz_error *err)
{
	struct fz_db_trailer t = { .magic = FZ_LAB_MAGIC, .schema = FZ_LAB_SCHEMA };
	uint8_t block[FZ_DB_BLOCK] = { 0 };
	struct stat st;
	ssize_t n;
	int ret;

	if (fstat(fd, &st))
		return fz_fail(err, -errno, "%s: %s", path, strerror(errno));
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
