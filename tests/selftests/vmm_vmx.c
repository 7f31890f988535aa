// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmm_vmx.c - guests that run a guest of their own: Intel VMX
 */
#include <err.h>
#include <string.h>
#include <sys/ioctl.h>
#include "vmm_nested.h"

/* L1's own structures, below its code */
#define BLOCK		0x10000UL	/* what vmx_run reads */
#define VMXON		0x12000UL
#define VMCS		0x13000UL

#define CR0_NE		(1ULL << 5)
#define CR4_VMXE	(1ULL << 13)
#define MSR_FEATURE	0x3a
#define MSR_VMX_BASIC	0x480
#define MSR_PIN		0x481		/* allowed settings: those that must be, low half */
#define MSR_PRIMARY	0x482
#define MSR_EXIT	0x483
#define MSR_ENTRY	0x484
#define MSR_SECONDARY	0x48b

#define PRIMARY_IO	(1U << 24)	/* exit on every port */
#define PRIMARY_MORE	(1U << 31)
#define SECONDARY_EPT	(1U << 1)
#define EXIT_LONG	(1U << 9)
#define ENTRY_LONG	(1U << 9)
#define REASON_IO	30

/* VMCS fields: Intel SDM 3, appendix B */
#define F_PIN		0x4000
#define F_PRIMARY	0x4002
#define F_EXIT		0x400c
#define F_ENTRY		0x4012
#define F_SECONDARY	0x401e
#define F_EPTP		0x201a
#define F_LINK		0x2800
#define F_CR0		0x6800
#define F_CR3		0x6802
#define F_CR4		0x6804
#define F_DR7		0x681a
#define F_RSP		0x681c
#define F_RIP		0x681e
#define F_RFLAGS	0x6820
#define F_SELECTOR	0x0800		/* ES, CS, SS, DS, FS, GS, LDTR, TR */
#define F_LIMIT		0x4800
#define F_RIGHTS	0x4814
#define F_HOST_CR0	0x6c00
#define F_HOST_CR3	0x6c02
#define F_HOST_CR4	0x6c04
#define F_HOST_SELECTOR	0x0c00		/* ES, CS, SS, DS, FS, GS, TR */

struct block {
	uint64_t vmxon, vmcs, zero[2], n;
	struct {
		uint64_t field, value;
	} write[128];
};

static struct block *block(struct vm *vm)
{
	return (struct block *)(vm->mem + BLOCK);
}

static void put(struct vm *vm, uint64_t field, uint64_t value)
{
	struct block *b = block(vm);

	b->write[b->n].field = field;
	b->write[b->n++].value = value;
}

/* @bits on top of those that must be set. */
static uint32_t control(struct vm *vm, uint32_t msr, uint32_t bits)
{
	return (uint32_t)get_msr(vm, msr) | bits;
}

static void put_controls(struct vm *vm, enum nested_kind kind)
{
	bool ept = kind != NESTED_SHADOW;

	put(vm, F_PIN, control(vm, MSR_PIN, 0));
	put(vm, F_PRIMARY, control(vm, MSR_PRIMARY, PRIMARY_IO | (ept ? PRIMARY_MORE : 0)));
	put(vm, F_EXIT, control(vm, MSR_EXIT, EXIT_LONG));
	put(vm, F_ENTRY, control(vm, MSR_ENTRY, ENTRY_LONG));
	put(vm, F_LINK, ~0ULL);
	if (ept) {
		put(vm, F_SECONDARY, control(vm, MSR_SECONDARY, SECONDARY_EPT));
		/* Write-back, four levels. */
		put(vm, F_EPTP, NESTED_TABLES | 6 | 3 << 3);
	}
}

/* What is not written here is 0 in a VMCS that KVM has just cleared. */
static void put_vmcs(struct vm *vm, enum nested_kind kind, const struct kvm_sregs *s)
{
	unsigned int i;

	put_controls(vm, kind);
	put(vm, F_CR0, s->cr0);
	put(vm, F_CR3, nested_cr3(kind));
	put(vm, F_CR4, s->cr4);
	put(vm, F_DR7, 0x400);
	put(vm, F_RSP, L2_STACK);
	put(vm, F_RFLAGS, 2);
	for (i = 0; i < 8; i++) {
		put(vm, F_SELECTOR + 2 * i, i == 1 ? 8 : i < 6 ? 16 : i == 7 ? 24 : 0);
		put(vm, F_LIMIT + 2 * i, ~0U);
		/* Code, data, none, a busy TSS. */
		put(vm, F_RIGHTS + 2 * i, i == 1 ? 0xa09b : i < 6 ? 0xc093 :
		    i == 6 ? 0x10000 : 0x808b);
	}
	put(vm, F_HOST_CR0, s->cr0);
	put(vm, F_HOST_CR3, s->cr3);
	put(vm, F_HOST_CR4, s->cr4);
	for (i = 0; i < 7; i++)
		put(vm, F_HOST_SELECTOR + 2 * i, i == 1 ? 8 : i == 6 ? 24 : 16);
}

static bool prepare(struct vm *vm, enum nested_kind kind)
{
	uint32_t revision = get_msr(vm, MSR_VMX_BASIC);
	struct kvm_sregs s;

	if (!revision || !set_msr(vm, MSR_FEATURE, 5))
		return false;
	if (ioctl(vm->vcpu[0].fd, KVM_GET_SREGS, &s))
		err(2, "KVM_GET_SREGS");
	s.cr0 |= CR0_NE;
	s.cr4 |= CR4_VMXE;
	if (ioctl(vm->vcpu[0].fd, KVM_SET_SREGS, &s))
		return false;
	memset(vm->mem + BLOCK, 0, VMCS + PAGE - BLOCK);
	memcpy(vm->mem + VMXON, &revision, sizeof(revision));
	memcpy(vm->mem + VMCS, &revision, sizeof(revision));
	block(vm)->vmxon = VMXON;
	block(vm)->vmcs = VMCS;
	/* The first is where L2 starts. */
	put(vm, F_RIP, 0);
	put_vmcs(vm, kind, &s);
	PUT(vm, L1_RUN, vmx_run);
	return true;
}

static int run(struct vm *vm, uint64_t rip, uint64_t rdi, uint64_t rsi)
{
	const struct kvm_regs *regs = &vm->vcpu[0].regs;
	int ret;

	block(vm)->write[0].value = rip;
	vcpu_start(vm, 0, L1_RUN, BLOCK, rdi, rsi);
	ret = vcpu_run(vm, 0);
	if (!ret && regs->r9 != REASON_IO)
		errx(2, "the nested guest ended with exit 0x%llx, error %llu", regs->r9, regs->rax);
	return ret;
}

const struct nested_cpu nested_vmx = {
	.prepare = prepare,
	.run = run,
	.table = 7,			/* R, W, X */
	.leaf = 7 | 6 << 3,		/* write-back */
};
