// SPDX-License-Identifier: GPL-2.0-only
/* kernel.c - a kernel that is changed: by modules, and as it should be (static keys, BPF) */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "attack.h"

/* What the module said in the kernel's log; its lines are of the account's form. */
static void copy_account(int kmsg)
{
	static char line[8192];
	char *json;
	ssize_t n;

	for (;;) {
		n = read(kmsg, line, sizeof(line) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			break;
		line[n] = 0;
		json = strstr(line, "attack: {");
		if (!json)
			continue;
		line[strcspn(line, "\n")] = 0;
		account_line(json + strlen("attack: "));
	}
}

static int listed(pid_t pid)
{
	struct dirent *d;
	DIR *proc = opendir("/proc");
	int found = 0;

	if (!proc)
		fail("/proc");
	while ((d = readdir(proc)))
		found |= atoi(d->d_name) == pid;
	closedir(proc);
	return found;
}

static int module_listed(const char *name)
{
	char line[512];
	FILE *f = fopen("/proc/modules", "re");
	int found = 0;

	if (!f)
		fail("/proc/modules");
	while (fgets(line, sizeof(line), f))
		found |= !strncmp(line, name, strlen(name));
	fclose(f);
	return found;
}

/*
 * What the module should have done; the others, loaded before it, go on.
 *	ftrace, pointer		a process is in no listing of /proc
 *	inline, site		getpgid, getsid say what their replacement says
 *	table			nothing: the kernel calls no system call by the table
 *	watch			(known) nothing
 */
static int effect(const char *mode, pid_t hidden)
{
	long pgid = syscall(SYS_getpgid, 0), sid = syscall(SYS_getsid, 0);
	long pgrp = syscall(SYS_getpgrp);
	int seen = listed(hidden);

	printf("attack: %s: getpgid %ld getsid %ld getpgrp %ld listed %d\n", step, pgid, sid, pgrp, seen);
	if (kill(hidden, 0) || pgrp == 0x5eed)
		return 1;
	if (!strcmp(mode, "ftrace") || !strcmp(mode, "pointer"))
		return seen;
	if (!strcmp(mode, "inline"))
		return !seen || pgid != 0x5eed || sid == 0x5eed;
	if (!strcmp(mode, "site"))
		return !seen || sid != 0x5eed;
	if (!strcmp(mode, "watch"))
		return !seen || pgid == 0x5eed || sid == 0x5eed;
	return !seen;
}

int module(const char *file, const char *mode)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC), rc;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	char parameters[256];
	pid_t hidden;

	hidden = fork();
	if (!hidden) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	if (kmsg < 0 || fd < 0 || hidden < 0)
		fail(file);
	lseek(kmsg, 0, SEEK_END);
	snprintf(parameters, sizeof(parameters), "step=%s mode=%s hide=%d", step, mode, hidden);
	/* The watcher's functions run before and after. */
	listed(hidden);
	if (syscall(SYS_finit_module, fd, twin ? "" : parameters, 0))
		fail("load the module");
	rc = effect(mode, hidden);
	rc |= module_listed(twin ? "watcher" : "hook") != twin;
	copy_account(kmsg);
	kill(hidden, SIGKILL);
	waitpid(hidden, NULL, 0);
	return rc;
}

/* A socket filter, which the kernel compiles. */
int bpf(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'y', 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };
	char c = 0;
	int s[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, s) ||
	    setsockopt(s[1], SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
		fail("socket filter");
	/* The filter drops the first. */
	return write(s[0], "n", 1) != 1 || write(s[0], "y", 1) != 1 || read(s[1], &c, 1) != 1 || c != 'y';
}

/* Scheduler statistics are off by static keys, in code that runs all the time. */
int static_key(void)
{
	const char *name = "/proc/sys/kernel/sched_schedstats";
	const struct timespec t = { .tv_nsec = 20000000 };
	int i;

	for (i = 0; i < 4; i++) {
		int fd = open(name, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, i & 1 ? "0" : "1", 1) != 1)
			fail(name);
		close(fd);
		nanosleep(&t, NULL);
	}
	return 0;
}
