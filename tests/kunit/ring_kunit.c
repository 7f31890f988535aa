// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring_kunit.c - one CPU's ring: order, wraps, room, what is lost, a reader that lies
 */
#include <kunit/test.h>
#include <linux/timer.h>
#include "fixture.h"

#define SMALL	((u32)sizeof(struct fz_rec))
#define LARGE	((u32)FZ_REC_PAGE_BYTES)

static struct fz_ring *const ring = &fx_ring;
static bool ended;

static bool put(u32 size, u64 now)
{
	struct fz_rec *rec = fz_ring_reserve(ring, size, now, size == LARGE ? FZ_LOSE_EXEC : 0);

	if (!rec)
		return false;
	rec->type = size == LARGE ? FZ_REC_EXEC : FZ_REC_WRITE;
	if (size == LARGE)
		memset(rec + 1, (int)rec->seq, FZ_PAGE_SIZE);
	fz_ring_commit(ring, rec);
	return true;
}

/* Through many wraps records come out as they went in, those across the end too. */
static void ring_order(struct kunit *test)
{
	unsigned int i, across = 0;
	const struct fz_rec *rec;

	KUNIT_EXPECT_NULL(test, fx_get());
	for (i = 0; i < 1000; i++) {
		u32 size = i % 3 ? SMALL : LARGE;

		across += (ring->pos & (FX_BYTES - 1)) + size > FX_BYTES;
		KUNIT_ASSERT_TRUE(test, put(size, 5000 + i));
		rec = fx_get();
		KUNIT_ASSERT_NOT_NULL(test, rec);
		KUNIT_EXPECT_EQ(test, rec->seq, i);
		KUNIT_EXPECT_EQ(test, rec->time, 5000 + i);
		KUNIT_EXPECT_EQ(test, rec->size, size);
		KUNIT_EXPECT_EQ(test, rec->type, i % 3 ? FZ_REC_WRITE : FZ_REC_EXEC);
		if (size == LARGE)
			KUNIT_EXPECT_NULL(test, memchr_inv(rec + 1, (u8)i, FZ_PAGE_SIZE));
		fx_consume(rec);
		KUNIT_ASSERT_NULL(test, fx_get());
	}
	KUNIT_EXPECT_GT(test, across, 50);
}

/* Of what was in the ring before nothing is left in a record's head. */
static void ring_fresh(struct kunit *test)
{
	struct fz_rec *rec = fz_ring_reserve(ring, LARGE, 9, 0);
	struct fz_rec want = {
		.size = LARGE, .time = 9, .gfn = FZ_NO_GFN, .vcpu = FZ_NO_VCPU, .cpu = 3,
	};

	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_MEMEQ(test, rec, &want, sizeof(want));
	KUNIT_EXPECT_EQ(test, ring->producer->pos, 0);
	KUNIT_EXPECT_NULL(test, fx_get());
	fz_ring_commit(ring, rec);
	KUNIT_EXPECT_EQ(test, ring->producer->pos, LARGE);
}

/* Room is told to the byte, and with records lost it keeps some for the word on them. */
static void ring_room(struct kunit *test)
{
	u32 size;

	KUNIT_EXPECT_EQ(test, fz_ring_free(ring), FX_BYTES);
	KUNIT_EXPECT_TRUE(test, fz_ring_room(ring, FX_BYTES));
	KUNIT_EXPECT_FALSE(test, fz_ring_room(ring, FX_BYTES + 1));
	for (size = 0; size < FX_BYTES; size += SMALL) {
		KUNIT_ASSERT_EQ(test, fz_ring_free(ring), FX_BYTES - size);
		KUNIT_ASSERT_TRUE(test, put(SMALL, 1));
	}
	KUNIT_EXPECT_EQ(test, fz_ring_free(ring), 0);
	KUNIT_EXPECT_FALSE(test, fz_ring_room(ring, SMALL));
	KUNIT_EXPECT_FALSE(test, put(SMALL, 1));
	fx_consume(fx_get());
	/* One is free, and the LOST record would take it. */
	KUNIT_EXPECT_FALSE(test, fz_ring_room(ring, SMALL));
	fx_consume(fx_get());
	KUNIT_EXPECT_TRUE(test, fz_ring_room(ring, SMALL));
	KUNIT_EXPECT_FALSE(test, fz_ring_room(ring, SMALL + 1));
	KUNIT_EXPECT_TRUE(test, put(SMALL, 2));
	KUNIT_EXPECT_EQ(test, fz_ring_free(ring), 0);
}

/* The smallest ring holds a LOST record and one with a snapshot, whatever was before. */
static void ring_smallest(struct kunit *test)
{
	KUNIT_EXPECT_GE(test, FZ_RING_MIN, SMALL + LARGE);
	KUNIT_EXPECT_EQ(test, LARGE, SMALL + FZ_PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, LARGE % 64, 0);
	while (put(LARGE, 1))
		;
	while (fx_get())
		fx_consume(fx_get());
	KUNIT_EXPECT_TRUE(test, put(LARGE, 2));
}

/* What found no room is counted, by number, time and kind, and said before the next record. */
static void ring_lost(struct kunit *test)
{
	const struct fz_rec *rec;
	u64 fit = 0;

	while (put(LARGE, 10 + fit))
		fit++;
	KUNIT_EXPECT_EQ(test, fit, FX_BYTES / LARGE);
	KUNIT_EXPECT_NULL(test, fz_ring_reserve(ring, LARGE, 50, 0));
	KUNIT_EXPECT_NULL(test, fz_ring_reserve(ring, LARGE, 60, FZ_LOSE_EXEC | FZ_LOSE_HELD));
	KUNIT_EXPECT_EQ(test, ring->producer->lost, 3);
	KUNIT_EXPECT_EQ(test, ring->producer->pos, fit * LARGE);
	KUNIT_EXPECT_TRUE(test, put(SMALL, 70));
	while ((rec = fx_get()) && rec->type == FZ_REC_EXEC)
		fx_consume(rec);
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, rec->type, FZ_REC_LOST);
	KUNIT_EXPECT_EQ(test, rec->size, SMALL);
	KUNIT_EXPECT_EQ(test, rec->time, 70);
	KUNIT_EXPECT_EQ(test, rec->u.lost.first_seq, fit);
	KUNIT_EXPECT_EQ(test, rec->u.lost.count, 3);
	KUNIT_EXPECT_EQ(test, rec->seq, fit + 3);
	KUNIT_EXPECT_EQ(test, rec->u.lost.first_time, 10 + fit);
	KUNIT_EXPECT_EQ(test, rec->u.lost.last_time, 60);
	KUNIT_EXPECT_EQ(test, rec->u.lost.execs, 2);
	KUNIT_EXPECT_EQ(test, rec->u.lost.held, 1);
	fx_consume(rec);
	rec = fx_get();
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, rec->type, FZ_REC_WRITE);
	KUNIT_EXPECT_EQ(test, rec->seq, fit + 4);
	fx_consume(rec);
	KUNIT_EXPECT_NULL(test, fx_get());
	/* The next run is counted from its own beginning. */
	while (put(LARGE, 100))
		;
	while (fx_get())
		fx_consume(fx_get());
	fz_ring_flush_lost(ring, 200);
	rec = fx_get();
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, rec->u.lost.count, 1);
	KUNIT_EXPECT_EQ(test, rec->u.lost.execs, 1);
	KUNIT_EXPECT_EQ(test, rec->u.lost.held, 0);
	KUNIT_EXPECT_EQ(test, rec->u.lost.first_time, 100);
	KUNIT_EXPECT_EQ(test, ring->producer->lost, 4);
}

/* A flush says what was lost once, if there is room, and else nothing. */
static void ring_flush(struct kunit *test)
{
	fz_ring_flush_lost(ring, 1);
	KUNIT_EXPECT_NULL(test, fx_get());
	while (put(SMALL, 1))
		;
	fz_ring_flush_lost(ring, 2);
	KUNIT_EXPECT_EQ(test, ring->producer->pos, FX_BYTES);
	KUNIT_EXPECT_EQ(test, ring->lost.count, 1);
	fx_consume(fx_get());
	fz_ring_flush_lost(ring, 3);
	KUNIT_EXPECT_EQ(test, ring->producer->pos, FX_BYTES + SMALL);
	KUNIT_EXPECT_EQ(test, ring->lost.count, 0);
	fx_consume(fx_get());
	fz_ring_flush_lost(ring, 4);
	KUNIT_EXPECT_EQ(test, ring->producer->pos, FX_BYTES + SMALL);
}

/* A reader's position that cannot be costs it records, and nothing is overwritten. */
static void ring_hostile(struct kunit *test)
{
	static const u64 lies[] = { 1, 64, 1 << 20, 1ULL << 63, ~0ULL - FX_BYTES };
	u64 pos;
	int i;

	for (i = 0; i < 10; i++) {
		KUNIT_ASSERT_TRUE(test, put(LARGE, 1));
		fx_consume(fx_get());
	}
	pos = ring->pos;
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		ring->consumer->pos = pos + lies[i];
		KUNIT_EXPECT_EQ_MSG(test, fz_ring_free(ring), 0, "%llx ahead", lies[i]);
		KUNIT_EXPECT_FALSE(test, put(SMALL, 2));
	}
	ring->consumer->pos = pos - FX_BYTES - 1;
	KUNIT_EXPECT_EQ(test, fz_ring_free(ring), 0);
	ring->consumer->pos = pos - FX_BYTES;
	KUNIT_EXPECT_EQ(test, fz_ring_free(ring), 0);
	KUNIT_EXPECT_FALSE(test, put(SMALL, 2));
	ring->consumer->pos = pos - FX_BYTES + 1;
	KUNIT_EXPECT_EQ(test, fz_ring_free(ring), 1);
	KUNIT_EXPECT_EQ(test, ring->pos, pos);
	KUNIT_EXPECT_EQ(test, ring->producer->pos, pos);
}

/* A record that is being made is marked from before its time is taken to its end. */
static void ring_mark(struct kunit *test)
{
	u32 mark = ring->mark;

	KUNIT_EXPECT_EQ(test, mark % 2, 0);
	fz_ring_wait(ring);
	fz_ring_begin(ring);
	KUNIT_EXPECT_EQ(test, ring->mark % 2, 1);
	fz_ring_end(ring);
	KUNIT_EXPECT_EQ(test, ring->mark, mark + 2);
	fz_ring_wait(ring);
}

static void end_late(struct timer_list *unused)
{
	ended = true;
	fz_ring_end(ring);
}

/* Who waits for a record that is being made comes back when it has ended, not before. */
static void ring_wait(struct kunit *test)
{
	struct timer_list timer;

	ended = false;
	fz_ring_begin(ring);
	timer_setup_on_stack(&timer, end_late, 0);
	mod_timer(&timer, jiffies + msecs_to_jiffies(30));
	fz_ring_wait(ring);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(ended));
	/* The wait is over before the timer is. */
	timer_delete_sync(&timer);
	destroy_timer_on_stack(&timer);
	if (!READ_ONCE(ended))
		fz_ring_end(ring);
	KUNIT_EXPECT_EQ(test, ring->mark % 2, 0);
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(ring_order),
	KUNIT_CASE(ring_fresh),
	KUNIT_CASE(ring_room),
	KUNIT_CASE(ring_smallest),
	KUNIT_CASE(ring_lost),
	KUNIT_CASE(ring_flush),
	KUNIT_CASE(ring_hostile),
	KUNIT_CASE(ring_mark),
	KUNIT_CASE(ring_wait),
	{}
};

static struct kunit_suite ring_suite = {
	.name = "fitzroy_ring",
	.init = fx_ring_init,
	.exit = fx_ring_exit,
	.test_cases = ring_cases,
};

kunit_test_suite(ring_suite);
