// SPDX-License-Identifier: GPL-2.0-only
/*
 * regs.c - a vCPU's registers, from VMCS or VMCB
 *
 * KVM caches registers lazily and its accessors are not exported; the hardware's
 * own structure is current whenever the vCPU is loaded and out of the guest.
 */
#include <linux/kvm_host.h>
#include <asm/svm.h>
#include <asm/vmx.h>
#include <fitzroy.h>
#include "kvm.h"

#define CR3_ADDR	GENMASK_ULL(51, 12)
#define CR3_ADDR_PAE	GENMASK_ULL(31, 5)	/* four entries, anywhere in a page */
#define VMCS_L		BIT(13)		/* VMX access rights: SDM 3, 25.4.1 */
#define VMCS_D		BIT(14)
#define VMCB_L		BIT(9)		/* VMCB attributes: APM 2, 15.5.1 */
#define VMCB_D		BIT(10)

/* Return 0 where VMREAD fails, e.g. with an enlightened VMCS. */
static u64 vmcs_field(unsigned long field)
{
	u64 value = 0;
	bool fail;

	asm volatile("vmread %[field], %[value]"
		     : [value] "=r" (value), "=@ccna" (fail)
		     : [field] "r" (field)
		     : "cc");
	return fail ? 0 : value;
}

static u32 mode_bits(u64 cr0, u64 cr4, u64 efer, bool l, bool d)
{
	u32 mode = 0;

	if (cr0 & X86_CR0_PE)
		mode |= FZ_MODE_PE;
	if (cr0 & X86_CR0_PG)
		mode |= FZ_MODE_PG;
	if (cr4 & X86_CR4_PAE)
		mode |= FZ_MODE_PAE;
	if (cr4 & X86_CR4_LA57)
		mode |= FZ_MODE_LA57;
	if (efer & EFER_LMA)
		mode |= FZ_MODE_LMA;
	if (l)
		mode |= FZ_MODE_CS_L;
	if (d)
		mode |= FZ_MODE_CS_D;
	return mode;
}

/* The address bits of @cr3 in @mode. */
static u64 root(u64 cr3, u32 mode)
{
	bool pae = (mode & (FZ_MODE_PG | FZ_MODE_PAE | FZ_MODE_LMA)) == (FZ_MODE_PG | FZ_MODE_PAE);

	return cr3 & (pae ? CR3_ADDR_PAE : CR3_ADDR);
}

static void read_vmcs(struct kvm_vcpu *vcpu, struct fz_regs *regs)
{
	u64 cs = vmcs_field(GUEST_CS_AR_BYTES);
	u64 ss = vmcs_field(GUEST_SS_AR_BYTES);
	u64 cr0 = vmcs_field(GUEST_CR0);
	bool l = (vcpu->arch.efer & EFER_LMA) && (cs & VMCS_L);

	regs->rip = vmcs_field(GUEST_RIP);
	if (!l)
		regs->rip = (u32)(regs->rip + vmcs_field(GUEST_CS_BASE));
	regs->cpl = cr0 & X86_CR0_PE ? (ss >> 5) & 3 : 0;
	regs->mode = mode_bits(cr0, vmcs_field(GUEST_CR4), vcpu->arch.efer, l, cs & VMCS_D);
	regs->cr3 = root(vmcs_field(GUEST_CR3), regs->mode);
}

static void read_vmcb(struct kvm_vcpu *vcpu, struct fz_regs *regs)
{
	const struct vmcb_save_area *save =
		&FZ_FIELD(struct vmcb *, vcpu, FZ_SVM_VMCB)->save;
	bool l = (save->efer & EFER_LMA) && (save->cs.attrib & VMCB_L);

	regs->rip = save->rip;
	if (!l)
		regs->rip = (u32)(regs->rip + save->cs.base);
	regs->cpl = save->cpl;
	regs->mode = mode_bits(save->cr0, save->cr4, save->efer, l,
			       save->cs.attrib & VMCB_D);
	regs->cr3 = root(save->cr3, regs->mode);
}

void fz_regs_read(struct kvm_vcpu *vcpu, struct fz_regs *regs)
{
	preempt_disable();
	if (fz_kvm_vendor == FZ_VENDOR_INTEL)
		read_vmcs(vcpu, regs);
	else
		read_vmcb(vcpu, regs);
	preempt_enable();

	if (vcpu->arch.hflags & HF_SMM_MASK)
		regs->mode |= FZ_MODE_SMM;
	if (vcpu->arch.hflags & HF_GUEST_MASK)
		regs->mode |= FZ_MODE_GUEST;
}
