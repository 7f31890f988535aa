// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_bed.c - memory and devices that only a host made for it has (tests/e2e/kinds.sh)
 *
 * Run by name only. What can't be trapped must be named, and found by comparison.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/vfio.h>
#include "selftest.h"

#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB	(30U << 26)
#endif

/* What a host without it has to say to it. */
static const char *given(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		errx(2, "%s is not set: see tests/e2e/kinds.sh", name);
	return value;
}

static void run_pages(struct vm *vm, uint64_t id)
{
	const struct seen *s;

	PUT(vm, DRIVER(0), call_pages);
	vm_put_targets(vm, TARGETS, N, 3);
	look(id);
	ok(!call(vm, 0, TARGETS, N) && vcpu_rax(vm, 0) == sum(3, N), "pages run");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == N + 1 && !s->bad_hash && !s->count[FZ_REC_MIXED],
	   "%u first executions", s->count[FZ_REC_EXEC]);
}

/* Wait until @n changes that nobody saw are found (verify_ms). */
static unsigned int drifts(uint64_t id, unsigned int n)
{
	const struct seen *s = look(id);
	int i;

	for (i = 0; i < 100 && s->count[FZ_REC_DRIFT] < n; i++) {
		usleep(50000);
		s = look_on();
	}
	drifts_wanted += n;
	return s->count[FZ_REC_DRIFT];
}

/* Memory where the VMM's own writes can't be trapped: said, and found later. */
static void untrapped(void *mem, __u32 missed)
{
	struct vm vm;
	uint64_t id;

	vm_new_on(&vm, 1, mem);
	id = attach(&vm);
	run_pages(&vm, id);
	ok(not_covered(id) == missed, "not covered: 0x%x", not_covered(id));
	vm_put_targets(&vm, TARGETS, N, 1000);
	ok(drifts(id, N) == N, "%d pages rewritten unseen are found", N);
	look(id);
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(1000, N), "they run");
	ok(look(id)->count[FZ_REC_REEXEC] == N, "and are captured first");
	finish(&vm, id);
}

/* 1 GiB pages: no entry of them can be made read-only for a part. */
static void test_gigantic(void)
{
	uint8_t *mem = mmap(NULL, 1UL << 30, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_1GB, -1, 0);

	if (mem == MAP_FAILED)
		err(2, "a page of 1 GiB");
	/* vm_free() unmaps its part: all of a huge page or nothing, so nothing. */
	untrapped(mem, FZ_MISS_HOST_WRITES);
	munmap(mem, 1UL << 30);
}

/* Processes that map the same 1 GiB of small huge pages have one table for it, and one W. */
static void test_shared_table(void)
{
	const size_t gib = 1UL << 30;
	uint8_t *room, *mem;
	int fd, pipes[2];
	pid_t child;
	char c = 0;

	put("/proc/sys/vm/nr_hugepages", "40");
	fd = memfd_create("table", MFD_HUGETLB | MFD_CLOEXEC);
	room = mmap(NULL, 2 * gib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fd < 0 || ftruncate(fd, gib) || room == MAP_FAILED || pipe(pipes))
		err(2, "a file of huge pages");
	mem = (uint8_t *)(((uintptr_t)room + gib - 1) & ~(gib - 1));
	if (mmap(mem, gib, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
		 0) != mem)
		err(2, "mmap of 1 GiB");
	mem[TARGETS] = 0;
	child = fork();
	if (!child) {
		mem[TARGETS]++;
		if (write(pipes[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (child < 0 || read(pipes[0], &c, 1) != 1 || mem[TARGETS] != 1)
		err(2, "the other process");
	untrapped(mem, FZ_MISS_HOST_WRITES | FZ_MISS_SHARED);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	munmap(room, 2 * gib);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
	put("/proc/sys/vm/nr_hugepages", "0");
}

/* A file on persistent memory, mapped without page cache. */
static void test_dax(void)
{
	int fd = open(given("FZ_DAX"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, MEM_BYTES))
		err(2, "%s", given("FZ_DAX"));
	untrapped(vm_map(MAP_SHARED, fd),
		  FZ_MISS_HOST_WRITES | FZ_MISS_SHARED);
	close(fd);
}

static unsigned int device_windows;

static void see_window(const struct fz_rec *rec)
{
	device_windows += rec->type == FZ_REC_MIXED && rec->u.mixed.why == FZ_MIXED_DEVICE &&
			  !(rec->flags & FZ_RECF_PAGE);
}

/* Memory of a device, which has no struct page: it runs unwatched, and that is said. */
static void test_device(void)
{
	int fd = open(given("FZ_BAR"), O_RDWR | O_CLOEXEC);
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	if (fd < 0)
		err(2, "%s", given("FZ_BAR"));
	vm_new_on(&vm, 1, vm_map(MAP_SHARED, fd));
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	look(id);
	device_windows = 0;
	each = see_window;
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(3, N), "pages run");
	s = look_on();
	each = NULL;
	ok(!s->count[FZ_REC_EXEC] && device_windows >= N + 1, "each as MIXED, of a device: %u",
	   device_windows);
	ok(not_covered(id) & FZ_MISS_HOST_WRITES, "not covered: 0x%x", not_covered(id));
	finish(&vm, id);
	close(fd);
}

/* ------------------------------------------------------------------- devices */

/* QEMU's "edu" device: its registers, and its own memory, as its DMA engine sees it. */
#define EDU_SOURCE	0x80
#define EDU_TARGET	0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define EDU_BUFFER	0x40000UL
#define EDU_START	1
#define EDU_TO_MEMORY	2

struct edu {
	int container, group, device, kvm_device;
	volatile uint8_t *regs;
};

static void edu_copy(struct edu *e, uint64_t from, uint64_t to, uint64_t count, uint64_t command)
{
	*(volatile uint64_t *)(e->regs + EDU_SOURCE) = from;
	*(volatile uint64_t *)(e->regs + EDU_TARGET) = to;
	*(volatile uint64_t *)(e->regs + EDU_COUNT) = count;
	*(volatile uint64_t *)(e->regs + EDU_COMMAND) = command | EDU_START;
	while (*(volatile uint64_t *)(e->regs + EDU_COMMAND) & EDU_START)
		usleep(1000);
}

static int need(int ret, const char *what)
{
	if (ret < 0)
		err(2, "%s", what);
	return ret;
}

/* Give the device to the VM, as a VMM does: all of its memory, by its own addresses. */
static void give(struct edu *e, struct vm *vm)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)vm->mem, .size = MEM_BYTES,
	};
	struct vfio_region_info config = { .argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	struct vfio_region_info bar = { .argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX };
	struct kvm_create_device create = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr attr = { .group = 1, .attr = 1, .addr = (uintptr_t)&e->group };
	uint16_t command = 6;	/* memory, bus master */

	e->container = need(open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), "/dev/vfio/vfio");
	e->group = need(open(given("FZ_VFIO_GROUP"), O_RDWR | O_CLOEXEC), given("FZ_VFIO_GROUP"));
	need(ioctl(e->group, VFIO_GROUP_SET_CONTAINER, &e->container), "VFIO_GROUP_SET_CONTAINER");
	need(ioctl(e->container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), "VFIO_SET_IOMMU");
	need(ioctl(e->container, VFIO_IOMMU_MAP_DMA, &map), "VFIO_IOMMU_MAP_DMA");
	e->device = need(ioctl(e->group, VFIO_GROUP_GET_DEVICE_FD, given("FZ_VFIO_DEVICE")),
			 "VFIO_GROUP_GET_DEVICE_FD");
	need(ioctl(e->device, VFIO_DEVICE_GET_REGION_INFO, &config), "config space");
	need(ioctl(e->device, VFIO_DEVICE_GET_REGION_INFO, &bar), "BAR 0");
	need(pwrite(e->device, &command, 2, config.offset + 4), "bus master");
	e->regs = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, e->device, bar.offset);
	if (e->regs == MAP_FAILED)
		err(2, "BAR 0");
	need(ioctl(vm->fd, KVM_CREATE_DEVICE, &create), "KVM_DEV_TYPE_VFIO");
	e->kvm_device = create.fd;
	need(ioctl(e->kvm_device, KVM_SET_DEVICE_ATTR, &attr), "KVM_DEV_VFIO_GROUP_ADD");
}

/* A device that writes by itself: named; what it wrote over executed code is found. */
static void test_vfio(void)
{
	static const uint8_t code[] = { 0xb8, 0x2a, 0, 0, 0, 0xc3 };
	struct edu e;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	vm_small_pages(&vm);
	give(&e, &vm);
	id = attach(&vm);
	run_pages(&vm, id);
	ok(not_covered(id) == FZ_MISS_VFIO, "not covered: 0x%x", not_covered(id));
	memcpy(vm.mem + DATA, code, sizeof(code));
	edu_copy(&e, DATA, EDU_BUFFER, sizeof(code), 0);
	edu_copy(&e, EDU_BUFFER, TARGETS, sizeof(code), EDU_TO_MEMORY);
	ok(!memcmp(vm.mem + TARGETS, code, sizeof(code)), "the device writes to an executed page");
	ok(drifts(id, 1) == 1, "which is found");
	look(id);
	ok(!call(&vm, 0, TARGETS, 1) && vcpu_rax(&vm, 0) == 42, "it runs");
	ok(look(id)->count[FZ_REC_REEXEC] == 1, "and is captured first");
	munmap((void *)e.regs, 4096);
	close(e.kvm_device);
	close(e.device);
	close(e.group);
	close(e.container);
	finish(&vm, id);
}

const struct test bed_tests[] = {
	{ "gigantic", test_gigantic },
	{ "shared-table", test_shared_table },
	{ "dax", test_dax },
	{ "device", test_device },
	{ "vfio", test_vfio },
	{ }
};
