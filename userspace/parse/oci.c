// SPDX-License-Identifier: GPL-2.0-only
/*
 * oci.c - reading container images
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "arcread.h"
#include "oci.h"
#include "rpmheader.h"
#include "tree.h"

#define JSON_MAX	(16UL << 20)
#define IMAGES_MAX	64	/* in a layout */
#define DEPTH_MAX	4	/* of indices in indices */

struct oci {
	int dirfd, fd;
	const struct fz_harvest *h;
	struct fz_error *err;
	unsigned int images;
};

/* A file of the directory, within it. */
static int open_beneath(int dirfd, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	struct stat st;

	if (fd < 0 && errno == ENOSYS)
		fd = openat(dirfd, name, how.flags | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

/* Read the file or member @name; if @sha256, verify it. @b may be NULL: verify only. */
static int read_blob(struct oci *o, const char *name, struct fz_buffer *b,
		     const uint8_t *sha256)
{
	const struct fz_arcsource s = { o->fd, name };
	struct fz_unpack u = { .err = o->err };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *buf = malloc(FZ_UNPACK_BLOCK), got[EVP_MAX_MD_SIZE];
	struct fz_arcread r = { 0 };
	ssize_t n = -1;
	int fd = -1, ret = 0;

	if (!ctx || !buf || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)) {
		ret = fz_fail(o->err, -ENOMEM, "out of memory");
	} else if (o->dirfd < 0) {
		ret = fz_arcread_member(&r, &u, &s);
	} else {
		fd = open_beneath(o->dirfd, name);
		if (fd < 0)
			ret = fz_fail(o->err, fd, "%s cannot be read: %s", name, strerror(-fd));
	}
	if (b)
		b->len = 0;
	while (!ret && (n = r.a ? archive_read_data(r.a, buf, FZ_UNPACK_BLOCK) :
				  read(fd, buf, FZ_UNPACK_BLOCK)) > 0) {
		if (!EVP_DigestUpdate(ctx, buf, n))
			ret = fz_fail(o->err, -EIO, "libcrypto cannot compute SHA-256");
		else if (b && b->len + n > JSON_MAX)
			ret = fz_fail(o->err, -EINVAL, "%s is too large", name);
		else if (b)
			ret = fz_buffer_room(b, n, o->err);
		if (!ret && b) {
			memcpy(b->p + b->len, buf, n);
			b->len += n;
		}
	}
	if (!ret && n < 0)
		ret = fz_fail(o->err, -EINVAL, "%s cannot be read", name);
	if (!ret && sha256 && (!EVP_DigestFinal_ex(ctx, got, NULL) || memcmp(got, sha256, 32)))
		ret = fz_fail(o->err, -EINVAL, "%s is cut short or damaged (another digest)", name);
	fz_arcread_close(&r);
	if (fd >= 0)
		close(fd);
	EVP_MD_CTX_free(ctx);
	free(buf);
	return ret;
}

static int read_json(struct oci *o, const char *name, const uint8_t *sha256, json_t **j)
{
	struct fz_buffer b = { 0 };
	int ret = read_blob(o, name, &b, sha256);

	*j = ret ? NULL : json_loadb((char *)b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
	free(b.p);
	return ret ? ret : *j ? 0 : fz_fail(o->err, -EINVAL, "%s is no JSON", name);
}

/* A descriptor's digest, as bytes and as the blob's name. */
static int digest_of(struct oci *o, const json_t *descriptor, char name[96], uint8_t sha256[32])
{
	const char *d = json_string_value(json_object_get(descriptor, "digest"));

	if (!d || strncmp(d, "sha256:", 7) || !fz_hex(d + 7, sha256, 32))
		return fz_fail(o->err, -EINVAL, "a digest in it is no SHA-256");
	snprintf(name, 96, "blobs/sha256/%s", d + 7);
	return 0;
}

/* Whiteouts and all: the layers @names, from the lowest. */
static int read_layers(struct oci *o, char *const *names, size_t n)
{
	struct fz_arcsource *s = calloc(n ? n : 1, sizeof(*s));
	struct fz_arcfs *f = NULL;
	size_t i;
	int ret = 0;

	if (++o->images > IMAGES_MAX)
		ret = fz_fail(o->err, -EINVAL, "it has more than %d images", IMAGES_MAX);
	else if (!s)
		ret = fz_fail(o->err, -ENOMEM, "out of memory");
	for (i = 0; s && i < n; i++)
		s[i].fd = -1;
	for (i = 0; !ret && i < n; i++) {
		s[i] = (struct fz_arcsource) { o->fd, names[i] };
		if (o->dirfd < 0)
			continue;
		s[i] = (struct fz_arcsource) { open_beneath(o->dirfd, names[i]), NULL };
		if (s[i].fd < 0)
			ret = fz_fail(o->err, s[i].fd, "%s cannot be read: %s", names[i],
				      strerror(-s[i].fd));
	}
	if (!ret && n)
		ret = fz_arcfs_open(&f, s, n, o->err);
	if (f)
		ret = fz_tree_walk(fz_arcfs_fs(f), o->h, o->err);
	fz_arcfs_close(f);
	for (i = 0; s && o->dirfd >= 0 && i < n; i++)
		if (s[i].fd >= 0)
			close(s[i].fd);
	free(s);
	return ret;
}

/* @list: descriptors (OCI) or names (docker). */
static int read_image(struct oci *o, const json_t *list, bool oci)
{
	size_t n = json_array_size(list), i;
	char **names;
	int ret = 0;

	if (!json_is_array(list) || n > FZ_ARCFS_LAYERS)
		return fz_fail(o->err, -EINVAL, "an image in it has no list of at most %d layers",
			       FZ_ARCFS_LAYERS);
	names = calloc(n + 1, sizeof(*names));
	for (i = 0; names && !ret && i < n; i++) {
		const json_t *l = json_array_get(list, i);
		uint8_t sha256[32];
		char name[96];

		if (oci) {
			ret = digest_of(o, l, name, sha256);
			if (!ret)
				ret = read_blob(o, name, NULL, sha256);
			names[i] = ret ? NULL : strdup(name);
		} else if (json_is_string(l)) {
			names[i] = strdup(json_string_value(l));
		} else {
			ret = fz_fail(o->err, -EINVAL, "a layer in it has no name");
		}
		if (!ret && !names[i])
			ret = fz_fail(o->err, -ENOMEM, "out of memory");
	}
	if (!names)
		ret = fz_fail(o->err, -ENOMEM, "out of memory");
	if (!ret)
		ret = read_layers(o, names, n);
	for (i = 0; names && i < n; i++)
		free(names[i]);
	free(names);
	return ret;
}

/* An index, or an image's manifest. What is neither (an attestation) has no such layers. */
static int read_manifests(struct oci *o, const json_t *index, int depth)
{
	const json_t *list = json_object_get(index, "manifests"), *m;
	const char *type, *os;
	uint8_t sha256[32];
	char name[96];
	json_t *j;
	size_t i;
	int ret = 0;

	if (depth > DEPTH_MAX || !json_is_array(list))
		return fz_fail(o->err, -EINVAL, "an index in it makes no sense");
	for (i = 0; !ret && i < json_array_size(list); i++) {
		m = json_array_get(list, i);
		os = json_string_value(json_object_get(json_object_get(m, "platform"), "os"));
		if (os && !strcmp(os, "unknown"))
			continue;
		ret = digest_of(o, m, name, sha256);
		if (!ret)
			ret = read_json(o, name, sha256, &j);
		if (ret)
			break;
		type = json_string_value(json_object_get(j, "mediaType"));
		if (!type)
			type = json_string_value(json_object_get(m, "mediaType"));
		if (json_object_get(j, "manifests"))
			ret = read_manifests(o, j, depth + 1);
		else if (type && !strstr(type, "manifest"))
			o->h->note(o->h->ctx, name, true, "it is no image's manifest");
		else
			ret = read_image(o, json_object_get(j, "layers"), true);
		json_decref(j);
	}
	return ret;
}

static bool has(int dirfd, int fd, const char *name)
{
	struct oci o = { .dirfd = dirfd, .fd = fd };
	struct fz_buffer b = { 0 };
	int ret = read_blob(&o, name, &b, NULL);

	free(b.p);
	return !ret;
}

bool fz_oci_begins(int dirfd, int fd)
{
	return has(dirfd, fd, "oci-layout") || has(dirfd, fd, "manifest.json");
}

int fz_oci_read(int dirfd, int fd, const struct fz_harvest *h, struct fz_error *err)
{
	struct oci o = { .dirfd = dirfd, .fd = fd, .h = h, .err = err };
	bool oci = has(dirfd, fd, "oci-layout");
	json_t *j;
	size_t i;
	int ret;

	ret = read_json(&o, oci ? "index.json" : "manifest.json", NULL, &j);
	if (ret)
		return ret;
	if (oci)
		ret = read_manifests(&o, j, 1);
	else if (!json_is_array(j))
		ret = fz_fail(err, -EINVAL, "its manifest.json makes no sense");
	for (i = 0; !oci && !ret && i < json_array_size(j); i++)
		ret = read_image(&o, json_object_get(json_array_get(j, i), "Layers"), false);
	json_decref(j);
	return ret;
}
