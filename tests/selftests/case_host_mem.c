// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_host_mem.c - the VMM writes: every kind of memory that a guest can have
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "selftest.h"

#define SHMEM_HUGE	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define HUGE_PAGES	"/proc/sys/vm/nr_hugepages"

void put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		err(2, "%s", path);
	close(fd);
}

__u32 not_covered(__u64 id)
{
	struct fz_vm_desc *vms;
	__u32 bits = ~0U;
	size_t i, n;

	if (fz_device_list(dev, &vms, &n, &error))
		errx(2, "list: %s", error.text);
	for (i = 0; i < n; i++)
		if (vms[i].id == id)
			bits = vms[i].not_covered;
	free(vms);
	return bits;
}

/* The kernel writes @value into the page at @gpa for the VMM, as a device model's read(2). */
static void read_into(struct vm *vm, __u64 gpa)
{
	int pipes[2];

	if (pipe(pipes) || write(pipes[1], "\xb8\x2a\0\0\0\xc3", 6) != 6 ||
	    read(pipes[0], vm->mem + gpa, 6) != 6)
		err(2, "pipe");
	close(pipes[0]);
	close(pipes[1]);
}

/* How much of the mapping that @mem is in is mapped by huge entries, in KiB. */
static unsigned long huge_kib(const void *mem)
{
	unsigned long start, end, kib, sum = 0;
	char line[256];
	bool in = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	if (!f)
		err(2, "smaps");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			in = (uintptr_t)mem >= start && (uintptr_t)mem < end;
		else if (in && (sscanf(line, "AnonHugePages: %lu", &kib) == 1 ||
				sscanf(line, "ShmemPmdMapped: %lu", &kib) == 1))
			sum += kib;
	}
	fclose(f);
	return sum;
}

/*
 * The VMM rewrites executed pages through its own mapping and the kernel does so
 * for it: each write is seen before the guest runs a byte of it. @grain: how many
 * of the pages lose X when one is written.
 */
static void rewrite(struct vm *vm, __u64 id, unsigned int grain)
{
	const struct seen *s;
	int i;

	PUT(vm, DRIVER(0), call_pages);
	vm_put_targets(vm, TARGETS, N, 3);
	look(id);
	ok(!call(vm, 0, TARGETS, N) && vcpu_rax(vm, 0) == sum(3, N), "pages run");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == N + 1 && !s->count[FZ_REC_MIXED] && !s->count[FZ_REC_CHANGED],
	   "%u first executions", s->count[FZ_REC_EXEC]);
	for (i = 0; i < 3; i++) {
		vm_put_targets(vm, TARGETS, N, 1000 * i);
		s = look(id);
		ok(s->count[FZ_REC_CHANGED] == N, "the VMM rewrites them: %u changed",
		   s->count[FZ_REC_CHANGED]);
		vm_put_targets(vm, TARGETS, N, 1000 * i + 5);
		ok(!look(id)->count[FZ_REC_CHANGED], "again, before they run: no event");
		ok(!call(vm, 0, TARGETS, N) && vcpu_rax(vm, 0) == sum(1000 * i + 5, N),
		   "they run, as written last");
		s = look(id);
		ok(s->count[FZ_REC_REEXEC] == N && !s->bad_hash && !s->count[FZ_REC_MIXED] &&
		   !memcmp(s->last_page, vm->mem + s->last_gfn * PAGE, PAGE),
		   "%u re-executions, of what the VMM wrote", s->count[FZ_REC_REEXEC]);
	}
	read_into(vm, TARGETS);
	ok(look(id)->count[FZ_REC_CHANGED] == grain, "read(2) into one: %u changed", grain);
	ok(!call(vm, 0, TARGETS, 1) && vcpu_rax(vm, 0) == 42, "it runs");
	ok(look(id)->count[FZ_REC_REEXEC] == 1, "and is captured anew");
}

/* All of it for a VM on @mem, of which @missed (FZ_MISS_*) is to be said. */
static void backing(void *mem, unsigned int grain, __u32 missed)
{
	struct vm vm;
	uint64_t id;

	memset((uint8_t *)mem + TARGETS, 0, HUGE);
	vm_new_on(&vm, 1, mem);
	id = attach(&vm);
	rewrite(&vm, id, grain);
	ok(not_covered(id) == missed, "not covered: 0x%x", not_covered(id));
	finish(&vm, id);
}

static void *anon(int advice)
{
	void *mem = vm_map(MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (madvise(mem, MEM_BYTES, advice))
		err(2, "madvise");
	return mem;
}

static void test_small(void)
{
	backing(anon(MADV_NOHUGEPAGE), 1, 0);
}

static void test_huge(void)
{
	uint8_t *mem = anon(MADV_HUGEPAGE);

	memset(mem + TARGETS, 0, HUGE);
	ok(huge_kib(mem) == HUGE >> 10, "the VMM's page is huge");
	backing(mem, 1, 0);
}

/* Shared memory that nobody shares: trapped, and nothing to say. */
static void test_shmem(void)
{
	backing(vm_map(MAP_SHARED | MAP_ANONYMOUS, -1), 1, 0);
}

static void test_shmem_huge(void)
{
	uint8_t *mem;

	put(SHMEM_HUGE, "advise");
	mem = vm_map(MAP_SHARED | MAP_ANONYMOUS, -1);
	if (madvise(mem, MEM_BYTES, MADV_HUGEPAGE))
		err(2, "madvise");
	memset(mem + TARGETS, 0, HUGE);
	ok(huge_kib(mem) == HUGE >> 10, "the VMM's page is huge");
	backing(mem, 1, 0);
	put(SHMEM_HUGE, "never");
}

static int memfd(unsigned int flags)
{
	int fd = memfd_create("guest", flags);

	if (fd < 0 || ftruncate(fd, MEM_BYTES))
		err(2, "memfd");
	return fd;
}

/* With its descriptor open others may write to it; without, nobody can. */
static void test_memfd(void)
{
	int fd = memfd(0);
	void *mem = vm_map(MAP_SHARED, fd);

	backing(mem, 1, FZ_MISS_SHARED);
	mem = vm_map(MAP_SHARED, fd);
	close(fd);
	backing(mem, 1, 0);
}

/* A private mapping of a file: copied pages are the VMM's own, others are the file's. */
static void test_private_file(void)
{
	int fd = memfd(0);
	const struct seen *s;
	uint8_t *mem;
	struct vm vm;
	uint64_t id;

	backing(vm_map(MAP_PRIVATE, fd), 1, 0);

	mem = vm_map(MAP_PRIVATE, fd);
	vm_new_on(&vm, 1, mem);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	if (pwrite(fd, "\xb8\x2a\0\0\0\xc3", 6, TARGETS) != 6)
		err(2, "pwrite");
	ok(!call(&vm, 0, TARGETS, 1) && vcpu_rax(&vm, 0) == 42, "a page of the file runs");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == 2 && s->count[FZ_REC_COVERAGE] == 1 &&
	   not_covered(id) == FZ_MISS_SHARED, "which others may write, and that is said");
	finish(&vm, id);
	close(fd);
}

/* Others come to share the memory only later: found within a second or two. */
static void test_shared_later(void)
{
	void *other, *mem = vm_map(MAP_SHARED | MAP_ANONYMOUS, -1);
	struct vm vm;
	uint64_t id;
	int i;

	vm_new_on(&vm, 1, mem);
	id = attach(&vm);
	rewrite(&vm, id, 1);
	ok(!not_covered(id), "nothing is not covered");
	/* A second mapping of the same memory. */
	other = mremap(mem, 0, MEM_BYTES, MREMAP_MAYMOVE);
	if (other == MAP_FAILED)
		err(2, "mremap");
	for (i = 0; i < 50 && !not_covered(id); i++)
		usleep(100000);
	ok(not_covered(id) == FZ_MISS_SHARED, "a second mapping is found");
	ok(look(id)->count[FZ_REC_COVERAGE] == 1, "and said once");
	munmap(other, MEM_BYTES);
	finish(&vm, id);
}

static void test_hugetlb(void)
{
	uint8_t *mem;
	int fd;

	put(HUGE_PAGES, "32");
	mem = vm_map(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	backing(mem, N, 0);
	mem = vm_map(MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	backing(mem, N, 0);
	fd = memfd(MFD_HUGETLB);
	backing(vm_map(MAP_SHARED, fd), N, FZ_MISS_SHARED);
	close(fd);
	put(HUGE_PAGES, "0");
}

/*
 * The cost of a busy neighbour: the VMM writes beside @n executed pages, which all
 * run again. Each of them is captured again if it lies in the same page of the VMM.
 */
static void neighbour(void *mem, unsigned int each_time)
{
	unsigned int changed = 0, again = 0, mixed = 0;
	struct timespec from, to;
	const struct seen *s;
	struct vm vm;
	uint64_t id;
	long ns = 0;
	int i;

	memset((uint8_t *)mem + TARGETS, 0, HUGE);
	vm_new_on(&vm, 1, mem);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N), "pages run");
	for (i = 0; i < 5; i++) {
		/* A round fits into the ring, five do not. */
		look(id);
		clock_gettime(CLOCK_MONOTONIC, &from);
		vm.mem[TARGETS + HUGE - 1]++;
		if (call(&vm, 0, TARGETS, N))
			errx(2, "the guest died");
		clock_gettime(CLOCK_MONOTONIC, &to);
		ns += (to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec;
		s = look_on();
		changed += s->count[FZ_REC_CHANGED];
		again += s->count[FZ_REC_REEXEC];
		mixed += s->count[FZ_REC_MIXED];
	}
	ok(changed == 5 * each_time && again == changed && !mixed,
	   "five writes beside them: %u changed, %u re-executions", changed, again);
	diag("a write and a run of %d pages: %ld ns", N, ns / 5);
	finish(&vm, id);
}

static void test_neighbour(void)
{
	neighbour(anon(MADV_NOHUGEPAGE), 0);
	put(HUGE_PAGES, "32");
	neighbour(vm_map(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1), N);
	put(HUGE_PAGES, "0");
}

/*
 * Code writes to pages of its own huge page, whose write takes its X: each page costs
 * it one round, and then stays writable while the code is captured again.
 */
static void test_hugetlb_near(void)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	put(HUGE_PAGES, "32");
	vm_new_on(&vm, 1, vm_map(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1));
	id = attach(&vm);
	PUT(&vm, DRIVER(0), write_pages);
	look(id);
	/* It would go round for ever. */
	alarm(60);
	ok(!call(&vm, 0, DRIVER(64), 8), "code writes near itself");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == 1 && s->count[FZ_REC_CHANGED] == 8 &&
	   s->count[FZ_REC_REEXEC] == 8, "%u changed, %u re-executions",
	   s->count[FZ_REC_CHANGED], s->count[FZ_REC_REEXEC]);
	ok(!call(&vm, 0, DRIVER(64), 8) && vm.mem[DRIVER(65) - 1] == 2, "and again");
	alarm(0);
	s = look(id);
	ok(!s->count[FZ_REC_CHANGED] && !s->count[FZ_REC_REEXEC], "with no event");
	finish(&vm, id);
	put(HUGE_PAGES, "0");
}

/* Parent and child write to what was shared at a fork. */
static void test_fork(void)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;
	pid_t child;
	int go[2];

	vm_new_on(&vm, 1, anon(MADV_NOHUGEPAGE));
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N), "pages run");
	look(id);
	if (pipe(go))
		err(2, "pipe");
	child = fork();
	if (!child) {
		char c;

		if (read(go[0], &c, 1) != 1)
			_exit(2);
		vm_put_targets(&vm, TARGETS, N, 7000);
		_exit(0);
	}
	s = look(id);
	ok(s->count[FZ_REC_CHANGED] == N + 1, "fork: %u lose X", s->count[FZ_REC_CHANGED]);
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(3, N), "they run again");
	s = look(id);
	ok(s->count[FZ_REC_REEXEC] == N + 1 && !s->count[FZ_REC_MIXED],
	   "%u re-executions", s->count[FZ_REC_REEXEC]);
	/* Half of them the parent writes before the child does, half after. */
	vm_put_targets(&vm, TARGETS, N / 2, 1000);
	ok(look(id)->count[FZ_REC_CHANGED] == N / 2, "the parent writes to half of them");
	if (write(go[1], "", 1) != 1 || waitpid(child, &(int){ 0 }, 0) != child)
		err(2, "child");
	ok(!look(id)->count[FZ_REC_CHANGED], "the child's writes are to pages of its own");
	vm_put_targets(&vm, TARGETS + N / 2 * PAGE, N / 2, 1000 + N / 2);
	ok(look(id)->count[FZ_REC_CHANGED] == N / 2, "the parent writes to the other half");
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(1000, N),
	   "the parent's guest runs what the parent wrote");
	s = look(id);
	ok(s->count[FZ_REC_REEXEC] == N && !s->count[FZ_REC_MIXED], "%u re-executions",
	   s->count[FZ_REC_REEXEC]);
	close(go[0]);
	close(go[1]);
	finish(&vm, id);
}

const struct test host_mem_tests[] = {
	{ "host-small", test_small },
	{ "host-huge", test_huge },
	{ "host-shmem", test_shmem },
	{ "host-shmem-huge", test_shmem_huge },
	{ "host-memfd", test_memfd },
	{ "host-private-file", test_private_file },
	{ "host-shared-later", test_shared_later },
	{ "host-hugetlb", test_hugetlb },
	{ "host-neighbour", test_neighbour },
	{ "host-hugetlb-near", test_hugetlb_near },
	{ "host-fork", test_fork },
	{ NULL, NULL }
};
