// SPDX-License-Identifier: GPL-2.0-only
/*
 * serve.c - attacks by a program: from a memfd, deleted, with a forged page
 *
 * The programs answer each byte with one: evil.S with the other case of the letter, what
 * is known (cat, good) with the same; so each shows that it is its code that runs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>
#include "attack.h"

void serve(struct served *s, int fd, const char *path)
{
	int in[2], out[2];
	char *argv[] = { "served", NULL }, *envp[] = { NULL };

	fflush(stdout);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		fail("pipe");
	s->pid = fork();
	if (!s->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		if (fd >= 0)
			syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
		else
			execve(path, argv, envp);
		_exit(127);
	}
	if (s->pid < 0)
		fail("fork");
	close(in[0]);
	close(out[1]);
	s->in = in[1];
	s->out = out[0];
}

int feed(struct served *s, int byte)
{
	unsigned char c = (unsigned char)byte;

	if (write(s->in, &c, 1) != 1 || read(s->out, &c, 1) != 1)
		fail("the program does not answer");
	return c;
}

int served_end(struct served *s)
{
	int status;

	close(s->in);
	close(s->out);
	if (waitpid(s->pid, &status, 0) != s->pid)
		fail("waitpid");
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

/* The program to run: evil's pages of code with the step's name in them, or cat. */
static uint8_t *program(size_t *size)
{
	uint8_t *data = slurp(twin ? "/bin/cat" : HERE "evil", size);

	if (!twin) {
		strcpy((char *)data + PAGE + 0x800, step);
		strcpy((char *)data + 2 * PAGE + 0x800, step);
	}
	return data;
}

static int check(struct served *s, const char *name)
{
	struct mapping m;

	if (feed(s, 'A') != (twin ? 'A' : 'a'))
		return 1;
	if (twin)
		return account_mapped(s->pid, name) == 0;
	if (!find_mapping(s->pid, 0, name, 1, &m))
		return 1;
	account("ran", s->pid, m.start, 2);
	return 0;
}

int memfd(void)
{
	int fd = memfd_create("payload", MFD_CLOEXEC);
	struct served s;
	uint8_t *data;
	size_t size;

	data = program(&size);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		fail("memfd");
	serve(&s, fd, NULL);
	return check(&s, "/memfd:payload (deleted)") | served_end(&s);
}

/* A second page of the program runs after its file is gone. */
int deleted(void)
{
	struct mapping m;
	struct served s;
	uint8_t *data;
	size_t size;
	int i;

	data = program(&size);
	put_file(HERE "x", data, size);
	serve(&s, -1, HERE "x");
	for (i = 0; i < 1000 && !find_mapping(s.pid, 0, HERE "x", 1, &m); i++)
		usleep(1000);
	if (unlink(HERE "x"))
		fail("unlink");
	return check(&s, HERE "x (deleted)") | served_end(&s);
}

/* A page of program "good" replaced by one with the same XXH64, see forge.py. */
int forged(void)
{
	const char *path = twin ? HERE "good" : HERE "forged";
	struct mapping m;
	struct served s;

	serve(&s, -1, path);
	if (feed(&s, 'A') != (twin ? 'A' : 'a') || !find_mapping(s.pid, 0, path, 1, &m))
		return 1;
	account("ran", s.pid, m.start + PAGE, 1);
	return served_end(&s);
}
