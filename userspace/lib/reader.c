// SPDX-License-Identifier: GPL-2.0-only
/*
 * reader.c - one stream out of many rings
 *
 * 1. T = barrier: every record with time <= T is in its ring.
 * 2. Load-acquire all producer positions. What lies below them is stable.
 * 3. Deliver the records with time <= T, the earliest head first. No record
 *    that comes later can belong before one of these.
 * 4. Store-release each consumer position after the delivery, or when told to.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "ordering.h"
#include "reader.h"

#define RING_MIN	((uint64_t)2 * 8192)
#define RING_MAX	((uint64_t)1 << 34)
#define REC_ALIGN	64

struct cursor {
	uint64_t pos;		/* next byte to deliver */
	uint64_t end;		/* producer position of this drain */
	uint64_t lost_at_start;
	bool have;		/* @head is the record at @pos */
	struct fz_rec head;
};

struct fz_reader {
	struct fz_rings rings;
	struct fz_seq seq;
	bool over;
	bool keep;
	struct cursor *cursor;
	/* A private copy: what was checked is what is delivered. */
	union {
		struct fz_rec rec;
		uint8_t bytes[FZ_REC_MAX];
	} buf;
};

static int bad_position(unsigned int cpu, struct fz_error *err)
{
	return fz_fail(err, -EBADMSG, "the positions of CPU %u's ring make no sense; "
		       "unload and load the module to start afresh", cpu);
}

int fz_reader_new(struct fz_reader **out, const struct fz_rings *rings, struct fz_error *err)
{
	struct fz_reader *r;
	unsigned int i;

	if (!rings->cpus || rings->cpus > FZ_CPUS_MAX || rings->ring_bytes < RING_MIN ||
	    rings->ring_bytes > RING_MAX || rings->ring_bytes & (rings->ring_bytes - 1))
		return fz_fail(err, -EINVAL, "%u rings of %" PRIu64 " bytes cannot be",
			       rings->cpus, rings->ring_bytes);
	r = calloc(1, sizeof(*r));
	if (!r)
		return fz_fail(err, -ENOMEM, "out of memory");
	r->rings = *rings;
	r->cursor = calloc(rings->cpus, sizeof(*r->cursor));
	if (!r->cursor) {
		free(r);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	for (i = 0; i < rings->cpus; i++) {
		struct cursor *c = &r->cursor[i];
		uint64_t end = fz_load_acquire((const uint64_t *)&rings->producers[i]->pos);

		c->pos = rings->consumers[i].pos;
		c->lost_at_start = rings->producers[i]->lost;
		if (end - c->pos > rings->ring_bytes || c->pos % REC_ALIGN) {
			fz_reader_free(r);
			return bad_position(i, err);
		}
	}
	*out = r;
	return 0;
}

void fz_reader_free(struct fz_reader *r)
{
	if (!r)
		return;
	fz_seq_free(&r->seq);
	free(r->cursor);
	free(r);
}

const struct fz_seq *fz_reader_seq(const struct fz_reader *r)
{
	return &r->seq;
}

uint64_t fz_reader_lost_pending(const struct fz_reader *r)
{
	uint64_t lost = 0;
	unsigned int i;

	for (i = 0; i < r->rings.cpus; i++)
		lost += r->rings.producers[i]->lost - r->cursor[i].lost_at_start;
	return lost > r->seq.lost ? lost - r->seq.lost : 0;
}

/* Copy the header of the record at @pos and check it. 1 = there is one. */
static int load_head(struct fz_reader *r, unsigned int cpu, struct fz_error *err)
{
	struct cursor *c = &r->cursor[cpu];
	uint64_t avail = c->end - c->pos;
	int ret;

	if (c->have)
		return 1;
	if (!avail)
		return 0;
	if (avail >= sizeof(c->head))
		memcpy(&c->head, r->rings.data[cpu] + (c->pos & (r->rings.ring_bytes - 1)),
		       sizeof(c->head));
	ret = fz_rec_check(&c->head, avail, err);
	if (ret)
		return ret;
	if (c->head.cpu != cpu)
		return fz_fail(err, -EBADMSG, "a record in CPU %u's ring names CPU %u", cpu,
			       c->head.cpu);
	c->have = true;
	return 1;
}

static bool earlier(const struct fz_rec *a, const struct fz_rec *b)
{
	if (a->time != b->time)
		return a->time < b->time;
	return a->cpu < b->cpu;		/* one head per CPU: numbers cannot tie */
}

/* The CPU whose head comes next, -1 = none up to @time, or a negative errno. */
static int64_t next_cpu(struct fz_reader *r, uint64_t time, struct fz_error *err)
{
	int64_t best = -1;
	unsigned int i;
	int ret;

	for (i = 0; i < r->rings.cpus; i++) {
		ret = load_head(r, i, err);
		if (ret < 0)
			return -EBADMSG;
		if (!ret || r->cursor[i].head.time > time)
			continue;
		if (best < 0 || earlier(&r->cursor[i].head, &r->cursor[best].head))
			best = i;
	}
	return best;
}

static void release(struct fz_reader *r, unsigned int cpu)
{
	/* (D) pairs with the module's load-acquire (A): the room is free */
	fz_store_release((uint64_t *)&r->rings.consumers[cpu].pos, r->cursor[cpu].pos);
}

static int deliver(struct fz_reader *r, unsigned int cpu, fz_sink sink, void *arg,
		   struct fz_error *err)
{
	struct cursor *c = &r->cursor[cpu];
	int ret, stop;

	memcpy(&r->buf, r->rings.data[cpu] + (c->pos & (r->rings.ring_bytes - 1)), c->head.size);
	r->buf.rec = c->head;
	/* What the sink did not take stays, and comes again: it is not counted yet. */
	stop = sink(arg, &r->buf.rec, err);
	if (stop < 0)
		return stop;
	ret = fz_seq_add(&r->seq, &r->buf.rec, err);
	c->pos += c->head.size;
	c->have = false;
	if (!r->keep)
		release(r, cpu);
	return ret ? ret : stop;
}

void fz_reader_keep(struct fz_reader *r, bool keep)
{
	r->keep = keep;
}

void fz_reader_release(struct fz_reader *r)
{
	unsigned int i;

	for (i = 0; i < r->rings.cpus; i++)
		release(r, i);
}

int64_t fz_reader_drain(struct fz_reader *r, fz_sink sink, void *arg, struct fz_error *err)
{
	int64_t n = 0, cpu;
	uint64_t time;
	unsigned int i;
	int ret;

	if (r->over)
		return fz_fail(err, -EBADMSG, "the record stream ended at a malformed record");
	ret = r->rings.barrier(r->rings.arg, &time, err);
	if (ret)
		return ret;
	for (i = 0; i < r->rings.cpus; i++) {
		struct cursor *c = &r->cursor[i];

		/* (C) pairs with the module's store-release (B): the records are written */
		c->end = fz_load_acquire((const uint64_t *)&r->rings.producers[i]->pos);
		if (c->end - c->pos > r->rings.ring_bytes) {
			r->over = true;
			return bad_position(i, err);
		}
	}
	for (;;) {
		cpu = next_cpu(r, time, err);
		if (cpu == -1)
			return n;
		ret = cpu < 0 ? (int)cpu : deliver(r, cpu, sink, arg, err);
		if (ret < 0) {
			r->over |= ret == -EBADMSG;
			return ret;
		}
		n++;
		if (ret)
			return n;
	}
}
