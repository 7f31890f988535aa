/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uml_kvm.h - what of KVM the code under test touches, for UML, which has none
 *
 * Stands for linux/kvm_host.h, by its guard. The names and what they mean are KVM's, the
 * structures are not; on x86_64 the same tests run on KVM's own.
 */
#ifndef __KVM_HOST_H
#define __KVM_HOST_H

#ifndef __ASSEMBLY__
#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rwlock.h>
#include <linux/srcu.h>

typedef u64 gfn_t;
typedef u64 gpa_t;
typedef u64 kvm_pfn_t;

#define PG_LEVEL_4K	1
#define PG_LEVEL_2M	2
#define PG_LEVEL_1G	3

#define PT64_ROOT_MAX_LEVEL		5
#define KVM_HPAGE_GFN_SHIFT(x)		(((x) - 1) * 9)
#define KVM_HPAGE_SIZE(x)		(1UL << (PAGE_SHIFT + KVM_HPAGE_GFN_SHIFT(x)))
#define KVM_PAGES_PER_HPAGE(x)		(KVM_HPAGE_SIZE(x) / PAGE_SIZE)

union kvm_mmu_page_role {
	u32 word;
	struct {
		unsigned level : 4;
		unsigned has_4_byte_gpte : 1;
		unsigned quadrant : 2;
		unsigned direct : 1;
		unsigned access : 3;
		unsigned : 13;
		unsigned smm : 8;
	};
};

struct rsvd_bits_validate {
	u64 rsvd_bits_mask[2][PT64_ROOT_MAX_LEVEL];
};

struct kvm_mmu {
	struct rsvd_bits_validate shadow_zero_check;
};

struct kvm_memory_slot {
	struct hlist_node id_node[2];
	gfn_t base_gfn;
	unsigned long npages;
	unsigned long userspace_addr;
	u32 flags;
	short id;
	u16 as_id;
};

struct kvm_memslots {
	struct hlist_head slots;
};

struct kvm {
	rwlock_t mmu_lock;
	struct mm_struct *mm;
	struct kvm_memslots *memslots[2];
	struct {
		struct list_head tdp_mmu_roots;
		struct hlist_head *mmu_page_hash;
	} arch;
	long mmu_invalidate_in_progress;
	gfn_t mmu_invalidate_range_start;
	gfn_t mmu_invalidate_range_end;
	struct srcu_struct srcu;
};

struct kvm_vcpu {
	struct kvm *kvm;
	int vcpu_id;
	struct {
		struct kvm_mmu *mmu;
	} arch;
};

static inline struct kvm_memslots *__kvm_memslots(struct kvm *kvm, int as_id)
{
	return kvm->memslots[as_id];
}

#define kvm_for_each_memslot(slot, bucket, all)				\
	for ((bucket) = 0; (bucket) < 1; (bucket)++)			\
		hlist_for_each_entry(slot, &(all)->slots, id_node[0])

static inline struct kvm_memory_slot *__gfn_to_memslot(struct kvm_memslots *slots, gfn_t gfn)
{
	struct kvm_memory_slot *slot;

	hlist_for_each_entry(slot, &slots->slots, id_node[0])
		if (gfn >= slot->base_gfn && gfn < slot->base_gfn + slot->npages)
			return slot;
	return NULL;
}

#endif
#endif
