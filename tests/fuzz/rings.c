// SPDX-License-Identifier: GPL-2.0-only
/*
 * rings.c - fuzz the reader of the rings: a hostile producer, that also changes its
 * memory while it is read
 *
 * The input is a program of what the producer does, byte by byte.
 */
#include "fuzz.h"
#include "../unit/ring_map.h"
#include "reader.h"

#define CPUS	2
#define RING	(16UL << 10)
#define SMALL	sizeof(struct fz_rec)

static struct {
	struct fz_consumer consumers[CPUS];
	struct fz_producer producers[CPUS];
	const struct fz_producer *producer_of[CPUS];
	const uint8_t *data[CPUS];
	uint8_t *write[CPUS];
	uint64_t seq[CPUS], time;
} bed;

static struct input in;
static uint64_t until, last_time, delivered;

static void map_rings(void)
{
	int i;

	for (i = 0; i < CPUS; i++) {
		bed.write[i] = ring_map(RING);
		bed.data[i] = bed.write[i];
		bed.producer_of[i] = &bed.producers[i];
	}
}

/* A sound record, then up to 8 bytes of its header changed. */
static void put(unsigned int cpu)
{
	struct fz_rec *rec = (void *)(bed.write[cpu] + (bed.producers[cpu].pos & (RING - 1) & ~63));
	uint8_t type = take(&in, 1), spoil = take(&in, 1), i;
	bool page = type & 0x80;

	memset(rec, 0, sizeof(*rec));
	rec->type = type & 0x1f;
	rec->flags = page ? FZ_RECF_PAGE : 0;
	rec->size = SMALL + (page ? FZ_PAGE_SIZE : 0);
	rec->cpu = cpu;
	bed.time += spoil >> 4;
	rec->time = bed.time;
	rec->seq = bed.seq[cpu]++;
	if (rec->type == FZ_REC_LOST) {
		rec->u.lost.first_seq = rec->seq;
		rec->u.lost.count = 1 + (spoil >> 4);
		rec->seq += rec->u.lost.count;
		bed.seq[cpu] = rec->seq + 1;
	}
	for (i = 0; i < (spoil & 7); i++)
		((uint8_t *)rec)[take(&in, 1) % SMALL] = take(&in, 1);
	bed.producers[cpu].pos += SMALL + (page ? FZ_PAGE_SIZE : 0);
}

static void step(void)
{
	uint8_t op = take(&in, 1);
	unsigned int cpu = op & 1;

	switch (op >> 1 & 7) {
	case 0:
	case 1:
	case 2:
	case 3:
		put(cpu);
		break;
	case 4:		/* any byte of the ring */
		bed.write[cpu][take(&in, 2) % RING] = take(&in, 1);
		break;
	case 5:
		bed.producers[cpu].pos += (int64_t)(int16_t)take(&in, 2);
		break;
	case 6:
		bed.producers[cpu].pos = take(&in, 8);
		break;
	case 7:
		bed.producers[cpu].lost = take(&in, 2);
		break;
	}
}

static int barrier(void *arg, uint64_t *time, struct fz_error *err)
{
	uint8_t how = take(&in, 1);

	(void)arg;
	if (how == 0xff)
		return fz_fail(err, -EIO, "no barrier");
	until = how & 1 ? UINT64_MAX : bed.time - (how >> 5);
	if (until < last_time)
		until = last_time;
	*time = last_time = until;
	return 0;
}

static int sink(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	uint8_t how = take(&in, 1);
	struct fz_rec before = *rec;
	uint8_t first = 0, last = 0;

	(void)arg;
	CHECK(!fz_rec_check(rec, FZ_REC_MAX, err));
	CHECK(rec->cpu < CPUS && rec->time <= until);
	if (fz_rec_page(rec)) {
		first = fz_rec_page(rec)[0];
		last = fz_rec_page(rec)[FZ_PAGE_SIZE - 1];
	}
	/* The producer goes on meanwhile; what was delivered stays as it is. */
	for (; how & 7; how--)
		step();
	CHECK(!memcmp(&before, rec, sizeof(before)));
	CHECK(!fz_rec_page(rec) || (fz_rec_page(rec)[0] == first &&
				    fz_rec_page(rec)[FZ_PAGE_SIZE - 1] == last));
	if (how >> 3 == 31)
		return fz_fail(err, -ENOSPC, "the disk is full");
	delivered++;
	return how >> 3 == 30;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fz_rings rings = {
		.cpus = CPUS, .ring_bytes = RING, .consumers = bed.consumers,
		.producers = bed.producer_of, .data = bed.data, .barrier = barrier,
	};
	struct fz_error err = { "" };
	struct fz_reader *r;
	uint64_t before;
	int64_t n = 0;
	int i;

	if (!bed.write[0])
		map_rings();
	memset(bed.consumers, 0, sizeof(bed.consumers));
	memset(bed.producers, 0, sizeof(bed.producers));
	memset(bed.seq, 0, sizeof(bed.seq));
	for (i = 0; i < CPUS; i++)
		memset(bed.write[i], 0, RING);
	bed.time = 1000;
	last_time = delivered = 0;
	in = (struct input) { data, data + size };
	for (i = take(&in, 1) % 8; i; i--)
		step();
	if (take(&in, 1) == 0xff)
		bed.consumers[0].pos = take(&in, 8);
	n = fz_reader_new(&r, &rings, &err);
	check_error(n, &err);
	if (n)
		return 0;
	while (left(&in)) {
		for (i = take(&in, 1) % 16; i; i--)
			step();
		before = delivered;
		n = fz_reader_drain(r, sink, NULL, &err);
		check_error(n, &err);
		CHECK(n < 0 || (uint64_t)n == delivered - before);
		CHECK(fz_reader_seq(r)->records == delivered);
		fz_reader_lost_pending(r);
		if (n == -EBADMSG) {
			CHECK(fz_reader_drain(r, sink, NULL, &err) == -EBADMSG);
			break;
		}
	}
	fz_reader_free(r);
	return 0;
}
