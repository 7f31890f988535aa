// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirfs.c - a tree of files in a directory
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <linux/openat2.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "dirfs.h"

struct name {		/* an inode with several */
	dev_t dev;
	ino_t ino;
};

static int by_inode(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return (x->ino > y->ino) - (x->ino < y->ino);
}

/* 1 = seen under another name, 0 = not yet */
static int seen_before(void **seen, const struct stat *st, struct fz_error *err)
{
	struct name key = { st->st_dev, st->st_ino }, *n, **found;

	if (st->st_nlink < 2)
		return 0;
	if (tfind(&key, seen, by_inode))
		return 1;
	n = malloc(sizeof(*n));
	if (!n)
		return fz_fail(err, -ENOMEM, "out of memory");
	*n = key;
	found = tsearch(n, seen, by_inode);
	if (found)
		return 0;
	free(n);
	return fz_fail(err, -ENOMEM, "out of memory");
}

/* A link of the root's that leads to "/etc" leads to its own. */
static int open_in_root(const struct fz_dirfs *d, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = syscall(SYS_openat2, d->fd, path, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS)
		fd = openat(d->fd, path, how.flags | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static int dir_read(struct fz_fs *fs, const char *path, struct fz_buffer *b, size_t max,
		    struct fz_error *err)
{
	int fd = open_in_root((struct fz_dirfs *)fs, path), ret;
	struct stat st;

	if (fd == -ENOTDIR)
		fd = -ENOENT;
	if (fd < 0)
		return fz_fail(err, fd, "%s cannot be opened: %s", path, strerror(-fd));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		ret = fz_fail(err, -EINVAL, "%s is not a file", path);
	else
		ret = fz_buffer_read(b, fd, max, err);
	close(fd);
	return ret;
}

static bool dir_link(struct fz_fs *fs, const char *path, char *target, size_t size)
{
	ssize_t n = readlinkat(((struct fz_dirfs *)fs)->fd, path, target, size);

	if (n <= 0 || (size_t)n == size)
		return false;
	target[n] = '\0';
	return true;
}

static int more(struct fz_node *n, struct fz_buffer *b, size_t max, struct fz_error *err)
{
	ssize_t got;
	int ret;

	while (b->len < max) {
		ret = fz_buffer_room(b, 1, err);
		if (ret)
			return ret;
		got = b->cap - b->len;
		if ((size_t)got > max - b->len)
			got = max - b->len;
		got = pread(n->fd, b->p + b->len, got, b->len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fz_fail(err, -errno, "it cannot be read: %s", strerror(errno));
		if (!got)
			break;
		b->len += got;
	}
	return 0;
}

static int visit(struct fz_dirfs *d, const char *path, void **seen, const struct fz_visitor *v,
		 struct fz_error *err)
{
	struct fz_node n = { .path = path + d->skip, .more = more, .soft = true };
	struct stat st;
	int ret;

	n.fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (n.fd < 0 || fstat(n.fd, &st)) {
		v->note(v->ctx, path, true, strerror(errno));
		ret = 0;
	} else {
		ret = S_ISREG(st.st_mode) ? seen_before(seen, &st, err) : 1;
		if (!ret)
			ret = v->file(v->ctx, &n, err);
	}
	if (n.fd >= 0)
		close(n.fd);
	return ret < 0 ? ret : 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int dir_walk(struct fz_fs *fs, const struct fz_visitor *v, struct fz_error *err)
{
	struct fz_dirfs *d = (struct fz_dirfs *)fs;
	char *const paths[] = { d->path, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	void *seen = NULL;
	FTSENT *e;
	int ret = 0;

	if (!fts)
		return fz_fail(err, -errno, "it cannot be read: %s", strerror(errno));
	while (!ret && (errno = 0, e = fts_read(fts))) {
		switch (e->fts_info) {
		case FTS_D:
			if (e->fts_level && !v->enter(v->ctx, e->fts_path + d->skip))
				fts_set(fts, e, FTS_SKIP);
			break;
		case FTS_F:
			ret = visit(d, e->fts_path, &seen, v, err);
			break;
		case FTS_DNR:
		case FTS_ERR:
		case FTS_NS:
			if (e->fts_level == 0)
				ret = fz_fail(err, -e->fts_errno, "it cannot be read: %s",
					      strerror(e->fts_errno));
			else
				v->note(v->ctx, e->fts_path, true, strerror(e->fts_errno));
			break;
		}
	}
	if (!ret && errno)
		ret = fz_fail(err, -errno, "it cannot be read: %s", strerror(errno));
	fts_close(fts);
	tdestroy(seen, free);
	return ret;
}

int fz_dirfs_open(struct fz_dirfs *d, const char *given, struct fz_error *err)
{
	size_t len = strlen(given);

	*d = (struct fz_dirfs) {
		.fs = { .read = dir_read, .link = dir_link, .walk = dir_walk }, .fd = -1,
	};
	while (len > 1 && given[len - 1] == '/')
		len--;
	if (!len || len >= sizeof(d->path))
		return fz_fail(err, -EINVAL, "its path makes no sense");
	memcpy(d->path, given, len);
	d->skip = len > 1 || *given != '/' ? len : 0;
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->fd < 0 ? fz_fail(err, -errno, "it cannot be read: %s", strerror(errno)) : 0;
}

void fz_dirfs_close(struct fz_dirfs *d)
{
	if (d->fd >= 0)
		close(d->fd);
}
