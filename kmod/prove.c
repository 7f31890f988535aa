// SPDX-License-Identifier: GPL-2.0-only
/*
 * prove.c - prove at load that every hook fires
 *
 * An attach may succeed and never fire: the compiler inlined a caller's copy,
 * another tool holds the site. So make a VM of one page whose first instruction
 * is HLT, through /dev/kvm as any VMM would, and walk it from birth to death past
 * every hook. It lives in the process that loads the module, and ends here.
 */
#include <linux/delay.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include "compat/kvm.h"
#include "hooks.h"
#include "host.h"
#include "mmu.h"
#include "prove.h"

#define RESET_PAGE	0xfffff000ULL	/* holds the reset vector, F000:FFF0 */
#define RESET_OFFSET	0xff0
#define HLT		0xf4
#define MSR_WALL_CLOCK	0x11		/* MSR_KVM_WALL_CLOCK: KVM writes to guest memory */

struct vm_files {
	struct file *kvm, *vm, *vcpu;
	unsigned long user;		/* guest page, a page for arguments, an untouched one */
	bool said;			/* the log has the reason */
};

static long do_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return file->f_op->unlocked_ioctl(file, cmd, arg);
}

/* Pass @size bytes of @arg through the user page. */
static long ioctl_struct(struct vm_files *f, struct file *file, unsigned int cmd,
			 const void *arg, size_t size)
{
	unsigned long user = f->user + PAGE_SIZE;

	if (copy_to_user((void __user *)user, arg, size))
		return -EFAULT;
	return do_ioctl(file, cmd, user);
}

/* Take the file that an ioctl left behind @fd, and the descriptor away. */
static struct file *claim_fd(long fd)
{
	struct file *file;

	if (fd < 0)
		return ERR_PTR(fd);
	file = fget(fd);
	close_fd(fd);
	return file ?: ERR_PTR(-EBADF);
}

struct closing {
	struct work_struct work;
	struct vm_files *files;
};

/* From a worker a file is closed now, not when the process returns to user mode. */
static void close_files(struct work_struct *work)
{
	struct vm_files *f = container_of(work, struct closing, work)->files;

	if (!IS_ERR_OR_NULL(f->vcpu))
		fput(f->vcpu);
	if (!IS_ERR_OR_NULL(f->vm))
		fput(f->vm);
	flush_delayed_fput();
}

/* End the VM, and wait a second at most for its death to be seen. */
static void end(struct vm_files *f)
{
	struct closing closing = { .files = f };
	int tries;

	INIT_WORK_ONSTACK(&closing.work, close_files);
	schedule_work(&closing.work);
	flush_work(&closing.work);
	destroy_work_on_stack(&closing.work);
	for (tries = 0; fz_hooks_silent() && tries < 50; tries++)
		msleep(20);
}

static long set_slot(struct vm_files *f, u64 bytes)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = RESET_PAGE,
		.memory_size = bytes,
		.userspace_addr = f->user,
	};

	return ioctl_struct(f, f->vm, KVM_SET_USER_MEMORY_REGION, &region, sizeof(region));
}

static long run_guest(struct vm_files *f)
{
	u8 code = HLT;
	long err;
	int tries;

	if (copy_to_user((void __user *)(f->user + RESET_OFFSET), &code, 1))
		return -EFAULT;
	err = set_slot(f, PAGE_SIZE);
	if (err)
		return err;
	f->vcpu = claim_fd(do_ioctl(f->vm, KVM_CREATE_VCPU, 0));
	if (IS_ERR(f->vcpu))
		return PTR_ERR(f->vcpu);
	for (tries = 0; tries < 100; tries++) {
		err = do_ioctl(f->vcpu, KVM_RUN, 0);
		if (err != -EINTR || fatal_signal_pending(current))
			break;
	}
	return err;
}

static long write_clock(struct vm_files *f)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head.nmsrs = 1,
		.entry = { .index = MSR_WALL_CLOCK, .data = RESET_PAGE },
	};
	long n = ioctl_struct(f, f->vcpu, KVM_SET_MSRS, &msrs, sizeof(msrs));

	return n == 1 ? 0 : n < 0 ? n : -EIO;
}

/*
 * Functions that make an entry from another are pure but for KVM's constants. Their
 * address is looked up, so an indirect call could miss the ENDBR: return into it instead.
 */
static noinline void make_nothing(struct kvm *kvm, unsigned long address, u64 spte,
				  unsigned long level)
{
	unsigned long di = (unsigned long)kvm, si = spte, dx = level, cx = 0;

	asm volatile("lea 1f(%%rip), %%rax\n\t"
		     "push %%rax\n\t"
		     "push %[address]\n\t"
		     ASM_RET
		     "1:"
		     : "+D" (di), "+S" (si), "+d" (dx), "+c" (cx), ASM_CALL_CONSTRAINT
		     : [address] "b" (address)
		     : "rax", "r8", "r9", "r10", "r11", "memory", "cc");
}

STACK_FRAME_NON_STANDARD(make_nothing);

static long split_and_merge(struct kvm *kvm)
{
	unsigned long address = fz_hooks_address(FZ_SYM_SPLIT);
	u64 spte = FZ_SPTE_MMU_PRESENT | FZ_SPTE_READABLE;

	if (!address)
		return -ENOENT;
	make_nothing(kvm, address, spte | FZ_SPTE_LARGE, PG_LEVEL_4K);
#ifdef FZ_SYM_MERGE
	address = fz_hooks_address(FZ_SYM_MERGE);
	if (!address)
		return -ENOENT;
	make_nothing(kvm, address, spte, PG_LEVEL_2M);
#endif
	return 0;
}

/* A write to a page that has lost W gives W back, where the trap is. */
static long write_read_only(struct vm_files *f)
{
	u8 __user *page = (u8 __user *)(f->user + 2 * PAGE_SIZE);

	return put_user(1, page) ?: fz_host_protect_own(f->user + 2 * PAGE_SIZE) ?:
	       put_user(2, page);
}

static long live(struct vm_files *f)
{
	struct kvm *kvm;
	long err;

	f->vm = claim_fd(do_ioctl(f->kvm, KVM_CREATE_VM, 0));
	if (IS_ERR(f->vm))
		return PTR_ERR(f->vm);
	kvm = f->vm->private_data;
	fz_kvm_set_vm_ops(f->vm->f_op);
	fz_hooks_prove_vm(kvm, RESET_PAGE >> PAGE_SHIFT);

	err = run_guest(f);
	if (!err && !fz_hooks_prove_entry()) {
		f->said = true;
		err = -ENXIO;
	}
	if (!err)
		err = write_clock(f);
	if (!err)
		err = write_read_only(f);
	if (!err)
		err = split_and_merge(kvm);
	if (err)
		return err;
	fz_mmu_zap(kvm, f->user, PAGE_SIZE, false);
	if (fz_kvm_vendor == FZ_VENDOR_AMD)
		/* Fails for want of SEV or of sense; the hook comes first. */
		do_ioctl(f->vm, KVM_MEMORY_ENCRYPT_OP, f->user + PAGE_SIZE);
	return set_slot(f, 0);
}

int fz_prove_hooks(void)
{
	struct vm_files f = { .kvm = fz_kvm_file() };
	const char *silent;
	long err;

	if (!current->mm) {
		pr_err("fitzroy: not loaded: the hooks can only be proven from a process (use insmod or modprobe)\n");
		return -EINVAL;
	}
	f.user = vm_mmap(NULL, 0, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(f.user))
		return (long)f.user;

	fz_hooks_prove_begin();
	err = live(&f);
	end(&f);
	silent = fz_hooks_silent();
	fz_hooks_prove_end();

	vm_munmap(f.user, 3 * PAGE_SIZE);

	/* One reason: hooks that the guest did not come to are none. */
	if (err && !f.said)
		pr_err("fitzroy: not loaded: the guest that proves the hooks ended early (error %ld)\n",
		       err);
	else if (!err && silent)
		pr_err("fitzroy: not loaded: the hook on %s does not fire on this kernel\n",
		       silent);
	return err ?: silent ? -ENXIO : 0;
}
