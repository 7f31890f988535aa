/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mmu.h - KVM's page tables
 */
#ifndef FZ_MMU_H
#define FZ_MMU_H

#include "vm.h"

/*
 * Drop every entry that maps [hva, hva + size), in all slots, address spaces
 * and nested tables, flush the TLBs, and make faults in flight retry. Does not
 * sleep unless @may_sleep. Must not hold mmu_lock.
 */
void fz_mmu_zap(struct kvm *kvm, unsigned long hva, unsigned long size, bool may_sleep);

/*
 * The same for the other VMs of @kvm's process, watched or not: each has entries of its
 * own. Must hold mmap_lock.
 */
void fz_mmu_zap_beside(struct kvm *kvm, unsigned long hva, unsigned long size);

/*
 * May any entry map the page at @hva? If not, a zap would drop and flush nothing. What
 * forbids new ones, the frame's state, must be set before. kvm->srcu must be held.
 */
bool fz_mmu_mapped(struct kvm *kvm, unsigned long hva);

/* Drop everything. May sleep. */
void fz_mmu_zap_all(struct kvm *kvm);

/*
 * Walk the tables of a pinned VM and fill @audit's results, and up to @max entries
 * of @found. -ENOENT if it is not yet, or no longer, watched in full. May sleep, and
 * does not hold mmu_lock for long.
 */
int fz_mmu_audit(struct fz_vm *vm, struct fz_audit *audit,
		 struct fz_audit_found *found, u32 max);

/* An entry without X is about to be made for @vcpu: let KVM find nothing wrong with it. */
void fz_mmu_use_nx(struct kvm_vcpu *vcpu);

#endif
