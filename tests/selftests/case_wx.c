// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_wx.c - the guest fetches and writes
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "selftest.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25	/* Linux 6.1 */
#endif

/* N pages called once are N first executions; called again, none. */
static void test_once(void)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 7);

	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(7, N), "the guest ran");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == N + 1, "%u pages and their caller: %u first executions",
	   N, s->count[FZ_REC_EXEC]);
	ok(!s->bad_hash && !s->bad_rip, "digest, RIP, CR3, CPL and mode of each are right");
	ok(s->last_gfn == TARGETS / PAGE + N - 1 &&
	   !memcmp(s->last_page, vm.mem + s->last_gfn * PAGE, PAGE), "the last snapshot is the page");
	ok(!s->count[FZ_REC_REEXEC] && !s->count[FZ_REC_WRITE] && !s->count[FZ_REC_MIXED],
	   "and nothing else");

	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(7, N), "again");
	s = look(id);
	ok(!s->count[FZ_REC_EXEC] && !s->count[FZ_REC_REEXEC], "called again: no event");
	finish(&vm, id);
}

/* A write between calls is one write and one re-execution each time. */
static void flips(unsigned int nvcpus)
{
	const struct seen *s;
	unsigned int v;
	struct vm vm;
	uint64_t id, wrong = 0;

	vm_new(&vm, nvcpus);
	id = attach(&vm);
	for (v = 0; v < nvcpus; v++) {
		PUT(&vm, DRIVER(v), flip_page);
		vm_put_targets(&vm, TARGETS + v * PAGE, 1, 0);
		vcpu_start(&vm, v, DRIVER(v), TARGETS + v * PAGE, FLIPS + 1, 0);
	}
	look(id);
	ok(!vm_run_all(&vm, drain), "%u vCPUs rewrite and call a page each, %u times", nvcpus, FLIPS);
	for (v = 0; v < nvcpus; v++)
		wrong += vcpu_rax(&vm, v);
	ok(!wrong, "each call ran what was written last");
	s = look_on();
	ok(s->count[FZ_REC_EXEC] == 2 * nvcpus, "%u first executions", s->count[FZ_REC_EXEC]);
	ok(s->count[FZ_REC_WRITE] == nvcpus * FLIPS, "%u writes", s->count[FZ_REC_WRITE]);
	ok(s->count[FZ_REC_REEXEC] == nvcpus * FLIPS, "%u re-executions",
	   s->count[FZ_REC_REEXEC]);
	ok(!s->bad_hash && !s->bad_rip && !s->count[FZ_REC_MIXED], "all as they should be");
	finish(&vm, id);
}

static void test_flip_1(void) { flips(1); }
static void test_flip_2(void) { flips(2); }
static void test_flip_4(void) { flips(4); }

/* Pages shared by all vCPUs: the first to fetch is logged, once. */
static void test_shared(void)
{
	const struct seen *s;
	unsigned int v;
	struct vm vm;
	uint64_t id;
	bool right = true;

	vm_new(&vm, 4);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 7);
	for (v = 0; v < 4; v++)
		vcpu_start(&vm, v, DRIVER(0), TARGETS, N, 0);
	look(id);
	ok(!vm_run_all(&vm, drain), "4 vCPUs call the same pages");
	for (v = 0; v < 4; v++)
		right = right && vcpu_rax(&vm, v) == sum(7, N);
	ok(right, "with the right result");
	s = look_on();
	ok(s->count[FZ_REC_EXEC] == N + 1, "%u first executions", s->count[FZ_REC_EXEC]);
	ok(!s->count[FZ_REC_REEXEC] && !s->count[FZ_REC_MIXED], "and nothing else");
	finish(&vm, id);
}

/* A page that writes to itself ends, as mixed, and the guest goes on. */
static void test_self(void)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	id = attach(&vm);
	PUT(&vm, TARGETS, write_self);
	vcpu_start(&vm, 0, TARGETS, 0, 1000, 0);
	ok(!vcpu_run(&vm, 0) && vcpu_rax(&vm, 0) == 1000, "a page that writes to itself ends");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == 1 && s->count[FZ_REC_MIXED] >= 1,
	   "one first execution, %u mixed", s->count[FZ_REC_MIXED]);
	ok(s->count[FZ_REC_REEXEC] == 0, "no re-execution before it");

	/* Its time up, it is captured anew, and then behaves. */
	usleep(200000);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS + PAGE, 1, 5);
	ok(!call(&vm, 0, TARGETS + PAGE, 1) && vcpu_rax(&vm, 0) == 5, "the guest goes on");
	ok(!audit(id).violations, "X and W are apart again");
	finish(&vm, id);
}

/* Does KVM keep small what it split for an executable page, until its own recovery? */
static bool nx_huge_pages(void)
{
	char value = 'N';
	int fd = open("/sys/module/kvm/parameters/nx_huge_pages", O_RDONLY);

	if (fd >= 0) {
		if (read(fd, &value, 1) != 1)
			value = 'N';
		close(fd);
	}
	return value == 'Y' || value == 'f';
}

/* Regions that hold only data stay huge, and one whose code is gone becomes so again. */
static void test_huge(void)
{
	__u64 pages = (MEM_BYTES - DATA) / PAGE, regions = (MEM_BYTES - DATA) / HUGE;
	struct fz_audit a;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	/* All of it is there, as 2 MiB pages, before the guest looks. */
	memset(vm.mem + TARGETS, 0, MEM_BYTES - TARGETS);
	id = attach(&vm);
	/* The stack and the code have their entries before the count. */
	PUT(&vm, DRIVER(1), call_pages);
	vm_put_targets(&vm, TARGETS, 1, 1);
	vcpu_start(&vm, 0, DRIVER(1), TARGETS, 1, 0);
	ok(!vcpu_run(&vm, 0), "the guest runs code elsewhere");
	PUT(&vm, DRIVER(0), write_pages);
	ok(!call(&vm, 0, DATA, pages), "the guest writes to %llu MiB of data",
	   regions * 2);
	a = audit(id);
	ok(a.leaves_2m >= regions, "%llu of %llu regions are 2 MiB entries",
	   a.leaves_2m, regions);

	vm_put_targets(&vm, DATA, N, 1);
	vcpu_start(&vm, 0, DRIVER(1), DATA, N, 0);
	ok(!vcpu_run(&vm, 0), "then runs code in one of them");
	ok(audit(id).leaves_2m == a.leaves_2m - 1, "which alone is split");

	ok(!call(&vm, 0, DATA, N), "the code is overwritten");
	sleep(4);
	/* What khugepaged does to the VMM's memory in its own time. */
	if (madvise(vm.mem + DATA, HUGE, MADV_COLLAPSE))
		diag("MADV_COLLAPSE: %s", strerror(errno));
	ok(!call(&vm, 0, DATA, 512), "and after a while the region is used again");
	if (nx_huge_pages())
		ok(audit(id).leaves_2m == a.leaves_2m - 1, "left small to KVM's NX recovery");
	else
		ok(audit(id).leaves_2m == a.leaves_2m, "as a 2 MiB entry");
	finish(&vm, id);
}

/* One frame behind two addresses has one state. */
static void test_alias(void)
{
	__u64 alias = 1UL << 30;
	const struct seen *s;
	struct vm vm;
	uint64_t id, *pdpt;

	vm_new(&vm, 1);
	id = attach(&vm);
	/* The second GiB of the guest maps the first again, through a second slot. */
	pdpt = (uint64_t *)(vm.mem + TABLES + PAGE);
	pdpt[1] = (TABLES + 3 * PAGE) | 0x67;
	memset(vm.mem + TABLES + 3 * PAGE, 0, PAGE);
	((uint64_t *)(vm.mem + TABLES + 3 * PAGE))[TARGETS / HUGE] = (alias + TARGETS) | 0xe7;
	if (vm_slot(&vm, 1, alias + TARGETS, HUGE, vm.mem + TARGETS, 0))
		err(2, "alias slot");

	PUT(&vm, DRIVER(0), call_pages);
	PUT(&vm, DRIVER(1), write_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N), "pages run through one slot");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == N + 1 && s->count[FZ_REC_MEMSLOT] == 1,
	   "%u first executions, a slot change", s->count[FZ_REC_EXEC]);
	vcpu_start(&vm, 0, DRIVER(1), alias + TARGETS, N, 0);
	ok(!vcpu_run(&vm, 0), "are written through the other");
	s = look(id);
	ok(s->count[FZ_REC_WRITE] == N, "%u writes", s->count[FZ_REC_WRITE]);
	ok(!call(&vm, 0, TARGETS, N), "and run again");
	s = look(id);
	ok(s->count[FZ_REC_REEXEC] == N, "%u re-executions", s->count[FZ_REC_REEXEC]);
	finish(&vm, id);
}

/* A slot that goes takes what is known of its frames with it. */
static void test_slot(void)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;
	int i;

	vm_new(&vm, 1);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N), "pages run");
	look(id);
	for (i = 0; i < 3; i++) {
		if (vm_slot(&vm, 0, 0, 0, vm.mem, 0))
			err(2, "delete slot");
		/* While it is gone its owner changes it, seen by nobody. */
		vm_put_targets(&vm, TARGETS, N, 100 + i);
		if (vm_slot(&vm, 0, 0, MEM_BYTES, vm.mem, 0))
			err(2, "add slot");
		ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(100 + i, N),
		   "run again after their slot was removed, changed and added");
		s = look(id);
		ok(s->count[FZ_REC_REEXEC] == N + 1 && s->count[FZ_REC_MEMSLOT] == 2,
		   "%u re-executions, %u slot changes", s->count[FZ_REC_REEXEC],
		   s->count[FZ_REC_MEMSLOT]);
	}
	finish(&vm, id);
}

/* The host takes the memory away: what comes back is captured anew. */
static void test_discard(void)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N), "pages run");
	look(id);
	if (madvise(vm.mem + TARGETS, N * PAGE, MADV_DONTNEED))
		err(2, "MADV_DONTNEED");
	s = look(id);
	ok(s->count[FZ_REC_CHANGED] == N, "MADV_DONTNEED: %u changed", s->count[FZ_REC_CHANGED]);
	vm_put_targets(&vm, TARGETS, N, 9);
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(9, N), "run again, new");
	s = look(id);
	ok(s->count[FZ_REC_REEXEC] == N, "%u re-executions", s->count[FZ_REC_REEXEC]);
	finish(&vm, id);
}

const struct test wx_tests[] = {
	{ "once", test_once },
	{ "flip-1", test_flip_1 },
	{ "flip-2", test_flip_2 },
	{ "flip-4", test_flip_4 },
	{ "shared", test_shared },
	{ "self", test_self },
	{ "huge", test_huge },
	{ "alias", test_alias },
	{ "slot", test_slot },
	{ "discard", test_discard },
	{ NULL, NULL }
};
