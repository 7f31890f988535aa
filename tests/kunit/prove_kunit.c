// SPDX-License-Identifier: GPL-2.0-only
/*
 * prove_kunit.c - of the proof at load what takes no KVM hardware
 */
#include <kunit/test.h>
#include "fixture.h"
#include "../../kmod/prove.c"

struct file *fz_kvm_file(void)
{
	return NULL;
}

void fz_kvm_set_vm_ops(const struct file_operations *ops)
{
}

int fz_host_protect_own(unsigned long hva)
{
	return -EAGAIN;
}

static unsigned long got[4];

static noinline void target(unsigned long di, unsigned long si, unsigned long dx, unsigned long cx)
{
	got[0] = di;
	got[1] = si;
	got[2] = dx;
	got[3] = cx;
}

/* The module's own call of a function that it knows by address alone. */
static void prove_call(struct kunit *test)
{
	make_nothing((struct kvm *)0x1111, (unsigned long)target, 0x2222, 0x3333);
	KUNIT_EXPECT_EQ(test, got[0], 0x1111);
	KUNIT_EXPECT_EQ(test, got[1], 0x2222);
	KUNIT_EXPECT_EQ(test, got[2], 0x3333);
	KUNIT_EXPECT_EQ(test, got[3], 0);
}

/* Without a process there is no guest to prove with: not loaded. */
static void prove_without_process(struct kunit *test)
{
	KUNIT_ASSERT_NULL(test, current->mm);
	KUNIT_EXPECT_EQ(test, fz_prove_hooks(), -EINVAL);
}

static void prove_claim(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, PTR_ERR(claim_fd(-EMFILE)), -EMFILE);
}

static struct kunit_case prove_cases[] = {
	KUNIT_CASE(prove_call),
	KUNIT_CASE(prove_without_process),
	KUNIT_CASE(prove_claim),
	{}
};

static struct kunit_suite prove_suite = {
	.name = "fitzroy_prove",
	.test_cases = prove_cases,
};

kunit_test_suite(prove_suite);
