// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmu.c - drop KVM's page-table entries
 *
 * KVM's own MMU notifier does it: it covers every slot, address space and nested
 * table that maps the address, flushes under mmu_lock, and makes concurrent
 * faults retry. It needs nothing that KVM does not export to the core kernel.
 */
#include <linux/interval_tree.h>
#include <linux/mem_encrypt.h>
#include <linux/mmu_notifier.h>
#include <fitzroy.h>
#include "compat/kvm.h"
#include "mmu.h"

#define PIECE		(1UL << 30)
#define LEVEL_BITS	9

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

/* Does an entry map the frame, small or huge? In the tables of one address space. */
static bool maps(struct kvm *kvm, int as_id, gfn_t gfn)
{
	struct list_head *link, *roots = &kvm->arch.tdp_mmu_roots;
	int level;
	u64 spte, *spt;

	for (link = roots->next; link != roots; link = link->next) {
		struct kvm_mmu_page *sp = fz_sp_of_link(link);

		if (fz_sp_role(sp).smm != as_id)
			continue;
		spt = fz_sp_spt(sp);
		for (level = fz_sp_level(sp);; level--) {
			spte = READ_ONCE(spt[(gfn >> (level - 1) * LEVEL_BITS) % PTRS_PER_PTE]);
			if (!(spte & FZ_SPTE_MMU_PRESENT))
				break;
			if (level == PG_LEVEL_4K || (spte & FZ_SPTE_LARGE))
				return true;
			spt = __va(__sme_clr(spte & FZ_SPTE_PFN_MASK));
		}
	}
	return false;
}

static bool is_mapped(struct kvm *kvm, unsigned long hva)
{
	const struct list_head *roots = &kvm->arch.tdp_mmu_roots;
	struct interval_tree_node *node;
	struct kvm_memory_slot *slot;
	struct kvm_memslots *slots;
	int as_id;

	lockdep_assert_held_write(&kvm->mmu_lock);
	/* The other MMU's tables are not looked at: tdp_mmu=0 leaves the list empty, or zero. */
	if (!roots->next || roots->next == roots || READ_ONCE(kvm->arch.shadow_root_allocated))
		return true;
	for (as_id = 0; as_id < ARRAY_SIZE(kvm->memslots); as_id++) {
		slots = __kvm_memslots(kvm, as_id);
		for (node = interval_tree_iter_first(&slots->hva_tree, hva, hva); node;
		     node = interval_tree_iter_next(node, hva, hva)) {
			slot = container_of(node, struct kvm_memory_slot,
					    hva_node[slots->node_idx]);
			if (maps(kvm, as_id, slot->base_gfn +
				 ((hva - slot->userspace_addr) >> PAGE_SHIFT)))
				return true;
		}
	}
	return false;
}

bool fz_mmu_mapped(struct kvm *kvm, unsigned long hva)
{
	bool mapped;

	/* Who was building an entry has installed it when we get the lock. */
	write_lock(&kvm->mmu_lock);
	mapped = is_mapped(kvm, hva);
	write_unlock(&kvm->mmu_lock);
	return mapped;
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
