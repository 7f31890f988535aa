/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz.h - the fuzzer of the device: what its files share
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <fitzroy.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include "vmm.h"

#define THREADS_MAX	4
#define FDS		16	/* that the threads of a process share, and close for each other */
#define MAPS		8
#define VMS		2	/* of a thread */
#define N		20	/* pages of a run */

/* A thread: what is its own no other thread touches, so what it is told can be judged. */
struct thread {
	uint64_t random;
	int dev;			/* its own open file */
	uint8_t *room, *room_ro;	/* two pages and a hole, writable and not */
	uint64_t time;			/* of the last barrier */
	struct my_vm {
		struct vm vm;
		uint8_t *mem;
		bool alive, slot;
		uint64_t id;		/* 0 = not attached by us */
	} vms[VMS];
	struct map {
		uint8_t *p;
		size_t len;
		bool ring;
	} maps[MAPS];
	unsigned int calls, done;
	struct process *process;
};

/* What its threads share, without a lock: they are to get in each other's way. */
struct process {
	struct fz_info info;
	int fds[FDS];
	uint64_t ids[8];
	bool stop;
	struct thread threads[THREADS_MAX];
};

static inline uint64_t rnd(struct thread *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random * 0x2545f4914f6cdd1dULL;
}

/* 0 to @n - 1 */
static inline uint64_t pick(struct thread *t, uint64_t n)
{
	return (rnd(t) >> 20) % n;
}

#define ONE_OF(t, array)	((array)[pick(t, sizeof(array) / sizeof((array)[0]))])

/* Of all processes. */
extern struct totals {
	uint64_t calls, done, vms, runs, shutdowns;
	char broken[256];
} *totals;

extern bool bare;	/* nobody watches */

void count(uint64_t *what, uint64_t n);

/* A broken promise: say which, and end the process with status 1. */
__attribute__((format(printf, 1, 2), noreturn))
void broken(const char *fmt, ...);

/* Run @code, which may touch what is not there (any longer). */
extern __thread sigjmp_buf touching;
extern __thread volatile bool may_fault;

#define TOUCH(code)				\
do {						\
	if (!sigsetjmp(touching, 1)) {		\
		may_fault = true;		\
		code;				\
	}					\
	may_fault = false;			\
} while (0)

/* One step each, at random. */
void fuzz_ioctl(struct thread *t);
void fuzz_map(struct thread *t);
void fuzz_fds(struct thread *t);
void fuzz_vm(struct thread *t);

/* As vm_free(), but the memory stays ours. */
void end_vm(struct my_vm *m);

#endif
