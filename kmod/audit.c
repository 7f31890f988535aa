// SPDX-License-Identifier: GPL-2.0-only
/*
 * audit.c - walk KVM's tables and hold every leaf against its frame's state
 *
 * With mmu_lock held no zap can run, so a frame that is not busy has exactly the
 * entries that its state allows. What a busy frame still has is about to go, and
 * so has one that KVM is dropping for the host: KVM lets go of the lock meanwhile.
 *
 * mmu_lock is let go of again and again: between windows of a slot, and between
 * buckets of the other MMU's hash of shadow pages, where a page stays for its life.
 */
#include <linux/mem_encrypt.h>
#include "capture.h"
#include "compat/kvm.h"
#include "mmu.h"

#define WINDOW		(1UL << 16)	/* frames (256 MiB) per hold of mmu_lock */
#define SHADOW_PAGES	64		/* of the other MMU, the same */

struct walk {
	struct fz_vm *vm;
	struct fz_audit *audit;
	struct fz_audit_found *found;
	u32 max;
	const struct kvm_memory_slot *slot;
	gfn_t start, end;		/* of the window */
};

/* Has [hva, hva + size) a live frame whose entries have settled? */
static bool settled_live(struct fz_vm *vm, unsigned long hva, unsigned long size)
{
	unsigned long key, at, last = hva + size - 1;
	struct fz_region *region;
	struct fz_frame *frame;
	bool found = false;
	unsigned int i;

	xa_for_each_range(&vm->frames.regions, key, region, hva >> FZ_REGION_SHIFT,
			  last >> FZ_REGION_SHIFT) {
		if (found)
			break;
		/* State and flags change together, under the lock. */
		spin_lock(&region->lock);
		fz_for_each_frame(region, frame, at, i)
			if (at >= hva && at <= last && fz_wx_live(frame->state) &&
			    !(frame->flags & FZ_F_BUSY))
				found = true;
		spin_unlock(&region->lock);
	}
	return found;
}

/* What of X and W does the entry have that it must not have? *@state: of its frame. */
static unsigned int excess(struct walk *w, gfn_t gfn, int level, unsigned int has,
			   u32 *state)
{
	unsigned long hva = fz_slot_hva(w->slot, gfn);
	struct fz_region *region;
	struct fz_frame *frame;
	unsigned int bad;

	if (level > PG_LEVEL_4K) {
		bad = has & FZ_ACC_EXEC;
		if (has && settled_live(w->vm, hva, KVM_HPAGE_SIZE(level))) {
			bad |= has & FZ_ACC_WRITE;
			*state = FZ_EXEC;
		}
		return bad;
	}
	region = fz_frames_region(&w->vm->frames, hva);
	frame = region ? fz_region_frame(region, hva) : NULL;
	if (!frame)
		return has & fz_wx_denied(FZ_NONE);

	spin_lock(&region->lock);
	bad = frame->flags & FZ_F_BUSY ? 0 : has & fz_wx_denied(frame->state);
	if (frame->state == FZ_DIRTY && fz_kvm_invalidates(w->vm->kvm, hva, gfn))
		bad &= ~FZ_ACC_EXEC;
	*state = frame->state;
	spin_unlock(&region->lock);
	return bad;
}

static void leaf(struct walk *w, gfn_t gfn, int level, u64 spte)
{
	unsigned int has = (fz_spte_exec(spte) ? FZ_ACC_EXEC : 0) |
			   (spte & FZ_SPTE_WRITABLE ? FZ_ACC_WRITE : 0);
	struct fz_audit_event event = { .spte = spte, .level = level, .state = FZ_NONE };
	const struct fz_event_at at = { .gfn = gfn };

	if (level == PG_LEVEL_4K)
		w->audit->leaves_4k++;
	else if (level == PG_LEVEL_2M)
		w->audit->leaves_2m++;
	else
		w->audit->leaves_1g++;
	w->audit->exec += !!(has & FZ_ACC_EXEC);

	if (!excess(w, gfn, level, has, &event.state))
		return;
	/* Set before the hooks look away, read after the entry: KVM makes what it likes. */
	if (READ_ONCE(w->vm->leaves))
		return;
	if (w->audit->found_max < w->max)
		w->found[w->audit->found_max++] = (struct fz_audit_found) {
			.gfn = gfn, .spte = spte, .level = level, .state = event.state };
	w->audit->violations++;
	fz_count(w->vm, violations);
	fz_log(w->vm, FZ_REC_AUDIT, &at, &event, sizeof(event));
	pr_err_ratelimited("fitzroy: audit: VM %llu gfn 0x%llx level %d: entry 0x%llx is not allowed\n",
			   w->vm->info.id, gfn, level, spte);
}

static void table(struct walk *w, u64 *spt, int level, gfn_t base)
{
	u64 span = KVM_PAGES_PER_HPAGE(level);
	int i;

	for (i = 0; i < PTRS_PER_PTE; i++, base += span) {
		u64 spte = READ_ONCE(spt[i]);

		if (base + span <= w->start || base >= w->end ||
		    !(spte & FZ_SPTE_MMU_PRESENT))
			continue;
		if (level == PG_LEVEL_4K || (spte & FZ_SPTE_LARGE)) {
			/* A large one belongs to the window that it begins in. */
			if (base >= w->start)
				leaf(w, base, level, spte);
		} else {
			table(w, __va(__sme_clr(spte & FZ_SPTE_PFN_MASK)), level - 1, base);
		}
	}
}

/* The two-dimensional tables of the slot's address space, a window at a time. */
static void audit_slot(struct walk *w, int as_id)
{
	struct kvm *kvm = w->vm->kvm;
	gfn_t end = w->slot->base_gfn + w->slot->npages;
	struct list_head *link;

	for (w->start = w->slot->base_gfn; w->start < end; w->start = w->end) {
		w->end = min(end, (w->start | (WINDOW - 1)) + 1);
		read_lock(&kvm->mmu_lock);
		rcu_read_lock();
		/* With tdp_mmu=0 KVM leaves the list's head zero. */
		for (link = READ_ONCE(kvm->arch.tdp_mmu_roots.next);
		     link && link != &kvm->arch.tdp_mmu_roots; link = READ_ONCE(link->next)) {
			struct kvm_mmu_page *sp = fz_sp_of_link(link);

			if (fz_sp_role(sp).smm == as_id)
				table(w, fz_sp_spt(sp), fz_sp_level(sp), 0);
		}
		rcu_read_unlock();
		read_unlock(&kvm->mmu_lock);
		cond_resched();
	}
}

/* One page of the other MMU: nested guests, and all of it with tdp_mmu=0. */
static void shadow_page(struct walk *w, struct kvm_mmu_page *sp)
{
	union kvm_mmu_page_role role = fz_sp_role(sp);
	struct kvm_memslots *slots = __kvm_memslots(w->vm->kvm, role.smm);
	u64 *spt = fz_sp_spt(sp);
	gfn_t gfn;
	int i;

	for (i = 0; i < PTRS_PER_PTE; i++) {
		u64 spte = READ_ONCE(spt[i]);

		if (!(spte & FZ_SPTE_MMU_PRESENT) ||
		    (role.level > PG_LEVEL_4K && !(spte & FZ_SPTE_LARGE)))
			continue;
		gfn = role.direct || !fz_sp_translation(sp) ?
			fz_sp_gfn(sp) + i * KVM_PAGES_PER_HPAGE(role.level) :
			fz_sp_translation(sp)[i] >> PAGE_SHIFT;
		w->slot = __gfn_to_memslot(slots, gfn);
		if (w->slot)
			leaf(w, gfn, role.level, spte);
	}
}

/* From bucket @i on, as many as one hold of the lock allows. Return the next one. */
static int audit_shadow(struct walk *w, int i)
{
	struct kvm *kvm = w->vm->kvm;
	struct hlist_head *bucket;
	struct hlist_node *link;
	unsigned int pages = 0;

	write_lock(&kvm->mmu_lock);
	do {
		bucket = fz_sp_bucket(kvm, i);
		for (link = bucket ? bucket->first : NULL; link; link = link->next) {
			struct kvm_mmu_page *sp = fz_sp_of_hash_link(link);

			if (!fz_sp_tdp(sp))
				shadow_page(w, sp);
			pages++;
		}
		i++;
	} while (i < FZ_NUM_MMU_PAGES && pages < SHADOW_PAGES && !need_resched() &&
		 !rwlock_needbreak(&kvm->mmu_lock));
	write_unlock(&kvm->mmu_lock);
	return i;
}

int fz_mmu_audit(struct fz_vm *vm, struct fz_audit *audit,
		 struct fz_audit_found *found, u32 max)
{
	struct kvm *kvm = vm->kvm;
	struct walk w = { .vm = vm, .audit = audit, .found = found, .max = max };
	struct kvm_memory_slot *slot;
	int as_id, bucket, idx, i;

	audit->leaves_4k = 0;
	audit->leaves_2m = 0;
	audit->leaves_1g = 0;
	audit->exec = 0;
	audit->violations = 0;
	audit->found_max = 0;
	/* Entries from before the watch are not the guest's doing, nor ours. */
	if (!READ_ONCE(vm->armed))
		return -ENOENT;
	idx = srcu_read_lock(&kvm->srcu);
	for (as_id = 0; as_id < ARRAY_SIZE(kvm->memslots); as_id++) {
		kvm_for_each_memslot(slot, bucket, __kvm_memslots(kvm, as_id)) {
			w.slot = slot;
			audit_slot(&w, as_id);
		}
	}
	for (i = 0; i < FZ_NUM_MMU_PAGES; cond_resched())
		i = audit_shadow(&w, i);
	srcu_read_unlock(&kvm->srcu, idx);
	return READ_ONCE(vm->leaves) ? -ENOENT : 0;
}
