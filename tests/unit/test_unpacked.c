// SPDX-License-Identifier: GPL-2.0-only
/* test_unpacked.c - what is kept unpacked is what was packed, and it is bounded */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "unpacked.h"
#include "tap.h"

#define PIECES	300U
#define SIZE	(200UL << 10)
#define HUGE_SIZE	(FZ_UNPACKED_BYTES + SIZE)

static unsigned int asked;

static uint32_t word(uint32_t file, uint32_t index, size_t i)
{
	return (file * 1000003 + index) * 2654435761U + i / 512;
}

/* Made when it is asked for: file 1 has pieces, 2 has a huge one, 3 has rubbish. */
int fz_hashdb_extra(struct fz_hashdb *db, uint32_t id, uint32_t blob, uint32_t index,
		    const void **data, size_t *len, struct fz_error *err)
{
	static uint8_t packed[4 << 20];
	size_t size = id == 2 ? HUGE_SIZE : SIZE, i;
	uint32_t *p;

	(void)db;
	(void)err;
	asked++;
	if (index >= PIECES || id > 3)
		return 0;
	p = malloc(size);
	if (!p)
		exit(2);
	for (i = 0; i < size / 4; i++)
		p[i] = word(id + blob, index, i);
	*len = ZSTD_compress(packed, sizeof(packed), p, size, 1);
	free(p);
	if (ZSTD_isError(*len))
		exit(2);
	if (id == 3)
		*len /= 2;
	*data = packed;
	return 1;
}

static struct fz_unpacked u;
static struct fz_error err;

static int get(uint32_t file, uint32_t blob, uint32_t index)
{
	size_t len = 0, i, want = file == 2 ? HUGE_SIZE : SIZE;
	const uint8_t *data;
	int ret = fz_unpacked_get(&u, NULL, file, blob, index, 64 << 20, &data, &len, &err);

	if (ret <= 0)
		return ret;
	if (len != want)
		return -1;
	for (i = 0; i < len / 4; i += 500)
		if (((const uint32_t *)data)[i] != word(file + blob, index, i))
			return -1;
	return 1;
}

int main(void)
{
	uint32_t i, x = 1, wrong = 0, most = 0;
	const uint8_t *data;
	size_t len;

	for (i = 0; i < 3000; i++) {
		x = x * 1664525 + 1013904223;
		wrong += get(1, 1 + (x >> 30), (x >> 8) % PIECES) != 1;
		most = u.bytes > most ? u.bytes : most;
	}
	ok(!wrong, "3000 times one of 1200 pieces: each is what was packed");
	ok(most > FZ_UNPACKED_PIECES / 2 * SIZE && most <= FZ_UNPACKED_BYTES,
	   "and never more than %lu MiB of them", FZ_UNPACKED_BYTES >> 20);

	for (i = 0; i < FZ_UNPACKED_PIECES; i++)
		get(1, 1, i);
	asked = 0;
	for (i = 0; i < FZ_UNPACKED_PIECES; i++)
		wrong += get(1, 1, i) != 1;
	ok(!wrong && !asked, "as many as fit are unpacked once");
	get(1, 1, 0);
	get(1, 1, FZ_UNPACKED_PIECES);
	asked = 0;
	get(1, 1, 0);
	ok(!asked, "what was used last stays");
	get(1, 1, 1);
	ok(asked == 1, "what was used first has gone");

	ok(get(2, 1, 0) == 1 && u.bytes == HUGE_SIZE, "one that is larger than all may be is alone");
	ok(get(1, 1, 0) == 1 && u.bytes == SIZE, "until another comes");
	ok(!get(9, 1, 0), "none where there is none");
	ok(get(3, 1, 0) == -EBADMSG && get(3, 1, 0) == -EBADMSG, "a damaged one is not kept");
	ok(fz_unpacked_get(&u, NULL, 1, 1, 1, SIZE - 1, &data, &len, &err) == -EBADMSG,
	   "nor one that is larger than the caller takes");
	ok(get(1, 1, 1) == 1, "all else is as before");
	fz_unpacked_free(&u);
	ok(!u.bytes && get(1, 1, 5) == 1, "freed, it begins anew");
	fz_unpacked_free(&u);
	return done();
}
