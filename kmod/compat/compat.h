/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - what differs between kernels, other than KVM's private layout
 */
#ifndef FZ_COMPAT_H
#define FZ_COMPAT_H

#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/swap.h>
#include <linux/workqueue.h>
#include <asm/invpcid.h>
#include <asm/tlbflush.h>
#include "fz_probe.h"
#ifdef FZ_HAS_FOLIO_BATCH_H
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif

#ifdef FZ_HAS_PERCPU_WQ
#define FZ_PERCPU_WQ	system_percpu_wq
#else
#define FZ_PERCPU_WQ	system_wq
#endif

#ifndef FZ_HAS_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* Get one page of another process: 1, 0 or a negative errno. Must hold mmap_lock. */
static inline long fz_get_user_page(struct mm_struct *mm, unsigned long addr,
				    unsigned int flags, struct page **page)
{
#ifdef FZ_HAS_GUP_VMAS
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL, NULL);
#else
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL);
#endif
}

/* Changes whenever reclaim unmaps a page of @mm and leaves the flush of TLBs for later. */
static inline int fz_mm_tlb_batch(struct mm_struct *mm)
{
#ifdef CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH
	return atomic_read(&mm->tlb_flush_batched);
#else
	return 0;
#endif
}

/*
 * Flush this CPU's TLB: all of it, global entries and other address spaces too.
 * Interrupts are off. The kernel's own is not for every module.
 */
static inline void fz_flush_tlb_all(void)
{
	unsigned long cr4;

	if (boot_cpu_has(X86_FEATURE_INVPCID)) {
		invpcid_flush_all();
		return;
	}
	/* To change CR4.PGE, either way, does so. */
	asm volatile("mov %%cr4, %0" : "=r" (cr4) : : "memory");
	asm volatile("mov %0, %%cr4" : : "r" (cr4 ^ X86_CR4_PGE) : "memory");
	asm volatile("mov %0, %%cr4" : : "r" (cr4) : "memory");
}

/*
 * The CPUs whose TLB may have entries of @mm, once its generation was moved on (which
 * is a full barrier): an mm with a global ASID leaves them on CPUs that it has left.
 */
static inline const struct cpumask *fz_mm_cpus(struct mm_struct *mm)
{
#ifdef FZ_HAS_GLOBAL_ASID
	if (READ_ONCE(mm->context.global_asid))
		return cpu_online_mask;
#endif
	return mm_cpumask(mm);
}

/* How many page-table entries map pages of the folio. */
static inline int fz_folio_mapcount(struct folio *folio)
{
#ifdef FZ_HAS_LARGE_MAPCOUNT
	return folio_mapcount(folio);
#else
	int i, entire, nr = folio_nr_pages(folio), sum = 0;

	if (!folio_test_large(folio))
		return atomic_read(&folio->_mapcount) + 1;
	entire = folio_entire_mapcount(folio);
	if (folio_test_hugetlb(folio))
		return entire;
	for (i = 0; i < nr; i++)
		sum += atomic_read(&folio_page(folio, i)->_mapcount) + 1;
#ifdef FZ_HAS_DOUBLE_MAP
	/* These count a huge mapping in each small page too. */
	if (!folio_test_anon(folio))
		sum -= entire * nr;
	else if (folio_test_double_map(folio))
		sum -= nr;
#endif
	return sum + entire;
#endif
}

/* The references that the page cache holds on a folio that is in it. */
static inline int fz_folio_cache_refs(struct folio *folio)
{
#ifdef FZ_HAS_HUGEPAGE_INDEX
	/* The page cache counts these in their own size. */
	if (folio_test_hugetlb(folio))
		return 1;
#endif
	return folio_nr_pages(folio);
}

/*
 * Empty this CPU's batches of pages on their way between LRU lists. Any context with
 * interrupts on.
 */
static inline void fz_drain_lru_batches(void)
{
#ifdef FZ_HAS_PAGEVEC
	struct pagevec none;

	/* What is exported is the release of a batch, which begins with that. */
	pagevec_init(&none);
	__pagevec_release(&none);
#else
	struct folio_batch none;

	folio_batch_init(&none);
	__folio_batch_release(&none);
#endif
}

#endif
