// SPDX-License-Identifier: GPL-2.0-only
/*
 * events.c - a record log as lines of text, for tests that compare
 *
 *	events LOG
 *	events --clocks
 *
 * Each record: TYPE FLAGS VM TIME GFN WORD HASH, in hex but for TYPE and TIME. WORD of a
 * record with a snapshot is the operand of a movabs at 0x200 of the page (see
 * pressure/programs.py), or 0; of one that says what is not covered, the reason. Those of
 * a LOST record are the times of the first and the last loss.
 * The last line: # RECORDS, and "whole" or what is wrong.
 *
 * --clocks: what to add to a record's time for CLOCK_REALTIME, and by how much that may
 * be wrong, in ns.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "log.h"

#define ENTRY 0x200

static int show(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	const uint8_t *page = fz_rec_page(rec);
	uint64_t word = 0, hash = rec->hash;

	(void)arg;
	(void)err;
	if (page && page[ENTRY] == 0x48 && page[ENTRY + 1] == 0xb8) {
		memcpy(&word, page + ENTRY + 2, sizeof(word));
	} else if (rec->type == FZ_REC_COVERAGE || rec->type == FZ_REC_VM_ATTACH) {
		word = rec->u.vm.reason;
	} else if (rec->type == FZ_REC_LOST) {
		word = rec->u.lost.first_time;
		hash = rec->u.lost.last_time;
	}
	printf("%s %x %" PRIx64 " %" PRIu64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", fz_rec_name(rec->type),
	       rec->flags, (uint64_t)rec->vm, (uint64_t)rec->time, (uint64_t)rec->gfn, word,
	       hash);
	return 0;
}

static int64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int clocks(void)
{
	int64_t before, real, after, offset = 0, wrong = INT64_MAX;
	int i;

	for (i = 0; i < 1000; i++) {
		before = now(CLOCK_MONOTONIC);
		real = now(CLOCK_REALTIME);
		after = now(CLOCK_MONOTONIC);
		if (after - before < wrong) {
			wrong = after - before;
			offset = real - before;
		}
	}
	printf("%" PRId64 " %" PRId64 "\n", offset, wrong);
	return 0;
}

int main(int argc, char **argv)
{
	struct fz_log_state state;
	struct fz_error err;

	if (argc == 2 && !strcmp(argv[1], "--clocks"))
		return clocks();
	if (argc != 2 || fz_log_read(argv[1], show, NULL, NULL, &state, &err)) {
		fprintf(stderr, "events: %s\n", argc == 2 ? err.text : "usage: events LOG");
		return 2;
	}
	printf("# %" PRIu64 " %s\n", state.seq.records, state.whole ? "whole" : state.missing);
	fz_log_state_free(&state);
	return 0;
}
