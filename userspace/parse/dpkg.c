// SPDX-License-Identifier: GPL-2.0-only
/*
 * dpkg.c - what dpkg knows of an installed root
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "control.h"
#include "dpkg.h"

#define STATUS_MAX	(256UL << 20)
#define LIST_MAX	(64UL << 20)
#define PACKAGES_MAX	(1UL << 20)
#define ENTRIES_MAX	(1UL << 24)
#define MD5_LEN		16

struct entry {
	char *listed;		/* in the package's list, "/bin/ls" */
	char *path;		/* where it is, "/usr/bin/ls"; same pointer if it is the same */
	uint32_t package;
	bool has_md5;
	uint8_t md5[MD5_LEN];
};

struct fz_dpkg {
	struct fz_package *packages;
	struct entry *entries;
	size_t npackages, nentries, max_packages, max_entries;
	int infofd;
	unsigned int merged;	/* bit i: merged_dirs[i] is a link into /usr */
};

static const char *const merged_dirs[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32",
					   "libo32" };

#define MERGED_DIRS	(sizeof(merged_dirs) / sizeof(merged_dirs[0]))

static unsigned int find_merged(const char *root)
{
	char link[PATH_MAX], target[64], want[64];
	unsigned int bits = 0;
	ssize_t n;
	size_t i;

	for (i = 0; i < MERGED_DIRS; i++) {
		snprintf(link, sizeof(link), "%s/%s", root, merged_dirs[i]);
		n = readlink(link, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		snprintf(want, sizeof(want), "usr/%s", merged_dirs[i]);
		if (!strcmp(target + (*target == '/'), want))
			bits |= 1U << i;
	}
	return bits;
}

/* Where the root has what a list calls @listed ("/bin/ls"). NULL: out of memory. */
static char *real_place(const struct fz_dpkg *d, char *listed)
{
	char *path;
	size_t i, n;

	for (i = 0; i < MERGED_DIRS; i++) {
		n = strlen(merged_dirs[i]);
		if (d->merged & 1U << i && !strncmp(listed + 1, merged_dirs[i], n) &&
		    listed[1 + n] == '/')
			return asprintf(&path, "/usr%s", listed) < 0 ? NULL : path;
	}
	return listed;
}

static int open_regular(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

static int read_info(struct fz_dpkg *d, const struct fz_package *p, const char *suffix,
		     struct fz_buffer *b, struct fz_error *err)
{
	char name[256];
	int fd, ret;

	snprintf(name, sizeof(name), "%s:%s.%s", p->name, p->arch, suffix);
	fd = open_regular(d->infofd, name);
	if (fd == -ENOENT) {
		snprintf(name, sizeof(name), "%s.%s", p->name, suffix);
		fd = open_regular(d->infofd, name);
	}
	if (fd < 0)
		return fz_fail(err, fd, "var/lib/dpkg/info/%s cannot be read: %s", name,
			       strerror(-fd));
	ret = fz_buffer_read(b, fd, LIST_MAX, err);
	close(fd);
	return ret;
}

static int add_entry(struct fz_dpkg *d, const char *s, size_t len, struct fz_error *err)
{
	struct entry e = { .package = d->npackages - 1 };

	if (len < 2 || *s != '/' || memchr(s, '\0', len))
		return 0;
	if (d->nentries == d->max_entries) {
		size_t max = d->max_entries ? 2 * d->max_entries : 1 << 16;
		struct entry *p = max <= ENTRIES_MAX ? realloc(d->entries, max * sizeof(*p)) : NULL;

		if (!p)
			return fz_fail(err, -ENOMEM, "too many installed files");
		d->entries = p;
		d->max_entries = max;
	}
	e.listed = strndup(s, len);
	e.path = e.listed ? real_place(d, e.listed) : NULL;
	if (!e.path) {
		free(e.listed);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	d->entries[d->nentries++] = e;
	return 0;
}

static int add_package(struct fz_dpkg *d, const struct fz_package *p, struct fz_buffer *b,
		       const struct fz_harvest *h, struct fz_error *err)
{
	struct fz_error why;
	const char *s, *end;
	int ret;

	ret = read_info(d, p, "list", b, &why);
	if (ret) {
		h->note(h->ctx, p->name, false, why.text);
		return 0;
	}
	if (d->npackages == d->max_packages) {
		size_t max = d->max_packages ? 2 * d->max_packages : 1024;
		struct fz_package *n = max <= PACKAGES_MAX ?
			realloc(d->packages, max * sizeof(*n)) : NULL;

		if (!n)
			return fz_fail(err, -ENOMEM, "too many installed packages");
		d->packages = n;
		d->max_packages = max;
	}
	d->packages[d->npackages++] = *p;
	end = (char *)b->p + b->len;
	for (s = (char *)b->p; s < end; ) {
		const char *nl = memchr(s, '\n', end - s);
		const char *e = nl ? nl : end;

		ret = add_entry(d, s, e - s, err);
		if (ret)
			return ret;
		s = e + 1;
	}
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int ret = strcmp(x->path, y->path);

	return ret ? ret : (x->package > y->package) - (x->package < y->package);
}

/* The first entry of @path, or NULL. */
static struct entry *find_entry(const struct fz_dpkg *d, const char *path)
{
	size_t low = 0, high = d->nentries;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(d->entries[mid].path, path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == d->nentries || strcmp(d->entries[low].path, path))
		return NULL;
	return &d->entries[low];
}

static bool parse_md5(const char *s, uint8_t md5[MD5_LEN])
{
	unsigned int byte;
	int i;

	for (i = 0; i < MD5_LEN; i++) {
		if (sscanf(s + 2 * i, "%2x", &byte) != 1)
			return false;
		md5[i] = byte;
	}
	return true;
}

/* A line of md5sums: 32 digits, two blanks, the path without its first slash. */
static int add_md5(struct fz_dpkg *d, uint32_t package, char *line, struct fz_error *err)
{
	uint8_t md5[MD5_LEN];
	struct entry *e;
	char *path;

	if (strlen(line) < 35 || line[32] != ' ' || strspn(line, "0123456789abcdef") != 32 ||
	    !parse_md5(line, md5))
		return 0;
	line[33] = '/';
	path = real_place(d, line + 33);
	if (!path)
		return fz_fail(err, -ENOMEM, "out of memory");
	e = find_entry(d, path);
	for (; e && e < d->entries + d->nentries && !strcmp(e->path, path); e++) {
		if (e->package != package)
			continue;
		memcpy(e->md5, md5, MD5_LEN);
		e->has_md5 = true;
	}
	if (path != line + 33)
		free(path);
	return 0;
}

static int add_md5sums(struct fz_dpkg *d, struct fz_buffer *b, struct fz_error *err)
{
	char *line, *save;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < d->npackages; i++) {
		if (read_info(d, &d->packages[i], "md5sums", b, NULL))
			continue;	/* a package need not have them */
		ret = fz_buffer_room(b, 1, err);
		if (ret)
			return ret;
		b->p[b->len] = '\0';
		for (line = strtok_r((char *)b->p, "\n", &save); !ret && line;
		     line = strtok_r(NULL, "\n", &save))
			ret = add_md5(d, i, line, err);
	}
	return ret;
}

static int read_status(struct fz_dpkg *d, struct fz_buffer *status, const struct fz_harvest *h,
		       struct fz_error *err)
{
	const char *s = (char *)status->p, *end = s + status->len, *next, *state;
	struct fz_buffer b = { 0 };
	struct fz_package p;
	size_t len;
	int ret = 0;

	for (; !ret && s < end; s = next) {
		next = fz_control_end(s, end);
		state = fz_control_field(s, next, "Status", &len);
		/* "half-installed", "config-files" and so on vouch for nothing */
		if (state && len > 10 && !memcmp(state + len - 10, " installed", 10)) {
			struct fz_error why;

			if (fz_control_parse(&p, s, next - s, &why))
				h->note(h->ctx, "var/lib/dpkg/status", false, why.text);
			else
				ret = add_package(d, &p, &b, h, err);
		}
		while (next < end && *next == '\n')
			next++;
	}
	if (!ret && d->nentries)
		qsort(d->entries, d->nentries, sizeof(*d->entries), by_path);
	if (!ret)
		ret = add_md5sums(d, &b, err);
	free(b.p);
	return ret;
}

int fz_dpkg_open(struct fz_dpkg **out, const char *root, const struct fz_harvest *h,
		 struct fz_error *err)
{
	struct fz_buffer status = { 0 };
	char path[PATH_MAX];
	struct fz_dpkg *d;
	int fd, dirfd, ret;

	if ((size_t)snprintf(path, sizeof(path), "%s/var/lib/dpkg", root) >= sizeof(path))
		return fz_fail(err, -ENAMETOOLONG, "%s is too long a path", root);
	dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 :
			fz_fail(err, -errno, "%s cannot be opened: %s", path, strerror(errno));
	d = calloc(1, sizeof(*d));
	if (!d) {
		close(dirfd);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	d->merged = find_merged(root);
	d->infofd = openat(dirfd, "info", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fd = open_regular(dirfd, "status");
	close(dirfd);
	if (fd < 0)
		ret = fz_fail(err, fd, "%s/status cannot be read: %s", path, strerror(-fd));
	else
		ret = fz_buffer_read(&status, fd, STATUS_MAX, err);
	if (!ret)
		ret = read_status(d, &status, h, err);
	free(status.p);
	if (fd >= 0)
		close(fd);
	if (ret) {
		fz_dpkg_close(d);
		return ret;
	}
	*out = d;
	return 1;
}

void fz_dpkg_close(struct fz_dpkg *d)
{
	size_t i;

	if (!d)
		return;
	for (i = 0; i < d->nentries; i++) {
		if (d->entries[i].path != d->entries[i].listed)
			free(d->entries[i].path);
		free(d->entries[i].listed);
	}
	if (d->infofd >= 0)
		close(d->infofd);
	free(d->entries);
	free(d->packages);
	free(d);
}

enum fz_owner fz_dpkg_owner(struct fz_dpkg *d, const char *path, const void *data, size_t size,
			    const struct fz_package **package, const char **listed)
{
	struct entry *e = find_entry(d, path), *unsure = NULL;
	uint8_t md5[EVP_MAX_MD_SIZE];

	if (!e)
		return FZ_OWNER_NONE;
	if (!EVP_Digest(data, size, md5, NULL, EVP_md5(), NULL))
		return FZ_OWNER_CHANGED;
	for (; e < d->entries + d->nentries && !strcmp(e->path, path); e++) {
		if (e->has_md5 && memcmp(e->md5, md5, MD5_LEN))
			continue;
		if (e->has_md5)
			break;
		if (!unsure)
			unsure = e;	/* the package has no md5sums */
	}
	if (e == d->entries + d->nentries || strcmp(e->path, path))
		e = unsure;
	if (!e)
		return FZ_OWNER_CHANGED;
	*package = &d->packages[e->package];
	*listed = e->listed;
	return FZ_OWNER_FOUND;
}
