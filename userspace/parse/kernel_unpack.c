// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel_unpack.c - the vmlinux in a bzImage
 *
 * Documentation/arch/x86/boot.rst says where it is; libarchive knows how it is packed.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "kernel.h"
#include "kernel_priv.h"

static uint32_t u32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

bool fz_kernel_magic(const void *head, size_t size)
{
	const uint8_t *p = head;

	return size >= 0x250 && p[0x1fe] == 0x55 && p[0x1ff] == 0xaa &&
		!memcmp(p + 0x202, "HdrS", 4) && (p[0x206] | p[0x207] << 8) >= 0x208 &&
		p[0x211] & 1 && u32(p + 0x24c) > 0;
}

int fz_bzimage_parse(struct fz_bzimage *b, const uint8_t *data, size_t size, struct fz_error *err)
{
	uint64_t start, len;

	if (!fz_kernel_magic(data, size))
		return fz_fail(err, -EINVAL, "it is no bzImage");
	b->setup = ((data[0x1f1] ? data[0x1f1] : 4) + 1) * 512UL;
	start = b->setup + (uint64_t)u32(data + 0x248);
	len = u32(data + 0x24c);
	if (b->setup >= size || start > size || len > size - start || len < 16)
		return fz_fail(err, -EINVAL, "its kernel is past its end");
	b->payload = start;
	b->payload_len = len;
	return 0;
}

static int read_all(struct archive *a, uint8_t **out, size_t *out_size, struct fz_error *err)
{
	size_t cap = 1UL << 20, len = 0;
	uint8_t *p = malloc(cap), *q;
	ssize_t n;

	while (p) {
		if (len == cap) {
			if (cap >= FZ_KERNEL_MAX) {
				free(p);
				return fz_fail(err, -EINVAL, "it unpacks to more than %lu MiB",
					       FZ_KERNEL_MAX >> 20);
			}
			cap *= 2;
			q = realloc(p, cap);
			if (!q)
				break;
			p = q;
		}
		n = archive_read_data(a, p + len, cap - len);
		if (n < 0) {
			free(p);
			return fz_fail(err, -EINVAL, "it cannot be unpacked: %s",
				       archive_error_string(a));
		}
		if (!n) {
			*out = p;
			*out_size = len;
			return 0;
		}
		len += n;
	}
	free(p);
	return fz_fail(err, -ENOMEM, "out of memory");
}

static int unpack(const uint8_t *data, size_t size, uint8_t **out, size_t *out_size,
		  struct fz_error *err)
{
	struct archive_entry *entry;
	struct archive *a = archive_read_new();
	int ret;

	if (!a)
		return fz_fail(err, -ENOMEM, "out of memory");
	/* Not "all", which has some that run programs. */
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_lzma(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_lz4(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_format_raw(a);
	if (archive_read_open_memory(a, data, size) || archive_read_next_header(a, &entry))
		ret = fz_fail(err, -EINVAL, "it cannot be unpacked: %s", archive_error_string(a));
	else
		ret = read_all(a, out, out_size, err);
	archive_read_free(a);
	return ret;
}

bool fz_module_packed_magic(const void *head, size_t size)
{
	return size >= 6 && (!memcmp(head, "\xfd" "7zXZ", 6) || !memcmp(head, "\x28\xb5\x2f\xfd", 4));
}

int fz_module_packed_read(const struct fz_hashdb_file *f, const void *data, size_t size,
			  const struct fz_taker *t, struct fz_error *err)
{
	size_t len, out_size;
	uint8_t *out;
	int ret;

	/* Only a module: other packed files have no code that runs from them. */
	len = strlen(f->path);
	if ((len < 6 || strcmp(f->path + len - 6, ".ko.xz")) &&
	    (len < 7 || strcmp(f->path + len - 7, ".ko.zst")))
		return fz_fail(err, 0, "it is packed, and no module");
	ret = unpack(data, size, &out, &out_size, err);
	if (ret)
		return ret;
	ret = fz_module_read(f, data, size, out, out_size, t, err);
	free(out);
	return ret;
}

int fz_kernel_unpack(const uint8_t *data, size_t size, uint8_t **out, size_t *out_size,
		     struct fz_error *err)
{
	struct fz_bzimage b;
	bool gzip;
	int ret;

	ret = fz_bzimage_parse(&b, data, size, err);
	if (ret)
		return ret;
	data += b.payload;
	/* Four bytes with the unpacked size follow; of gzip they are its own. */
	gzip = data[0] == 0x1f && data[1] == 0x8b;
	return unpack(data, b.payload_len - (gzip ? 0 : 4), out, out_size, err);
}
