// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - writes to guest memory that come from the host
 *
 * A VMM's devices, vhost, io_uring and every get_user_pages() for writing need a
 * writable page-table entry of the VMM. So a frame that is to be executable gets
 * a read-only one, and the write-protect fault that the next writer takes makes
 * the frame DIRTY before the entry turns writable: the same W^X, one table up.
 *
 * Out of reach: other processes that share the memory, hugetlb, and devices that
 * write by physical address. These are named per VM (fz_vm_miss()).
 */
#include <linux/hugetlb_inline.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <asm/tlbflush.h>
#include "capture.h"
#include "compat/compat.h"
#include "compat/kvm.h"
#include "fault.h"
#include "host.h"

/* The middle entry of @hva, read once; none if there is no table for it. */
static pmd_t *walk(struct mm_struct *mm, unsigned long hva, pmd_t *value)
{
	pgd_t *pgd = pgd_offset(mm, hva);
	p4d_t *p4d, p4dv;
	pud_t *pud, pudv;
	pmd_t *pmd;

	*value = __pmd(0);
	if (pgd_none(READ_ONCE(*pgd)))
		return NULL;
	p4d = p4d_offset(pgd, hva);
	p4dv = READ_ONCE(*p4d);
	if (p4d_none(p4dv) || !p4d_present(p4dv))
		return NULL;
	pud = pud_offset(p4d, hva);
	pudv = READ_ONCE(*pud);
	if (pud_none(pudv) || !pud_present(pudv))
		return NULL;
	if (pud_leaf(pudv)) {
		*value = __pmd(pud_val(pudv));
		return NULL;
	}
	pmd = pmd_offset(pud, hva);
	*value = READ_ONCE(*pmd);
	return pmd;
}

static void flush_cpu(void *unused)
{
	__flush_tlb_all();
}

/* Take W from the small entry. Return true if it had it: then TLBs may have it too. */
static bool protect_entry(struct mm_struct *mm, unsigned long hva, pmd_t *pmd,
			  pmd_t value, bool *gone)
{
	spinlock_t *ptl = pte_lockptr(mm, &value);
	pte_t *pte;
	bool had = false;

	spin_lock(ptl);
	*gone = pmd_val(READ_ONCE(*pmd)) != pmd_val(value);
	if (!*gone) {
		pte = pte_offset_kernel(&value, hva);
		had = pte_present(*pte) && pte_write(*pte);
		if (had)
			ptep_set_wrprotect(mm, hva, pte);
	}
	spin_unlock(ptl);
	return had;
}

static int protect(struct fz_vm *vm, struct mm_struct *mm, unsigned long hva)
{
	struct vm_area_struct *vma = find_vma(mm, hva);
	pmd_t *pmd, value;
	bool gone;

	if (!vma || hva < vma->vm_start)
		return -EAGAIN;
	if (is_vm_hugetlb_page(vma) || (vma->vm_flags & (VM_PFNMAP | VM_IO))) {
		fz_vm_miss(vm, FZ_MISS_HOST_WRITES);
		return -EOPNOTSUPP;
	}
	if (vma->vm_flags & VM_SHARED)
		fz_vm_miss(vm, FZ_MISS_SHARED);

	pmd = walk(mm, hva, &value);
	/* Not mapped yet: KVM will map it, and fz_host_protected() will look again. */
	if (pmd_none(value) || !pmd_present(value))
		return 0;
	if (!pmd || pmd_leaf(value)) {
		/* Huge: KVM maps the region in 4 KiB from now on anyway. */
		WRITE_ONCE(vm->split_hva, hva);
		schedule_work(&vm->split);
		return -EAGAIN;
	}
	if (protect_entry(mm, hva, pmd, value, &gone)) {
		/* As inc_mm_tlb_gen(): a CPU that left the mm flushes when it comes back. */
		atomic64_inc_return(&mm->context.tlb_gen);
		on_each_cpu_mask(mm_cpumask(mm), flush_cpu, NULL, true);
	}
	return gone ? -EAGAIN : 0;
}

int fz_host_protect(struct fz_vm *vm, unsigned long hva)
{
	struct mm_struct *mm = vm->kvm->mm;
	int err;

	/* The mm outlives the VM, but its tables may be on their way out. */
	if (!mmap_read_trylock(mm))
		return -EAGAIN;
	err = protect(vm, mm, hva & PAGE_MASK);
	mmap_read_unlock(mm);
	return err;
}

/* Split a huge page of the VMM's. A worker can sleep; the guest comes back meanwhile. */
static void split(struct work_struct *work)
{
	struct fz_vm *vm = container_of(work, struct fz_vm, split);
	struct mm_struct *mm;
	struct page *page;

	if (!fz_vm_pin(vm))
		return;
	mm = vm->kvm->mm;
	if (mmget_not_zero(mm)) {
		mmap_read_lock(mm);
		if (fz_get_user_page(mm, READ_ONCE(vm->split_hva), FOLL_SPLIT_PMD, &page) == 1)
			put_page(page);
		mmap_read_unlock(mm);
		mmput(mm);
	}
	fz_vm_unpin(vm);
}

bool fz_host_protected(struct mm_struct *mm, unsigned long hva, kvm_pfn_t pfn)
{
	unsigned long flags;
	pmd_t *pmd, value;
	bool is = false;
	pte_t pte;

	/* With interrupts off no table that this walks is freed. */
	local_irq_save(flags);
	pmd = walk(mm, hva, &value);
	if (pmd && pmd_present(value) && !pmd_leaf(value)) {
		pte = READ_ONCE(*pte_offset_kernel(&value, hva));
		is = pte_present(pte) && !pte_write(pte) && pte_pfn(pte) == pfn;
	}
	local_irq_restore(flags);
	return is;
}

bool fz_host_pinned(kvm_pfn_t pfn)
{
	return pfn_valid(pfn) && folio_maybe_dma_pinned(page_folio(pfn_to_page(pfn)));
}

void fz_host_fault(struct vm_fault *vmf)
{
	unsigned long hva = vmf->address & PAGE_MASK;
	struct fz_region *region;
	struct fz_vm *vm;

	/* Called under the entry's lock: it turns writable only after this. */
	fz_vm_for_each_mm(vm, vmf->vma->vm_mm) {
		const struct fz_event_at at = { .gfn = FZ_NO_GFN };

		region = fz_frames_region(&vm->frames, hva);
		if (region)
			fz_fault_step(vm, region, hva, FZ_HOST_WRITE, &at, 0);
	}
}

void fz_host_init_vm(struct fz_vm *vm)
{
	INIT_WORK(&vm->split, split);
}

void fz_host_flush(struct fz_vm *vm)
{
	cancel_work_sync(&vm->split);
}
