// SPDX-License-Identifier: GPL-2.0-only
/*
 * verify.c - look again: at what may execute, and at the page tables
 *
 * The second line against writes that nobody saw. A worker goes round the
 * executable frames of all VMs and compares each with the digest of its capture.
 *
 * No DRIFT is false. Whoever is seen to write makes the frame leave EXEC first,
 * under its region's lock, and so does whoever maps another page. So what is read
 * from a frame that is EXEC and not busy, under that lock, can execute. But of a VM
 * that is let go nobody is seen any more; that it goes is told (vm->leaves) before
 * the hooks look away.
 */
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>
#include <linux/xxhash.h>
#include "capture.h"
#include "compat/kvm.h"
#include "fault.h"
#include "host.h"
#include "mmu.h"
#include "verify.h"
#include "vm.h"

#define TICK_MS		100U	/* a step of the round */

unsigned int fz_verify_ms = 10000;
unsigned int fz_verify_pages = 20000;
unsigned int fz_audit_ms;

static struct workqueue_struct *wq;
static bool ready;		/* parameters may kick; under the module's parameter lock */

/* Where the round stands. The worker's own. */
static struct {
	bool running;
	u64 began;		/* ns */
	u64 took;		/* the last one, ns */
	unsigned int budget;	/* frames in a step */
	u64 vm;			/* id */
	unsigned long key;	/* region */
	unsigned int index;	/* frame in it */
	u64 region_began;
	bool whole;		/* every executable frame of the region was compared */
} pass;

static u64 digest(struct page *page)
{
	void *from = kmap_local_page(page);
	u64 hash = xxh64(from, PAGE_SIZE, 0);

	kunmap_local(from);
	return hash;
}

/* Is it executable as captured, as far as is known? Must hold the region's lock. */
static bool comparable(const struct fz_frame *frame)
{
	return frame->state == FZ_EXEC && !READ_ONCE(frame->suspect) &&
	       !(frame->flags & (FZ_F_BUSY | FZ_F_UNLOGGED));
}

/* For how long, at most, may other content than the captured have executed? */
static u64 unseen(const struct fz_region *region, const struct fz_frame *frame)
{
	u64 since = ktime_get_ns() - region->checked;
	u32 age = (u32)jiffies - frame->stamp + 1;

	/* The stamp wraps; it counts where it can't have. */
	if (since < jiffies64_to_nsecs(S32_MAX))
		since = min(since, jiffies64_to_nsecs(age));
	return since;
}

static void log_drift(struct fz_vm *vm, struct fz_region *region,
		      const struct fz_frame *frame, kvm_pfn_t pfn, u64 gfn)
{
	const struct fz_event_at at = { .gfn = gfn };
	struct fz_rec head = {
		.type = FZ_REC_DRIFT,
		.u.drift = { .captured = frame->hash, .unseen_ns = unseen(region, frame) },
	};

	fz_count(vm, drifts);
	fz_capture(vm, &head, &at, pfn, 0);
	pr_warn_ratelimited("fitzroy: VM %llu: executable frame 0x%llx was changed unseen\n",
			    vm->info.id, gfn);
}

/*
 * Compare one frame. While it is EXEC, and its region locked, its page stays: whoever
 * takes it away makes the frame leave EXEC first. False: it can't be looked at.
 */
static bool compare(struct fz_vm *vm, struct fz_region *region, struct fz_frame *frame,
		    unsigned long hva)
{
	bool drifted = false, looked = true;
	kvm_pfn_t pfn;

	spin_lock(&region->lock);
	/* Else it is captured anew before it executes, or has no digest. */
	if (comparable(frame)) {
		looked = fz_host_pfn(vm->kvm->mm, hva, &pfn) && pfn_valid(pfn);
		drifted = looked && digest(pfn_to_page(pfn)) != frame->hash &&
			  !READ_ONCE(vm->leaves) && !fz_kvm_refusals(vm->kvm);
		if (looked)
			fz_count(vm, verified);
		if (drifted)
			log_drift(vm, region, frame, pfn, fz_vm_gfn(vm, hva));
	}
	spin_unlock(&region->lock);
	if (drifted)
		fz_fault_step(vm, region, hva, FZ_REVOKE, NULL, 0);
	return looked;
}

/* From pass.index on. False if the step is over before the region is. */
static bool verify_region(struct fz_vm *vm, struct fz_region *region, unsigned int *left)
{
	struct fz_frame *frame;
	unsigned long hva;

	if (!pass.index) {
		pass.region_began = ktime_get_ns();
		pass.whole = true;
	}
	/* From where the last step ended: no fz_for_each_frame(), which would begin anew. */
	for (; (frame = fz_region_next(region, &pass.index, &hva)); pass.index++) {
		if (READ_ONCE(frame->state) != FZ_EXEC)
			continue;
		if (!*left)
			return false;
		--*left;
		if (!compare(vm, region, frame, hva))
			pass.whole = false;
	}
	if (pass.whole)
		region->checked = pass.region_began;
	return true;
}

/* From pass.key on. False if the step is over before the VM is. */
static bool verify_vm(struct fz_vm *vm, unsigned int *left)
{
	struct mm_struct *mm = vm->kvm->mm;
	struct fz_region *region;
	unsigned long key;
	bool done = true;

	/* Its memory goes all at once, told to nobody, and so will it. */
	if (!mmget_not_zero(mm))
		return true;
	xa_for_each_start(&vm->frames.regions, key, region, pass.key) {
		if (key != pass.key)
			pass.index = 0;
		pass.key = key;
		if (READ_ONCE(region->exec)) {
			done = verify_region(vm, region, left);
			if (!done)
				break;
		}
		pass.key = key + 1;
		pass.index = 0;
		cond_resched();
	}
	mmput(mm);
	return done;
}

/* Spread the frames that there are over the period, within the cap. */
static void begin(unsigned int period, unsigned int tick)
{
	u64 known, exec, total = 0, cap = (u64)fz_verify_pages * tick / MSEC_PER_SEC;
	struct fz_vm *vm = NULL;

	while ((vm = fz_vm_next(vm))) {
		fz_frames_count(&vm->frames, &known, &exec);
		total += exec;
	}
	pass.budget = clamp(div_u64(total * tick, period) + 1, 1ULL, max(cap, 1ULL));
	pass.began = ktime_get_ns();
	pass.vm = 0;
	pass.running = true;
}

/* One step. Return in how many milliseconds to come back, 0 = there is no VM. */
static unsigned int step(unsigned int period)
{
	unsigned int tick = min(period, TICK_MS), left, past;
	struct fz_vm *vm = NULL;
	bool any = false;

	if (!pass.running)
		begin(period, tick);
	left = pass.budget;
	while ((vm = fz_vm_next(vm))) {
		bool done = true;

		any = true;
		if (vm->info.id < pass.vm)
			continue;
		if (vm->info.id > pass.vm) {
			pass.vm = vm->info.id;
			pass.key = 0;
			pass.index = 0;
		}
		if (fz_vm_pin(vm)) {
			done = verify_vm(vm, &left);
			fz_vm_unpin(vm);
		}
		if (!done) {
			fz_vm_put(vm);
			return tick;
		}
		pass.vm++;
		pass.key = 0;
		pass.index = 0;
	}
	pass.running = false;
	WRITE_ONCE(pass.took, ktime_get_ns() - pass.began);
	past = min_t(u64, div_u64(pass.took, NSEC_PER_MSEC), period);
	return any ? max(period - past, 1U) : 0;
}

static void verify(struct work_struct *work)
{
	unsigned int period = READ_ONCE(fz_verify_ms);
	unsigned int ms = period ? step(period) : 0;

	if (ms)
		queue_delayed_work(wq, to_delayed_work(work), msecs_to_jiffies(ms));
}

static DECLARE_DELAYED_WORK(verify_work, verify);

static void audit(struct work_struct *work)
{
	unsigned int period = READ_ONCE(fz_audit_ms);
	struct fz_vm *vm = NULL;
	bool any = false;

	while (period && (vm = fz_vm_next(vm))) {
		struct fz_audit result = { .id = vm->info.id };

		any = true;
		if (!fz_vm_pin(vm))
			continue;
		/* What it finds it logs, counts and says in the kernel log. */
		fz_mmu_audit(vm, &result, NULL, 0);
		fz_vm_unpin(vm);
	}
	if (any)
		queue_delayed_work(wq, to_delayed_work(work), msecs_to_jiffies(period));
}

static DECLARE_DELAYED_WORK(audit_work, audit);

static void kick(struct delayed_work *work, unsigned int ms)
{
	/* One that waits for longer than it now should is brought forward. */
	if (ms && !queue_delayed_work(wq, work, msecs_to_jiffies(ms)) &&
	    /* Another CPU may be setting it. */
	    time_after(data_race(work->timer.expires), jiffies + msecs_to_jiffies(ms)))
		mod_delayed_work(wq, work, msecs_to_jiffies(ms));
}

void fz_verify_kick(void)
{
	kick(&verify_work, min(READ_ONCE(fz_verify_ms), TICK_MS));
	kick(&audit_work, READ_ONCE(fz_audit_ms));
}

static int set_param(const char *value, const struct kernel_param *kp)
{
	int err = param_set_uint(value, kp);

	if (!err && ready)
		fz_verify_kick();
	return err;
}

const struct kernel_param_ops fz_verify_ops = {
	.set = set_param,
	.get = param_get_uint,
};

void fz_verify_info(struct fz_info *info)
{
	info->verify_ns = READ_ONCE(fz_verify_ms) * (u64)NSEC_PER_MSEC;
	info->verify_pass_ns = READ_ONCE(pass.took);
	info->audit_ns = READ_ONCE(fz_audit_ms) * (u64)NSEC_PER_MSEC;
	info->verify_pages = READ_ONCE(fz_verify_pages);
}

int fz_verify_init(void)
{
	/* Not the sweep's: what is put off there must not wait for this. */
	wq = alloc_workqueue("fitzroy_verify", WQ_UNBOUND, 2);
	if (!wq)
		return -ENOMEM;
	kernel_param_lock(THIS_MODULE);
	ready = true;
	kernel_param_unlock(THIS_MODULE);
	return 0;
}

void fz_verify_exit(void)
{
	/* No VM is left, and parameters do nothing from now on. */
	kernel_param_lock(THIS_MODULE);
	ready = false;
	kernel_param_unlock(THIS_MODULE);
	cancel_delayed_work_sync(&verify_work);
	cancel_delayed_work_sync(&audit_work);
	destroy_workqueue(wq);
}
