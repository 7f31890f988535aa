// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - how fast the ring is: the very source that the kernel builds
 *
 * A producer and a consumer, each a thread; the producer waits when the ring is full, the
 * consumer copies each record out. Beside it, in turn, memcpy of as many bytes of the same
 * sizes, in and out, by one thread. Best of the rounds, for others use this machine too.
 * Prints figures as tests/bench/run wants them.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "../../kmod/ring.c"
#include "../../userspace/lib/ordering.h"

#define BYTES	(4UL << 20)		/* as the module has by default */
#define ROUNDS	7
#define SMALL	((u32)sizeof(struct fz_rec))
#define LARGE	((u32)FZ_REC_PAGE_BYTES)

static struct fz_producer producer __attribute__((aligned(4096)));
static struct fz_consumer consumer __attribute__((aligned(4096)));
static struct fz_ring ring;
static char *data, page[FZ_PAGE_SIZE], out[FZ_REC_PAGE_BYTES];
static u64 wanted;
static u32 size;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *consume(void *arg)
{
	u64 pos = 0, end, n = 0, bad = 0;

	while (n < wanted) {
		end = fz_load_acquire((const uint64_t *)&producer.pos);
		if (pos == end)
			sched_yield();
		while (pos != end) {
			const struct fz_rec *rec = (void *)(data + (pos & (BYTES - 1)));

			memcpy(out, rec, rec->size);
			bad += ((struct fz_rec *)out)->seq != n++;
			pos += rec->size;
			fz_store_release((uint64_t *)&consumer.pos, pos);
		}
	}
	*(u64 *)arg = bad;
	return NULL;
}

static double through_ring(void)
{
	pthread_t thread;
	u64 bad = 0, i;
	double start;

	memset(&producer, 0, sizeof(producer));
	memset(&consumer, 0, sizeof(consumer));
	ring = (struct fz_ring) {
		.producer = &producer, .consumer = &consumer, .data = data, .bytes = BYTES,
	};
	start = now();
	if (pthread_create(&thread, NULL, consume, &bad))
		abort();
	for (i = 0; i < wanted; i++) {
		struct fz_rec *rec;

		while (!fz_ring_room(&ring, size))
			sched_yield();
		fz_ring_begin(&ring);
		rec = fz_ring_reserve(&ring, size, i, 0);
		if (size == LARGE)
			memcpy(rec + 1, page, sizeof(page));
		fz_ring_commit(&ring, rec);
		fz_ring_end(&ring);
	}
	pthread_join(thread, NULL);
	start = now() - start;
	if (bad || producer.lost) {
		fprintf(stderr, "ring: %llu records are wrong\n", (unsigned long long)bad);
		exit(1);
	}
	return start;
}

/* Without a ring: into the same memory, and out again. */
static double by_memcpy(void)
{
	static char rec[FZ_REC_PAGE_BYTES];
	double start = now();
	u64 i, pos = 0;

	for (i = 0; i < wanted; i++, pos += size) {
		char *to = data + (pos & (BYTES - 1));

		memcpy(to, rec, size);
		asm volatile("" : : : "memory");
		memcpy(out, to, size);
		asm volatile("" : : : "memory");
	}
	return now() - start;
}

static void measure(const char *name, u32 bytes, u64 n)
{
	double ring_best = 1e9, copy_best = 1e9, t;
	int i;

	size = bytes;
	wanted = n;
	for (i = 0; i < ROUNDS; i++) {
		t = through_ring();
		ring_best = t < ring_best ? t : ring_best;
		t = by_memcpy();
		copy_best = t < copy_best ? t : copy_best;
	}
	printf("ring_%s_rate\t%.0f\trecords/s\t%.0f\t%u bytes each; base: memcpy of the same in and out, one thread\n",
	       name, n / ring_best, n / copy_best, bytes);
	printf("ring_%s_time\t%.2f\tx memcpy\t1\ttime of the ring against that memcpy\n",
	       name, ring_best / copy_best);
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
	measure("small", SMALL, 4000000);
	measure("page", LARGE, 400000);
	return 0;
}
