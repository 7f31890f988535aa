// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_change.c - a watched VM grows, rests, moves
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "log.h"

#define MORE_BYTES	(16UL << 20)

static struct fz_vm_desc describe(uint64_t id)
{
	struct fz_vm_desc *vms, found = { 0 };
	size_t n;

	if (fz_device_list(dev, &vms, &n, &error))
		errx(2, "list: %s", error.text);
	while (n--)
		if (vms[n].id == id)
			found = vms[n];
	free(vms);
	return found;
}

/* vCPUs and memory are added while others run; both are watched from their first use. */
static void test_hotplug(void)
{
	/* A vCPU that is preempted in a fault, on a busy machine, is not to pass for I/O. */
	unsigned long held_ms = param("held_ms", 5000);
	struct fz_vm_desc desc;
	struct vm vm;
	uint64_t id;
	void *more;

	vm_new(&vm, 2);
	vm_small_pages(&vm);
	id = attach(&vm);
	log_clear();
	load_start(&vm, TARGETS, N, false);
	usleep(50000);
	vm_add_vcpu(&vm);
	vm_add_vcpu(&vm);
	more = mmap(NULL, MORE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (more == MAP_FAILED || madvise(more, MORE_BYTES, MADV_NOHUGEPAGE) ||
	    vm_slot(&vm, 1, MEM_BYTES, MORE_BYTES, more, 0))
		err(2, "more memory");
	PUT(&vm, DRIVER(2), call_pages);
	PUT(&vm, DRIVER(3), flip_page);
	vm_put_targets(&(struct vm) { .mem = more }, 0, N, 11);
	ok(!call(&vm, 2, MEM_BYTES, N) && vcpu_rax(&vm, 2) == sum(11, N),
	   "a vCPU added later runs code in memory added later");
	log_read();
	ok(!call(&vm, 3, MEM_BYTES, FLIPS) && !vcpu_rax(&vm, 3), "another rewrites some of it");
	ok(load_stop(&vm) > 0, "the others ran on, and right");
	log_read();
	ok(log_count(id, FZ_REC_EXEC) == 2 * N + 4 && log_count(id, FZ_REC_MEMSLOT) == 1 &&
	   log_count(id, FZ_REC_WRITE) == FLIPS && log_count(id, FZ_REC_REEXEC) == FLIPS,
	   "%u first executions, %u writes, %u re-executions, %u slot", log_count(id, FZ_REC_EXEC),
	   log_count(id, FZ_REC_WRITE), log_count(id, FZ_REC_REEXEC),
	   log_count(id, FZ_REC_MEMSLOT));
	desc = describe(id);
	ok(desc.vcpus == 4 && desc.pages == (MEM_BYTES + MORE_BYTES) / PAGE,
	   "it is listed with %u vCPUs and %llu pages", desc.vcpus, desc.pages);
	finish(&vm, id);
	munmap(more, MORE_BYTES);
	param("held_ms", held_ms);
}

static void nothing(void)
{
	usleep(1000);
}

/* A VM that rests for a while goes on as if it had not. */
static void test_pause(void)
{
	unsigned int v;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 4);
	vm_small_pages(&vm);
	id = attach(&vm);
	load_start(&vm, TARGETS, N, false);
	usleep(100000);
	ok(load_stop(&vm) > 0, "the guest runs");
	log_clear();
	/* As a VMM says it; fails in a guest without a paravirtual clock. */
	ioctl(vm.vcpu[0].fd, KVM_KVMCLOCK_CTRL, 0);
	sleep(3);
	ok(!audit(id).violations, "at rest its tables are clean");
	log_clear();
	for (v = 0; v < vm.nvcpus; v++)
		vcpu_start(&vm, v, DRIVER(v), TARGETS + MAX_VCPUS * PAGE, N, 0);
	ok(!vm_run_all(&vm, nothing), "it goes on after 3 s");
	ok(!log_read()->n, "which is no event");
	finish(&vm, id);
}

/* All of a vCPU that KVM gives out */
struct state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp;
	struct kvm_xcrs xcrs;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[512];
	} msrs;
};

static void get_msrs(struct vm *vm, struct state *s)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[512];
	} list = { .head.nmsrs = 512 };
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1 };
	unsigned int i;

	if (ioctl(vm->kvm, KVM_GET_MSR_INDEX_LIST, &list))
		err(2, "KVM_GET_MSR_INDEX_LIST");
	for (i = 0; i < list.head.nmsrs; i++) {
		one.entry.index = list.index[i];
		if (ioctl(vm->vcpu[0].fd, KVM_GET_MSRS, &one) == 1)
			s->msrs.entry[s->msrs.head.nmsrs++] = one.entry;
	}
}

static void save(struct vm *vm, struct state *s)
{
	int fd = vm->vcpu[0].fd;

	/* Complete the OUT that it stands at. */
	vm->vcpu[0].run->immediate_exit = 1;
	ioctl(fd, KVM_RUN, 0);
	memset(s, 0, sizeof(*s));
	if (ioctl(fd, KVM_GET_REGS, &s->regs) || ioctl(fd, KVM_GET_SREGS, &s->sregs) ||
	    ioctl(fd, KVM_GET_FPU, &s->fpu) || ioctl(fd, KVM_GET_DEBUGREGS, &s->debug) ||
	    ioctl(fd, KVM_GET_VCPU_EVENTS, &s->events) ||
	    ioctl(fd, KVM_GET_MP_STATE, &s->mp) || ioctl(fd, KVM_GET_XCRS, &s->xcrs))
		err(2, "save");
	get_msrs(vm, s);
}

static void restore(struct vm *vm, struct state *s)
{
	int fd = vm->vcpu[0].fd;
	unsigned int i;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1 };

	if (ioctl(fd, KVM_SET_SREGS, &s->sregs) || ioctl(fd, KVM_SET_REGS, &s->regs) ||
	    ioctl(fd, KVM_SET_FPU, &s->fpu) || ioctl(fd, KVM_SET_DEBUGREGS, &s->debug) ||
	    ioctl(fd, KVM_SET_VCPU_EVENTS, &s->events) || ioctl(fd, KVM_SET_MP_STATE, &s->mp))
		err(2, "restore");
	/* Without XSAVE there is no XCR0, and some MSRs can be read alone. */
	ioctl(fd, KVM_SET_XCRS, &s->xcrs);
	for (i = 0; i < s->msrs.head.nmsrs; i++) {
		one.entry = s->msrs.entry[i];
		ioctl(fd, KVM_SET_MSRS, &one);
	}
	vm->vcpu[0].regs = s->regs;
}

/* In the middle of a program the VM's state goes into a new one, as on a migration. */
static void test_migrate(void)
{
	static struct state s;
	unsigned int i, half = N / 2;
	struct vm old, new;
	uint64_t id, was;

	vm_new(&old, 1);
	vm_small_pages(&old);
	was = attach(&old);
	PUT(&old, DRIVER(0), call_and_stop);
	PUT(&old, DRIVER(1), call_pages);
	vm_put_targets(&old, TARGETS, N, 3);
	vcpu_start(&old, 0, DRIVER(0), TARGETS, N, 0);
	log_clear();
	for (i = 0; i < half && !vcpu_run(&old, 0);)
		i++;
	log_read();
	ok(i == half && log_count(was, FZ_REC_EXEC) == half + 1, "half of a program has run: %u"
	   " first executions", log_count(was, FZ_REC_EXEC));

	save(&old, &s);
	vm_new(&new, 1);
	vm_small_pages(&new);
	id = attach(&new);
	ok(id != was, "a new VM has a new id");
	memcpy(new.mem, old.mem, DATA);
	finish(&old, was);
	restore(&new, &s);
	log_clear();
	for (i = 0; i < N - half && !vcpu_run(&new, 0);)
		i++;
	ok(i == N - half && vcpu_rax(&new, 0) == sum(3, N), "the other half runs there, and the"
	   " result is right");
	log_read();
	ok(log_count(id, FZ_REC_EXEC) == N - half + 1 && log_read()->n == N - half + 1,
	   "all that runs is captured anew: %u first executions", log_count(id, FZ_REC_EXEC));
	vcpu_start(&new, 0, DRIVER(1), TARGETS, N, 0);
	ok(!vcpu_run(&new, 0), "then all of it");
	log_read();
	ok(log_count(id, FZ_REC_EXEC) == N + 2, "%u", log_count(id, FZ_REC_EXEC));
	finish(&new, id);
}

const struct test change_tests[] = {
	{ "hotplug", test_hotplug },
	{ "pause", test_pause },
	{ "migrate", test_migrate },
	{ NULL, NULL }
};
