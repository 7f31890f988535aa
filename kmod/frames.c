// SPDX-License-Identifier: GPL-2.0-only
/*
 * frames.c - a VM's per-frame states
 *
 * Regions and chunks are only added while the VM is watched, so a reader needs
 * no more than RCU and a pointer. Allocations come from fault paths: they do not
 * sleep, and one that fails leaves its frame without X.
 */
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "frames.h"

/* Of their own: a slab of the kernel's would round either up to 512 bytes. */
static struct kmem_cache *regions, *chunks;

int fz_frames_alloc_init(void)
{
	regions = KMEM_CACHE(fz_region, 0);
	chunks = KMEM_CACHE(fz_chunk, 0);
	if (regions && chunks)
		return 0;
	fz_frames_alloc_exit();
	return -ENOMEM;
}

void fz_frames_alloc_exit(void)
{
	kmem_cache_destroy(chunks);
	kmem_cache_destroy(regions);
	chunks = NULL;
	regions = NULL;
}

void fz_frames_init(struct fz_frames *frames)
{
	memset(frames->near, 0, sizeof(frames->near));
	xa_init(&frames->regions);
	atomic64_set(&frames->memory, 0);
}

void fz_frames_destroy(struct fz_frames *frames)
{
	struct fz_region *region;
	unsigned long key;
	int i;

	xa_for_each(&frames->regions, key, region) {
		for (i = 0; i < FZ_CHUNKS; i++)
			if (region->chunk[i])
				kmem_cache_free(chunks, region->chunk[i]);
		kmem_cache_free(regions, region);
	}
	xa_destroy(&frames->regions);
}

struct fz_region *fz_frames_make_region(struct fz_frames *frames, unsigned long hva)
{
	unsigned long key = hva >> FZ_REGION_SHIFT;
	struct fz_region *region, *old;

	region = fz_frames_region(frames, hva);
	if (region)
		return region;

	region = kmem_cache_zalloc(regions, GFP_ATOMIC | __GFP_NOWARN);
	if (!region)
		return NULL;
	spin_lock_init(&region->lock);
	region->key = key;
	region->checked = ktime_get_ns();

	old = xa_cmpxchg(&frames->regions, key, NULL, region,
			 GFP_ATOMIC | __GFP_NOWARN);
	if (old) {
		kmem_cache_free(regions, region);
		if (xa_is_err(old))
			return NULL;
		region = old;
	} else {
		atomic64_add(sizeof(*region), &frames->memory);
	}
	/* Even if another made it, who may not have come here yet: found before it is used. */
	rcu_assign_pointer(*(struct fz_region __rcu __force **)
			   &frames->near[key % FZ_FRAMES_NEAR], region);
	return region;
}

struct fz_frame *fz_region_make_frame(struct fz_frames *frames,
				      struct fz_region *region, unsigned long hva)
{
	struct fz_chunk **slot = &region->chunk[(hva >> FZ_CHUNK_SHIFT) % FZ_CHUNKS];
	struct fz_chunk *chunk = *slot;

	lockdep_assert_held(&region->lock);
	if (!chunk) {
		chunk = kmem_cache_zalloc(chunks, GFP_ATOMIC | __GFP_NOWARN);
		if (!chunk)
			return NULL;
		atomic64_add(sizeof(*chunk), &frames->memory);
		/* Readers without the lock follow the pointer: an address dependency. */
		rcu_assign_pointer(*(struct fz_chunk __rcu __force **)slot, chunk);
	}
	return &chunk->frame[(hva >> PAGE_SHIFT) % FZ_CHUNK_FRAMES];
}

static bool executes(enum fz_state state)
{
	return state == FZ_EXEC || state == FZ_MIXED;
}

void fz_region_set(struct fz_region *region, struct fz_frame *frame,
		   enum fz_state state)
{
	enum fz_state old = frame->state;

	lockdep_assert_held(&region->lock);
	if (fz_wx_live(old) != fz_wx_live(state))
		WRITE_ONCE(region->live, region->live + (fz_wx_live(state) ? 1 : -1));
	if (executes(old) != executes(state))
		WRITE_ONCE(region->exec, region->exec + (executes(state) ? 1 : -1));
	if (old == FZ_NONE)
		WRITE_ONCE(region->known, region->known + 1);
	WRITE_ONCE(frame->state, state);
	WRITE_ONCE(frame->stamp, (u32)jiffies);
}

struct fz_frame *fz_region_next(struct fz_region *region, unsigned int *i,
				unsigned long *hva)
{
	struct fz_frame *frame;

	while (*i < FZ_CHUNKS * FZ_CHUNK_FRAMES) {
		*hva = (region->key << FZ_REGION_SHIFT) + ((unsigned long)*i << PAGE_SHIFT);
		frame = fz_region_frame(region, *hva);
		if (frame)
			return frame;
		/* No chunk, no frame of it. */
		*i = (*i | (FZ_CHUNK_FRAMES - 1)) + 1;
	}
	return NULL;
}

bool fz_frames_live(struct fz_frames *frames, unsigned long hva, unsigned long size)
{
	unsigned long key = hva >> FZ_REGION_SHIFT;
	unsigned long last = (hva + size - 1) >> FZ_REGION_SHIFT;
	struct fz_region *region;

	xa_for_each_range(&frames->regions, key, region, key, last)
		if (READ_ONCE(region->live))
			return true;
	return false;
}

void fz_frames_count(struct fz_frames *frames, u64 *known, u64 *exec)
{
	struct fz_region *region;
	unsigned long key;

	*known = 0;
	*exec = 0;
	rcu_read_lock();
	xa_for_each(&frames->regions, key, region) {
		*known += READ_ONCE(region->known);
		*exec += READ_ONCE(region->exec);
	}
	rcu_read_unlock();
}
