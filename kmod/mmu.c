// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmu.c - drop KVM's page-table entries
 *
 * KVM's own MMU notifier does it: it covers every slot, address space and nested
 * table that maps the address, flushes under mmu_lock, and makes concurrent
 * faults retry. It needs nothing that KVM does not export to the core kernel.
 */
#include <linux/mmu_notifier.h>
#include <fitzroy.h>
#include "compat/kvm.h"
#include "mmu.h"

#define PIECE	(1UL << 30)

void fz_mmu_zap(struct kvm *kvm, unsigned long hva, unsigned long size, bool may_sleep)
{
	struct mmu_notifier *mn = &kvm->mmu_notifier;
	struct mmu_notifier_range range = {
		.mm = kvm->mm,
		.start = hva,
		.end = hva + size,
		.flags = may_sleep ? MMU_NOTIFIER_RANGE_BLOCKABLE : 0,
		.event = MMU_NOTIFY_CLEAR,
	};

	/* KVM's callback never fails; see kvm_mmu_notifier_invalidate_range_start(). */
	mn->ops->invalidate_range_start(mn, &range);
	mn->ops->invalidate_range_end(mn, &range);
}

void fz_mmu_zap_beside(struct kvm *kvm, unsigned long hva, unsigned long size)
{
	struct hlist_head *list = fz_mm_notifiers(kvm->mm);
	struct mmu_notifier *mn;

	/* The common case: the process has this VM alone. mmap_lock keeps others from coming. */
	mmap_assert_locked(kvm->mm);
	if (hlist_is_singular_node(&kvm->mmu_notifier.hlist, list))
		return;
	/* Who dies takes itself off the list first, and its slots are there until then. */
	spin_lock(fz_mm_notifiers_lock(kvm->mm));
	hlist_for_each_entry(mn, list, hlist)
		if (mn != &kvm->mmu_notifier && mn->ops == kvm->mmu_notifier.ops)
			fz_mmu_zap(container_of(mn, struct kvm, mmu_notifier), hva, size, false);
	spin_unlock(fz_mm_notifiers_lock(kvm->mm));
}

/* In pieces: the hook on the unmap has KVM hold mmu_lock through each. */
void fz_mmu_zap_all(struct kvm *kvm)
{
	struct kvm_memory_slot *slot;
	unsigned long hva, end;
	int as_id, bucket, idx;

	might_sleep();
	idx = srcu_read_lock(&kvm->srcu);
	for (as_id = 0; as_id < ARRAY_SIZE(kvm->memslots); as_id++) {
		kvm_for_each_memslot(slot, bucket, __kvm_memslots(kvm, as_id)) {
			end = slot->userspace_addr + (slot->npages << PAGE_SHIFT);
			for (hva = slot->userspace_addr; hva < end; hva += PIECE) {
				fz_mmu_zap(kvm, hva, min(PIECE, end - hva), true);
				cond_resched();
			}
		}
	}
	srcu_read_unlock(&kvm->srcu, idx);
}

/*
 * KVM holds each entry against a mask of reserved bits, and warns. For the nested
 * tables of a hypervisor that runs without EFER.NX it takes NX for reserved, though
 * the CPU reads those tables with the host's EFER. Where X is denied NX is due.
 */
void fz_mmu_use_nx(struct kvm_vcpu *vcpu)
{
	u64 (*reserved)[PT64_ROOT_MAX_LEVEL] = fz_mmu_reserved(vcpu->arch.mmu);
	unsigned int i;

	if (fz_kvm_vendor != FZ_VENDOR_AMD || !(reserved[0][0] & FZ_SPTE_NPT_NX))
		return;
	for (i = 0; i < PT64_ROOT_MAX_LEVEL; i++) {
		reserved[0][i] &= ~FZ_SPTE_NPT_NX;
		reserved[1][i] &= ~FZ_SPTE_NPT_NX;
	}
}
