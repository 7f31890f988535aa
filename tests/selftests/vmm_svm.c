// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmm_svm.c - guests that run a guest of their own: AMD SVM
 */
#include <err.h>
#include <string.h>
#include <sys/ioctl.h>
#include "vmm_nested.h"

/* L1's own structures, below its code */
#define VMCB		0x10000UL
#define IOPM		0x11000UL	/* three pages: every port exits */
#define MSRPM		0x14000UL	/* two pages: every MSR exits */
#define HSAVE		0x16000UL

#define EFER_LME	(1ULL << 8)
#define EFER_LMA	(1ULL << 10)
#define EFER_NX		(1ULL << 11)
#define EFER_SVME	(1ULL << 12)
#define MSR_HSAVE	0xc0010117U

/* VMCB: AMD APM 2, appendix B */
#define MISC1		0x00c
#define MISC1_IOIO	(1U << 27)
#define MISC1_SHUTDOWN	(1U << 31)
#define MISC2		0x010
#define MISC2_VMRUN	(1U << 0)
#define IOPM_BASE	0x040
#define MSRPM_BASE	0x048
#define ASID		0x058
#define TLB_CONTROL	0x05c
#define EXIT_CODE	0x070
#define EXIT_IOIO	0x7b
#define NESTED_CONTROL	0x090
#define NESTED_CR3	0x0b0
#define SAVE_ES		0x400
#define SAVE_CS		0x410
#define SAVE_SS		0x420
#define SAVE_DS		0x430
#define SAVE_EFER	0x4d0
#define SAVE_CR4	0x548
#define SAVE_CR3	0x550
#define SAVE_CR0	0x558
#define SAVE_DR7	0x560
#define SAVE_DR6	0x568
#define SAVE_RFLAGS	0x570
#define SAVE_RIP	0x578
#define SAVE_RSP	0x5d8
#define SAVE_RAX	0x5f8
#define SAVE_PAT	0x668

static void put32(struct vm *vm, unsigned int offset, uint32_t value)
{
	memcpy(vm->mem + VMCB + offset, &value, sizeof(value));
}

static void put64(struct vm *vm, unsigned int offset, uint64_t value)
{
	memcpy(vm->mem + VMCB + offset, &value, sizeof(value));
}

static void put_segment(struct vm *vm, unsigned int offset, uint32_t selector, uint32_t attrib)
{
	put32(vm, offset, selector | attrib << 16);
	put32(vm, offset + 4, ~0U);
	put64(vm, offset + 8, 0);
}

static void put_vmcb(struct vm *vm, enum nested_kind kind)
{
	memset(vm->mem + VMCB, 0, PAGE);
	memset(vm->mem + IOPM, 0xff, 5 * PAGE);
	put32(vm, MISC1, MISC1_IOIO | MISC1_SHUTDOWN);
	put32(vm, MISC2, MISC2_VMRUN);
	put64(vm, IOPM_BASE, IOPM);
	put64(vm, MSRPM_BASE, MSRPM);
	put32(vm, ASID, 1);
	if (kind != NESTED_SHADOW) {
		put64(vm, NESTED_CONTROL, 1);
		put64(vm, NESTED_CR3, NESTED_TABLES);
	}
	put_segment(vm, SAVE_CS, 8, 0xa9b);
	put_segment(vm, SAVE_SS, 16, 0xc93);
	put_segment(vm, SAVE_DS, 16, 0xc93);
	put_segment(vm, SAVE_ES, 16, 0xc93);
	put64(vm, SAVE_EFER, EFER_LME | EFER_LMA | EFER_SVME);
	put64(vm, SAVE_CR0, 0x80000001);
	put64(vm, SAVE_CR3, nested_cr3(kind));
	put64(vm, SAVE_CR4, 0x20);
	put64(vm, SAVE_DR6, 0xffff0ff0);
	put64(vm, SAVE_DR7, 0x400);
	put64(vm, SAVE_PAT, 0x0007040600070406ULL);
}

static bool prepare(struct vm *vm, enum nested_kind kind)
{
	struct kvm_sregs s;

	if (ioctl(vm->vcpu[0].fd, KVM_GET_SREGS, &s))
		err(2, "KVM_GET_SREGS");
	/* A hypervisor without NX of its own must not confuse KVM, nor FitzRoy. */
	s.efer |= EFER_SVME | (kind == NESTED_SMALL ? EFER_NX : 0);
	if (ioctl(vm->vcpu[0].fd, KVM_SET_SREGS, &s) || !set_msr(vm, MSR_HSAVE, HSAVE))
		return false;
	put_vmcb(vm, kind);
	PUT(vm, L1_RUN, svm_run);
	return true;
}

static int run(struct vm *vm, uint64_t rip, uint64_t rdi, uint64_t rsi)
{
	uint64_t code;
	int ret;

	put32(vm, TLB_CONTROL, 1);
	put64(vm, SAVE_RIP, rip);
	put64(vm, SAVE_RSP, L2_STACK);
	put64(vm, SAVE_RFLAGS, 2);
	put64(vm, SAVE_RAX, 0);
	put64(vm, EXIT_CODE, 0);
	vcpu_start(vm, 0, L1_RUN, VMCB, rdi, rsi);
	ret = vcpu_run(vm, 0);
	memcpy(&code, vm->mem + VMCB + EXIT_CODE, sizeof(code));
	if (!ret && code != EXIT_IOIO)
		errx(2, "the nested guest ended with exit 0x%lx", code);
	return ret;
}

const struct nested_cpu nested_svm = {
	.prepare = prepare,
	.run = run,
	/* As a guest's own: user, accessed, dirty. */
	.table = 0x67,
	.leaf = 0x67,
};
