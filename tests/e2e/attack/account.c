// SPDX-License-Identifier: GPL-2.0-only
/*
 * account.c - what the guest itself knows about the pages of an attack
 *
 * Each page is told with its frame and its bytes, both as the guest's kernel sees
 * them. The test compares; the product never sees it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "attack.h"

void fail(const char *what)
{
	printf("attack: %s: %s: %s\n", step, what, strerror(errno));
	fflush(stdout);
	exit(1);
}

static int proc(pid_t pid, const char *name, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

void peek(pid_t pid, uintptr_t addr, void *to, size_t size)
{
	int fd = proc(pid, "mem", O_RDONLY);

	if (pread(fd, to, size, (off_t)addr) != (ssize_t)size)
		fail("read its memory");
	close(fd);
}

void poke(pid_t pid, uintptr_t addr, const void *from, size_t size)
{
	int fd = proc(pid, "mem", O_RDWR);

	if (pwrite(fd, from, size, (off_t)addr) != (ssize_t)size)
		fail("write its memory");
	close(fd);
}

uint8_t *slurp(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;

	if (fd < 0 || fstat(fd, &st))
		fail(path);
	*size = (size_t)st.st_size;
	data = malloc(*size);
	if (!data || read(fd, data, *size) != (ssize_t)*size)
		fail(path);
	close(fd);
	return data;
}

void put_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd))
		fail(path);
}

static int ends_with(const char *path, const char *name)
{
	size_t n = strlen(path), m = strlen(name);

	return n >= m && !strcmp(path + n - m, name);
}

static int next_mapping(FILE *maps, struct mapping *m)
{
	char line[512], perms[5];
	int at = 0;

	if (!fgets(line, sizeof(line), maps))
		return 0;
	line[strcspn(line, "\n")] = 0;
	if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNx64 " %*s %*s %n", &m->start, &m->end,
		   perms, &m->offset, &at) < 4 || !at)
		fail("read a mapping");
	m->exec = perms[2] == 'x';
	snprintf(m->path, sizeof(m->path), "%s", line + at);
	return 1;
}

static FILE *open_maps(pid_t pid)
{
	FILE *maps = fdopen(proc(pid, "maps", O_RDONLY), "r");

	if (!maps)
		fail("maps");
	return maps;
}

int find_mapping(pid_t pid, uintptr_t addr, const char *name, int exec, struct mapping *m)
{
	FILE *maps = open_maps(pid);
	int found = 0;

	while (!found && next_mapping(maps, m))
		found = addr ? m->start <= addr && addr < m->end :
			ends_with(m->path, name) && (!exec || m->exec);
	fclose(maps);
	return found;
}

void account_line(const char *text)
{
	FILE *out = fopen(HERE "truth", "ae");

	if (!out || fprintf(out, "%s\n", text) < 0 || fclose(out))
		fail(HERE "truth");
}

/* 0: the page is not there. */
static uint64_t frame_of(pid_t pid, uintptr_t addr)
{
	int fd = proc(pid, "pagemap", O_RDONLY);
	uint64_t e;

	if (pread(fd, &e, 8, (off_t)(addr / PAGE * 8)) != 8)
		fail("pagemap");
	close(fd);
	return e >> 63 ? e & ((1ULL << 55) - 1) : 0;
}

static size_t account_page(const char *role, pid_t pid, uintptr_t addr, const struct mapping *m)
{
	static char line[2 * PAGE + 1024];
	uint64_t pfn = frame_of(pid, addr), page = (m->offset + (addr - m->start)) / PAGE;
	uint8_t bytes[PAGE];
	size_t i, n;

	if (!pfn)
		return 0;
	peek(pid, addr, bytes, PAGE);
	n = (size_t)snprintf(line, sizeof(line),
			     "{\"step\": \"%s\", \"twin\": %d, \"role\": \"%s\", \"pid\": %d, "
			     "\"addr\": \"0x%" PRIxPTR "\", \"gfn\": \"0x%" PRIx64 "\", "
			     "\"file\": \"%s\", \"page\": %" PRIu64 ", \"bytes\": \"",
			     step, twin, role, pid, addr, pfn, m->path, page);
	for (i = 0; i < PAGE; i++)
		n += (size_t)sprintf(line + n, "%02x", bytes[i]);
	strcpy(line + n, "\"}");
	account_line(line);
	if (!strcmp(role, "ran"))
		printf("attack: %s: pid %d ran %" PRIxPTR " gfn %" PRIx64 " %s page %" PRIu64 "\n", step,
		       pid, addr, pfn, m->path[0] ? m->path : "(memory)", page);
	return 1;
}

void account(const char *role, pid_t pid, uintptr_t addr, size_t pages)
{
	struct mapping m;
	size_t i;

	for (i = 0; i < pages; i++) {
		uintptr_t at = (addr & ~(PAGE - 1)) + i * PAGE;

		if (!find_mapping(pid, at, NULL, 0, &m) || !account_page(role, pid, at, &m))
			fail("a page that ran is not there");
	}
}

size_t account_mapped(pid_t pid, const char *name)
{
	FILE *maps = open_maps(pid);
	struct mapping m;
	size_t n = 0;
	uintptr_t at;

	while (next_mapping(maps, &m))
		for (at = m.start; m.exec && ends_with(m.path, name) && at < m.end; at += PAGE)
			n += account_page("mapped", pid, at, &m);
	fclose(maps);
	printf("attack: %s: pid %d has %zu pages of %s\n", step, pid, n, name);
	return n;
}

void account_changed(pid_t pid, uintptr_t addr, uint8_t old, uint8_t new)
{
	char line[1024];
	struct mapping m;
	uint64_t offset;

	if (!find_mapping(pid, addr, NULL, 0, &m))
		fail("what was changed is not there");
	offset = m.offset + (addr - m.start);
	snprintf(line, sizeof(line),
		 "{\"step\": \"%s\", \"twin\": %d, \"role\": \"changed\", \"pid\": %d, \"addr\": \"0x%" PRIxPTR
		 "\", \"file\": \"%s\", \"offset\": %" PRIu64 ", \"old\": \"%02x\", \"new\": \"%02x\"}",
		 step, twin, pid, addr, m.path, offset, old, new);
	account_line(line);
	printf("attack: %s: pid %d byte %" PRIu64 " of %s: %02x -> %02x\n", step, pid, offset, m.path, old,
	       new);
}
