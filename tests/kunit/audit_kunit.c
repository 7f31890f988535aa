// SPDX-License-Identifier: GPL-2.0-only
/*
 * audit_kunit.c - the audit, on page tables made for it
 *
 *	kvm.arch.tdp_mmu_roots -> root (level 2) -> table of 512 -> entries of 4 KiB
 *					 \-> entries of 2 MiB
 *	kvm.arch.mmu_page_hash -> shadow pages
 *
 *	slot 0: frames BASE to BASE + NPAGES at HVA; slot 1 the same in the SMM address space
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "fixture.h"
#include "mmu.h"

#define BASE	0x200UL			/* of a region, so that frames and tables agree */
#define NPAGES	0x400UL
#define HVA	0x7f0000000000UL
#define NX	BIT_ULL(63)
#define RW	(FZ_SPTE_READABLE | FZ_SPTE_WRITABLE)
#define FOUND	4

static struct fz_vm *vm;
static struct kvm *kvm;
static struct kvm_memory_slot slots[2];
static struct kvm_memslots *memslots[2];
static struct hlist_head *buckets;
static struct kunit_sp root;
static u64 *table;			/* of the first 512 frames of the slot */
static struct fz_audit audit;
static struct fz_audit_found found[FOUND];

static u64 *new_table(struct kunit *test)
{
	u64 *spt = (u64 *)get_zeroed_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, spt);
	return spt;
}

/* An entry that maps the next level. */
static u64 link_to(const u64 *spt)
{
	return __pa(spt) | FZ_SPTE_MMU_PRESENT | RW;
}

/* A leaf with the rights @has, FZ_ACC_*. */
static u64 leaf_of(unsigned int has)
{
	u64 spte = 0x5000 | FZ_SPTE_MMU_PRESENT | FZ_SPTE_READABLE;

	if (has & FZ_ACC_WRITE)
		spte |= FZ_SPTE_WRITABLE;
	if (fz_kvm_vendor == FZ_VENDOR_AMD)
		return has & FZ_ACC_EXEC ? spte : spte | NX;
	return has & FZ_ACC_EXEC ? spte | BIT_ULL(2) : spte;
}

static void add_slot(int as_id, struct kvm_memory_slot *slot)
{
#ifdef CONFIG_UML
	hlist_add_head(&slot->id_node[0], &memslots[as_id]->slots);
#else
	struct kvm_memslots *all = memslots[as_id];

	rb_link_node(&slot->gfn_node[0], NULL, &all->gfn_tree.rb_node);
	hash_add(all->id_hash, &slot->id_node[0], slot->id);
#endif
}

static int audit_init(struct kunit *test)
{
	int i, err = fx_ring_init(test);

	if (err)
		return err;
	vm = fx_vm(test);
	kvm = kvzalloc(sizeof(*kvm), GFP_KERNEL);
	buckets = kvcalloc(FZ_NUM_MMU_PAGES, sizeof(*buckets), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, kvm);
	KUNIT_ASSERT_NOT_NULL(test, buckets);
	KUNIT_ASSERT_EQ(test, init_srcu_struct(&kvm->srcu), 0);
	rwlock_init(&kvm->mmu_lock);
	vm->kvm = kvm;
	/* An array in older kernels, made when there is need for it in later ones. */
	if (sizeof(kvm->arch.mmu_page_hash) == sizeof(void *))
		*(struct hlist_head **)&kvm->arch.mmu_page_hash = buckets;
	for (i = 0; i < 2; i++) {
		memslots[i] = kunit_kzalloc(test, sizeof(*memslots[i]), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, memslots[i]);
		slots[i] = (struct kvm_memory_slot) {
			.base_gfn = BASE, .npages = NPAGES, .userspace_addr = HVA, .as_id = i,
		};
		if (i < ARRAY_SIZE(kvm->memslots))
			*(struct kvm_memslots **)&kvm->memslots[i] = memslots[i];
	}
	add_slot(0, &slots[0]);

	INIT_LIST_HEAD(&kvm->arch.tdp_mmu_roots);
	root = (struct kunit_sp) { .spt = new_table(test), .tdp = true };
	root.role.level = PG_LEVEL_2M;
	list_add(&root.link, &kvm->arch.tdp_mmu_roots);
	table = new_table(test);
	root.spt[BASE / 512] = link_to(table);
	return 0;
}

static void audit_exit(struct kunit *test)
{
	free_page((unsigned long)table);
	free_page((unsigned long)root.spt);
	cleanup_srcu_struct(&kvm->srcu);
	kvfree(kvm);
	kvfree(buckets);
	fx_vm_put(vm);
	fx_ring_exit(test);
}

/* Set the state of the frame that the slot has at @index. */
static void set(struct kunit *test, unsigned long index, enum fz_state state, u16 flags)
{
	unsigned long hva = HVA + index * PAGE_SIZE;
	struct fz_region *region = fz_frames_make_region(&vm->frames, hva);
	struct fz_frame *frame;

	KUNIT_ASSERT_NOT_NULL(test, region);
	spin_lock(&region->lock);
	frame = fz_region_make_frame(&vm->frames, region, hva);
	if (frame) {
		fz_region_set(region, frame, state);
		frame->flags = flags;
	}
	spin_unlock(&region->lock);
	KUNIT_ASSERT_NOT_NULL(test, frame);
}

static int run(void)
{
	memset(&audit, 0x55, sizeof(audit));
	return fz_mmu_audit(vm, &audit, found, FOUND);
}

/* What the documentation allows in each state: W, X. */
static const struct { bool w, x; } doc[FZ_NR_STATES] = {
	[FZ_NONE] = { true, false }, [FZ_PINNED] = { false, false }, [FZ_EXEC] = { false, true },
	[FZ_DIRTY] = { true, false }, [FZ_MIXED] = { true, true },
};

static const struct vendor { const char *name; u32 vendor; } vendors[] = {
	{ "NPT", FZ_VENDOR_AMD }, { "EPT", FZ_VENDOR_INTEL },
};

static void describe(const struct vendor *vendor, char *desc)
{
	strscpy(desc, vendor->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(vendor, vendors, describe);

/* Every entry that there can be, in every state: found if it has more than the state gives. */
static void audit_states(struct kunit *test)
{
	unsigned int state, has;
	bool bad;

	fz_kvm_vendor = ((const struct vendor *)test->param_value)->vendor;
	for (state = 0; state < FZ_NR_STATES; state++) {
		for (has = 0; has < 4; has++) {
			table[7] = leaf_of(has);
			set(test, 7, state, 0);
			bad = (has & FZ_ACC_WRITE && !doc[state].w) ||
			      (has & FZ_ACC_EXEC && !doc[state].x);
			KUNIT_ASSERT_EQ(test, run(), 0);
			KUNIT_EXPECT_EQ_MSG(test, audit.violations, bad, "state %u, %u", state, has);
			KUNIT_EXPECT_EQ(test, audit.found_max, bad);
			KUNIT_EXPECT_EQ(test, audit.exec, !!(has & FZ_ACC_EXEC));
			KUNIT_EXPECT_EQ(test, audit.leaves_4k, 1);
			if (bad) {
				KUNIT_EXPECT_EQ(test, found[0].gfn, BASE + 7);
				KUNIT_EXPECT_EQ(test, found[0].spte, table[7]);
				KUNIT_EXPECT_EQ(test, found[0].level, 1);
				KUNIT_EXPECT_EQ(test, found[0].state, state);
			}
			/* Its entries are about to go. */
			set(test, 7, state, FZ_F_BUSY);
			KUNIT_ASSERT_EQ(test, run(), 0);
			KUNIT_EXPECT_EQ(test, audit.violations, 0);
		}
	}
}

/* A frame that there is no word of may not execute, with a region for it or without. */
static void audit_unknown_frame(struct kunit *test)
{
	table[3] = leaf_of(FZ_ACC_WRITE);
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 0);
	table[3] = leaf_of(FZ_ACC_EXEC);
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 1);
	KUNIT_EXPECT_EQ(test, found[0].state, FZ_NONE);
	set(test, 40, FZ_EXEC, 0);
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 1);
}

/* What is found is in the log and in the counters too. */
static void audit_logged(struct kunit *test)
{
	const struct fz_rec *rec;
	u64 sum = 0;
	int cpu;

	set(test, 9, FZ_EXEC, 0);
	table[9] = leaf_of(FZ_ACC_EXEC | FZ_ACC_WRITE);
	KUNIT_ASSERT_EQ(test, run(), 0);
	rec = fx_get();
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, rec->type, FZ_REC_AUDIT);
	KUNIT_EXPECT_EQ(test, rec->gfn, BASE + 9);
	KUNIT_EXPECT_EQ(test, rec->vm, 77);
	KUNIT_EXPECT_EQ(test, rec->u.audit.spte, table[9]);
	KUNIT_EXPECT_EQ(test, rec->u.audit.level, 1);
	KUNIT_EXPECT_EQ(test, rec->u.audit.state, FZ_EXEC);
	fx_consume(rec);
	KUNIT_EXPECT_NULL(test, fx_get());
	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(vm->stats, cpu)->violations;
	KUNIT_EXPECT_EQ(test, sum, 1);
}

/* A larger entry never has X, and no W where a frame below it is live and settled. */
static void audit_huge(struct kunit *test)
{
	root.spt[BASE / 512] = leaf_of(FZ_ACC_WRITE) | FZ_SPTE_LARGE;
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_2m, 1);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k, 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 0);

	set(test, 511, FZ_DIRTY, 0);
	set(test, 512, FZ_EXEC, 0);	/* in the next region */
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 0);
	set(test, 511, FZ_EXEC, FZ_F_BUSY);
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 0);
	set(test, 511, FZ_EXEC, 0);
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 1);
	KUNIT_EXPECT_EQ(test, found[0].gfn, BASE);
	KUNIT_EXPECT_EQ(test, found[0].level, 2);
	KUNIT_EXPECT_EQ(test, found[0].state, FZ_EXEC);
	set(test, 511, FZ_DIRTY, 0);
	set(test, 0, FZ_PINNED, 0);
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 1);
	root.spt[BASE / 512] = leaf_of(0) | FZ_SPTE_LARGE;
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 0);

	set(test, 0, FZ_DIRTY, 0);
	root.spt[BASE / 512] = leaf_of(FZ_ACC_EXEC) | FZ_SPTE_LARGE;
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.exec, 1);
	KUNIT_EXPECT_EQ(test, audit.violations, 1);
	KUNIT_EXPECT_EQ(test, found[0].state, FZ_NONE);
}

/* While KVM drops the entries of a range, DIRTY frames in it may still have X. */
static void audit_invalidation(struct kunit *test)
{
	bool by_gfn = __same_type(kvm->mmu_invalidate_range_start, gfn_t);

	set(test, 20, FZ_DIRTY, 0);
	set(test, 21, FZ_DIRTY, 0);
	set(test, 22, FZ_PINNED, 0);
	table[20] = leaf_of(FZ_ACC_EXEC);
	table[21] = leaf_of(FZ_ACC_EXEC);
	table[22] = leaf_of(FZ_ACC_EXEC);
	kvm->mmu_invalidate_range_start = by_gfn ? BASE + 21 : HVA + 21 * PAGE_SIZE;
	kvm->mmu_invalidate_range_end = by_gfn ? BASE + 23 : HVA + 23 * PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 3);
	kvm->mmu_invalidate_in_progress = 1;
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 2);
	KUNIT_EXPECT_EQ(test, found[0].gfn, BASE + 20);
	KUNIT_EXPECT_EQ(test, found[1].gfn, BASE + 22);
}

/* What is not there, whatever else it says, and what is not the slot's: not looked at. */
static void audit_present(struct kunit *test)
{
	table[0] = leaf_of(FZ_ACC_EXEC) & ~FZ_SPTE_MMU_PRESENT;
	table[1] = ~0ULL & ~FZ_SPTE_MMU_PRESENT;
	root.spt[BASE / 512 + 1] = ~0ULL & ~FZ_SPTE_MMU_PRESENT;
	root.spt[0] = leaf_of(FZ_ACC_EXEC) | FZ_SPTE_LARGE;
	root.spt[(BASE + NPAGES) / 512] = leaf_of(FZ_ACC_EXEC) | FZ_SPTE_LARGE;
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k + audit.leaves_2m + audit.leaves_1g, 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 0);
	/* The slot's last frame is. */
	table[511] = leaf_of(FZ_ACC_EXEC);
	root.spt[BASE / 512 + 1] = link_to(table);
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 2);
	KUNIT_EXPECT_EQ(test, found[1].gfn, BASE + NPAGES - 1);
}

/* A slot of many windows, that begins and ends in the middle of one, is seen whole and once. */
static void audit_windows(struct kunit *test)
{
	u64 *spt = new_table(test), i;

	/* Each entry of a level 3 root maps 512 of 2 MiB: 0x40000 frames, four windows. */
	slots[0].npages = 0x90000;
	root.role.level = PG_LEVEL_1G;
	memset(root.spt, 0, PAGE_SIZE);
	root.spt[0] = link_to(spt);
	root.spt[1] = link_to(spt);
	root.spt[2] = leaf_of(FZ_ACC_WRITE) | FZ_SPTE_LARGE;
	for (i = 0; i < 512; i++)
		spt[i] = leaf_of(i % 128 ? FZ_ACC_WRITE : FZ_ACC_EXEC) | FZ_SPTE_LARGE;
	KUNIT_EXPECT_EQ(test, run(), 0);
	/* The first 2 MiB are not the slot's. */
	KUNIT_EXPECT_EQ(test, audit.leaves_2m, 2 * 512 - 1);
	KUNIT_EXPECT_EQ(test, audit.leaves_1g, 1);
	KUNIT_EXPECT_EQ(test, audit.exec, 7);
	KUNIT_EXPECT_EQ(test, audit.violations, 7);
	/* No more are written than fit. */
	KUNIT_EXPECT_EQ(test, audit.found_max, FOUND);
	KUNIT_EXPECT_EQ(test, found[FOUND - 1].gfn, 0x40000);
	free_page((unsigned long)spt);
}

/* The tables of system-management mode are held against the slots of that address space. */
static void audit_smm(struct kunit *test)
{
	if (ARRAY_SIZE(kvm->memslots) < 2)
		kunit_skip(test, "a kernel without system-management mode");
	table[5] = leaf_of(FZ_ACC_EXEC);
	root.role.smm = 1;
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k, 0);
	slots[1].userspace_addr += PAGE_SIZE;
	set(test, 6, FZ_EXEC, 0);
	add_slot(1, &slots[1]);
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k, 1);
	KUNIT_EXPECT_EQ(test, audit.violations, 0);
	root.role.smm = 0;
	KUNIT_ASSERT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 1);
}

/* Of several roots none is left out. */
static void audit_roots(struct kunit *test)
{
	struct kunit_sp more = { .spt = new_table(test), .tdp = true };

	more.role.level = PG_LEVEL_2M;
	more.spt[BASE / 512 + 1] = leaf_of(FZ_ACC_EXEC) | FZ_SPTE_LARGE;
	root.spt[BASE / 512] = leaf_of(FZ_ACC_EXEC) | FZ_SPTE_LARGE;
	list_add(&more.link, &root.link);
	KUNIT_EXPECT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_2m, 2);
	KUNIT_EXPECT_EQ(test, audit.violations, 2);
	list_del(&more.link);
	free_page((unsigned long)more.spt);
}

static struct hlist_head *bucket_of(int i)
{
	if (sizeof(kvm->arch.mmu_page_hash) == sizeof(void *))
		return fz_sp_bucket(kvm, i);
	return (struct hlist_head *)&kvm->arch.mmu_page_hash + i;
}

/* A page of the other MMU: its entries' frames follow from its own, or stand beside it. */
static void audit_shadow(struct kunit *test)
{
	struct kunit_sp sp = { .spt = table, .gfn = BASE };
	u64 *translation = new_table(test);

	INIT_LIST_HEAD(&kvm->arch.tdp_mmu_roots);
	sp.role.level = PG_LEVEL_4K;
	sp.role.direct = 1;
	hlist_add_head(&sp.hash_link, bucket_of(FZ_NUM_MMU_PAGES - 1));
	table[5] = leaf_of(FZ_ACC_EXEC);
	table[6] = leaf_of(FZ_ACC_EXEC);
	set(test, 6, FZ_EXEC, 0);
	KUNIT_EXPECT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k, 2);
	KUNIT_EXPECT_EQ(test, audit.violations, 1);
	KUNIT_EXPECT_EQ(test, found[0].gfn, BASE + 5);

	sp.translation = translation;
	KUNIT_EXPECT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k, 2);
	sp.role.direct = 0;
	translation[5] = (BASE + 6) << PAGE_SHIFT;
	translation[6] = (BASE + 8) << PAGE_SHIFT | 7;
	KUNIT_EXPECT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.violations, 1);
	KUNIT_EXPECT_EQ(test, found[0].gfn, BASE + 8);
	/* No slot's. */
	translation[6] = (BASE + NPAGES) << PAGE_SHIFT;
	KUNIT_EXPECT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k, 1);
	KUNIT_EXPECT_EQ(test, audit.violations, 0);
	/* Of a higher level only large entries are leaves. */
	sp.translation = NULL;
	sp.role.level = PG_LEVEL_2M;
	sp.gfn = BASE - 5 * 512;
	table[6] |= FZ_SPTE_LARGE;
	KUNIT_EXPECT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_2m, 1);
	KUNIT_EXPECT_EQ(test, audit.violations, 1);
	KUNIT_EXPECT_EQ(test, found[0].gfn, BASE + 512);
	/* One of the TDP MMU's is seen by its root. */
	sp.tdp = true;
	KUNIT_EXPECT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_2m, 0);
	hlist_del(&sp.hash_link);
	free_page((unsigned long)translation);
}

/* Buckets so full that the lock is let go of between them: each page is seen, once. */
static void audit_shadow_many(struct kunit *test)
{
	static const int buckets_used[] = { 0, 1, 2, 3, 700, FZ_NUM_MMU_PAGES - 1 };
	const unsigned int n = 70;
	struct kunit_sp *sps = kunit_kcalloc(test, ARRAY_SIZE(buckets_used) * n, sizeof(*sps),
					     GFP_KERNEL);
	struct kunit_sp *sp = sps;
	unsigned int i, k;

	KUNIT_ASSERT_NOT_NULL(test, sps);
	INIT_LIST_HEAD(&kvm->arch.tdp_mmu_roots);
	table[5] = leaf_of(FZ_ACC_WRITE);
	for (i = 0; i < ARRAY_SIZE(buckets_used); i++) {
		for (k = 0; k < n; k++, sp++) {
			*sp = (struct kunit_sp) { .spt = table, .gfn = BASE };
			sp->role.level = PG_LEVEL_4K;
			sp->role.direct = 1;
			hlist_add_head(&sp->hash_link, bucket_of(buckets_used[i]));
		}
	}
	KUNIT_EXPECT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k, ARRAY_SIZE(buckets_used) * n);
	KUNIT_EXPECT_EQ(test, audit.violations, 0);
}

/* One of system-management mode is held against the slots of that address space. */
static void audit_shadow_smm(struct kunit *test)
{
	struct kunit_sp sp = { .spt = table, .gfn = BASE };

	if (ARRAY_SIZE(kvm->memslots) < 2)
		kunit_skip(test, "a kernel without system-management mode");
	INIT_LIST_HEAD(&kvm->arch.tdp_mmu_roots);
	sp.role.level = PG_LEVEL_4K;
	sp.role.direct = 1;
	sp.role.smm = 1;
	hlist_add_head(&sp.hash_link, bucket_of(9));
	table[5] = leaf_of(FZ_ACC_EXEC);
	KUNIT_EXPECT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k, 0);
	add_slot(1, &slots[1]);
	KUNIT_EXPECT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k, 1);
	KUNIT_EXPECT_EQ(test, audit.violations, 1);
	hlist_del(&sp.hash_link);
}

/* A VM that is not, or no longer, watched in full has no verdict. */
static void audit_unwatched(struct kunit *test)
{
	table[5] = leaf_of(FZ_ACC_EXEC);
	vm->armed = false;
	KUNIT_EXPECT_EQ(test, run(), -ENOENT);
	KUNIT_EXPECT_EQ(test, audit.violations, 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k, 0);
	vm->armed = true;
	vm->leaves = true;
	KUNIT_EXPECT_EQ(test, run(), -ENOENT);
	KUNIT_EXPECT_EQ(test, audit.violations, 0);
	KUNIT_EXPECT_NULL(test, fx_get());
}

/* Without the TDP MMU its list was never made. */
static void audit_no_roots(struct kunit *test)
{
	kvm->arch.tdp_mmu_roots = (struct list_head) {};
	KUNIT_EXPECT_EQ(test, run(), 0);
	KUNIT_EXPECT_EQ(test, audit.leaves_4k, 0);
}

static struct kunit_case audit_cases[] = {
	KUNIT_CASE_PARAM(audit_states, vendor_gen_params),
	KUNIT_CASE(audit_unknown_frame),
	KUNIT_CASE(audit_logged),
	KUNIT_CASE(audit_huge),
	KUNIT_CASE(audit_invalidation),
	KUNIT_CASE(audit_present),
	KUNIT_CASE(audit_windows),
	KUNIT_CASE(audit_smm),
	KUNIT_CASE(audit_roots),
	KUNIT_CASE(audit_shadow),
	KUNIT_CASE(audit_shadow_many),
	KUNIT_CASE(audit_shadow_smm),
	KUNIT_CASE(audit_unwatched),
	KUNIT_CASE(audit_no_roots),
	{}
};

static struct kunit_suite audit_suite = {
	.name = "fitzroy_audit",
	.init = audit_init,
	.exit = audit_exit,
	.test_cases = audit_cases,
};

kunit_test_suite(audit_suite);
