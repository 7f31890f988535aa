/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record.h - checking records, and proving that none is missing
 */
#ifndef FZ_RECORD_H
#define FZ_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <fitzroy.h>
#include "error.h"

#define FZ_REC_MAX	(sizeof(struct fz_rec) + FZ_PAGE_SIZE)
#define FZ_CPUS_MAX	65536
#define FZ_NOTED_MAX	1024	/* gaps and losses kept in detail */

/*
 * Whoever takes records: the log, the identifier, a test. @rec is checked, and
 * valid until the sink returns. 0 = go on, positive = stop, negative = failed.
 */
typedef int (*fz_sink)(void *arg, const struct fz_rec *rec, struct fz_error *err);

/*
 * Is the record at @rec, of whose source @avail bytes can be read, well formed?
 * Only the first sizeof(struct fz_rec) bytes are looked at. -EBADMSG.
 */
int fz_rec_check(const struct fz_rec *rec, uint64_t avail, struct fz_error *err);

/* The snapshot, or NULL. */
const uint8_t *fz_rec_page(const struct fz_rec *rec);

/* "exec", "reexec", ...; "?" for a type that does not exist. */
const char *fz_rec_name(unsigned int type);

/* A frame's state, as audits name it: "never run", ...; "?" for what does not exist. */
const char *fz_state_name(unsigned int state);

/* Numbers that no record accounts for, or (@repeated) that came twice. */
struct fz_gap {
	uint32_t cpu;
	bool repeated;
	uint64_t first_seq, count;
	uint64_t after;		/* time of that CPU's record before */
	uint64_t before;	/* time of the record that showed it */
};

struct fz_loss {
	uint32_t cpu;
	struct fz_lost lost;
};

struct fz_seq {
	struct fz_seq_cpu {
		bool started;
		uint64_t first, next;
		uint64_t time;	/* of the last record */
	} *cpu;
	size_t ncpus;
	uint64_t records;	/* LOST records included */
	uint64_t lost;		/* numbers that LOST records stand for */
	uint64_t lost_execs;
	uint64_t time;		/* of the last record */
	uint64_t disorder;	/* records earlier than the one before */
	uint64_t disordered;	/* the first of them, counted from 0 */
	uint64_t ngaps, nlosses;	/* all; in detail at most FZ_NOTED_MAX */
	struct fz_gap *gaps;
	struct fz_loss *losses;
};

/* Start from zeros. */
int fz_seq_add(struct fz_seq *seq, const struct fz_rec *rec, struct fz_error *err);
void fz_seq_free(struct fz_seq *seq);

#endif
