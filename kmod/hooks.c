// SPDX-License-Identifier: GPL-2.0-only
/*
 * hooks.c - attach to KVM through ftrace, and edit arguments at function entry
 *
 * Nothing in KVM is replaced: each hook runs before its function, which then
 * goes on with the arguments that the hook left in the saved registers. So the
 * hooks coexist with livepatch and tracing (no IPMODIFY). Arguments are all that is
 * saved: to have ftrace save every register (FL_SAVE_REGS) would double the cost.
 *
 * x86-64 calling convention: rdi, rsi, rdx, rcx, r8, r9, then the stack.
 */
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/sched.h>
#include "compat/kvm.h"
#include "fault.h"
#include "hooks.h"
#include "host.h"
#include "inject.h"
#include "mmu.h"
#include "sweep.h"
#include "vm.h"

struct hook {
	const char *name;		/* of KVM's function */
	void (*fn)(struct fz_vm *vm, struct pt_regs *regs);
	u32 vendor;			/* only on this vendor, or 0 */
	bool fired;
	bool attached;
	struct ftrace_ops ops;
};

static struct task_struct *prover;
static struct kvm *prover_vm;

/* int kvm_faultin_pfn(vcpu, fault, ...): the entry of the slow path */
static void on_faultin(struct fz_vm *vm, struct pt_regs *regs)
{
	fz_fault_enter(vm, (void *)regs->di, (void *)regs->si);
}

/* void kvm_mmu_hugepage_adjust(vcpu, fault) of a fetch: mmu_lock is held, the pfn known */
static void on_adjust(struct fz_vm *vm, struct pt_regs *regs)
{
	fz_fault_map(vm, (void *)regs->di, (void *)regs->si);
}

/* bool make_spte(vcpu, sp, slot, pte_access, gfn, pfn, ...): every leaf is made here */
static void on_make_spte(struct fz_vm *vm, struct pt_regs *regs)
{
	regs->cx = fz_acc_deny(regs->cx, fz_fault_entry(vm, (void *)regs->si,
							(void *)regs->dx, regs->r8));
	if (!(regs->cx & fz_acc_exec()))
		fz_mmu_use_nx((void *)regs->di);
}

/*
 * u64 make_small_spte(kvm, huge_spte, role, index): with nx_huge_pages it gives X to
 * all 512 children if the role has it.
 */
static void on_split(struct fz_vm *vm, struct pt_regs *regs)
{
	union kvm_mmu_page_role role = { .word = (u32)regs->dx };

	role.access = fz_acc_deny(role.access, FZ_ACC_EXEC);
	regs->dx = role.word;
}

/*
 * u64 make_huge_spte(kvm, small_spte, level): a huge entry, with one child's access,
 * in place of a table. Take what it may not have; a write then builds it anew.
 */
static void __maybe_unused on_merge(struct fz_vm *vm, struct pt_regs *regs)
{
	regs->si = fz_spte_deny(regs->si);
}

/* bool kvm_unmap_gfn_range(kvm, range): mmu_lock is held for write */
static void on_unmap(struct fz_vm *vm, struct pt_regs *regs)
{
	struct kvm_gfn_range *range = (void *)regs->si;
	/* Of all that come here only our zaps must not block, but for the OOM killer's. */
	bool own = !range->may_block;

	/*
	 * What the frames' states deny from here on must be gone when mmu_lock is:
	 * KVM would let go of it in the middle, with X left on frames that are DIRTY.
	 */
	range->may_block = false;
	fz_fault_unmap(vm, range->slot, range->start, range->end, own);
}

/* int __kvm_write_guest_page(kvm, slot, gfn, ...): before KVM's own copy */
static void on_write_guest(struct fz_vm *vm, struct pt_regs *regs)
{
	fz_fault_host_write(vm, (void *)regs->si, regs->dx);
}

/* void mark_page_dirty_in_slot(kvm, slot, gfn): after KVM's own write */
static void on_mark_dirty(struct fz_vm *vm, struct pt_regs *regs)
{
	fz_fault_host_wrote(vm, (void *)regs->si, regs->dx);
}

/* void kvm_arch_flush_shadow_memslot(kvm, slot): the slot goes or moves */
static void on_drop_slot(struct fz_vm *vm, struct pt_regs *regs)
{
	fz_fault_drop(vm, (void *)regs->si);
}

/* void kvm_arch_commit_memory_region(kvm, old, new, change) */
static void on_commit_slot(struct fz_vm *vm, struct pt_regs *regs)
{
	const struct kvm_memory_slot *old = (void *)regs->si, *new = (void *)regs->dx;
	const struct kvm_memory_slot *slot = new ?: old;
	struct fz_event_at at = {};
	struct fz_slot detail = {};

	if (!slot)
		return;
	at.gfn = slot->base_gfn;
	at.as_id = slot->as_id;
	detail.npages = slot->npages;
	detail.hva = slot->userspace_addr;
	detail.id = (u16)slot->id;
	detail.flags = slot->flags;
	detail.op = (u32)regs->cx;
	fz_log(vm, FZ_REC_MEMSLOT, &at, &detail, sizeof(detail));
}

/* int kvm_arch_post_init_vm(kvm), or what there is: before the VM has a vCPU or memory */
static void on_birth(struct fz_vm *vm, struct pt_regs *regs)
{
	fz_vm_born((void *)regs->di);
}

/* void kvm_arch_destroy_vm(kvm): no vCPU runs any more */
static void on_death(struct fz_vm *vm, struct pt_regs *regs)
{
	fz_vm_died((void *)regs->di);
}

/*
 * int sev_mem_enc_ioctl(kvm, argp): the VM may turn to memory that can't be read.
 * Only what comes of it counts, or a VMM could shake off the watch by asking.
 */
static void __maybe_unused on_encrypt(struct fz_vm *vm, struct pt_regs *regs)
{
	WRITE_ONCE(vm->recheck, true);
	fz_sweep_kick(1);
}

/*
 * int ptep_set_access_flags(vma, address, ptep, entry, dirty): an entry in use gets
 * new permissions, small or hugetlb's; it is locked
 */
static void on_set_entry(struct fz_vm *vm, struct pt_regs *regs)
{
	fz_host_fault((void *)regs->di, regs->si, (void *)regs->dx,
		      (pte_t){ .pte = regs->cx }, (int)regs->r8);
}

static void by_kvm(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
		   struct ftrace_regs *fregs);
static void by_vcpu(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
		    struct ftrace_regs *fregs);
static void by_fetch(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
		     struct ftrace_regs *fregs);
static void always(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
		   struct ftrace_regs *fregs);

/* @how: what the first argument is, and so how the VM is found. */
#define HOOK(symbol, function, how, ...) {					\
	.name = (symbol), .fn = (function),					\
	.ops = { .func = (how), .flags = FTRACE_OPS_FL_PERMANENT }, __VA_ARGS__ }

/* Deaths first and births last: what is watched is seen to its end. */
static struct hook hooks[] = {
	HOOK("kvm_arch_destroy_vm", on_death, by_kvm),
#ifdef FZ_SYM_ENCRYPT
	HOOK(FZ_SYM_ENCRYPT, on_encrypt, by_kvm, .vendor = FZ_VENDOR_AMD),
#endif
	HOOK("make_spte", on_make_spte, by_vcpu),
	HOOK(FZ_SYM_SPLIT, on_split, by_kvm),
#ifdef FZ_SYM_MERGE
	HOOK(FZ_SYM_MERGE, on_merge, by_kvm),
#endif
	HOOK("kvm_unmap_gfn_range", on_unmap, by_kvm),
	HOOK("__kvm_write_guest_page", on_write_guest, by_kvm),
	HOOK("mark_page_dirty_in_slot", on_mark_dirty, by_kvm),
	HOOK("kvm_arch_flush_shadow_memslot", on_drop_slot, by_kvm),
	HOOK("kvm_arch_commit_memory_region", on_commit_slot, by_kvm),
	HOOK("kvm_mmu_hugepage_adjust", on_adjust, by_fetch),
	HOOK(FZ_SYM_FAULTIN, on_faultin, by_vcpu),
	HOOK("ptep_set_access_flags", on_set_entry, always),
	HOOK(FZ_SYM_BIRTH, on_birth, always),
};

/*
 * The entry of the frame that proves: KVM is to make it without X and W, then, when the
 * fetch has come again, with X. What it made is there for the next call, or in the table.
 */
static struct {
	gfn_t gfn;
	unsigned int calls;
	u64 no_x;
	const u64 *entry;
} proof;

static void prove_entry(struct pt_regs *regs)
{
	struct kvm_mmu_page *sp = (void *)regs->si;

	if (regs->r8 != proof.gfn || fz_sp_level(sp) != PG_LEVEL_4K)
		return;
	switch (proof.calls++) {
	case 0:
		if (!fz_inject(FZ_INJECT_ENTRY))
			regs->cx = fz_acc_deny(regs->cx, FZ_ACC_EXEC | FZ_ACC_WRITE);
		break;
	case 1:
		/* On the stack, behind the return address: old_spte. */
		proof.no_x = *(u64 *)(regs->sp + 8);
		proof.entry = fz_sp_entry(sp, proof.gfn);
		regs->cx = fz_acc_deny(regs->cx, FZ_ACC_WRITE);
		break;
	}
}

static noinline notrace void prove(struct hook *hook, struct kvm *kvm,
				   struct pt_regs *regs)
{
	if (READ_ONCE(prover) == current || (kvm && READ_ONCE(prover_vm) == kvm))
		WRITE_ONCE(hook->fired, true);
	if (kvm && READ_ONCE(prover_vm) == kvm && hook->fn == on_make_spte)
		prove_entry(regs);
}

/*
 * Of a VM that may be watched: then it is in @bucket. Or of the one that proves the hooks.
 * No hook sleeps, most come under mmu_lock; to disable preemption holds off the end of a
 * watch as rcu_read_lock() would, which is two calls more where the kernel can preempt.
 */
static noinline notrace void act(struct hook *hook, struct kvm *kvm,
				 struct hlist_head *bucket, struct pt_regs *regs)
{
	struct fz_vm *vm;

	if (unlikely(READ_ONCE(prover)))
		prove(hook, kvm, regs);
	rcu_read_lock_sched_notrace();
	hlist_for_each_entry_rcu(vm, bucket, node) {
		if (vm->kvm == kvm) {
			hook->fn(vm, regs);
			break;
		}
	}
	rcu_read_unlock_sched_notrace();
}

static __always_inline struct pt_regs *saved(struct ftrace_regs *fregs)
{
#ifdef arch_ftrace_regs
	return &arch_ftrace_regs(fregs)->regs;
#else
	return &fregs->regs;
#endif
}

/*
 * Runs without recursion protection: a zap in one hook fires another. A VM that is
 * not watched, of which there may be many, shall notice little of it: no call, no lock.
 */
static __always_inline void call(struct ftrace_ops *ops, struct kvm *kvm,
				 struct pt_regs *regs)
{
	struct hook *hook = container_of(ops, struct hook, ops);
	struct hlist_head *bucket = fz_vm_bucket(kvm);

	if (unlikely(READ_ONCE(prover)) || unlikely(READ_ONCE(bucket->first)))
		act(hook, kvm, bucket, regs);
}

static void notrace by_kvm(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			   struct ftrace_regs *fregs)
{
	struct pt_regs *regs = saved(fregs);

	call(ops, (void *)regs->di, regs);
}

static void notrace by_vcpu(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			    struct ftrace_regs *fregs)
{
	struct pt_regs *regs = saved(fregs);

	call(ops, ((struct kvm_vcpu *)regs->di)->kvm, regs);
}

/* vcpu, fault; only if it is an instruction's */
static void notrace by_fetch(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			     struct ftrace_regs *fregs)
{
	struct pt_regs *regs = saved(fregs);

	if (fz_pf_exec((void *)regs->si))
		call(ops, ((struct kvm_vcpu *)regs->di)->kvm, regs);
}

/* The hook itself finds which VMs it is about, or there is none yet. */
static void notrace always(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			   struct ftrace_regs *fregs)
{
	struct hook *hook = container_of(ops, struct hook, ops);
	struct pt_regs *regs = saved(fregs);

	if (unlikely(READ_ONCE(prover)))
		prove(hook, NULL, regs);
	rcu_read_lock_sched_notrace();
	hook->fn(NULL, regs);
	rcu_read_unlock_sched_notrace();
}

static bool wanted(const struct hook *hook)
{
	return !hook->vendor || hook->vendor == fz_kvm_vendor;
}

static int attach(struct hook *hook)
{
	unsigned long address = fz_hooks_address(hook->name);
	int err = -ENOENT;

	/* By its address: by name, ftrace looks up the name of each function that there is. */
	if (address)
		err = ftrace_set_filter_ip(&hook->ops, address, 0, 1);
	if (!err)
		err = register_ftrace_function(&hook->ops);
	if (err) {
		ftrace_free_filter(&hook->ops);
		pr_err("fitzroy: not loaded: cannot hook %s (error %d); is ftrace_enabled 1 and this kernel supported?\n",
		       hook->name, err);
		return err;
	}
	hook->attached = true;
	return 0;
}

int fz_hooks_init(void)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (!wanted(&hooks[i]))
			continue;
		err = attach(&hooks[i]);
		if (err) {
			fz_hooks_exit();
			return err;
		}
	}
	return 0;
}

void fz_hooks_exit(void)
{
	int i;

	for (i = ARRAY_SIZE(hooks) - 1; i >= 0; i--) {
		if (!hooks[i].attached)
			continue;
		/* Waits until no task is in the trampoline or behind it. */
		unregister_ftrace_function(&hooks[i].ops);
		ftrace_free_filter(&hooks[i].ops);
		hooks[i].attached = false;
	}
}

void fz_hooks_prove_begin(void)
{
	WRITE_ONCE(prover, current);
}

void fz_hooks_prove_vm(struct kvm *kvm, gfn_t gfn)
{
	proof.gfn = gfn;
	proof.calls = 0;
	proof.no_x = 0;
	proof.entry = NULL;
	WRITE_ONCE(prover_vm, kvm);
}

bool fz_hooks_prove_entry(void)
{
	u64 x = proof.entry ? READ_ONCE(*proof.entry) : 0;

	if (fz_spte_as_told(proof.no_x, x))
		return true;
	pr_err("fitzroy: not loaded: KVM's page-table entries are not as expected: 0x%llx without X, 0x%llx with X, after %u calls\n",
	       proof.no_x, x, proof.calls);
	return false;
}

void fz_hooks_prove_end(void)
{
	WRITE_ONCE(prover, NULL);
	WRITE_ONCE(prover_vm, NULL);
}

const char *fz_hooks_silent(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (wanted(&hooks[i]) && !READ_ONCE(hooks[i].fired))
			return hooks[i].name;
	return NULL;
}

unsigned long fz_hooks_address(const char *name)
{
	/* To be looked up is all that it is for: nothing is patched. */
	struct kprobe probe = { .symbol_name = name, .flags = KPROBE_FLAG_DISABLED };
	unsigned long address;

	if (register_kprobe(&probe))
		return 0;
	address = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	return address;
}
