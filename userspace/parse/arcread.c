// SPDX-License-Identifier: GPL-2.0-only
/*
 * arcread.c - an archive from its beginning to its end
 *
 *	file -> raw (decompresses) -> tar [-> member -> raw (decompresses) -> tar]
 *
 * The raw layers are there to be read to their end, which a tar reader does not.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "arcread.h"

#define ISO_AT		32769	/* of its first volume descriptor's name */
#define PATH_BYTES	4096

static struct archive *open_file(int fd, struct fz_unpack *u, bool iso)
{
	struct archive *a = archive_read_new();

	if (!a) {
		fz_fail(u->err, -ENOMEM, "out of memory");
		return NULL;
	}
	if (iso) {
		archive_read_support_format_iso9660(a);
	} else {
		archive_read_support_format_raw(a);
		archive_read_support_format_empty(a);
		fz_unpack_filters(a);
	}
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    archive_read_open_fd(a, fd, FZ_UNPACK_BLOCK) != ARCHIVE_OK) {
		fz_unpack_damaged(u, "it", a);
		archive_read_free(a);
		return NULL;
	}
	return a;
}

static int next_raw(struct fz_unpack *u, struct archive *a)
{
	struct archive_entry *e;

	return fz_unpack_good(archive_read_next_header(a, &e)) ? 0 :
		fz_unpack_damaged(u, "it", a);
}

/* The tar in the file, decompressed: @l. */
static int open_tar(struct fz_arcread *r, struct fz_unpack *u, int fd, struct fz_layer *l)
{
	int ret;

	r->file = open_file(fd, u, false);
	if (!r->file)
		return -EINVAL;
	ret = next_raw(u, r->file);
	return ret ? ret : fz_layer_open(l, u, r->file, true);
}

int fz_arcread_member(struct fz_arcread *r, struct fz_unpack *u, const struct fz_arcsource *s)
{
	char path[PATH_BYTES], want[PATH_BYTES];
	struct archive_entry *e;
	const char *name;
	uint64_t n = 0;
	int ret, status;

	memset(r, 0, sizeof(*r));
	if (fz_path_clean(s->member, want, sizeof(want)))
		return fz_fail(u->err, -EINVAL, "the name of a member makes no sense");
	ret = open_tar(r, u, s->fd, &r->member);
	if (ret)
		return ret;
	while (fz_unpack_good(status = archive_read_next_header(r->member.a, &e))) {
		if (++n > FZ_MEMBERS_MAX)
			return fz_fail(u->err, -EINVAL, "it has more than %lu members",
				       FZ_MEMBERS_MAX);
		name = archive_entry_pathname(e);
		if (name && archive_entry_filetype(e) == AE_IFREG && !archive_entry_hardlink(e) &&
		    !fz_path_clean(name, path, sizeof(path)) && !strcmp(path, want)) {
			r->a = r->member.a;
			return 0;
		}
	}
	if (status != ARCHIVE_EOF)
		return fz_unpack_damaged(u, "it", r->member.a);
	return fz_fail(u->err, -ENOENT, "there is no %s in it", want + 1);
}

int fz_arcread_open(struct fz_arcread *r, struct fz_unpack *u, const struct fz_arcsource *s)
{
	enum fz_arc_kind kind = FZ_ARC_TAR;
	int ret;

	memset(r, 0, sizeof(*r));
	if (s->member) {
		ret = fz_arcread_member(r, u, s);
		if (!ret)
			ret = fz_layer_open(&r->raw, u, r->a, false);
		if (!ret)
			ret = next_raw(u, r->raw.a);
		if (!ret)
			ret = fz_layer_open(&r->tar, u, r->raw.a, true);
	} else {
		kind = fz_arc_kind(s->fd);
		if (kind == FZ_ARC_ISO) {
			r->file = open_file(s->fd, u, true);
			r->a = r->file;
			return r->a ? 0 : -EINVAL;
		}
		ret = open_tar(r, u, s->fd, &r->tar);
	}
	r->a = r->tar.a;
	return ret;
}

int fz_arcread_drain(struct fz_arcread *r, struct fz_unpack *u)
{
	return r->tar.a ? fz_layer_drain(&r->tar, u, "it") : 0;
}

void fz_arcread_close(struct fz_arcread *r)
{
	archive_read_free(r->tar.a);
	archive_read_free(r->raw.a);
	archive_read_free(r->member.a);
	archive_read_free(r->file);
	memset(r, 0, sizeof(*r));
}

enum fz_arc_kind fz_arc_kind(int fd)
{
	struct fz_unpack u = { 0 };
	struct archive_entry *e;
	struct fz_arcread r;
	char magic[5];
	bool tar;

	if (pread(fd, magic, sizeof(magic), ISO_AT) == sizeof(magic) && !memcmp(magic, "CD001", 5))
		return FZ_ARC_ISO;
	memset(&r, 0, sizeof(r));
	tar = !open_tar(&r, &u, fd, &r.tar) &&
		fz_unpack_good(archive_read_next_header(r.tar.a, &e));
	fz_arcread_close(&r);
	return tar ? FZ_ARC_TAR : FZ_ARC_NONE;
}
