// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_host.c - the host writes: KVM, the VMM, the kernel for it
 */
#include <err.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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

/*
 * The VMM rewrites executed pages through its own mapping, small or huge, and the
 * kernel does so for it: each write is seen before the guest runs a byte of it.
 */
static void host_writes(bool huge)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;
	int i, pipes[2];

	vm_new(&vm, 1);
	if (!huge && madvise(vm.mem, MEM_BYTES, MADV_NOHUGEPAGE))
		err(2, "MADV_NOHUGEPAGE");
	memset(vm.mem + TARGETS, 0, HUGE);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(3, N), "pages run");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == N + 1, "%u first executions", s->count[FZ_REC_EXEC]);
	for (i = 0; i < 3; i++) {
		vm_put_targets(&vm, TARGETS, N, 1000 * i);
		s = look(id);
		ok(s->count[FZ_REC_CHANGED] == N, "the VMM rewrites them: %u changed",
		   s->count[FZ_REC_CHANGED]);
		vm_put_targets(&vm, TARGETS, N, 1000 * i + 5);
		ok(!look(id)->count[FZ_REC_CHANGED], "again, before they run: no event");
		ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(1000 * i + 5, N),
		   "they run, as written last");
		s = look(id);
		ok(s->count[FZ_REC_REEXEC] == N && !s->bad_hash &&
		   !memcmp(s->last_page, vm.mem + s->last_gfn * PAGE, PAGE),
		   "%u re-executions, of what the VMM wrote", s->count[FZ_REC_REEXEC]);
	}

	/* As a device model does it: read(2) into guest memory. */
	if (pipe(pipes) || write(pipes[1], "\xb8\x2a\0\0\0\xc3", 6) != 6 ||
	    read(pipes[0], vm.mem + TARGETS, 6) != 6)
		err(2, "pipe");
	close(pipes[0]);
	close(pipes[1]);
	ok(look(id)->count[FZ_REC_CHANGED] == 1, "read(2) into one: 1 changed");
	ok(!call(&vm, 0, TARGETS, 1) && vcpu_rax(&vm, 0) == 42, "it runs");
	ok(look(id)->count[FZ_REC_REEXEC] == 1, "and is captured anew");
	finish(&vm, id);
}

static void test_host_small(void) { host_writes(false); }
static void test_host_huge(void) { host_writes(true); }

const struct test host_tests[] = {
	{ "kvm-write", test_kvm_write },
	{ "host-small", test_host_small },
	{ "host-huge", test_host_huge },
	{ NULL, NULL }
};
