/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pressure.h - the guest's own record of what it ran, as compare.py reads it
 *
 * At the start of the log: struct log_head, then head.count entries.
 */
#ifndef PRESSURE_H
#define PRESSURE_H

#include <stdint.h>

#define PAGE		4096
#define PAGES		16		/* of a program; programs.py */
#define PROGRAM		(PAGES * PAGE)
#define ENTRY		0x200
#define LABEL		(0x465a5052ULL << 32)

#define LOG_MAGIC	0x47524c4f47525a46ULL

enum how {
	HOW_LOCKED,	/* made present and locked by reading, then called */
	HOW_CALLED,	/* called at the first touch, then locked and called again */
	HOW_EXECVE,	/* locked, then run as a program of its own */
	HOW_RACE,	/* one page, called while a device fills it */
	HOWS
};

/*
 * From @begin to @end (host time, CLOCK_REALTIME, ns) the pages of @label on lay
 * in the frames @pfn, locked, and each was executed at least once.
 */
struct entry {
	uint64_t begin, end;
	uint64_t label;
	uint32_t how;
	uint32_t pages;
	uint32_t pfn[PAGES];
};

struct log_head {
	uint64_t magic;
	uint64_t count;
	uint64_t dropped;	/* runs that found no room */
	uint64_t wrong;		/* pages that returned another label than theirs */
	uint64_t moved;		/* runs whose frames changed although they were locked */
	uint64_t failed;	/* runs that could not be */
	uint64_t drops;		/* times that the page cache was dropped */
	uint64_t sectors;	/* read from all disks meanwhile */
	uint64_t begin, end;
	uint64_t entry_size;
};

struct source {
	enum { DISK, NET, RACE } kind;
	char where[64];		/* a folder, or a host */
	int port;
	unsigned int first, count;
};

/* A random program of @s as a file, open for reading; @path is its name. */
int source_open(const struct source *s, unsigned int program, char *path, int flags);
/* Let go of what source_open() made. */
void source_close(const struct source *s, int fd, const char *path);
/* Call pages of a buffer while the device of @s fills them, until @end. */
void race(const struct source *s, uint64_t end);

/* pressure.c */
extern struct log_head *head;
extern int pagemap;

uint64_t host_time(void);
uint32_t rnd(uint32_t below);
void add(const struct entry *e);
uint64_t call(const uint8_t *page);
int frames(const uint8_t *map, uint32_t *pfn, int n);
unsigned int pick(const struct source *s);

#endif
