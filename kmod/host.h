/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host.h - writes to guest memory that come from the host
 */
#ifndef FZ_HOST_H
#define FZ_HOST_H

#include <linux/mm_types.h>
#include "vm.h"

#define FZ_LOOK_MS	1000	/* how often to look who else has a VM's memory */

extern bool fz_trap_hugetlb;

/*
 * Make the VMM's own mapping of the page at @hva read-only, so that its next
 * write traps. Return 0; -EAGAIN if it can't be done just now (the guest is to
 * come back); -EOPNOTSUPP if such writes can't be trapped there. May spin, does
 * not sleep. Must not hold mmu_lock or a region's lock.
 */
int fz_host_protect(struct fz_vm *vm, unsigned long hva);

/* The same for a small page of the current process, to prove that the trap works. */
int fz_host_protect_own(unsigned long hva);

/* Does the VMM map @hva by a huge entry without W? Must be under RCU. */
bool fz_host_huge_protected(struct mm_struct *mm, unsigned long hva);

/* Does the VMM map @pfn at @hva, read-only? Must be under RCU. */
bool fz_host_protected(struct mm_struct *mm, unsigned long hva, kvm_pfn_t pfn);

/*
 * The page that the VMM maps at @hva, if it does. It stays while the frame there is
 * EXEC and its region locked; must hold a user's reference on the mm.
 */
bool fz_host_pfn(struct mm_struct *mm, unsigned long hva, kvm_pfn_t *pfn);

/**
 * enum fz_flight - may the page be written whatever the page tables say?
 * @FZ_LANDED: no
 * @FZ_DMA: it is pinned for I/O
 * @FZ_HELD: somebody has a reference: I/O, or another vCPU in a fault on the page,
 *	or on the huge page that it is part of
 */
enum fz_flight { FZ_LANDED, FZ_DMA, FZ_HELD };

/* Only of a page that KVM is mapping; any context with interrupts on. */
enum fz_flight fz_host_in_flight(kvm_pfn_t pfn);

/* For the module: before the hooks, and after them. */
void fz_host_init(void);
void fz_host_exit(void);

/*
 * Entry of ptep_set_access_flags(): the entry @pte for @hva, which is locked, will
 * be @next if @set. hugetlb's entries too.
 */
void fz_host_fault(struct vm_area_struct *vma, unsigned long hva, const pte_t *pte,
		   pte_t next, bool set);

/*
 * Have others meanwhile come to share the VM's memory? Return true if it takes
 * another look later. @vm is pinned.
 */
bool fz_host_look(struct fz_vm *vm);

/* Wait for what fz_host_protect() put off. @vm is out of the table. */
void fz_host_flush(struct fz_vm *vm);
void fz_host_init_vm(struct fz_vm *vm);

#endif
