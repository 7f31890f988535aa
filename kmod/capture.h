/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * capture.h - from an event to a record
 */
#ifndef FZ_CAPTURE_H
#define FZ_CAPTURE_H

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
 * Copy the page at @pfn into a new record of @type, digest the copy, publish
 * the record, and leave the digest in *@hash. Must not be preemptible. Return 0,
 * -ENOSPC if the ring is full (counted as lost), -EFAULT if there is no page
 * behind @pfn (the record is published without a snapshot).
 */
int fz_capture(struct fz_vm *vm, enum fz_rec_type type, u16 flags,
	       const struct fz_event_at *at, kvm_pfn_t pfn,
	       const struct fz_mixed *mixed, u64 *hash);

/* Is there room for a capture on this CPU? Must not be preemptible. */
bool fz_capture_room(void);

/* Log an event without a snapshot. @vm may be NULL. */
void fz_log(struct fz_vm *vm, enum fz_rec_type type, const struct fz_event_at *at,
	    const void *detail, size_t size);

#endif
