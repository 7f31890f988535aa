// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault.c - one guest fault, from fetch to grant
 *
 * A guest fetches from a frame whose entry has no X. The CPU exits, and KVM's
 * slow path passes three places where FitzRoy has a say:
 *
 *   fz_fault_enter	no lock: the frame becomes PINNED, and every entry that
 *			maps it is dropped and flushed; the page size is chosen
 *   fz_fault_map	a fetch, mmu_lock held: still PINNED, so nobody in the guest can
 *			write it: copy, digest, log; the frame becomes EXEC
 *   fz_fault_entry	the entry is built: X, and not W
 *
 * A later write comes the same way: EXEC, PINNED, drop and flush, DIRTY, and an
 * entry with W and not X. Documentation/wx-states.rst argues why this is sound;
 * Documentation/locking.rst draws the races.
 *
 * KVM builds each entry and installs it under mmu_lock, and fz_mmu_zap() takes
 * mmu_lock for write. So an entry built on the state before a change is dropped
 * by the zap that follows the change, and a later one is built on the new state.
 */
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include "capture.h"
#include "compat/kvm.h"
#include "fault.h"
#include "host.h"
#include "inject.h"
#include "mmu.h"
#include "sweep.h"

/* How long a vCPU comes back for I/O in flight to end */
#define FZ_IO_MS	10

unsigned int fz_mixed_ms = 10;
unsigned int fz_held_ms = 50;
unsigned int fz_hold_ms = 100;
unsigned int fz_flip_cap = 10000;
bool fz_lossless;

/*
 * Name the instruction that wrote: an instruction that is then fetched from the
 * frame it wrote can only go on if the frame has W and X at once.
 */
static u32 writer_tag(struct kvm_vcpu *vcpu)
{
	struct fz_regs regs;

	fz_regs_read(vcpu, &regs);
	return hash_64(regs.rip ^ (regs.cr3 << 8) ^ ((u64)vcpu->vcpu_id << 56), 32) | 1;
}

/* Does the frame flip between W and X more often than the cap allows? */
static bool flips_too_often(struct fz_frame *frame)
{
	u16 second = jiffies / HZ;

	if (frame->second != second) {
		frame->second = second;
		frame->flips = 0;
	}
	if (frame->flips < U16_MAX)
		frame->flips++;
	return frame->flips > fz_flip_cap;
}

/* Does the guest get on only if this frame, written and now fetched, has W and X? */
static bool needs_both(struct fz_frame *frame, struct kvm_vcpu *vcpu)
{
	return frame->writer == writer_tag(vcpu) || flips_too_often(frame);
}

static void set_state(struct fz_vm *vm, struct fz_region *region,
		      struct fz_frame *frame, enum fz_state state)
{
	bool was_live = region->live;

	fz_region_set(region, frame, state);
	if (state == FZ_MIXED)
		xa_set_mark(&vm->frames.regions, region->key, FZ_MARK_MIXED);
	if (was_live && !region->live)
		xa_set_mark(&vm->frames.regions, region->key, FZ_MARK_SPLIT);
}

static void log_mixed_end(struct fz_vm *vm, const struct fz_frame *frame,
			  const struct fz_event_at *at)
{
	const struct fz_mixed_end end = {
		.since = frame->hash,
		.ns = ktime_get_ns() - frame->hash,
	};

	this_cpu_add(vm->stats->mixed_ns, end.ns);
	fz_log(vm, FZ_REC_MIXED_END, at, &end, sizeof(end));
}

static void log_step(struct fz_vm *vm, const struct fz_frame *frame,
		     const struct fz_step *step, const struct fz_event_at *at)
{
	if (!step->record)
		return;
	if (step->record == FZ_REC_MIXED_END)
		log_mixed_end(vm, frame, at);
	else if (!fz_log(vm, step->record, at, NULL, 0))
		return;
	else if (step->record == FZ_REC_WRITE)
		fz_count(vm, writes);
	else
		fz_count(vm, changed);
}

/*
 * The host is about to write and the frame does not run, but may somebody still be
 * dropping its X? Another step, if it is busy; or KVM itself, which holds mmu_lock,
 * or will take it again: the frame was DIRTY before its entries were gone. Must
 * hold region->lock, as who made it DIRTY did.
 */
static bool x_may_linger(struct fz_vm *vm, const struct fz_frame *frame)
{
	return (frame->flags & FZ_F_BUSY) ||
	       (frame->state == FZ_DIRTY && READ_ONCE(vm->kvm->mmu_invalidate_in_progress));
}

/* Drop what maps the frame, which is busy. */
static void drop_entries(struct fz_vm *vm, unsigned long hva, enum fz_event event)
{
	/* Often the guest never touched what it now fetches: the VMM read it from a disk. */
	if (event == FZ_FETCH && !fz_mmu_mapped(vm->kvm, hva))
		return;
	if (fz_inject(FZ_INJECT_ZAP))
		return;
	fz_mmu_zap(vm->kvm, hva, PAGE_SIZE, false);
	fz_count(vm, zaps);
}

bool fz_fault_step(struct fz_vm *vm, struct fz_region *region, unsigned long hva,
		   enum fz_event event, const struct fz_event_at *at, u16 flags)
{
	const struct fz_step *step;
	struct fz_frame *frame;
	enum fz_state was, next;
	bool quiet, linger;

	spin_lock(&region->lock);
	frame = event == FZ_FETCH ?
		fz_region_make_frame(&vm->frames, region, hva) :
		fz_region_frame(region, hva);
	if (!frame) {
		spin_unlock(&region->lock);
		if (event == FZ_FETCH)
			fz_count(vm, errors);
		return false;
	}

	/* Whoever drops its entries owns the frame; the guest comes back. */
	step = fz_wx_step(frame->state, event);
	if ((frame->flags & FZ_F_BUSY) || !step->act) {
		if ((event == FZ_HOST_WRITE || event == FZ_UNMAP) &&
		    (frame->flags & FZ_F_BUSY))
			frame->flags |= FZ_F_DISTURBED;
		linger = event == FZ_HOST_WRITE && x_may_linger(vm, frame);
		spin_unlock(&region->lock);
		if (linger)
			fz_mmu_zap(vm->kvm, hva & PAGE_MASK, PAGE_SIZE, false);
		return false;
	}
	next = step->next;

	was = frame->state;
	if (event == FZ_WRITE)
		frame->writer = writer_tag(at->vcpu);

	if (step->zap) {
		int err = 0;

		set_state(vm, region, frame, FZ_PINNED);
		frame->flags |= FZ_F_BUSY;
		frame->flags &= ~FZ_F_DISTURBED;
		spin_unlock(&region->lock);

		if (event == FZ_FETCH)
			err = fz_injecting(FZ_INJECT_W) || fz_injecting(FZ_INJECT_ZAP) ?
				-EOPNOTSUPP : fz_host_protect(vm, hva);
		if (err != -EAGAIN)
			drop_entries(vm, hva & PAGE_MASK, event);

		spin_lock(&region->lock);
		frame->flags &= ~(FZ_F_BUSY | FZ_F_NO_HOST);
		if (err == -EOPNOTSUPP)
			frame->flags |= FZ_F_NO_HOST;
		if (err == -EAGAIN) {
			/* As it was; the guest comes back and tries again. */
			set_state(vm, region, frame, was);
			spin_unlock(&region->lock);
			fz_count(vm, retries);
			return false;
		}
		if (next == FZ_PINNED && (frame->flags & FZ_F_DISTURBED))
			next = FZ_DIRTY;
	}

	/* Log before the state changes: what it allows comes later in the log. */
	log_step(vm, frame, step, at);
	if (!fz_wx_live(next))
		frame->flags &= ~(FZ_F_UNLOGGED | FZ_F_WANT_MIXED | FZ_F_HELD);
	if (event == FZ_FETCH && was == FZ_DIRTY && needs_both(frame, at->vcpu))
		frame->flags |= FZ_F_WANT_MIXED;
	frame->flags |= flags;
	set_state(vm, region, frame, next);
	quiet = !region->live;
	spin_unlock(&region->lock);

	if (quiet)
		fz_sweep_kick(FZ_QUIET_MS);
	return true;
}

void fz_fault_host_write_region(struct fz_vm *vm, struct fz_region *region)
{
	const struct fz_event_at at = { .gfn = FZ_NO_GFN };
	DECLARE_BITMAP(ours, FZ_CHUNKS * FZ_CHUNK_FRAMES);
	DECLARE_BITMAP(others, FZ_CHUNKS * FZ_CHUNK_FRAMES);
	const struct fz_step *step = NULL;
	struct fz_frame *frame;
	unsigned long hva;
	unsigned int i, end;

	/* As fz_fault_step(), for each frame. */
	bitmap_zero(others, FZ_CHUNKS * FZ_CHUNK_FRAMES);
	bitmap_zero(ours, FZ_CHUNKS * FZ_CHUNK_FRAMES);
	spin_lock(&region->lock);
	fz_for_each_frame(region, frame, hva, i) {
		const struct fz_step *s = fz_wx_step(frame->state, FZ_HOST_WRITE);

		if (x_may_linger(vm, frame))
			__set_bit(i, others);
		if (frame->flags & FZ_F_BUSY) {
			frame->flags |= FZ_F_DISTURBED;
		} else if (s->act && s->zap) {
			step = s;
			set_state(vm, region, frame, FZ_PINNED);
			frame->flags |= FZ_F_BUSY;
			__set_bit(i, ours);
		} else if (s->act) {
			set_state(vm, region, frame, s->next);
		}
	}
	spin_unlock(&region->lock);
	for_each_set_bitrange(i, end, others, FZ_CHUNKS * FZ_CHUNK_FRAMES) {
		hva = (region->key << FZ_REGION_SHIFT) + ((unsigned long)i << PAGE_SHIFT);
		fz_mmu_zap(vm->kvm, hva, (unsigned long)(end - i) << PAGE_SHIFT, false);
	}
	if (!step)
		return;

	/* These alone: what is writable beside them stays so, and the guest gets on. */
	for_each_set_bitrange(i, end, ours, FZ_CHUNKS * FZ_CHUNK_FRAMES) {
		hva = (region->key << FZ_REGION_SHIFT) + ((unsigned long)i << PAGE_SHIFT);
		fz_mmu_zap(vm->kvm, hva, (unsigned long)(end - i) << PAGE_SHIFT, false);
	}

	spin_lock(&region->lock);
	for_each_set_bit(i, ours, FZ_CHUNKS * FZ_CHUNK_FRAMES) {
		hva = (region->key << FZ_REGION_SHIFT) + ((unsigned long)i << PAGE_SHIFT);
		frame = fz_region_frame(region, hva);
		frame->flags &= ~(FZ_F_BUSY | FZ_F_NO_HOST | FZ_F_UNLOGGED |
				  FZ_F_WANT_MIXED | FZ_F_HELD);
		fz_count(vm, zaps);
		log_step(vm, frame, step, &at);
		set_state(vm, region, frame, step->next);
	}
	spin_unlock(&region->lock);
	fz_sweep_kick(FZ_QUIET_MS);
}

/*
 * Is memory to be mapped small here? Where a frame is, or is to be, executable; and
 * until the sweep lets the region merge. Else an instruction that writes near itself
 * might never get on: with hugetlb its fetch drops the huge entry that its write made,
 * and its write takes X from the frame, in turn.
 */
static bool is_small(struct fz_vm *vm, struct fz_region *region)
{
	return region && (READ_ONCE(region->live) ||
			  xa_get_mark(&vm->frames.regions, region->key, FZ_MARK_SPLIT));
}

/*
 * Before KVM looks at what the VMM maps. Should the region come to life meanwhile, KVM
 * makes a huge entry without X and W, and the next fault splits it. At most 2 MiB: there
 * is hardly a GiB in which no guest ever runs anything.
 */
static void limit_level(struct fz_vm *vm, struct fz_region *region,
			struct kvm_page_fault *fault)
{
	if (fz_pf_max_level(fault) > PG_LEVEL_4K)
		fz_pf_max_level(fault) = fz_pf_exec(fault) || is_small(vm, region) ?
			PG_LEVEL_4K : PG_LEVEL_2M;
}

/* The guest fetches where no entry lets it. Out of line: a fault on data pays for no frame. */
static noinline void enter_fetch(struct fz_vm *vm, struct kvm_vcpu *vcpu, gfn_t gfn,
				 struct fz_region *region, unsigned long hva)
{
	const struct fz_event_at at = { .vcpu = vcpu, .gfn = gfn };

	if (!region)
		region = fz_frames_make_region(&vm->frames, hva);
	if (region)
		fz_fault_step(vm, region, hva, FZ_FETCH, &at, 0);
	else
		fz_count(vm, errors);
}

/* The guest writes where no entry lets it. */
static noinline void enter_write(struct fz_vm *vm, struct kvm_vcpu *vcpu, gfn_t gfn,
				 struct fz_region *region, unsigned long hva)
{
	const struct fz_event_at at = { .vcpu = vcpu, .gfn = gfn };

	fz_fault_step(vm, region, hva, FZ_WRITE, &at, 0);
	/*
	 * KVM is to make the VMM's huge entry writable, which takes X from all of
	 * the region. Do so before KVM begins: if it had to drop entries then, it
	 * would start over, and an instruction that writes near itself for ever.
	 */
	if (READ_ONCE(region->exec) && fz_host_huge_protected(vm->kvm->mm, hva))
		fz_fault_host_write_region(vm, region);
}

void fz_fault_enter(struct fz_vm *vm, struct kvm_vcpu *vcpu,
		    struct kvm_page_fault *fault)
{
	const struct kvm_memory_slot *slot = fz_pf_slot(fault);
	struct fz_region *region;
	unsigned long hva;

	if (!slot || (slot->flags & KVM_MEMSLOT_INVALID))
		return;
	hva = fz_slot_hva(slot, fz_pf_gfn(fault));
	region = fz_frames_region(&vm->frames, hva);
	limit_level(vm, region, fault);
	/* A prefetch is KVM's guess, not the guest's access. */
	if (fz_pf_prefetch(fault))
		return;

	if (fz_pf_exec(fault)) {
		fz_count(vm, fetch_faults);
		enter_fetch(vm, vcpu, fz_pf_gfn(fault), region, hva);
	} else if (fz_pf_write(fault)) {
		fz_count(vm, write_faults);
		/* A write to a read-only slot is MMIO: it changes no memory. */
		if (region && !(slot->flags & KVM_MEM_READONLY))
			enter_write(vm, vcpu, fz_pf_gfn(fault), region, hva);
	} else {
		fz_count(vm, read_faults);
	}
}

enum room { GO_ON, COME_BACK, IN_VAIN };

/*
 * Shall the vCPU come back for room in the ring, rather than lose the record? Each
 * frame is waited for on its own, so no other vCPU's luck makes the wait longer.
 * Once in vain, there is no more waiting until a capture finds room.
 */
static enum room hold_for_room(struct fz_vm *vm, struct fz_frame *frame)
{
	if (fz_capture_room()) {
		WRITE_ONCE(vm->hold_vain, false);
		return GO_ON;
	}
	if (!(vm->info.flags & FZ_POLICY_LOSSLESS))
		return GO_ON;
	if (READ_ONCE(vm->hold_vain))
		return IN_VAIN;
	if (!(frame->flags & FZ_F_HELD)) {
		frame->flags |= FZ_F_HELD;
		fz_count(vm, held);
	}
	/* PINNED since its vCPU came for it. */
	if ((u32)jiffies - frame->stamp < msecs_to_jiffies(fz_hold_ms))
		return COME_BACK;
	WRITE_ONCE(vm->hold_vain, true);
	fz_count(vm, hold_timeouts);
	return IN_VAIN;
}

/* Give X to a pinned frame, after it is captured. Must hold region->lock. */
static void grant(struct fz_vm *vm, struct fz_region *region,
		  struct fz_frame *frame, const struct fz_event_at *at, kvm_pfn_t pfn,
		  bool in_flight, bool in_vain)
{
	struct fz_rec head = { .flags = frame->flags & FZ_F_LATE ? FZ_RECF_LATE : 0 };
	enum fz_event event = FZ_GRANT;
	int err;

	lockdep_assert_held(&region->lock);
	head.type = frame->flags & FZ_F_SEEN ? FZ_REC_REEXEC : FZ_REC_EXEC;
	/* What cannot be captured, device memory say, cannot be vouched for. */
	if ((frame->flags & FZ_F_WANT_MIXED) || in_flight || !pfn_valid(pfn)) {
		event = FZ_GRANT_MIXED;
		head.type = FZ_REC_MIXED;
		head.u.mixed.flips = frame->flips;
		head.u.mixed.max_ns = fz_mixed_ms * (u64)NSEC_PER_MSEC;
		head.u.mixed.why = !pfn_valid(pfn) ? FZ_MIXED_DEVICE :
				   in_flight ? FZ_MIXED_IO : FZ_MIXED_GUEST;
	}

	err = fz_capture(vm, &head, at, pfn,
			 FZ_LOSE_EXEC | (in_vain ? FZ_LOSE_HELD : 0));
	/* A mixed frame is not compared with anything: keep since when it is one. */
	frame->hash = event == FZ_GRANT_MIXED ? head.time : head.hash;
	fz_count(vm, grants);
	if (err == -ENOSPC) {
		fz_count(vm, lost_execs);
		frame->flags |= FZ_F_UNLOGGED;
		xa_set_mark(&vm->frames.regions, region->key, FZ_MARK_UNLOGGED);
	} else if (head.type == FZ_REC_MIXED) {
		fz_count(vm, mixed);
	} else if (head.type == FZ_REC_REEXEC) {
		fz_count(vm, reexecs);
	} else {
		fz_count(vm, execs);
	}
	if (head.flags && err != -ENOSPC)
		fz_count(vm, late);

	frame->flags &= ~(FZ_F_LATE | FZ_F_WANT_MIXED | FZ_F_HELD);
	if (err != -ENOSPC)
		frame->flags |= FZ_F_SEEN;
	set_state(vm, region, frame, fz_wx_step(FZ_PINNED, event)->next);
}

/* Is a write by the host to the frame trapped, or named as one that can't be? */
static bool host_cannot_write(struct fz_vm *vm, const struct fz_frame *frame,
			      unsigned long hva, kvm_pfn_t pfn)
{
	return (frame->flags & FZ_F_NO_HOST) ||
	       fz_host_protected(vm->kvm->mm, hva, pfn);
}

enum flight { LANDED, WAIT, IN_FLIGHT };

/*
 * Is I/O in flight that may write to the frame? Then the vCPU comes back until it
 * has ended; what does not end soon can't be waited for: the frame is to be mixed.
 */
static enum flight wait_for_io(struct fz_vm *vm, const struct fz_frame *frame,
			       kvm_pfn_t pfn)
{
	enum fz_flight flight;
	unsigned int ms;

	if (fz_kvm_has_device(vm->kvm)) {
		/* All of its memory is pinned, for as long as it lives. */
		fz_vm_miss(vm, FZ_MISS_VFIO);
		return LANDED;
	}
	flight = fz_host_in_flight(pfn);
	if (flight == FZ_LANDED)
		return LANDED;
	/* After a wait in vain, a shorter one or none for a while. */
	ms = flight == FZ_DMA ? FZ_IO_MS : READ_ONCE(fz_held_ms);
	if (time_before(jiffies, READ_ONCE(vm->io_patience)))
		ms = flight == FZ_DMA ? 0 : FZ_IO_MS;
	/* PINNED since its vCPU came for it. */
	if ((u32)jiffies - frame->stamp < msecs_to_jiffies(ms))
		return WAIT;
	WRITE_ONCE(vm->io_patience, jiffies + HZ);
	return IN_FLIGHT;
}

/* Is the vCPU to come back, when the I/O has ended or there is room in the ring? */
static bool put_off(struct fz_vm *vm, struct fz_frame *frame, kvm_pfn_t pfn,
		    enum flight *flight, enum room *room)
{
	*flight = wait_for_io(vm, frame, pfn);
	if (*flight == WAIT)
		return true;
	*room = hold_for_room(vm, frame);
	return *room == COME_BACK;
}

void fz_fault_map(struct fz_vm *vm, struct kvm_vcpu *vcpu,
		  struct kvm_page_fault *fault)
{
	const struct kvm_memory_slot *slot = fz_pf_slot(fault);
	const struct fz_event_at at = { .vcpu = vcpu, .gfn = fz_pf_gfn(fault) };
	struct fz_region *region;
	struct fz_frame *frame;
	unsigned int kick = 0;
	unsigned long hva;
	enum flight flight = LANDED;
	enum room room = GO_ON;

	if (!slot || fz_pf_prefetch(fault))
		return;
	hva = fz_slot_hva(slot, at.gfn);
	if (unlikely(fz_kvm_refuses(vm->kvm, slot))) {
		/* No longer readable, whatever the hooks saw of it: the sweep lets it go. */
		WRITE_ONCE(vm->recheck, true);
		fz_sweep_kick(1);
		return;
	}
	region = fz_frames_region(&vm->frames, hva);
	if (!region)
		return;
	spin_lock(&region->lock);
	frame = fz_region_frame(region, hva);
	if (frame && frame->state == FZ_PINNED && !(frame->flags & FZ_F_BUSY)) {
		if (!host_cannot_write(vm, frame, hva, fz_pf_pfn(fault))) {
			/* Protected before it was mapped: begin again. */
			set_state(vm, region, frame, FZ_DIRTY);
			fz_count(vm, retries);
		} else if (put_off(vm, frame, fz_pf_pfn(fault), &flight, &room)) {
			fz_count(vm, retries);
		} else {
			grant(vm, region, frame, &at, fz_pf_pfn(fault),
			      flight == IN_FLIGHT, room == IN_VAIN);
			if (frame->state == FZ_MIXED || (frame->flags & FZ_F_UNLOGGED))
				kick = fz_mixed_ms;
		}
	} else if (frame && fz_wx_denied(frame->state) & FZ_ACC_EXEC) {
		fz_count(vm, retries);
	}
	/*
	 * Without X the vCPU comes back anyhow. Who else changes the frame meanwhile may not
	 * have zapped yet: KVM is not to put an entry without W in the place of one with it,
	 * and leaves alone what it finds if this is but a guess. (It flushes, and newer ones warn.)
	 */
	if (!frame || fz_wx_denied(frame->state) & FZ_ACC_EXEC)
		fz_pf_prefetch(fault) = true;
	spin_unlock(&region->lock);
	if (kick)
		fz_sweep_kick(kick);
}

unsigned int fz_fault_entry(struct fz_vm *vm, struct kvm_mmu_page *sp,
			    const struct kvm_memory_slot *slot, gfn_t gfn)
{
	unsigned long hva = fz_slot_hva(slot, gfn);
	int level = fz_sp_level(sp);
	unsigned int denied = 0;
	struct fz_frame *frame;
	enum fz_state state;

	if (level > PG_LEVEL_4K) {
		if (!fz_inject(FZ_INJECT_X_HUGE))
			denied |= FZ_ACC_EXEC;
		if (fz_frames_live(&vm->frames, hva, KVM_HPAGE_SIZE(level)))
			denied |= FZ_ACC_WRITE;
		return denied;
	}
	frame = fz_frames_frame(&vm->frames, hva);
	state = frame ? READ_ONCE(frame->state) : FZ_NONE;
	if (state == FZ_NONE && fz_inject(FZ_INJECT_X))
		return 0;
	if (state == FZ_EXEC && fz_inject(FZ_INJECT_W))
		return 0;
	return fz_wx_denied(state);
}

void fz_fault_host_write(struct fz_vm *vm, const struct kvm_memory_slot *slot,
			 gfn_t gfn)
{
	const struct fz_event_at at = { .gfn = gfn };
	unsigned long hva;
	struct fz_region *region;

	if (!slot)
		return;
	hva = fz_slot_hva(slot, gfn);
	region = fz_frames_region(&vm->frames, hva);
	if (region)
		fz_fault_step(vm, region, hva, FZ_HOST_WRITE, &at, 0);
}

/*
 * May come with interrupts off, under a runqueue lock, or under mmu_lock while
 * KVM gives W to a frame (which then is not EXEC): mark, and let the sweep act.
 */
void fz_fault_host_wrote(struct fz_vm *vm, const struct kvm_memory_slot *slot,
			 gfn_t gfn)
{
	struct fz_frame *frame;

	if (!slot)
		return;
	frame = fz_frames_frame(&vm->frames, fz_slot_hva(slot, gfn));
	if (!frame || READ_ONCE(frame->state) != FZ_EXEC)
		return;
	WRITE_ONCE(frame->suspect, 1);
	WRITE_ONCE(vm->suspect, true);
	fz_sweep_kick_irq();
}

/* Apply @event to every live frame of @slot in [start, end); not to busy ones if @idle. */
static void step_range(struct fz_vm *vm, const struct kvm_memory_slot *slot,
		       gfn_t start, gfn_t end, enum fz_event event, bool idle)
{
	unsigned long first = fz_slot_hva(slot, start), last = fz_slot_hva(slot, end) - 1;
	unsigned long key, hva;
	struct fz_region *region;
	struct fz_frame *frame;
	unsigned int i;

	xa_for_each_range(&vm->frames.regions, key, region, first >> FZ_REGION_SHIFT,
			  last >> FZ_REGION_SHIFT) {
		if (!READ_ONCE(region->live))
			continue;
		/* A zap for one frame comes here too: not past all of its region. */
		i = first >> FZ_REGION_SHIFT == region->key ? fz_region_index(first) : 0;
		for (; (frame = fz_region_next(region, &i, &hva)) && hva <= last; i++) {
			struct fz_event_at at;

			if (!fz_wx_live(READ_ONCE(frame->state)))
				continue;
			/* Of our own zap: set before, by this very task. */
			if (idle && (data_race(frame->flags) & FZ_F_BUSY))
				continue;
			at.vcpu = NULL;
			at.gfn = slot->base_gfn + ((hva - slot->userspace_addr) >> PAGE_SHIFT);
			fz_fault_step(vm, region, hva, event, &at, 0);
		}
	}
}

void fz_fault_unmap(struct fz_vm *vm, const struct kvm_memory_slot *slot,
		    gfn_t start, gfn_t end, bool own)
{
	/* Our own zap is no change to the frame that it is for, which is busy. */
	step_range(vm, slot, start, end, FZ_UNMAP, own);
}

void fz_fault_drop(struct fz_vm *vm, const struct kvm_memory_slot *slot)
{
	step_range(vm, slot, slot->base_gfn, slot->base_gfn + slot->npages, FZ_REVOKE, false);
}
