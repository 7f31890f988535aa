// SPDX-License-Identifier: GPL-2.0-only
/*
 * spte_kunit.c - what an entry of KVM's grants, and what a hook leaves of it
 *
 * By the self-check at load a hook proves itself with these. The bits are the CPUs': NX is
 * bit 63 of an NPT entry; R, W and X are bits 0 to 2 of an EPT entry, X of user mode bit 10.
 */
#include <kunit/test.h>
#include "fixture.h"

#define R	BIT_ULL(0)
#define W	BIT_ULL(1)
#define X	BIT_ULL(2)
#define XU	BIT_ULL(10)
#define NX	BIT_ULL(63)
#define PRESENT	BIT_ULL(11)
#define PFN	0x123456000ULL

static void spte_exec_npt(struct kunit *test)
{
	fz_kvm_vendor = FZ_VENDOR_AMD;
	KUNIT_EXPECT_TRUE(test, fz_spte_exec(PFN | PRESENT | R | W));
	KUNIT_EXPECT_TRUE(test, fz_spte_exec(PFN | PRESENT | R));
	KUNIT_EXPECT_FALSE(test, fz_spte_exec(PFN | PRESENT | R | W | NX));
	KUNIT_EXPECT_FALSE(test, fz_spte_exec(NX));
}

static void spte_exec_ept(struct kunit *test)
{
	unsigned int bits;
	u64 spte;

	fz_kvm_vendor = FZ_VENDOR_INTEL;
	for (bits = 0; bits < 16; bits++) {
		spte = PFN | PRESENT | (bits & 7) | (bits & 8 ? XU : 0);
		KUNIT_EXPECT_EQ_MSG(test, fz_spte_exec(spte), !!(bits & 12), "%llx", spte);
		/* NX is an NPT bit. */
		KUNIT_EXPECT_EQ_MSG(test, fz_spte_exec(spte | NX), !!(bits & 12), "%llx", spte);
	}
	/* Without R, W and X, to see the next access: what it had comes back with that. */
	KUNIT_EXPECT_FALSE(test, fz_spte_exec(PFN | PRESENT | R << 54));
	KUNIT_EXPECT_TRUE(test, fz_spte_exec(PFN | PRESENT | (R | X) << 54));
	/* In one that has them these bits are something else. */
	KUNIT_EXPECT_FALSE(test, fz_spte_exec(PFN | PRESENT | R | W | X << 54));
}

/* Denied once, neither X nor W is left or comes back, and nothing else is touched. */
static void spte_deny(struct kunit *test)
{
	u64 spte;

	fz_kvm_vendor = FZ_VENDOR_AMD;
	spte = fz_spte_deny(PFN | PRESENT | R | W | XU);
	KUNIT_EXPECT_EQ(test, spte, PFN | PRESENT | R | NX);
	KUNIT_EXPECT_EQ(test, fz_spte_deny(spte), spte);
	fz_kvm_vendor = FZ_VENDOR_INTEL;
	spte = fz_spte_deny(PFN | PRESENT | R | W | X | XU | FZ_SPTE_EPT_MMU_WRITABLE);
	KUNIT_EXPECT_EQ(test, spte, PFN | PRESENT | R);
	spte = fz_spte_deny(PFN | PRESENT | (R | X) << 54);
	KUNIT_EXPECT_EQ(test, spte, PFN | PRESENT | R << 54);
	KUNIT_EXPECT_FALSE(test, fz_spte_exec(spte));
}

/* The proof: first an entry without X and W, then one with X. Nothing less will do. */
static void spte_proof(struct kunit *test)
{
	const u64 npt = PRESENT | R | PFN, ept = PRESENT | R | PFN;

	fz_kvm_vendor = FZ_VENDOR_AMD;
	KUNIT_EXPECT_TRUE(test, fz_spte_as_told(npt | NX, npt));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(npt, npt));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(npt | NX, npt | NX));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(npt, npt | NX));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(npt | NX | W, npt));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(npt | NX, npt | W));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told((npt | NX) & ~PRESENT, npt));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(npt | NX, npt & ~PRESENT));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told((npt | NX) & ~R, npt));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(0, 0));
	fz_kvm_vendor = FZ_VENDOR_INTEL;
	KUNIT_EXPECT_TRUE(test, fz_spte_as_told(ept, ept | X));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(ept, ept));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(ept | X, ept | X));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(ept | XU, ept | X));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(ept | W, ept | X));
	KUNIT_EXPECT_FALSE(test, fz_spte_as_told(0, 0));
}

/* What is taken from KVM's access bits is what is denied, and no other bit. */
static void spte_access(struct kunit *test)
{
	unsigned int denied;
	unsigned long left;

	fz_kvm_vendor = FZ_VENDOR_AMD;
	for (denied = 0; denied < 4; denied++) {
		left = fz_acc_deny(~0UL, denied);
		KUNIT_EXPECT_EQ(test, !(left & fz_acc_exec()), !!(denied & FZ_ACC_EXEC));
		KUNIT_EXPECT_EQ(test, !(left & FZ_KVM_ACC_WRITE), !!(denied & FZ_ACC_WRITE));
		KUNIT_EXPECT_EQ(test, left | fz_acc_exec() | FZ_KVM_ACC_WRITE, ~0UL);
		KUNIT_EXPECT_EQ(test, fz_acc_deny(0, denied), 0);
	}
	/* 1 is X in roles of three bits, R in roles of four. */
	KUNIT_EXPECT_EQ(test, fz_acc_exec(), fz_acc_has_read() ? 8 : 1);
}

/* A notifier's invalidation, by its exact range, and only while it goes on. */
static void spte_invalidates(struct kunit *test)
{
	struct kvm *kvm = kvzalloc(sizeof(*kvm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, kvm);
	kvm->mmu_invalidate_range_start = 100;
	kvm->mmu_invalidate_range_end = 200;
	KUNIT_EXPECT_FALSE(test, fz_kvm_invalidates(kvm, 150, 150));
	kvm->mmu_invalidate_in_progress = 1;
	KUNIT_EXPECT_TRUE(test, fz_kvm_invalidates(kvm, 100, 100));
	KUNIT_EXPECT_TRUE(test, fz_kvm_invalidates(kvm, 199, 199));
	KUNIT_EXPECT_FALSE(test, fz_kvm_invalidates(kvm, 99, 99));
	KUNIT_EXPECT_FALSE(test, fz_kvm_invalidates(kvm, 200, 200));
	kvfree(kvm);
}

static void spte_address(struct kunit *test)
{
	const struct kvm_memory_slot slot = {
		.base_gfn = 0x100, .npages = 16, .userspace_addr = 0x7f0000000000UL,
	};

	KUNIT_EXPECT_EQ(test, fz_slot_hva(&slot, 0x100), 0x7f0000000000UL);
	KUNIT_EXPECT_EQ(test, fz_slot_hva(&slot, 0x10f), 0x7f000000f000UL);
}

static struct kunit_case spte_cases[] = {
	KUNIT_CASE(spte_exec_npt),
	KUNIT_CASE(spte_exec_ept),
	KUNIT_CASE(spte_deny),
	KUNIT_CASE(spte_proof),
	KUNIT_CASE(spte_access),
	KUNIT_CASE(spte_invalidates),
	KUNIT_CASE(spte_address),
	{}
};

static struct kunit_suite spte_suite = {
	.name = "fitzroy_spte",
	.test_cases = spte_cases,
};

kunit_test_suite(spte_suite);
