// SPDX-License-Identifier: GPL-2.0-only
/*
 * owners.c - which package installed a file
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include "owners_priv.h"

#define PACKAGES_MAX	(1UL << 20)
#define ENTRIES_MAX	(1UL << 24)
#define OS_RELEASE_MAX	(1UL << 16)

static const char *const merged_dirs[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32",
					   "libo32" };

#define MERGED_DIRS	(sizeof(merged_dirs) / sizeof(merged_dirs[0]))

static unsigned int find_merged(struct fz_fs *fs)
{
	char target[64], want[64];
	unsigned int bits = 0;
	size_t i;

	for (i = 0; i < MERGED_DIRS; i++) {
		if (!fs->link(fs, merged_dirs[i], target, sizeof(target)))
			continue;
		snprintf(want, sizeof(want), "usr/%s", merged_dirs[i]);
		if (!strcmp(target + (*target == '/'), want))
			bits |= 1U << i;
	}
	return bits;
}

char *fz_owners_place(const struct fz_owners *o, char *listed)
{
	char *path;
	size_t i, n;

	for (i = 0; i < MERGED_DIRS; i++) {
		n = strlen(merged_dirs[i]);
		if (o->merged & 1U << i && !strncmp(listed + 1, merged_dirs[i], n) &&
		    listed[1 + n] == '/')
			return asprintf(&path, "/usr%s", listed) < 0 ? NULL : path;
	}
	return listed;
}

/* What cannot be read says nothing. */
static int read_release(struct fz_owners *o, struct fz_error *err)
{
	static const char *const paths[] = { "etc/os-release", "usr/lib/os-release" };
	struct fz_buffer b = { 0 };
	int ret = -ENOENT;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]) && ret; i++) {
		b.len = 0;
		ret = o->fs->read(o->fs, paths[i], &b, OS_RELEASE_MAX, err);
		if (ret == -ENOMEM)
			break;
	}
	if (!ret)
		fz_release_of_os((char *)b.p, b.len, o->release);
	free(b.p);
	return ret == -ENOMEM ? ret : 0;
}

static int grow(void **p, size_t *max, size_t first, size_t limit, size_t size)
{
	size_t n = *max ? 2 * *max : first;
	void *q = n <= limit ? realloc(*p, n * size) : NULL;

	if (!q)
		return -ENOMEM;
	*p = q;
	*max = n;
	return 0;
}

int fz_owners_add(struct fz_owners *o, const struct fz_package *p, struct fz_error *err)
{
	if (o->npackages == o->max_packages &&
	    grow((void **)&o->packages, &o->max_packages, 1024, PACKAGES_MAX, sizeof(*p)))
		return fz_fail(err, -ENOMEM, "too many installed packages");
	o->packages[o->npackages] = *p;
	strcpy(o->packages[o->npackages++].release, o->release);
	return 0;
}

int fz_owners_entry(struct fz_owners *o, const char *s, size_t len, enum fz_owners_algo algo,
		    const uint8_t *digest, struct fz_error *err)
{
	struct fz_owners_entry e = { .package = o->npackages - 1, .algo = algo };

	if (len < 2 || *s != '/' || memchr(s, '\0', len))
		return 0;
	if (o->nentries == o->max_entries &&
	    grow((void **)&o->entries, &o->max_entries, 1 << 14, ENTRIES_MAX, sizeof(e)))
		return fz_fail(err, -ENOMEM, "too many installed files");
	if (algo)
		memcpy(e.digest, digest, fz_owners_digest_len(algo));
	e.listed = strndup(s, len);
	e.path = e.listed ? fz_owners_place(o, e.listed) : NULL;
	if (!e.path) {
		free(e.listed);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	o->entries[o->nentries++] = e;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct fz_owners_entry *x = a, *y = b;
	int ret = strcmp(x->path, y->path);

	return ret ? ret : (x->package > y->package) - (x->package < y->package);
}

void fz_owners_sort(struct fz_owners *o)
{
	if (o->nentries)
		qsort(o->entries, o->nentries, sizeof(*o->entries), by_path);
}

struct fz_owners_entry *fz_owners_first(const struct fz_owners *o, const char *path)
{
	size_t low = 0, high = o->nentries;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(o->entries[mid].path, path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == o->nentries || strcmp(o->entries[low].path, path))
		return NULL;
	return &o->entries[low];
}

static const EVP_MD *md_of(enum fz_owners_algo algo)
{
	switch (algo) {
	case FZ_OWNERS_MD5:	return EVP_md5();
	case FZ_OWNERS_SHA1:	return EVP_sha1();
	case FZ_OWNERS_SHA224:	return EVP_sha224();
	case FZ_OWNERS_SHA256:	return EVP_sha256();
	case FZ_OWNERS_SHA384:	return EVP_sha384();
	case FZ_OWNERS_SHA512:	return EVP_sha512();
	default:		return NULL;
	}
}

size_t fz_owners_digest_len(enum fz_owners_algo algo)
{
	static const uint8_t len[FZ_OWNERS_ALGOS] = { 0, 16, 20, 28, 32, 32, 32 };

	return len[algo];
}

enum fz_owner fz_owners_find(struct fz_owners *o, const char *path, const void *data, size_t size,
			     const struct fz_package **package, const char **listed)
{
	struct fz_owners_entry *e = fz_owners_first(o, path), *found = NULL;
	uint8_t md[EVP_MAX_MD_SIZE];
	int algo = FZ_OWNERS_UNSURE;

	if (!e)
		return FZ_OWNER_NONE;
	for (; e < o->entries + o->nentries && !strcmp(e->path, path); e++) {
		if (!e->algo) {
			if (!found)
				found = e;	/* unless another one is sure */
			continue;
		}
		if (algo != e->algo && !EVP_Digest(data, size, md, NULL, md_of(e->algo), NULL))
			return FZ_OWNER_CHANGED;
		algo = e->algo;
		if (!memcmp(e->digest, md, fz_owners_digest_len(algo))) {
			found = e;
			break;
		}
	}
	if (!found)
		return FZ_OWNER_CHANGED;
	*package = &o->packages[found->package];
	*listed = found->listed;
	return FZ_OWNER_FOUND;
}

int fz_owners_open(struct fz_owners **out, struct fz_fs *fs, const struct fz_harvest *h,
		   struct fz_error *err)
{
	struct fz_owners *o = calloc(1, sizeof(*o));
	int ret;

	*out = NULL;
	if (!o)
		return fz_fail(err, -ENOMEM, "out of memory");
	o->fs = fs;
	o->h = h;
	o->merged = find_merged(fs);
	ret = read_release(o, err);
	if (!ret)
		ret = fz_dpkg_read(o, err);
	if (!ret)
		ret = fz_apkdb_read(o, err);
	if (!ret)
		ret = fz_rpmdb_read(o, err);
	if (ret || !o->npackages) {
		fz_owners_close(o);
		return ret;
	}
	fz_owners_sort(o);
	*out = o;
	return 1;
}

void fz_owners_close(struct fz_owners *o)
{
	size_t i;

	if (!o)
		return;
	for (i = 0; i < o->nentries; i++) {
		if (o->entries[i].path != o->entries[i].listed)
			free(o->entries[i].path);
		free(o->entries[i].listed);
	}
	free(o->entries);
	free(o->packages);
	free(o);
}
