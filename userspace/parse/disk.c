// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk.c - the content of a disk: an image as it is, or in qcow2
 *
 * qcow2 maps clusters of the disk by two levels of tables: an L1 entry leads to a
 * cluster full of L2 entries, each to a cluster of data, as it is or compressed.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include "disk.h"

#define MAGIC		"QFI\xfb"
#define L1_MAX		(1U << 22)	/* entries, as qemu: 32 MiB */
#define L2_CACHE	32		/* tables */
#define DEFLATE_BITS	(-12)		/* what qemu writes: no header, a window of 4 KiB */
#define OFFSET_MASK	0x00fffffffffffe00ULL
#define COMPRESSED	(1ULL << 62)
#define ZERO		1

/* incompatible_features; the first, dirty reference counts, does not matter here */
enum { CORRUPT = 2, EXTERNAL = 4, COMPRESSION = 8, EXTENDED_L2 = 16, KNOWN = 31 };

struct header {			/* big-endian */
	char magic[4];
	uint32_t version;
	uint64_t backing_offset;
	uint32_t backing_size, cluster_bits;
	uint64_t size;
	uint32_t crypt, l1_size;
	uint64_t l1_offset, refcount_offset;
	uint32_t refcount_clusters, snapshots;
	uint64_t snapshots_offset;
	/* version 3 */
	uint64_t incompatible, compatible, autoclear;
	uint32_t refcount_order, length;
	uint8_t compression, padding[7];
};

_Static_assert(sizeof(struct header) == 112, "qcow2 header layout");

struct fz_disk {
	int fd;
	uint64_t bytes, file_bytes;
	bool qcow2, zstd;
	unsigned int bits;		/* of a cluster */
	uint64_t *l1;			/* as in the file */
	uint32_t l1_size;
	struct {
		uint64_t offset;	/* in the file; 0 = none */
		uint64_t *entries;
	} l2[L2_CACHE];
	uint64_t unpacked;		/* the L2 entry of what is in @cluster, 0 = none */
	uint8_t *cluster, *packed;
};

static int read_file(const struct fz_disk *d, uint64_t pos, void *to, size_t len,
		     struct fz_error *err)
{
	size_t got = 0;
	ssize_t n;

	if (pos > d->file_bytes || len > d->file_bytes - pos)
		return fz_fail(err, -EINVAL, "the image is cut short or damaged (%#llx is past its end)",
			       (unsigned long long)pos + len);
	while (got < len) {
		n = pread(d->fd, (char *)to + got, len - got, pos + got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fz_fail(err, -EIO, "the image cannot be read: %s",
				       n ? strerror(errno) : "unexpected end");
		got += n;
	}
	return 0;
}

bool fz_disk_qcow2(int fd)
{
	char magic[4];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
		!memcmp(magic, MAGIC, sizeof(magic));
}

static int check_features(const struct header *h, uint64_t features, struct fz_error *err)
{
	static const char convert[] = "make one that is whole with 'qemu-img convert -O qcow2'";

	if (h->backing_offset)
		return fz_fail(err, -EINVAL, "it is a qcow2 image that lies on another; %s", convert);
	if (h->crypt)
		return fz_fail(err, -EINVAL, "it is an encrypted qcow2 image; %s", convert);
	if (features & CORRUPT)
		return fz_fail(err, -EINVAL, "it is a qcow2 image that is marked corrupt");
	if (features & ~(1ULL | CORRUPT | COMPRESSION))
		return fz_fail(err, -EINVAL, "it is a qcow2 image of an unknown kind; %s", convert);
	return 0;
}

static int open_qcow2(struct fz_disk *d, struct fz_error *err)
{
	struct header h = { 0 };
	uint32_t version;
	uint64_t features = 0, l1_offset, per_l1;
	int ret;

	ret = read_file(d, 0, &h, 72, err);	/* of version 2 */
	if (ret)
		return ret;
	version = be32toh(h.version);
	if (version != 2 && version != 3)
		return fz_fail(err, -EINVAL, "it is a qcow2 image of version %u", version);
	if (version == 3) {
		ret = read_file(d, 72, (char *)&h + 72, sizeof(h) - 72, err);
		if (ret)
			return ret;
		features = be64toh(h.incompatible);
		d->zstd = be32toh(h.length) > 104 && (features & COMPRESSION) && h.compression == 1;
		if (be32toh(h.length) > 104 && h.compression > 1)
			return fz_fail(err, -EINVAL, "it is a qcow2 image of unknown compression");
	}
	ret = check_features(&h, features, err);
	if (ret)
		return ret;
	d->bits = be32toh(h.cluster_bits);
	d->bytes = be64toh(h.size);
	d->l1_size = be32toh(h.l1_size);
	l1_offset = be64toh(h.l1_offset);
	if (d->bits < 9 || d->bits > 21 || d->l1_size > L1_MAX)
		return fz_fail(err, -EINVAL, "its qcow2 header makes no sense");
	per_l1 = 1ULL << (2 * d->bits - 3);
	if (d->bytes > INT64_MAX || (d->bytes + per_l1 - 1) / per_l1 > d->l1_size)
		return fz_fail(err, -EINVAL, "its qcow2 header makes no sense");
	if (8ULL * d->l1_size > d->file_bytes)
		return fz_fail(err, -EINVAL, "the image is cut short or damaged");
	d->l1 = malloc(8ULL * d->l1_size + 1);
	d->cluster = malloc(1UL << d->bits);
	d->packed = malloc((1UL << d->bits) + 512 * 2);
	if (!d->l1 || !d->cluster || !d->packed)
		return fz_fail(err, -ENOMEM, "out of memory");
	return read_file(d, l1_offset, d->l1, 8ULL * d->l1_size, err);
}

int fz_disk_open(struct fz_disk **out, int fd, struct fz_error *err)
{
	struct fz_disk *d = calloc(1, sizeof(*d));
	struct stat st;
	int ret = 0;

	if (!d)
		return fz_fail(err, -ENOMEM, "out of memory");
	d->fd = fd;
	if (fstat(fd, &st))
		ret = fz_fail(err, -errno, "it cannot be read: %s", strerror(errno));
	d->file_bytes = d->bytes = ret ? 0 : st.st_size;
	d->qcow2 = fz_disk_qcow2(fd);
	if (!ret && d->qcow2)
		ret = open_qcow2(d, err);
	if (ret)
		fz_disk_close(d);
	else
		*out = d;
	return ret;
}

void fz_disk_close(struct fz_disk *d)
{
	size_t i;

	if (!d)
		return;
	for (i = 0; i < L2_CACHE; i++)
		free(d->l2[i].entries);
	free(d->l1);
	free(d->cluster);
	free(d->packed);
	free(d);
}

uint64_t fz_disk_bytes(const struct fz_disk *d)
{
	return d->bytes;
}

/* The L2 entry for the cluster at @pos; 0 = nothing there. */
static int lookup(struct fz_disk *d, uint64_t pos, uint64_t *entry, struct fz_error *err)
{
	uint64_t table = be64toh(d->l1[pos >> (2 * d->bits - 3)]) & OFFSET_MASK;
	size_t slot = (table >> d->bits) % L2_CACHE, size = 1UL << d->bits;
	int ret;

	*entry = 0;
	if (!table)
		return 0;
	if (d->l2[slot].offset != table) {
		if (!d->l2[slot].entries)
			d->l2[slot].entries = malloc(size);
		if (!d->l2[slot].entries)
			return fz_fail(err, -ENOMEM, "out of memory");
		d->l2[slot].offset = 0;
		ret = read_file(d, table, d->l2[slot].entries, size, err);
		if (ret)
			return ret;
		d->l2[slot].offset = table;
	}
	*entry = be64toh(d->l2[slot].entries[(pos >> d->bits) & (size / 8 - 1)]);
	return 0;
}

static bool inflate_cluster(struct fz_disk *d, size_t len)
{
	size_t size = 1UL << d->bits;
	z_stream z = { .next_in = d->packed, .avail_in = len, .next_out = d->cluster,
		       .avail_out = size };
	ZSTD_DCtx *ctx;
	size_t left;
	int ret;

	if (!d->zstd) {
		if (inflateInit2(&z, DEFLATE_BITS) != Z_OK)
			return false;
		ret = inflate(&z, Z_FINISH);
		inflateEnd(&z);
		return !z.avail_out && (ret == Z_STREAM_END || ret == Z_BUF_ERROR || ret == Z_OK);
	}
	ctx = ZSTD_createDCtx();
	if (ctx) {
		ZSTD_outBuffer o = { d->cluster, size, 0 };
		ZSTD_inBuffer i = { d->packed, len, 0 };

		/* What follows the frame in the last sector is not its. */
		do {
			left = ZSTD_decompressStream(ctx, &o, &i);
		} while (!ZSTD_isError(left) && left && o.pos < o.size && i.pos < i.size);
		size -= o.pos;
	}
	ZSTD_freeDCtx(ctx);
	return ctx && !size;
}

static int unpack(struct fz_disk *d, uint64_t entry, struct fz_error *err)
{
	unsigned int x = 62 - (d->bits - 8);
	uint64_t pos = entry & ((1ULL << x) - 1);
	uint64_t sectors = ((entry & (COMPRESSED - 1)) >> x) + 1;
	size_t len = 512 * sectors - (pos & 511), max = (1UL << d->bits) + 512 * 2;
	int ret;

	if (d->unpacked == entry)
		return 0;
	d->unpacked = 0;
	if (len > max)
		len = max;
	if (pos < d->file_bytes && len > d->file_bytes - pos)
		len = d->file_bytes - pos;	/* the last sector need not be whole */
	ret = read_file(d, pos, d->packed, len, err);
	if (ret)
		return ret;
	if (!inflate_cluster(d, len))
		return fz_fail(err, -EINVAL, "the image is damaged (a compressed cluster)");
	d->unpacked = entry;
	return 0;
}

static int read_cluster(struct fz_disk *d, uint64_t pos, void *to, size_t len,
			struct fz_error *err)
{
	size_t in = pos & ((1UL << d->bits) - 1);
	uint64_t entry;
	int ret;

	ret = lookup(d, pos, &entry, err);
	if (ret)
		return ret;
	if (entry & COMPRESSED) {
		ret = unpack(d, entry, err);
		if (!ret)
			memcpy(to, d->cluster + in, len);
		return ret;
	}
	if (!(entry & OFFSET_MASK) || entry & ZERO) {
		memset(to, 0, len);
		return 0;
	}
	return read_file(d, (entry & OFFSET_MASK) + in, to, len, err);
}

int fz_disk_read(struct fz_disk *d, uint64_t pos, void *to, size_t len, struct fz_error *err)
{
	int ret = 0;

	if (pos > d->bytes || len > d->bytes - pos)
		return fz_fail(err, -EINVAL, "it leads past the end of the disk");
	if (!d->qcow2)
		return read_file(d, pos, to, len, err);
	while (!ret && len) {
		size_t n = (1UL << d->bits) - (pos & ((1UL << d->bits) - 1));

		if (n > len)
			n = len;
		ret = read_cluster(d, pos, to, n, err);
		to = (char *)to + n;
		pos += n;
		len -= n;
	}
	return ret;
}
