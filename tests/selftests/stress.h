/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stress.h - SMP guests that run random code which names itself
 *
 * vCPUs rewrite and call shared frames. A frame's code logs its labels, random
 * numbers in the frame, as they run. The host holds each label that ran against
 * the snapshots that the module took of the frame: one call's labels come from
 * one snapshot, or from several in the order in which they were taken (a frame may
 * change while it is called). No call runs a snapshot that is older than one that
 * was taken before it began, or that its vCPU ran before.
 */
#ifndef STRESS_H
#define STRESS_H

#include <stdatomic.h>
#include <device.h>
#include "../unit/tap.h"
#include "vmm.h"

#define BLOCKS		16U
#define BLOCK		256U		/* bytes */
#define FRAMES		16U		/* a power of two, at most 256 */
#define SMM_FRAMES	MAX_VCPUS	/* after the others: the handler of each vCPU */
#define MAX_CALLS	128U		/* a batch: its log is 20 KiB */

#define IDT		0x8000UL
#define GDT		0x9000UL
#define SMBASE(v)	(0x30000UL + (v) * 0x10000UL)
#define PARAMS(v)	(3 * HUGE + (v) * PAGE)
#define SMM_LOG(v)	(3 * HUGE + (16 + (v)) * PAGE)
#define LOG(v)		(8 * HUGE + (v) * 0x10000UL)
#define ALIAS		(1UL << 30)	/* where the guest sees the frames once more */
#define FRAME_REGIONS	2U		/* of 2 MiB, from TARGETS on */

/* What the guest is told; stress_guest.S has the offsets. */
struct stress_params {
	uint64_t mask;			/* of frame numbers */
	uint64_t writes;		/* of 256 operations, how many write */
	uint64_t ops;			/* in a batch */
	uint64_t log, end;		/* the log, and the cursor at the end of a batch */
	uint64_t smm_log;		/* rdi while the host has the vCPU */
	uint64_t smm, smm_mask;		/* first SMM handler, or 0; how many, less 1 */
	uint64_t frame[256];
};

/* One call, as the guest logs it. */
struct stress_call {
	uint64_t gpa;
	uint64_t label[BLOCKS];
	uint64_t end;			/* address behind the last label logged */
	uint64_t fault;			/* it ended in an exception */
	uint64_t unused;
};

/* One call, as it is checked. */
struct ran {
	uint16_t frame;
	uint8_t n, fault;
	uint64_t since;			/* it began later than this */
	uint64_t label[BLOCKS];
};

#define QUEUE		(1U << 14)

struct snapshot {
	uint64_t time;
	uint64_t label[BLOCKS];
	bool mixed;
};

/* What the records say of a frame. */
struct history {
	struct snapshot *snap;
	unsigned int n, room;
	struct fz_rec last[16];		/* for who has to find out */
	unsigned int records;
};

struct stress;

/**
 * struct stress_case - one way to make it hard
 * @prepare: before the vCPUs start
 * @disturb: again and again, in a thread of its own; must not take long
 * @end: after the vCPUs have ended: undo, and say whether it did disturb
 */
struct stress_case {
	const char *name;
	bool huge;			/* 2 MiB backing */
	bool holes;			/* frames may be gone, or zeros, for a while */
	bool mixed;			/* some frames write to themselves */
	bool smm;
	bool ksm;
	unsigned int ops, writes;	/* if not the usual */
	unsigned int pace_us;		/* vCPUs rest after each batch */
	void (*prepare)(struct stress *s);
	void (*disturb)(struct stress *s);
	void (*end)(struct stress *s);
};

struct stress {
	const struct stress_case *test;
	struct vm vm;
	uint64_t id, seed;
	_Atomic bool stop;
	struct vcpu_side {
		struct stress *s;
		unsigned int v;
		pthread_t thread;
		_Atomic uint64_t batches;
		_Atomic bool ended;
		int status;
		_Atomic unsigned int head, tail;	/* of queue[], free-running */
		struct ran *queue;
		unsigned int at[FRAMES + SMM_FRAMES];	/* snapshot that it ran last */
		uint64_t since;			/* when the batch began */
		uint64_t calls, faults, mmio;
	} side[MAX_VCPUS];
	struct history history[FRAMES + SMM_FRAMES];
	uint64_t labels, in_mixed, missed, late, lost, lost_execs, count[16], bad_code, bad_hash;
	uint64_t mixed_why[4];
	/* The disturber's. */
	uint64_t rng, disturbed;
	uint8_t *twin;
	int uffd;
	pthread_t handler;
	char saved[32];
};

extern struct fz_device *dev;	/* NULL: nobody watches */
extern struct fz_reader *reader;
extern struct fz_error error;

extern const uint8_t stress_guest[], stress_fault[], stress_guest_end[];
extern const struct stress_case stress_cases[];

/* stress_check.c */

/* Empty the rings into the histories, then check the calls that came before. */
void stress_check(struct stress *s);

/* stress_run.c */

/* Frame @f: where the guest finds it, where the host does. */
uint64_t frame_gpa(unsigned int f);
uint8_t *frame_mem(struct stress *s, unsigned int f);
/* The number of the frame at @gpa, alias or not; -1 for other memory. */
int frame_of(uint64_t gpa);

/* A random number; the disturber's. */
uint64_t rnd(struct stress *s);

/* Write new code into frame @f, or, if not @whole, some new labels, by 8-byte stores. */
void put_frame(struct stress *s, void *page, unsigned int f, bool whole);

/* Run one case until @flips re-executions or @seconds; TAP. */
void stress_run(const struct stress_case *test, uint64_t flips, unsigned int seconds,
		unsigned int nvcpus, uint64_t seed);

#endif
