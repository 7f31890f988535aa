// SPDX-License-Identifier: GPL-2.0-only
/*
 * capture.c - from an event to a record
 *
 * The page is copied into the ring and the copy is digested there: the digest
 * and the snapshot cannot disagree, and nothing is copied twice.
 */
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/xxhash.h>
#include "capture.h"
#include "compat/kvm.h"
#include "rings.h"

static void fill(struct fz_rec *rec, struct fz_vm *vm, enum fz_rec_type type,
		 const struct fz_event_at *at)
{
	struct fz_regs regs;

	rec->type = type;
	if (vm)
		rec->vm = vm->info.id;
	if (!at)
		return;
	rec->gfn = at->gfn;
	rec->as_id = at->as_id;
	if (!at->vcpu)
		return;
	fz_regs_read(at->vcpu, &regs);
	rec->vcpu = at->vcpu->vcpu_id;
	rec->rip = regs.rip;
	rec->cr3 = regs.cr3;
	rec->mode = regs.mode;
	rec->cpl = regs.cpl;
	rec->as_id = !!(regs.mode & FZ_MODE_SMM);
	if (regs.mode & FZ_MODE_GUEST)
		rec->flags |= FZ_RECF_NESTED;
}

bool fz_capture_room(void)
{
	return fz_ring_room(fz_rings_this(), FZ_REC_PAGE_BYTES);
}

int fz_capture(struct fz_vm *vm, struct fz_rec *head, const struct fz_event_at *at,
	       kvm_pfn_t pfn, unsigned int lose)
{
	bool page = pfn_valid(pfn);
	struct fz_ring *ring = fz_rings_this();
	struct fz_rec *rec;
	void *from;

	fz_ring_begin(ring);
	head->hash = 0;
	head->time = ktime_get_ns();
	rec = fz_ring_reserve(ring, page ? FZ_REC_PAGE_BYTES : sizeof(*rec),
			      head->time, lose);
	if (!rec) {
		fz_ring_end(ring);
		fz_count(vm, lost);
		return -ENOSPC;
	}
	rec->flags = head->flags;
	rec->u = head->u;
	fill(rec, vm, head->type, at);
	if (page) {
		from = kmap_local_page(pfn_to_page(pfn));
		memcpy(rec + 1, from, FZ_PAGE_SIZE);
		kunmap_local(from);
		rec->hash = xxh64(rec + 1, FZ_PAGE_SIZE, 0);
		rec->flags |= FZ_RECF_PAGE;
	}
	head->hash = rec->hash;
	fz_ring_commit(ring, rec);
	fz_ring_end(ring);
	fz_rings_wake();
	return page ? 0 : -EFAULT;
}

bool fz_log(struct fz_vm *vm, enum fz_rec_type type, const struct fz_event_at *at,
	    const void *detail, size_t size)
{
	struct fz_ring *ring;
	struct fz_rec *rec;
	bool logged;

	preempt_disable();
	ring = fz_rings_this();
	fz_ring_begin(ring);
	rec = fz_ring_reserve(ring, sizeof(*rec), ktime_get_ns(), 0);
	logged = rec;
	if (rec) {
		fill(rec, vm, type, at);
		if (detail)
			memcpy(&rec->u, detail, min(size, sizeof(rec->u)));
		fz_ring_commit(ring, rec);
	} else if (vm) {
		fz_count(vm, lost);
	}
	fz_ring_end(ring);
	preempt_enable();
	fz_rings_wake();
	return logged;
}
