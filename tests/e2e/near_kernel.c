// SPDX-License-Identifier: GPL-2.0-only
/*
 * near_kernel.c - near_kernel LOG DB [COPIES]: no kernel page with one byte changed is identified
 *
 * Each captured page of the kernel that is identified is fed again, COPIES times, each with
 * one byte changed at random. Prints one line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "identify.h"
#include "log.h"

#define COPY_GFN	(1ULL << 40)

static struct fz_identify *id;
static struct fz_rec **recs;
static size_t nrecs, cap;

static int keep(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	if (rec->rip >= 0xffffffff80000000 && rec->cpl != 3 && rec->flags & FZ_RECF_PAGE &&
	    (rec->type == FZ_REC_EXEC || rec->type == FZ_REC_REEXEC)) {
		if (nrecs == cap)
			recs = realloc(recs, (cap = cap * 2 + 1024) * sizeof(*recs));
		recs[nrecs] = malloc(rec->size);
		memcpy(recs[nrecs++], rec, rec->size);
	}
	return fz_identify_add(arg, rec, err);
}

/* Of frames of the kernel, those that are copies or that are not. */
static void count(bool copies, unsigned long by_verdict[4])
{
	const struct fz_results *r = fz_identify_results(id);
	size_t i;

	memset(by_verdict, 0, 4 * sizeof(*by_verdict));
	for (i = 0; i < r->nframes; i++)
		if (r->frames[i].rip >= 0xffffffff80000000 && r->frames[i].cpl != 3 &&
		    (r->frames[i].gfn >= COPY_GFN) == copies)
			by_verdict[r->frames[i].verdict]++;
}

int main(int argc, char **argv)
{
	int copies = argc > 3 ? atoi(argv[3]) : 4, c;
	unsigned long before[4], after[4], near[4];
	struct fz_log_state state;
	struct fz_hashdb *db;
	struct fz_error err;
	size_t i;

	if (argc < 3 || fz_hashdb_open(&db, argv[2], &err) || fz_identify_new(&id, db, &err) ||
	    fz_log_read(argv[1], keep, fz_identify_vm, id, &state, &err) ||
	    fz_identify_settle(id, &err)) {
		fprintf(stderr, "near_kernel: %s\n", argc < 3 ? "LOG DB [COPIES]" : err.text);
		return 2;
	}
	count(false, before);
	srandom(1);
	for (c = 1; c <= copies; c++)
		for (i = 0; i < nrecs; i++) {
			struct fz_rec *rec = recs[i];
			uint8_t *page = (uint8_t *)fz_rec_page(rec), was;
			size_t at = random() % FZ_PAGE_SIZE;
			uint64_t gfn = rec->gfn, hash = rec->hash;

			was = page[at];
			page[at] ^= 1 + random() % 255;
			rec->gfn += c * COPY_GFN;
			rec->hash = XXH64(page, FZ_PAGE_SIZE, 0);
			if (fz_identify_add(id, rec, &err))
				return 2;
			page[at] = was;
			rec->gfn = gfn;
			rec->hash = hash;
		}
	if (fz_identify_settle(id, &err))
		return 2;
	count(false, after);
	count(true, near);
	printf("{\"frames\": %lu, \"known\": %lu, \"known_after\": %lu, \"near\": %lu, "
	       "\"near_known\": %lu, \"near_ambiguous\": %lu, \"near_modified\": %lu}\n",
	       before[0] + before[1] + before[2] + before[3], before[FZ_VERDICT_KNOWN],
	       after[FZ_VERDICT_KNOWN], near[0] + near[1] + near[2] + near[3],
	       near[FZ_VERDICT_KNOWN], near[FZ_VERDICT_AMBIGUOUS], near[FZ_VERDICT_MODIFIED]);
	return 0;
}
