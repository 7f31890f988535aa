/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.h - the records themselves, for cases that look at each
 */
#ifndef LOG_H
#define LOG_H

#include "selftest.h"

#define LOG_MAX		16384

/* Every record since the last log_clear(), of all VMs, without the snapshots. */
struct log {
	size_t n, bad_hash;		/* kept; snapshots that their digest contradicts */
	struct fz_rec rec[LOG_MAX];
};

/* Forget what was read, and what is in the rings. */
void log_clear(void);

/* Add what is in the rings. Dies if there is more than it can keep, or LOST. */
const struct log *log_read(void);

/* How many records of @type there are of @vm (0: of any). */
unsigned int log_count(__u64 vm, enum fz_rec_type type);

#endif
