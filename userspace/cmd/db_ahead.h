/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * db_ahead.h - packages read by threads, in the background; handed over in order
 *
 * Unpacking takes most of the time. What comes out of a package is queued, within
 * bounds, and handed to the caller's thread as if it had read the package itself:
 * the database does not depend on how many threads there are.
 */
#ifndef FZ_DB_AHEAD_H
#define FZ_DB_AHEAD_H

#include "harvest.h"

struct ahead;
struct ahead_job;

/* @threads read at a time; @stop ends them. NULL: out of memory. */
struct ahead *ahead_new(unsigned int threads, bool (*stop)(void));
void ahead_free(struct ahead *a);

/* Is there a thread for one more? */
bool ahead_room(const struct ahead *a);

/* Begin with the package at @fd, whose offset nobody else may use; ahead_end() closes it. */
struct ahead_job *ahead_begin(struct ahead *a, int fd);

/* Hand over what is in it, in this thread, as fz_package_read() would. */
int ahead_replay(struct ahead_job *j, struct fz_package *package, const struct fz_harvest *h,
		 struct fz_error *err);

/* Free the job; if it was not replayed, it stops. */
void ahead_end(struct ahead_job *j);

#endif
