/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fz_layout.h - for the tests: KVM's private structures are ones of their own
 *
 * The code under test knows them by offsets, which kmod/compat/layout.sh reads from the
 * kernel that a module is built for.
 */
#ifndef FZ_KUNIT_LAYOUT_H
#define FZ_KUNIT_LAYOUT_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/types.h>

struct kunit_sp {
	u64 before;
	struct list_head link;
	struct hlist_node hash_link;
	bool tdp;
	union kvm_mmu_page_role role;
	u64 gfn;
	u64 *spt;
	u64 *translation;
};

struct kunit_fault {
	bool exec, write, prefetch;
	u8 max_level;
	u64 gfn, pfn;
	void *slot;
};

struct kunit_notifiers {
	struct hlist_head list;
	spinlock_t lock;
};

#define FZ_SIZEOF_KVM_VCPU	sizeof(struct kvm_vcpu)
#define FZ_SIZEOF_KVM		sizeof(struct kvm)

#define FZ_PF_EXEC		offsetof(struct kunit_fault, exec)
#define FZ_PF_WRITE		offsetof(struct kunit_fault, write)
#define FZ_PF_PREFETCH		offsetof(struct kunit_fault, prefetch)
#define FZ_PF_MAX_LEVEL		offsetof(struct kunit_fault, max_level)
#define FZ_PF_GFN		offsetof(struct kunit_fault, gfn)
#define FZ_PF_SLOT		offsetof(struct kunit_fault, slot)
#define FZ_PF_PFN		offsetof(struct kunit_fault, pfn)
#define FZ_SP_ROLE		offsetof(struct kunit_sp, role)
#define FZ_SP_GFN		offsetof(struct kunit_sp, gfn)
#define FZ_SP_SPT		offsetof(struct kunit_sp, spt)
#define FZ_SP_TDP		offsetof(struct kunit_sp, tdp)
#define FZ_SP_LINK		offsetof(struct kunit_sp, link)
#define FZ_SP_HASH_LINK		offsetof(struct kunit_sp, hash_link)
#define FZ_SP_TRANSLATION	offsetof(struct kunit_sp, translation)
#define FZ_MN_LIST		offsetof(struct kunit_notifiers, list)
#define FZ_MN_LOCK		offsetof(struct kunit_notifiers, lock)

#ifdef KVM_NUM_MMU_PAGES
#define FZ_NUM_MMU_PAGES	KVM_NUM_MMU_PAGES
#else
#define FZ_NUM_MMU_PAGES	4096
#endif

/* As in 6.1 and 6.12. */
#define FZ_SPTE_SAVED		0x140000000000000ULL
#define FZ_SPTE_EPT_MMU_WRITABLE	0x400000000000000ULL

#define FZ_SYM_FAULTIN		"fz_kunit_faultin"
#define FZ_SYM_SPLIT		"fz_kunit_split"
#define FZ_SYM_MERGE		"fz_kunit_merge"
#define FZ_SYM_ENCRYPT		"fz_kunit_encrypt"
#define FZ_SYM_BIRTH		"fz_kunit_no_such_function"

#endif
