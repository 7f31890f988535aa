// SPDX-License-Identifier: GPL-2.0-only
/*
 * events.c - a record log as lines of text, for tests that compare
 *
 *	events LOG
 *
 * Each record: TYPE FLAGS VM TIME GFN WORD HASH, in hex but for TYPE and TIME. WORD of a
 * record with a snapshot is the operand of a movabs at 0x200 of the page (see
 * pressure/programs.py), or 0; of one that says what is not covered, the reason.
 * The last line: # MONO REAL RECORDS, and "whole" or what is wrong.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "log.h"

#define ENTRY 0x200

static int show(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	const uint8_t *page = fz_rec_page(rec);
	uint64_t word = 0;

	(void)arg;
	(void)err;
	if (page && page[ENTRY] == 0x48 && page[ENTRY + 1] == 0xb8)
		memcpy(&word, page + ENTRY + 2, sizeof(word));
	else if (rec->type == FZ_REC_COVERAGE || rec->type == FZ_REC_VM_ATTACH)
		word = rec->u.vm.reason;
	printf("%s %x %" PRIx64 " %" PRIu64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", fz_rec_name(rec->type),
	       rec->flags, (uint64_t)rec->vm, (uint64_t)rec->time, (uint64_t)rec->gfn, word,
	       (uint64_t)rec->hash);
	return 0;
}

int main(int argc, char **argv)
{
	struct fz_log_state state;
	struct fz_error err;

	if (argc != 2 || fz_log_read(argv[1], show, NULL, NULL, &state, &err)) {
		fprintf(stderr, "events: %s\n", argc == 2 ? err.text : "usage: events LOG");
		return 2;
	}
	printf("# %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", state.header.mono, state.header.real,
	       state.seq.records, state.whole ? "whole" : state.missing);
	fz_log_state_free(&state);
	return 0;
}
