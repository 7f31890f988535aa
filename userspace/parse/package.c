// SPDX-License-Identifier: GPL-2.0-only
/*
 * package.c - reading Debian packages
 *
 * A .deb is an ar archive of debian-binary, control.tar.* and data.tar.*, in this
 * order. Three libarchive readers lie on each other, nothing is unpacked to disk:
 *
 *	file -> ar -> member -> raw (decompresses) -> tar -> files
 *
 * A tar reader stops at the end mark. The raw layer in between is then read to its
 * end, so that the compressor's checksum is seen, and a damaged package refused.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "control.h"
#include "formats.h"
#include "package.h"

#define BLOCK		(1 << 16)
#define PATH_BYTES	4096

struct layer {
	struct archive *below, *a;
	uint64_t *unpacked;
};

struct reader {
	const struct fz_harvest *h;
	struct fz_package *package;
	struct fz_error *err;
	struct fz_buffer buf;
	uint64_t unpacked, content, members;
	bool have_control, have_data;
};

static int damaged(struct reader *r, const char *what, struct archive *a)
{
	const char *why = archive_error_string(a);

	return fz_fail(r->err, -EINVAL, "%s is cut short or damaged (%s)", what,
		       why ? why : "unexpected end");
}

/* libarchive's read callback: the entry that the layer below is at. */
static la_ssize_t layer_read(struct archive *a, void *ctx, const void **data)
{
	struct layer *l = ctx;
	la_int64_t offset;
	size_t size = 0;
	int ret;

	do {
		ret = archive_read_data_block(l->below, data, &size, &offset);
	} while ((ret == ARCHIVE_OK || ret == ARCHIVE_WARN) && !size);
	if (ret == ARCHIVE_EOF)
		return 0;
	if (ret != ARCHIVE_OK && ret != ARCHIVE_WARN) {
		archive_set_error(a, EINVAL, "%s", archive_error_string(l->below) ?: "unreadable");
		return -1;
	}
	if (l->unpacked) {
		*l->unpacked += size;
		if (*l->unpacked > FZ_UNPACKED_MAX) {
			archive_set_error(a, EFBIG, "it unpacks to more than %lu GiB",
					  FZ_UNPACKED_MAX >> 30);
			return -1;
		}
	}
	return size;
}

static int layer_open(struct layer *l, struct reader *r, struct archive *below, bool tar)
{
	*l = (struct layer) { below, archive_read_new(), tar ? &r->unpacked : NULL };
	if (!l->a)
		return fz_fail(r->err, -ENOMEM, "out of memory");
	if (tar) {
		archive_read_support_format_tar(l->a);
	} else {
		archive_read_support_format_raw(l->a);
		archive_read_support_filter_gzip(l->a);
		archive_read_support_filter_xz(l->a);
		archive_read_support_filter_lzma(l->a);
		archive_read_support_filter_zstd(l->a);
		archive_read_support_filter_bzip2(l->a);
	}
	if (archive_read_open(l->a, l, NULL, layer_read, NULL) != ARCHIVE_OK)
		return damaged(r, tar ? "its tar" : "a member", l->a);
	return 0;
}

static bool good(int ret)
{
	return ret == ARCHIVE_OK || ret == ARCHIVE_WARN;
}

/* Read on in the current entry, up to @max bytes in all. 1 = there is more. */
static int read_entry(struct reader *r, struct archive *a, size_t max)
{
	la_ssize_t n;
	int ret;

	while (r->buf.len < max) {
		ret = fz_buffer_room(&r->buf, 1, r->err);
		if (ret)
			return ret;
		n = r->buf.cap - r->buf.len;
		if ((size_t)n > max - r->buf.len)
			n = max - r->buf.len;
		/* ARCHIVE_RETRY, too: holes that are out of order give it for ever. */
		n = archive_read_data(a, r->buf.p + r->buf.len, n);
		if (n < 0)
			return damaged(r, "its content", a);
		if (!n)
			return 0;
		r->buf.len += n;
		/* The layer below does not see holes. */
		r->content += n;
		if (r->content > FZ_UNPACKED_MAX)
			return fz_fail(r->err, -EINVAL, "it unpacks to more than %lu GiB",
				       FZ_UNPACKED_MAX >> 30);
	}
	return 1;
}

static int read_file(struct reader *r, struct archive *tar, const char *name)
{
	const struct fz_harvest *h = r->h;
	char path[PATH_BYTES];
	int ret;

	r->buf.len = 0;
	ret = read_entry(r, tar, BLOCK);
	if (ret < 0)
		return ret;
	if (!fz_format_of(r->buf.p, r->buf.len))
		return h->other(h->ctx, r->err);
	if (!name || fz_path_clean(name, path, sizeof(path))) {
		h->note(h->ctx, name ? name : "a file", true, "its path makes no sense");
		return 0;
	}
	ret = read_entry(r, tar, FZ_FORMAT_MAX + 1);
	if (ret < 0)
		return ret;
	if (r->buf.len > FZ_FORMAT_MAX) {
		h->note(h->ctx, path, true, "it is too large");
		return 0;
	}
	return h->file(h->ctx, r->package, path, r->buf.p, r->buf.len, r->err);
}

static int read_control(struct reader *r, struct archive *tar, const char *name)
{
	char path[PATH_BYTES];
	int ret;

	if (!name || fz_path_clean(name, path, sizeof(path)) || strcmp(path, "/control"))
		return 0;
	r->buf.len = 0;
	ret = read_entry(r, tar, FZ_CONTROL_MAX + 1);
	if (ret < 0)
		return ret;
	if (r->buf.len > FZ_CONTROL_MAX)
		return fz_fail(r->err, -EINVAL, "its control file is too large");
	r->have_control = true;
	return fz_control_parse(r->package, (char *)r->buf.p, r->buf.len, r->err);
}

static int read_tar(struct reader *r, struct archive *tar,
		    int (*use)(struct reader *r, struct archive *tar, const char *name))
{
	struct archive_entry *entry;
	int ret, status;

	while (good(status = archive_read_next_header(tar, &entry))) {
		if (++r->members > FZ_MEMBERS_MAX)
			return fz_fail(r->err, -EINVAL, "it has more than %lu members",
				       FZ_MEMBERS_MAX);
		if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
			continue;
		ret = use(r, tar, archive_entry_pathname(entry));
		if (ret < 0)
			return ret;
	}
	return status == ARCHIVE_EOF ? 0 : damaged(r, "its tar", tar);
}

/* The member that @ar is at: decompress, read as tar, and then to the end. */
static int read_member(struct reader *r, struct archive *ar,
		       int (*use)(struct reader *r, struct archive *tar, const char *name))
{
	struct layer raw = { 0 }, tar = { 0 };
	struct archive_entry *entry;
	const void *data;
	la_ssize_t n;
	int ret;

	ret = layer_open(&raw, r, ar, false);
	if (!ret && !good(archive_read_next_header(raw.a, &entry)))
		ret = damaged(r, "a member", raw.a);
	if (!ret)
		ret = layer_open(&tar, r, raw.a, true);
	if (!ret)
		ret = read_tar(r, tar.a, use);
	while (!ret && (n = layer_read(tar.a, &tar, &data)))
		if (n < 0)
			ret = damaged(r, "a member", tar.a);
	archive_read_free(tar.a);
	archive_read_free(raw.a);
	return ret;
}

static int read_version(struct reader *r, struct archive *ar)
{
	int ret;

	r->buf.len = 0;
	ret = read_entry(r, ar, BLOCK);
	if (ret < 0)
		return ret;
	if (r->buf.len < 4 || memcmp(r->buf.p, "2.", 2))
		return fz_fail(r->err, -EINVAL, "it is no Debian package of format 2");
	return 0;
}

static bool starts(const char *s, const char *prefix)
{
	return s && !strncmp(s, prefix, strlen(prefix));
}

static int read_ar(struct reader *r, struct archive *ar)
{
	struct archive_entry *entry;
	const char *name;
	int ret, status;
	bool first = true;

	while (good(status = archive_read_next_header(ar, &entry))) {
		name = archive_entry_pathname(entry);
		ret = 0;
		if (first != (name && !strcmp(name, "debian-binary")))
			return fz_fail(r->err, -EINVAL, "it is no Debian package");
		if (first)
			ret = read_version(r, ar);
		else if (starts(name, "control.tar") && !r->have_control)
			ret = read_member(r, ar, read_control);
		else if (starts(name, "data.tar") && r->have_control && !r->have_data)
			r->have_data = !(ret = read_member(r, ar, read_file));
		else if (!starts(name, "_"))	/* deb(5): to be ignored */
			ret = fz_fail(r->err, -EINVAL, "member '%s' is not where it should be",
				      name ? name : "");
		if (ret < 0)
			return ret;
		first = false;
	}
	if (status != ARCHIVE_EOF)
		return first ? fz_fail(r->err, -EINVAL, "it is no Debian package") :
			damaged(r, "it", ar);
	if (!r->have_data)
		return fz_fail(r->err, -EINVAL, "it is cut short: it has no data.tar");
	return 0;
}

int fz_package_read(struct fz_package *package, int fd, const struct fz_harvest *h,
		    struct fz_error *err)
{
	struct reader r = { .h = h, .package = package, .err = err };
	struct archive *ar = archive_read_new();
	int ret;

	if (!ar)
		return fz_fail(err, -ENOMEM, "out of memory");
	archive_read_support_format_ar(ar);
	if (lseek(fd, 0, SEEK_SET) < 0)
		ret = fz_fail(err, -errno, "it cannot be read: %s", strerror(errno));
	else if (archive_read_open_fd(ar, fd, BLOCK) != ARCHIVE_OK)
		ret = fz_fail(err, -EINVAL, "it is no Debian package");
	else
		ret = read_ar(&r, ar);
	archive_read_free(ar);
	free(r.buf.p);
	return ret;
}
