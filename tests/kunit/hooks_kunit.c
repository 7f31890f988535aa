// SPDX-License-Identifier: GPL-2.0-only
/*
 * hooks_kunit.c - hooks through this kernel's own ftrace, and how they prove that they fire
 *
 *	a function below -> call() -> the hook's handler -> back, with the arguments it left
 *
 * What the handlers call is played by stand-ins that note what they were told.
 */
#include <kunit/test.h>
#include "fixture.h"
#include "../../kmod/hooks.c"

/* What the stand-ins were told last: who, and up to three arguments. */
static struct told {
	const char *who;
	unsigned long a, b, c;
} told;
static unsigned long allow;

#define TOLD(x, y, z)	(told = (struct told) { __func__, (unsigned long)(x),	\
						(unsigned long)(y), (unsigned long)(z) })

void fz_fault_enter(struct fz_vm *vm, struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	TOLD(vcpu, fault, 0);
}

void fz_fault_map(struct fz_vm *vm, struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	TOLD(vcpu, fault, 0);
}

unsigned int fz_fault_entry(struct fz_vm *vm, struct kvm_mmu_page *sp,
			    const struct kvm_memory_slot *slot, gfn_t gfn)
{
	TOLD(sp, slot, gfn);
	return ~allow & (FZ_ACC_EXEC | FZ_ACC_WRITE);
}

void fz_fault_host_write(struct fz_vm *vm, const struct kvm_memory_slot *slot, gfn_t gfn)
{
	TOLD(slot, gfn, 0);
}

void fz_fault_host_wrote(struct fz_vm *vm, const struct kvm_memory_slot *slot, gfn_t gfn)
{
	TOLD(slot, gfn, 0);
}

void fz_fault_unmap(struct fz_vm *vm, const struct kvm_memory_slot *slot, gfn_t start, gfn_t end,
		    bool own)
{
	TOLD(slot, start, own);
}

void fz_fault_drop(struct fz_vm *vm, const struct kvm_memory_slot *slot)
{
	TOLD(slot, 0, 0);
}

void fz_vm_born(struct kvm *kvm)
{
	TOLD(kvm, 0, 0);
}

void fz_vm_died(struct kvm *kvm)
{
	TOLD(kvm, 0, 0);
}

void fz_sweep_kick(unsigned int ms)
{
	TOLD(ms, 0, 0);
}

void fz_host_fault(struct vm_area_struct *vma, unsigned long hva, const pte_t *pte, pte_t next,
		   bool set)
{
	/* The whole kernel comes here while the hooks are attached. */
	if (prover || told.who)
		return;
	TOLD(vma, hva, set ? pte_val(next) : 0);
}

/* What is hooked: it gives back its fourth argument. */
unsigned long fz_kunit_target(void *first, unsigned long second, unsigned long third,
			      unsigned long fourth);
noinline __noclone unsigned long fz_kunit_target(void *first, unsigned long second,
						 unsigned long third, unsigned long fourth)
{
	barrier();
	return fourth;
}

/* Those that have other names on other kernels (fz_layout.h); each must be one of its own. */
#define FUNCTION(name)								\
	void name(void);							\
	noinline void name(void) { asm volatile("# " #name); }

FUNCTION(fz_kunit_faultin)
FUNCTION(fz_kunit_split)
FUNCTION(fz_kunit_merge)
FUNCTION(fz_kunit_encrypt)

static struct fz_vm *vm;
static struct kvm_vcpu *vcpu;
static struct kvm *kvm, *stranger;

/* The hooks look for the VM where vm.c puts it, another of the same bucket before it. */
static void watch(bool on)
{
	static struct fz_vm other;

	hlist_del_init(&vm->node);
	hlist_del_init(&other.node);
	if (on) {
		hlist_add_head(&vm->node, fz_vm_bucket(kvm));
		hlist_add_head(&other.node, fz_vm_bucket(kvm));
	}
}

static int hooks_init(struct kunit *test)
{
	int i, err = fx_ring_init(test);

	if (err)
		return err;
	kvm = kvzalloc(sizeof(*kvm), GFP_KERNEL);
	stranger = kvzalloc(sizeof(*kvm), GFP_KERNEL);
	vcpu = kvzalloc(sizeof(*vcpu), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, kvm);
	KUNIT_ASSERT_NOT_NULL(test, stranger);
	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	vm = fx_vm(test);
	vm->kvm = kvm;
	vcpu->kvm = kvm;
	watch(true);
	told = (struct told) {};
	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		hooks[i].fired = false;
	return 0;
}

static void hooks_exit(struct kunit *test)
{
	fz_hooks_prove_end();
	watch(false);
	fx_vm_put(vm);
	kvfree(vcpu);
	kvfree(stranger);
	kvfree(kvm);
	fx_ring_exit(test);
}

static unsigned int handled;

static void handler(struct fz_vm *of, struct pt_regs *regs)
{
	handled++;
	regs->cx += 1000;
}

static struct hook of_kvm = HOOK("fz_kunit_target", handler, by_kvm);
static struct hook of_vcpu = HOOK("fz_kunit_target", handler, by_vcpu);
static struct hook of_fetch = HOOK("fz_kunit_target", handler, by_fetch);
static struct hook of_all = HOOK("fz_kunit_target", handler, always);
static struct hook birth = HOOK("fz_kunit_target", on_birth, always);
static struct hook missing = HOOK("fz_kunit_no_such_function", handler, by_kvm);

/* ftrace leaves the hash that it has freed in the ops: they are good for one attach. */
static void fresh(struct hook *hook)
{
	hook->ops = (struct ftrace_ops) {
		.func = hook->ops.func, .flags = FTRACE_OPS_FL_PERMANENT,
	};
}

static void detach(struct hook *hook)
{
	unregister_ftrace_function(&hook->ops);
	ftrace_free_filter(&hook->ops);
	fresh(hook);
	hook->attached = false;
}

/* A hook acts on watched VMs only; what it leaves in the registers is what the function gets. */
static void hooks_fire(struct kunit *test)
{
	struct kunit_fault fault;

	KUNIT_EXPECT_EQ(test, fz_kunit_target(kvm, 1, 2, 7), 7);
	KUNIT_ASSERT_EQ(test, attach(&of_kvm), 0);
	handled = 0;
	KUNIT_EXPECT_TRUE(test, of_kvm.attached);
	KUNIT_EXPECT_EQ(test, fz_kunit_target(kvm, 1, 2, 7), 1007);
	KUNIT_EXPECT_EQ(test, fz_kunit_target(stranger, 1, 2, 7), 7);
	KUNIT_EXPECT_EQ(test, handled, 1);
	watch(false);
	KUNIT_EXPECT_EQ(test, fz_kunit_target(kvm, 1, 2, 7), 7);
	watch(true);
	detach(&of_kvm);
	KUNIT_EXPECT_EQ(test, fz_kunit_target(kvm, 1, 2, 7), 7);

	KUNIT_ASSERT_EQ(test, attach(&of_vcpu), 0);
	KUNIT_EXPECT_EQ(test, fz_kunit_target(vcpu, 1, 2, 7), 1007);
	vcpu->kvm = stranger;
	KUNIT_EXPECT_EQ(test, fz_kunit_target(vcpu, 1, 2, 7), 7);
	vcpu->kvm = kvm;
	detach(&of_vcpu);

	/* Of a vCPU's faults, fetches only. */
	KUNIT_ASSERT_EQ(test, attach(&of_fetch), 0);
	/* The compiler sees that the function looks at nothing. */
	WRITE_ONCE(fault.exec, false);
	KUNIT_EXPECT_EQ(test, fz_kunit_target(vcpu, (unsigned long)&fault, 2, 7), 7);
	WRITE_ONCE(fault.exec, true);
	KUNIT_EXPECT_EQ(test, fz_kunit_target(vcpu, (unsigned long)&fault, 2, 7), 1007);
	detach(&of_fetch);

	KUNIT_ASSERT_EQ(test, attach(&of_all), 0);
	KUNIT_EXPECT_EQ(test, fz_kunit_target(NULL, 1, 2, 7), 1007);
	detach(&of_all);

	/* A birth is of a VM that nobody knows yet. */
	KUNIT_ASSERT_EQ(test, attach(&birth), 0);
	fz_kunit_target(stranger, 1, 2, 7);
	detach(&birth);
	KUNIT_EXPECT_STREQ(test, told.who ?: "nobody", "fz_vm_born");
	KUNIT_EXPECT_EQ(test, told.a, (unsigned long)stranger);
}

/* A hook proves itself by the calls of who proves, and those on its VM, and by no others. */
static void hooks_proof_of_fire(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, attach(&of_kvm), 0);
	of_kvm.fired = false;
	fz_kunit_target(kvm, 1, 2, 7);
	KUNIT_EXPECT_FALSE(test, of_kvm.fired);
	fz_hooks_prove_begin();
	fz_kunit_target(stranger, 1, 2, 7);
	KUNIT_EXPECT_TRUE(test, of_kvm.fired);

	/* Another task's call. */
	of_kvm.fired = false;
	prover = (struct task_struct *)test;
	fz_kunit_target(kvm, 1, 2, 7);
	KUNIT_EXPECT_FALSE(test, of_kvm.fired);
	fz_hooks_prove_vm(kvm, 0);
	fz_kunit_target(stranger, 1, 2, 7);
	KUNIT_EXPECT_FALSE(test, of_kvm.fired);
	fz_kunit_target(kvm, 1, 2, 7);
	KUNIT_EXPECT_TRUE(test, of_kvm.fired);

	of_kvm.fired = false;
	fz_hooks_prove_end();
	fz_kunit_target(kvm, 1, 2, 7);
	KUNIT_EXPECT_FALSE(test, of_kvm.fired);
	detach(&of_kvm);
}

/* A function that is not there is an error, and nothing stays behind. */
static void hooks_missing(struct kunit *test)
{
	int i;

	KUNIT_EXPECT_LT(test, attach(&missing), 0);
	KUNIT_EXPECT_FALSE(test, missing.attached);
	/* The last of the table is that one. */
	KUNIT_EXPECT_LT(test, fz_hooks_init(), 0);
	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		KUNIT_EXPECT_FALSE_MSG(test, hooks[i].attached, "%s", hooks[i].name);
	fz_hooks_exit();
	fresh(&missing);
	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		fresh(&hooks[i]);
}

/* Of the hooks that did not fire one is named, whichever it is; another vendor's need not. */
static void hooks_silent(struct kunit *test)
{
	int i;

	fz_kvm_vendor = FZ_VENDOR_AMD;
	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		hooks[i].fired = true;
	KUNIT_EXPECT_NULL(test, fz_hooks_silent());
	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		hooks[i].fired = false;
		KUNIT_EXPECT_STREQ(test, fz_hooks_silent() ?: "none", hooks[i].name);
		fz_kvm_vendor = FZ_VENDOR_INTEL;
		if (hooks[i].vendor)
			KUNIT_EXPECT_NULL(test, fz_hooks_silent());
		else
			KUNIT_EXPECT_NOT_NULL(test, fz_hooks_silent());
		fz_kvm_vendor = FZ_VENDOR_AMD;
		hooks[i].fired = true;
	}
}

/* The frame that proves: without X and W first, then with X; and the verdict on what was made. */
static void hooks_proof_of_entry(struct kunit *test)
{
	const u64 npt = FZ_SPTE_MMU_PRESENT | FZ_SPTE_READABLE;
	u64 *spt = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct kunit_sp sp = { .spt = spt };
	u64 stack[2] = { 0, npt | FZ_SPTE_NPT_NX };
	struct pt_regs regs = { .si = (unsigned long)&sp, .sp = (unsigned long)stack };

	KUNIT_ASSERT_NOT_NULL(test, spt);
	fz_kvm_vendor = FZ_VENDOR_AMD;
	fz_hooks_prove_vm(kvm, 0xfffff);
	KUNIT_EXPECT_FALSE(test, fz_hooks_prove_entry());

	/* Another frame, or a larger entry. */
	sp.role.level = PG_LEVEL_4K;
	regs.r8 = 0xffffe;
	regs.cx = ~0UL;
	prove_entry(&regs);
	sp.role.level = PG_LEVEL_2M;
	regs.r8 = 0xfffff;
	prove_entry(&regs);
	KUNIT_EXPECT_EQ(test, regs.cx, ~0UL);
	KUNIT_EXPECT_EQ(test, proof.calls, 0);

	sp.role.level = PG_LEVEL_4K;
	prove_entry(&regs);
	KUNIT_EXPECT_EQ(test, regs.cx, fz_acc_deny(~0UL, FZ_ACC_EXEC | FZ_ACC_WRITE));
	regs.cx = ~0UL;
	prove_entry(&regs);
	KUNIT_EXPECT_EQ(test, regs.cx, fz_acc_deny(~0UL, FZ_ACC_WRITE));
	spt[0xfffff % 512] = npt;
	KUNIT_EXPECT_TRUE(test, fz_hooks_prove_entry());
	/* What KVM made has W, or no X. */
	spt[0xfffff % 512] = npt | FZ_SPTE_WRITABLE;
	KUNIT_EXPECT_FALSE(test, fz_hooks_prove_entry());
	spt[0xfffff % 512] = npt | FZ_SPTE_NPT_NX;
	KUNIT_EXPECT_FALSE(test, fz_hooks_prove_entry());
	/* A third time it is as any other. */
	regs.cx = ~0UL;
	prove_entry(&regs);
	KUNIT_EXPECT_EQ(test, regs.cx, ~0UL);
}

#define EXPECT_TOLD(name, x, y, z) do {						\
	KUNIT_EXPECT_STREQ(test, told.who ?: "nobody", name);			\
	KUNIT_EXPECT_EQ(test, told.a, (unsigned long)(x));			\
	KUNIT_EXPECT_EQ(test, told.b, (unsigned long)(y));			\
	KUNIT_EXPECT_EQ(test, told.c, (unsigned long)(z));			\
	told = (struct told) {};						\
} while (0)

/* What a handler tells, of arguments that are what they are called. */
static const struct {
	void (*handler)(struct fz_vm *vm, struct pt_regs *regs);
	struct told told;
} arguments[] = {
	{ on_faultin, { "fz_fault_enter", 0xd1, 0x51 } },
	{ on_adjust, { "fz_fault_map", 0xd1, 0x51 } },
	{ on_write_guest, { "fz_fault_host_write", 0x51, 0xd8 } },
	{ on_mark_dirty, { "fz_fault_host_wrote", 0x51, 0xd8 } },
	{ on_drop_slot, { "fz_fault_drop", 0x51 } },
	{ on_death, { "fz_vm_died", 0xd1 } },
	{ on_birth, { "fz_vm_born", 0xd1 } },
	{ on_set_entry, { "fz_host_fault", 0xd1, 0x51, 0xc8 } },
	{ on_encrypt, { "fz_sweep_kick", 1 } },
};

/* Each handler takes its arguments from where the calling convention has them. */
static void hooks_arguments(struct kunit *test)
{
	struct pt_regs regs = { .di = 0xd1, .si = 0x51, .dx = 0xd8, .cx = 0xc8, .r8 = 0x88 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(arguments); i++) {
		const struct told *want = &arguments[i].told;

		arguments[i].handler(vm, &regs);
		EXPECT_TOLD(want->who, want->a, want->b, want->c);
	}
	KUNIT_EXPECT_TRUE(test, vm->recheck);
}

/* An entry loses what the frame's state denies, and nothing else of what KVM asked for. */
static void hooks_make_entry(struct kunit *test)
{
	struct kvm_mmu *mmu = kunit_kzalloc(test, sizeof(*mmu), GFP_KERNEL);
	u64 (*reserved)[PT64_ROOT_MAX_LEVEL];
	struct pt_regs regs;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, mmu);
	vcpu->arch.mmu = mmu;
	reserved = fz_mmu_reserved(mmu);
	for (allow = 0; allow < 4; allow++) {
		for (i = 0; i < PT64_ROOT_MAX_LEVEL; i++) {
			reserved[0][i] = FZ_SPTE_NPT_NX | 0xff;
			reserved[1][i] = FZ_SPTE_NPT_NX | 0xff;
		}
		regs = (struct pt_regs) {
			.di = (unsigned long)vcpu, .si = 0x51, .dx = 0xd8, .cx = 0xf, .r8 = 0x88,
		};
		on_make_spte(vm, &regs);
		EXPECT_TOLD("fz_fault_entry", 0x51, 0xd8, 0x88);
		KUNIT_EXPECT_EQ(test, regs.cx, fz_acc_deny(0xf, ~allow & 3));
		/* NX is no longer reserved where it is used. */
		for (i = 0; i < PT64_ROOT_MAX_LEVEL; i++) {
			KUNIT_EXPECT_EQ(test, reserved[0][i],
					0xff | (allow & FZ_ACC_EXEC ? FZ_SPTE_NPT_NX : 0));
			KUNIT_EXPECT_EQ(test, reserved[1][i], reserved[0][i]);
		}
	}
}

/* Huge pages are split without X, and put together without X and W. */
static void hooks_split_and_merge(struct kunit *test)
{
	union kvm_mmu_page_role role = { .word = ~0U };
	struct pt_regs regs = { .dx = role.word, .si = 0x5000 | FZ_SPTE_MMU_PRESENT | 3 };

	on_split(vm, &regs);
	role.access &= ~fz_acc_exec();
	KUNIT_EXPECT_EQ(test, (u32)regs.dx, role.word);
	on_merge(vm, &regs);
	KUNIT_EXPECT_FALSE(test, fz_spte_exec(regs.si));
	KUNIT_EXPECT_FALSE(test, regs.si & FZ_SPTE_WRITABLE);
	KUNIT_EXPECT_EQ(test, regs.si & 0x5fff & ~FZ_SPTE_WRITABLE,
			0x5000 | FZ_SPTE_MMU_PRESENT | FZ_SPTE_READABLE);
}

/* An unmap does not let go of the lock in the middle, whoever asked for it. */
static void hooks_unmap(struct kunit *test)
{
	struct kvm_gfn_range range = { .slot = (void *)0x51, .start = 3, .end = 9 };
	struct pt_regs regs = { .si = (unsigned long)&range };

	range.may_block = true;
	on_unmap(vm, &regs);
	EXPECT_TOLD("fz_fault_unmap", 0x51, 3, false);
	KUNIT_EXPECT_FALSE(test, range.may_block);
	on_unmap(vm, &regs);
	EXPECT_TOLD("fz_fault_unmap", 0x51, 3, true);
}

/* A slot that comes, or goes, is in the log with what it is. */
static void hooks_slot(struct kunit *test)
{
	struct kvm_memory_slot *slot = kunit_kzalloc(test, sizeof(*slot), GFP_KERNEL);
	struct pt_regs regs = { .cx = 2 };
	const struct fz_rec *rec;

	KUNIT_ASSERT_NOT_NULL(test, slot);
	*slot = (struct kvm_memory_slot) {
		.base_gfn = 0x100, .npages = 16, .userspace_addr = 0x7f0000000000UL, .flags = 1,
		.id = 5, .as_id = 1,
	};
	on_commit_slot(vm, &regs);
	KUNIT_EXPECT_NULL(test, fx_get());
	regs.dx = (unsigned long)slot;
	on_commit_slot(vm, &regs);
	regs.dx = 0;
	regs.si = (unsigned long)slot;
	regs.cx = 1;
	on_commit_slot(vm, &regs);
	rec = fx_get();
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, rec->type, FZ_REC_MEMSLOT);
	KUNIT_EXPECT_EQ(test, rec->gfn, 0x100);
	KUNIT_EXPECT_EQ(test, rec->as_id, 1);
	KUNIT_EXPECT_EQ(test, rec->u.slot.npages, 16);
	KUNIT_EXPECT_EQ(test, rec->u.slot.hva, 0x7f0000000000UL);
	KUNIT_EXPECT_EQ(test, rec->u.slot.id, 5);
	KUNIT_EXPECT_EQ(test, rec->u.slot.flags, 1);
	KUNIT_EXPECT_EQ(test, rec->u.slot.op, 2);
	fx_consume(rec);
	rec = fx_get();
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, rec->u.slot.op, 1);
	KUNIT_EXPECT_EQ(test, rec->gfn, 0x100);
}

/* Past an ENDBR, if the function has one. */
static void hooks_address(struct kunit *test)
{
	unsigned long address = fz_hooks_address("fz_kunit_target");

	KUNIT_EXPECT_LE(test, address - (unsigned long)fz_kunit_target, 4);
	KUNIT_EXPECT_EQ(test, fz_hooks_address("fz_kunit_no_such_function"), 0);
}

static struct kunit_case hooks_cases[] = {
	KUNIT_CASE(hooks_fire),
	KUNIT_CASE(hooks_proof_of_fire),
	KUNIT_CASE(hooks_missing),
	KUNIT_CASE(hooks_silent),
	KUNIT_CASE(hooks_proof_of_entry),
	KUNIT_CASE(hooks_arguments),
	KUNIT_CASE(hooks_make_entry),
	KUNIT_CASE(hooks_split_and_merge),
	KUNIT_CASE(hooks_unmap),
	KUNIT_CASE(hooks_slot),
	KUNIT_CASE(hooks_address),
	{}
};

static struct kunit_suite hooks_suite = {
	.name = "fitzroy_hooks",
	.init = hooks_init,
	.exit = hooks_exit,
	.test_cases = hooks_cases,
};

kunit_test_suite(hooks_suite);
