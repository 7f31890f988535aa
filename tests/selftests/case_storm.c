// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_storm.c - attach and detach under load; VMMs and monitors that are killed
 *
 * FZ_ROUNDS in the environment says how often; the default is for every day.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "log.h"

#define WARM_UP		20	/* rounds before the memory is measured */

static unsigned int rounds(unsigned int otherwise)
{
	const char *s = getenv("FZ_ROUNDS");

	return s ? (unsigned int)atoi(s) : otherwise;
}

/* Objects in use in the caches that the module allocates from, and kB of per-CPU memory. */
static void kernel_memory(long *objects, long *percpu)
{
	char line[256], name[64];
	FILE *f = fopen("/sys/kernel/slab/kmalloc-512/shrink", "w");
	long active;

	/* What KASAN keeps in quarantine is free, and counts as used until the cache is shrunk. */
	if (f) {
		fputs("1\n", f);
		fclose(f);
	}
	f = fopen("/proc/slabinfo", "r");
	*objects = *percpu = 0;
	if (f) {
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "%63s %ld", name, &active) == 2 &&
			    !strcmp(name, "kmalloc-512"))
				*objects += active;
		fclose(f);
	} else if (errno == ENOENT) {
		diag("this kernel does not count slab objects");
	} else {
		err(2, "/proc/slabinfo");
	}
	f = fopen("/proc/meminfo", "r");
	if (!f)
		err(2, "/proc/meminfo");
	while (fgets(line, sizeof(line), f))
		sscanf(line, "Percpu: %ld", percpu);
	fclose(f);
}

/* Attach, let it run for a moment, detach; the memory of both goes back. */
static void test_storm(void)
{
	unsigned int i, n = rounds(100), bad = 0;
	long objects, percpu, after, percpu_after;
	struct fz_counters c;
	unsigned long done;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 4);
	log_clear();
	load_start(&vm, TARGETS, N, true);
	srand(1);
	for (i = 0; i < WARM_UP + n; i++) {
		if (i == WARM_UP) {
			sleep(1);
			kernel_memory(&objects, &percpu);
		}
		id = attach(&vm);
		usleep(rand() % 5000);
		log_read();
		if (i % 16 == 0) {
			c = counters(id);
			bad += audit(id).violations || c.errors;
		}
		if (fz_device_detach(dev, id, &error))
			errx(2, "detach: %s", error.text);
		log_read();
	}
	sleep(1);
	kernel_memory(&after, &percpu_after);
	done = load_stop(&vm);
	ok(done > 0, "%u times attached and detached under 4 vCPUs that do right: %lu rounds",
	   i, done);
	log_read();
	ok(log_count(0, FZ_REC_VM_ATTACH) == i && log_count(0, FZ_REC_VM_DETACH) == i,
	   "each is logged; %u first executions, %u re-executions", log_count(0, FZ_REC_EXEC),
	   log_count(0, FZ_REC_REEXEC));
	c = counters(0);
	ok(!bad && adds_up(&c), "clean whenever looked at, and the counts add up");
	/* One object a round would be a leak; KVM and the rest may have moved a few. */
	ok(after - objects < (long)n / 2 && percpu_after - percpu < (long)n * 184 / 2048 + 64,
	   "memory: %ld objects, then %ld; per CPU %ld kB, then %ld", objects, after, percpu,
	   percpu_after);
	vm_free(&vm);
}

/* Shared with the processes that hammer: whom to attach. */
struct target {
	pid_t pid;
	int fd;
};

/* A VMM that runs until it is killed. */
static void victim(struct target *target)
{
	struct vm vm;

	vm_new(&vm, 2);
	__atomic_store_n(&target->fd, vm.fd, __ATOMIC_RELEASE);
	load_start(&vm, TARGETS, 20, true);
	for (;;)
		pause();
}

static int take_fd(const struct target *target)
{
	int pidfd = syscall(SYS_pidfd_open, target->pid, 0), fd = -1;

	if (pidfd >= 0) {
		fd = syscall(SYS_pidfd_getfd, pidfd, target->fd, 0);
		close(pidfd);
	}
	return fd;
}

/* One ioctl again and again, on whatever is there. Ends by SIGKILL, in its middle or not. */
static void hammer(unsigned int cmd, const struct target *target)
{
	static uint8_t buf[PAGE];
	struct fz_vm_desc vms[8];
	int fd = open(FZ_DEVICE, O_RDWR);

	if (fd < 0)
		_exit(1);
	for (;;) {
		struct fz_list list = { .size = sizeof(list), .count = 8,
					.entry_size = sizeof(vms[0]), .vms = (uintptr_t)vms };
		struct fz_attach a = { .size = sizeof(a) };
		struct fz_detach d = { .size = sizeof(d) };
		struct fz_stat s = { .size = sizeof(s) };
		struct fz_audit audit = { .size = sizeof(audit) };
		struct fz_read r = { .size = sizeof(r), .gfn = TARGETS / PAGE,
				     .buf = (uintptr_t)buf };

		memset(vms, 0, sizeof(vms));
		ioctl(fd, FZ_IOC_LIST, &list);
		d.id = s.id = audit.id = r.id = vms[0].id;
		switch (cmd) {
		case FZ_IOC_ATTACH:
			a.vm_fd = take_fd(target);
			if (a.vm_fd >= 0) {
				ioctl(fd, FZ_IOC_ATTACH, &a);
				close(a.vm_fd);
			}
			break;
		case FZ_IOC_DETACH:
			usleep(3000);
			ioctl(fd, FZ_IOC_DETACH, &d);
			break;
		case FZ_IOC_STAT:
			ioctl(fd, FZ_IOC_STAT, &s);
			break;
		case FZ_IOC_READ:
			ioctl(fd, FZ_IOC_READ, &r);
			break;
		case FZ_IOC_AUDIT:
			if (!ioctl(fd, FZ_IOC_AUDIT, &audit) && audit.violations)
				_exit(3);
			break;
		}
	}
}

static pid_t start_hammer(unsigned int cmd, const struct target *target)
{
	pid_t pid = fork();

	if (pid < 0)
		err(2, "fork");
	if (!pid)
		hammer(cmd, target);
	return pid;
}

/* Wait for @us, or until the victim has a VM, emptying the rings. */
static void read_for(unsigned int us, const struct target *target)
{
	unsigned int i;

	for (i = 0; i < us; i += 500) {
		if (target && __atomic_load_n(&target->fd, __ATOMIC_ACQUIRE) >= 0)
			return;
		usleep(500);
		log_read();
	}
}

/* VMMs are killed while others attach, detach, list, count, read and audit; those too. */
static void test_kill(void)
{
	static const unsigned int cmds[] = {
		FZ_IOC_ATTACH, FZ_IOC_DETACH, FZ_IOC_LIST, FZ_IOC_STAT, FZ_IOC_READ, FZ_IOC_AUDIT,
	};
	enum { NCMDS = sizeof(cmds) / sizeof(cmds[0]) };
	struct target *target = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int i, j, n = rounds(40), ended = 0;
	struct fz_vm_desc *vms;
	struct fz_counters c;
	pid_t pid, pids[NCMDS];
	int status;
	size_t left;

	if (target == MAP_FAILED)
		err(2, "mmap");
	log_clear();
	fflush(stdout);
	target->fd = -1;
	srand(2);
	for (j = 0; j < NCMDS; j++)
		pids[j] = start_hammer(cmds[j], target);
	for (i = 0; i < n; i++) {
		/* Half of them from their birth, which may be cut short. */
		if (fz_device_attach_new(dev, i & 1, 0, &error))
			errx(2, "attach_new: %s", error.text);
		target->fd = -1;
		pid = fork();
		if (pid < 0)
			err(2, "fork");
		if (!pid)
			victim(target);
		target->pid = pid;
		if (i % 4 != 3)
			read_for(5000000, target);
		read_for(rand() % 30000, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		ended += WIFSIGNALED(status);
		/* And one of the monitors in turn. */
		j = i % NCMDS;
		kill(pids[j], SIGKILL);
		waitpid(pids[j], &status, 0);
		if (!WIFSIGNALED(status))
			diag("the monitor of ioctl %u exited with %d", j, status);
		ended += WIFSIGNALED(status);
		pids[j] = start_hammer(cmds[j], target);
	}
	for (j = 0; j < NCMDS; j++) {
		kill(pids[j], SIGKILL);
		waitpid(pids[j], &status, 0);
	}
	if (fz_device_attach_new(dev, false, 0, &error))
		errx(2, "attach_new: %s", error.text);
	ok(ended == 2 * n, "%u VMMs and as many monitors were killed", n);
	/* What a hammer held of the last VM goes with it. */
	for (i = 0; i < 200; i++) {
		read_for(10000, NULL);
		if (log_count(0, FZ_REC_VM_ATTACH) == log_count(0, FZ_REC_VM_DETACH) +
		    log_count(0, FZ_REC_VM_DIED))
			break;
	}
	ok(!fz_device_list(dev, &vms, &left, &error) && !left, "none is left");
	free(vms);
	diag("%u attached, %u detached, %u died; %zu records lost",
	     log_count(0, FZ_REC_VM_ATTACH), log_count(0, FZ_REC_VM_DETACH),
	     log_count(0, FZ_REC_VM_DIED), log_read()->lost);
	ok(log_read()->lost || (log_count(0, FZ_REC_VM_ATTACH) > n / 4 &&
	   log_count(0, FZ_REC_VM_ATTACH) ==
	   log_count(0, FZ_REC_VM_DETACH) + log_count(0, FZ_REC_VM_DIED)),
	   "each that was attached was detached or died, once");
	ok(!log_read()->bad_hash, "no digest is wrong");
	c = counters(0);
	ok(adds_up(&c) && !c.violations, "the counts add up, no audit found anything");
	munmap(target, PAGE);
}

const struct test storm_tests[] = {
	{ "storm", test_storm },
	{ "kill", test_kill },
	{ NULL, NULL }
};
