// SPDX-License-Identifier: GPL-2.0-only
/*
 * extio.c - libext2fs reads from a disk's image through this, and cannot write
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "extio.h"

struct channel {
	struct struct_io_channel io;	/* first */
	struct fz_extio place;
};

/* libext2fs hands its manager a name and nothing else. */
static __thread const struct fz_extio *opening;

static errcode_t io_open(const char *name, int flags, io_channel *out)
{
	struct channel *c = calloc(1, sizeof(*c));

	(void)flags;
	if (!c)
		return EXT2_ET_NO_MEMORY;
	c->place = *opening;
	c->io.magic = EXT2_ET_MAGIC_IO_CHANNEL;
	c->io.manager = &fz_extio_manager;
	c->io.name = strdup(name);
	c->io.block_size = 1024;
	c->io.refcount = 1;
	if (!c->io.name) {
		free(c);
		return EXT2_ET_NO_MEMORY;
	}
	*out = &c->io;
	return 0;
}

static errcode_t io_close(io_channel io)
{
	if (--io->refcount > 0)
		return 0;
	free(io->name);
	free(io);
	return 0;
}

static errcode_t io_set_blksize(io_channel io, int size)
{
	io->block_size = size;
	return 0;
}

static errcode_t io_read_blk64(io_channel io, unsigned long long block, int count, void *data)
{
	const struct fz_extio *p = &((struct channel *)io)->place;
	/* Negative: bytes, not blocks. */
	uint64_t len = count < 0 ? (uint64_t)-(int64_t)count :
				    (uint64_t)count * io->block_size;
	uint64_t pos;

	if (__builtin_mul_overflow(block, (unsigned int)io->block_size, &pos) || pos > p->bytes ||
	    len > p->bytes - pos)
		return EXT2_ET_SHORT_READ;
	return fz_disk_read(p->disk, p->start + pos, data, len, NULL) ? EXT2_ET_SHORT_READ : 0;
}

static errcode_t io_read_blk(io_channel io, unsigned long block, int count, void *data)
{
	return io_read_blk64(io, block, count, data);
}

static errcode_t io_write_blk64(io_channel io, unsigned long long block, int count,
				const void *data)
{
	(void)io;
	(void)block;
	(void)count;
	(void)data;
	return EROFS;
}

static errcode_t io_write_blk(io_channel io, unsigned long block, int count, const void *data)
{
	return io_write_blk64(io, block, count, data);
}

static errcode_t io_flush(io_channel io)
{
	(void)io;
	return 0;
}

struct struct_io_manager fz_extio_manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "FitzRoy",
	.open = io_open,
	.close = io_close,
	.set_blksize = io_set_blksize,
	.read_blk = io_read_blk,
	.write_blk = io_write_blk,
	.flush = io_flush,
	.read_blk64 = io_read_blk64,
	.write_blk64 = io_write_blk64,
};

errcode_t fz_extio_open(const struct fz_extio *place, ext2_filsys *fs)
{
	errcode_t rc;

	opening = place;
	rc = ext2fs_open2("image", NULL, EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0, 0,
			  &fz_extio_manager, fs);
	opening = NULL;
	return rc;
}
