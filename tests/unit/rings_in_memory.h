/* SPDX-License-Identifier: GPL-2.0-only */
/* rings_in_memory.h - rings of the device's layout, a producer for them, a sink that takes notes */
#ifndef RINGS_IN_MEMORY_H
#define RINGS_IN_MEMORY_H

#include <string.h>
#include "reader.h"
#include "ring_map.h"

#define CPUS		3
#define RING		(64UL << 10)

/* Rings of the device's layout: a producer page, the data, the data once more. */
static struct bed {
	struct fz_consumer consumers[CPUS];
	struct fz_producer producers[CPUS];
	const struct fz_producer *producer_of[CPUS];
	const uint8_t *data[CPUS];
	uint8_t *write[CPUS];
	uint64_t seq[CPUS];
	uint64_t until;
	int barrier_fails;
	struct fz_rings rings;
} bed;

static struct {
	uint64_t times[65536];
	uint32_t cpus[65536];
	uint64_t seqs[65536];
	uint8_t first_byte[65536];
	size_t n;
	int answer;		/* of the sink */
	size_t stop_at;
} got;

static int barrier(void *arg, uint64_t *time, struct fz_error *err)
{
	struct bed *b = arg;

	if (b->barrier_fails)
		return fz_fail(err, -EIO, "no barrier");
	*time = b->until;
	return 0;
}

static void setup(void)
{
	int i;

	for (i = 0; i < CPUS && !bed.write[i]; i++) {
		bed.write[i] = ring_map(RING);
		bed.data[i] = bed.write[i];
		bed.producer_of[i] = &bed.producers[i];
	}
	memset(bed.consumers, 0, sizeof(bed.consumers));
	memset(bed.producers, 0, sizeof(bed.producers));
	memset(bed.seq, 0, sizeof(bed.seq));
	memset(&got, 0, sizeof(got));
	bed.until = UINT64_MAX;
	bed.barrier_fails = 0;
	bed.rings = (struct fz_rings){ .cpus = CPUS, .ring_bytes = RING,
		.consumers = bed.consumers, .producers = bed.producer_of, .data = bed.data,
		.barrier = barrier, .arg = &bed };
}

static struct fz_rec *produce(uint32_t cpu, uint16_t type, uint64_t time)
{
	struct fz_rec *r = (void *)(bed.write[cpu] + (bed.producers[cpu].pos & (RING - 1)));
	int page = type == FZ_REC_EXEC || type == FZ_REC_REEXEC;

	memset(r, 0, sizeof(*r));
	r->size = sizeof(*r) + (page ? FZ_PAGE_SIZE : 0);
	r->type = type;
	r->flags = page ? FZ_RECF_PAGE : 0;
	r->cpu = cpu;
	r->seq = bed.seq[cpu]++;
	r->time = time;
	if (page)
		memset(r + 1, (uint8_t)time, FZ_PAGE_SIZE);
	bed.producers[cpu].pos += r->size;
	return r;
}

static int take(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	(void)arg;
	(void)err;
	if (got.answer < 0 && got.n == got.stop_at)
		return got.answer;
	got.times[got.n] = rec->time;
	got.cpus[got.n] = rec->cpu;
	got.seqs[got.n] = rec->seq;
	got.first_byte[got.n] = fz_rec_page(rec) ? fz_rec_page(rec)[FZ_PAGE_SIZE - 1] : 0;
	return ++got.n == got.stop_at ? got.answer : 0;
}

#endif
