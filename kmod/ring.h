/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring.h - one CPU's ring: single producer, lock-free
 *
 * Pure but for the memory order; see Documentation/ring.rst for the design.
 */
#ifndef FZ_RING_H
#define FZ_RING_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <fitzroy.h>
#else
#include <stdbool.h>
#include <stdint.h>
#include "fitzroy.h"
typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
#endif

/**
 * struct fz_ring - the producer's private view
 * @producer: shared, read-only to the reader
 * @consumer: shared, written by a reader that is not trusted
 * @data: @bytes of records, mapped twice in a row
 * @bytes: a power of two, at least FZ_RING_MIN
 * @pos: produced so far; the shared copy is for the reader only
 * @seq: number of the next record
 * @lost: the run of records lost since the last LOST record
 * @cpu: whose ring it is
 * @mark: odd while a record is being made
 */
struct fz_ring {
	struct fz_producer *producer;
	struct fz_consumer *consumer;
	void *data;
	u64 bytes;
	u64 pos;
	u64 seq;
	struct fz_lost lost;
	u32 cpu;
	u32 mark;
};

/* A record with its snapshot, and a LOST record before it, always fit. */
#define FZ_REC_PAGE_BYTES	(sizeof(struct fz_rec) + FZ_PAGE_SIZE)
#define FZ_RING_MIN		(4U * FZ_PAGE_SIZE)

/*
 * Around the making of a record, before its time is taken and after it is
 * published (or not): so that fz_rings_barrier() can wait for it.
 */
void fz_ring_begin(struct fz_ring *ring);
void fz_ring_end(struct fz_ring *ring);

/* If a record is being made, by another CPU, wait until it is there, or lost. */
void fz_ring_wait(const struct fz_ring *ring);

/* What a record is, should it be lost. */
#define FZ_LOSE_EXEC	(1U << 0)	/* an execution */
#define FZ_LOSE_HELD	(1U << 1)	/* for whose room a vCPU was held in vain */

/*
 * Find room for a record of @size bytes and give it its number, time and CPU.
 * Return it, zeroed but for these and its size, or NULL: then the record is
 * counted as lost, as FZ_LOSE_* @what. Only the owner of the ring's CPU may call it, and no other
 * producer before fz_ring_commit().
 */
struct fz_rec *fz_ring_reserve(struct fz_ring *ring, u32 size, u64 now,
			       unsigned int what);

/* Publish the reserved record. */
void fz_ring_commit(struct fz_ring *ring, const struct fz_rec *rec);

/* Free bytes; none for a reader that lies about its position. */
u64 fz_ring_free(const struct fz_ring *ring);

/* Is there room for @size bytes now, a LOST record included? Counts nothing. */
bool fz_ring_room(const struct fz_ring *ring, u32 size);

/* Say what was lost, if anything was and there is room. Same rules as reserve. */
void fz_ring_flush_lost(struct fz_ring *ring, u64 now);

#endif
