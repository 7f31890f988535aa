// SPDX-License-Identifier: GPL-2.0-only
/*
 * db_upx.c - have upx unpack a program
 *
 * The program comes from a package or an image and may be made to break upx. So that runs
 * alone in a directory of its own, as nobody where we are root, with bounds on time, memory and
 * files, without sockets and without a way to more privileges. What it writes is parsed as
 * any other file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "db_upx.h"
#include "elffile.h"
#include "upx.h"

#define NOBODY		65534
#define SECONDS		60
#define MEMORY		(2UL << 30)
#define UNPACKED_MAX	(256UL << 20)

static const struct { int resource; rlim_t max; } limits[] = {
	{ RLIMIT_CPU, SECONDS }, { RLIMIT_AS, MEMORY }, { RLIMIT_FSIZE, UNPACKED_MAX },
	{ RLIMIT_NOFILE, 64 }, { RLIMIT_CORE, 0 }, { RLIMIT_MEMLOCK, 0 },
};

#define REFUSE(call) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* Nothing that reaches beyond its own files. */
static struct sock_filter calls[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),	/* x32 */
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	REFUSE(socket), REFUSE(socketpair), REFUSE(io_uring_setup), REFUSE(ptrace), REFUSE(kill),
	REFUSE(tkill), REFUSE(tgkill), REFUSE(process_vm_readv), REFUSE(process_vm_writev),
	REFUSE(pidfd_getfd), REFUSE(bpf), REFUSE(perf_event_open), REFUSE(userfaultfd),
	REFUSE(unshare), REFUSE(setns), REFUSE(mount), REFUSE(keyctl), REFUSE(add_key),
	REFUSE(request_key), REFUSE(shmget), REFUSE(msgget), REFUSE(semget), REFUSE(mq_open),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

/* In a child of a process with threads: system calls, and nothing else. */
static void run(const char *upx, const char *dir)
{
	const struct sock_fprog filter = { sizeof(calls) / sizeof(calls[0]), calls };
	char *argv[] = { "upx", "-qq", "-d", "-o", "out", "in", NULL };
	char *envp[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", NULL };
	int null = open("/dev/null", O_RDWR);
	size_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setpgid(0, 0) || null < 0 || dup2(null, 0) || dup2(null, 1) != 1 ||
	    dup2(null, 2) != 2 || syscall(SYS_close_range, 3, ~0U, 0) || chdir(dir))
		_exit(126);
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct rlimit max = { limits[i].max, limits[i].max };

		if (setrlimit(limits[i].resource, &max))
			_exit(126);
	}
	/* Without privileges there is the filter alone. */
	unshare(CLONE_NEWNET | CLONE_NEWIPC);
	if (!geteuid() && (syscall(SYS_setgroups, 0, NULL) ||
			   syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) ||
			   syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY)))
		_exit(126);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		_exit(126);
	execve(upx, argv, envp);
	_exit(127);
}

/* Its exit status, or -1: it was ended, by us or a signal. */
static int wait_for(pid_t pid)
{
	struct pollfd p = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status;

	while (p.fd >= 0 && poll(&p, 1, SECONDS * 1000) < 0 && errno == EINTR)
		;
	if (p.fd < 0 || !(p.revents & POLLIN))
		kill(-pid, SIGKILL);
	if (p.fd >= 0)
		close(p.fd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	kill(-pid, SIGKILL);	/* what it left running */
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int put_file(int dir, const void *data, size_t size)
{
	int fd = openat(dir, "in", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	const uint8_t *p = data;
	ssize_t n = 0;

	while (fd >= 0 && size && (n = write(fd, p, size)) > 0) {
		p += n;
		size -= n;
	}
	if (fd >= 0 && !geteuid() && fchown(fd, NOBODY, NOBODY))
		n = -1;
	if (fd >= 0)
		close(fd);
	return fd < 0 || size || n < 0 ? -1 : 0;
}

static int get_file(int dir, struct fz_buffer *out, struct fz_error *err)
{
	int fd = openat(dir, "out", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), ret;
	struct fz_elf elf;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		ret = fz_fail(err, -EINVAL, "upx writes nothing");
	else
		ret = fz_buffer_read(out, fd, UNPACKED_MAX, err);
	if (fd >= 0)
		close(fd);
	if (!ret && (fz_elf_parse(&elf, out->p, out->len, NULL) <= 0 ||
		     fz_upx_magic(out->p, out->len)))
		ret = fz_fail(err, -EINVAL, "what upx writes is no unpacked program");
	return ret;
}

/* Whatever is in it. */
static void remove_dir(const char *path, int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(fd, e->d_name, 0);
	if (d)
		closedir(d);
	else
		close(fd);
	rmdir(path);
}

static bool find_upx(char *path, size_t size)
{
	static const char *const names[] = { "upx", "upx-ucl" };
	const char *dirs = getenv("PATH"), *p;
	size_t i;
	int n;

	for (i = 0; i < 2; i++) {
		for (p = dirs ? dirs : "/usr/bin:/bin"; *p; p += n + !!p[n]) {
			n = strcspn(p, ":");
			if (*p == '/' && snprintf(path, size, "%.*s/%s", n, p, names[i]) <
			    (int)size && !access(path, X_OK))
				return true;
		}
	}
	return false;
}

int db_upx(const void *data, size_t size, struct fz_buffer *out, struct fz_error *err)
{
	char upx[4096], dir[4096];
	const char *tmp = getenv("TMPDIR");
	int fd, status, ret;
	pid_t pid;

	out->len = 0;
	if (!find_upx(upx, sizeof(upx)))
		return fz_fail(err, 0, "it is packed by UPX: with upx installed, what it unpacks to would be added, too");
	snprintf(dir, sizeof(dir), "%s/fitzroy-upx.XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return fz_fail(err, -EIO, "cannot make %s: %s", dir, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (!geteuid() && fchown(fd, NOBODY, NOBODY)) || put_file(fd, data, size)) {
		ret = fz_fail(err, -EIO, "cannot write to %s: %s", dir, strerror(errno));
		goto out;
	}
	pid = fork();
	if (!pid)
		run(upx, dir);
	if (pid < 0) {
		ret = fz_fail(err, -EIO, "cannot run upx: %s", strerror(errno));
		goto out;
	}
	status = wait_for(pid);
	if (status)
		ret = fz_fail(err, -EINVAL, "it is packed by UPX, but upx %s", status < 0 ?
			      "was ended: too much time, memory or space" : status >= 126 ?
			      "cannot be run" : "does not unpack it");
	else
		ret = get_file(fd, out, err) ?: 1;
out:
	if (fd >= 0)
		remove_dir(dir, fd);
	else
		rmdir(dir);
	return ret;
}
