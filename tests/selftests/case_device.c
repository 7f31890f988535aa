// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_device.c - the device: rings, ioctls, bad input
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>
#include "selftest.h"

/* A full ring: nothing is lost silently, and what was lost is logged later. */
static void test_full(void)
{
	__u64 room = fz_device_info(dev)->ring_bytes / (sizeof(struct fz_rec) + PAGE);
	__u64 n = room + 50, lost, execs, late;
	const struct seen *s;
	struct fz_counters c;
	cpu_set_t all, one;
	struct vm vm;
	uint64_t id;

	if ((TARGETS + n * PAGE) > DATA + HUGE * 8) {
		skip("the ring is too large: load the module with ring_kib=1024 or less");
		return;
	}
	/* One CPU, one ring: else the other takes what this one has no room for. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_getaffinity(0, sizeof(all), &all) || sched_setaffinity(0, sizeof(one), &one))
		err(2, "sched_setaffinity");
	vm_new(&vm, 1);
	vm_small_pages(&vm);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, n, 3);
	ok(!call(&vm, 0, TARGETS, n) && vcpu_rax(&vm, 0) == sum(3, n),
	   "%llu pages run, with room for %llu", n, room);
	c = counters(id);
	ok(c.grants == n + 1 && c.lost_execs >= 50 && adds_up(&c),
	   "%llu grants, %llu lost", c.grants, c.lost_execs);

	s = look(id);
	usleep(300000);
	ok(!call(&vm, 0, TARGETS, n), "they run again when there is room");
	s = look_on();
	lost = s->lost;
	late = s->late;
	execs = s->count[FZ_REC_EXEC] - late;
	ok(s->lost_execs == c.lost_execs && lost == c.lost, "LOST says %llu of %llu"
	   " records were executions", s->lost_execs, lost);
	ok(execs + late == n + 1, "%llu logged at first, %llu late: all", execs, late);
	ok(!fz_reader_seq(reader)->ngaps, "and no number is missing");
	finish(&vm, id);
	sched_setaffinity(0, sizeof(all), &all);
}

/* A captured frame can be read back; one that is not, not. */
static void test_read(void)
{
	static uint8_t buf[PAGE];
	struct fz_read r = { .size = sizeof(r), .gfn = TARGETS / PAGE, .buf = (uintptr_t)buf };
	int fd = fz_device_fd(dev);
	struct vm vm;

	vm_new(&vm, 1);
	r.id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, 2, 3);
	ok(!call(&vm, 0, TARGETS, 1), "a page runs");
	ok(!ioctl(fd, FZ_IOC_READ, &r) && !memcmp(buf, vm.mem + TARGETS, PAGE) &&
	   r.hash == XXH64(buf, PAGE, 0), "it is read back, with its digest");
	r.gfn++;
	ok(ioctl(fd, FZ_IOC_READ, &r) && errno == ENODATA, "one that did not run: ENODATA");
	r.gfn = 1ULL << 40;
	ok(ioctl(fd, FZ_IOC_READ, &r) && errno == ENODATA, "one that does not exist: ENODATA");
	r.gfn = TARGETS / PAGE;
	r.buf = 8;
	ok(ioctl(fd, FZ_IOC_READ, &r) && errno == EFAULT, "a bad buffer: EFAULT");
	vm.mem[TARGETS + 100]++;
	r.buf = (uintptr_t)buf;
	ok((ioctl(fd, FZ_IOC_READ, &r) && (errno == ESTALE || errno == ENODATA)),
	   "one that its VMM changed meanwhile: not returned as captured");
	finish(&vm, r.id);
}

/* What the contract says of bad input. */
static void test_abi(void)
{
	struct { struct fz_barrier b; __u64 more; } big = { .b.size = sizeof(big) };
	struct fz_barrier barrier = { .size = sizeof(barrier) };
	struct fz_attach a = { .size = sizeof(a), .vm_fd = -1 };
	struct fz_stat stat = { .size = sizeof(stat), .id = 1ULL << 40 };
	int fd = fz_device_fd(dev), other, null;
	struct vm vm;
	uint64_t id;
	void *map;
	pid_t pid;

	ok(!ioctl(fd, FZ_IOC_BARRIER, &barrier) && barrier.time, "barrier");
	ok(!ioctl(fd, FZ_IOC_BARRIER, &big), "a larger structure, zero at the end, is taken");
	big.more = 1;
	ok(ioctl(fd, FZ_IOC_BARRIER, &big) && errno == E2BIG, "not zero: E2BIG");
	barrier.flags = 1;
	ok(ioctl(fd, FZ_IOC_BARRIER, &barrier) && errno == EINVAL, "an unknown flag: EINVAL");
	barrier.size = 4;
	ok(ioctl(fd, FZ_IOC_BARRIER, &barrier) && errno == EINVAL, "too small: EINVAL");
	ok(ioctl(fd, FZ_IOC_BARRIER, NULL) && errno == EFAULT, "no pointer: EFAULT");
	ok(ioctl(fd, _IO(FZ_IOC_MAGIC, 99), &barrier) && errno == ENOTTY, "no such ioctl: ENOTTY");

	ok(ioctl(fd, FZ_IOC_ATTACH, &a) && errno == EBADF, "attach of no file: EBADF");
	null = open("/dev/null", O_RDWR);
	a.vm_fd = null;
	ok(ioctl(fd, FZ_IOC_ATTACH, &a) && errno == ENOTTY, "of /dev/null: ENOTTY");
	a.flags = 1U << 30;
	ok(ioctl(fd, FZ_IOC_ATTACH, &a) && errno == EINVAL, "with an unknown flag: EINVAL");
	close(null);
	vm_new(&vm, 1);
	id = attach(&vm);
	ok(fz_device_attach(dev, vm.fd, 0, &id, &error) == -EALREADY, "twice: EALREADY");
	ok(ioctl(fd, FZ_IOC_STAT, &stat) && errno == ENOENT, "counters of no VM: ENOENT");

	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   fz_device_info(dev)->ring_offset);
	ok(map == MAP_FAILED && (errno == EACCES || errno == EINVAL),
	   "a ring cannot be mapped for writing");
	other = open(FZ_DEVICE, O_RDWR);
	map = mmap(NULL, fz_device_info(dev)->consumer_bytes, PROT_READ | PROT_WRITE,
		   MAP_SHARED, other, 0);
	ok(map == MAP_FAILED && errno == EBUSY, "a second reader: EBUSY");
	close(other);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (setuid(65534))
			_exit(9);
		_exit(open(FZ_DEVICE, O_RDWR) < 0 && errno == EACCES ? 0 : 1);
	}
	waitpid(pid, &null, 0);
	ok(WIFEXITED(null) && !WEXITSTATUS(null), "another user cannot open the device");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		barrier = (struct fz_barrier){ .size = sizeof(barrier) };
		a = (struct fz_attach){ .size = sizeof(a), .vm_fd = -1, .flags = FZ_ATTACH_NEW };
		if (setuid(65534))
			_exit(9);
		_exit(ioctl(fd, FZ_IOC_ATTACH, &a) && errno == EPERM &&
		      !ioctl(fd, FZ_IOC_BARRIER, &barrier) && barrier.time ? 0 : 1);
	}
	waitpid(pid, &null, 0);
	ok(WIFEXITED(null) && !WEXITSTATUS(null), "who gave up root can read and not attach");
	finish(&vm, id);
}

/*
 * A request as a tool of the first version makes it (@size is of tests/uapi/v1-first.layout, @id
 * behind size and flags, where there is one) is answered as @now, of today, is: so far, no further.
 */
static void first_version(unsigned long number, uint32_t size, uint64_t id, uint8_t *now,
			  uint32_t now_size, const char *what)
{
	uint8_t old[512], canary[sizeof(old)];
	int fd = fz_device_fd(dev);
	uint32_t grew = 0;

	memset(canary, 0xa5, sizeof(canary));
	memcpy(old, canary, sizeof(old));
	memset(old, 0, size);
	memcpy(old, &size, sizeof(size));
	memset(now, 0, now_size);
	memcpy(now, &now_size, sizeof(now_size));
	if (id) {
		memcpy(old + 8, &id, sizeof(id));
		memcpy(now + 8, &id, sizeof(id));
	}
	ok(!ioctl(fd, number, old) && !ioctl(fd, number, now),
	   "%s of the first version, %u bytes, is taken", what, size);
	memcpy(&grew, old, sizeof(grew));
	ok(grew == size && !memcmp(old + size, canary, sizeof(old) - size),
	   "%s: nothing behind its end", what);
	ok(!memcmp(old + 4, now + 4, size - 4), "%s: the answer is today's", what);
	size -= 8;
	memcpy(old, &size, sizeof(size));
	ok(ioctl(fd, number, old) && errno == EINVAL, "%s: shorter than that is refused", what);
}

static void test_abi_first(void)
{
	struct fz_audit audit;
	struct fz_info info;
	struct fz_stat stat;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, 2, 3);
	ok(!call(&vm, 0, TARGETS, 2), "two pages run");
	first_version(FZ_IOC_INFO, 152, 0, (uint8_t *)&info, sizeof(info), "FZ_IOC_INFO");
	ok(info.abi == FZ_ABI_VERSION && info.cpus, "which is one");
	first_version(FZ_IOC_STAT, 184, id, (uint8_t *)&stat, sizeof(stat), "FZ_IOC_STAT");
	ok(stat.c.grants == 3, "which counts three pages");
	first_version(FZ_IOC_AUDIT, 56, id, (uint8_t *)&audit, sizeof(audit), "FZ_IOC_AUDIT");
	ok(audit.leaves_4k + audit.leaves_2m, "which saw entries");
	finish(&vm, id);
}

/* A reader that lies about its position loses records, and does no other harm. */
static void test_hostile(void)
{
	const struct fz_info *info = fz_device_info(dev);
	struct fz_consumer *consumers;
	__u64 saved, before;
	struct vm vm;
	uint64_t id;

	consumers = mmap(NULL, info->consumer_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fz_device_fd(dev), info->consumer_offset);
	if (consumers == MAP_FAILED)
		err(2, "mmap");
	vm_new(&vm, 1);
	id = attach(&vm);
	look(id);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	before = counters(0).lost;
	saved = consumers[0].pos;
	for (unsigned int cpu = 0; cpu < info->cpus; cpu++)
		consumers[cpu].pos += 1ULL << 40;
	ok(!call(&vm, 0, TARGETS, N), "the guest runs while the reader lies");
	for (unsigned int cpu = 0; cpu < info->cpus; cpu++)
		consumers[cpu].pos -= 1ULL << 40;
	ok(consumers[0].pos == saved && counters(0).lost - before >= N, "all is counted as lost");
	usleep(300000);
	ok(!call(&vm, 0, TARGETS, N), "and it runs again");
	ok(look(id)->late == N + 1, "which is logged late");
	munmap(consumers, info->consumer_bytes);
	finish(&vm, id);
}

const struct test device_tests[] = {
	{ "full", test_full },
	{ "read", test_read },
	{ "abi", test_abi },
	{ "abi-first", test_abi_first },
	{ "hostile", test_hostile },
	{ NULL, NULL }
};
