// SPDX-License-Identifier: GPL-2.0-only
/*
 * image.c - reading images of disks
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <stdio.h>
#include "extfs.h"
#include "image.h"
#include "tree.h"

#define SECTOR		512
#define PARTS_MAX	256
#define GPT_ENTRIES	1024
#define GPT_PROTECTIVE	0xee

struct part {
	uint64_t start, bytes;
};

struct table {
	struct fz_disk *d;
	struct part parts[PARTS_MAX];
	size_t n;
};

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static bool add_part(struct table *t, uint64_t first, uint64_t sectors)
{
	uint64_t max = fz_disk_bytes(t->d) / SECTOR;

	if (!sectors || first >= max || sectors > max - first || t->n == PARTS_MAX)
		return false;
	t->parts[t->n++] = (struct part) { first * SECTOR, sectors * SECTOR };
	return true;
}

/* False: there is none. */
static bool read_gpt(struct table *t)
{
	uint8_t head[SECTOR], entry[128];
	static const uint8_t unused[16];
	uint32_t n, size, i;
	uint64_t at;

	if (fz_disk_read(t->d, SECTOR, head, sizeof(head), NULL) || memcmp(head, "EFI PART", 8))
		return false;
	at = le64(head + 72);
	n = le32(head + 80);
	size = le32(head + 84);
	if (at > UINT64_MAX / SECTOR / 2 || size < sizeof(entry) || size > 4096 || n > GPT_ENTRIES)
		return false;
	for (i = 0; i < n; i++) {
		if (fz_disk_read(t->d, at * SECTOR + (uint64_t)i * size, entry, sizeof(entry),
				 NULL))
			break;
		if (memcmp(entry, unused, sizeof(unused)) && le64(entry + 40) >= le64(entry + 32))
			add_part(t, le64(entry + 32), le64(entry + 40) - le64(entry + 32) + 1);
	}
	return true;
}

static bool extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static bool read_mbr_sector(struct table *t, uint64_t at, uint8_t s[SECTOR])
{
	return !fz_disk_read(t->d, at * SECTOR, s, SECTOR, NULL) && s[510] == 0x55 &&
		s[511] == 0xaa;
}

/* Logical partitions: a chain of sectors, each with a partition and the next. */
static void read_extended(struct table *t, uint64_t base)
{
	uint8_t s[SECTOR];
	uint64_t at = base;
	int i;

	for (i = 0; i < PARTS_MAX && read_mbr_sector(t, at, s); i++) {
		if (s[446 + 4])
			add_part(t, at + le32(s + 446 + 8), le32(s + 446 + 12));
		if (!extended(s[462 + 4]) || !le32(s + 462 + 8))
			break;
		at = base + le32(s + 462 + 8);
	}
}

static bool read_mbr(struct table *t)
{
	uint8_t s[SECTOR];
	bool any = false;
	int i;

	if (!read_mbr_sector(t, 0, s))
		return false;
	for (i = 0; i < 4; i++) {
		const uint8_t *e = s + 446 + 16 * i;

		/* A boot sector of another kind has code or text here. */
		if (e[0] & 0x7f)
			return false;
		if (!e[4])
			continue;
		if (e[4] == GPT_PROTECTIVE)
			return read_gpt(t);
		any = true;
		if (extended(e[4]))
			read_extended(t, le32(e + 8));
		else
			add_part(t, le32(e + 8), le32(e + 12));
	}
	return any;
}

static bool find_parts(struct table *t, struct fz_disk *d)
{
	t->d = d;
	t->n = 0;
	if (fz_extfs_begins(d, 0, fz_disk_bytes(d))) {
		t->parts[t->n++] = (struct part) { 0, fz_disk_bytes(d) };
		return true;
	}
	return read_mbr(t) || read_gpt(t);
}

bool fz_image_begins(int fd)
{
	struct table t;
	struct fz_disk *d;
	bool begins;

	if (fz_disk_qcow2(fd))
		return true;	/* what is wrong with it is said when it is read */
	if (fz_disk_open(&d, fd, NULL))
		return false;
	begins = find_parts(&t, d) && t.n;
	fz_disk_close(d);
	return begins;
}

static const char *what_is(struct fz_disk *d, const struct part *p)
{
	static const struct {
		uint32_t at;
		const char *magic, *name;
	} kinds[] = {
		{ 0, "LUKS\xba\xbe", "encrypted (LUKS)" }, { 536, "LVM2 001", "LVM" },
		{ 0, "XFSB", "XFS" }, { 65600, "_BHRfS_M", "Btrfs" }, { 0, "hsqs", "SquashFS" },
		{ 54, "FAT1", "FAT" }, { 82, "FAT32", "FAT" }, { 3, "NTFS", "NTFS" },
		{ 4086, "SWAPSPACE2", "swap space" },
	};
	char magic[16];
	size_t i, len;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		len = strlen(kinds[i].magic);
		if (p->bytes > kinds[i].at + len &&
		    !fz_disk_read(d, p->start + kinds[i].at, magic, len, NULL) &&
		    !memcmp(magic, kinds[i].magic, len))
			return kinds[i].name;
	}
	return "not known";
}

static int read_part(struct fz_disk *d, const struct part *p, const struct fz_harvest *h,
		     struct fz_error *err)
{
	struct fz_extfs *x;
	int ret = fz_extfs_open(&x, d, p->start, p->bytes, err);

	if (ret)
		return ret;
	ret = fz_tree_walk(fz_extfs_fs(x), h, err);
	fz_extfs_close(x);
	return ret;
}

static int read_parts(struct fz_disk *d, const struct fz_harvest *h, struct fz_error *err)
{
	char name[32], why[64];
	struct table t;
	size_t i, read = 0;
	int ret = 0;

	if (!find_parts(&t, d))
		return fz_fail(err, -EINVAL, "it has no partitions and no ext2, ext3 or ext4 file system");
	for (i = 0; !ret && i < t.n; i++) {
		if (fz_extfs_begins(d, t.parts[i].start, t.parts[i].bytes)) {
			ret = read_part(d, &t.parts[i], h, err);
			read++;
			continue;
		}
		snprintf(name, sizeof(name), "partition %zu", i + 1);
		snprintf(why, sizeof(why), "its content is %s, not ext2, ext3 or ext4",
			 what_is(d, &t.parts[i]));
		h->note(h->ctx, name, false, why);
	}
	if (!ret && !read)
		ret = fz_fail(err, -EINVAL, "none of its partitions has an ext2, ext3 or ext4 file system");
	return ret;
}

int fz_image_read(int fd, const struct fz_harvest *h, struct fz_error *err)
{
	struct fz_disk *d;
	int ret = fz_disk_open(&d, fd, err);

	if (ret)
		return ret;
	ret = read_parts(d, h, err);
	fz_disk_close(d);
	return ret;
}
