// SPDX-License-Identifier: GPL-2.0-only
/* test_moved.c - a BIOS that moves its start-up code: its lists, and its pages */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "firmware.h"
#include "hashdb_write.h"
#include "identify.h"
#include "moved.h"
#include "tap.h"

#define SIZE	0x10000U
#define BASE	(FZ_MOVES_TOP - SIZE)
#define LIST	0x2000U		/* the first list */
#define START	0x3040U		/* the code that is moved ... */
#define SPAN	0x5000U		/* ... of so many bytes with fields */
#define ADD	200U
#define SUBTRACT 100U
#define STAYS	2U
#define PLACE	0x3ef00520U	/* where it is moved to */
#define FLAT	(FZ_MODE_PE | FZ_MODE_CS_D)

static uint8_t bios[SIZE], moved[SIZE], page[FZ_PAGE_SIZE];
static uint32_t fields[FZ_MOVES_MAX];
static struct fz_moves m;
static char dir[] = "/tmp/fitzroy-moved.XXXXXX", path[64];
static struct fz_hashdb *db;
static struct fz_error err;
static uint64_t seed = 42;

static uint32_t rnd(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed >> 33;
}

static void put(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static uint32_t get(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static void make_bios(void)
{
	uint32_t at = LIST, i, f, step = SPAN / ADD, half = SPAN / SUBTRACT;

	for (i = 0x1000; i < SIZE; i++)
		bios[i] = rnd();
	for (i = 0; i < ADD; i++, at += 4) {
		f = i * step + 1;
		put(bios + at, f);
		put(bios + START + f, BASE + START + rnd() % SPAN);
	}
	for (i = 0; i < SUBTRACT; i++, at += 4) {
		f = i * half + 11;
		put(bios + at, f);
		put(bios + START + f, BASE + 0xe000 + rnd() % 4096 - (BASE + START + f + 4));
	}
	put(bios + at, 0xa000 - LIST);		/* an address of it ... */
	put(bios + 0xa000, BASE + START + 64);
	put(bios + at + 4, 0xb000 - LIST);	/* ... and a call into it */
	put(bios + 0xb000, BASE + START + 64 - (BASE + 0xb004));
	put(bios + at + 8, 0x90909090);
	memset(bios + SIZE - 16, 0, 16);
	bios[SIZE - 16] = 0xea;
	bios[SIZE - 12] = 0xf0;
	bios[SIZE - 9] = bios[SIZE - 6] = '/';
}

/* As it lies in memory: moved[] by @distance, and what refers to it. */
static void move(uint32_t distance)
{
	uint32_t i, n = 0, list;

	memcpy(moved, bios, SIZE);
	for (list = 0; list < FZ_MOVES; list++)
		for (i = 0; i < m.n[list]; i++, n++)
			put(moved + fields[n], get(moved + fields[n]) +
			    (list == FZ_MOVE_SUBTRACT ? -distance : distance));
}

static int take(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		struct fz_error *e)
{
	return fz_hashdb_write_file(ctx, f, data, size, e);
}

static int extra(void *ctx, uint32_t blob, uint32_t index, const void *data, size_t len,
		 struct fz_error *e)
{
	return fz_hashdb_write_extra(ctx, blob, index, data, len, e);
}

static bool make_db(void)
{
	const struct fz_hashdb_file f = { .path = "/bios.bin", .package = "p", .version = "1",
					  .arch = "amd64" };
	struct fz_hashdb_writer *w;
	struct fz_taker t = { .take = take, .extra = extra };

	snprintf(path, sizeof(path), "%s/known.db", dir);
	if (fz_hashdb_write_open(&w, path, &err))
		return false;
	t.ctx = w;
	if (fz_firmware_bios(&f, bios, SIZE, &t, &err) != 1)
		return false;
	fz_hashdb_write_keep(w);
	if (fz_hashdb_write_publish(w, &err))
		return false;
	fz_hashdb_write_close(w);
	return !fz_hashdb_open(&db, path, &err) && !fz_hashdb_check(db, &err);
}

/* page[] runs at @at, after @before did at its place if that is set. What is it? */
static struct fz_frame runs(uint64_t at, uint64_t rip, const uint8_t *before, uint64_t before_at)
{
	static struct {
		struct fz_rec rec;
		uint8_t page[FZ_PAGE_SIZE];
	} r;
	struct fz_identify *id;
	struct fz_frame f;
	int i;

	if (fz_identify_new(&id, db, &err))
		abort();
	for (i = !before; i < 2; i++) {
		memcpy(r.page, i ? page : before, FZ_PAGE_SIZE);
		r.rec = (struct fz_rec){ .size = sizeof(r), .type = FZ_REC_EXEC,
			.flags = FZ_RECF_PAGE, .seq = i, .time = 1000 + i, .vm = 1,
			.gfn = (i ? at : before_at) / FZ_PAGE_SIZE, .rip = i ? rip : before_at,
			.mode = FLAT, .hash = XXH64(r.page, FZ_PAGE_SIZE, 0) };
		if (fz_identify_add(id, &r.rec, &err))
			abort();
	}
	if (fz_identify_settle(id, &err))
		abort();
	f = fz_identify_results(id)->frames[!!before];
	fz_identify_free(id);
	return f;
}

/* Page of the moved code that has offset @offset of it. */
static void moved_page(uint32_t offset)
{
	memcpy(page, moved + START + (offset - (PLACE + offset) % FZ_PAGE_SIZE), FZ_PAGE_SIZE);
}

int main(void)
{
	uint32_t distance = PLACE - (BASE + START), at = PLACE / FZ_PAGE_SIZE * FZ_PAGE_SIZE;
	uint8_t first[FZ_PAGE_SIZE];
	struct fz_frame f;
	unsigned int i, n;

	make_bios();
	ok(fz_bios_moves(bios, SIZE, &m, fields), "the lists are found");
	ok(m.start == START && m.n[0] == ADD && m.n[1] == SUBTRACT && m.n[2] == STAYS &&
	   m.end > START + SPAN - 200 && m.end <= START + SPAN, "as they are");
	bios[START + 1 + 50 * (SPAN / ADD) + 3] ^= 0x80;
	ok(!fz_bios_moves(bios, SIZE, &m, fields), "not if a field leads elsewhere");
	bios[START + 1 + 50 * (SPAN / ADD) + 3] ^= 0x80;
	for (i = 4096, n = 0; i < SIZE; i *= 2)
		n += fz_bios_moves(bios, i, &m, fields) +
		     fz_bios_moves(bios + SIZE - i, i, &m, fields);
	ok(n == 0, "nor in a part of it");
	if (!ok(mkdtemp(dir) && make_db(), "a database of it"))
		return done();
	fz_bios_moves(bios, SIZE, &m, fields);
	move(distance);

	moved_page(0x1500);
	memcpy(first, page, sizeof(first));
	f = runs(at + 0x1000, at + 0x1234, NULL, 0);
	ok(f.verdict == FZ_VERDICT_KNOWN && f.patched && f.base == BASE + distance &&
	   f.page == (START + 0x1000 - 0x520) / FZ_PAGE_SIZE,
	   "a page of the moved code is identified (patched)");
	page[0x800] ^= 1;
	f = runs(at + 0x1000, at + 0x1234, NULL, 0);
	ok(f.verdict == FZ_VERDICT_UNKNOWN, "not with a byte changed");
	moved_page(0x1500);
	f = runs(at + 0x1010 - 0x10 + 0x4000, at + 0x5234, NULL, 0);
	ok(f.verdict == FZ_VERDICT_UNKNOWN, "nor at another distance than its fields have");
	for (n = 0, i = 0; i < 4096; i += 61) {
		moved_page(0x1500);
		page[i] += 1 + i % 255;
		f = runs(at + 0x1000, at + 0x1234, first, at + 0x1000);
		n += f.verdict != FZ_VERDICT_UNKNOWN;
	}
	ok(!n, "nor where a true one ran: %u", n);

	memset(page, 0x5a, 0x520);
	memcpy(page + 0x520, moved + START, FZ_PAGE_SIZE - 0x520);
	f = runs(at, at + 0x600, first, at + 0x1000);
	ok(f.verdict == FZ_VERDICT_UNKNOWN && f.why == FZ_WHY_DATA,
	   "where it begins, with data before it: unknown, beside data");
	f = runs(at, at + 0x100, first, at + 0x1000);
	ok(f.verdict == FZ_VERDICT_UNKNOWN && f.why == FZ_WHY_NOPAGING,
	   "but not if the data is what ran");

	memcpy(page, moved + 0xa000, FZ_PAGE_SIZE);
	f = runs(BASE + 0xa000, BASE + 0xa100, first, at + 0x1000);
	ok(f.verdict == FZ_VERDICT_KNOWN && f.patched && f.page == 10,
	   "a page that stays and refers to it is identified (patched)");
	f = runs(BASE + 0xa000, BASE + 0xa100, NULL, 0);
	ok(f.verdict == FZ_VERDICT_UNKNOWN, "not if nothing was seen to be moved");
	page[0x700] ^= 1;
	f = runs(BASE + 0xa000, BASE + 0xa100, first, at + 0x1000);
	ok(f.verdict == FZ_VERDICT_UNKNOWN && f.why == FZ_WHY_FIRMWARE,
	   "nor with a byte changed: firmware, with bytes that nobody explains");
	fz_hashdb_close(db);
	unlink(path);
	rmdir(dir);
	return done();
}
