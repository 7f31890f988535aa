/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm_nested.h - guests that run a guest of their own
 *
 * The hypervisor inside (L1) is a few instructions; what it passes to its CPU is
 * made here. Its guest (L2) sees the first 32 MiB of L1's memory as they are, and
 * from L2_SHIFT + x on, L1's frame x.
 */
#ifndef VMM_NESTED_H
#define VMM_NESTED_H

#include "vmm.h"

#define L2_SHIFT	(12 * HUGE)	/* L2 executes L1's TARGETS at TARGETS + L2_SHIFT */

/* Code pages of both levels */
#define L1_RUN		DRIVER(0)
#define L2_CALL		DRIVER(1)
#define L2_FLIP		DRIVER(2)
#define L1_CALL		DRIVER(3)
#define L1_WRITE	DRIVER(4)
#define L1_POKE		DRIVER(5)

enum nested_kind {
	NESTED_SHADOW,			/* L1 gives L2 page tables of its own making */
	NESTED_LARGE,			/* L1 has nested paging, with large pages */
	NESTED_SMALL,			/* the same, TARGETS by 4 KiB pages */
};

/* Make a VM with one vCPU that can run L2. False, without a VM: this host can't nest. */
bool nested_new(struct vm *vm, enum nested_kind kind);

/* Have L1 run L2 from @rip on with two arguments; 0 or a negative errno. */
int nested_run(struct vm *vm, uint64_t rip, uint64_t rdi, uint64_t rsi);

/* What L2 has in CR3. */
uint64_t nested_cr3(enum nested_kind kind);

/* (NESTED_SMALL) Where the entry is that maps L2's page TARGETS + L2_SHIFT; L1 address. */
uint64_t nested_entry(void);

/* What it holds to map @frame. */
uint64_t nested_leaf(uint64_t frame);

/* What Intel's VMX and AMD's SVM do differently. */
struct nested_cpu {
	/* Make the vCPU and L1's structures ready; false: it can't nest. */
	bool (*prepare)(struct vm *vm, enum nested_kind kind);
	/* Have L1 run L2 from @rip on. As nested_run(). */
	int (*run)(struct vm *vm, uint64_t rip, uint64_t rdi, uint64_t rsi);
	uint64_t table, leaf;		/* bits of nested entries: to a table, to memory */
};

extern const struct nested_cpu nested_svm, nested_vmx;

#define NESTED_TABLES	0x8000UL	/* four pages: L2's page tables, or the nested ones */
#define L2_STACK	(STACKS + 2 * PAGE)

/* vCPU 0's MSR @index: 0 if it has none. */
uint64_t get_msr(struct vm *vm, uint32_t index);

/* Set it; false if it can't be. */
bool set_msr(struct vm *vm, uint32_t index, uint64_t value);

/* L1's programs; see programs.S. */
extern const uint8_t vmx_run[], vmx_run_end[];
extern const uint8_t svm_run[], svm_run_end[];
extern const uint8_t poke[], poke_end[];

#endif
