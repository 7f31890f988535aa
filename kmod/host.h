/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * host.h - writes to guest memory that come from the host
 */
#ifndef FZ_HOST_H
#define FZ_HOST_H

#include <linux/mm_types.h>
#include "vm.h"

struct vm_fault;

/*
 * Make the VMM's own mapping of the page at @hva read-only, so that its next
 * write traps. Return 0; -EAGAIN if it can't be done just now (the guest is to
 * come back); -EOPNOTSUPP if such writes can't be trapped there. May spin, does
 * not sleep. Must not hold mmu_lock or a region's lock.
 */
int fz_host_protect(struct fz_vm *vm, unsigned long hva);

/* Does the VMM map @pfn at @hva, read-only? Must be under RCU. */
bool fz_host_protected(struct mm_struct *mm, unsigned long hva, kvm_pfn_t pfn);

/* May hardware or I/O in flight write to the page whatever the page tables say? */
bool fz_host_pinned(kvm_pfn_t pfn);

/* Entry of do_wp_page(): a process is about to write to a read-only page of its own. */
void fz_host_fault(struct vm_fault *vmf);

/* Wait for what fz_host_protect() put off. @vm is out of the table. */
void fz_host_flush(struct fz_vm *vm);
void fz_host_init_vm(struct fz_vm *vm);

#endif
