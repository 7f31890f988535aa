// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_kinds.c - VMs and memory of other kinds: shared between VMs, private to KVM
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "selftest.h"

/* Another VM of the process has the same memory. */
static void make_beside(struct vm *other, struct vm *vm)
{
	vm_new_on(other, 1, vm->mem);
	PUT(other, DRIVER(1), write_pages);
}

/* Its guest writes to all pages that are executed. */
static int write_beside(struct vm *other)
{
	vcpu_start(other, 0, DRIVER(1), TARGETS, N, 0);
	return vcpu_run(other, 0);
}

/*
 * Two VMs with one memory. What the one runs the other writes: each write takes X, like
 * one of the VMM's, whether or not the writer is watched.
 */
static void beside(void *mem)
{
	struct vm vm, other;
	const struct seen *s;
	uint64_t id, id2;
	int i;

	memset((uint8_t *)mem + TARGETS, 0, HUGE);
	vm_new_on(&vm, 1, mem);
	make_beside(&other, &vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	/* Its entries are writable before anybody watches. */
	ok(!write_beside(&other), "the other VM writes");
	id = attach(&vm);
	look(id);
	for (i = 0; i < 3; i++) {
		ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(3, N), "the pages run");
		s = look(id);
		ok(s->count[i ? FZ_REC_REEXEC : FZ_REC_EXEC] == N + !i && !s->bad_hash &&
		   !s->count[FZ_REC_MIXED] && !s->count[FZ_REC_CHANGED],
		   "%u captured", s->count[i ? FZ_REC_REEXEC : FZ_REC_EXEC]);
		ok(!write_beside(&other), "the other VM writes to them");
		s = look(id);
		ok(s->count[FZ_REC_CHANGED] == N, "each write is seen: %u", s->count[FZ_REC_CHANGED]);
	}
	ok(!call(&vm, 0, TARGETS, N), "the pages run");
	id2 = attach(&other);
	look(id2);
	vcpu_start(&other, 0, DRIVER(0), TARGETS, N, 0);
	ok(!vcpu_run(&other, 0) && vcpu_rax(&other, 0) == sum(3, N), "the other is watched, and runs them");
	s = look(id2);
	ok(s->count[FZ_REC_EXEC] == N + 1, "its own %u first executions", s->count[FZ_REC_EXEC]);
	look(id);
	ok(!call(&vm, 0, TARGETS, N), "they run here again");
	s = look(id);
	ok(!s->count[FZ_REC_CHANGED] && !s->count[FZ_REC_REEXEC], "with no event");
	ok(!write_beside(&other), "the other writes");
	ok(look(id)->count[FZ_REC_CHANGED] == N, "and each is seen");
	ok(!call(&vm, 0, TARGETS, N), "the pages run");
	ok(look(id)->count[FZ_REC_REEXEC] == N, "and are captured");
	ok(!not_covered(id) && !not_covered(id2), "nothing is not covered");

	other.mem = vm_map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	finish(&other, id2);
	finish(&vm, id);
}

static void test_beside(void)
{
	void *mem = vm_map(MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (madvise(mem, MEM_BYTES, MADV_NOHUGEPAGE))
		err(2, "madvise");
	beside(mem);
}

static void test_beside_hugetlb(void)
{
	put("/proc/sys/vm/nr_hugepages", "32");
	beside(vm_map(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1));
	put("/proc/sys/vm/nr_hugepages", "0");
}

/* ------------------------------------------------------------ private memory */

/* As <linux/kvm.h> of 6.8 and later has it. */
#define PROTECTED_VM		1	/* KVM_X86_SW_PROTECTED_VM */
#define CAP_GUEST_MEMFD		234
#define CAP_VM_TYPES		235
#define GUEST_MEMFD_MMAP	(1ULL << 0)
#define GUEST_MEMFD_SHARED	(1ULL << 1)	/* from the beginning */
#define MEM_GUEST_MEMFD		(1U << 2)

struct create_guest_memfd {
	uint64_t size, flags, reserved[6];
};

struct memory_region2 {
	uint32_t slot, flags;
	uint64_t gpa, size, hva, offset;
	uint32_t fd, pad1;
	uint64_t pad2[14];
};

#define CREATE_GUEST_MEMFD	_IOWR(KVMIO, 0xd4, struct create_guest_memfd)
#define SET_MEMORY_REGION2	_IOW(KVMIO, 0x49, struct memory_region2)

static unsigned int vms_listed(void)
{
	struct fz_list list = { .size = sizeof(list), .entry_size = sizeof(struct fz_vm_desc) };

	if (ioctl(fz_device_fd(dev), FZ_IOC_LIST, &list))
		err(2, "LIST");
	return list.count;
}

static __u32 let_go_for;

static void see_reason(const struct fz_rec *rec)
{
	if (rec->type == FZ_REC_VM_DETACH)
		let_go_for = rec->u.vm.reason;
}

/* A VM with private memory is refused, and let go at once if it is born watched. */
static void protected_vm(int kvm)
{
	struct fz_attach a = { .size = sizeof(a) };
	const struct seen *s;
	struct vm last;
	uint64_t id;
	int fd;

	fd = ioctl(kvm, KVM_CREATE_VM, PROTECTED_VM);
	if (fd < 0)
		err(2, "a protected VM");
	a.vm_fd = fd;
	ok(ioctl(fz_device_fd(dev), FZ_IOC_ATTACH, &a) == -1 && errno == EOPNOTSUPP &&
	   a.refused == FZ_REFUSE_PRIVATE, "a VM with private memory is refused, and why is said");
	close(fd);

	/* Ids go up by one. */
	vm_new(&last, 1);
	id = attach(&last);
	finish(&last, id);
	if (fz_device_attach_new(dev, true, 0, &error))
		errx(2, "attach_new: %s", error.text);
	look(id + 1);
	let_go_for = 0;
	each = see_reason;
	fd = ioctl(kvm, KVM_CREATE_VM, PROTECTED_VM);
	if (fz_device_attach_new(dev, false, 0, &error) || fd < 0)
		errx(2, "attach_new: %s", error.text);
	s = look_on();
	each = NULL;
	ok(s->count[FZ_REC_VM_ATTACH] == 1 && s->count[FZ_REC_VM_DETACH] == 1 &&
	   let_go_for == FZ_REFUSE_PRIVATE && !vms_listed(),
	   "born under attach_new it is let go at once, and why is said: 0x%x", let_go_for);
	close(fd);
}

/* A watched VM gets memory that is KVM's own file, and runs it: it is let go. */
static void private_slot(void)
{
	struct create_guest_memfd create = {
		.size = HUGE, .flags = GUEST_MEMFD_MMAP | GUEST_MEMFD_SHARED,
	};
	struct memory_region2 region = { .slot = 5, .flags = MEM_GUEST_MEMFD, .gpa = MEM_BYTES,
					 .size = HUGE };
	const struct seen *s;
	struct vm vm;
	uint64_t id;
	void *mem;
	int fd;

	vm_new(&vm, 1);
	id = attach(&vm);
	fd = ioctl(vm.fd, CREATE_GUEST_MEMFD, &create);
	mem = fd < 0 ? MAP_FAILED : mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED) {
		/* Until 6.18: for a VM of the other kind only, which is refused above. */
		ok(errno == EINVAL || errno == ENOTTY || errno == ENODEV,
		   "KVM gives no private memory to an ordinary VM: %s", strerror(errno));
		finish(&vm, id);
		return;
	}
	region.fd = fd;
	region.hva = (uintptr_t)mem;
	if (ioctl(vm.fd, SET_MEMORY_REGION2, &region))
		err(2, "KVM_SET_USER_MEMORY_REGION2");
	PUT(&vm, DRIVER(0), call_pages);
	memcpy(mem, "\xb8\x2a\0\0\0\xc3", 6);
	look(id);
	let_go_for = 0;
	each = see_reason;
	ok(!call(&vm, 0, MEM_BYTES, 1) && vcpu_rax(&vm, 0) == 42, "the guest runs its private memory");
	usleep(200000);
	s = look_on();
	each = NULL;
	/* What was mapped of it by its file is not covered either, and is said, too. */
	ok(s->count[FZ_REC_VM_DETACH] == 1 && let_go_for & FZ_REFUSE_PRIVATE &&
	   s->count[FZ_REC_EXEC] == 1 && !vms_listed(),
	   "and is let go before: %u executions, reason 0x%x", s->count[FZ_REC_EXEC], let_go_for);
	munmap(mem, HUGE);
	close(fd);
	vm_free(&vm);
}

/* Refused, let go at birth, let go when it turns; of what runs then nothing is captured. */
void test_encrypted(void)
{
	struct fz_attach a = { .size = sizeof(a) };
	uint64_t id, command[4] = {};
	const struct seen *s;
	struct vm vm, other;
	int i;

	vm_new(&vm, 1);
	vm_new(&other, 1);
	param("inject_encrypted", 1);
	a.vm_fd = vm.fd;
	ok(ioctl(fz_device_fd(dev), FZ_IOC_ATTACH, &a) == -1 && errno == EOPNOTSUPP &&
	   a.refused == FZ_REFUSE_ENCRYPTED, "an encrypted VM is refused, and why is said");
	param("inject_encrypted", 0);

	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, 1), "one that is not is watched");
	ok(look(id)->count[FZ_REC_EXEC] == 2, "and captured");
	param("inject_encrypted", 1);
	let_go_for = 0;
	each = see_reason;
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(3, N), "it turns, and runs on");
	for (i = 0; i < 200 && vms_listed(); i++)
		usleep(50000);
	s = look_on();
	ok(s->count[FZ_REC_VM_DETACH] == 1 && let_go_for == FZ_REFUSE_ENCRYPTED && !vms_listed() &&
	   s->count[FZ_REC_EXEC] == 2, "it is let go, reason 0x%x, with nothing captured",
	   let_go_for);

	param("inject_encrypted", 0);
	id = attach(&other);
	param("inject_encrypted", 1);
	look(id);
	let_go_for = 0;
	ioctl(other.fd, KVM_MEMORY_ENCRYPT_OP, command);
	for (i = 0; i < 200 && vms_listed(); i++)
		usleep(50000);
	ok(look_on()->count[FZ_REC_VM_DETACH] == 1 && let_go_for == FZ_REFUSE_ENCRYPTED,
	   "one that asks for it is let go though it does not run");

	if (fz_device_attach_new(dev, true, 0, &error))
		errx(2, "attach_new: %s", error.text);
	vm_free(&other);
	look(id + 1);
	let_go_for = 0;
	vm_new(&other, 1);
	if (fz_device_attach_new(dev, false, 0, &error))
		errx(2, "attach_new: %s", error.text);
	s = look_on();
	ok(s->count[FZ_REC_VM_ATTACH] == 1 && s->count[FZ_REC_VM_DETACH] == 1 &&
	   let_go_for == FZ_REFUSE_ENCRYPTED && !vms_listed(),
	   "born under attach_new it is let go at once");
	each = NULL;
	param("inject_encrypted", 0);
	vm_free(&other);
	vm_free(&vm);
}

static void test_private(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int types = ioctl(kvm, KVM_CHECK_EXTENSION, CAP_VM_TYPES);

	if (types > 0 && types & (1 << PROTECTED_VM))
		protected_vm(kvm);
	else
		ok(ioctl(kvm, KVM_CREATE_VM, PROTECTED_VM) < 0 && errno == EINVAL,
		   "KVM makes no VM with private memory");
	private_slot();
	close(kvm);
}

const struct test kinds_tests[] = {
	{ "private", test_private },
	{ "beside", test_beside },
	{ "beside-hugetlb", test_beside_hugetlb },
	{ }
};
