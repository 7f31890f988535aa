// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_dev.c - fuzz the device: ioctls, maps, files and VMs, from many threads at once
 *
 *	fuzz_dev SECONDS [SEED]
 *	fuzz_dev --bare SECONDS [SEED]	(KVM alone: what the host does without the module)
 *
 * Runs on a host with fitzroy.ko loaded and nobody else watching. Prints TAP. Processes of
 * one to four threads do at random what a program with the device could do, and some are
 * killed in the middle. Each call must end as uapi/fitzroy.h says, what a VM runs must be
 * what it was given, and in the end everything must add up, and a reader see what runs.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include <device.h>
#include "fuzz.h"
#include "../unit/tap.h"

#define PROCESSES	2	/* at a time */

__thread sigjmp_buf touching;
__thread volatile bool may_fault;

struct totals *totals;
bool bare;

void broken(const char *fmt, ...)
{
	char text[sizeof(totals->broken)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(totals->broken, text, sizeof(text));
	_exit(1);
}

void count(uint64_t *what, uint64_t n)
{
	__atomic_fetch_add(what, n, __ATOMIC_RELAXED);
}

static void fault(int sig)
{
	if (may_fault)
		siglongjmp(touching, 1);
	signal(sig, SIG_DFL);
}

/* ---------------------------------------------------------------- processes */

static void make_room(struct thread *t)
{
	int fd = memfd_create("room", MFD_CLOEXEC);

	/* The third page of each is beyond the file: nothing is there. */
	if (fd < 0 || ftruncate(fd, 2 * PAGE))
		err(2, "memfd_create");
	t->room = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	t->room_ro = mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (t->room == MAP_FAILED || t->room_ro == MAP_FAILED)
		err(2, "mmap");
	close(fd);
}

static void *thread(void *arg)
{
	struct thread *t = arg;

	while (!__atomic_load_n(&t->process->stop, __ATOMIC_RELAXED)) {
		switch (bare ? 7 : pick(t, 8)) {
		case 0:
		case 1:
		case 2:
		case 3:
			fuzz_ioctl(t);
			break;
		case 4:
		case 5:
			fuzz_map(t);
			break;
		case 6:
			fuzz_fds(t);
			break;
		case 7:
			fuzz_vm(t);
			break;
		}
		count(&totals->calls, t->calls);
		count(&totals->done, t->done);
		t->calls = t->done = 0;
	}
	return NULL;
}

static void process(uint64_t seed, const struct fz_info *info)
{
	static struct process p;
	struct sigaction sa = { .sa_handler = fault, .sa_flags = SA_NODEFER };
	pthread_t threads[THREADS_MAX];
	unsigned int n, i, v, ms;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	if (info)
		p.info = *info;
	for (i = 0; i < FDS && !bare; i++)
		p.fds[i] = i % 4 ? open(FZ_DEVICE, O_RDWR | O_CLOEXEC) :
				   open("/dev/null", O_RDWR | O_CLOEXEC);
	for (i = 0; i < THREADS_MAX; i++) {
		struct thread *t = &p.threads[i];

		t->process = &p;
		t->random = (seed + i + 1) * 0x9e3779b97f4a7c15ULL | 1;
		t->dev = open(bare ? "/dev/null" : FZ_DEVICE, O_RDWR | O_CLOEXEC);
		if (t->dev < 0)
			err(2, FZ_DEVICE);
		make_room(t);
		for (v = 0; v < VMS; v++)
			t->vms[v].mem = vm_map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	}
	n = 1 + pick(&p.threads[0], THREADS_MAX);
	ms = 200 + pick(&p.threads[0], 3000);
	for (i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, thread, &p.threads[i]))
			errx(2, "pthread_create");
	usleep(ms * 1000);
	__atomic_store_n(&p.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	/* Now and then leave it all to the end of the process. */
	for (i = 0; i < n && seed % 3; i++)
		for (v = 0; v < VMS; v++)
			if (p.threads[i].vms[v].alive)
				end_vm(&p.threads[i].vms[v]);
	_exit(0);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

static struct child {
	pid_t pid;
	uint64_t kill_at;
	bool killed;
} children[PROCESSES];

/* Look at a process: true if it has ended. False in @good: it broke, or found something broken. */
static bool ended(struct child *c, uint64_t last, bool *good)
{
	int status;

	if (!c->killed && now_ms() >= c->kill_at) {
		kill(c->pid, SIGKILL);
		c->killed = true;
		if (now_ms() >= last) {
			diag("a process hangs");
			*good = false;
		}
	}
	if (waitpid(c->pid, &status, WNOHANG) <= 0)
		return false;
	if (WIFSIGNALED(status) ? !c->killed : WEXITSTATUS(status)) {
		diag("a process ended with %#x: %.255s", status, totals->broken);
		*good = false;
	}
	c->pid = 0;
	return true;
}

/* Processes, one after another, @seconds long. */
static bool storm(unsigned int seconds, uint64_t seed, const struct fz_info *info,
		  unsigned int *runs)
{
	uint64_t end = now_ms() + seconds * 1000ULL, last = end + 60000;
	struct thread dice = { .random = seed | 1 };
	unsigned int alive = 0;
	bool good = true;
	struct child *c;

	for (;;) {
		for (c = children; c < children + PROCESSES; c++) {
			if (c->pid) {
				alive -= ended(c, last, &good);
				continue;
			}
			if (!good || now_ms() >= end)
				continue;
			++*runs;
			c->killed = false;
			c->kill_at = pick(&dice, 3) ? last : now_ms() + pick(&dice, 2000);
			c->pid = fork();
			if (!c->pid)
				process(seed + *runs * 16, info);
			alive++;
		}
		if (!alive && (!good || now_ms() >= end))
			return good;
		usleep(5000);
	}
}

/* ------------------------------------------------------------------ the end */

static unsigned int vms_left(int fd)
{
	struct fz_list list = { .size = sizeof(list), .entry_size = sizeof(struct fz_vm_desc) };

	if (ioctl(fd, FZ_IOC_LIST, &list))
		err(2, "LIST");
	return list.count;
}

/* The reader's positions were scribbled on: begin where the rings are. */
static bool reset(int fd, const struct fz_info *info)
{
	struct fz_consumer *consumers;
	unsigned int cpu;

	consumers = mmap(NULL, info->consumer_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 info->consumer_offset);
	if (consumers == MAP_FAILED)
		return false;
	for (cpu = 0; cpu < info->cpus; cpu++) {
		off_t at = info->ring_offset + cpu * info->ring_stride;
		struct fz_producer *p = mmap(NULL, PAGE + 2 * info->ring_bytes, PROT_READ,
					     MAP_SHARED, fd, at);

		if (p == MAP_FAILED)
			continue;	/* a CPU that cannot be */
		consumers[cpu].pos = p->pos;
		munmap(p, PAGE + 2 * info->ring_bytes);
	}
	munmap(consumers, info->consumer_bytes);
	return true;
}

static struct { uint64_t vm, execs, bad; } seen;

static int see(void *arg, const struct fz_rec *rec, struct fz_error *e)
{
	const uint8_t *page = fz_rec_page(rec);

	(void)arg;
	(void)e;
	if (rec->vm != seen.vm)
		return 0;
	seen.execs += rec->type == FZ_REC_EXEC;
	seen.bad += page && XXH64(page, PAGE, 0) != rec->hash;
	return 0;
}

/* After all that a VM is watched as ever. */
static void watch(struct fz_device *dev)
{
	struct fz_reader *reader;
	struct fz_error error;
	struct vm vm;

	ok(reset(fz_device_fd(dev), fz_device_info(dev)) &&
	   !fz_device_reader(dev, false, &reader, &error), "a reader finds the device free");
	vm_new(&vm, 1);
	if (fz_device_attach(dev, vm.fd, 0, &seen.vm, &error))
		errx(2, "attach: %s", error.text);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 5);
	vcpu_start(&vm, 0, DRIVER(0), TARGETS, N, 0);
	ok(!vcpu_run(&vm, 0) && vcpu_rax(&vm, 0) == N * 5 + N * (N - 1) / 2, "a guest runs right");
	if (fz_reader_drain(reader, see, NULL, &error) < 0)
		diag("drain: %s", error.text);
	ok(seen.execs == N + 1 && !seen.bad && !fz_reader_seq(reader)->ngaps,
	   "its %d pages are logged: %llu", N + 1, (unsigned long long)seen.execs);
	vm_free(&vm);
}

int main(int argc, char **argv)
{
	struct fz_detach no_more = { .size = sizeof(no_more), .flags = FZ_ATTACH_NEW };
	uint64_t seed = time(NULL);
	struct fz_counters c;
	struct fz_device *dev;
	struct fz_error error;
	unsigned int i, runs = 0;
	bool good;
	int fd;

	bare = argc > 1 && !strcmp(argv[1], "--bare");
	argc -= bare;
	argv += bare;
	if (argc < 2 || argc > 3)
		errx(2, "usage: fuzz_dev [--bare] SECONDS [SEED]");
	if (argc == 3)
		seed = strtoull(argv[2], NULL, 0);
	else if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed ^= getpid();
	diag("seed %llu", (unsigned long long)seed);
	totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (totals == MAP_FAILED)
		err(2, "mmap");
	if (bare) {
		good = storm(atoi(argv[1]), seed, NULL, &runs);
		ok(good, "%u processes, %llu VMs, %llu runs, without the module", runs,
		   (unsigned long long)totals->vms, (unsigned long long)totals->runs);
		diag("%llu guests shut down by the emulator", (unsigned long long)totals->shutdowns);
		return done();
	}
	if (fz_device_open(&dev, &error))
		errx(2, "%s", error.text);
	fd = fz_device_fd(dev);

	good = storm(atoi(argv[1]), seed, fz_device_info(dev), &runs);
	ok(good, "%u processes, %llu calls and maps, %llu done, %llu VMs, %llu runs: as the contract has it",
	   runs, (unsigned long long)totals->calls, (unsigned long long)totals->done,
	   (unsigned long long)totals->vms, (unsigned long long)totals->runs);
	ok(totals->shutdowns <= totals->runs / 50, "%llu guests shut down by the emulator",
	   (unsigned long long)totals->shutdowns);
	ok(!ioctl(fd, FZ_IOC_DETACH, &no_more), "no VM to come is watched");
	for (i = 0; i < 100 && vms_left(fd); i++)
		usleep(100000);
	ok(!vms_left(fd), "no VM is left");
	if (fz_device_stat(dev, 0, &c, &error))
		errx(2, "%s", error.text);
	ok(c.grants && c.grants == c.execs + c.reexecs + c.mixed + c.lost_execs,
	   "%llu grants = %llu + %llu + %llu + %llu lost", c.grants, c.execs, c.reexecs, c.mixed,
	   c.lost_execs);
	ok(!c.violations && !c.errors && !c.drifts, "%llu violations, %llu errors, %llu drifts",
	   c.violations, c.errors, c.drifts);
	ok(!c.frames && !c.exec_frames && !c.memory, "%llu frames, %llu bytes are left", c.frames,
	   c.memory);
	watch(dev);
	fz_device_close(dev);
	return done();
}
