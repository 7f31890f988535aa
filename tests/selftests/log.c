// SPDX-License-Identifier: GPL-2.0-only
/*
 * log.c - the records themselves, for cases that look at each
 */
#include <err.h>
#include <string.h>
#include <xxhash.h>
#include "log.h"

static struct log log;
static unsigned int total[16];		/* by type, of all VMs */

static int keep(void *arg, const struct fz_rec *rec, struct fz_error *e)
{
	const uint8_t *page = fz_rec_page(rec);

	(void)arg;
	(void)e;
	if (rec->type == FZ_REC_LOST)
		log.lost += rec->u.lost.count;
	if (page)
		log.bad_hash += XXH64(page, PAGE, 0) != rec->hash;
	total[rec->type & 15]++;
	if (log.n == LOG_MAX) {
		log.more++;
		return 0;
	}
	memcpy(&log.rec[log.n++], rec, sizeof(*rec));
	return 0;
}

void log_clear(void)
{
	drain();
	log.n = log.more = log.lost = log.bad_hash = 0;
	memset(total, 0, sizeof(total));
}

const struct log *log_read(void)
{
	if (fz_reader_drain(reader, keep, NULL, &error) < 0)
		errx(2, "drain: %s", error.text);
	return &log;
}

unsigned int log_count(__u64 vm, enum fz_rec_type type)
{
	unsigned int n = 0;
	size_t i;

	if (!vm)
		return total[type & 15];
	if (log.more)
		errx(2, "more than %d records", LOG_MAX);
	for (i = 0; i < log.n; i++)
		n += log.rec[i].vm == vm && log.rec[i].type == type;
	return n;
}
