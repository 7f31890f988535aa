// SPDX-License-Identifier: GPL-2.0-only
/*
 * reader.c - one stream out of many rings
 *
 * 1. T = barrier: every record with time <= T is in its ring.
 * 2. Load-acquire all producer positions. What lies below them is stable.
 * 3. Deliver the records with time <= T, the earliest head first. No record
 *    that comes later can belong before one of these.
 * 4. Store-release each consumer position after the delivery, or when told to; or,
 *    with a stage, as soon as the record is copied there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "ordering.h"
#include "reader.h"
#include "stage.h"

#define RING_MIN	((uint64_t)2 * 8192)
#define RING_MAX	((uint64_t)1 << 34)
#define REC_ALIGN	64
#define LOOK_EACH	4	/* records between two looks whether a ring fills */

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
	struct fz_error why;	/* it is over */
	bool keep;
	struct cursor *cursor;
	struct fz_stage stage;
	/* A private copy: what was checked is what is delivered. */
	union {
		struct fz_rec rec;
		uint8_t bytes[FZ_REC_MAX];
	} buf;
};

static int end(struct fz_reader *r, int ret, const struct fz_error *err)
{
	r->over = true;
	r->why = *err;
	return ret;
}

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
	fz_stage_free(&r->stage);
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

/* Copy the record at the head of @cpu's ring: what was checked is what is in @to. */
static void copy_out(struct fz_reader *r, unsigned int cpu, struct fz_rec *to)
{
	struct cursor *c = &r->cursor[cpu];

	memcpy(to, r->rings.data[cpu] + (c->pos & (r->rings.ring_bytes - 1)), c->head.size);
	*to = c->head;
}

static void advance(struct fz_reader *r, unsigned int cpu)
{
	struct cursor *c = &r->cursor[cpu];

	c->pos += c->head.size;
	c->have = false;
	if (!r->keep)
		release(r, cpu);
}

static int deliver(struct fz_reader *r, unsigned int cpu, fz_sink sink, void *arg,
		   struct fz_error *err)
{
	int ret, stop;

	copy_out(r, cpu, &r->buf.rec);
	/* What the sink did not take stays, and comes again: it is not counted yet. */
	stop = sink(arg, &r->buf.rec, err);
	if (stop < 0)
		return stop;
	ret = fz_seq_add(&r->seq, &r->buf.rec, err);
	advance(r, cpu);
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

int fz_reader_stage(struct fz_reader *r, size_t bytes, struct fz_error *err)
{
	return fz_stage_init(&r->stage, bytes, err);
}

bool fz_reader_staged(const struct fz_reader *r)
{
	return r->stage.count;
}

/* What is in the rings from now on, and up to when it is complete. */
static int look(struct fz_reader *r, uint64_t *time, struct fz_error *err)
{
	unsigned int i;
	int ret;

	if (r->over)
		return fz_fail(err, -EBADMSG, "the record stream has ended: %s", r->why.text);
	ret = r->rings.barrier(r->rings.arg, time, err);
	if (ret)
		return ret;
	for (i = 0; i < r->rings.cpus; i++) {
		struct cursor *c = &r->cursor[i];

		/* (C) pairs with the module's store-release (B): the records are written */
		c->end = fz_load_acquire((const uint64_t *)&r->rings.producers[i]->pos);
		if (c->end - c->pos > r->rings.ring_bytes)
			return end(r, bad_position(i, err), err);
	}
	return 0;
}

static int64_t drain(struct fz_reader *r, fz_sink sink, void *arg, struct fz_error *err)
{
	int64_t n = 0, cpu;
	uint64_t time;
	int ret = look(r, &time, err);

	if (ret)
		return ret;
	for (;;) {
		cpu = next_cpu(r, time, err);
		if (cpu == -1)
			return n;
		ret = cpu < 0 ? (int)cpu : deliver(r, cpu, sink, arg, err);
		if (ret < 0)
			return ret == -EBADMSG ? end(r, ret, err) : ret;
		n++;
		if (ret)
			return n;
	}
}

/* Move what the rings hold to the stage, as far as that has room. */
static int stage(struct fz_reader *r, struct fz_error *err)
{
	struct fz_rec *to;
	uint64_t time;
	int64_t cpu;
	int ret = look(r, &time, err);

	if (ret)
		return ret;
	for (;;) {
		cpu = next_cpu(r, time, err);
		if (cpu < 0)
			return cpu == -1 ? 0 : end(r, cpu, err);
		to = fz_stage_room(&r->stage, r->cursor[cpu].head.size);
		if (!to)
			return 0;
		copy_out(r, cpu, to);
		fz_stage_put(&r->stage, to);
		advance(r, cpu);
	}
}

static bool filling(const struct fz_reader *r)
{
	unsigned int i;

	for (i = 0; i < r->rings.cpus; i++)
		if (fz_load_acquire((const uint64_t *)&r->rings.producers[i]->pos) -
		    r->cursor[i].pos > r->rings.ring_bytes / 4)
			return true;
	return false;
}

static int64_t drain_staged(struct fz_reader *r, fz_sink sink, void *arg, struct fz_error *err)
{
	int ret = stage(r, err), stop;
	int64_t n = 0, given;

	given = r->stage.count;
	if (ret && (!r->over || !given))
		return ret;
	/* What comes meanwhile is for the next call, so that there is an end to this one. */
	while (n < given) {
		const struct fz_rec *rec = fz_stage_first(&r->stage);

		stop = sink(arg, rec, err);
		if (stop < 0)
			return stop;
		ret = fz_seq_add(&r->seq, rec, err);
		fz_stage_drop(&r->stage);
		n++;
		if (ret)
			return ret;
		if (stop)
			break;
		/* An error is the next call's: it meets the same. */
		if (!(n % LOOK_EACH) && !r->over && filling(r))
			stage(r, err);
	}
	return n;
}

int64_t fz_reader_drain(struct fz_reader *r, fz_sink sink, void *arg, struct fz_error *err)
{
	return r->stage.buf ? drain_staged(r, sink, arg, err) : drain(r, sink, arg, err);
}
