// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmm_modes.c - guests in every operating mode that the architecture has
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include "selftest.h"
#include "vmm_modes.h"

/* Page-table bits: present, writable, user, accessed, dirty; large. */
#define PT_BITS		0x67ULL
#define PT_LARGE	0x80ULL

#define CR0_PE		1ULL
#define CR0_PG		(1ULL << 31)
#define CR4_PSE		(1ULL << 4)
#define CR4_PAE		(1ULL << 5)
#define CR4_LA57	(1ULL << 12)
#define EFER_LME	(1ULL << 8)
#define EFER_LMA	(1ULL << 10)
#define FLAGS_IOPL3	(3ULL << 12)
#define FLAGS_VM	(1ULL << 17)

#define TSS		0x6000UL	/* with an I/O bitmap that allows all */
#define TSS_BYTES	(104 + 8192 + 1)
#define NO_TABLES	0x5000UL	/* CR3 where there is no paging */
#define GIB		(1UL << 30)

#define LONG		(FZ_MODE_PE | FZ_MODE_PG | FZ_MODE_PAE | FZ_MODE_LMA)

/* Linear addresses differ from physical ones wherever the mode allows it. */
const struct mode modes[] = {
	{ "real mode", .window = LOW, .bits = 16, .segmented = true },
	/* Segments beyond what real mode can load: left over from protected mode. */
	{ "unreal mode", .window = TARGETS, .bits = 16, .segmented = true, .flat_data = true },
	{ "32-bit unreal mode", .window = TARGETS, .bits = 32, .is = FZ_MODE_CS_D },
	{ "16-bit protected mode", .window = LOW, .bits = 16, .segmented = true,
	  .protected = true, .is = FZ_MODE_PE },
	{ "32-bit without paging", .window = TARGETS, .bits = 32, .protected = true,
	  .is = FZ_MODE_PE | FZ_MODE_CS_D },
	{ "32-bit paging", PAGING_32, TARGETS, GIB, 32, .protected = true,
	  .is = FZ_MODE_PE | FZ_MODE_PG | FZ_MODE_CS_D },
	{ "32-bit paging, user mode", PAGING_32, TARGETS, GIB, 32, .protected = true,
	  .user = true, .is = FZ_MODE_PE | FZ_MODE_PG | FZ_MODE_CS_D },
	{ "virtual-8086 mode", PAGING_32, LOW, 0, 16, .protected = true, .segmented = true,
	  .user = true, .vm86 = true, .is = FZ_MODE_PE | FZ_MODE_PG },
	{ "PAE paging", PAGING_PAE, TARGETS, GIB, 32, .protected = true,
	  .is = FZ_MODE_PE | FZ_MODE_PG | FZ_MODE_PAE | FZ_MODE_CS_D },
	{ "16-bit code, PAE paging", PAGING_PAE, LOW, GIB, 16, .protected = true,
	  .segmented = true, .is = FZ_MODE_PE | FZ_MODE_PG | FZ_MODE_PAE },
	{ "compatibility mode", PAGING_4, TARGETS, GIB, 32, .protected = true,
	  .is = LONG | FZ_MODE_CS_D },
	{ "64-bit", PAGING_4, TARGETS, 1UL << 39, 64, .protected = true,
	  .is = LONG | FZ_MODE_CS_L },
	{ "64-bit, user mode", PAGING_4, TARGETS, 1UL << 39, 64, .protected = true,
	  .user = true, .is = LONG | FZ_MODE_CS_L },
	/* An address that four levels can't reach. */
	{ "64-bit, 5-level paging", PAGING_5, TARGETS, 1UL << 48, 64, .protected = true,
	  .is = LONG | FZ_MODE_CS_L | FZ_MODE_LA57 },
	{ .name = NULL }
};

static uint64_t *table(struct vm *vm, unsigned int i)
{
	return (uint64_t *)(vm->mem + MODE_TABLES + i * PAGE);
}

/* Map the first GiB at @linear, with large pages. */
static void put_tables(struct vm *vm, const struct mode *m)
{
	uint32_t *pd32 = (uint32_t *)(vm->mem + MODE_TABLES);
	unsigned int i, levels = m->paging == PAGING_5 ? 5 : 4, shift;

	memset(vm->mem + MODE_TABLES, 0, 4 * PAGE);
	switch (m->paging) {
	case NO_PAGING:
		return;
	case PAGING_32:
		for (i = 0; i < 256; i++)
			pd32[(m->linear >> 22) + i] = i << 22 | PT_BITS | PT_LARGE;
		return;
	case PAGING_PAE:
		/* Four entries, which need not begin a page, and have no R/W, U/S, A. */
		*(uint64_t *)(vm->mem + mode_cr3(m) + (m->linear >> 30) * 8) =
			(MODE_TABLES + PAGE) | 1;
		levels = 2;
		break;
	default:
		for (i = 0; i < levels - 2; i++) {
			shift = 12 + 9 * (levels - 1 - i);
			table(vm, i)[(m->linear >> shift) & 511] =
				(MODE_TABLES + (i + 1) * PAGE) | PT_BITS;
		}
		break;
	}
	for (i = 0; i < 512; i++)
		table(vm, levels == 2 ? 1 : levels - 2)[i] = i * HUGE | PT_BITS | PT_LARGE;
}

uint64_t mode_cr3(const struct mode *m)
{
	if (m->paging == NO_PAGING)
		return NO_TABLES;
	return MODE_TABLES + (m->paging == PAGING_PAE ? 0x20 : 0);
}

bool mode_supported(const struct vm *vm, const struct mode *m)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	bool is = m->paging != PAGING_5;
	unsigned int i;

	if (!cpuid)
		err(2, "calloc");
	cpuid->nent = 256;
	if (ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid))
		err(2, "CPUID");
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 7 && cpuid->entries[i].index == 0)
			is |= cpuid->entries[i].ecx >> 16 & 1;
	free(cpuid);
	return is;
}

static void set_segments(struct kvm_sregs *s, const struct mode *m)
{
	struct kvm_segment data = {
		.base = m->segmented ? m->window + m->linear : 0,
		.limit = m->segmented && m->window == LOW ? 0xffff : ~0U,
		.selector = 16 | (m->user ? 3 : 0),
		.type = 3, .present = 1, .s = 1, .dpl = m->user ? 3 : 0,
		.db = m->bits != 16, .g = !m->segmented || m->window != LOW,
	};

	if (m->vm86)
		data.selector = m->window >> 4;
	s->cs = s->ss = s->ds = s->es = s->fs = s->gs = data;
	if (!m->vm86) {
		s->cs.type = 11;
		s->cs.selector -= 8;
	}
	if (m->bits == 64) {
		s->cs.l = 1;
		s->cs.db = 0;
	}
	if (m->flat_data) {
		s->ds.base = 0;
		s->ds.limit = ~0U;
		s->ds.g = 1;
	}
	/* Busy, as VMX wants it; available, where QEMU's SVM looks for an I/O bitmap. */
	s->tr = (struct kvm_segment) {
		.base = m->linear + TSS, .limit = TSS_BYTES - 1, .selector = 64,
		.type = m->vm86 && fz_device_info(dev)->vendor == FZ_VENDOR_AMD ? 9 : 11,
		.present = 1,
	};
}

void mode_set(struct vm *vm, const struct mode *m, uint32_t first)
{
	int vcpu = vm->vcpu[0].fd;
	struct kvm_sregs s;

	put_tables(vm, m);
	*(uint16_t *)(vm->mem + TSS + 102) = 104;
	vm->mem[TSS + TSS_BYTES - 1] = 0xff;
	if (m->bits == 16) {
		PUT(vm, m->window + CALLER, call_16);
		PUT(vm, m->window + FLIPPER, flip_16);
		vm_put_targets_16(vm, m->window + CALLED, NCALLED, first);
	} else {
		if (m->bits == 32) {
			PUT(vm, m->window + CALLER, call_32);
			PUT(vm, m->window + FLIPPER, flip_32);
		} else {
			PUT(vm, m->window + CALLER, call_pages);
			PUT(vm, m->window + FLIPPER, flip_page);
		}
		vm_put_targets(vm, m->window + CALLED, NCALLED, first);
	}

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		err(2, "KVM_GET_SREGS");
	set_segments(&s, m);
	s.cr0 = (m->protected ? CR0_PE : 0) | (m->paging ? CR0_PG : 0);
	s.cr3 = mode_cr3(m);
	s.cr4 = 0;
	s.efer = 0;
	if (m->paging == PAGING_32)
		s.cr4 = CR4_PSE;
	else if (m->paging)
		s.cr4 = CR4_PAE;
	if (m->paging == PAGING_5)
		s.cr4 |= CR4_LA57;
	if (m->paging >= PAGING_4)
		s.efer = EFER_LME | EFER_LMA;
	if (ioctl(vcpu, KVM_SET_SREGS, &s))
		err(2, "%s: KVM_SET_SREGS", m->name);
}

int mode_run(struct vm *vm, const struct mode *m, uint64_t program, unsigned int n)
{
	uint64_t base = m->segmented ? 0 : m->linear + m->window;
	struct kvm_regs *regs = &vm->vcpu[0].regs;

	*regs = (struct kvm_regs) {
		.rip = base + program, .rdi = base + CALLED, .rsi = n, .rsp = base + STACK_TOP,
		.rdx = m->flat_data ? m->window + CALLED : base + CALLED,
		.rflags = 2 | (m->user ? FLAGS_IOPL3 : 0) | (m->vm86 ? FLAGS_VM : 0),
	};
	return vcpu_run(vm, 0);
}

uint64_t mode_result(struct vm *vm, const struct mode *m)
{
	uint64_t rax = vcpu_rax(vm, 0);

	return m->bits == 16 ? (uint16_t)rax : m->bits == 32 ? (uint32_t)rax : rax;
}

void vm_put_targets_16(struct vm *vm, uint64_t gpa, size_t n, uint16_t first)
{
	uint16_t value;
	size_t i;

	for (i = 0; i < n; i++, gpa += PAGE) {
		value = first + i;
		vm->mem[gpa] = 0xb8;			/* mov $value, %ax */
		memcpy(vm->mem + gpa + 1, &value, sizeof(value));
		vm->mem[gpa + 3] = 0xc3;		/* ret */
	}
}
