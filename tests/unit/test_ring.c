// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_ring.c - the ring: the very source that the kernel builds
 *
 * Also built with -fsanitize=thread, where the last case is the one that counts.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <time.h>
#include "../../kmod/ring.c"
#include "../../userspace/lib/ordering.h"
#include "tap.h"

#define BYTES	(16 * 1024UL)
#define SMALL	((u32)sizeof(struct fz_rec))
#define LARGE	((u32)FZ_REC_PAGE_BYTES)

static struct fz_producer producer;
static struct fz_consumer consumer;
static struct fz_ring ring;

static void reset(void)
{
	static void *data;

	if (!data) {
		int fd = memfd_create("ring", 0);

		/* Twice in a row, as the kernel and the reader map it. */
		data = mmap(NULL, 2 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (fd < 0 || ftruncate(fd, BYTES) || data == MAP_FAILED ||
		    mmap(data, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
			    MAP_FAILED ||
		    mmap((char *)data + BYTES, BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			exit(2);
	}
	memset(&producer, 0, sizeof(producer));
	memset(&consumer, 0, sizeof(consumer));
	ring = (struct fz_ring) {
		.producer = &producer, .consumer = &consumer, .data = data, .bytes = BYTES,
		.cpu = 3,
	};
}

static bool put(u32 size, u64 now)
{
	struct fz_rec *rec = fz_ring_reserve(&ring, size, now, size == LARGE);

	if (!rec)
		return false;
	rec->type = size == LARGE ? FZ_REC_EXEC : FZ_REC_WRITE;
	/* A reader that sees a record too early sees it without its content. */
	rec->hash = ~rec->seq;
	if (size == LARGE)
		memset(rec + 1, (int)rec->seq, FZ_PAGE_SIZE);
	fz_ring_commit(&ring, rec);
	return true;
}

static const struct fz_rec *get(void)
{
	u64 pos = __atomic_load_n(&consumer.pos, __ATOMIC_RELAXED);

	if (pos == fz_load_acquire((const uint64_t *)&producer.pos))
		return NULL;
	return (const struct fz_rec *)((const char *)ring.data + (pos & (BYTES - 1)));
}

static void consume(const struct fz_rec *rec)
{
	fz_store_release((uint64_t *)&consumer.pos, consumer.pos + rec->size);
}

static void test_order(void)
{
	const struct fz_rec *rec;
	bool right = true;
	u64 i;

	reset();
	ok(!get(), "an empty ring has nothing");
	for (i = 0; i < 1000; i++) {
		if (!put(i % 3 ? SMALL : LARGE, i))
			right = false;
		rec = get();
		if (!rec || rec->seq != i || rec->time != i || rec->cpu != 3 ||
		    rec->size != (i % 3 ? SMALL : LARGE) || rec->hash != ~i ||
		    (rec->size == LARGE && (((const u32 *)(rec + 1))[1023] & 0xff) != (i & 0xff)))
			right = false;
		if (rec)
			consume(rec);
	}
	ok(right, "1000 records come out as they went in, across many wraps");
}

/* What a record does not set is 0, whatever was there before: it goes to user space. */
static void test_clean(void)
{
	struct fz_rec want = { .size = SMALL, .seq = 0, .time = 7, .cpu = 3, .vcpu = FZ_NO_VCPU,
			       .gfn = FZ_NO_GFN }, *rec;

	reset();
	memset(ring.data, 0xa5, BYTES);
	rec = fz_ring_reserve(&ring, SMALL, 7, 0);
	ok(rec && !memcmp(rec, &want, sizeof(want)), "a record begins clean, to the last byte");
}

static void test_full(void)
{
	const struct fz_rec *rec;
	u64 n = 0, lost = 0;

	reset();
	while (put(LARGE, 10 + n))
		n++;
	ok(n == BYTES / LARGE, "%llu large records fit", (unsigned long long)n);
	lost = 1;
	for (; lost < 5; lost++)
		put(LARGE, 100 + lost);
	ok(producer.lost == 5 && ring.lost.count == 5, "5 are counted as lost");
	ok(!fz_ring_reserve(&ring, LARGE, 200, FZ_LOSE_EXEC | FZ_LOSE_HELD), "a sixth too, after a hold");
	ok(put(SMALL, 300), "a small one fits, with the LOST record before it");
	while ((rec = get()) && rec->type == FZ_REC_EXEC)
		consume(rec);
	ok(rec && rec->type == FZ_REC_LOST && rec->u.lost.count == 6 && rec->u.lost.execs == 6 &&
	   rec->u.lost.held == 1 &&
	   rec->u.lost.first_seq == n && rec->seq == n + 6 && rec->u.lost.first_time == 10 + n &&
	   rec->u.lost.last_time == 200, "LOST says which numbers, how many, and when");
	consume(rec);
	rec = get();
	ok(rec && rec->type == FZ_REC_WRITE && rec->seq == n + 7, "the numbers go on behind it");
	consume(rec);
	ok(!get(), "and that is all");
	fz_ring_flush_lost(&ring, 1);
	ok(!get(), "no LOST record where nothing was lost");
	while (put(LARGE, 1))
		;
	while ((rec = get()))
		consume(rec);
	fz_ring_flush_lost(&ring, 400);
	rec = get();
	ok(rec && rec->type == FZ_REC_LOST && rec->u.lost.count == 1 && !rec->u.lost.held &&
	   rec->time == 400,
	   "a flush says what was lost without another record");
}

static void test_hostile(void)
{
	static const u64 lies[] = { 1, 1 << 20, 1ULL << 63, 64 };
	struct fz_ring before;
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		reset();
		put(LARGE, 1);
		before = ring;
		consumer.pos = ring.pos + lies[i];
		ok(!put(LARGE, 2) && ring.pos == before.pos && ring.lost.count == 1,
		   "a position ahead of the producer by %llu: lost, not written",
		   (unsigned long long)lies[i]);
	}
	reset();
	for (i = 0; i < 10; i++) {
		put(LARGE, 1);
		consumer.pos = ring.pos;
	}
	before = ring;
	consumer.pos = ring.pos - BYTES - 64;
	ok(!put(SMALL, 2) && ring.pos == before.pos, "more than a ring behind: lost, not written");
	consumer.pos = ring.pos - BYTES;
	ok(!put(SMALL, 2) && ring.pos == before.pos, "a ring behind: full");
}

#define TOTAL	300000ULL

static int finished;

static void *produce(void *arg)
{
	u64 i;

	(void)arg;
	for (i = 0; i < TOTAL; i++) {
		u32 size = i % 5 ? SMALL : LARGE;

		/* Mostly wait for room, so that most records go through. */
		while (i % 64 && !fz_ring_room(&ring, size))
			sched_yield();
		put(size, i);
	}
	while (ring.lost.count)
		fz_ring_flush_lost(&ring, i);
	__atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void test_threads(void)
{
	u64 next = 0, lost = 0, records = 0, bad = 0, size;
	const struct fz_rec *rec;
	pthread_t thread;

	reset();
	if (pthread_create(&thread, NULL, produce, NULL))
		exit(2);
	for (;;) {
		int last = __atomic_load_n(&finished, __ATOMIC_ACQUIRE);

		rec = get();
		if (!rec && last)
			break;
		if (!rec) {
			sched_yield();
			continue;
		}
		if (rec->type == FZ_REC_LOST) {
			bad += rec->u.lost.first_seq != next;
			lost += rec->u.lost.count;
			next = rec->u.lost.first_seq + rec->u.lost.count;
		}
		bad += rec->seq != next;
		if (rec->type != FZ_REC_LOST)
			bad += rec->hash != ~rec->seq;
		size = rec->size;
		if (size == LARGE)
			for (size_t i = 0; i < FZ_PAGE_SIZE; i += 512)
				bad += ((const u8 *)(rec + 1))[i] != (u8)rec->seq;
		next = rec->seq + 1;
		records++;
		consume(rec);
	}
	pthread_join(thread, NULL);
	ok(!bad, "two threads: %llu records, each whole and in its place",
	   (unsigned long long)records);
	ok(records + lost == ring.seq && ring.seq >= TOTAL && producer.lost == lost,
	   "each number once: logged, or one of %llu in LOST records", (unsigned long long)lost);
}

#define TURNS	2000

static u64 made;
static u32 turn;

static void *make_one(void *arg)
{
	u32 i;

	(void)arg;
	for (i = 1; i <= TURNS; i++) {
		while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) < i)
			sched_yield();
		fz_ring_begin(&ring);
		made = i;
		fz_ring_end(&ring);
	}
	return NULL;
}

/* Who has waited for a mark sees what was done under it; nothing else tells it. */
static void test_wait(void)
{
	pthread_t thread;
	u32 i, bad = 0;

	reset();
	if (pthread_create(&thread, NULL, make_one, NULL))
		exit(2);
	for (i = 1; i <= TURNS; i++) {
		__atomic_store_n(&turn, i, __ATOMIC_RELEASE);
		while (__atomic_load_n(&ring.mark, __ATOMIC_RELAXED) == 2 * (i - 1))
			sched_yield();
		fz_ring_wait(&ring);
		bad += made != i;
	}
	pthread_join(thread, NULL);
	ok(!bad, "a mark that was waited for: its record is there, %d times", TURNS);
}

#define BARRIERS_MS	1000

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void *produce_in_time(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&finished, __ATOMIC_RELAXED)) {
		fz_ring_begin(&ring);
		put(SMALL, now_ns());
		fz_ring_end(&ring);
	}
	return NULL;
}

/* What fz_rings_barrier() does; and then no record comes that it called there. */
static void test_barrier(void)
{
	u64 until, last = 0, end, start, barriers = 0, records = 0, early = 0;
	const struct fz_rec *rec;
	pthread_t thread;

	reset();
	finished = 0;
	start = now_ns();
	if (pthread_create(&thread, NULL, produce_in_time, NULL))
		exit(2);
	while (now_ns() - start < BARRIERS_MS * 1000000ULL) {
		until = now_ns();
		fz_clock_before_mark();
		fz_ring_wait(&ring);
		until--;
		end = fz_load_acquire((const uint64_t *)&producer.pos);
		while (consumer.pos != end && (rec = get()) && rec->time <= until) {
			early += rec->time <= last;
			records++;
			consume(rec);
		}
		last = until;
		barriers++;
	}
	__atomic_store_n(&finished, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ok(!early, "%llu barriers, %llu records: none comes after a barrier that includes it (%llu)",
	   (unsigned long long)barriers, (unsigned long long)records, (unsigned long long)early);
}

int main(void)
{
	test_order();
	test_clean();
	test_full();
	test_hostile();
	test_threads();
	test_wait();
	test_barrier();
	return done();
}
