// SPDX-License-Identifier: GPL-2.0-only
/*
 * sweep.c - what is put off: revoked frames, lost records, huge pages
 *
 * One delayed work for all VMs. It runs only while there is something to do.
 */
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/workqueue.h>
#include "compat/kvm.h"
#include "fault.h"
#include "host.h"
#include "mmu.h"
#include "rings.h"
#include "sweep.h"
#include "vm.h"

#define ROOM_MS		20	/* how often to look for room in the rings */

static struct workqueue_struct *wq;

static bool older(const struct fz_frame *frame, unsigned int ms)
{
	return (u32)jiffies - READ_ONCE(frame->stamp) >= msecs_to_jiffies(ms);
}

/* Take X from the mixed frames whose time is up. Return true if any are left. */
static bool revoke_mixed(struct fz_vm *vm, struct fz_region *region)
{
	struct fz_frame *frame;
	unsigned long hva;
	bool left = false;
	unsigned int i;

	xa_clear_mark(&vm->frames.regions, region->key, FZ_MARK_MIXED);
	fz_for_each_frame(region, frame, hva, i) {
		if (READ_ONCE(frame->state) != FZ_MIXED)
			continue;
		if (older(frame, fz_mixed_ms)) {
			const struct fz_event_at at = { .gfn = fz_vm_gfn(vm, hva) };

			fz_fault_step(vm, region, hva, FZ_REVOKE, &at, 0);
		} else {
			left = true;
		}
	}
	if (left)
		xa_set_mark(&vm->frames.regions, region->key, FZ_MARK_MIXED);
	return left;
}

/* Take X from up to *@room frames that were not logged, so that they will be. */
static bool relog(struct fz_vm *vm, struct fz_region *region, u64 *room)
{
	struct fz_event_at at = {};
	struct fz_frame *frame;
	unsigned long hva;
	bool left = false;
	unsigned int i;

	xa_clear_mark(&vm->frames.regions, region->key, FZ_MARK_UNLOGGED);
	fz_for_each_frame(region, frame, hva, i) {
		/* A flag that has just changed costs a fetch more, no record. */
		if (!(data_race(frame->flags) & FZ_F_UNLOGGED))
			continue;
		if (!*room) {
			left = true;
			continue;
		}
		at.gfn = fz_vm_gfn(vm, hva);
		if (fz_fault_step(vm, region, hva, FZ_REVOKE, &at, FZ_F_LATE))
			--*room;
	}
	if (left)
		xa_set_mark(&vm->frames.regions, region->key, FZ_MARK_UNLOGGED);
	return left;
}

/* KVM wrote to frames in contexts where nothing could be done about it. */
static void revoke_suspects(struct fz_vm *vm, struct fz_region *region)
{
	struct fz_frame *frame;
	unsigned long hva;
	unsigned int i;

	fz_for_each_frame(region, frame, hva, i) {
		const struct fz_event_at at = { .gfn = FZ_NO_GFN };

		if (!READ_ONCE(frame->suspect))
			continue;
		WRITE_ONCE(frame->suspect, 0);
		fz_fault_step(vm, region, hva, FZ_HOST_WRITE, &at, 0);
	}
}

/* Let a region without live frames come back as one huge entry. */
static bool merge(struct fz_vm *vm, struct fz_region *region)
{
	struct fz_frame *frame;
	unsigned long hva;
	unsigned int i;

	fz_for_each_frame(region, frame, hva, i) {
		/* A held vCPU comes back; its time runs from when the frame was PINNED. */
		if (READ_ONCE(frame->state) == FZ_PINNED && older(frame, FZ_QUIET_MS) &&
		    !(READ_ONCE(frame->flags) & FZ_F_HELD))
			fz_fault_step(vm, region, hva, FZ_REVOKE, NULL, 0);
		if (READ_ONCE(frame->state) != FZ_NONE && !older(frame, FZ_QUIET_MS))
			return true;
	}
	xa_clear_mark(&vm->frames.regions, region->key, FZ_MARK_SPLIT);
	if (!READ_ONCE(region->live))
		fz_mmu_zap(vm->kvm, region->key << FZ_REGION_SHIFT, FZ_REGION_SIZE, false);
	return false;
}

/* Sweep a pinned VM; return in how many milliseconds to come back, or 0. */
static unsigned int sweep_vm(struct fz_vm *vm)
{
	struct xarray *regions = &vm->frames.regions;
	struct fz_region *region;
	unsigned int again = 0;
	unsigned long key;
	u64 room;

	/* Cleared before the look, with a barrier: what is marked meanwhile stays so. */
	if (READ_ONCE(vm->recheck) && xchg(&vm->recheck, false)) {
		u32 refused = fz_kvm_refusals(vm->kvm);

		if (refused) {
			fz_vm_uncovered(vm->kvm, refused);
			return 0;
		}
	}
	if (fz_host_look(vm))
		again = FZ_LOOK_MS;
	if (READ_ONCE(vm->suspect) && xchg(&vm->suspect, false)) {
		xa_for_each(regions, key, region)
			revoke_suspects(vm, region);
	}
	xa_for_each_marked(regions, key, region, FZ_MARK_SPLIT) {
		if (merge(vm, region))
			again = FZ_QUIET_MS;
		cond_resched();
	}
	if (xa_marked(regions, FZ_MARK_UNLOGGED)) {
		/* Leave half of it to what happens now. */
		room = fz_rings_room() / 2;
		xa_for_each_marked(regions, key, region, FZ_MARK_UNLOGGED)
			if (relog(vm, region, &room))
				again = ROOM_MS;
	}
	xa_for_each_marked(regions, key, region, FZ_MARK_MIXED)
		if (revoke_mixed(vm, region))
			again = max(fz_mixed_ms, 1U);
	return again;
}

static void sweep(struct work_struct *work)
{
	struct fz_vm *vm = NULL;
	unsigned int next = 0, ms;

	fz_rings_flush_lost();
	while ((vm = fz_vm_next(vm))) {
		if (!fz_vm_pin(vm))
			continue;
		ms = sweep_vm(vm);
		fz_vm_unpin(vm);
		if (ms && (!next || ms < next))
			next = ms;
	}
	if (next)
		fz_sweep_kick(next);
}

static DECLARE_DELAYED_WORK(sweep_work, sweep);

void fz_sweep_kick(unsigned int ms)
{
	/*
	 * Sooner wins: a pending work that is later is brought forward. If its timer
	 * is set by another CPU meanwhile, either of two times may win.
	 */
	if (!queue_delayed_work(wq, &sweep_work, msecs_to_jiffies(ms)) &&
	    /* Another CPU may be setting it. */
	    time_after(data_race(sweep_work.timer.expires), jiffies + msecs_to_jiffies(ms)))
		mod_delayed_work(wq, &sweep_work, msecs_to_jiffies(ms));
}

static void kick(struct irq_work *work)
{
	fz_sweep_kick(0);
}

static DEFINE_IRQ_WORK(kick_work, kick);

void fz_sweep_kick_irq(void)
{
	irq_work_queue(&kick_work);
}

int fz_sweep_init(void)
{
	wq = alloc_workqueue("fitzroy", WQ_UNBOUND | WQ_HIGHPRI, 1);
	return wq ? 0 : -ENOMEM;
}

void fz_sweep_exit(void)
{
	irq_work_sync(&kick_work);
	cancel_delayed_work_sync(&sweep_work);
	destroy_workqueue(wq);
}
