// SPDX-License-Identifier: GPL-2.0-only
/*
 * tree.c - reading trees of files
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dirfs.h"
#include "formats.h"
#include "owners.h"
#include "tree.h"

struct tree {
	const struct fz_harvest *h;
	struct fz_owners *owners;
	struct fz_buffer buf;
	const char *prefix;	/* what stands before paths, if it is no root */
};

static int hand_over(struct tree *t, const char *place, struct fz_error *err)
{
	const struct fz_harvest *h = t->h;
	const struct fz_package *package = NULL;
	const char *listed = place;

	if (t->owners && fz_owners_find(t->owners, place, t->buf.p, t->buf.len, &package,
					&listed) == FZ_OWNER_CHANGED)
		h->note(h->ctx, place, false,
			"it differs from what its package installed; added without a package");
	return h->file(h->ctx, package, listed, t->buf.p, t->buf.len, err);
}

static int skip(struct tree *t, const char *path, const char *why)
{
	t->h->note(t->h->ctx, path, true, why);
	return 0;
}

/* Read on, up to @max bytes in all. 1: it cannot be read, and is skipped. */
static int get(struct tree *t, struct fz_node *n, const char *path, size_t max,
	       struct fz_error *err)
{
	struct fz_error why;
	int ret = n->more(n, &t->buf, max, &why);

	if (!ret)
		return 0;
	if (!n->soft || ret == -ENOMEM)
		return fz_fail(err, ret, "%s", why.text);
	skip(t, path, why.text);
	return 1;
}

/* A package in the tree. */
static int read_package(struct tree *t, struct fz_node *n, const char *path,
			struct fz_error *err)
{
	const struct fz_harvest *h = t->h;
	int fd, ret;

	if (n->fd >= 0)
		return h->package(h->ctx, path, n->fd, err);
	ret = get(t, n, path, FZ_TREE_PACKAGE_MAX + 1, err);
	if (ret)
		return ret < 0 ? ret : 0;
	if (t->buf.len > FZ_TREE_PACKAGE_MAX)
		return skip(t, path, "a package in an archive or image must fit into memory");
	fd = memfd_create("package", MFD_CLOEXEC);
	if (fd < 0 || write(fd, t->buf.p, t->buf.len) != (ssize_t)t->buf.len)
		ret = fz_fail(err, -ENOMEM, "out of memory");
	else
		ret = h->package(h->ctx, path, fd, err);
	if (fd >= 0)
		close(fd);
	return ret;
}

static int read_known(struct tree *t, struct fz_node *n, const char *path, struct fz_error *err)
{
	char place[PATH_MAX];
	int ret;

	if (fz_path_clean(path, place, sizeof(place)))
		return skip(t, path, "its path makes no sense");
	ret = get(t, n, path, FZ_FORMAT_MAX + 1, err);
	if (ret)
		return ret < 0 ? ret : 0;
	if (t->buf.len > FZ_FORMAT_MAX)
		return skip(t, path, "it is too large");
	return hand_over(t, place, err);
}

/* Not part of what is installed, and without end. */
static bool enter(void *ctx, const char *path)
{
	static const char *const dirs[] = { "/dev", "/proc", "/run", "/sys" };
	const struct tree *t = ctx;
	size_t i, n;

	for (i = 0; !t->prefix && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		n = strlen(dirs[i]);
		if (!strncmp(path, dirs[i], n) && (!path[n] || path[n] == '/'))
			return false;
	}
	return true;
}

static int visit(void *ctx, struct fz_node *n, struct fz_error *err)
{
	struct tree *t = ctx;
	char full[2 * PATH_MAX];
	enum fz_kind kind;
	int ret;

	if (!enter(t, n->path))
		return 0;
	snprintf(full, sizeof(full), "%s%s", t->prefix ? t->prefix : "", n->path);
	t->buf.len = 0;
	ret = get(t, n, full, FZ_FORMAT_HEAD, err);
	if (ret)
		return ret < 0 ? ret : 0;
	kind = fz_kind_of(t->buf.p, t->buf.len);
	if (kind == FZ_KIND_FILE)
		return read_known(t, n, full, err);
	/* Packages in an installed root are in a cache, not installed. */
	if (fz_kind_package(kind) && !t->owners)
		return read_package(t, n, full, err);
	return t->h->other(t->h->ctx, err);
}

static void note(void *ctx, const char *path, bool skipped, const char *why)
{
	struct tree *t = ctx;

	t->h->note(t->h->ctx, path, skipped, why);
}

static int walk(struct tree *t, struct fz_fs *fs, struct fz_error *err)
{
	const struct fz_visitor v = { .ctx = t, .file = visit, .enter = enter, .note = note };
	int ret = fs->walk(fs, &v, err);

	fz_owners_close(t->owners);
	free(t->buf.p);
	return ret;
}

int fz_tree_walk(struct fz_fs *fs, const struct fz_harvest *h, struct fz_error *err)
{
	struct tree t = { .h = h };
	int ret = fz_owners_open(&t.owners, fs, h, err);

	return ret < 0 ? ret : walk(&t, fs, err);
}

int fz_tree_read(const char *path, const struct fz_harvest *h, struct fz_error *err)
{
	struct fz_dirfs *d = malloc(sizeof(*d));
	struct tree t = { .h = h };
	char *prefix = NULL;
	struct stat st;
	int ret;

	if (!d)
		return fz_fail(err, -ENOMEM, "out of memory");
	ret = fz_dirfs_open(d, path, err);
	if (!ret)
		ret = fz_owners_open(&t.owners, &d->fs, h, err);
	if (ret >= 0 && !t.owners && (fstatat(d->fd, "usr", &st, 0) || !S_ISDIR(st.st_mode))) {
		t.prefix = prefix = realpath(d->path, NULL);
		if (!prefix)
			ret = fz_fail(err, -errno, "it cannot be read: %s", strerror(errno));
	}
	if (ret >= 0)
		ret = walk(&t, &d->fs, err);
	fz_dirfs_close(d);
	free(prefix);
	free(d);
	return ret;
}
