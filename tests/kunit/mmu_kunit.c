// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmu_kunit.c - what is told to KVM's MMU notifier, and is a frame mapped? On tables made for it
 *
 *	root (level 3) -> middle -> entries of 4 KiB; or a large entry in middle
 *
 *	slot: frames BASE to BASE + NPAGES at HVA, in address space 0 or, for SMM, 1
 */
#include <kunit/test.h>
#include <linux/interval_tree.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "fixture.h"
#include "mmu.h"

#define BASE	0x40200UL
#define NPAGES	(0x40000UL + 0x300)	/* a GiB and a bit */
#define HVA	0x7f0000000000UL

static struct kvm *kvm, *beside, *stranger;
static struct mm_struct *mm;
static struct kunit_notifiers notifiers;
static struct kvm_memory_slot slot;
static struct kvm_memslots *memslots[2];
static struct kunit_sp roots[2];
static u64 *middle, *low;

/* What the notifiers were told. */
static struct told {
	struct mmu_notifier *mn;
	unsigned long start, end;
	bool blocks;
} told[4];
static unsigned int starts, ends;

static int range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	if (starts < ARRAY_SIZE(told) && starts == ends && range->mm == mm)
		told[starts++] = (struct told) {
			.mn = mn, .start = range->start, .end = range->end,
			.blocks = range->flags & MMU_NOTIFIER_RANGE_BLOCKABLE,
		};
	return 0;
}

static void range_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	if (starts == ends + 1 && mn == told[ends].mn && range->start == told[ends].start)
		ends++;
}

static const struct mmu_notifier_ops kvms = {
	.invalidate_range_start = range_start, .invalidate_range_end = range_end,
};
static const struct mmu_notifier_ops others = {
	.invalidate_range_start = range_start, .invalidate_range_end = range_end,
};

static struct kvm *new_kvm(struct kunit *test, const struct mmu_notifier_ops *ops)
{
	struct kvm *new = kvzalloc(sizeof(*new), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, new);
	new->mm = mm;
	new->mmu_notifier.ops = ops;
	hlist_add_head(&new->mmu_notifier.hlist, &notifiers.list);
	return new;
}

static u64 *new_table(struct kunit *test)
{
	u64 *spt = (u64 *)get_zeroed_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, spt);
	return spt;
}

static u64 link_to(const u64 *spt)
{
	return __pa(spt) | FZ_SPTE_MMU_PRESENT | FZ_SPTE_READABLE;
}

static void add_slot(int as_id)
{
	slot = (struct kvm_memory_slot) {
		.base_gfn = BASE, .npages = NPAGES, .userspace_addr = HVA, .as_id = as_id,
	};
	slot.hva_node[0].start = HVA;
	slot.hva_node[0].last = HVA + (NPAGES << PAGE_SHIFT) - 1;
	interval_tree_insert(&slot.hva_node[0], &memslots[as_id]->hva_tree);
	rb_link_node(&slot.gfn_node[0], NULL, &memslots[as_id]->gfn_tree.rb_node);
}

static void drop_slot(int as_id)
{
	interval_tree_remove(&slot.hva_node[0], &memslots[as_id]->hva_tree);
	memslots[as_id]->gfn_tree = RB_ROOT;
}

static int mmu_init(struct kunit *test)
{
	int i;

	mm = kvzalloc(sizeof(*mm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mm);
	init_rwsem(&mm->mmap_lock);
	mm->notifier_subscriptions = (void *)&notifiers;
	INIT_HLIST_HEAD(&notifiers.list);
	spin_lock_init(&notifiers.lock);
	kvm = new_kvm(test, &kvms);
	stranger = NULL;
	beside = NULL;
	KUNIT_ASSERT_EQ(test, init_srcu_struct(&kvm->srcu), 0);
	rwlock_init(&kvm->mmu_lock);
	for (i = 0; i < 2; i++) {
		memslots[i] = kunit_kzalloc(test, sizeof(*memslots[i]), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, memslots[i]);
		if (i < ARRAY_SIZE(kvm->memslots))
			*(struct kvm_memslots **)&kvm->memslots[i] = memslots[i];
		roots[i] = (struct kunit_sp) { .spt = new_table(test), .tdp = true };
		roots[i].role.level = PG_LEVEL_1G;
	}
	add_slot(0);
	INIT_LIST_HEAD(&kvm->arch.tdp_mmu_roots);
	list_add(&roots[0].link, &kvm->arch.tdp_mmu_roots);
	middle = new_table(test);
	low = new_table(test);
	roots[0].spt[BASE >> 18] = link_to(middle);
	middle[(BASE >> 9) % 512] = link_to(low);
	starts = 0;
	ends = 0;
	return 0;
}

static void mmu_exit(struct kunit *test)
{
	free_page((unsigned long)low);
	free_page((unsigned long)middle);
	free_page((unsigned long)roots[0].spt);
	free_page((unsigned long)roots[1].spt);
	cleanup_srcu_struct(&kvm->srcu);
	kvfree(stranger);
	kvfree(beside);
	kvfree(kvm);
	kvfree(mm);
}

#define EXPECT_TOLD(i, vm, from, to, block) do {				\
	KUNIT_EXPECT_PTR_EQ(test, told[i].mn, &(vm)->mmu_notifier);		\
	KUNIT_EXPECT_EQ(test, told[i].start, from);				\
	KUNIT_EXPECT_EQ(test, told[i].end, to);					\
	KUNIT_EXPECT_EQ(test, told[i].blocks, block);				\
} while (0)

/* One start and one end, of the range, and it may block only if that was said. */
static void mmu_zap(struct kunit *test)
{
	fz_mmu_zap(kvm, HVA, 3 * PAGE_SIZE, false);
	fz_mmu_zap(kvm, HVA + PAGE_SIZE, PAGE_SIZE, true);
	KUNIT_EXPECT_EQ(test, starts, 2);
	KUNIT_EXPECT_EQ(test, ends, 2);
	EXPECT_TOLD(0, kvm, HVA, HVA + 3 * PAGE_SIZE, false);
	EXPECT_TOLD(1, kvm, HVA + PAGE_SIZE, HVA + 2 * PAGE_SIZE, true);
}

/* The slot from its start to its end, a GiB at a time. */
static void mmu_zap_all(struct kunit *test)
{
	hash_add(memslots[0]->id_hash, &slot.id_node[0], slot.id);
	fz_mmu_zap_all(kvm);
	KUNIT_EXPECT_EQ(test, starts, 2);
	KUNIT_EXPECT_EQ(test, ends, 2);
	EXPECT_TOLD(0, kvm, HVA, HVA + (1UL << 30), true);
	EXPECT_TOLD(1, kvm, HVA + (1UL << 30), HVA + (NPAGES << PAGE_SHIFT), true);
}

/* The other VMs of the process, and nobody else who has a notifier there. */
static void mmu_zap_beside(struct kunit *test)
{
	down_read(&mm->mmap_lock);
	fz_mmu_zap_beside(kvm, HVA, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, starts, 0);
	stranger = new_kvm(test, &others);
	fz_mmu_zap_beside(kvm, HVA, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, starts, 0);
	beside = new_kvm(test, &kvms);
	fz_mmu_zap_beside(kvm, HVA, PAGE_SIZE);
	up_read(&mm->mmap_lock);
	KUNIT_EXPECT_EQ(test, starts, 1);
	KUNIT_EXPECT_EQ(test, ends, 1);
	EXPECT_TOLD(0, beside, HVA, HVA + PAGE_SIZE, false);
	KUNIT_EXPECT_FALSE(test, spin_is_locked(&notifiers.lock));
}

static bool mapped(unsigned long index)
{
	return fz_mmu_mapped(kvm, HVA + index * PAGE_SIZE);
}

/* A small entry maps its frame alone, and only if it is present all the way down. */
static void mmu_mapped_small(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, mapped(5));
	low[5] = 0x7000 | FZ_SPTE_READABLE;
	KUNIT_EXPECT_FALSE(test, mapped(5));
	low[5] |= FZ_SPTE_MMU_PRESENT;
	KUNIT_EXPECT_TRUE(test, mapped(5));
	KUNIT_EXPECT_TRUE(test, fz_mmu_mapped(kvm, HVA + 6 * PAGE_SIZE - 1));
	KUNIT_EXPECT_FALSE(test, mapped(4));
	KUNIT_EXPECT_FALSE(test, mapped(6));
	KUNIT_EXPECT_FALSE(test, mapped(512 + 5));
	/* Not a frame of the VM. */
	KUNIT_EXPECT_FALSE(test, mapped(-1));
	KUNIT_EXPECT_FALSE(test, mapped(NPAGES));
	middle[(BASE >> 9) % 512] &= ~FZ_SPTE_MMU_PRESENT;
	KUNIT_EXPECT_FALSE(test, mapped(5));
}

static void mmu_mapped_large(struct kunit *test)
{
	middle[(BASE >> 9) % 512 + 1] = 0x200000 | FZ_SPTE_MMU_PRESENT | FZ_SPTE_LARGE;
	KUNIT_EXPECT_FALSE(test, mapped(511));
	KUNIT_EXPECT_TRUE(test, mapped(512));
	KUNIT_EXPECT_TRUE(test, mapped(1023));
	KUNIT_EXPECT_FALSE(test, mapped(1024));
	roots[0].spt[BASE >> 18] = 0x40000000 | FZ_SPTE_MMU_PRESENT | FZ_SPTE_LARGE;
	KUNIT_EXPECT_TRUE(test, mapped(1024));
	/* The next GiB. */
	KUNIT_EXPECT_FALSE(test, mapped(0x40000));
}

/* Each root of the address space is looked at, and no other space's. */
static void mmu_mapped_roots(struct kunit *test)
{
	low[5] = 0x7000 | FZ_SPTE_MMU_PRESENT;
	roots[1].role.smm = 1;
	list_add(&roots[1].link, &kvm->arch.tdp_mmu_roots);
	KUNIT_EXPECT_TRUE(test, mapped(5));
	roots[0].role.smm = 1;
	KUNIT_EXPECT_FALSE(test, mapped(5));
	if (ARRAY_SIZE(kvm->memslots) == 1)
		return;
	drop_slot(0);
	add_slot(1);
	KUNIT_EXPECT_TRUE(test, mapped(5));
	KUNIT_EXPECT_FALSE(test, mapped(6));
	drop_slot(1);
	KUNIT_EXPECT_FALSE(test, mapped(5));
}

/* Where there are tables that it does not walk a frame may be mapped. */
static void mmu_mapped_unseen(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, mapped(5));
	kvm->arch.shadow_root_allocated = true;
	KUNIT_EXPECT_TRUE(test, mapped(5));
	kvm->arch.shadow_root_allocated = false;
	list_del_init(&roots[0].link);
	KUNIT_EXPECT_TRUE(test, mapped(5));
	kvm->arch.tdp_mmu_roots = (struct list_head) {};
	KUNIT_EXPECT_TRUE(test, mapped(5));
	KUNIT_EXPECT_TRUE(test, write_trylock(&kvm->mmu_lock));
	write_unlock(&kvm->mmu_lock);
}

static struct kunit_case mmu_cases[] = {
	KUNIT_CASE(mmu_zap),
	KUNIT_CASE(mmu_zap_all),
	KUNIT_CASE(mmu_zap_beside),
	KUNIT_CASE(mmu_mapped_small),
	KUNIT_CASE(mmu_mapped_large),
	KUNIT_CASE(mmu_mapped_roots),
	KUNIT_CASE(mmu_mapped_unseen),
	{}
};

static struct kunit_suite mmu_suite = {
	.name = "fitzroy_mmu",
	.init = mmu_init,
	.exit = mmu_exit,
	.test_cases = mmu_cases,
};

kunit_test_suite(mmu_suite);
