// SPDX-License-Identifier: GPL-2.0-only
/*
 * prove_kunit.c - the proof at load, with a KVM that fails at one step
 *
 * All that kmod/prove.c calls of the kernel and of the hooks is played by stand-ins: they note
 * each step, one letter each, and the one that is to fail does.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/linkage.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/objtool.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include "fixture.h"
#include "hooks.h"
#include "host.h"
#include "mmu.h"
#include "prove.h"

/* What was done, and which step fails: its letter, from which of its times on, and how. */
static char steps[128];
static struct {
	char step;
	int time;
	long err;
} fails;
static bool born, dead, silent;
static unsigned int waited;
static u8 *memory;
static struct task_struct *task;
static struct file files[3];
static unsigned long got[4];

static long step(char letter)
{
	int n = strlen(steps), time = 0, i;

	for (i = 0; i < n; i++)
		time += steps[i] == letter;
	if (n < sizeof(steps) - 1)
		steps[n] = letter;
	return letter == fails.step && time >= fails.time ? fails.err : 0;
}

static long fake_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct kvm_userspace_memory_region *region = (void *)arg;
	const struct kvm_msrs *msrs = (void *)arg;
	long err;

	switch (cmd) {
	case KVM_CREATE_VM:
		err = file == &files[0] ? step('V') : -EBADF;
		born = !err;
		return err ?: 1;
	case KVM_CREATE_VCPU:
		return step('C') ?: file == &files[1] ? 2 : -EBADF;
	case KVM_SET_USER_MEMORY_REGION:
		err = step(region->memory_size ? 'S' : 'U');
		/* The reset vector is in the page, and at it HLT. */
		if (region->guest_phys_addr + (region->memory_size ?: PAGE_SIZE) != 1ULL << 32 ||
		    region->userspace_addr != (unsigned long)memory || memory[0xff0] != 0xf4)
			return -ESRCH;
		return err;
	case KVM_RUN:
		return step('R') ?: file == &files[2] ? 0 : -EBADF;
	case KVM_SET_MSRS:
		err = step('M');
		if (msrs->nmsrs != 1 || msrs->entries[0].data >> 12 != 0xfffff)
			return -ESRCH;
		/* How many were set; EAGAIN stands for none. */
		return err == -EAGAIN ? 0 : err ?: 1;
	case KVM_MEMORY_ENCRYPT_OP:
		step('E');
		return -ENOTTY;
	}
	return -EINVAL;
}

static const struct file_operations fake_fops = { .unlocked_ioctl = fake_ioctl };

struct file *fz_kvm_file(void)
{
	return &files[0];
}

void fz_kvm_set_vm_ops(const struct file_operations *ops)
{
	step(ops == &fake_fops ? 'o' : '?');
}

int fz_host_protect_own(unsigned long hva)
{
	return hva == (unsigned long)memory + 2 * PAGE_SIZE ? step('P') : -ESRCH;
}

static noinline void target(unsigned long di, unsigned long si, unsigned long dx, unsigned long cx)
{
	got[0] = di;
	got[1] = si;
	got[2] = dx;
	got[3] = cx;
}

static unsigned long fake_mmap(unsigned long size)
{
	long err = size == 3 * PAGE_SIZE ? step('m') : -ESRCH;

	return err ? (unsigned long)err : (unsigned long)memory;
}

static struct file *fake_fget(long fd)
{
	return step('g') || fd < 1 || fd > 2 ? NULL : &files[fd];
}

static void fake_fput(struct file *file)
{
	step(file == &files[1] ? 'v' : file == &files[2] ? 'c' : '?');
	dead = file == &files[1];
}

static unsigned long fake_copy(void *to, const void *from, size_t size)
{
	if (step('w'))
		return size;
	memcpy(to, from, size);
	return 0;
}

static long fake_put(u8 value, u8 *to)
{
	*to = value;
	return step('p');
}

static unsigned long fake_address(const char *name)
{
	return step(!strcmp(name, FZ_SYM_SPLIT) ? 's' : 'h') ? 0 : (unsigned long)target;
}

static const char *fake_silent(void)
{
	/* The hook on the death fires when the VM dies. */
	return silent || !dead ? "fz_kunit_silent" : NULL;
}

static void fake_zap(struct kvm *kvm, unsigned long hva, unsigned long size, bool may_sleep)
{
	step(hva == (unsigned long)memory && size == PAGE_SIZE && !may_sleep ? 'z' : '?');
}

static void fake_prove_vm(struct kvm *kvm, gfn_t gfn)
{
	step(kvm == (void *)memory && gfn == 0xfffff ? 'k' : '?');
}

#undef current
#undef put_user
#define current				task
#define vm_mmap(f, a, size, p, l, o)	fake_mmap(size)
#define vm_munmap(a, size)		step((a) == (unsigned long)memory ? 'n' : '?')
#define fget(fd)			fake_fget(fd)
#define fput(file)			fake_fput(file)
#define close_fd(fd)			step('x')
#define copy_to_user(to, from, size)	fake_copy((__force void *)(to), from, size)
#define put_user(value, to)		fake_put(value, (__force u8 *)(to))
#define msleep(ms)			(waited += (ms))
#define fz_hooks_address(name)		fake_address(name)
#define fz_hooks_prove_begin()		step('b')
#define fz_hooks_prove_end()		step('e')
#define fz_hooks_prove_entry()		(!step('y'))
#define fz_hooks_prove_vm(kvm, gfn)	fake_prove_vm(kvm, gfn)
#define fz_hooks_silent()		fake_silent()
#define fz_mmu_zap(...)			fake_zap(__VA_ARGS__)
#include "../../kmod/prove.c"

static void again(void)
{
	memset(steps, 0, sizeof(steps));
	memset(memory, 0, 3 * PAGE_SIZE);
	fails.step = 0;
	born = false;
	dead = false;
	silent = false;
	waited = 0;
	fz_kvm_vendor = FZ_VENDOR_AMD;
}

static int prove_init(struct kunit *test)
{
	int i;

	memory = vmalloc(3 * PAGE_SIZE);
	task = kvzalloc(sizeof(*task), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	KUNIT_ASSERT_NOT_NULL(test, task);
	task->mm = (void *)memory;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		files[i].f_op = &fake_fops;
		files[i].private_data = memory;
	}
	again();
	return 0;
}

static void prove_exit(struct kunit *test)
{
	kvfree(task);
	vfree(memory);
}

/* The module's own call of a function that it knows by address alone. */
static void prove_call(struct kunit *test)
{
	make_nothing((struct kvm *)0x1111, (unsigned long)target, 0x2222, 0x3333);
	KUNIT_EXPECT_EQ(test, got[0], 0x1111);
	KUNIT_EXPECT_EQ(test, got[1], 0x2222);
	KUNIT_EXPECT_EQ(test, got[2], 0x3333);
	KUNIT_EXPECT_EQ(test, got[3], 0);
}

/* Without a process there is no guest to prove with: not loaded, and nothing was done. */
static void prove_without_process(struct kunit *test)
{
	task->mm = NULL;
	KUNIT_EXPECT_EQ(test, fz_prove_hooks(), -EINVAL);
	KUNIT_EXPECT_STREQ(test, steps, "");
}

/* From birth to death past every hook; the verdict comes after the death. */
static void prove_walk(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, fz_prove_hooks(), 0);
	KUNIT_EXPECT_STREQ(test, steps, "mbVgxokwwSCgxRywMpPpshzEwUcven");
	KUNIT_EXPECT_EQ(test, got[2], PG_LEVEL_2M);
	KUNIT_EXPECT_EQ(test, waited, 0);
	again();
	fz_kvm_vendor = FZ_VENDOR_INTEL;
	KUNIT_EXPECT_EQ(test, fz_prove_hooks(), 0);
	KUNIT_EXPECT_STREQ(test, steps, "mbVgxokwwSCgxRywMpPpshzwUcven");
}

/* Whatever fails, the module does not load, and what was made is gone. */
static const struct refusal {
	char step;
	int time;
	int err, says;
} refusals[] = {
	{ 'V', 0, -EBUSY, -EBUSY },	/* no VM */
	{ 'g', 0, -1, -EBADF },		/* a VM without a file */
	{ 'w', 0, -1, -EFAULT },	/* the guest's code */
	{ 'w', 1, -1, -EFAULT },	/* arguments of the slot */
	{ 'S', 0, -EEXIST, -EEXIST },	/* no slot */
	{ 'C', 0, -EMFILE, -EMFILE },	/* no vCPU */
	{ 'g', 1, -1, -EBADF },
	{ 'R', 0, -EIO, -EIO },		/* the guest does not run */
	{ 'R', 0, -EINTR, -EINTR },	/* and never will */
	{ 'y', 0, -1, -ENXIO },		/* KVM's entries are other ones */
	{ 'w', 2, -1, -EFAULT },
	{ 'M', 0, -EPERM, -EPERM },	/* KVM does not write to the guest */
	{ 'M', 0, -EAGAIN, -EIO },
	{ 'p', 0, -EFAULT, -EFAULT },	/* the VMM's own write */
	{ 'P', 0, -EAGAIN, -EAGAIN },	/* its entry keeps W */
	{ 'p', 1, -EFAULT, -EFAULT },
	{ 's', 0, -1, -ENOENT },	/* the function that splits is not there */
	{ 'h', 0, -1, -ENOENT },	/* nor the one that merges */
	{ 'U', 0, -EINVAL, -EINVAL },	/* the slot stays */
};

static void refusal_desc(const struct refusal *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%c %d: %d", r->step, r->time, r->err);
}

KUNIT_ARRAY_PARAM(refusal, refusals, refusal_desc);

static void prove_refuses(struct kunit *test)
{
	const struct refusal *r = test->param_value;
	bool vm, vcpu;

	fails.step = r->step;
	fails.time = r->time;
	fails.err = r->err;
	/* What never was does not die, and its hook is silent. */
	KUNIT_EXPECT_EQ(test, fz_prove_hooks(), r->says);
	vm = born && (r->step != 'g' || r->time);
	vcpu = strchr(steps, 'R');
	KUNIT_EXPECT_EQ(test, !!strchr(steps, 'v'), vm);
	KUNIT_EXPECT_EQ(test, !!strchr(steps, 'c'), vcpu);
	KUNIT_EXPECT_STREQ(test, steps + strlen(steps) - 2, "en");
	KUNIT_EXPECT_NULL(test, strchr(steps, '?'));
	/* Each descriptor that was made is taken away. */
	KUNIT_EXPECT_EQ(test, !!strchr(steps, 'g'), !!strchr(steps, 'x'));
	/* Nothing is asked of it after the step that failed. */
	if (r->step != 'U')
		KUNIT_EXPECT_NULL(test, strchr(steps, 'U'));
}

static void prove_no_memory(struct kunit *test)
{
	fails.step = 'm';
	fails.time = 0;
	fails.err = -ENOMEM;
	KUNIT_EXPECT_EQ(test, fz_prove_hooks(), -ENOMEM);
	KUNIT_EXPECT_STREQ(test, steps, "m");
}

/* All went well, but for a hook that never fired, for which a second is enough. */
static void prove_silent(struct kunit *test)
{
	silent = true;
	KUNIT_EXPECT_EQ(test, fz_prove_hooks(), -ENXIO);
	KUNIT_EXPECT_STREQ(test, steps, "mbVgxokwwSCgxRywMpPpshzEwUcven");
	KUNIT_EXPECT_EQ(test, waited, 1000);
}

/* A signal does not end the proof, but one that kills. */
static void prove_signal(struct kunit *test)
{
	fails.step = 'R';
	fails.time = 0;
	fails.err = -EINTR;
	set_tsk_thread_flag(task, TIF_SIGPENDING);
	sigaddset(&task->pending.signal, SIGKILL);
	KUNIT_EXPECT_EQ(test, fz_prove_hooks(), -EINTR);
	KUNIT_EXPECT_PTR_EQ(test, strchr(steps, 'R'), strrchr(steps, 'R'));
	clear_tsk_thread_flag(task, TIF_SIGPENDING);
}

static void prove_claim(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, PTR_ERR(claim_fd(-EMFILE)), -EMFILE);
	KUNIT_EXPECT_STREQ(test, steps, "");
	KUNIT_EXPECT_PTR_EQ(test, claim_fd(2), &files[2]);
	KUNIT_EXPECT_STREQ(test, steps, "gx");
}

static struct kunit_case prove_cases[] = {
	KUNIT_CASE(prove_call),
	KUNIT_CASE(prove_without_process),
	KUNIT_CASE(prove_walk),
	KUNIT_CASE_PARAM(prove_refuses, refusal_gen_params),
	KUNIT_CASE(prove_no_memory),
	KUNIT_CASE(prove_silent),
	KUNIT_CASE(prove_signal),
	KUNIT_CASE(prove_claim),
	{}
};

static struct kunit_suite prove_suite = {
	.name = "fitzroy_prove",
	.init = prove_init,
	.exit = prove_exit,
	.test_cases = prove_cases,
};

kunit_test_suite(prove_suite);
