// SPDX-License-Identifier: GPL-2.0-only
/* test_sandbox.c - what a locked-down process can do, and what ends it */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "sandbox.h"
#include "tap.h"

#define GOOD_IOCTL	0xf206UL
static const unsigned long ioctls[] = { 0xf203UL, GOOD_IOCTL };
static int device, output, readable;
static char *page;

/* One call each; what they return does not matter, only whether they return. */
static void c_read(void) { char b[8]; if (read(readable, b, 8) != 8) _exit(1); }
static void c_write(void) { if (write(output, "x", 1) != 1) _exit(1); }
static void c_sync(void) { if (fdatasync(output) || ftruncate(output, 0)) _exit(1); }
static void c_ioctl(void) { if (ioctl(device, GOOD_IOCTL, 0) != -1) _exit(1); }
static void c_malloc(void) { volatile char *p = malloc(64 << 20); if (!p) _exit(1); p[4096] = 1; }
static void c_poll(void) { struct timespec t = { 0, 1000 }; ppoll(NULL, 0, &t, NULL); }
static void c_fstat(void) { struct stat st; if (fstat(output, &st)) _exit(1); }
static void c_time(void)
{
	struct timespec ts;
	struct tm tm;
	time_t t = 1;

	if (syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts) || !gmtime_r(&t, &tm))
		_exit(1);
}

static void c_open(void) { open("/etc/passwd", O_RDONLY); }
static void c_openat2(void) { syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0); }
static void c_open_w(void) { syscall(SYS_open, "/dev/null", O_WRONLY); }
static void c_stat(void) { syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", page, 0); }
static void c_exec(void) { execl("/bin/true", "true", (char *)NULL); }
static void c_fork(void) { syscall(SYS_fork); }
static void c_clone(void) { syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }
static void c_socket(void) { socket(AF_INET, SOCK_STREAM, 0); }
static void c_kill(void) { kill(getppid(), 0); }
static void c_ptrace(void) { ptrace(PTRACE_TRACEME, 0, 0, 0); }
static void c_unlink(void) { unlink("/nonexistent"); }
static void c_rename(void) { rename("/nonexistent", "/nonexistent2"); }
static void c_mount(void) { mount("none", "/nonexistent", "tmpfs", 0, NULL); }
static void c_setuid(void) { syscall(SYS_setuid, 0); }
static void c_chmod(void) { chmod("/nonexistent", 0); }
static void c_prctl(void) { prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }
static void c_vm_read(void) { syscall(SYS_process_vm_readv, getppid(), 0, 0, 0, 0, 0); }
static void c_pidfd(void) { syscall(SYS_pidfd_getfd, 0, 0, 0); }
static void c_memfd(void) { syscall(SYS_memfd_create, "x", 0); }
static void c_uring(void) { syscall(SYS_io_uring_setup, 1, NULL); }
static void c_bpf(void) { syscall(SYS_bpf, 0, NULL, 0); }
static void c_dup(void) { syscall(SYS_dup2, output, 1); }
static void c_exec_map(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void c_exec_prot(void) { mprotect(page, 4096, PROT_READ | PROT_EXEC); }
static void c_write_else(void) { if (write(readable, "x", 1)) return; }
static void c_ioctl_else(void) { ioctl(device, 0xf201UL, 0); }
static void c_ioctl_file(void) { ioctl(output, GOOD_IOCTL, 0); }
static void c_x32(void) { syscall(0x40000000 | SYS_getpid); }

#define CALL(f) { #f, f }
static const struct call {
	const char *name;
	void (*fn)(void);
} allowed[] = {
	CALL(c_read), CALL(c_write), CALL(c_sync), CALL(c_ioctl), CALL(c_malloc), CALL(c_poll),
	CALL(c_fstat), CALL(c_time),
}, deadly[] = {
	CALL(c_open), CALL(c_openat2), CALL(c_open_w), CALL(c_stat), CALL(c_exec), CALL(c_fork),
	CALL(c_clone), CALL(c_socket), CALL(c_kill), CALL(c_ptrace), CALL(c_unlink), CALL(c_rename),
	CALL(c_mount), CALL(c_setuid), CALL(c_chmod), CALL(c_prctl), CALL(c_vm_read), CALL(c_pidfd),
	CALL(c_memfd), CALL(c_uring), CALL(c_bpf), CALL(c_dup), CALL(c_exec_map),
	CALL(c_exec_prot), CALL(c_write_else), CALL(c_ioctl_else), CALL(c_ioctl_file), CALL(c_x32),
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The wait status of a child that locks itself down and does @fn. */
static int in_child(void (*fn)(void), const char *user)
{
	struct fz_sandbox box = { .user = user, .device = device, .ioctls = ioctls,
				  .nioctls = COUNT(ioctls), .output = output };
	struct fz_error err;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (fz_sandbox_enter(&box, &err))
			_exit(99);
		fn();
		/* A sanitizer does things of its own in _exit(). */
		syscall(SYS_exit_group, 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	return status;
}

/* What /proc says of a child that waits, locked down. */
static int line_of(const char *want, const char *user, char *buf, size_t n)
{
	struct fz_sandbox box = { .user = user, .device = -1, .output = -1 };
	struct fz_error err;
	char file[64], line[256];
	int ready[2], found = 0;
	pid_t pid;
	FILE *f;

	if (pipe(ready))
		abort();
	fflush(stdout);
	pid = fork();
	if (!pid) {
		box.output = ready[1];
		if (fz_sandbox_enter(&box, &err) || write(ready[1], "1", 1) != 1)
			_exit(99);
		poll(NULL, 0, 10000);
		_exit(0);
	}
	close(ready[1]);
	snprintf(file, sizeof(file), "/proc/%d/status", pid);
	if (read(ready[0], line, 1) == 1 && (f = fopen(file, "r"))) {
		while (!found && fgets(line, sizeof(line), f))
			found = !strncmp(line, want, strlen(want));
		fclose(f);
		snprintf(buf, n, "%s", found ? line + strlen(want) : "");
		buf[strcspn(buf, "\n")] = 0;
	}
	close(ready[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return found;
}

int main(void)
{
	struct fz_sandbox box = { .user = "no-such-user", .device = -1, .output = -1 };
	struct fz_error err;
	char buf[256];
	int status;
	size_t i;

	plan(COUNT(allowed) + COUNT(deadly) + 7);
	device = open("/dev/null", O_RDWR);
	readable = open("/proc/self/exe", O_RDONLY);
	output = memfd_create("output", 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (device < 0 || readable < 0 || output < 0 || page == MAP_FAILED)
		return 1;
	for (i = 0; i < COUNT(allowed); i++) {
		status = in_child(allowed[i].fn, NULL);
		ok(WIFEXITED(status) && !WEXITSTATUS(status), "%s: can be done (%x)",
		   allowed[i].name + 2, status);
	}
	for (i = 0; i < COUNT(deadly); i++) {
		status = in_child(deadly[i].fn, NULL);
		ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS && !WCOREDUMP(status),
		   "%s: ends the process by SIGSYS (%x)", deadly[i].name + 2, status);
	}
	ok(line_of("CapPrm:\t", NULL, buf, sizeof(buf)) && !strcmp(buf, "0000000000000000"),
	   "no capability is left (%s)", buf);
	ok(line_of("NoNewPrivs:\t", NULL, buf, sizeof(buf)) && !strcmp(buf, "1"), "no new privileges");
	ok(line_of("Seccomp:\t", NULL, buf, sizeof(buf)) && !strcmp(buf, "2"), "a filter");
	ok(fz_sandbox_enter(&box, &err) == -ENOENT && strstr(err.text, "no-such-user"),
	   "no such user");
	if (geteuid()) {
		box.user = "root";
		ok(fz_sandbox_enter(&box, &err) == -EPERM, "only root becomes another");
		skip("needs root to become another user");
		skip("needs root to become another user");
	} else {
		ok(line_of("Uid:\t", "nobody", buf, sizeof(buf)) &&
		   !strcmp(buf, "65534\t65534\t65534\t65534"), "become another user (%s)", buf);
		ok(line_of("Groups:\t", "nobody", buf, sizeof(buf)) && !strcmp(buf, " "),
		   "of no other group (%s)", buf);
		status = in_child(c_setuid, "nobody");
		ok(WIFSIGNALED(status), "and there is no way back");
	}
	return done();
}
