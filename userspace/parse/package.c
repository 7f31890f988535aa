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
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "control.h"
#include "package.h"
#include "unpack.h"

#define PATH_BYTES	4096

struct reader {
	struct fz_unpack u;
	bool have_control, have_data;
};

static int read_control(struct fz_unpack *u, struct archive *tar, const char *name)
{
	struct reader *r = (struct reader *)u;	/* its first member */
	char path[PATH_BYTES];
	int ret;

	if (!name || fz_path_clean(name, path, sizeof(path)) || strcmp(path, "/control"))
		return 0;
	u->buf.len = 0;
	ret = fz_unpack_entry(u, tar, FZ_CONTROL_MAX + 1);
	if (ret < 0)
		return ret;
	if (u->buf.len > FZ_CONTROL_MAX)
		return fz_fail(u->err, -EINVAL, "its control file is too large");
	r->have_control = true;
	return fz_control_parse(u->package, (char *)u->buf.p, u->buf.len, u->err);
}

/* The member that @ar is at: decompress, read as tar, and then to the end. */
static int read_member(struct fz_unpack *u, struct archive *ar,
		       int (*use)(struct fz_unpack *u, struct archive *tar, const char *name))
{
	struct fz_layer raw = { 0 }, tar = { 0 };
	struct archive_entry *entry;
	int ret;

	ret = fz_layer_open(&raw, u, ar, false);
	if (!ret && !fz_unpack_good(archive_read_next_header(raw.a, &entry)))
		ret = fz_unpack_damaged(u, "a member", raw.a);
	if (!ret)
		ret = fz_layer_open(&tar, u, raw.a, true);
	if (!ret)
		ret = fz_unpack_all(u, tar.a, use);
	if (!ret)
		ret = fz_layer_drain(&tar, u, "a member");
	archive_read_free(tar.a);
	archive_read_free(raw.a);
	return ret;
}

static int read_version(struct fz_unpack *u, struct archive *ar)
{
	int ret;

	u->buf.len = 0;
	ret = fz_unpack_entry(u, ar, FZ_UNPACK_BLOCK);
	if (ret < 0)
		return ret;
	if (u->buf.len < 4 || memcmp(u->buf.p, "2.", 2))
		return fz_fail(u->err, -EINVAL, "it is no Debian package of format 2");
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

	while (fz_unpack_good(status = archive_read_next_header(ar, &entry))) {
		name = archive_entry_pathname(entry);
		ret = 0;
		if (first != (name && !strcmp(name, "debian-binary")))
			return fz_fail(r->u.err, -EINVAL, "it is no Debian package");
		if (first)
			ret = read_version(&r->u, ar);
		else if (starts(name, "control.tar") && !r->have_control)
			ret = read_member(&r->u, ar, read_control);
		else if (starts(name, "data.tar") && r->have_control && !r->have_data)
			r->have_data = !(ret = read_member(&r->u, ar, fz_unpack_file));
		else if (!starts(name, "_"))	/* deb(5): to be ignored */
			ret = fz_fail(r->u.err, -EINVAL, "member '%s' is not where it should be",
				      name ? name : "");
		if (ret < 0)
			return ret;
		first = false;
	}
	if (status != ARCHIVE_EOF)
		return first ? fz_fail(r->u.err, -EINVAL, "it is no Debian package") :
			fz_unpack_damaged(&r->u, "it", ar);
	if (!r->have_data)
		return fz_fail(r->u.err, -EINVAL, "it is cut short: it has no data.tar");
	return 0;
}

int fz_deb_read(struct fz_package *package, int fd, const struct fz_harvest *h,
		struct fz_error *err)
{
	struct reader r = { .u = { .h = h, .package = package, .err = err } };
	struct archive *ar = archive_read_new();
	int ret;

	if (!ar)
		return fz_fail(err, -ENOMEM, "out of memory");
	archive_read_support_format_ar(ar);
	if (lseek(fd, 0, SEEK_SET) < 0)
		ret = fz_fail(err, -errno, "it cannot be read: %s", strerror(errno));
	else if (archive_read_open_fd(ar, fd, FZ_UNPACK_BLOCK) != ARCHIVE_OK)
		ret = fz_fail(err, -EINVAL, "it is no Debian package");
	else
		ret = read_ar(&r, ar);
	archive_read_free(ar);
	free(r.u.buf.p);
	return ret;
}

int fz_package_read(struct fz_package *package, int fd, const struct fz_harvest *h,
		    struct fz_error *err)
{
	int kind = fz_kind(fd);

	memset(package, 0, sizeof(*package));
	if (kind == FZ_KIND_RPM)
		return fz_rpm_read(package, fd, h, err);
	if (kind == FZ_KIND_APK)
		return fz_apk_read(package, fd, h, err);
	return fz_deb_read(package, fd, h, err);
}
