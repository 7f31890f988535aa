// SPDX-License-Identifier: GPL-2.0-only
/*
 * capture_kunit.c - from an event to a record: the digest, the snapshot, the head
 *
 * The digests were computed with libxxhash; the short ones are those of its own check.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/xxhash.h>
#include "fixture.h"

static struct fz_vm *vm;
static u8 *page;

static int capture_init(struct kunit *test)
{
	int err = fx_ring_init(test);

	if (err)
		return err;
	page = (u8 *)get_zeroed_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	vm = fx_vm(test);
	return 0;
}

static void capture_exit(struct kunit *test)
{
	fx_vm_put(vm);
	free_page((unsigned long)page);
	fx_ring_exit(test);
}

static const struct { unsigned int length; u64 hash; } vectors[] = {
	{ 0, 0xef46db3751d8e999ULL }, { 1, 0x4fce394cc88952d8ULL }, { 4, 0x9256e58aa397aef1ULL },
	{ 8, 0xf74cb1451b32b8cfULL }, { 14, 0xcffa8db881bc3a3dULL }, { 31, 0xad09d9a6941dd847ULL },
	{ 32, 0xaf5753d39159edeeULL }, { 33, 0x6711cbdd8543baa8ULL },
	{ 101, 0x0eab543384f878adULL },
};

/* The contract says XXH64 with seed 0; the database's digests come from another library. */
static void digest_vectors(struct kunit *test)
{
	u32 gen = 2654435761U;
	u8 bytes[101];
	int i;

	for (i = 0; i < sizeof(bytes); i++) {
		bytes[i] = gen >> 24;
		gen *= gen;
	}
	for (i = 0; i < ARRAY_SIZE(vectors); i++)
		KUNIT_EXPECT_EQ_MSG(test, xxh64(bytes, vectors[i].length, 0), vectors[i].hash,
				    "%u bytes", vectors[i].length);
}

static void zeros(void) { memset(page, 0, FZ_PAGE_SIZE); }
static void ones(void) { memset(page, 0xff, FZ_PAGE_SIZE); }
static void int3s(void) { memset(page, 0xcc, FZ_PAGE_SIZE); }

static void count(void)
{
	int i;

	for (i = 0; i < FZ_PAGE_SIZE; i++)
		page[i] = i;
}

static void squares(void)
{
	int i;

	for (i = 0; i < FZ_PAGE_SIZE; i++)
		page[i] = i * i + (i >> 8);
}

static void last_bit(void)
{
	squares();
	page[FZ_PAGE_SIZE - 1] ^= 1;
}

static const struct content { const char *name; void (*make)(void); u64 hash; } contents[] = {
	{ "zeros", zeros, 0xac869b6f32d8bbdbULL },
	{ "ones", ones, 0x10af2cb94282321fULL },
	{ "int3", int3s, 0xdf1fd9ec6fddee36ULL },
	{ "count", count, 0x0f6e64be186af6a4ULL },
	{ "squares", squares, 0x5aeccde5ffcf6bd1ULL },
	{ "squares, the last bit changed", last_bit, 0xd82e8aaec0dec5ccULL },
};

static void describe(const struct content *content, char *desc)
{
	strscpy(desc, content->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(content, contents, describe);

static int capture(struct fz_rec *head, const struct fz_event_at *at, kvm_pfn_t pfn,
		   unsigned int lose)
{
	int err;

	preempt_disable();
	err = fz_capture(vm, head, at, pfn, lose);
	preempt_enable();
	return err;
}

static kvm_pfn_t pfn_of_page(void)
{
	return page_to_pfn(virt_to_page(page));
}

/* The record has the page, its digest, and both are also left in the head. */
static void capture_page(struct kunit *test)
{
	const struct content *content = test->param_value;
	struct fz_rec head = { .type = FZ_REC_EXEC, .flags = FZ_RECF_LATE };
	const struct fz_event_at at = { .gfn = 0x12345 };
	const struct fz_rec *rec;
	u64 before = ktime_get_ns();

	content->make();
	KUNIT_ASSERT_EQ(test, capture(&head, &at, pfn_of_page(), 0), 0);
	rec = fx_get();
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, rec->hash, content->hash);
	KUNIT_EXPECT_MEMEQ(test, rec + 1, page, FZ_PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, rec->size, FZ_REC_PAGE_BYTES);
	KUNIT_EXPECT_EQ(test, rec->type, FZ_REC_EXEC);
	KUNIT_EXPECT_EQ(test, rec->flags, FZ_RECF_LATE | FZ_RECF_PAGE);
	KUNIT_EXPECT_EQ(test, rec->gfn, 0x12345);
	KUNIT_EXPECT_EQ(test, rec->vm, 77);
	KUNIT_EXPECT_EQ(test, rec->vcpu, FZ_NO_VCPU);
	KUNIT_EXPECT_GE(test, rec->time, before);
	KUNIT_EXPECT_LE(test, rec->time, ktime_get_ns());
	KUNIT_EXPECT_EQ(test, head.hash, content->hash);
	KUNIT_EXPECT_EQ(test, head.time, rec->time);
	KUNIT_EXPECT_EQ(test, fx_ring.mark, 2);
}

/* No page: a record without a snapshot, and the caller knows. */
static void capture_no_page(struct kunit *test)
{
	struct fz_rec head = { .type = FZ_REC_MIXED, .hash = 1 };
	const struct fz_event_at at = { .gfn = 5 };
	const struct fz_rec *rec;

	head.u.mixed.why = FZ_MIXED_DEVICE;
	KUNIT_EXPECT_EQ(test, capture(&head, &at, ~0ULL >> PAGE_SHIFT, 0), -EFAULT);
	rec = fx_get();
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, rec->size, sizeof(*rec));
	KUNIT_EXPECT_EQ(test, rec->flags, 0);
	KUNIT_EXPECT_EQ(test, rec->hash, 0);
	KUNIT_EXPECT_EQ(test, rec->u.mixed.why, FZ_MIXED_DEVICE);
	KUNIT_EXPECT_EQ(test, head.hash, 0);
}

static u64 counted_lost(void)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(vm->stats, cpu)->lost;
	return sum;
}

/* No room: nothing is written, it is counted in the ring and for the VM. */
static void capture_no_room(struct kunit *test)
{
	struct fz_rec head = { .type = FZ_REC_EXEC };
	const struct fz_event_at at = { .gfn = 5 };
	unsigned int fit = 0;

	preempt_disable();
	KUNIT_EXPECT_TRUE(test, fz_capture_room());
	preempt_enable();
	while (!capture(&head, &at, pfn_of_page(), 0))
		fit++;
	KUNIT_EXPECT_EQ(test, fit, FX_BYTES / FZ_REC_PAGE_BYTES);
	KUNIT_EXPECT_EQ(test, fx_ring.mark, 2 * (fit + 1));
	/* What was written is to be read; a loss is said with the next record. */
	KUNIT_EXPECT_EQ(test, fx_wakes, fit);
	KUNIT_EXPECT_EQ(test, capture(&head, &at, pfn_of_page(), FZ_LOSE_EXEC | FZ_LOSE_HELD),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, head.hash, 0);
	KUNIT_EXPECT_EQ(test, fx_ring.lost.count, 2);
	KUNIT_EXPECT_EQ(test, fx_ring.lost.execs, 1);
	KUNIT_EXPECT_EQ(test, fx_ring.lost.held, 1);
	KUNIT_EXPECT_EQ(test, counted_lost(), 2);
	KUNIT_EXPECT_EQ(test, fx_ring.mark, 2 * (fit + 2));
	preempt_disable();
	KUNIT_EXPECT_FALSE(test, fz_capture_room());
	preempt_enable();
}

/* Where the vCPU stands, as its registers say. */
static void capture_registers(struct kunit *test)
{
	struct kvm_vcpu *vcpu = kvzalloc(sizeof(*vcpu), GFP_KERNEL);
	struct fz_event_at at = { .vcpu = vcpu, .gfn = 9, .as_id = 1 };
	const struct fz_rec *rec;

	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	vcpu->vcpu_id = 6;
	fx_regs = (struct fz_regs) {
		.rip = 0xffffffff81000123ULL, .cr3 = 0x7000, .mode = FZ_MODE_LMA, .cpl = 3,
	};
	KUNIT_EXPECT_TRUE(test, fz_log(vm, FZ_REC_WRITE, &at, NULL, 0));
	fx_regs.mode = FZ_MODE_SMM | FZ_MODE_GUEST;
	at.as_id = 0;
	KUNIT_EXPECT_TRUE(test, fz_log(vm, FZ_REC_WRITE, &at, NULL, 0));
	kvfree(vcpu);

	rec = fx_get();
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, rec->vcpu, 6);
	KUNIT_EXPECT_EQ(test, rec->rip, 0xffffffff81000123ULL);
	KUNIT_EXPECT_EQ(test, rec->cr3, 0x7000);
	KUNIT_EXPECT_EQ(test, rec->mode, FZ_MODE_LMA);
	KUNIT_EXPECT_EQ(test, rec->cpl, 3);
	KUNIT_EXPECT_EQ(test, rec->as_id, 0);
	KUNIT_EXPECT_EQ(test, rec->flags, 0);
	fx_consume(rec);
	rec = fx_get();
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, rec->as_id, 1);
	KUNIT_EXPECT_EQ(test, rec->flags, FZ_RECF_NESTED);
}

/* Without a VM, a place or a detail; with a detail of any size; without room. */
static void capture_log(struct kunit *test)
{
	const struct fz_event_at at = { .gfn = 44, .as_id = 1 };
	const struct fz_audit_event event = { .spte = 0x1234, .level = 2, .state = 1 };
	const struct fz_rec *rec;
	u8 large[sizeof(rec->u) + 64];

	memset(large, 0x77, sizeof(large));
	KUNIT_EXPECT_TRUE(test, fz_log(NULL, FZ_REC_VM_DIED, NULL, NULL, 0));
	KUNIT_EXPECT_TRUE(test, fz_log(vm, FZ_REC_AUDIT, &at, &event, sizeof(event)));
	KUNIT_EXPECT_TRUE(test, fz_log(vm, FZ_REC_MEMSLOT, &at, large, sizeof(large)));
	KUNIT_EXPECT_EQ(test, fx_wakes, 3);
	KUNIT_EXPECT_EQ(test, fx_ring.mark, 6);
	rec = fx_get();
	KUNIT_EXPECT_EQ(test, rec->type, FZ_REC_VM_DIED);
	KUNIT_EXPECT_EQ(test, rec->vm, 0);
	KUNIT_EXPECT_EQ(test, rec->gfn, FZ_NO_GFN);
	fx_consume(rec);
	rec = fx_get();
	KUNIT_EXPECT_EQ(test, rec->type, FZ_REC_AUDIT);
	KUNIT_EXPECT_EQ(test, rec->vm, 77);
	KUNIT_EXPECT_EQ(test, rec->gfn, 44);
	KUNIT_EXPECT_EQ(test, rec->as_id, 1);
	KUNIT_EXPECT_EQ(test, rec->size, sizeof(*rec));
	KUNIT_EXPECT_EQ(test, rec->u.audit.spte, 0x1234);
	KUNIT_EXPECT_EQ(test, rec->u.audit.level, 2);
	KUNIT_EXPECT_EQ(test, rec->u.audit.state, 1);
	fx_consume(rec);
	rec = fx_get();
	KUNIT_EXPECT_NULL(test, memchr_inv(&rec->u, 0x77, sizeof(rec->u)));
	/* The byte behind the record is still what it was. */
	KUNIT_EXPECT_EQ(test, *(const u8 *)(rec + 1), 0xa5);
	while (fz_log(vm, FZ_REC_WRITE, &at, NULL, 0))
		;
	KUNIT_EXPECT_EQ(test, counted_lost(), 1);
	KUNIT_EXPECT_EQ(test, fx_ring.lost.count, 1);
	KUNIT_EXPECT_FALSE(test, fz_log(NULL, FZ_REC_WRITE, &at, NULL, 0));
	KUNIT_EXPECT_EQ(test, counted_lost(), 1);
	KUNIT_EXPECT_EQ(test, fx_ring.lost.count, 2);
}

static struct kunit_case capture_cases[] = {
	KUNIT_CASE(digest_vectors),
	KUNIT_CASE_PARAM(capture_page, content_gen_params),
	KUNIT_CASE(capture_no_page),
	KUNIT_CASE(capture_no_room),
	KUNIT_CASE(capture_registers),
	KUNIT_CASE(capture_log),
	{}
};

static struct kunit_suite capture_suite = {
	.name = "fitzroy_capture",
	.init = capture_init,
	.exit = capture_exit,
	.test_cases = capture_cases,
};

kunit_test_suite(capture_suite);
