// SPDX-License-Identifier: GPL-2.0-only
/*
 * longlog.c - make a long log out of a short one
 *
 *	longlog LOG OUT EVENTS again|processes|pages
 *
 * The records of LOG (of one CPU from now on), over and over, until there are EVENTS.
 * again: the same frames run again. processes: each time other frames and address spaces,
 * as of processes that start and end. pages: and each page in user mode is another, as of a
 * guest that makes ever new code. OUT may be a pipe.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "log.h"

static struct fz_rec **recs;
static size_t n, cap;
static struct fz_error err;

static void die(const char *what)
{
	fprintf(stderr, "longlog: %s\n", what);
	exit(2);
}

static int keep(void *arg, const struct fz_rec *rec, struct fz_error *e)
{
	(void)arg;
	(void)e;
	if (rec->type == FZ_REC_LOST)
		return 0;
	if (n == cap) {
		cap = cap ? 2 * cap : 4096;
		recs = realloc(recs, cap * sizeof(*recs));
	}
	recs[n] = recs ? malloc(rec->size) : NULL;
	if (!recs[n])
		die("out of memory");
	memcpy(recs[n++], rec, rec->size);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t events, i, round = 0, seq = 0, span;
	struct fz_log_writer *w;
	struct fz_log_state s;
	bool processes, pages;
	size_t k;

	if (argc != 5)
		die("LOG OUT EVENTS again|processes|pages");
	events = strtoull(argv[3], NULL, 10);
	pages = !strcmp(argv[4], "pages");
	processes = pages || !strcmp(argv[4], "processes");
	if (fz_log_read(argv[1], keep, NULL, NULL, &s, &err) ||
	    fz_log_create(&w, argv[2], true, NULL, &err))
		die(err.text);
	if (!n)
		die("an empty log");
	span = recs[n - 1]->time - recs[0]->time + 1;
	for (i = 0; i < events; round++) {
		for (k = 0; k < n && i < events; k++) {
			struct fz_rec *r = recs[k];

			/* The VM lives through all of it. */
			if (r->type == FZ_REC_VM_DETACH || r->type == FZ_REC_VM_DIED ||
			    (r->type == FZ_REC_VM_ATTACH && round))
				continue;
			i += fz_rec_page(r) != NULL;
			r->seq = seq++;
			r->cpu = 0;
			r->time += round ? span : 0;
			if (round && r->type == FZ_REC_EXEC)
				r->type = FZ_REC_REEXEC;
			if (round && processes && r->gfn != FZ_NO_GFN)
				r->gfn += 1 << 20;
			if (round && processes)
				r->cr3 += 1ULL << 32;
			if (round && pages && fz_rec_page(r) && r->cpl == 3) {
				memcpy((uint8_t *)fz_rec_page(r) + 64, &i, sizeof(i));
				r->hash = XXH64(fz_rec_page(r), FZ_PAGE_SIZE, 0);
			}
			if (fz_log_add(w, r, &err))
				die(err.text);
		}
	}
	if (fz_log_end(w, FZ_LOG_STOPPED, 0, &err))
		die(err.text);
	fz_log_close(w);
	fz_log_state_free(&s);
	return 0;
}
