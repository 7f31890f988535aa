// SPDX-License-Identifier: GPL-2.0-only
/*
 * unpack.c - files out of archives, within bounds
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "formats.h"
#include "unpack.h"

#define PATH_BYTES	4096

int fz_unpack_damaged(struct fz_unpack *u, const char *what, struct archive *a)
{
	const char *why = archive_error_string(a);

	return fz_fail(u->err, -EINVAL, "%s is cut short or damaged (%s)", what,
		       why ? why : "unexpected end");
}

void fz_unpack_filters(struct archive *a)
{
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_lzma(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_bzip2(a);
}

/* libarchive's read callback: the entry that the layer below is at. */
static la_ssize_t layer_read(struct archive *a, void *ctx, const void **data)
{
	struct fz_layer *l = ctx;
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

int fz_layer_open(struct fz_layer *l, struct fz_unpack *u, struct archive *below, bool tar)
{
	*l = (struct fz_layer) { below, archive_read_new(), tar ? &u->unpacked : NULL };
	if (!l->a)
		return fz_fail(u->err, -ENOMEM, "out of memory");
	if (tar) {
		archive_read_support_format_tar(l->a);
	} else {
		archive_read_support_format_raw(l->a);
		fz_unpack_filters(l->a);
	}
	if (archive_read_open(l->a, l, NULL, layer_read, NULL) != ARCHIVE_OK)
		return fz_unpack_damaged(u, tar ? "its tar" : "a member", l->a);
	return 0;
}

int fz_layer_drain(struct fz_layer *l, struct fz_unpack *u, const char *what)
{
	const void *data;
	la_ssize_t n;

	while ((n = layer_read(l->a, l, &data)))
		if (n < 0)
			return fz_unpack_damaged(u, what, l->a);
	return 0;
}

int fz_unpack_entry(struct fz_unpack *u, struct archive *a, size_t max)
{
	la_ssize_t n;
	int ret;

	while (u->buf.len < max) {
		ret = fz_buffer_room(&u->buf, 1, u->err);
		if (ret)
			return ret;
		n = u->buf.cap - u->buf.len;
		if ((size_t)n > max - u->buf.len)
			n = max - u->buf.len;
		/* ARCHIVE_RETRY, too: holes that are out of order give it for ever. */
		n = archive_read_data(a, u->buf.p + u->buf.len, n);
		if (n < 0)
			return fz_unpack_damaged(u, "its content", a);
		if (!n)
			return 0;
		u->buf.len += n;
		/* The layer below does not see holes. */
		u->content += n;
		if (u->content > FZ_UNPACKED_MAX)
			return fz_fail(u->err, -EINVAL, "it unpacks to more than %lu GiB",
				       FZ_UNPACKED_MAX >> 30);
	}
	return 1;
}

int fz_unpack_file(struct fz_unpack *u, struct archive *tar, const char *name)
{
	const struct fz_harvest *h = u->h;
	char path[PATH_BYTES];
	int ret;

	u->buf.len = 0;
	ret = fz_unpack_entry(u, tar, FZ_UNPACK_BLOCK);
	if (ret < 0)
		return ret;
	if (!fz_format_of(u->buf.p, u->buf.len))
		return h->other(h->ctx, u->err);
	if (!name || fz_path_clean(name, path, sizeof(path))) {
		h->note(h->ctx, name ? name : "a file", true, "its path makes no sense");
		return 0;
	}
	ret = fz_unpack_entry(u, tar, FZ_FORMAT_MAX + 1);
	if (ret < 0)
		return ret;
	if (u->buf.len > FZ_FORMAT_MAX) {
		h->note(h->ctx, path, true, "it is too large");
		return 0;
	}
	return h->file(h->ctx, u->package, path, u->buf.p, u->buf.len, u->err);
}

int fz_unpack_all(struct fz_unpack *u, struct archive *a,
		  int (*use)(struct fz_unpack *u, struct archive *a, const char *name))
{
	struct archive_entry *entry;
	const char *name, *link;
	int ret, status;

	while (fz_unpack_good(status = archive_read_next_header(a, &entry))) {
		if (++u->members > FZ_MEMBERS_MAX)
			return fz_fail(u->err, -EINVAL, "it has more than %lu members",
				       FZ_MEMBERS_MAX);
		name = archive_entry_pathname(entry);
		link = archive_entry_hardlink(entry);
		/* Of a cpio's hard links the last has the content. */
		if (link || archive_entry_nlink(entry) > 1) {
			if (archive_entry_size(entry) <= 0)
				continue;
		} else if (archive_entry_filetype(entry) != AE_IFREG) {
			continue;
		}
		ret = use(u, a, link ? link : name);
		if (ret < 0)
			return ret;
	}
	return status == ARCHIVE_EOF ? 0 : fz_unpack_damaged(u, "its archive", a);
}
