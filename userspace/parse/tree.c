// SPDX-License-Identifier: GPL-2.0-only
/*
 * tree.c - reading directory trees
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dpkg.h"
#include "formats.h"
#include "tree.h"

struct name {		/* an inode with several */
	dev_t dev;
	ino_t ino;
};

struct walk {
	const struct fz_harvest *h;
	struct fz_error *err;
	struct fz_dpkg *dpkg;
	struct fz_buffer buf;
	void *seen;		/* tsearch() of struct name */
	size_t skip;		/* bytes of a path that lead to the root */
	bool root;
	char prefix[PATH_MAX];	/* what stands for them */
};

static int by_inode(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return (x->ino > y->ino) - (x->ino < y->ino);
}

/* 1 = seen under another name, 0 = not yet */
static int seen_before(struct walk *w, const struct stat *st)
{
	struct name key = { st->st_dev, st->st_ino }, *n, **found;

	if (st->st_nlink < 2)
		return 0;
	if (tfind(&key, &w->seen, by_inode))
		return 1;
	n = malloc(sizeof(*n));
	if (!n)
		return fz_fail(w->err, -ENOMEM, "out of memory");
	*n = key;
	found = tsearch(n, &w->seen, by_inode);
	if (found)
		return 0;
	free(n);
	return fz_fail(w->err, -ENOMEM, "out of memory");
}

static int hand_over(struct walk *w, const char *place)
{
	const struct fz_harvest *h = w->h;
	const struct fz_package *package = NULL;
	const char *listed = place;

	if (w->dpkg && fz_dpkg_owner(w->dpkg, place, w->buf.p, w->buf.len, &package,
				     &listed) == FZ_OWNER_CHANGED)
		h->note(h->ctx, place, false,
			"it differs from what its package installed; added without a package");
	return h->file(h->ctx, package, listed, w->buf.p, w->buf.len, w->err);
}

static int read_known(struct walk *w, int fd, const char *path)
{
	char place[PATH_MAX], full[2 * PATH_MAX];
	struct fz_error why;
	int ret;

	snprintf(full, sizeof(full), "%s/%s", w->prefix, path + w->skip);
	if (fz_path_clean(full, place, sizeof(place))) {
		w->h->note(w->h->ctx, path, true, "its path makes no sense");
		return 0;
	}
	ret = fz_buffer_read(&w->buf, fd, FZ_FORMAT_MAX, &why);
	if (ret == -ENOMEM)
		return fz_fail(w->err, ret, "%s", why.text);
	if (ret) {
		w->h->note(w->h->ctx, path, true, why.text);
		return 0;
	}
	return hand_over(w, place);
}

static int read_file(struct walk *w, const char *path)
{
	const struct fz_harvest *h = w->h;
	struct stat st;
	int fd, ret;

	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		h->note(h->ctx, path, true, strerror(errno));
		ret = 0;
		goto out;
	}
	ret = S_ISREG(st.st_mode) ? fz_kind(fd) : FZ_KIND_OTHER;
	if (fz_kind_package(ret) && w->dpkg)
		ret = FZ_KIND_OTHER;
	if (ret < 0) {
		h->note(h->ctx, path, true, strerror(-ret));
		ret = 0;
	} else if (ret == FZ_KIND_OTHER) {
		ret = h->other(h->ctx, w->err);
	} else if (fz_kind_package(ret)) {
		ret = h->package(h->ctx, path, fd, w->err);
	} else {
		ret = seen_before(w, &st);
		if (!ret)
			ret = read_known(w, fd, path);
	}
out:
	if (fd >= 0)
		close(fd);
	return ret < 0 ? ret : 0;
}

/* Not part of what is installed, and without end. */
static bool left_alone(const struct walk *w, const char *path)
{
	static const char *const dirs[] = { "/dev", "/proc", "/run", "/sys" };
	size_t i;

	for (i = 0; w->root && i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (!strcmp(path + w->skip, dirs[i]))
			return true;
	return false;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int walk(struct walk *w, char *path)
{
	char *const paths[] = { path, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	FTSENT *e;
	int ret = 0;

	if (!fts)
		return fz_fail(w->err, -errno, "it cannot be read: %s", strerror(errno));
	while (!ret && (errno = 0, e = fts_read(fts))) {
		switch (e->fts_info) {
		case FTS_D:
			if (left_alone(w, e->fts_path))
				fts_set(fts, e, FTS_SKIP);
			break;
		case FTS_F:
			ret = read_file(w, e->fts_path);
			break;
		case FTS_DNR:
		case FTS_ERR:
		case FTS_NS:
			if (e->fts_level == 0)
				ret = fz_fail(w->err, -e->fts_errno, "it cannot be read: %s",
					      strerror(e->fts_errno));
			else
				w->h->note(w->h->ctx, e->fts_path, true, strerror(e->fts_errno));
			break;
		}
	}
	if (!ret && errno)
		ret = fz_fail(w->err, -errno, "it cannot be read: %s", strerror(errno));
	fts_close(fts);
	return ret;
}

int fz_tree_read(const char *given, const struct fz_harvest *h, struct fz_error *err)
{
	struct walk *w = calloc(1, sizeof(*w));
	char path[PATH_MAX], usr[PATH_MAX + 8];
	size_t len = strlen(given);
	struct stat st;
	int ret;

	while (len > 1 && given[len - 1] == '/')
		len--;
	if (!w || !len || len >= sizeof(path)) {
		free(w);
		return fz_fail(err, -EINVAL, "its path makes no sense");
	}
	memcpy(path, given, len);
	path[len] = '\0';
	w->h = h;
	w->err = err;
	w->skip = strcmp(path, "/") ? len : 0;
	snprintf(usr, sizeof(usr), "%s/usr", path);
	w->root = !stat(usr, &st) && S_ISDIR(st.st_mode);
	ret = fz_dpkg_open(&w->dpkg, w->skip ? path : "", h, err);
	w->root |= ret > 0;
	if (ret >= 0 && !w->root && !realpath(path, w->prefix))
		ret = fz_fail(err, -errno, "it cannot be read: %s", strerror(errno));
	if (ret >= 0)
		ret = walk(w, path);
	tdestroy(w->seen, free);
	fz_dpkg_close(w->dpkg);
	free(w->buf.p);
	free(w);
	return ret;
}
