// SPDX-License-Identifier: GPL-2.0-only
/*
 * source.c - where programs come from: a disk, a host's HTTP server, or a disk
 * that fills pages while they run
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pressure.h"

static int dial(const struct source *s)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(s->port) };
	struct timeval patience = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, s->where, &to.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (void *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Fetch a program into a file; the frames of the last one go to the next's packets. */
static int fetch(const struct source *s, unsigned int program, const char *path)
{
	static char buf[PROGRAM + 4096];
	size_t have = 0;
	ssize_t n;
	char *body = NULL;
	int fd = dial(s), out = -1;

	if (fd < 0)
		return -1;
	n = snprintf(buf, sizeof(buf), "GET /%06u HTTP/1.0\r\n\r\n", program);
	if (write(fd, buf, n) == n) {
		do {
			n = read(fd, buf + have, sizeof(buf) - 1 - have);
			have += n > 0 ? n : 0;
		} while (n > 0 && have < sizeof(buf) - 1);
		buf[have] = 0;
		body = strstr(buf, "\r\n\r\n");
	}
	close(fd);
	if (!body || buf + have - (body + 4) != PROGRAM)
		return -1;
	out = open(path, O_RDWR | O_CREAT | O_TRUNC, 0755);
	if (out < 0)
		return -1;
	n = write(out, body + 4, PROGRAM);
	close(out);
	return n == PROGRAM ? open(path, O_RDONLY) : -1;
}

int source_open(const struct source *s, unsigned int program, char *path, int flags)
{
	if (s->kind != NET) {
		sprintf(path, "%s/%06u", s->where, program);
		return open(path, flags);
	}
	sprintf(path, "/tmp/%d", getpid());
	return fetch(s, program, path);
}

void source_close(const struct source *s, int fd, const char *path)
{
	close(fd);
	if (s->kind == NET)
		unlink(path);
}

/* Fill pages of @buf from the disk, past the page cache, for ever. */
static void fill(const struct source *s, uint8_t *buf, int pages)
{
	char path[128];
	int fd, i, page, n;

	for (;;) {
		fd = source_open(s, pick(s), path, O_RDONLY | O_DIRECT);
		if (fd < 0)
			_exit(1);
		for (i = 0; i < 8; i++) {
			n = rnd(2) ? 1 : pages;
			page = rnd(PAGES - n + 1);
			n *= PAGE;
			if (pread(fd, buf + rnd(pages - n / PAGE + 1) * PAGE, n, page * PAGE) != n)
				_exit(1);
		}
		close(fd);
	}
}

void race(const struct source *s, uint64_t end)
{
	enum { N = 4 };
	struct entry e = { .how = HOW_RACE, .pages = 1 };
	uint64_t last[N] = {}, same = 0;
	uint32_t pfn[N], after[N];
	uint8_t *buf;
	char path[128];
	int fd, i;
	pid_t pid;

	buf = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS,
		   -1, 0);
	fd = source_open(s, s->first, path, O_RDONLY | O_DIRECT);
	if (buf == MAP_FAILED || fd < 0 || mlock(buf, N * PAGE) ||
	    pread(fd, buf, N * PAGE, 0) != N * PAGE || frames(buf, pfn, N)) {
		head->failed++;
		return;
	}
	close(fd);
	rnd(2);
	pid = fork();
	if (!pid)
		fill(s, buf, N);
	while (e.begin < end) {
		i = rnd(N);
		e.begin = host_time();
		e.label = call(buf + i * PAGE);
		e.end = host_time();
		if (e.label == last[i] && ++same % 32)
			continue;
		last[i] = e.label;
		e.pfn[0] = pfn[i];
		add(&e);
	}
	if (pid < 0 || kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid)
		head->failed++;
	if (frames(buf, after, N) || memcmp(pfn, after, sizeof(pfn)))
		head->moved++;
	munmap(buf, N * PAGE);
}
