// SPDX-License-Identifier: GPL-2.0-only
/*
 * arcfs.c - a tree of files in an archive, or in several that lie on each other
 *
 * What covers what, of layers (numbered from 0): a whiteout, or anything that is no
 * directory, covers its path and all below it in lower layers; an opaque directory
 * what is below it there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "arcread.h"
#include "table.h"

#define PATH_BYTES	4096
#define LINKS_MAX	40		/* followed for one path */
#define KEPT_MAX	(1UL << 30)	/* bytes of package databases */

/* What is known of a path. Layers are counted from 1 here, 0 = none. */
struct item {
	char *path;		/* "/usr/bin/ls" */
	char *link;		/* where a symbolic link leads; a hard link's first name */
	uint8_t *data;		/* of a package database's file */
	size_t len;
	uint32_t layer, member;	/* who gives the path its content: the last that has it */
	uint32_t covered;	/* itself and all below, up to this layer (not included) */
	uint32_t opaque;	/* all below */
	uint32_t alias;		/* + 1: the first other name of this file that stands */
	uint8_t type;		/* enum type */
};

enum type { OTHER, FILE_, DIR_, SYMLINK, HARDLINK };

struct fz_arcfs {
	struct fz_fs fs;
	const struct fz_arcsource *sources;
	size_t nsources;
	struct item *items;
	size_t nitems, max_items, kept;
	struct fz_index index;
};

static uint64_t hash_of(const char *path)
{
	return XXH3_64bits(path, strlen(path));
}

static struct item *find(const struct fz_arcfs *f, const char *path)
{
	uint64_t hash = hash_of(path);
	size_t it = FZ_INDEX_START(hash);
	uint32_t i;

	while ((i = fz_index_next(&f->index, hash, &it)) != FZ_NONE)
		if (!strcmp(f->items[i].path, path))
			return &f->items[i];
	return NULL;
}

static struct item *find_or_add(struct fz_arcfs *f, const char *path)
{
	struct item *i = find(f, path);

	if (i)
		return i;
	if (FZ_GROW(f->items, f->nitems, f->max_items))
		return NULL;
	i = &f->items[f->nitems];
	*i = (struct item) { .path = strdup(path) };
	if (!i->path)
		return NULL;
	if (fz_index_add(&f->index, hash_of(path), f->nitems)) {
		free(i->path);
		return NULL;
	}
	f->nitems++;
	return i;
}

/* Is what @layer has at @path covered by a later one? */
static bool covered(const struct fz_arcfs *f, const char *path, uint32_t layer)
{
	char part[PATH_BYTES];
	const struct item *i;
	char *slash;

	if (f->nsources == 1)
		return false;
	strcpy(part, path);
	i = find(f, part);
	if (i && i->covered > layer)
		return true;
	while ((slash = strrchr(part, '/'))) {
		*slash = '\0';
		i = find(f, *part ? part : "/");
		if (i && (i->covered > layer || i->opaque > layer))
			return true;
	}
	return false;
}

static bool stands(const struct fz_arcfs *f, const struct item *i)
{
	return i->layer && !covered(f, i->path, i->layer);
}

/* ---------------------------------------------------------------- the index */

/* Package databases come before or after the files; their content is kept. */
static bool is_kept(const char *path)
{
	static const char *const at[] = {
		"/var/lib/dpkg/status", "/var/lib/dpkg/info/", "/lib/apk/db/installed",
		"/usr/lib/apk/db/installed", "/var/lib/rpm/", "/usr/lib/sysimage/rpm/",
	};
	size_t i, n = strlen(path), len;

	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		len = strlen(at[i]);
		if (strncmp(path, at[i], len))
			continue;
		if (i == 1)
			return (n > 5 && !strcmp(path + n - 5, ".list")) ||
				(n > 8 && !strcmp(path + n - 8, ".md5sums"));
		return i > 3 || !path[len];
	}
	return false;
}

static int keep(struct fz_arcfs *f, struct item *i, struct fz_unpack *u, struct archive *a)
{
	int ret;

	u->buf.len = 0;
	ret = fz_unpack_entry(u, a, KEPT_MAX - f->kept + 1);
	if (ret < 0)
		return ret;
	if (ret)
		return fz_fail(u->err, -EINVAL, "its package databases have more than %lu MiB",
			       KEPT_MAX >> 20);
	i->data = malloc(u->buf.len + 1);
	if (!i->data)
		return fz_fail(u->err, -ENOMEM, "out of memory");
	memcpy(i->data, u->buf.p, u->buf.len);
	i->len = u->buf.len;
	f->kept += i->len;
	return 0;
}

/* A whiteout? 1 = yes, and noted. */
static int whiteout(struct fz_arcfs *f, char *path, uint32_t layer)
{
	char *base = strrchr(path, '/');
	struct item *i;

	if (f->nsources == 1 || strncmp(base + 1, ".wh.", 4))
		return 0;
	if (!strcmp(base + 1, ".wh..wh..opq")) {
		*base = '\0';
		i = find_or_add(f, *path ? path : "/");
		if (i)
			i->opaque = layer;
	} else {
		memmove(base + 1, base + 5, strlen(base + 5) + 1);
		i = find_or_add(f, path);
		if (i)
			i->covered = layer;
	}
	return i ? 1 : -ENOMEM;
}

static int index_entry(struct fz_arcfs *f, struct fz_unpack *u, struct archive *a,
		       struct archive_entry *e, uint32_t layer, uint32_t member)
{
	const char *name = archive_entry_pathname(e), *target = archive_entry_hardlink(e);
	char path[PATH_BYTES], first[PATH_BYTES];
	struct item *i;
	int ret;

	if (!name || fz_path_clean(name, path, sizeof(path)))
		return 0;	/* the root, or told of when it is to be handed over */
	ret = whiteout(f, path, layer);
	if (ret)
		return ret < 0 ? fz_fail(u->err, ret, "out of memory") : 0;
	i = find_or_add(f, path);
	if (!i)
		return fz_fail(u->err, -ENOMEM, "out of memory");
	f->kept -= i->len;
	free(i->data);
	free(i->link);
	i->data = NULL;
	i->link = NULL;
	i->len = 0;
	i->layer = layer;
	i->member = member;
	if (target) {
		i->type = HARDLINK;
		if (fz_path_clean(target, first, sizeof(first)))
			return 0;
		target = first;
	} else if (archive_entry_filetype(e) == AE_IFLNK) {
		i->type = SYMLINK;
		target = archive_entry_symlink(e);
	} else {
		i->type = archive_entry_filetype(e) == AE_IFREG ? FILE_ :
			archive_entry_filetype(e) == AE_IFDIR ? DIR_ : OTHER;
	}
	if (i->type != DIR_)
		i->covered = layer;
	if (target && strlen(target) < PATH_BYTES) {
		i->link = strdup(target);
		if (!i->link)
			return fz_fail(u->err, -ENOMEM, "out of memory");
	}
	return i->type == FILE_ && is_kept(path) ? keep(f, i, u, a) : 0;
}

/* In the order in which a directory would be walked: "a/x" before "a.b". */
static bool before(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *b && (!*a || *a == '/' || (*b != '/' && (uint8_t)*a < (uint8_t)*b));
}

/* Of a file's names that are not covered, the first of the alphabet stands. */
static void find_aliases(struct fz_arcfs *f)
{
	struct item *first;
	size_t i;

	for (i = 0; i < f->nitems; i++) {
		if (f->items[i].type != HARDLINK || !f->items[i].link || !stands(f, &f->items[i]))
			continue;
		first = find(f, f->items[i].link);
		if (first && (!first->alias ||
			      before(f->items[i].path, f->items[first->alias - 1].path)))
			first->alias = i + 1;
	}
}

static int index_layer(struct fz_arcfs *f, struct fz_unpack *u, uint32_t layer,
		       uint32_t *members)
{
	struct archive_entry *e;
	struct fz_arcread r;
	uint32_t member = 0;
	int ret, status;

	ret = fz_arcread_open(&r, u, &f->sources[layer - 1]);
	while (!ret) {
		status = archive_read_next_header(r.a, &e);
		if (!fz_unpack_good(status)) {
			if (status != ARCHIVE_EOF)
				ret = fz_unpack_damaged(u, "it", r.a);
			break;
		}
		if (++*members > FZ_MEMBERS_MAX)
			ret = fz_fail(u->err, -EINVAL, "it has more than %lu members",
				      FZ_MEMBERS_MAX);
		else
			ret = index_entry(f, u, r.a, e, layer, ++member);
	}
	if (!ret)
		ret = fz_arcread_drain(&r, u);
	fz_arcread_close(&r);
	return ret;
}

/* ------------------------------------------------------------- as a tree */

/*
 * Where @path is, links followed: the item, or NULL. Each round replaces the first
 * link on the way by where it leads.
 */
static struct item *resolve(struct fz_arcfs *f, const char *path)
{
	char at[PATH_BYTES], next[4 * PATH_BYTES];
	struct item *i = NULL;
	int round;
	char *p;

	if (fz_path_clean(path, at, sizeof(at)))
		return NULL;
	for (round = 0; round < LINKS_MAX; round++) {
		for (p = strchr(at + 1, '/'); ; p = strchr(p + 1, '/')) {
			if (p)
				*p = '\0';
			i = find(f, at);
			if (i && stands(f, i) && i->type == SYMLINK && i->link)
				break;
			if (!p)
				return i && stands(f, i) ? i : NULL;
			*p = '/';
		}
		/* A link relative to its directory; ".." within it is undone by hand. */
		next[0] = '\0';
		if (*i->link != '/') {
			strcpy(next, at);
			*strrchr(next, '/') = '\0';
		}
		{
			const char *s = i->link;

			while (*s) {
				size_t len = strcspn(s, "/");

				if (len == 2 && !memcmp(s, "..", 2)) {
					if (strrchr(next, '/'))
						*strrchr(next, '/') = '\0';
				} else if (len && !(len == 1 && *s == '.')) {
					strcat(next, "/");
					strncat(next, s, len);
				}
				s += len;
				s += *s == '/';
			}
		}
		if (p) {
			strcat(next, "/");
			strcat(next, p + 1);
		}
		if (fz_path_clean(next, at, sizeof(at)))
			return NULL;
	}
	return NULL;
}

static int arc_read(struct fz_fs *fs, const char *path, struct fz_buffer *b, size_t max,
		    struct fz_error *err)
{
	struct fz_arcfs *f = (struct fz_arcfs *)fs;
	struct item *i = resolve(f, path);
	int ret;

	if (i && i->type == HARDLINK && i->link)
		i = find(f, i->link);
	if (!i || !i->data)
		return fz_fail(err, -ENOENT, "there is no %s", path);
	if (i->len > max)
		return fz_fail(err, -EFBIG, "%s is larger than %zu MiB", path, max >> 20);
	b->len = 0;
	ret = fz_buffer_room(b, i->len + 1, err);
	if (ret)
		return ret;
	memcpy(b->p, i->data, i->len);
	b->len = i->len;
	return 0;
}

static bool arc_link(struct fz_fs *fs, const char *path, char *target, size_t size)
{
	struct fz_arcfs *f = (struct fz_arcfs *)fs;
	char clean[PATH_BYTES];
	struct item *i;

	if (fz_path_clean(path, clean, sizeof(clean)))
		return false;
	i = find(f, clean);
	if (!i || i->type != SYMLINK || !i->link || !stands(f, i) || strlen(i->link) >= size)
		return false;
	strcpy(target, i->link);
	return true;
}

struct arc_node {
	struct fz_node n;
	struct fz_unpack *u;
	struct archive *a;
};

static int more(struct fz_node *n, struct fz_buffer *b, size_t max, struct fz_error *err)
{
	struct arc_node *an = (struct arc_node *)n;
	struct fz_buffer spare = an->u->buf;
	struct fz_error *other = an->u->err;
	int ret;

	an->u->buf = *b;
	an->u->err = err;
	ret = fz_unpack_entry(an->u, an->a, max);
	*b = an->u->buf;
	an->u->buf = spare;
	an->u->err = other;
	return ret < 0 ? ret : 0;
}

/* The name under which member @member of @layer is handed over, or NULL. */
static const char *name_of(struct fz_arcfs *f, struct archive_entry *e, uint32_t layer,
			   uint32_t member, char path[PATH_BYTES])
{
	const char *name = archive_entry_pathname(e);
	struct item *i, *other;

	if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) || !name ||
	    fz_path_clean(name, path, PATH_BYTES))
		return NULL;
	i = find(f, path);
	if (!i)
		return NULL;
	other = i->alias ? &f->items[i->alias - 1] : NULL;
	if (other && other->layer != layer)
		other = NULL;
	if (i->layer == layer && i->member == member && stands(f, i) &&
	    (!other || before(path, other->path)))
		return path;
	return other ? other->path : NULL;
}

static int walk_layer(struct fz_arcfs *f, struct fz_unpack *u, uint32_t layer,
		      const struct fz_visitor *v)
{
	struct archive_entry *e;
	struct arc_node node;
	struct fz_arcread r;
	char path[PATH_BYTES];
	uint32_t member = 0;
	int ret, status;

	ret = fz_arcread_open(&r, u, &f->sources[layer - 1]);
	while (!ret) {
		status = archive_read_next_header(r.a, &e);
		if (!fz_unpack_good(status)) {
			if (status != ARCHIVE_EOF)
				ret = fz_unpack_damaged(u, "it", r.a);
			break;
		}
		node = (struct arc_node) {
			.n = { .fd = -1, .more = more }, .u = u, .a = r.a,
		};
		node.n.path = name_of(f, e, layer, ++member, path);
		if (node.n.path)
			ret = v->file(v->ctx, &node.n, u->err);
		else if (archive_entry_filetype(e) == AE_IFREG && !archive_entry_hardlink(e) &&
			 archive_entry_pathname(e) &&
			 fz_path_clean(archive_entry_pathname(e), path, sizeof(path)))
			v->note(v->ctx, archive_entry_pathname(e), true, "its path makes no sense");
	}
	fz_arcread_close(&r);
	return ret < 0 ? ret : 0;
}

static int arc_walk(struct fz_fs *fs, const struct fz_visitor *v, struct fz_error *err)
{
	struct fz_arcfs *f = (struct fz_arcfs *)fs;
	struct fz_unpack u = { .err = err };
	uint32_t layer;
	int ret = 0;

	for (layer = 1; !ret && layer <= f->nsources; layer++)
		ret = walk_layer(f, &u, layer, v);
	free(u.buf.p);
	return ret;
}

struct fz_fs *fz_arcfs_fs(struct fz_arcfs *f)
{
	return &f->fs;
}

int fz_arcfs_open(struct fz_arcfs **out, const struct fz_arcsource *s, size_t n,
		  struct fz_error *err)
{
	struct fz_arcfs *f = calloc(1, sizeof(*f));
	struct fz_unpack u = { .err = err };
	uint32_t layer, members = 0;
	int ret = 0;

	if (!f)
		return fz_fail(err, -ENOMEM, "out of memory");
	if (n > FZ_ARCFS_LAYERS)
		ret = fz_fail(err, -EINVAL, "it has more than %d layers", FZ_ARCFS_LAYERS);
	f->fs = (struct fz_fs) { .read = arc_read, .link = arc_link, .walk = arc_walk };
	f->sources = s;
	f->nsources = n;
	for (layer = 1; !ret && layer <= n; layer++)
		ret = index_layer(f, &u, layer, &members);
	free(u.buf.p);
	if (ret) {
		fz_arcfs_close(f);
		return ret;
	}
	find_aliases(f);
	*out = f;
	return 0;
}

void fz_arcfs_close(struct fz_arcfs *f)
{
	size_t i;

	if (!f)
		return;
	for (i = 0; i < f->nitems; i++) {
		free(f->items[i].path);
		free(f->items[i].link);
		free(f->items[i].data);
	}
	free(f->items);
	free(f->index.slot);
	free(f);
}
