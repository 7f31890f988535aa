// SPDX-License-Identifier: GPL-2.0-only
/*
 * near_kernel.c - near_kernel LOG DB [COPIES]: no kernel page with one byte changed is identified
 *
 * Each captured page of the kernel and its modules is fed again, COPIES times, each with one
 * byte changed at random: to who has seen all of the log, and in turn to who sees the log only
 * after that. Some changes make a value that the image's own tables name as one, in full: int3
 * where the kernel patches, a lock prefix put back. These are counted as legal. Those that
 * are identified without are told on stderr. Prints one line of JSON.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "identify.h"
#include "log.h"
#include "undo.h"

#define COPY_GFN	(1ULL << 40)

static struct fz_identify *id;
static struct fz_hashdb *db;
static struct fz_error err;
static struct fz_rec **recs;
static size_t nrecs, cap;
static unsigned long frames, known, near[4], legal, before, lost;
static bool first;		/* the copies come before the log */
static struct fz_unpacked kept;

static bool of_kernel(uint64_t rip, uint8_t cpl)
{
	return rip >= 0xffffffff80000000 && cpl != 3;
}

static int keep(void *arg, const struct fz_rec *rec, struct fz_error *e)
{
	(void)arg;
	(void)e;
	if (!of_kernel(rec->rip, rec->cpl) || !(rec->flags & FZ_RECF_PAGE) ||
	    (rec->type != FZ_REC_EXEC && rec->type != FZ_REC_REEXEC))
		return 0;
	if (nrecs == cap)
		recs = realloc(recs, (cap = cap * 2 + 1024) * sizeof(*recs));
	recs[nrecs] = malloc(rec->size);
	memcpy(recs[nrecs++], rec, rec->size);
	return 0;
}

static int feed(void)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < nrecs; i++)
		ret = fz_identify_add(id, recs[i], &err);
	return ret;
}

/* The copies of one round. */
static int feed_near(void)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < nrecs; i++) {
		struct fz_rec *rec = recs[i];
		uint8_t *page = (uint8_t *)fz_rec_page(rec), was;
		size_t at = random() % FZ_PAGE_SIZE;
		uint64_t gfn = rec->gfn, hash = rec->hash;

		was = page[at];
		page[at] ^= 1 + random() % 255;
		rec->gfn += COPY_GFN;
		rec->hash = XXH64(page, FZ_PAGE_SIZE, 0);
		ret = fz_identify_add(id, rec, &err);
		page[at] = was;
		rec->gfn = gfn;
		rec->hash = hash;
	}
	return ret;
}

/*
 * Is what the page now holds at @at the file's own byte, or a VALUE of its tables, to the
 * last byte? Read here anew: undo.c is what is tested.
 */
static bool is_legal(const struct fz_frame *f, const uint8_t *page, unsigned int at)
{
	static const uint8_t head[] = { [FZ_SITE_VALUE] = 4, [FZ_SITE_TARGET] = 5,
		[FZ_SITE_DELTA] = 16, [FZ_SITE_ANY] = 4, [FZ_SITE_SYMBOL] = 20,
		[FZ_SITE_TRACED] = 4, [FZ_SITE_CALL] = 13 };
	const struct fz_results *r = fz_identify_results(id);
	uint8_t own[FZ_PAGE_SIZE];
	const uint8_t *p;
	struct fz_hashdb_info info;
	struct fz_hashdb_file file;
	size_t len, size;
	uint32_t n;

	fz_hashdb_info(db, &info);
	for (n = 1; n <= info.files; n++) {
		bool same;

		if (fz_hashdb_file(db, n, &file, &err))
			return false;
		same = !strcmp(file.path, r->files[r->classes[f->class].file].path) &&
		       file.kind == FZ_FILE_KERNEL;
		fz_hashdb_file_free(&file);
		if (same)
			break;
	}
	if (n > info.files || fz_hashdb_page(db, n, f->page, own, &err) ||
	    fz_sites_find(db, &kept, n, f->page, &p, &len, &err))
		return false;
	if (own[at] == page[at])
		return true;
	for (; len >= 4 && p[2] < sizeof(head) && head[p[2]]; p += size, len -= size) {
		unsigned int from = p[0] | p[1] << 8;
		bool bytes = p[2] == FZ_SITE_VALUE || p[2] == FZ_SITE_TARGET ||
			     p[2] == FZ_SITE_CALL;

		size = head[p[2]] + (bytes ? p[3] : 0);
		if (size > len)
			break;
		if (p[2] == FZ_SITE_VALUE && at >= from && at < from + p[3] &&
		    !memcmp(page + from, p + 4, p[3]))
			return true;
	}
	return false;
}

/* The page that @f is a copy of, as it was: where does it differ? */
static void tell(const struct fz_frame *f)
{
	const struct fz_results *r = fz_identify_results(id);
	const uint8_t *have = r->contents[f->content].page;
	unsigned int at, differ, k;
	size_t i;

	for (i = 0; have && i < nrecs; i++) {
		const uint8_t *page = fz_rec_page(recs[i]);

		if (recs[i]->gfn != f->gfn - COPY_GFN || recs[i]->cr3 != f->cr3)
			continue;
		for (k = differ = at = 0; k < FZ_PAGE_SIZE; k++)
			if (page[k] != have[k]) {
				differ++;
				at = k;
			}
		if (differ != 1)
			continue;
		if (is_legal(f, have, at)) {
			legal++;
			near[FZ_VERDICT_KNOWN]--;
			return;
		}
		if (first) {
			before++;
			near[FZ_VERDICT_KNOWN]--;
		}
		fprintf(stderr, "page %u of %s, offset 0x%x: %02x, not %02x\n", f->page,
			f->class == FZ_NO_CLASS ? "?" : r->files[r->classes[f->class].file].path, at,
			have[at], page[at]);
		return;
	}
}

static void count(void)
{
	const struct fz_results *r = fz_identify_results(id);
	size_t i;

	frames = known = 0;
	for (i = 0; i < r->nframes; i++) {
		const struct fz_frame *f = &r->frames[i];
		bool good = f->verdict == FZ_VERDICT_KNOWN;

		if (f->gfn < COPY_GFN) {
			frames++;
			known += good;
			continue;
		}
		near[f->verdict]++;
		if (good)
			tell(f);
	}
	lost += r->not_compared;
}

static int round_of(int copy)
{
	first = copy % 2;
	if (fz_identify_new(&id, db, &err) || (first && feed_near()) || feed() ||
	    (!first && feed_near()) || fz_identify_settle(id, &err))
		return -1;
	count();
	fz_identify_free(id);
	return 0;
}

int main(int argc, char **argv)
{
	int copies = argc > 3 ? atoi(argv[3]) : 4, c;
	struct fz_log_state state;

	if (argc < 3 || fz_hashdb_open(&db, argv[2], &err) ||
	    fz_log_read(argv[1], keep, NULL, NULL, &state, &err)) {
		fprintf(stderr, "near_kernel: %s\n", argc < 3 ? "LOG DB [COPIES]" : err.text);
		return 2;
	}
	srandom(1);
	for (c = 0; c < copies; c++) {
		if (round_of(c)) {
			fprintf(stderr, "near_kernel: %s\n", err.text);
			return 2;
		}
	}
	printf("{\"frames\": %lu, \"known\": %lu, \"near\": %lu, \"near_known\": %lu, "
	       "\"near_ambiguous\": %lu, \"near_modified\": %lu, \"near_unknown\": %lu, "
	       "\"legal\": %lu, \"before_known\": %lu, \"not_kept\": %lu}\n", frames, known,
	       near[0] + near[1] + near[2] + near[3] + legal + before, near[FZ_VERDICT_KNOWN],
	       near[FZ_VERDICT_AMBIGUOUS], near[FZ_VERDICT_MODIFIED], near[FZ_VERDICT_UNKNOWN],
	       legal, before, lost);
	return 0;
}
