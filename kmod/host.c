// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - writes to guest memory that come from the host
 *
 * A VMM's devices, vhost, io_uring and every get_user_pages() for writing need a
 * writable page-table entry of the VMM. So a frame that is to be executable gets
 * a read-only one, and when the next writer's fault makes the entry writable the
 * frame becomes DIRTY first: the same W^X, one table up. An entry that is in use
 * turns writable in one function; every other way to a writable entry begins with
 * an MMU notifier call. Documentation/wx-states.rst has the table.
 *
 * Out of reach: others who share the memory, device memory, 1 GiB pages, devices
 * that write by physical address. These are named per VM (fz_vm_miss()).
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <asm/tlbflush.h>
#include "capture.h"
#include "compat/compat.h"
#include "compat/kvm.h"
#include "fault.h"
#include "host.h"
#include "mmu.h"
#include "sweep.h"

bool fz_trap_hugetlb = true;

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
	fz_flush_tlb_all();
}

/*
 * May anybody but @vma itself write to the file that it maps? A file without a
 * name that only the mapping holds (MAP_ANONYMOUS, or a memfd that was closed) has
 * no other descriptor or mapping.
 */
static bool others_write(const struct vm_area_struct *vma)
{
	struct file *file = vma->vm_file;
	const struct inode *inode;

	if (!file)
		return false;
	inode = file_inode(file);
	return file_count(file) > 1 || d_count(file->f_path.dentry) > 1 ||
	       atomic_read(&inode->i_count) > 1 || inode->i_nlink;
}

/* Can host writes to hugetlb memory at @hva be trapped? */
static bool can_trap_hugetlb(struct vm_area_struct *vma, unsigned long hva)
{
	/* A write to a huge page touches all frames of it: no more than a region's. */
	if (!READ_ONCE(fz_trap_hugetlb) || huge_page_size(hstate_vma(vma)) != PMD_SIZE)
		return false;
	/* Processes that share 1 GiB of it share its table: W for one is W for all. */
	return !(vma->vm_flags & VM_MAYSHARE) || (hva & PUD_MASK) < vma->vm_start ||
	       (hva & PUD_MASK) + PUD_SIZE > vma->vm_end || !others_write(vma);
}

/*
 * The entry has no W; may a TLB? Where W is taken under mmap_lock held for read, by
 * userfaultfd say, the flush comes after the notifier call; reclaim, which unmaps,
 * flushes later still, and the page may be mapped again by then. Must hold the
 * entry's lock.
 */
static bool flush_owed(struct fz_vm *vm, struct mm_struct *mm, int batch)
{
	return mm_tlb_flush_pending(mm) || batch != READ_ONCE(vm->tlb_batch);
}

/*
 * Take W from the entry, which is small, or a huge one of hugetlb, and from the
 * TLBs. 0, or -EAGAIN. @flushed: they may have had it. @of_file: the page is a
 * file's. Without @vma -ENOENT, unless the page is anonymous: any write to that is
 * trapped, in memory of whatever kind. @vm: NULL for memory of no VM.
 */
static int take_write(struct fz_vm *vm, struct mm_struct *mm, struct vm_area_struct *vma,
		      unsigned long hva, pmd_t *pmd, pmd_t value, bool *flushed,
		      bool *of_file)
{
	bool huge = vma && is_vm_hugetlb_page(vma), anon;
	spinlock_t *ptl = huge ? pmd_lockptr(mm, pmd) : pte_lockptr(mm, &value);
	int err = -EAGAIN, batch = 0;
	pte_t *pte, now;

	*flushed = false;
	*of_file = false;
	spin_lock(ptl);
	if (pmd_val(READ_ONCE(*pmd)) != pmd_val(value))
		goto out;
	pte = huge ? (pte_t *)pmd : pte_offset_kernel(&value, hva);
	now = READ_ONCE(*pte);
	/* Not there, or there for NUMA balancing: KVM's own fault sees to it. */
	if (!pte_present(now) || pte_protnone(now))
		goto out;
	anon = !pte_special(now) && pfn_valid(pte_pfn(now)) &&
	       folio_test_anon(page_folio(pte_page(now)));
	err = -ENOENT;
	if (!vma && !anon)
		goto out;
	err = 0;
	*of_file = !anon && !vma_is_anonymous(vma) && pfn_valid(pte_pfn(now));
	*flushed = pte_write(now);
	batch = fz_mm_tlb_batch(mm);
	if (*flushed) {
		ptep_set_wrprotect(mm, hva, pte);
		/* Other VMs of the process may have W; they get it anew by this entry only. */
		if (vm)
			fz_mmu_zap_beside(vm->kvm, huge ? hva & PMD_MASK : hva,
					  huge ? PMD_SIZE : PAGE_SIZE);
	} else if (vm) {
		*flushed = flush_owed(vm, mm, batch);
	}
out:
	spin_unlock(ptl);
	if (*flushed) {
		/* As inc_mm_tlb_gen(): a CPU that left the mm flushes when it comes back. */
		atomic64_inc_return(&mm->context.tlb_gen);
		on_each_cpu_mask(fz_mm_cpus(mm), flush_cpu, NULL, true);
		if (vm)
			WRITE_ONCE(vm->tlb_batch, batch);
	}
	return err;
}

/* Can writes through @vma be trapped? Note what they may escape by. */
static int look_at_vma(struct fz_vm *vm, struct vm_area_struct *vma, unsigned long hva)
{
	if ((vma->vm_flags & (VM_PFNMAP | VM_IO)) || vma_is_dax(vma) ||
	    (is_vm_hugetlb_page(vma) && !can_trap_hugetlb(vma, hva))) {
		fz_vm_miss(vm, FZ_MISS_HOST_WRITES);
		if (others_write(vma))
			fz_vm_miss(vm, FZ_MISS_SHARED);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int protect(struct fz_vm *vm, struct mm_struct *mm, unsigned long hva)
{
	struct vm_area_struct *vma = NULL;
	bool flushed = false, of_file = false;
	pmd_t *pmd, value;
	int err = -ENOENT;

	/* Most memory is anonymous, in small pages: that is seen without its vma. */
	pmd = walk(mm, hva, &value);
	if (pmd && pmd_present(value) && !pmd_leaf(value))
		err = take_write(vm, mm, NULL, hva, pmd, value, &flushed, &of_file);
	if (err == -ENOENT) {
		vma = find_vma(mm, hva);
		if (!vma || hva < vma->vm_start)
			return -EAGAIN;
		err = look_at_vma(vm, vma, hva);
		if (err)
			return err;
		/* Not mapped: KVM maps it now, and the guest comes back. */
		if (pmd_none(value) || !pmd_present(value))
			return -EAGAIN;
		if (!pmd || (pmd_leaf(value) && !is_vm_hugetlb_page(vma))) {
			/* Huge: KVM maps the region in 4 KiB from now on anyway. */
			WRITE_ONCE(vm->split_hva, hva);
			schedule_work(&vm->split);
			return -EAGAIN;
		}
		err = take_write(vm, mm, vma, hva, pmd, value, &flushed, &of_file);
	}
	if (flushed)
		fz_count(vm, host_flushes);
	if (of_file) {
		WRITE_ONCE(vm->files, true);
		if (others_write(vma))
			fz_vm_miss(vm, FZ_MISS_SHARED);
	}
	return err;
}

int fz_host_protect(struct fz_vm *vm, unsigned long hva)
{
	struct mm_struct *mm = vm->kvm->mm;
	bool files = READ_ONCE(vm->files);
	int err;

	/* The mm outlives the VM, but its tables may be on their way out. */
	if (!mmap_read_trylock(mm))
		return -EAGAIN;
	err = protect(vm, mm, hva & PAGE_MASK);
	mmap_read_unlock(mm);
	if (!files && READ_ONCE(vm->files))
		fz_sweep_kick(FZ_LOOK_MS);
	return err;
}

int fz_host_protect_own(unsigned long hva)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	bool flushed, of_file;
	pmd_t *pmd, value;
	int err = -EFAULT;

	mmap_read_lock(mm);
	vma = find_vma(mm, hva);
	pmd = walk(mm, hva, &value);
	if (vma && hva >= vma->vm_start && pmd && pmd_present(value) && !pmd_leaf(value))
		err = take_write(NULL, mm, vma, hva, pmd, value, &flushed, &of_file);
	mmap_read_unlock(mm);
	return err;
}

/* Look whether others may write to the files that @slot is made of. */
static void look_at(struct fz_vm *vm, struct mm_struct *mm,
		    const struct kvm_memory_slot *slot)
{
	unsigned long hva = slot->userspace_addr;
	unsigned long end = hva + (slot->npages << PAGE_SHIFT);
	struct vm_area_struct *vma;

	for (vma = find_vma(mm, hva); vma && vma->vm_start < end;
	     vma = find_vma(mm, vma->vm_end)) {
		if (!(vma->vm_flags & VM_SHARED) || !others_write(vma))
			continue;
		fz_vm_miss(vm, FZ_MISS_SHARED);
		if (is_vm_hugetlb_page(vma) && !can_trap_hugetlb(vma, vma->vm_start))
			fz_vm_miss(vm, FZ_MISS_HOST_WRITES);
	}
}

bool fz_host_look(struct fz_vm *vm)
{
	struct mm_struct *mm = vm->kvm->mm;
	struct kvm_memory_slot *slot;
	int bucket, idx;

	if (!READ_ONCE(vm->files) || (READ_ONCE(vm->info.not_covered) & FZ_MISS_SHARED))
		return false;
	if (!mmget_not_zero(mm))
		return false;
	idx = srcu_read_lock(&vm->kvm->srcu);
	if (mmap_read_trylock(mm)) {
		kvm_for_each_memslot(slot, bucket, __kvm_memslots(vm->kvm, 0))
			look_at(vm, mm, slot);
		mmap_read_unlock(mm);
	}
	srcu_read_unlock(&vm->kvm->srcu, idx);
	mmput_async(mm);
	return true;
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
	if (pmd && pmd_present(value) && pmd_leaf(value)) {
		/* Only hugetlb's huge entries turn writable where the trap is. */
		is = !pmd_write(value) && !pmd_protnone(value) &&
		     pmd_pfn(value) + ((hva & ~PMD_MASK) >> PAGE_SHIFT) == pfn &&
		     pfn_valid(pfn) && folio_test_hugetlb(page_folio(pfn_to_page(pfn)));
	} else if (pmd && pmd_present(value)) {
		pte = READ_ONCE(*pte_offset_kernel(&value, hva));
		is = pte_present(pte) && !pte_protnone(pte) && !pte_write(pte) &&
		     pte_pfn(pte) == pfn;
	}
	local_irq_restore(flags);
	return is;
}

bool fz_host_huge_protected(struct mm_struct *mm, unsigned long hva)
{
	unsigned long flags;
	pmd_t *pmd, value;

	local_irq_save(flags);
	pmd = walk(mm, hva, &value);
	local_irq_restore(flags);
	return pmd && pmd_present(value) && pmd_leaf(value) && !pmd_write(value);
}

bool fz_host_pfn(struct mm_struct *mm, unsigned long hva, kvm_pfn_t *pfn)
{
	unsigned long flags;
	pmd_t *pmd, value;
	bool is = false;
	pte_t pte;

	local_irq_save(flags);
	pmd = walk(mm, hva, &value);
	if (pmd_present(value) && pmd_leaf(value)) {
		/* Without a middle entry it is one of the next size. */
		*pfn = pmd_pfn(value) + ((hva & (pmd ? ~PMD_MASK : ~PUD_MASK)) >> PAGE_SHIFT);
		is = !pmd_protnone(value);
	} else if (pmd && pmd_present(value)) {
		pte = READ_ONCE(*pte_offset_kernel(&value, hva));
		*pfn = pte_pfn(pte);
		is = pte_present(pte) && !pte_protnone(pte);
	}
	local_irq_restore(flags);
	return is;
}

/* How many references to the folio nothing but I/O explains. */
static int unexplained(struct folio *folio)
{
	/* Count these first: what comes meanwhile is in the other count only. */
	int refs = folio_ref_count(folio);
	int known = fz_folio_mapcount(folio) + 1;	/* and KVM's, in this fault */

	if (folio_test_anon(folio))
		known += folio_test_swapcache(folio) ? folio_nr_pages(folio) : 0;
	else if (READ_ONCE(folio->mapping))
		known += fz_folio_cache_refs(folio) + folio_test_private(folio);
	/* On no LRU list: in a batch, or with who took it off. */
	if (!folio_test_hugetlb(folio) && !folio_test_lru(folio))
		known++;
	return max(refs - known, 0);
}

/* A CPU's batch of pages for another LRU list takes references as well. */
static void drain(struct work_struct *work)
{
	fz_drain_lru_batches();
}

static DEFINE_PER_CPU(struct work_struct, drains);

static void drain_all(struct irq_work *work)
{
	int cpu;

	for_each_online_cpu(cpu)
		queue_work_on(cpu, FZ_PERCPU_WQ, per_cpu_ptr(&drains, cpu));
}

static DEFINE_IRQ_WORK(start_drains, drain_all);

enum fz_flight fz_host_in_flight(kvm_pfn_t pfn)
{
	struct folio *folio;

	if (!pfn_valid(pfn) || PageReserved(pfn_to_page(pfn)))
		return FZ_LANDED;
	folio = page_folio(pfn_to_page(pfn));
	if (folio_maybe_dma_pinned(folio))
		return FZ_DMA;
	if (!unexplained(folio))
		return FZ_LANDED;
	fz_drain_lru_batches();
	if (!unexplained(folio))
		return FZ_LANDED;
	/* The other CPUs' too, which takes a moment: the vCPU comes back. */
	irq_work_queue(&start_drains);
	return FZ_HELD;
}

void fz_host_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		INIT_WORK(per_cpu_ptr(&drains, cpu), drain);
}

void fz_host_exit(void)
{
	int cpu;

	irq_work_sync(&start_drains);
	for_each_possible_cpu(cpu)
		flush_work(per_cpu_ptr(&drains, cpu));
}

void fz_host_fault(struct vm_area_struct *vma, unsigned long hva, const pte_t *pte,
		   pte_t next, bool set)
{
	const struct fz_event_at at = { .gfn = FZ_NO_GFN };
	struct fz_region *region;
	struct fz_vm *vm;

	/* Called under the entry's lock: it turns writable only after this. */
	if (!set || !pte_write(next) || pte_write(READ_ONCE(*pte)))
		return;
	fz_vm_for_each_mm(vm, vma->vm_mm) {
		region = fz_frames_region(&vm->frames, hva);
		if (!region)
			continue;
		if (is_vm_hugetlb_page(vma))
			fz_fault_host_write_region(vm, region);
		else
			fz_fault_step(vm, region, hva & PAGE_MASK, FZ_HOST_WRITE, &at, 0);
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
