/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * frames.h - a VM's per-frame states
 *
 * Keyed by host virtual address, not by gfn: aliased slots and the SMM address
 * space share one state that way. Sparse: a 2 MiB region has a struct when one of
 * its frames was ever fetched from, and 64 KiB of it a chunk when one of these was.
 */
#ifndef FZ_FRAMES_H
#define FZ_FRAMES_H

#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/xarray.h>
#include "wx.h"

#define FZ_REGION_SHIFT	21
#define FZ_REGION_SIZE	(1UL << FZ_REGION_SHIFT)
#define FZ_CHUNK_SHIFT	16
#define FZ_CHUNK_FRAMES	(1U << (FZ_CHUNK_SHIFT - PAGE_SHIFT))
#define FZ_CHUNKS	(1U << (FZ_REGION_SHIFT - FZ_CHUNK_SHIFT))

/* Marks on regions, for the sweep. */
#define FZ_MARK_MIXED		XA_MARK_0	/* has mixed frames */
#define FZ_MARK_UNLOGGED	XA_MARK_1	/* has frames that the ring had no room for */
#define FZ_MARK_SPLIT		XA_MARK_2	/* live no more: may be huge again */

#define FZ_F_SEEN	(1U << 0)	/* was logged before */
#define FZ_F_BUSY	(1U << 1)	/* its entries are being dropped; hands off */
#define FZ_F_UNLOGGED	(1U << 2)	/* executable, but the record found no room */
#define FZ_F_LATE	(1U << 3)	/* its next capture stands for a lost one */
#define FZ_F_WANT_MIXED	(1U << 4)	/* its next grant is to be a mixed one */
#define FZ_F_DISTURBED	(1U << 5)	/* the host wrote while it was busy */
#define FZ_F_NO_HOST	(1U << 6)	/* host writes to it can't be trapped */
#define FZ_F_HELD	(1U << 7)	/* a vCPU waits for room in the ring to capture it */

/**
 * struct fz_frame - one guest frame
 * @hash: XXH64 of the content as captured last; while MIXED, the time of the record
 * @writer: who wrote it last, to tell a page that writes to itself
 * @stamp: jiffies of the last transition
 * @flips: re-executions within @second
 * @second: low bits of the clock, in seconds
 * @flags: FZ_F_*
 * @state: enum fz_state
 * @suspect: KVM wrote to it behind the hooks' back
 *
 * All but @suspect are written under the region's lock; @state may be read
 * without it by who holds mmu_lock.
 */
struct fz_frame {
	u64 hash;
	u32 writer;
	u32 stamp;
	u16 flips;
	u16 second;
	u16 flags;
	u8 state;
	u8 suspect;
};

struct fz_chunk {
	struct fz_frame frame[FZ_CHUNK_FRAMES];
};

/**
 * struct fz_region - 2 MiB of a VMM's address space
 * @lock: serialises the states of its frames
 * @key: address >> FZ_REGION_SHIFT
 * @live: frames that ask for 4 KiB entries
 * @known: frames that are not NONE
 * @exec: frames that may execute
 * @checked: when its executable frames were last compared with their captures, or
 *	else when it was made, CLOCK_MONOTONIC, ns; the verifier's own
 */
struct fz_region {
	spinlock_t lock;
	unsigned long key;
	u16 live;
	u16 known;
	u16 exec;
	u64 checked;
	struct fz_chunk *chunk[FZ_CHUNKS];
};

#define FZ_FRAMES_NEAR	512

/**
 * struct fz_frames - all regions of a VM
 * @near: by the low bits of their keys, the last that was made: a fault looks for its
 *	region two or three times, and mostly there is none. NULL: there is none
 * @regions: by their keys
 * @memory: bytes
 */
struct fz_frames {
	struct fz_region *near[FZ_FRAMES_NEAR];
	struct xarray regions;
	atomic64_t memory;
};

/* For the module: before the first VM, and when the last one's frames are freed. */
int fz_frames_alloc_init(void);
void fz_frames_alloc_exit(void);

void fz_frames_init(struct fz_frames *frames);

/* Free all. Nobody may look any more: a grace period must have passed. */
void fz_frames_destroy(struct fz_frames *frames);

/* The region of @hva, or NULL. Must be called under RCU. */
static inline struct fz_region *fz_frames_region(struct fz_frames *frames,
						 unsigned long hva)
{
	unsigned long key = hva >> FZ_REGION_SHIFT;
	struct fz_region *region = READ_ONCE(frames->near[key % FZ_FRAMES_NEAR]);

	return !region || region->key == key ? region : xa_load(&frames->regions, key);
}

/* The same, made if it is missing; NULL if out of memory. Does not sleep. */
struct fz_region *fz_frames_make_region(struct fz_frames *frames, unsigned long hva);

/* The frame of @hva in its region, or NULL. */
static inline struct fz_frame *fz_region_frame(struct fz_region *region,
					       unsigned long hva)
{
	struct fz_chunk *chunk = READ_ONCE(region->chunk[(hva >> FZ_CHUNK_SHIFT) %
							 FZ_CHUNKS]);

	return chunk ? &chunk->frame[(hva >> PAGE_SHIFT) % FZ_CHUNK_FRAMES] : NULL;
}

/* The same, made if it is missing; NULL if out of memory. Must hold region->lock. */
struct fz_frame *fz_region_make_frame(struct fz_frames *frames,
				      struct fz_region *region, unsigned long hva);

/* The frame of @hva, or NULL. Must be called under RCU. */
static inline struct fz_frame *fz_frames_frame(struct fz_frames *frames,
					       unsigned long hva)
{
	struct fz_region *region = fz_frames_region(frames, hva);

	return region ? fz_region_frame(region, hva) : NULL;
}

/* Set a frame's state and the region's counts. Must hold region->lock. */
void fz_region_set(struct fz_region *region, struct fz_frame *frame,
		   enum fz_state state);

/* Does any region of [hva, hva + size) have live frames? Must be under RCU. */
bool fz_frames_live(struct fz_frames *frames, unsigned long hva, unsigned long size);

/* Count the frames with a state, and of these the executable ones. */
void fz_frames_count(struct fz_frames *frames, u64 *known, u64 *exec);

/* The first frame of @region from number *@i on: set *@i and its address, or NULL. */
struct fz_frame *fz_region_next(struct fz_region *region, unsigned int *i,
				unsigned long *hva);

/* Which frame of its region @hva is in; where fz_region_next() may start. */
static inline unsigned int fz_region_index(unsigned long hva)
{
	return hva >> PAGE_SHIFT & (FZ_CHUNKS * FZ_CHUNK_FRAMES - 1);
}

/* Loop over the frames of @region that exist: @i counts, @hva is the address. */
#define fz_for_each_frame(region, frame, hva, i)				\
	for ((i) = 0; ((frame) = fz_region_next(region, &(i), &(hva))); (i)++)

#endif
