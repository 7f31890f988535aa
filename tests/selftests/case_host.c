// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_host.c - the host writes: KVM itself
 */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "selftest.h"

/* KVM's own write to an executed frame. */
static void test_kvm_write(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { { .nmsrs = 1 }, { .index = 0x11, .data = TARGETS + 2048 } };
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	vm_small_pages(&vm);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, 1, 3);
	ok(!call(&vm, 0, TARGETS, 1), "a page runs");
	look(id);
	ok(ioctl(vm.vcpu[0].fd, KVM_SET_MSRS, &msrs) == 1, "KVM writes the wall clock into it");
	usleep(100000);
	ok(!call(&vm, 0, TARGETS, 1), "it runs again");
	s = look(id);
	ok(s->count[FZ_REC_CHANGED] >= 1 && s->count[FZ_REC_REEXEC] == 1,
	   "%u changed, %u re-execution", s->count[FZ_REC_CHANGED], s->count[FZ_REC_REEXEC]);
	ok(!memcmp(s->last_page, vm.mem + TARGETS, PAGE), "of what KVM wrote");
	finish(&vm, id);
}

const struct test host_tests[] = {
	{ "kvm-write", test_kvm_write },
	{ NULL, NULL }
};
