// SPDX-License-Identifier: GPL-2.0-only
/* test_stage.c - a sink slower than the guest: what is copied out first, or released in blocks */
#include <errno.h>
#include <stdlib.h>
#include "rings_in_memory.h"
#include "stage.h"
#include "tap.h"

/* A guest that runs new pages while the sink works on one: two, or one if room comes in blocks. */
static struct {
	struct fz_reader *r;
	int left, lost, release_each, taken;
	uint64_t time;
	int freed_first;	/* all room was there before the sink had the first record */
} guest;

static void run_guest(int pages)
{
	const size_t size = sizeof(struct fz_rec) + FZ_PAGE_SIZE;

	for (; pages && guest.left; pages--, guest.left--) {
		if (RING - (bed.producers[0].pos - bed.consumers[0].pos) < size) {
			bed.seq[0]++;
			guest.lost++;
		} else {
			produce(0, FZ_REC_EXEC, ++guest.time);
		}
	}
}

static int slow_sink(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	if (!guest.taken++)
		guest.freed_first = bed.consumers[0].pos == bed.producers[0].pos;
	/* As record does when it has written a block. */
	if (guest.release_each && guest.taken % guest.release_each == 1)
		fz_reader_release(guest.r);
	run_guest(guest.release_each ? 1 : 2);
	return take(arg, rec, err);
}

/* 15 pages fit into the ring. Run 400, of which 10 at first; all are read. */
static void burst(size_t stage, int keep, int release_each)
{
	struct fz_error err;

	setup();
	memset(&guest, 0, sizeof(guest));
	guest.left = 400;
	guest.release_each = release_each;
	fz_reader_new(&guest.r, &bed.rings, &err);
	fz_reader_keep(guest.r, keep);
	if (stage && fz_reader_stage(guest.r, stage, &err))
		abort();
	run_guest(10);
	while (fz_reader_drain(guest.r, slow_sink, NULL, &err) > 0)
		if (keep)
			fz_reader_release(guest.r);
}

static void test_bursts(void)
{
	const struct fz_seq *s;

	burst(0, 0, 0);
	ok(guest.lost > 100, "a sink half as fast as the guest: records are lost (%d)", guest.lost);
	fz_reader_free(guest.r);
	burst(8 << 20, 0, 0);
	s = fz_reader_seq(guest.r);
	ok(!guest.lost && s->records == 400 && !s->ngaps && !s->disorder &&
	   got.first_byte[399] == (uint8_t)400, "staged, from a ring of the same size: none");
	ok(guest.freed_first, "the room is free before the sink has the first record");
	fz_reader_free(guest.r);
	burst(40 * FZ_REC_MAX, 0, 0);
	s = fz_reader_seq(guest.r);
	ok(guest.lost && s->records + guest.lost == 400 && s->ngaps && !s->disorder,
	   "a stage that is full: lost in the ring (%d), as always, and seen", guest.lost);
	fz_reader_free(guest.r);
	burst(0, 1, 0);
	ok(guest.lost > 100, "kept until the drain's end: lost");
	fz_reader_free(guest.r);
	burst(0, 1, 3);
	s = fz_reader_seq(guest.r);
	ok(!guest.lost && s->records == 400 && !s->ngaps, "released block by block: none");
	fz_reader_free(guest.r);
}

/* Any order of in and out: whole, in order, within its bytes. */
static int queue(size_t bytes)
{
	uint64_t in = 0, out = 0;
	unsigned int seed = 1;
	struct fz_stage s;
	struct fz_error err;
	int fine = 1, i;

	if (fz_stage_init(&s, bytes, &err))
		return 0;
	for (i = 0; i < 100000; i++) {
		uint32_t size = rand_r(&seed) % 3 ? sizeof(struct fz_rec) : FZ_REC_MAX;
		struct fz_rec *to = rand_r(&seed) % 2 ? fz_stage_room(&s, size) : NULL;

		if (to) {
			fine &= (uint8_t *)to >= s.buf && (uint8_t *)to + size <= s.buf + bytes;
			to->size = size;
			to->seq = in;
			((uint8_t *)to)[size - 1] = in++;
			fz_stage_put(&s, to);
		} else if (s.count) {
			const struct fz_rec *rec = fz_stage_first(&s);

			fine &= rec->seq == out &&
				((const uint8_t *)rec)[rec->size - 1] == (uint8_t)out;
			out++;
			fz_stage_drop(&s);
		}
	}
	fine &= in - out == s.count && in > 10000;
	fz_stage_free(&s);
	return fine;
}

/* The stage's own ways: around its end, what a sink refuses, what is malformed. */
static void test_stage(void)
{
	struct fz_reader *r;
	struct fz_error err;
	struct fz_rec *rec;
	int fine = 1, i;
	int64_t n;

	setup();
	fz_reader_new(&r, &bed.rings, &err);
	ok(fz_reader_stage(r, FZ_REC_MAX - 1, &err) == -EINVAL, "a stage holds a record");
	ok(queue(FZ_REC_MAX) && queue(3 * FZ_REC_MAX + 192) && queue(40 * FZ_REC_MAX),
	   "100,000 times in or out of a stage, of three sizes");
	fz_reader_stage(r, 3 * FZ_REC_MAX + 192, &err);
	for (i = 0; i < 3000; i++) {
		produce(i % CPUS, i % 3 ? FZ_REC_WRITE : FZ_REC_EXEC, i);
		if (i % 7 % 3)
			continue;
		got.answer = 1;
		got.stop_at = got.n + 1 + i % 5;
		fine &= fz_reader_drain(r, take, NULL, &err) > 0;
	}
	got.answer = 0;
	do
		n = fz_reader_drain(r, take, NULL, &err);
	while (n > 0);
	for (i = 0; i < 3000; i++)
		fine &= got.times[i] == (uint64_t)i && (i % 3 || got.first_byte[i] == (uint8_t)i);
	ok(fine && !n && got.n == 3000 && !fz_reader_staged(r) && !fz_reader_seq(r)->ngaps,
	   "3,000 records through a stage of three, in order and whole");
	fz_reader_free(r);

	setup();
	fz_reader_new(&r, &bed.rings, &err);
	fz_reader_stage(r, 1 << 20, &err);
	produce(0, FZ_REC_WRITE, 1);
	produce(0, FZ_REC_EXEC, 2);
	got.answer = -ENOSPC;
	n = fz_reader_drain(r, take, NULL, &err);
	got.answer = 0;
	ok(n == -ENOSPC && fz_reader_staged(r) && fz_reader_drain(r, take, NULL, &err) == 2 &&
	   got.times[1] == 2 && fz_reader_seq(r)->records == 2 && !fz_reader_seq(r)->ngaps,
	   "what a sink refuses stays in the stage");
	produce(0, FZ_REC_WRITE, 3);
	rec = produce(0, FZ_REC_WRITE, 4);
	rec->type = 99;
	ok(fz_reader_drain(r, take, NULL, &err) == 1 && got.times[2] == 3 &&
	   fz_reader_drain(r, take, NULL, &err) == -EBADMSG && err.text[0],
	   "what lies before a malformed record is had; then it ends");
	fz_reader_free(r);
}

int main(void)
{
	plan(6 + 5);
	test_bursts();
	test_stage();
	return done();
}
