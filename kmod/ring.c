// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - one CPU's ring: single producer, lock-free
 *
 * The consumer's position is the only thing read from shared memory, and it is
 * only compared: a reader that lies loses records, and does no other harm.
 */
#include "ring.h"
#include "order.h"

u64 fz_ring_free(const struct fz_ring *ring)
{
	u64 used = fz_load_own(&ring->pos) - fz_load_consumer(&ring->consumer->pos);

	/* A position ahead of ours, or more than a ring behind, is a lie. */
	return used <= ring->bytes ? ring->bytes - used : 0;
}

static struct fz_rec *start(struct fz_ring *ring, u32 size, u64 now)
{
	struct fz_rec *rec = ring->data + (ring->pos & (ring->bytes - 1));

	/* One store a word: memset() becomes REP STOS, which takes longer than all else here. */
	rec->size = size;
	rec->type = 0;
	rec->flags = 0;
	rec->seq = ring->seq++;
	rec->time = now;
	rec->vm = 0;
	rec->gfn = FZ_NO_GFN;
	rec->rip = 0;
	rec->cr3 = 0;
	rec->hash = 0;
	rec->cpu = ring->cpu;
	rec->vcpu = FZ_NO_VCPU;
	rec->mode = 0;
	rec->cpl = 0;
	rec->as_id = 0;
	rec->reserved = 0;
	rec->u.pad[0] = 0;
	rec->u.pad[1] = 0;
	rec->u.pad[2] = 0;
	rec->u.pad[3] = 0;
	rec->u.pad[4] = 0;
	rec->u.pad[5] = 0;
	return rec;
}

static void say_lost(struct fz_ring *ring, u64 now)
{
	struct fz_rec *rec = start(ring, sizeof(*rec), now);

	rec->type = FZ_REC_LOST;
	rec->u.lost = ring->lost;
	ring->lost.execs = 0;
	ring->lost.held = 0;
	fz_store_own(&ring->lost.count, 0);
	fz_ring_commit(ring, rec);
}

void fz_ring_begin(struct fz_ring *ring)
{
	fz_store_mark(&ring->mark, ring->mark + 1);
}

void fz_ring_end(struct fz_ring *ring)
{
	fz_clear_mark(&ring->mark, ring->mark + 1);
}

void fz_ring_wait(const struct fz_ring *ring)
{
	u32 mark = fz_load_mark(&ring->mark);

	while ((mark & 1) && fz_load_mark(&ring->mark) == mark)
		fz_relax();
}

bool fz_ring_room(const struct fz_ring *ring, u32 size)
{
	return fz_ring_free(ring) >= size + (ring->lost.count ? sizeof(struct fz_rec) : 0);
}

struct fz_rec *fz_ring_reserve(struct fz_ring *ring, u32 size, u64 now,
			       unsigned int what)
{
	if (!fz_ring_room(ring, size)) {
		if (!ring->lost.count) {
			ring->lost.first_seq = ring->seq;
			ring->lost.first_time = now;
		}
		fz_store_own(&ring->lost.count, ring->lost.count + 1);
		ring->lost.last_time = now;
		ring->lost.execs += !!(what & FZ_LOSE_EXEC);
		ring->lost.held += !!(what & FZ_LOSE_HELD);
		ring->seq++;
		ring->producer->lost++;
		return NULL;
	}
	if (ring->lost.count)
		say_lost(ring, now);
	return start(ring, size, now);
}

void fz_ring_commit(struct fz_ring *ring, const struct fz_rec *rec)
{
	fz_store_own(&ring->pos, ring->pos + rec->size);
	fz_store_producer(&ring->producer->pos, ring->pos);
}

void fz_ring_flush_lost(struct fz_ring *ring, u64 now)
{
	if (ring->lost.count && fz_ring_free(ring) >= sizeof(struct fz_rec))
		say_lost(ring, now);
}
