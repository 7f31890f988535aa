// SPDX-License-Identifier: GPL-2.0-only
/*
 * store.c - a store as a whole: is it ours, whole and unharmed?
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
#include "store.h"

#define READ_BYTES	(1 << 20)
#define LMDB_MAGIC	0xBEEFC0DEU	/* mm_magic of the first meta page */
#define LMDB_MAGIC_AT	16

_Static_assert(sizeof(struct fz_store_trailer) == 48, "trailer layout");

int fz_store_broken(const struct fz_store_kind *kind, const char *path, const char *what,
		    struct fz_error *err)
{
	return fz_fail(err, -EBADMSG, "%s is damaged (%s); %s", path, what, kind->remake);
}

int fz_store_mdb(const struct fz_store_kind *kind, const char *path, int rc,
		 struct fz_error *err)
{
	if (rc > 0)
		return fz_fail(err, -rc, "%s: %s", path, strerror(rc));
	return fz_store_broken(kind, path, mdb_strerror(rc), err);
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

/* Digest the first @trailer->bytes of @fd, and @trailer's other fields. */
static int digest_file(int fd, const struct fz_store_trailer *trailer, uint8_t digest[16],
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
	XXH3_128bits_update(state, trailer, offsetof(struct fz_store_trailer, digest));
	XXH128_canonicalFromHash(&out, XXH3_128bits_digest(state));
	memcpy(digest, out.digest, 16);
	ret = 0;
out:
	XXH3_freeState(state);
	free(buf);
	return ret;
}

/* Could others than root and the caller have written it? */
static int check_owner(const struct stat *st, const char *path, struct fz_error *err)
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

static int check_content(struct fz_store *s, int fd, uint64_t size, struct fz_error *err)
{
	const struct fz_store_kind *kind = s->kind;
	uint8_t block[FZ_STORE_BLOCK], head[LMDB_MAGIC_AT + 4];
	struct fz_store_trailer t;
	uint32_t magic = 0;
	int ret;

	if (read_at(fd, head, sizeof(head), 0) == sizeof(head))
		memcpy(&magic, head + LMDB_MAGIC_AT, 4);
	if (magic != LMDB_MAGIC)
		return fz_fail(err, -EINVAL, "%s is not %s", s->path, kind->what);
	if (size < 3 * FZ_STORE_BLOCK || size % FZ_STORE_BLOCK ||
	    read_at(fd, block, sizeof(block), size - FZ_STORE_BLOCK) != sizeof(block))
		goto cut;
	memcpy(&t, block, sizeof(t));
	if (memcmp(t.magic, kind->magic, sizeof(t.magic)))
		goto cut;
	if (t.schema != kind->schema)
		return fz_fail(err, -EINVAL, "%s has schema %u, this fitzroy knows %u; %s", s->path,
			       t.schema, kind->schema, kind->remake);
	if (t.bytes != size - FZ_STORE_BLOCK)
		goto cut;
	ret = digest_file(fd, &t, s->digest, s->path, err);
	if (ret)
		return ret;
	if (memcmp(s->digest, t.digest, sizeof(t.digest)))
		return fz_store_broken(kind, s->path, "its digest is wrong", err);
	s->bytes = size;
	return 0;
cut:
	return fz_fail(err, -EBADMSG, "%s is cut short, damaged or another program's; %s", s->path,
		       kind->remake);
}

/* Open the file and verify it. Return a file descriptor. */
static int open_verified(struct fz_store *s, struct stat *st, struct fz_error *err)
{
	int fd, ret;

	fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return fz_fail(err, -ENOENT, "%s at %s; %s", s->kind->none, s->path,
			       s->kind->make);
	if (fd < 0)
		return fz_fail(err, -errno, "%s cannot be opened: %s", s->path, strerror(errno));
	if (fstat(fd, st))
		ret = fz_fail(err, -errno, "%s: %s", s->path, strerror(errno));
	else if (!S_ISREG(st->st_mode))
		ret = fz_fail(err, -EINVAL, "%s is not a file", s->path);
	else
		ret = check_owner(st, s->path, err);
	if (!ret)
		ret = check_content(s, fd, st->st_size, err);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* LMDB opens by name; a new file may have been renamed there. 1 = same file, 0 = another. */
static int open_env(struct fz_store *s, const struct stat *verified, struct fz_error *err)
{
	struct stat st;
	int fd, rc;

	rc = mdb_env_create(&s->env);
	if (!rc)
		rc = mdb_env_set_maxdbs(s->env, s->kind->ntables);
	if (!rc)
		rc = mdb_env_set_mapsize(s->env, verified->st_size);
	if (!rc)
		rc = mdb_env_open(s->env, s->path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0);
	if (!rc)
		rc = mdb_env_get_fd(s->env, &fd);
	if (rc)
		return fz_store_mdb(s->kind, s->path, rc, err);
	if (fstat(fd, &st))
		return fz_fail(err, -errno, "%s: %s", s->path, strerror(errno));
	return st.st_dev == verified->st_dev && st.st_ino == verified->st_ino;
}

int fz_store_open(struct fz_store *s, const struct fz_store_kind *kind, const char *path,
		  struct fz_error *err)
{
	unsigned int i;
	struct stat st;
	int fd, rc, ret;

	*s = (struct fz_store){ .kind = kind, .path = strdup(path) };
	if (!s->path)
		return fz_fail(err, -ENOMEM, "out of memory");
	do {
		if (s->env)
			mdb_env_close(s->env);
		s->env = NULL;
		fd = open_verified(s, &st, err);
		if (fd < 0)
			return fd;
		ret = open_env(s, &st, err);
		close(fd);	/* only now: an open file keeps its inode number */
	} while (!ret);
	if (ret < 0)
		return ret;
	rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->txn);
	for (i = 0; !rc && i < kind->ntables; i++)
		rc = mdb_dbi_open(s->txn, kind->tables[i].name, 0, &s->dbi[i]);
	return rc ? fz_store_mdb(kind, path, rc, err) : 0;
}

void fz_store_close(struct fz_store *s)
{
	if (s->txn)
		mdb_txn_abort(s->txn);
	if (s->env)
		mdb_env_close(s->env);
	free(s->path);
	*s = (struct fz_store){ 0 };
}

int fz_store_seal(const struct fz_store_kind *kind, int fd, const char *path,
		  struct fz_error *err)
{
	struct fz_store_trailer t = { .schema = kind->schema };
	uint8_t block[FZ_STORE_BLOCK] = { 0 };
	struct stat st;
	ssize_t n;
	int ret;

	if (fstat(fd, &st))
		return fz_fail(err, -errno, "%s: %s", path, strerror(errno));
	memcpy(t.magic, kind->magic, sizeof(t.magic));
	t.bytes = st.st_size;
	ret = digest_file(fd, &t, t.digest, path, err);
	if (ret)
		return ret;
	memcpy(block, &t, sizeof(t));
	n = pwrite(fd, block, sizeof(block), t.bytes);
	if (n != sizeof(block))
		return fz_fail(err, n < 0 ? -errno : -ENOSPC, "%s cannot be written: %s", path,
			       strerror(n < 0 ? errno : ENOSPC));
	return 0;
}
