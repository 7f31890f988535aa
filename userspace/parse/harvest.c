// SPDX-License-Identifier: GPL-2.0-only
/*
 * harvest.c - what reading packages and reading trees have in common
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "formats.h"
#include "harvest.h"
#include "package.h"

#define AR_MAGIC	"!<arch>\n"
#define DEB_MEMBER	"debian-binary"

enum fz_kind fz_kind_of(const void *head, size_t size)
{
	static const char deb[] = AR_MAGIC DEB_MEMBER, rpm[] = "\xed\xab\xee\xdb";

	/* Other ar archives are static libraries. */
	if (size >= sizeof(deb) - 1 && !memcmp(head, deb, sizeof(deb) - 1))
		return FZ_KIND_DEB;
	if (size >= sizeof(rpm) - 1 && !memcmp(head, rpm, sizeof(rpm) - 1))
		return FZ_KIND_RPM;
	if (fz_apk_begins(head, size))
		return FZ_KIND_APK;
	return fz_format_of(head, size) ? FZ_KIND_FILE : FZ_KIND_OTHER;
}

int fz_kind(int fd)
{
	char head[FZ_FORMAT_HEAD], tail[FZ_FORMAT_TAIL];
	ssize_t n = pread(fd, head, sizeof(head), 0);
	const struct fz_format *format;
	enum fz_kind kind;
	struct stat st;

	if (n < 0)
		return -errno;
	kind = fz_kind_of(head, n);
	format = kind == FZ_KIND_FILE ? fz_format_of(head, n) : NULL;
	if (!format || !format->ends)
		return kind;
	if (fstat(fd, &st))
		return -errno;
	/* begins() was given FZ_FORMAT_HEAD bytes: there is an end. */
	n = pread(fd, tail, sizeof(tail), st.st_size - (off_t)sizeof(tail));
	if (n < 0)
		return -errno;
	return n == sizeof(tail) && format->ends(tail, st.st_size) ? kind : FZ_KIND_OTHER;
}

int fz_buffer_room(struct fz_buffer *b, size_t more, struct fz_error *err)
{
	size_t cap = b->cap ? b->cap : 1 << 16;
	uint8_t *p;

	if (more <= b->cap - b->len)
		return 0;
	if (more > SIZE_MAX / 4 - b->len)
		return fz_fail(err, -ENOMEM, "out of memory");
	while (cap - b->len < more)
		cap *= 2;
	p = realloc(b->p, cap);
	if (!p)
		return fz_fail(err, -ENOMEM, "out of memory");
	b->p = p;
	b->cap = cap;
	return 0;
}

int fz_buffer_read(struct fz_buffer *b, int fd, size_t max, struct fz_error *err)
{
	ssize_t n;
	int ret;

	for (b->len = 0; ; b->len += n) {
		ret = fz_buffer_room(b, 1, err);
		if (ret)
			return ret;
		do {
			n = pread(fd, b->p + b->len, b->cap - b->len, b->len);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return fz_fail(err, -errno, "it cannot be read: %s", strerror(errno));
		if (!n)
			return 0;
		if ((size_t)n > max - b->len)
			return fz_fail(err, -EFBIG, "it is larger than %zu MiB", max >> 20);
	}
}

/* The length of the UTF-8 sequence at @s, or 0 if it is none or not printable. */
static int utf8(const unsigned char *s)
{
	uint32_t c;
	int n, i;

	if (*s < 0x80)
		return *s >= 0x20 && *s != 0x7f;
	n = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	c = *s & (0xff >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < 0xa0 || (n == 3 && c < 0x800) || (c >= 0xd800 && c < 0xe000) ||
	    (n == 4 && c < 0x10000) || c > 0x10ffff)
		return 0;
	return n;
}

int fz_path_clean(const char *name, char *path, size_t size)
{
	size_t len, out = 0;
	const char *s;
	int n;

	for (s = name; *s; s += n) {
		n = utf8((const unsigned char *)s);
		if (!n)
			return -EINVAL;
	}
	for (s = name; *s; s += len) {
		s += strspn(s, "/");
		len = strcspn(s, "/");
		if (!len || (len == 1 && *s == '.'))
			continue;
		if (len == 2 && !memcmp(s, "..", 2))
			return -EINVAL;
		if (len + 2 > size - out)
			return -EINVAL;
		path[out++] = '/';
		memcpy(path + out, s, len);
		out += len;
	}
	if (!out)
		return -EINVAL;
	path[out] = '\0';
	return 0;
}
