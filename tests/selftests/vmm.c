// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmm.c - a tiny VMM
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "again.h"
#include "vmm.h"

#define DONE_PORT	0x10

/* Page-table bits: present, writable, user, accessed, dirty; and large. */
#define PT_BITS		0x67ULL
#define PT_LARGE	0x80ULL

#define CR0_PE		1ULL
#define CR0_PG		(1ULL << 31)
#define CR4_PAE		(1ULL << 5)
#define EFER_LME	(1ULL << 8)
#define EFER_LMA	(1ULL << 10)

int vm_slot(struct vm *vm, unsigned int slot, uint64_t gpa, uint64_t bytes, void *mem,
	    unsigned int flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)mem,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

static void put_tables(struct vm *vm)
{
	uint64_t *pml4 = (uint64_t *)(vm->mem + TABLES);
	uint64_t *pdpt = pml4 + 512, *pd = pml4 + 1024;
	uint64_t i;

	pml4[0] = (TABLES + PAGE) | PT_BITS;
	pdpt[0] = (TABLES + 2 * PAGE) | PT_BITS;
	for (i = 0; i < 512; i++)
		pd[i] = i * HUGE | PT_BITS | PT_LARGE;
}

static void set_cpuid(struct vm *vm, int vcpu)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));

	if (!cpuid)
		err(2, "calloc");
	cpuid->nent = 256;
	if (ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) ||
	    ioctl(vcpu, KVM_SET_CPUID2, cpuid))
		err(2, "CPUID");
	free(cpuid);
}

static void set_long_mode(int vcpu)
{
	struct kvm_segment code = {
		.limit = ~0U, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = ~0U, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(2, "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 = CR0_PE | CR0_PG;
	sregs.cr3 = TABLES;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME | EFER_LMA;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs))
		err(2, "KVM_SET_SREGS");
}

void vm_add_vcpu(struct vm *vm)
{
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct vcpu *vcpu = &vm->vcpu[vm->nvcpus];

	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, vm->nvcpus);
	if (vcpu->fd < 0)
		err(2, "KVM_CREATE_VCPU");
	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		err(2, "mmap of a vCPU");
	set_cpuid(vm, vcpu->fd);
	set_long_mode(vcpu->fd);
	vm->nvcpus++;
}

void *vm_map(int flags, int fd)
{
	uint8_t *room, *mem;

	/* Find room for it at an address that can be mapped by 2 MiB pages. */
	room = mmap(NULL, MEM_BYTES + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (room == MAP_FAILED)
		err(2, "mmap");
	mem = (uint8_t *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	munmap(room, MEM_BYTES + HUGE);
	mem = mmap(mem, MEM_BYTES, PROT_READ | PROT_WRITE,
		   flags | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);
	if (mem == MAP_FAILED)
		err(2, "mmap of guest memory");
	return mem;
}

void write_by_kernel(void *to, const void *from, size_t n)
{
	struct iovec source = { (void *)from, n }, target = { to, n };
	int fd;

	if (process_vm_writev(getpid(), &source, 1, &target, 1, 0) == (ssize_t)n)
		return;
	if (errno != ENOSYS)
		err(2, "process_vm_writev");
	/* A small kernel may be without it; this goes the same way. */
	fd = open("/proc/self/mem", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, from, n, (uintptr_t)to) != (ssize_t)n)
		err(2, "/proc/self/mem");
	close(fd);
}

void vm_new(struct vm *vm, unsigned int nvcpus)
{
	void *mem = vm_map(MAP_PRIVATE | MAP_ANONYMOUS, -1);

	madvise(mem, MEM_BYTES, MADV_HUGEPAGE);
	vm_new_on(vm, nvcpus, mem);
}

void vm_new_on(struct vm *vm, unsigned int nvcpus, void *mem)
{
	memset(vm, 0, sizeof(*vm));
	vm->mem = mem;
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		err(2, "/dev/kvm");
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		err(2, "KVM_CREATE_VM");
	put_tables(vm);
	if (vm_slot(vm, 0, 0, MEM_BYTES, vm->mem, 0))
		err(2, "KVM_SET_USER_MEMORY_REGION");

	while (vm->nvcpus < nvcpus)
		vm_add_vcpu(vm);
}

void vm_small_pages(struct vm *vm)
{
	if (madvise(vm->mem, MEM_BYTES, MADV_NOHUGEPAGE))
		err(2, "MADV_NOHUGEPAGE");
}

void vm_free(struct vm *vm)
{
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	unsigned int v;

	for (v = 0; v < vm->nvcpus; v++) {
		munmap(vm->vcpu[v].run, size);
		close(vm->vcpu[v].fd);
	}
	close(vm->fd);
	close(vm->kvm);
	munmap(vm->mem, MEM_BYTES);
}

void vcpu_start(struct vm *vm, unsigned int v, uint64_t rip, uint64_t rdi, uint64_t rsi,
		uint64_t rdx)
{
	vm->vcpu[v].regs = (struct kvm_regs) {
		.rip = rip, .rdi = rdi, .rsi = rsi, .rdx = rdx,
		.rsp = STACKS + (v + 1) * PAGE, .rflags = 2,
	};
}

int vcpu_run(struct vm *vm, unsigned int v)
{
	struct vcpu *vcpu = &vm->vcpu[v];

	if (ioctl(vcpu->fd, KVM_SET_REGS, &vcpu->regs))
		return -errno;
	for (;;) {
		if (ioctl(vcpu->fd, KVM_RUN, 0)) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return -errno;
		}
		if (vcpu->run->exit_reason == KVM_EXIT_IO &&
		    vcpu->run->io.port == DONE_PORT)
			return ioctl(vcpu->fd, KVM_GET_REGS, &vcpu->regs) ? -errno : 0;
		if (vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN)
			again_shutdown();
		fprintf(stderr, "# vCPU %u: exit %u, internal error %u\n", v,
			vcpu->run->exit_reason, vcpu->run->internal.suberror);
		return -EPROTO;
	}
}

struct run {
	struct vm *vm;
	unsigned int v;
};

static void *run_one(void *arg)
{
	struct run *run = arg;

	run->vm->vcpu[run->v].status = vcpu_run(run->vm, run->v);
	__atomic_store_n(&run->vm->vcpu[run->v].done, 1, __ATOMIC_RELEASE);
	return NULL;
}

int vm_run_all(struct vm *vm, void (*meanwhile)(void))
{
	struct run runs[MAX_VCPUS];
	int status = 0;
	unsigned int v;

	for (v = 0; v < vm->nvcpus; v++) {
		runs[v] = (struct run) { vm, v };
		vm->vcpu[v].done = 0;
		if (pthread_create(&vm->vcpu[v].thread, NULL, run_one, &runs[v]))
			err(2, "pthread_create");
	}
	for (v = 0; v < vm->nvcpus; v++) {
		while (!__atomic_load_n(&vm->vcpu[v].done, __ATOMIC_ACQUIRE))
			meanwhile();
		pthread_join(vm->vcpu[v].thread, NULL);
		if (vm->vcpu[v].status)
			status = vm->vcpu[v].status;
	}
	return status;
}

uint64_t vcpu_rax(struct vm *vm, unsigned int v)
{
	return vm->vcpu[v].regs.rax;
}

void vm_put(struct vm *vm, uint64_t gpa, const void *code, size_t len)
{
	memcpy(vm->mem + gpa, code, len);
}

void vm_put_targets(struct vm *vm, uint64_t gpa, size_t n, uint32_t first)
{
	uint32_t value;
	size_t i;

	for (i = 0; i < n; i++, gpa += PAGE) {
		value = first + i;
		vm->mem[gpa] = 0xb8;			/* mov $value, %eax */
		memcpy(vm->mem + gpa + 1, &value, sizeof(value));
		vm->mem[gpa + 5] = 0xc3;		/* ret */
	}
}
