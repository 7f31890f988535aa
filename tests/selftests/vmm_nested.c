// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmm_nested.c - guests that run a guest of their own
 */
#include <sys/ioctl.h>
#include "selftest.h"
#include "vmm_nested.h"

/* Page-table bits: present, writable, user, accessed, dirty; large. */
#define PT_BITS		0x67ULL
#define PT_LARGE	0x80ULL

static const struct nested_cpu *cpu(void)
{
	return fz_device_info(dev)->vendor == FZ_VENDOR_AMD ? &nested_svm : &nested_vmx;
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

uint64_t get_msr(struct vm *vm, uint32_t index)
{
	struct one_msr msr = { { .nmsrs = 1 }, { .index = index } };

	return ioctl(vm->vcpu[0].fd, KVM_GET_MSRS, &msr) == 1 ? msr.entry.data : 0;
}

bool set_msr(struct vm *vm, uint32_t index, uint64_t value)
{
	struct one_msr msr = { { .nmsrs = 1 }, { .index = index, .data = value } };

	return ioctl(vm->vcpu[0].fd, KVM_SET_MSRS, &msr) == 1;
}

/* L2's page tables, or L1's nested ones: they differ in a few bits. */
static void put_tables(struct vm *vm, enum nested_kind kind)
{
	uint64_t *pml4 = (uint64_t *)(vm->mem + NESTED_TABLES);
	uint64_t *pdpt = pml4 + 512, *pd = pml4 + 1024, *pt = pml4 + 1536;
	uint64_t to_table = kind == NESTED_SHADOW ? PT_BITS : cpu()->table;
	uint64_t leaf = kind == NESTED_SHADOW ? PT_BITS : cpu()->leaf;
	uint64_t i, at;

	pml4[0] = (NESTED_TABLES + PAGE) | to_table;
	pdpt[0] = (NESTED_TABLES + 2 * PAGE) | to_table;
	for (i = 0; i < MEM_BYTES / HUGE; i++) {
		at = i * HUGE >= MEM_BYTES / 2 ? i * HUGE - L2_SHIFT : i * HUGE;
		pd[i] = at | leaf | PT_LARGE;
	}
	if (kind == NESTED_SMALL) {
		pd[(TARGETS + L2_SHIFT) / HUGE] = (NESTED_TABLES + 3 * PAGE) | to_table;
		for (i = 0; i < 512; i++)
			pt[i] = (TARGETS + i * PAGE) | leaf;
	}
}

uint64_t nested_cr3(enum nested_kind kind)
{
	return kind == NESTED_SHADOW ? NESTED_TABLES : TABLES;
}

uint64_t nested_entry(void)
{
	return NESTED_TABLES + 3 * PAGE;
}

uint64_t nested_leaf(uint64_t frame)
{
	return frame | cpu()->leaf;
}

bool nested_new(struct vm *vm, enum nested_kind kind)
{
	vm_new(vm, 1);
	vm_small_pages(vm);
	put_tables(vm, kind);
	if (!cpu()->prepare(vm, kind)) {
		vm_free(vm);
		return false;
	}
	PUT(vm, L2_CALL, call_pages);
	PUT(vm, L2_FLIP, flip_page);
	PUT(vm, L1_CALL, call_pages);
	PUT(vm, L1_WRITE, write_pages);
	PUT(vm, L1_POKE, poke);
	return true;
}

int nested_run(struct vm *vm, uint64_t rip, uint64_t rdi, uint64_t rsi)
{
	return cpu()->run(vm, rip, rdi, rsi);
}
