// SPDX-License-Identifier: GPL-2.0-only
/*
 * extfs.c - a tree of files in an ext2, ext3 or ext4 file system
 *
 * libext2fs decodes; what it finds is not trusted to be a tree, or to end.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "extfs.h"
#include "extio.h"
#include "table.h"
#include "unpack.h"

#define SUPERBLOCK	1024
#define MAGIC_AT	(SUPERBLOCK + 56)

struct fz_extfs {
	struct fz_fs fs;
	ext2_filsys e;
};

bool fz_extfs_begins(struct fz_disk *d, uint64_t start, uint64_t bytes)
{
	uint8_t magic[2];

	return bytes > 2 * SUPERBLOCK &&
		!fz_disk_read(d, start + MAGIC_AT, magic, sizeof(magic), NULL) &&
		magic[0] == 0x53 && magic[1] == 0xef;
}

static int failed(struct fz_error *err, const char *what, errcode_t rc)
{
	if (rc == EXT2_ET_NO_MEMORY || rc == ENOMEM)
		return fz_fail(err, -ENOMEM, "out of memory");
	return fz_fail(err, -EINVAL, "%s cannot be read: the file system is damaged (%s)", what,
		       error_message(rc));
}

/* ----------------------------------------------------------- single files */

/* Read on from where @b ends. */
static int read_on(ext2_filsys e, ext2_ino_t ino, struct fz_buffer *b, size_t max,
		   struct fz_error *err)
{
	struct ext2_inode inode;
	ext2_file_t file;
	unsigned int got = 1;
	errcode_t rc;
	int ret = 0;

	rc = ext2fs_read_inode(e, ino, &inode);
	if (rc)
		return failed(err, "a file", rc);
	if (inode.i_flags & EXT4_ENCRYPT_FL)
		return fz_fail(err, -EINVAL, "it is encrypted");
	rc = ext2fs_file_open2(e, ino, &inode, 0, &file);
	if (!rc)
		rc = ext2fs_file_llseek(file, b->len, EXT2_SEEK_SET, NULL);
	else
		file = NULL;
	while (!rc && !ret && got && b->len < max) {
		size_t n;

		ret = fz_buffer_room(b, 1, err);
		if (ret)
			break;
		n = b->cap - b->len;
		if (n > max - b->len)
			n = max - b->len;
		if (n > INT_MAX / 2)
			n = INT_MAX / 2;
		rc = ext2fs_file_read(file, b->p + b->len, n, &got);
		if (!rc)
			b->len += got;
	}
	if (file)
		ext2fs_file_close(file);
	return rc ? failed(err, "a file", rc) : ret;
}

static int ext_read(struct fz_fs *fs, const char *path, struct fz_buffer *b, size_t max,
		    struct fz_error *err)
{
	ext2_filsys e = ((struct fz_extfs *)fs)->e;
	struct ext2_inode inode;
	ext2_ino_t ino;
	errcode_t rc;

	rc = ext2fs_namei_follow(e, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino);
	if (rc == EXT2_ET_FILE_NOT_FOUND || rc == EXT2_ET_NO_DIRECTORY)
		return fz_fail(err, -ENOENT, "there is no %s", path);
	if (!rc)
		rc = ext2fs_read_inode(e, ino, &inode);
	if (rc)
		return failed(err, path, rc);
	if (!LINUX_S_ISREG(inode.i_mode))
		return fz_fail(err, -EINVAL, "%s is not a file", path);
	if (EXT2_I_SIZE(&inode) > max)
		return fz_fail(err, -EFBIG, "%s is larger than %zu MiB", path, max >> 20);
	b->len = 0;
	return read_on(e, ino, b, max, err);
}

static bool ext_link(struct fz_fs *fs, const char *path, char *target, size_t size)
{
	ext2_filsys e = ((struct fz_extfs *)fs)->e;
	struct fz_buffer b = { 0 };
	struct ext2_inode inode;
	ext2_ino_t ino;
	bool good = false;

	if (ext2fs_namei(e, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino) ||
	    ext2fs_read_inode(e, ino, &inode) || !LINUX_S_ISLNK(inode.i_mode) ||
	    inode.i_size >= size)
		return false;
	if (ext2fs_is_fast_symlink(&inode)) {
		if (inode.i_size < sizeof(inode.i_block)) {
			memcpy(target, inode.i_block, inode.i_size);
			good = true;
		}
	} else if (!read_on(e, ino, &b, size - 1, NULL) && b.len == inode.i_size) {
		memcpy(target, b.p, b.len);
		good = true;
	}
	free(b.p);
	if (good)
		target[inode.i_size] = '\0';
	return good;
}

/* ----------------------------------------------------------------- the walk */

struct place {
	char *path;
	ext2_ino_t ino;
};

struct walk {
	ext2_filsys e;
	const struct fz_visitor *v;
	struct fz_error *err;
	struct place *stack;		/* what is still to be visited, the next one last */
	size_t n, max, total;
	size_t first;			/* of the directory that is being read */
	const char *dir;
	struct fz_index seen;		/* directories, and files of several names */
	int ret;
};

/* 1 = seen before, 0 = not, and noted. */
static int seen_before(struct walk *w, ext2_ino_t ino)
{
	size_t it = FZ_INDEX_START(ino);

	if (fz_index_next(&w->seen, ino, &it) != FZ_NONE)
		return 1;
	return fz_index_add(&w->seen, ino, 0) ? fz_fail(w->err, -ENOMEM, "out of memory") : 0;
}

static int take_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *de, int offset,
		      int blocksize, char *buf, void *ctx)
{
	int len = ext2fs_dirent_name_len(de);
	struct walk *w = ctx;
	struct place *p;

	(void)dir;
	(void)offset;
	(void)blocksize;
	(void)buf;
	if (entry != DIRENT_OTHER_FILE || !de->inode || !len ||
	    (len == 1 && de->name[0] == '.') || (len == 2 && !memcmp(de->name, "..", 2)))
		return 0;
	/* No path of the system's is longer: a damaged tree has loops. */
	if (strlen(w->dir) + len + 2 > PATH_MAX)
		return 0;
	if (++w->total > FZ_MEMBERS_MAX) {
		w->ret = fz_fail(w->err, -EINVAL, "it has more than %lu files", FZ_MEMBERS_MAX);
		return DIRENT_ABORT;
	}
	if (FZ_GROW(w->stack, w->n, w->max)) {
		w->ret = fz_fail(w->err, -ENOMEM, "out of memory");
		return DIRENT_ABORT;
	}
	p = &w->stack[w->n];
	p->ino = de->inode;
	if (asprintf(&p->path, "%s/%.*s", w->dir, len, de->name) < 0) {
		w->ret = fz_fail(w->err, -ENOMEM, "out of memory");
		return DIRENT_ABORT;
	}
	w->n++;
	return 0;
}

static int last_first(const void *a, const void *b)
{
	return strcmp(((const struct place *)b)->path, ((const struct place *)a)->path);
}

static int enter(struct walk *w, const struct place *p)
{
	errcode_t rc;
	int ret;

	if (*p->path && !w->v->enter(w->v->ctx, p->path))
		return 0;
	ret = seen_before(w, p->ino);
	if (ret)
		return ret < 0 ? ret : 0;
	w->first = w->n;
	w->dir = p->path;
	rc = ext2fs_dir_iterate2(w->e, p->ino, 0, NULL, take_entry, w);
	if (w->ret)
		return w->ret;
	if (rc)
		w->v->note(w->v->ctx, *p->path ? p->path : "/", true, error_message(rc));
	if (w->n > w->first)
		qsort(w->stack + w->first, w->n - w->first, sizeof(*w->stack), last_first);
	return 0;
}

struct ext_node {
	struct fz_node n;
	ext2_filsys e;
	ext2_ino_t ino;
};

static int more(struct fz_node *n, struct fz_buffer *b, size_t max, struct fz_error *err)
{
	struct ext_node *en = (struct ext_node *)n;

	return read_on(en->e, en->ino, b, max, err);
}

static int visit(struct walk *w, const struct place *p)
{
	struct ext_node node = {
		.n = { .path = p->path, .fd = -1, .more = more, .soft = true },
		.e = w->e, .ino = p->ino,
	};
	struct ext2_inode inode;
	errcode_t rc;
	int ret;

	rc = ext2fs_read_inode(w->e, p->ino, &inode);
	if (rc) {
		w->v->note(w->v->ctx, p->path, true, error_message(rc));
		return 0;
	}
	if (LINUX_S_ISDIR(inode.i_mode))
		return enter(w, p);
	if (!LINUX_S_ISREG(inode.i_mode))
		return 0;
	ret = inode.i_links_count > 1 ? seen_before(w, p->ino) : 0;
	if (ret)
		return ret < 0 ? ret : 0;
	return w->v->file(w->v->ctx, &node.n, w->err);
}

static int ext_walk(struct fz_fs *fs, const struct fz_visitor *v, struct fz_error *err)
{
	struct walk w = { .e = ((struct fz_extfs *)fs)->e, .v = v, .err = err };
	const struct place root = { (char *)"", EXT2_ROOT_INO };
	struct place p;
	int ret;

	ret = visit(&w, &root);
	while (!ret && w.n) {
		p = w.stack[--w.n];
		ret = visit(&w, &p);
		free(p.path);
	}
	while (w.n)
		free(w.stack[--w.n].path);
	free(w.stack);
	free(w.seen.slot);
	return ret;
}

/* ------------------------------------------------------------------- opening */

struct fz_fs *fz_extfs_fs(struct fz_extfs *x)
{
	return &x->fs;
}

int fz_extfs_open(struct fz_extfs **out, struct fz_disk *d, uint64_t start, uint64_t bytes,
		  struct fz_error *err)
{
	const struct fz_extio place = { d, start, bytes };
	struct fz_extfs *x = calloc(1, sizeof(*x));
	errcode_t rc;
	int ret = 0;

	if (!x)
		return fz_fail(err, -ENOMEM, "out of memory");
	x->fs = (struct fz_fs) { .read = ext_read, .link = ext_link, .walk = ext_walk };
	initialize_ext2_error_table();
	rc = fz_extio_open(&place, &x->e);
	if (rc) {
		x->e = NULL;
		ret = failed(err, "it", rc);
	} else if (ext2fs_blocks_count(x->e->super) > bytes / x->e->blocksize) {
		ret = fz_fail(err, -EINVAL, "it is cut short: its file system is larger than it");
	} else if (ext2fs_has_feature_journal_needs_recovery(x->e->super)) {
		/* What is in its blocks is not what its files have. */
		ret = fz_fail(err, -EINVAL,
			      "a file system in it was not unmounted: run e2fsck on a copy, or shut the machine down first");
	}
	if (ret)
		fz_extfs_close(x);
	else
		*out = x;
	return ret;
}

void fz_extfs_close(struct fz_extfs *x)
{
	if (!x)
		return;
	if (x->e)
		ext2fs_close_free(&x->e);
	free(x);
}
