// SPDX-License-Identifier: GPL-2.0-only
/*
 * layout_kunit.c - the contract's structures as the kernel's compiler lays them out
 *
 * Each number is of ABI version 1 for ever: what is recorded today is to be read tomorrow. A
 * structure may grow at its end; then its size changes here, and nothing else.
 */
#include <kunit/test.h>
#include <linux/stddef.h>
#include <fitzroy.h>

struct member {
	const char *name;
	unsigned int offset, size, want_offset, want_size;
};

#define M(type, member, offset, size)						\
	{ #type "." #member, offsetof(struct type, member),			\
	  sizeof_field(struct type, member), offset, size }
#define SIZE(type, size)	{ "size of " #type, 0, sizeof(struct type), 0, size }

static const struct member members[] = {
	M(fz_rec, size, 0, 4), M(fz_rec, type, 4, 2), M(fz_rec, flags, 6, 2), M(fz_rec, seq, 8, 8),
	M(fz_rec, time, 16, 8), M(fz_rec, vm, 24, 8), M(fz_rec, gfn, 32, 8), M(fz_rec, rip, 40, 8),
	M(fz_rec, cr3, 48, 8), M(fz_rec, hash, 56, 8), M(fz_rec, cpu, 64, 4),
	M(fz_rec, vcpu, 68, 4), M(fz_rec, mode, 72, 4), M(fz_rec, cpl, 76, 1),
	M(fz_rec, as_id, 77, 1), M(fz_rec, reserved, 78, 2), M(fz_rec, u, 80, 48),
	SIZE(fz_rec, 128),

	M(fz_rec, u.lost.first_seq, 80, 8), M(fz_rec, u.lost.count, 88, 8),
	M(fz_rec, u.lost.first_time, 96, 8), M(fz_rec, u.lost.last_time, 104, 8),
	M(fz_rec, u.lost.execs, 112, 8), M(fz_rec, u.lost.held, 120, 8),
	M(fz_rec, u.vm.pid, 80, 4), M(fz_rec, u.vm.vcpus, 84, 4), M(fz_rec, u.vm.pages, 88, 8),
	M(fz_rec, u.vm.comm, 96, 16), M(fz_rec, u.vm.reason, 112, 8),
	M(fz_rec, u.slot.npages, 80, 8), M(fz_rec, u.slot.hva, 88, 8), M(fz_rec, u.slot.id, 96, 4),
	M(fz_rec, u.slot.flags, 100, 4), M(fz_rec, u.slot.op, 104, 4),
	M(fz_rec, u.mixed.flips, 80, 8), M(fz_rec, u.mixed.max_ns, 88, 8),
	M(fz_rec, u.mixed.why, 96, 4),
	M(fz_rec, u.audit.spte, 80, 8), M(fz_rec, u.audit.level, 88, 4),
	M(fz_rec, u.audit.state, 92, 4),
	M(fz_rec, u.drift.captured, 80, 8), M(fz_rec, u.drift.unseen_ns, 88, 8),
	M(fz_rec, u.mixed_end.since, 80, 8), M(fz_rec, u.mixed_end.ns, 88, 8),

	M(fz_producer, pos, 0, 8), M(fz_producer, lost, 8, 8),
	M(fz_consumer, pos, 0, 8), SIZE(fz_consumer, 64),

	M(fz_info, size, 0, 4), M(fz_info, abi, 4, 4), M(fz_info, vendor, 8, 4),
	M(fz_info, cpus, 12, 4), M(fz_info, ring_bytes, 16, 8), M(fz_info, consumer_offset, 24, 8),
	M(fz_info, consumer_bytes, 32, 8), M(fz_info, ring_offset, 40, 8),
	M(fz_info, ring_stride, 48, 8), M(fz_info, policy, 56, 4), M(fz_info, attach_new, 60, 4),
	M(fz_info, mixed_ns, 64, 8), M(fz_info, hold_ns, 72, 8), M(fz_info, max_vms, 80, 4),
	M(fz_info, kernel, 88, 64), M(fz_info, verify_ns, 152, 8),
	M(fz_info, verify_pass_ns, 160, 8), M(fz_info, audit_ns, 168, 8),
	M(fz_info, verify_pages, 176, 4),

	M(fz_attach, size, 0, 4), M(fz_attach, flags, 4, 4), M(fz_attach, vm_fd, 8, 4),
	M(fz_attach, refused, 12, 4), M(fz_attach, id, 16, 8),
	M(fz_detach, size, 0, 4), M(fz_detach, flags, 4, 4), M(fz_detach, id, 8, 8),
	M(fz_vm_desc, id, 0, 8), M(fz_vm_desc, pid, 8, 4), M(fz_vm_desc, vcpus, 12, 4),
	M(fz_vm_desc, pages, 16, 8), M(fz_vm_desc, attached, 24, 8), M(fz_vm_desc, flags, 32, 4),
	M(fz_vm_desc, not_covered, 36, 4), M(fz_vm_desc, comm, 40, 16),
	M(fz_list, size, 0, 4), M(fz_list, flags, 4, 4), M(fz_list, count, 8, 4),
	M(fz_list, entry_size, 12, 4), M(fz_list, vms, 16, 8),
	M(fz_stat, size, 0, 4), M(fz_stat, flags, 4, 4), M(fz_stat, id, 8, 8),
	M(fz_stat, c.grants, 16, 8), M(fz_stat, c.execs, 24, 8), M(fz_stat, c.reexecs, 32, 8),
	M(fz_stat, c.mixed, 40, 8), M(fz_stat, c.lost_execs, 48, 8), M(fz_stat, c.late, 56, 8),
	M(fz_stat, c.writes, 64, 8), M(fz_stat, c.changed, 72, 8), M(fz_stat, c.lost, 80, 8),
	M(fz_stat, c.fetch_faults, 88, 8), M(fz_stat, c.write_faults, 96, 8),
	M(fz_stat, c.read_faults, 104, 8), M(fz_stat, c.zaps, 112, 8),
	M(fz_stat, c.retries, 120, 8), M(fz_stat, c.held, 128, 8),
	M(fz_stat, c.hold_timeouts, 136, 8), M(fz_stat, c.frames, 144, 8),
	M(fz_stat, c.exec_frames, 152, 8), M(fz_stat, c.memory, 160, 8),
	M(fz_stat, c.violations, 168, 8), M(fz_stat, c.errors, 176, 8),
	M(fz_stat, c.verified, 184, 8), M(fz_stat, c.drifts, 192, 8),
	M(fz_stat, c.host_flushes, 200, 8), M(fz_stat, c.mixed_ns, 208, 8),
	M(fz_read, size, 0, 4), M(fz_read, flags, 4, 4), M(fz_read, id, 8, 8),
	M(fz_read, gfn, 16, 8), M(fz_read, buf, 24, 8), M(fz_read, hash, 32, 8),
	M(fz_barrier, size, 0, 4), M(fz_barrier, flags, 4, 4), M(fz_barrier, time, 8, 8),
	M(fz_audit_found, gfn, 0, 8), M(fz_audit_found, spte, 8, 8),
	M(fz_audit_found, level, 16, 4), M(fz_audit_found, state, 20, 4),
	SIZE(fz_audit_found, 24),
	M(fz_audit, size, 0, 4), M(fz_audit, flags, 4, 4), M(fz_audit, id, 8, 8),
	M(fz_audit, leaves_4k, 16, 8), M(fz_audit, leaves_2m, 24, 8),
	M(fz_audit, leaves_1g, 32, 8), M(fz_audit, exec, 40, 8), M(fz_audit, violations, 48, 8),
	M(fz_audit, found, 56, 8), M(fz_audit, found_max, 64, 4),
};

static void layout_members(struct kunit *test)
{
	const struct member *m;

	for (m = members; m < members + ARRAY_SIZE(members); m++) {
		KUNIT_EXPECT_EQ_MSG(test, m->offset, m->want_offset, "%s", m->name);
		KUNIT_EXPECT_EQ_MSG(test, m->size, m->want_size, "%s", m->name);
	}
}

/* Nothing between the members, so nothing of the kernel's memory; a record is whole lines. */
static void layout_padding(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, sizeof(struct fz_rec) % 64, 0);
	KUNIT_EXPECT_EQ(test, sizeof_field(struct fz_rec, u), sizeof_field(struct fz_rec, u.pad));
	KUNIT_EXPECT_EQ(test, sizeof(struct fz_info), offsetofend(struct fz_info, reserved2));
	KUNIT_EXPECT_EQ(test, sizeof(struct fz_attach), offsetofend(struct fz_attach, id));
	KUNIT_EXPECT_EQ(test, sizeof(struct fz_vm_desc), offsetofend(struct fz_vm_desc, comm));
	KUNIT_EXPECT_EQ(test, sizeof(struct fz_counters) % 8, 0);
	KUNIT_EXPECT_EQ(test, sizeof(struct fz_audit), offsetofend(struct fz_audit, reserved));
}

static void layout_numbers(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, FZ_ABI_VERSION, 1);
	KUNIT_EXPECT_EQ(test, FZ_PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, FZ_REC_EXEC, 1);
	KUNIT_EXPECT_EQ(test, FZ_REC_REEXEC, 2);
	KUNIT_EXPECT_EQ(test, FZ_REC_WRITE, 3);
	KUNIT_EXPECT_EQ(test, FZ_REC_MIXED, 4);
	KUNIT_EXPECT_EQ(test, FZ_REC_LOST, 5);
	KUNIT_EXPECT_EQ(test, FZ_REC_VM_ATTACH, 6);
	KUNIT_EXPECT_EQ(test, FZ_REC_VM_DETACH, 7);
	KUNIT_EXPECT_EQ(test, FZ_REC_VM_DIED, 8);
	KUNIT_EXPECT_EQ(test, FZ_REC_MEMSLOT, 9);
	KUNIT_EXPECT_EQ(test, FZ_REC_CHANGED, 10);
	KUNIT_EXPECT_EQ(test, FZ_REC_AUDIT, 11);
	KUNIT_EXPECT_EQ(test, FZ_REC_COVERAGE, 12);
	KUNIT_EXPECT_EQ(test, FZ_REC_DRIFT, 13);
	KUNIT_EXPECT_EQ(test, FZ_REC_MIXED_END, 14);
	KUNIT_EXPECT_EQ(test, FZ_RECF_PAGE, 1);
	KUNIT_EXPECT_EQ(test, FZ_RECF_LATE, 2);
	KUNIT_EXPECT_EQ(test, FZ_RECF_NESTED, 4);
	KUNIT_EXPECT_EQ(test, FZ_MODE_PE, 0x1);
	KUNIT_EXPECT_EQ(test, FZ_MODE_LMA, 0x10);
	KUNIT_EXPECT_EQ(test, FZ_MODE_SMM, 0x80);
	KUNIT_EXPECT_EQ(test, FZ_MODE_GUEST, 0x100);
	KUNIT_EXPECT_EQ(test, FZ_IOC_INFO, 0xf200);
	KUNIT_EXPECT_EQ(test, FZ_IOC_ATTACH, 0xf201);
	KUNIT_EXPECT_EQ(test, FZ_IOC_DETACH, 0xf202);
	KUNIT_EXPECT_EQ(test, FZ_IOC_LIST, 0xf203);
	KUNIT_EXPECT_EQ(test, FZ_IOC_STAT, 0xf204);
	KUNIT_EXPECT_EQ(test, FZ_IOC_READ, 0xf205);
	KUNIT_EXPECT_EQ(test, FZ_IOC_BARRIER, 0xf206);
	KUNIT_EXPECT_EQ(test, FZ_IOC_AUDIT, 0xf207);
}

static struct kunit_case layout_cases[] = {
	KUNIT_CASE(layout_members),
	KUNIT_CASE(layout_padding),
	KUNIT_CASE(layout_numbers),
	{}
};

static struct kunit_suite layout_suite = {
	.name = "fitzroy_layout",
	.test_cases = layout_cases,
};

kunit_test_suite(layout_suite);
