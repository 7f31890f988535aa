// SPDX-License-Identifier: GPL-2.0-only
/*
 * rpm.c - reading rpm packages
 *
 * A lead of 96 bytes, a header of signatures, a header, and a compressed cpio,
 * whose digest the header has, as the signatures have that of the header. Both
 * are verified as the file is read; who signed it is not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "package.h"
#include "rpmheader.h"
#include "unpack.h"

#define LEAD_BYTES	96
#define INTRO_BYTES	16	/* of a header: magic, reserved, and two sizes */

struct reader {
	struct fz_unpack u;
	int fd;
	struct fz_buffer sig, head;	/* with their intro */
	EVP_MD_CTX *sha256, *md5;	/* of the payload; of header and payload */
	uint8_t in[FZ_UNPACK_BLOCK];
};

static ssize_t read_full(int fd, void *to, size_t len)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = read(fd, (char *)to + got, len - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += n;
	}
	return got;
}

static int cut_short(struct fz_error *err)
{
	return fz_fail(err, -EINVAL, "it is cut short or damaged (no whole rpm header)");
}

/* A header at the file's place, all of it into @b. */
static int read_header(struct reader *r, struct fz_buffer *b, struct fz_rpmheader *h)
{
	static const uint8_t magic[] = { 0x8e, 0xad, 0xe8, 0x01 };
	uint8_t intro[INTRO_BYTES];
	uint64_t bytes;
	int ret;

	if (read_full(r->fd, intro, sizeof(intro)) != sizeof(intro) ||
	    memcmp(intro, magic, sizeof(magic)))
		return cut_short(r->u.err);
	bytes = 16ULL * ((uint32_t)intro[8] << 24 | intro[9] << 16 | intro[10] << 8 | intro[11]) +
		((uint32_t)intro[12] << 24 | intro[13] << 16 | intro[14] << 8 | intro[15]);
	if (bytes > FZ_RPM_HEADER_MAX)
		return fz_fail(r->u.err, -EINVAL, "its rpm header is too large");
	/* Grow as it comes: what a size says is not there yet. */
	for (b->len = 0; b->len < bytes + INTRO_BYTES; ) {
		size_t want = b->len ? bytes + INTRO_BYTES - b->len : INTRO_BYTES;

		if (want > FZ_UNPACK_BLOCK)
			want = FZ_UNPACK_BLOCK;
		ret = fz_buffer_room(b, want, r->u.err);
		if (ret)
			return ret;
		if (!b->len)
			memcpy(b->p, intro, INTRO_BYTES);
		else if (read_full(r->fd, b->p + b->len, want) != (ssize_t)want)
			return cut_short(r->u.err);
		b->len += want;
	}
	return fz_rpmheader_parse(h, b->p + 8, b->len - 8, r->u.err);
}

static int check_header(struct reader *r, const struct fz_rpmheader *sig)
{
	const char *hex = fz_rpm_string(sig, FZ_RPM_SIG_SHA256);
	uint8_t want[32], got[EVP_MAX_MD_SIZE];

	if (!hex)
		return 0;	/* before rpm 4.14 */
	if (!EVP_Digest(r->head.p, r->head.len, got, NULL, EVP_sha256(), NULL))
		return fz_fail(r->u.err, -EIO, "libcrypto cannot compute SHA-256");
	if (!fz_hex(hex, want, sizeof(want)) || memcmp(want, got, sizeof(want)))
		return fz_fail(r->u.err, -EINVAL, "it is damaged (its header has another digest)");
	return 0;
}

/* libarchive's read callback */
static la_ssize_t payload(struct archive *a, void *ctx, const void **data)
{
	struct reader *r = ctx;
	ssize_t n = read_full(r->fd, r->in, sizeof(r->in));

	*data = r->in;
	if (n >= 0 && EVP_DigestUpdate(r->sha256, r->in, n) && EVP_DigestUpdate(r->md5, r->in, n))
		return n;
	archive_set_error(a, EIO, "it cannot be read");
	return -1;
}

static int check_payload(struct reader *r, const struct fz_rpmheader *sig,
			 const struct fz_rpmheader *head)
{
	const char *hex = fz_rpm_string(head, FZ_RPM_PAYLOADDIGEST);
	uint8_t want[32], got[EVP_MAX_MD_SIZE];
	const uint8_t *md5;
	uint32_t algo = 8, len;
	bool same = true;

	fz_rpm_u32(head, FZ_RPM_PAYLOADALGO, 0, &algo);
	md5 = fz_rpm_bytes(sig, FZ_RPM_SIG_MD5, &len);
	if (hex && algo == 8) {
		if (!EVP_DigestFinal_ex(r->sha256, got, NULL))
			return fz_fail(r->u.err, -EIO, "libcrypto cannot compute SHA-256");
		same = fz_hex(hex, want, sizeof(want)) && !memcmp(want, got, sizeof(want));
	} else if (md5) {
		if (!EVP_DigestFinal_ex(r->md5, got, NULL))
			return fz_fail(r->u.err, -EIO, "libcrypto cannot compute MD5");
		same = len == 16 && !memcmp(md5, got, 16);
	}
	return same ? 0 : fz_fail(r->u.err, -EINVAL,
				  "it is cut short or damaged (its payload has another digest)");
}

static int read_payload(struct reader *r)
{
	struct archive *a = archive_read_new();
	const void *data;
	la_ssize_t n;
	int ret;

	if (!a)
		return fz_fail(r->u.err, -ENOMEM, "out of memory");
	archive_read_support_format_cpio(a);
	archive_read_support_format_empty(a);	/* a package may have no files */
	fz_unpack_filters(a);
	if (archive_read_open(a, r, NULL, payload, NULL) != ARCHIVE_OK)
		ret = fz_unpack_damaged(&r->u, "its payload", a);
	else
		ret = fz_unpack_all(&r->u, a, fz_unpack_file);
	while (!ret && (n = payload(a, r, &data)))
		if (n < 0)
			ret = fz_unpack_damaged(&r->u, "its payload", a);
	archive_read_free(a);
	return ret;
}

static int read_rpm(struct reader *r)
{
	struct fz_rpmheader sig, head;
	uint8_t lead[LEAD_BYTES];
	const char *format;
	int ret;

	if (lseek(r->fd, 0, SEEK_SET) < 0)
		return fz_fail(r->u.err, -errno, "it cannot be read: %s", strerror(errno));
	if (read_full(r->fd, lead, sizeof(lead)) != sizeof(lead))
		return cut_short(r->u.err);
	ret = read_header(r, &r->sig, &sig);
	if (ret)
		return ret;
	/* The next header begins at a multiple of 8. */
	if (read_full(r->fd, lead, -r->sig.len & 7) != (ssize_t)(-r->sig.len & 7))
		return cut_short(r->u.err);
	ret = read_header(r, &r->head, &head);
	if (!ret)
		ret = check_header(r, &sig);
	if (!ret)
		ret = fz_rpm_package(&head, r->u.package, r->u.err);
	if (ret)
		return ret;
	format = fz_rpm_string(&head, FZ_RPM_PAYLOADFORMAT);
	if (format && strcmp(format, "cpio"))
		return fz_fail(r->u.err, -EINVAL, "its payload is no cpio");
	if (!EVP_DigestInit_ex(r->sha256, EVP_sha256(), NULL) ||
	    !EVP_DigestInit_ex(r->md5, EVP_md5(), NULL) ||
	    !EVP_DigestUpdate(r->md5, r->head.p, r->head.len))
		return fz_fail(r->u.err, -EIO, "libcrypto cannot compute SHA-256 or MD5");
	ret = read_payload(r);
	return ret ? ret : check_payload(r, &sig, &head);
}

int fz_rpm_read(struct fz_package *package, int fd, const struct fz_harvest *h,
		struct fz_error *err)
{
	struct reader *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return fz_fail(err, -ENOMEM, "out of memory");
	r->u = (struct fz_unpack) { .h = h, .package = package, .err = err };
	r->fd = fd;
	r->sha256 = EVP_MD_CTX_new();
	r->md5 = EVP_MD_CTX_new();
	if (r->sha256 && r->md5)
		ret = read_rpm(r);
	else
		ret = fz_fail(err, -ENOMEM, "out of memory");
	EVP_MD_CTX_free(r->sha256);
	EVP_MD_CTX_free(r->md5);
	free(r->sig.p);
	free(r->head.p);
	free(r->u.buf.p);
	free(r);
	return ret;
}
