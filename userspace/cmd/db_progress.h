/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * db_progress.h - how far "fitzroy db add" is: a line on a terminal, nothing elsewhere
 */
#ifndef FZ_DB_PROGRESS_H
#define FZ_DB_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct db_progress {
	bool on;
	struct timespec start, last;
	/* By arguments: bytes of those done, of the one being read, of all. */
	uint64_t done, current, total;
	uint64_t seen, files;		/* of the one being read, if it is a directory */
};

/* Size up the arguments, if stderr is a terminal. */
void db_progress_start(struct db_progress *p, int n, char **paths);

/* The next argument; NULL ends it. */
void db_progress_argument(struct db_progress *p, const char *path);

/* Another file was seen; @pages were added so far; @what is being read. */
void db_progress_show(struct db_progress *p, uint64_t pages, const char *what);

/* Clear the line: another one follows. */
void db_progress_clear(struct db_progress *p);

#endif
