// SPDX-License-Identifier: GPL-2.0-only
/*
 * watcher.c - the clean twin of hook.c: a module that is known and changes nothing
 *
 * It counts calls of the function that hook.c redirects, by ftrace, of another by a kprobe,
 * and writes to a function of the kernel what it holds already.
 */
#include <linux/atomic.h>
#include <linux/ftrace.h>
#include <linux/init.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

static atomic_t calls;

static void notrace count(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			  struct ftrace_regs *fregs)
{
	atomic_inc(&calls);
}

static int probed(struct kprobe *p, struct pt_regs *regs)
{
	atomic_inc(&calls);
	return 0;
}

static struct ftrace_ops ops = { .func = count, .flags = FTRACE_OPS_FL_RECURSION };
static struct kprobe probe = { .symbol_name = "__x64_sys_getsid", .pre_handler = probed };
static struct kprobe target = { .symbol_name = "__x64_sys_getpgid" };

static int __init watcher_init(void)
{
	struct page *page;
	u8 *map;
	int rc;

	rc = register_kprobe(&target);
	if (rc)
		return rc;
	unregister_kprobe(&target);
	page = pfn_to_page(PHYS_PFN(__pa(target.addr)));
	map = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
	if (!map)
		return -ENOMEM;
	WRITE_ONCE(map[offset_in_page(target.addr)], *(u8 *)target.addr);
	vunmap(map);
	rc = ftrace_set_filter(&ops, "proc_pid_readdir", sizeof("proc_pid_readdir") - 1, 1);
	rc = rc ?: register_ftrace_function(&ops);
	return rc ?: register_kprobe(&probe);
}

module_init(watcher_init);
MODULE_DESCRIPTION("The clean twin of attacks on the guest kernel, for FitzRoy's tests");
MODULE_LICENSE("GPL");
