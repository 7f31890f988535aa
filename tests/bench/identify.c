// SPDX-License-Identifier: GPL-2.0-only
/*
 * identify.c - how fast captures are identified
 *
 *	identify LOG DB [ROUNDS]
 *
 * All captures of the log are in memory. Cold: each goes to an identifier that knows
 * none yet, as when a first VM boots; warm: again, by other VMs, so that every page is
 * decided but every frame new. One JSON object.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "identify.h"
#include "log.h"

static struct fz_rec **recs;
static size_t n, cap;

static int keep(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	(void)arg;
	(void)err;
	if (!fz_rec_page(rec))
		return 0;
	if (n == cap) {
		cap = cap ? 2 * cap : 4096;
		recs = realloc(recs, cap * sizeof(*recs));
	}
	recs[n] = malloc(rec->size);
	if (!recs[n])
		abort();
	memcpy(recs[n++], rec, rec->size);
	return 0;
}

static int no_vm(void *arg, const struct fz_vm_desc *vm, struct fz_error *err)
{
	(void)arg;
	(void)vm;
	(void)err;
	return 0;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static double feed(struct fz_identify *id, uint64_t vm)
{
	double start = now();
	struct fz_error err;
	size_t i;

	for (i = 0; i < n; i++) {
		recs[i]->vm = vm;
		if (fz_identify_add(id, recs[i], &err))
			abort();
	}
	return now() - start;
}

int main(int argc, char **argv)
{
	double cold = 0, warm = 0, settle = 0, start;
	int rounds = argc > 3 ? atoi(argv[3]) : 5, i;
	struct fz_log_state state;
	struct fz_identify *id;
	struct fz_hashdb *db;
	struct fz_error err;

	if (argc < 3 || rounds < 1 || fz_log_read(argv[1], keep, no_vm, NULL, &state, &err) ||
	    fz_hashdb_open(&db, argv[2], &err)) {
		fprintf(stderr, "identify: %s\n", argc < 3 ? "LOG DB [ROUNDS]" : err.text);
		return 2;
	}
	for (i = 0; i < rounds; i++) {
		if (fz_identify_new(&id, db, &err))
			abort();
		cold += feed(id, 1);
		start = now();
		if (fz_identify_settle(id, &err))
			abort();
		settle += now() - start;
		warm += feed(id, 2);
		fz_identify_free(id);
	}
	printf("{\"captures\": %zu, \"cold_per_s\": %.0f, \"warm_per_s\": %.0f, "
	       "\"cold_us\": %.2f, \"warm_us\": %.2f, \"settle_ms\": %.1f}\n", n,
	       n * rounds / cold, n * rounds / warm, cold / rounds / n * 1e6,
	       warm / rounds / n * 1e6, settle / rounds * 1e3);
	return 0;
}
