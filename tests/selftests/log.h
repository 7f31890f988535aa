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
	size_t more, lost;		/* not kept; covered by LOST */
	struct fz_rec rec[LOG_MAX];
};

/* Forget what was read, and what is in the rings. */
void log_clear(void);

/* Add what is in the rings. What it can't keep is still counted, see log_count(). */
const struct log *log_read(void);

/* How many records of @type there were of @vm (0: of any), of which it has kept some. */
unsigned int log_count(__u64 vm, enum fz_rec_type type);

#endif
