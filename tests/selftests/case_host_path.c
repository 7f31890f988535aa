// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_host_path.c - ways by which an entry of the VMM's becomes writable
 *
 * Whatever happens to the memory between two runs, a page that the VMM then writes
 * is CHANGED once and REEXEC once: by the path itself, or by the write. The table
 * in Documentation/wx-states.rst names the paths.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "selftest.h"

#define KSM		"/sys/kernel/mm/ksm/"
#define SHMEM_HUGE	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define SOFT_OFFLINE	101		/* MADV_SOFT_OFFLINE: move the page elsewhere */
#define COLLAPSE	25		/* MADV_COLLAPSE */
#define BYTES		(N * PAGE)

/* Make all targets return @value: alike, so that KSM can merge them. */
static void fill(uint8_t *mem, uint32_t value)
{
	size_t i;

	for (i = 0; i < N; i++) {
		mem[i * PAGE] = 0xb8;			/* mov $value, %eax */
		memcpy(mem + i * PAGE + 1, &value, sizeof(value));
		mem[i * PAGE + 5] = 0xc3;		/* ret */
	}
}

static void no_path(uint8_t *mem)
{
	(void)mem;
}

static void path_mprotect(uint8_t *mem)
{
	if (mprotect(mem, BYTES, PROT_READ) || mprotect(mem, BYTES, PROT_READ | PROT_WRITE))
		err(2, "mprotect");
}

static void path_mremap(uint8_t *mem)
{
	void *away = mmap(NULL, BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mremap(mem, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, away) != away ||
	    mremap(away, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, mem) != mem)
		err(2, "mremap");
}

static int userfault(uint8_t *mem, __u64 mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)mem, BYTES }, .mode = mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (mode == UFFDIO_REGISTER_MODE_WP)
		api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		err(2, "userfaultfd");
	return fd;
}

static void path_userfault_wp(uint8_t *mem)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)mem, BYTES }, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = userfault(mem, UFFDIO_REGISTER_MODE_WP);

	if (ioctl(fd, UFFDIO_WRITEPROTECT, &wp))
		err(2, "UFFDIO_WRITEPROTECT");
	wp.mode = 0;
	if (ioctl(fd, UFFDIO_WRITEPROTECT, &wp))
		err(2, "UFFDIO_WRITEPROTECT");
	close(fd);
}

/* As after a migration: the pages go and come back by UFFDIO_COPY. */
static void path_userfault_copy(uint8_t *mem)
{
	static uint8_t copy[BYTES] __attribute__((aligned(4096)));
	struct uffdio_copy arg = {
		.dst = (uintptr_t)mem, .src = (uintptr_t)copy, .len = BYTES,
	};
	int fd = userfault(mem, UFFDIO_REGISTER_MODE_MISSING);

	memcpy(copy, mem, BYTES);
	if (madvise(mem, BYTES, MADV_DONTNEED) || ioctl(fd, UFFDIO_COPY, &arg))
		err(2, "UFFDIO_COPY");
	close(fd);
}

static void path_free(uint8_t *mem)
{
	if (madvise(mem, BYTES, MADV_FREE))
		err(2, "MADV_FREE");
}

static unsigned long count_of(const char *path)
{
	unsigned long value = 0;
	FILE *f = fopen(path, "r");

	if (!f || fscanf(f, "%lu", &value) != 1)
		err(2, "%s", path);
	fclose(f);
	return value;
}

/* Merged and left so: the write unmerges. */
static void path_ksm_write(uint8_t *mem)
{
	int i;

	if (madvise(mem, BYTES, MADV_MERGEABLE))
		err(2, "MADV_MERGEABLE");
	put(KSM "run", "2");		/* forget what was */
	put(KSM "pages_to_scan", "10000");
	put(KSM "sleep_millisecs", "10");
	put(KSM "run", "1");
	for (i = 0; i < 200 && count_of(KSM "pages_sharing") < N - 1; i++)
		usleep(50000);
	ok(count_of(KSM "pages_sharing") == N - 1, "merged");
	put(KSM "run", "0");
}

static void path_ksm(uint8_t *mem)
{
	path_ksm_write(mem);
	if (madvise(mem, BYTES, MADV_UNMERGEABLE))
		err(2, "MADV_UNMERGEABLE");
}

static void swap_on(void)
{
	static uint8_t head[PAGE];
	int fd;

	put("/sys/block/zram0/disksize", "33554432");
	/* mm/swapfile.c: union swap_header, version 1, of 32 MiB. */
	*(uint32_t *)(head + 1024) = 1;
	*(uint32_t *)(head + 1028) = (32 << 20) / PAGE - 1;
	memcpy(head + PAGE - 10, "SWAPSPACE2", 10);
	fd = open("/dev/zram0", O_WRONLY);
	if (fd < 0 || write(fd, head, PAGE) != (ssize_t)PAGE || fsync(fd))
		err(2, "/dev/zram0");
	close(fd);
	if (swapon("/dev/zram0", 0))
		err(2, "swapon");
}

/* How many of the pages are swapped out. */
static unsigned int swapped(uint8_t *mem)
{
	uint64_t entry[N];
	unsigned int i, n = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0 || pread(fd, entry, sizeof(entry), (uintptr_t)mem / PAGE * 8) != sizeof(entry))
		err(2, "pagemap");
	close(fd);
	for (i = 0; i < N; i++)
		n += entry[i] >> 62 & 1;
	return n;
}

/* New pages wait in the batch of the CPU that made them; MADV_PAGEOUT empties its own's. */
static void page_out(uint8_t *mem)
{
	cpu_set_t all, one;
	int cpu;

	if (sched_getaffinity(0, sizeof(all), &all))
		err(2, "sched_getaffinity");
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			err(2, "sched_setaffinity");
		if (madvise(mem, BYTES, MADV_PAGEOUT))
			err(2, "MADV_PAGEOUT");
	}
	if (sched_setaffinity(0, sizeof(all), &all))
		err(2, "sched_setaffinity");
}

static void path_swap(uint8_t *mem)
{
	unsigned int n = 0;
	int i;

	/* The first may only notice that the guest has used them. */
	for (i = 0; i < 5 && n < N; i++) {
		page_out(mem);
		n = swapped(mem);
	}
	ok(n == N, "%u swapped out", n);
}

/* Half of them come back by reads, before anybody writes. */
static void path_swap_read(uint8_t *mem)
{
	volatile uint8_t sum = 0;
	size_t i;

	path_swap(mem);
	for (i = 0; i < N; i += 2)
		sum += mem[i * PAGE];
	(void)sum;
}

/* Migration entries, and back. */
static void path_migrate(uint8_t *mem)
{
	if (madvise(mem, BYTES, SOFT_OFFLINE))
		err(2, "MADV_SOFT_OFFLINE");
}

static void path_collapse(uint8_t *mem)
{
	if (madvise(mem, HUGE, COLLAPSE))
		err(2, "MADV_COLLAPSE");
}

/* For mm_users: of one thread alone the kernel spares what is on its own node. */
static void *idle(void *arg)
{
	pthread_mutex_lock(arg);
	pthread_mutex_unlock(arg);
	return NULL;
}

static unsigned long hints_taken(void)
{
	char line[128];
	unsigned long n = 0;
	FILE *f = fopen("/proc/vmstat", "r");

	if (!f)
		err(2, "/proc/vmstat");
	while (fgets(line, sizeof(line), f))
		sscanf(line, "numa_hint_faults %lu", &n);
	fclose(f);
	return n;
}

/* NUMA balancing takes access away for a moment; a read gives it back, with W where it may. */
static void path_numa(uint8_t *mem)
{
	unsigned long before, n = 0;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	unsigned int sum = 0;
	pthread_t thread;
	time_t end;
	size_t i;

	pthread_mutex_lock(&lock);
	if (pthread_create(&thread, NULL, idle, &lock))
		errx(2, "pthread_create");
	put("/proc/sys/kernel/numa_balancing", "1");
	/* It looks at who runs. */
	for (end = time(NULL) + 120; n < N && time(NULL) < end;) {
		for (i = 0; i < 200000000; i++)
			__asm__ volatile("");
		before = hints_taken();
		for (i = 0; i < N; i++)
			sum += ((volatile uint8_t *)mem)[i * PAGE];
		__asm__ volatile("" : : "r"(sum));
		n = hints_taken() - before;
	}
	put("/proc/sys/kernel/numa_balancing", "0");
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	ok(n >= N, "%lu hints taken", n);
}

static const struct path {
	const char *name;
	void (*fn)(uint8_t *mem);
	unsigned int changed;		/* pages that lose X by it */
} paths[] = {
	{ "nothing", no_path, 0 },
	{ "swap", path_swap, N },
	{ "swap, read", path_swap_read, N },
	{ "mprotect", path_mprotect, N },
	{ "mremap", path_mremap, N },
	{ "userfault write-protect", path_userfault_wp, N },
	{ "userfault copy", path_userfault_copy, N },
	{ "MADV_FREE", path_free, N },
	{ "KSM", path_ksm, N },
	{ "KSM, written", path_ksm_write, N },
	{ "migration", path_migrate, N },
};

/* It goes through all of the memory: the page that calls them, too. */
static const struct path numa = { "NUMA hint", path_numa, N + 1 };
static const struct path collapse = { "collapse", path_collapse, N };

/* The VMM writes @value into all, itself or by a system call. */
static void rewrite(uint8_t *mem, uint32_t value, bool by_kernel)
{
	static uint8_t copy[BYTES];

	if (!by_kernel) {
		fill(mem, value);
		return;
	}
	fill(copy, value);
	write_by_kernel(mem, copy, BYTES);
}

/* All paths on memory of one kind, each before a write, and before a run. */
static void walk(struct vm *vm, uint64_t id, const struct path *path, bool run_between)
{
	uint8_t *mem = vm->mem + TARGETS;
	/* By the write or before it; the path may take the caller along. */
	unsigned int all = run_between || path->changed < N ? N : path->changed;
	unsigned int changed, between = 0;
	static uint32_t value = 1000;
	const struct seen *s;

	fill(mem, ++value);
	ok(!call(vm, 0, TARGETS, N) && vcpu_rax(vm, 0) == (__u64)N * value, "pages run");
	look(id);
	path->fn(mem);
	changed = look(id)->count[FZ_REC_CHANGED];
	ok(changed == path->changed, "%s: %u changed", path->name, changed);
	if (run_between) {
		ok(!call(vm, 0, TARGETS, N) && vcpu_rax(vm, 0) == (__u64)N * value, "run again");
		s = look(id);
		between = s->count[FZ_REC_REEXEC];
		ok(between == changed && !s->count[FZ_REC_MIXED], "%u re-executions", between);
		changed = 0;
	}
	rewrite(mem, ++value, run_between);
	changed += look(id)->count[FZ_REC_CHANGED];
	ok(changed == all, "%s, %s written: %u changed", path->name,
	   run_between ? "run," : "then", changed);
	ok(!call(vm, 0, TARGETS, N) && vcpu_rax(vm, 0) == (__u64)N * value, "what was written runs");
	s = look(id);
	ok(s->count[FZ_REC_REEXEC] == all && !s->bad_hash && !s->count[FZ_REC_MIXED] &&
	   !memcmp(s->last_page, vm->mem + s->last_gfn * PAGE, PAGE),
	   "%u re-executions", s->count[FZ_REC_REEXEC]);
}

static void test_paths(void)
{
	void *mem = vm_map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct vm vm;
	uint64_t id;
	size_t i;

	madvise(mem, MEM_BYTES, MADV_NOHUGEPAGE);
	swap_on();
	vm_new_on(&vm, 1, mem);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		walk(&vm, id, &paths[i], false);
		walk(&vm, id, &paths[i], true);
	}
	finish(&vm, id);
	if (swapoff("/dev/zram0"))
		err(2, "swapoff");
	put("/sys/block/zram0/reset", "1");
}

/* Small pages become a huge one, of the VMM's own or of shared memory. */
static void test_collapse(void)
{
	struct vm vm;
	uint64_t id;
	int shared;

	put(SHMEM_HUGE, "advise");
	for (shared = 0; shared < 2; shared++) {
		vm_new_on(&vm, 1, vm_map((shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1));
		id = attach(&vm);
		PUT(&vm, DRIVER(0), call_pages);
		madvise(vm.mem + TARGETS, HUGE, MADV_NOHUGEPAGE);
		memset(vm.mem + TARGETS, 0, HUGE);
		madvise(vm.mem + TARGETS, HUGE, MADV_HUGEPAGE);
		walk(&vm, id, &collapse, false);
		walk(&vm, id, &collapse, true);
		finish(&vm, id);
	}
	put(SHMEM_HUGE, "never");
}

/* Needs a host with two nodes. */
static void test_numa(void)
{
	void *mem = vm_map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct vm vm;
	uint64_t id;

	madvise(mem, MEM_BYTES, MADV_NOHUGEPAGE);
	vm_new_on(&vm, 1, mem);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	walk(&vm, id, &numa, false);
	walk(&vm, id, &numa, true);
	finish(&vm, id);
}

const struct test host_numa_tests[] = {
	{ "host-numa", test_numa },
	{ NULL, NULL }
};

const struct test host_path_tests[] = {
	{ "host-collapse", test_collapse },
	{ "host-paths", test_paths },
	{ NULL, NULL }
};
