/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rings.h - the rings of all CPUs, and their memory
 */
#ifndef FZ_RINGS_H
#define FZ_RINGS_H

#include <linux/mm_types.h>
#include <linux/wait.h>
#include "ring.h"

extern unsigned int fz_ring_kib;
extern wait_queue_head_t fz_rings_wait;	/* readers wait here for records */

/* This CPU's ring. Must not be preemptible. */
struct fz_ring *fz_rings_this(void);

/* Wake the readers, from any context. */
void fz_rings_wake(void);

/* Is there anything that the reader has not consumed? */
bool fz_rings_pending(void);

/* Say what was lost on every CPU whose ring has room for it. May sleep. */
void fz_rings_flush_lost(void);

/*
 * Return a time, CLOCK_MONOTONIC in ns, up to which every record is in its ring.
 * May sleep.
 */
u64 fz_rings_barrier(void);

/* The least room, in records with a snapshot, that any ring has. */
u64 fz_rings_room(void);

/* The geometry, as FZ_IOC_INFO tells it. */
void fz_rings_info(struct fz_info *info);

/* Map the consumer positions or a ring. 0, -EINVAL, -EACCES, -ENOMEM. */
int fz_rings_map(struct vm_area_struct *vma);

/* Does @vma ask for the consumer positions? And how many pages are they? */
bool fz_rings_is_consumer(const struct vm_area_struct *vma);
unsigned long fz_rings_consumer_pages(void);

int fz_rings_init(void);
void fz_rings_exit(void);

#endif
