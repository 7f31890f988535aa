/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fault.h - one guest fault, from fetch to grant
 */
#ifndef FZ_FAULT_H
#define FZ_FAULT_H

#include "capture.h"

struct kvm_page_fault;
struct kvm_mmu_page;

extern unsigned int fz_mixed_ms;
extern unsigned int fz_held_ms;
extern unsigned int fz_hold_ms;
extern unsigned int fz_flip_cap;
extern bool fz_lossless;

/* In the order in which a fault meets them; all under RCU. */

/* Entry of the slow path, no lock held: choose the page size, change the frame's state, zap. */
void fz_fault_enter(struct fz_vm *vm, struct kvm_vcpu *vcpu,
		    struct kvm_page_fault *fault);

/* A fetch, mmu_lock held, exact pfn known: capture, log, grant. */
void fz_fault_map(struct fz_vm *vm, struct kvm_vcpu *vcpu,
		  struct kvm_page_fault *fault);

/* A leaf entry is built: what of FZ_ACC_* does the state deny? */
unsigned int fz_fault_entry(struct fz_vm *vm, struct kvm_mmu_page *sp,
			    const struct kvm_memory_slot *slot, gfn_t gfn);

/* KVM itself is about to write to the frame. No lock held. */
void fz_fault_host_write(struct fz_vm *vm, const struct kvm_memory_slot *slot,
			 gfn_t gfn);

/* KVM has written to the frame. Any context; the sweep does the rest. */
void fz_fault_host_wrote(struct fz_vm *vm, const struct kvm_memory_slot *slot,
			 gfn_t gfn);

/*
 * The VMM is about to write to somewhere in the region: FZ_HOST_WRITE for all of
 * its frames, zapping those that may execute. Contexts as fz_fault_step().
 */
void fz_fault_host_write_region(struct fz_vm *vm, struct fz_region *region);

/* KVM drops the entries of [start, end); mmu_lock held for write. @own: by fz_mmu_zap(). */
void fz_fault_unmap(struct fz_vm *vm, const struct kvm_memory_slot *slot,
		    gfn_t start, gfn_t end, bool own);

/* A slot goes away or moves. */
void fz_fault_drop(struct fz_vm *vm, const struct kvm_memory_slot *slot);

/*
 * Apply @event to the frame at @hva, which @at->vcpu, if not NULL, caused, and
 * add FZ_F_* @flags to it. May spin for mmu_lock but does not sleep; mmu_lock
 * must not be held if the step zaps. Return true if the event did anything.
 */
bool fz_fault_step(struct fz_vm *vm, struct fz_region *region, unsigned long hva,
		   enum fz_event event, const struct fz_event_at *at, u16 flags);

#endif
