// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_merge.c - huge pages that come back
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "selftest.h"

#define HUGE_PAGES	"/proc/sys/vm/nr_hugepages"

/* Does KVM make a huge entry of the small ones, rather than drop them? */
static bool makes_huge_entries(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[512], name[256];
	bool has = false;

	while (f && !has && fgets(line, sizeof(line), f))
		has = sscanf(line, "%*s %*c %255s", name) == 1 && !strcmp(name, "make_huge_spte");
	if (f)
		fclose(f);
	return has;
}

static void dirty_log(struct vm *vm, bool on)
{
	if (vm_slot(vm, 0, 0, MEM_BYTES, vm->mem, on ? KVM_MEM_LOG_DIRTY_PAGES : 0))
		err(2, "dirty log");
}

/*
 * When dirty logging ends KVM gives a region its huge entry back, and with it what the first
 * of its small ones may do: @written, W to an executed page; else X to pages that never ran.
 * It does so only where the VMM's own page is still huge, which is so of hugetlb's alone: of
 * others those that hold code have been split, to take W from each.
 */
static void merge(bool written)
{
	__u64 code = DATA + written * PAGE;
	struct fz_audit small, a;
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	put(HUGE_PAGES, "32");
	vm_new_on(&vm, 1, vm_map(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1));
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	PUT(&vm, DRIVER(1), write_pages);
	vm_put_targets(&vm, code, N, 1);
	dirty_log(&vm, true);
	if (written) {
		vcpu_start(&vm, 0, DRIVER(1), DATA, 1, 0);
		ok(!vcpu_run(&vm, 0), "a page is written");
	}
	vcpu_start(&vm, 0, DRIVER(0), code, 1, 0);
	ok(!vcpu_run(&vm, 0), "a page of its region runs");
	small = audit(id);
	ok(!small.leaves_2m, "dirty logging: %llu small entries", small.leaves_4k);
	dirty_log(&vm, false);
	a = audit(id);
	ok(!a.violations, "it ends: no violation in %llu huge entries, %llu small",
	   a.leaves_2m, a.leaves_4k);
	if (makes_huge_entries())
		ok(a.leaves_2m && !a.leaves_4k, "which were made of small ones");
	look(id);

	vcpu_start(&vm, 0, DRIVER(1), code, 1, 0);
	ok(!vcpu_run(&vm, 0), "what ran is written");
	s = look(id);
	ok(s->count[FZ_REC_WRITE] + s->count[FZ_REC_CHANGED] >= 1, "which is seen");
	vm_put_targets(&vm, code, 1, 1);
	vcpu_start(&vm, 0, DRIVER(0), code, N, 0);
	ok(!vcpu_run(&vm, 0) && vcpu_rax(&vm, 0) == sum(1, N), "its neighbours run");
	s = look_on();
	ok(s->count[FZ_REC_EXEC] >= N - 1, "%u first executions, %u again", s->count[FZ_REC_EXEC],
	   s->count[FZ_REC_REEXEC]);
	finish(&vm, id);
	put(HUGE_PAGES, "0");
}

static void test_merge(void)
{
	merge(false);
}

static void test_merge_written(void)
{
	merge(true);
}

const struct test merge_tests[] = {
	{ "merge", test_merge },
	{ "merge-written", test_merge_written },
	{ NULL, NULL }
};
