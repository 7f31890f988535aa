/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * capture.h - from an event to a record
 */
#ifndef FZ_CAPTURE_H
#define FZ_CAPTURE_H

#include "ring.h"
#include "vm.h"

/**
 * struct fz_event_at - where and when an event happened
 * @vcpu: on which vCPU, or NULL
 * @gfn: to which frame
 * @as_id: of which address space, if @vcpu does not tell
 */
struct fz_event_at {
	struct kvm_vcpu *vcpu;
	u64 gfn;
	u8 as_id;
};

/*
 * Make a record of the type, flags and detail that @head has, with a copy of the
 * page at @pfn, digest the copy, publish the record, and leave digest and time in
 * @head. Must not be preemptible. Return 0, -ENOSPC if the ring is full (counted
 * as lost, as FZ_LOSE_* @lose), -EFAULT if there is no page behind @pfn (the
 * record is published without a snapshot).
 */
int fz_capture(struct fz_vm *vm, struct fz_rec *head, const struct fz_event_at *at,
	       kvm_pfn_t pfn, unsigned int lose);

/* Is there room for a capture on this CPU? Must not be preemptible. */
bool fz_capture_room(void);

/* Log an event without a snapshot. @vm may be NULL. False: lost, and counted. */
bool fz_log(struct fz_vm *vm, enum fz_rec_type type, const struct fz_event_at *at,
	    const void *detail, size_t size);

#endif
