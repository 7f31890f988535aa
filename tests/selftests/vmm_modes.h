/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm_modes.h - guests in every operating mode that the architecture has
 *
 * All use one window of 64 KiB of guest memory, so that 16-bit code reaches all of
 * it: code at the start, then targets, a stack at the end.
 */
#ifndef VMM_MODES_H
#define VMM_MODES_H

#include "vmm.h"

#define LOW		0x20000UL	/* the window's address below 1 MiB */
#define CALLER		0x0UL		/* in the window: calls the targets */
#define FLIPPER		0x1000UL	/* rewrites and calls one target */
#define CALLED		0x2000UL	/* the targets */
#define NCALLED		8
#define STACK_TOP	0xfff0UL
#define MODE_TABLES	0x8000UL	/* four pages of guest page tables */

enum paging { NO_PAGING, PAGING_32, PAGING_PAE, PAGING_4, PAGING_5 };

/**
 * struct mode - an operating mode
 * @name: of it
 * @paging: kind of page tables
 * @window: guest-physical address of the window
 * @linear: linear address of guest-physical 0
 * @bits: operand and address size of the code segment
 * @protected: CR0.PE
 * @segmented: CS, DS and SS begin at the window; else they are flat
 * @flat_data: but DS is flat
 * @user: CPL 3
 * @vm86: virtual-8086 mode
 * @is: FZ_MODE_* that its records say
 */
struct mode {
	const char *name;
	enum paging paging;
	uint64_t window, linear;
	unsigned int bits;
	bool protected, segmented, flat_data, user, vm86;
	uint32_t is;
};

/* Each mode; ends with an empty entry. */
extern const struct mode modes[];

/* What CR3 holds in mode @m. */
uint64_t mode_cr3(const struct mode *m);

/* Can this host's guests use it? */
bool mode_supported(const struct vm *vm, const struct mode *m);

/* Put vCPU 0 into it, page tables, programs and targets, which answer @first + i. */
void mode_set(struct vm *vm, const struct mode *m, uint32_t first);

/* Run the program at @program (CALLER, FLIPPER) on @n targets or times. As vcpu_run(). */
int mode_run(struct vm *vm, const struct mode *m, uint64_t program, unsigned int n);

/* What it left in its accumulator. */
uint64_t mode_result(struct vm *vm, const struct mode *m);

/* 16-bit programs, and the targets they call. */
extern const uint8_t call_16[], call_16_end[];
extern const uint8_t flip_16[], flip_16_end[];
extern const uint8_t call_32[], call_32_end[];
extern const uint8_t flip_32[], flip_32_end[];
extern const uint8_t smm_call[], smm_call_end[];

void vm_put_targets_16(struct vm *vm, uint64_t gpa, size_t n, uint16_t first);

#endif
