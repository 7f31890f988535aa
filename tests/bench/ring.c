// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - how fast the ring is: the very source that the kernel builds
 *
 * A producer and a consumer, each a thread; the producer waits when the ring is full, the
 * consumer copies each record out. Beside it, in turn, records of the same size through
 * Concurrency Kit's ring for one producer and one consumer (whose slots are all of one
 * size), and memcpy of as many bytes in and out, by one thread. Best of the rounds, for
 * others use this machine too.
 * Prints figures as tests/bench/run wants them.
 */
#include <ck_ring.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "../../kmod/ring.c"
#include "../../userspace/lib/ordering.h"

#define BYTES	(4UL << 20)		/* as the module has by default */
#define ROUNDS	40
#define SMALL	((u32)sizeof(struct fz_rec))
#define LARGE	((u32)FZ_REC_PAGE_BYTES)

static struct fz_producer producer __attribute__((aligned(4096)));
static struct fz_consumer consumer __attribute__((aligned(4096)));
static struct fz_ring ring;
static char *data, page[FZ_PAGE_SIZE], out[FZ_REC_PAGE_BYTES];
static u64 wanted;
static u32 size;

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Copy out what there is; how many records are not those that were put in. */
static u64 take(u64 *n)
{
	u64 pos = consumer.pos, end = fz_load_acquire((const uint64_t *)&producer.pos), bad = 0;

	while (pos != end) {
		const struct fz_rec *rec = (void *)(data + (pos & (BYTES - 1)));

		memcpy(out, rec, rec->size);
		bad += ((struct fz_rec *)out)->seq != (*n)++;
		pos += rec->size;
		fz_store_release((uint64_t *)&consumer.pos, pos);
	}
	return bad;
}

static bool put(u64 i)
{
	struct fz_rec *rec;

	if (!fz_ring_room(&ring, size))
		return false;
	fz_ring_begin(&ring);
	rec = fz_ring_reserve(&ring, size, i, 0);
	if (size == LARGE)
		memcpy(rec + 1, page, sizeof(page));
	fz_ring_commit(&ring, rec);
	fz_ring_end(&ring);
	return true;
}

static void our_start(void)
{
	memset(&producer, 0, sizeof(producer));
	memset(&consumer, 0, sizeof(consumer));
	ring = (struct fz_ring) {
		.producer = &producer, .consumer = &consumer, .data = data, .bytes = BYTES,
	};
}

struct small {
	struct fz_rec rec;
};

struct large {
	struct fz_rec rec;
	char page[FZ_PAGE_SIZE];
};

CK_RING_PROTOTYPE(small, small)
CK_RING_PROTOTYPE(large, large)

#define CK_LARGE	1024	/* slots */
static ck_ring_t ck __attribute__((aligned(4096)));
static char ck_data[CK_LARGE * sizeof(struct large)] __attribute__((aligned(4096)));

static void ck_start(void)
{
	ck_ring_init(&ck, size == SMALL ? BYTES / sizeof(struct small) : CK_LARGE);
}

static u64 ck_take(u64 *n)
{
	u64 bad = 0;

	while (size == SMALL ?
	       CK_RING_DEQUEUE_SPSC(small, &ck, (struct small *)ck_data, (struct small *)out) :
	       CK_RING_DEQUEUE_SPSC(large, &ck, (struct large *)ck_data, (struct large *)out))
		bad += ((struct fz_rec *)out)->seq != (*n)++;
	return bad;
}

/* A slot is filled in where it is, as a record is. */
static bool ck_put(u64 i)
{
	struct large *to = size == SMALL ?
		(void *)ck_ring_enqueue_reserve_spsc_small(&ck, (struct small *)ck_data) :
		ck_ring_enqueue_reserve_spsc_large(&ck, (struct large *)ck_data);

	if (!to)
		return false;
	to->rec = (struct fz_rec){ .size = size, .seq = i, .time = i, .vcpu = FZ_NO_VCPU,
				   .gfn = FZ_NO_GFN };
	if (size == LARGE)
		memcpy(to->page, page, sizeof(page));
	ck_ring_enqueue_commit_spsc(&ck);
	return true;
}

static const struct kind {
	void (*start)(void);
	bool (*put)(u64 i);
	u64 (*take)(u64 *n);
} kinds[] = { { our_start, put, take }, { ck_start, ck_put, ck_take } };

static void check(u64 bad)
{
	if (bad || producer.lost) {
		fprintf(stderr, "ring: %llu records are wrong\n", (unsigned long long)bad);
		exit(1);
	}
}

struct consuming {
	const struct kind *kind;
	u64 bad;
};

static void *consume(void *arg)
{
	struct consuming *c = arg;
	u64 n = 0;

	while (n < wanted) {
		u64 before = n;

		c->bad += c->kind->take(&n);
		if (n == before)
			sched_yield();
	}
	return NULL;
}

static double by_threads(const struct kind *kind)
{
	struct consuming c = { kind, 0 };
	pthread_t thread;
	double t;
	u64 i;

	kind->start();
	t = now(CLOCK_MONOTONIC);
	if (pthread_create(&thread, NULL, consume, &c))
		abort();
	for (i = 0; i < wanted; i++)
		while (!kind->put(i))
			sched_yield();
	pthread_join(thread, NULL);
	t = now(CLOCK_MONOTONIC) - t;
	check(c.bad);
	return t;
}

/* One thread fills it, then empties it: the code alone, no other CPU's cache. */
static double in_turns(const struct kind *kind)
{
	u64 i = 0, n = 0, bad = 0;
	double t;

	kind->start();
	t = now(CLOCK_THREAD_CPUTIME_ID);
	while (i < wanted) {
		while (i < wanted && kind->put(i))
			i++;
		bad += kind->take(&n);
	}
	t = now(CLOCK_THREAD_CPUTIME_ID) - t;
	check(bad + (n != wanted));
	return t;
}

/* Without a ring: into the same memory, and out again when it is full. */
static double by_memcpy(void)
{
	static char rec[FZ_REC_PAGE_BYTES];
	u64 i = 0, k, each = BYTES / size;
	double t = now(CLOCK_THREAD_CPUTIME_ID);

	for (i = 0; i < wanted; i += each) {
		for (k = 0; k < each; k++) {
			memcpy(data + k * size, rec, size);
			asm volatile("" : : : "memory");
		}
		for (k = 0; k < each; k++) {
			memcpy(out, data + k * size, size);
			asm volatile("" : : : "memory");
		}
	}
	return (now(CLOCK_THREAD_CPUTIME_ID) - t) / i * wanted;
}

static void measure(const char *name, u32 bytes, u64 n)
{
	double threads[2] = { 1e9, 1e9 }, turns[2] = { 1e9, 1e9 }, copy = 1e9, t;
	int i, k;

	size = bytes;
	wanted = n;
	for (i = 0; i < ROUNDS; i++) {
		for (k = 0; k < 2; k++) {
			t = by_threads(&kinds[k]);
			threads[k] = t < threads[k] ? t : threads[k];
			t = in_turns(&kinds[k]);
			turns[k] = t < turns[k] ? t : turns[k];
		}
		t = by_memcpy();
		copy = t < copy ? t : copy;
	}
	printf("ring_%s\t%.0f\trecords/s\t%.0f\t%u bytes each, two threads; base: Concurrency Kit's\n",
	       name, n / threads[0], n / threads[1], bytes);
	printf("ring_%s_ck\t%.2f\tx time\t1\ttwo threads, against Concurrency Kit's\n",
	       name, threads[0] / threads[1]);
	printf("ring_%s_turns\t%.0f\trecords/s\t%.0f\tone thread, filled, then emptied; base: Concurrency Kit's\n",
	       name, n / turns[0], n / turns[1]);
	printf("ring_%s_turns_ck\t%.2f\tx time\t1\tthe same, against Concurrency Kit's\n",
	       name, turns[0] / turns[1]);
	printf("ring_%s_turns_memcpy\t%.2f\tx time\t1\tthe same, against memcpy of as many bytes, %.0f/s\n",
	       name, turns[0] / copy, n / copy);
}

int main(void)
{
	int fd = memfd_create("ring", 0);

	data = mmap(NULL, 2 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || ftruncate(fd, BYTES) || data == MAP_FAILED ||
	    mmap(data, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    MAP_FAILED ||
	    mmap(data + BYTES, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    MAP_FAILED) {
		perror("ring: memory");
		return 2;
	}
	memset(page, 0x5a, sizeof(page));
	measure("small", SMALL, 1000000);
	measure("page", LARGE, 60000);
	return 0;
}
