// SPDX-License-Identifier: GPL-2.0-only
/* unpacked.c - what the database keeps as zstd, unpacked */
#include <errno.h>
#include <stdlib.h>
#include <zstd.h>
#include "unpacked.h"

static void drop(struct fz_unpacked *u, struct fz_unpacked_piece *p)
{
	free(p->data);
	u->bytes -= p->len;
	*p = (struct fz_unpacked_piece){ 0 };
}

/* A place for @len bytes more: what was not used for longest goes. */
static struct fz_unpacked_piece *make_room(struct fz_unpacked *u, size_t len)
{
	struct fz_unpacked_piece *oldest;
	size_t i;

	for (;;) {
		oldest = &u->piece[0];
		for (i = 1; i < FZ_UNPACKED_PIECES; i++)
			if (u->piece[i].used && (!oldest->used || u->piece[i].used < oldest->used))
				oldest = &u->piece[i];
		if (!oldest->used || u->bytes + len <= FZ_UNPACKED_BYTES)
			break;
		drop(u, oldest);
	}
	for (i = 0; i < FZ_UNPACKED_PIECES; i++)
		if (!u->piece[i].used)
			return &u->piece[i];
	drop(u, oldest);
	return oldest;
}

int fz_unpacked_get(struct fz_unpacked *u, struct fz_hashdb *db, uint32_t file, uint32_t blob,
		    uint32_t index, size_t max, const uint8_t **data, size_t *len,
		    struct fz_error *err)
{
	struct fz_unpacked_piece *p;
	unsigned long long size;
	const void *packed;
	size_t n;
	int ret;

	for (p = u->piece; p < u->piece + FZ_UNPACKED_PIECES; p++)
		if (p->used && p->index == index && p->file == file && p->blob == blob)
			goto out;
	ret = fz_hashdb_extra(db, file, blob, index, &packed, &n, err);
	if (ret <= 0)
		return ret;
	size = ZSTD_getFrameContentSize(packed, n);
	if (!size || size > max)
		goto broken;
	p = make_room(u, size);
	p->data = malloc(size);
	if (!p->data)
		return fz_fail(err, -ENOMEM, "out of memory");
	n = ZSTD_decompress(p->data, size, packed, n);
	if (ZSTD_isError(n) || n != size) {
		free(p->data);
		p->data = NULL;
		goto broken;
	}
	p->file = file;
	p->blob = blob;
	p->index = index;
	p->len = size;
	u->bytes += size;
out:
	p->used = ++u->now;
	*data = p->data;
	*len = p->len;
	return 1;
broken:
	return fz_fail(err, -EBADMSG, "the database is damaged (blob %u of file %u); build it anew",
		       blob, file);
}

void fz_unpacked_free(struct fz_unpacked *u)
{
	size_t i;

	for (i = 0; i < FZ_UNPACKED_PIECES; i++)
		drop(u, &u->piece[i]);
}
