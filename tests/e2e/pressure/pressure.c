// SPDX-License-Identifier: GPL-2.0-only
/*
 * pressure.c - in the guest: run more programs than memory holds, and keep a record
 *
 *	pressure SECONDS WORKERS FREE_MIB SEED LOG OFFSET SOURCE...
 *
 * SOURCE is disk:DIR:FIRST:COUNT, net:HOST:PORT:FIRST:COUNT or race:DIR:FIRST:COUNT:
 * where programs FIRST to FIRST + COUNT - 1 of programs.py are. All memory but FREE_MIB
 * is locked away, so that the page cache gives the frames of one program to the next;
 * it is dropped now and then as well. LOG at OFFSET gets the record.
 *
 * Time is the host's, from the paravirtual clock /dev/ptp0: comparable to FitzRoy's.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "pressure.h"

#define CAPACITY	80000

struct log_head *head;
int pagemap;

static struct entry *entries;
static clockid_t clock_id;
static uint32_t seed;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The guest's own clocks stand still or jump for nobody to see; this is a hypercall. */
uint64_t host_time(void)
{
	struct timespec ts;

	if (clock_gettime(clock_id, &ts))
		die("pressure: /dev/ptp0");
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return ((uint64_t)seed * below) >> 32;
}

unsigned int pick(const struct source *s)
{
	return s->first + rnd(s->count);
}

void add(const struct entry *e)
{
	uint64_t i = __atomic_fetch_add(&head->count, 1, __ATOMIC_RELAXED);

	if (i < CAPACITY) {
		entries[i] = *e;
	} else {
		__atomic_fetch_sub(&head->count, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&head->dropped, 1, __ATOMIC_RELAXED);
	}
}

static void count(uint64_t *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

uint64_t call(const uint8_t *page)
{
	return ((uint64_t (*)(void))(page + ENTRY))();
}

/* The frames that hold @n pages at @map; -1 if one is not there. */
int frames(const uint8_t *map, uint32_t *pfn, int n)
{
	uint64_t word[PAGES];
	int i;

	if (pread(pagemap, word, n * 8, (uintptr_t)map / PAGE * 8) != n * 8)
		return -1;
	for (i = 0; i < n; i++) {
		if (!(word[i] >> 63))
			return -1;
		pfn[i] = word[i] & ((1ULL << 55) - 1);
	}
	return 0;
}

static void call_all(const uint8_t *map, uint64_t label)
{
	int i;

	for (i = 0; i < PAGES; i++)
		if (call(map + i * PAGE) != label + i)
			count(&head->wrong);
}

/* Run the file as a program, which checks its own pages. */
static int execute(char *path)
{
	char *argv[] = { path, NULL };
	int status = -1;
	pid_t pid;

	if (posix_spawn(&pid, path, NULL, NULL, argv, NULL))
		return -1;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	if (WEXITSTATUS(status))
		count(&head->wrong);
	return 0;
}

/* One run of one program, with its frames held still. */
static void run(const struct source *s)
{
	unsigned int program = pick(s);
	struct entry e = { .how = rnd(HOW_RACE), .pages = PAGES,
			   .label = LABEL | (uint64_t)program * PAGES };
	uint32_t after[PAGES];
	char path[128];
	uint8_t *map;
	bool ok;
	int fd;

	fd = source_open(s, program, path, O_RDONLY);
	if (fd < 0) {
		count(&head->failed);
		return;
	}
	map = mmap(NULL, PROGRAM, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("pressure: mmap");
	if (e.how == HOW_CALLED)
		call_all(map, e.label);
	ok = !mlock(map, PROGRAM) && !frames(map, e.pfn, PAGES);
	if (ok) {
		e.begin = host_time();
		if (e.how == HOW_EXECVE)
			ok = !execute(path);
		else
			call_all(map, e.label);
		e.end = host_time();
	}
	if (!ok)
		count(&head->failed);
	else if (frames(map, after, PAGES) || memcmp(after, e.pfn, sizeof(after)))
		count(&head->moved);
	else
		add(&e);
	munmap(map, PROGRAM);
	if (!rnd(3))
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	source_close(s, fd, path);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), n = -1;

	if (fd >= 0) {
		n = write(fd, text, strlen(text));
		close(fd);
	}
	return n;
}

static void work(const struct source *sources, int n, uint64_t end)
{
	int i;

	pagemap = open("/proc/self/pagemap", O_RDONLY);
	if (pagemap < 0)
		die("pressure: pagemap");
	while (host_time() < end) {
		i = rnd(n);
		if (sources[i].kind == RACE)
			race(&sources[i], host_time() + 1000000000);
		else
			run(&sources[i]);
		if (!rnd(256)) {
			put("/proc/sys/vm/drop_caches", "1");
			count(&head->drops);
		}
	}
	exit(0);
}

static uint64_t available(void)
{
	char line[128];
	unsigned long kib = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	fclose(f);
	return kib * 1024ULL;
}

static uint64_t sectors(void)
{
	char line[256], name[32];
	unsigned long long n, sum = 0;
	FILE *f = fopen("/proc/diskstats", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*u %*u %31s %*u %*u %llu", name, &n) == 2)
			sum += n;
	fclose(f);
	return sum;
}

static struct source parse(char *word)
{
	struct source s = { .kind = DISK };

	if (sscanf(word, "net:%63[^:]:%d:%u:%u", s.where, &s.port, &s.first, &s.count) == 4)
		s.kind = NET;
	else if (sscanf(word, "race:%63[^:]:%u:%u", s.where, &s.first, &s.count) == 3)
		s.kind = RACE;
	else if (sscanf(word, "disk:%63[^:]:%u:%u", s.where, &s.first, &s.count) != 3)
		die(word);
	return s;
}

/* Lock pages away, bit by bit: what is said to be available changes meanwhile. */
static void lock_away(uint64_t keep)
{
	const size_t step = 512 * 1024;
	void *p;

	while (available() > keep + step) {
		p = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED || mlock(p, step))
			die("pressure: mlock");
	}
}

int main(int argc, char **argv)
{
	struct source sources[16];
	size_t size = sizeof(*head) + CAPACITY * sizeof(*entries);
	int fd, i, n = argc - 7, workers, status, bad = 0;
	uint64_t end;

	if (argc < 8 || n > 16) {
		fprintf(stderr, "usage: pressure SECONDS WORKERS FREE_MIB SEED LOG OFFSET SOURCE...\n");
		return 2;
	}
	workers = atoi(argv[2]);
	for (i = 0; i < n; i++)
		sources[i] = parse(argv[7 + i]);
	fd = open("/dev/ptp0", O_RDONLY);
	if (fd < 0)
		die("pressure: /dev/ptp0");
	clock_id = (~(clockid_t)fd << 3) | 3;	/* FD_TO_CLOCKID */

	head = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (head == MAP_FAILED)
		die("pressure: the record");
	entries = (void *)(head + 1);
	head->magic = LOG_MAGIC;
	head->entry_size = sizeof(*entries);

	/* A locked page stays where it is. */
	put("/proc/sys/vm/compact_unevictable_allowed", "0");
	put("/proc/self/oom_score_adj", "-1000");
	lock_away(atoi(argv[3]) * 1048576ULL);

	head->sectors = sectors();
	head->begin = host_time();
	end = head->begin + atoi(argv[1]) * 1000000000ULL;
	for (i = 0; i < workers; i++) {
		seed = atoi(argv[4]) + i * 7919;
		if (!fork())
			work(sources, n, end);
	}
	for (i = 0; i < workers; i++)
		if (wait(&status) < 0 || status)
			bad++;
	head->end = host_time();
	head->sectors = sectors() - head->sectors;

	printf("pressure: %lu runs, %lu dropped, %lu wrong, %lu moved, %lu failed, %lu drops, %lu MiB read, %lu ms\n",
	       head->count, head->dropped, head->wrong, head->moved, head->failed, head->drops,
	       head->sectors / 2048, (head->end - head->begin) / 1000000);
	fd = open(argv[5], O_WRONLY);
	size = sizeof(*head) + head->count * sizeof(*entries);
	if (fd < 0 || pwrite(fd, head, size, atoll(argv[6])) != (ssize_t)size || fsync(fd))
		die("pressure: the record");
	return bad || head->wrong;
}
