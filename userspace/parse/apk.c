// SPDX-License-Identifier: GPL-2.0-only
/*
 * apk.c - reading Alpine packages
 *
 * An .apk is up to three gzip members, one after the other: a signature, .PKGINFO
 * and scripts, and the files. What they unpack to is one tar. zlib verifies each
 * member's checksum; .PKGINFO has the SHA-256 of the last one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <zlib.h>
#include "control.h"
#include "package.h"
#include "unpack.h"

#define TAR_BLOCK	512
#define GZIP_BITS	(16 + MAX_WBITS)	/* zlib: gzip only */

struct reader {
	struct fz_unpack u;
	int fd;
	z_stream z;
	bool begun, in_member;
	EVP_MD_CTX *digest;		/* of the gzip member being read */
	uint8_t last[EVP_MAX_MD_SIZE];	/* of the one before */
	unsigned int nmembers;
	bool have_info, have_hash;
	uint8_t hash[32];		/* of the data, as .PKGINFO has it */
	uint8_t in[FZ_UNPACK_BLOCK], out[FZ_UNPACK_BLOCK];
};

bool fz_apk_begins(const void *head, size_t size)
{
	uint8_t block[TAR_BLOCK];
	z_stream z = { .next_in = (uint8_t *)head, .avail_in = size, .next_out = block,
		       .avail_out = sizeof(block) };
	bool begins;
	int ret;

	if (size < 18 || memcmp(head, "\x1f\x8b\x08", 3) || inflateInit2(&z, GZIP_BITS) != Z_OK)
		return false;
	ret = inflate(&z, Z_SYNC_FLUSH);
	begins = (ret == Z_OK || ret == Z_STREAM_END) && !z.avail_out &&
		!memcmp(block + 257, "ustar", 5) &&
		(!memcmp(block, ".SIGN.", 6) || !strcmp((char *)block, ".PKGINFO"));
	inflateEnd(&z);
	return begins;
}

/* A gzip member ended, or (@begin) one begins. */
static bool turn(struct reader *r, bool begin)
{
	unsigned int len;

	if (begin)
		return EVP_DigestInit_ex(r->digest, EVP_sha256(), NULL) &&
			inflateReset(&r->z) == Z_OK;
	r->nmembers++;
	return EVP_DigestFinal_ex(r->digest, r->last, &len);
}

/* libarchive's read callback: what the gzip members unpack to. */
static la_ssize_t unzip(struct archive *a, void *ctx, const void **data)
{
	struct reader *r = ctx;
	uint8_t *from;
	ssize_t n;
	int ret;

	r->z.next_out = r->out;
	r->z.avail_out = sizeof(r->out);
	while (r->z.avail_out) {
		if (!r->z.avail_in) {
			do {
				n = read(r->fd, r->in, sizeof(r->in));
			} while (n < 0 && errno == EINTR);
			if (n < 0 || (!n && r->in_member)) {
				archive_set_error(a, EINVAL, "%s", n ? strerror(errno) :
						  "unexpected end");
				return -1;
			}
			if (!n)
				break;
			r->z.next_in = r->in;
			r->z.avail_in = n;
		}
		if (!r->in_member && !turn(r, true))
			goto bad;
		r->in_member = true;
		from = r->z.next_in;
		ret = inflate(&r->z, Z_NO_FLUSH);
		if (!EVP_DigestUpdate(r->digest, from, r->z.next_in - from) ||
		    (ret != Z_OK && ret != Z_STREAM_END))
			goto bad;
		if (ret == Z_STREAM_END) {
			r->in_member = false;
			if (!turn(r, false))
				goto bad;
		}
	}
	*data = r->out;
	n = sizeof(r->out) - r->z.avail_out;
	r->u.unpacked += n;
	if (r->u.unpacked <= FZ_UNPACKED_MAX)
		return n;
	archive_set_error(a, EFBIG, "it unpacks to more than %lu GiB", FZ_UNPACKED_MAX >> 30);
	return -1;
bad:
	archive_set_error(a, EINVAL, "%s", r->z.msg ? r->z.msg : "bad gzip data");
	return -1;
}

/* "key = value" */
static const char *info_field(const char *s, const char *end, const char *key, size_t *len)
{
	size_t n = strlen(key);

	while (s < end) {
		const char *nl = memchr(s, '\n', end - s);
		const char *e = nl ? nl : end;

		if ((size_t)(e - s) > n + 3 && !memcmp(s, key, n) && !memcmp(s + n, " = ", 3)) {
			*len = e - s - n - 3;
			return s + n + 3;
		}
		s = e + 1;
	}
	return NULL;
}

static bool parse_hash(uint8_t hash[32], const char *s, size_t len)
{
	unsigned int byte;
	int i;

	if (len != 64)
		return false;
	for (i = 0; i < 32; i++) {
		char digits[3] = { s[2 * i], s[2 * i + 1] };

		if (strspn(digits, "0123456789abcdef") != 2 || sscanf(digits, "%2x", &byte) != 1)
			return false;
		hash[i] = byte;
	}
	return true;
}

static int parse_info(struct reader *r, const char *s, size_t size)
{
	struct fz_package *p = r->u.package;
	const struct {
		const char *key;
		char *to;
		size_t size;
		const char *otherwise;
	} fields[] = {
		{ "pkgname", p->name, sizeof(p->name), NULL },
		{ "pkgver", p->version, sizeof(p->version), NULL },
		{ "arch", p->arch, sizeof(p->arch), NULL },
		{ "origin", p->source, sizeof(p->source), p->name },
	};
	const char *v;
	size_t i, len;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		v = info_field(s, s + size, fields[i].key, &len);
		if (!v && fields[i].otherwise) {
			v = fields[i].otherwise;
			len = strlen(v);
		}
		if (!v || !fz_word_copy(fields[i].to, fields[i].size, v, len))
			return fz_fail(r->u.err, -EINVAL, "%s in its .PKGINFO %s", fields[i].key,
				       v ? "makes no sense" : "is missing");
	}
	strcpy(p->source_version, p->version);
	v = info_field(s, s + size, "datahash", &len);
	r->have_hash = v;
	if (v && !parse_hash(r->hash, v, len))
		return fz_fail(r->u.err, -EINVAL, "datahash in its .PKGINFO makes no sense");
	return 0;
}

static int use(struct fz_unpack *u, struct archive *a, const char *name)
{
	struct reader *r = (struct reader *)u;	/* its first member */
	int ret;

	if (name && !strcmp(name, ".PKGINFO") && !r->have_info) {
		u->buf.len = 0;
		ret = fz_unpack_entry(u, a, FZ_CONTROL_MAX + 1);
		if (ret < 0)
			return ret;
		if (u->buf.len > FZ_CONTROL_MAX)
			return fz_fail(u->err, -EINVAL, "its .PKGINFO is too large");
		r->have_info = true;
		return parse_info(r, (char *)u->buf.p, u->buf.len);
	}
	if (name && name[0] == '.' && name[1] != '/')
		return 0;	/* signatures and scripts */
	if (!r->have_info)
		return fz_fail(u->err, -EINVAL, "it has files before its .PKGINFO");
	return fz_unpack_file(u, a, name);
}

static int read_all(struct reader *r, struct archive *a)
{
	const void *data;
	la_ssize_t n;
	int ret;

	if (archive_read_open(a, r, NULL, unzip, NULL) != ARCHIVE_OK)
		return fz_unpack_damaged(&r->u, "it", a);
	ret = fz_unpack_all(&r->u, a, use);
	while (!ret && (n = unzip(a, r, &data)))
		if (n < 0)
			ret = fz_unpack_damaged(&r->u, "it", a);
	if (!ret && !r->have_info)
		ret = fz_fail(r->u.err, -EINVAL, "it has no .PKGINFO");
	if (!ret && r->have_hash && memcmp(r->hash, r->last, sizeof(r->hash)))
		ret = fz_fail(r->u.err, -EINVAL,
			      "it is cut short or damaged (its files do not have the datahash)");
	return ret;
}

int fz_apk_read(struct fz_package *package, int fd, const struct fz_harvest *h,
		struct fz_error *err)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct archive *a = archive_read_new();
	int ret;

	if (r)
		r->digest = EVP_MD_CTX_new();
	if (!r || !a || !r->digest || inflateInit2(&r->z, GZIP_BITS) != Z_OK) {
		if (r)
			EVP_MD_CTX_free(r->digest);
		archive_read_free(a);
		free(r);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	r->u = (struct fz_unpack) { .h = h, .package = package, .err = err };
	r->fd = fd;
	archive_read_support_format_tar(a);
	if (lseek(fd, 0, SEEK_SET) < 0)
		ret = fz_fail(err, -errno, "it cannot be read: %s", strerror(errno));
	else
		ret = read_all(r, a);
	archive_read_free(a);
	inflateEnd(&r->z);
	EVP_MD_CTX_free(r->digest);
	free(r->u.buf.p);
	free(r);
	return ret;
}
