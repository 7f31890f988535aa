// SPDX-License-Identifier: GPL-2.0-only
/* test_recall.c - pages seen before are decided without a digest, and no other way */
#include "fake_db.h"
#include "tap.h"

#define CONTENTS	(FZ_CACHE_PAGES + FZ_CACHE_PAGES / 4)

static const struct fake_file files[] = {
	{ "/usr/bin/alpha", "alpha", "1", 1, true, 4, 0x4000, 4, { 10, 11, 90, 12 } },
};

/* make_exec() with a number written over: far more contents than page_of() makes fast. */
static const struct fz_rec *make_nth(uint64_t vm, uint32_t nth)
{
	struct fz_rec *rec = (struct fz_rec *)make_exec(vm, 0x1000, 0x7f0000000000, 10);

	memcpy((uint8_t *)(rec + 1) + 100, &nth, sizeof(nth));
	rec->hash = XXH64(rec + 1, FZ_PAGE_SIZE, 0);
	return rec;
}

int main(void)
{
	uint32_t i, same = 0;
	const struct fz_results *r;
	struct fz_identify *id;
	struct fz_error err;
	struct fz_rec *rec;
	uint64_t hash;

	fake_files = files;
	if (fz_identify_new(&id, NULL, &err))
		return 2;
	r = fz_identify_results(id);
	for (i = 0; i < 2 * CONTENTS; i++)
		if (fz_identify_add(id, make_nth(1 + i / CONTENTS, i % CONTENTS), &err))
			return 2;
	for (i = 0; i < CONTENTS; i++)
		same += r->frames[i].content == i && r->frames[i + CONTENTS].content == i;
	ok(r->ncontents == CONTENTS && r->nframes == 2 * CONTENTS && same == CONTENTS,
	   "%u contents, seen again in another VM, are the same ones; %u places keep them",
	   CONTENTS, FZ_CACHE_PAGES);

	fake_nfiles = 1;
	fz_identify_add(id, make_exec(1, 0x1000, 0x7f0000004000, 10), &err);
	fz_identify_add(id, make_exec(2, 0x1000, 0x7f0000004000, 10), &err);
	i = r->frames[r->nframes - 1].content;
	ok(r->frames[r->nframes - 2].content == i && r->contents[i].ncandidates == 1,
	   "a known page, seen again");
	hash = make_exec(3, 0x1000, 0x7f0000004000, 10)->hash;
	rec = (struct fz_rec *)make_exec(3, 0x1000, 0x7f0000004000, 11);
	rec->hash = hash;
	fz_identify_add(id, rec, &err);
	same = r->frames[r->nframes - 1].content;
	ok(same != i && r->contents[same].broken && !r->contents[same].ncandidates,
	   "another page that claims its hash is not taken for it");
	fz_identify_add(id, rec, &err);
	ok(r->frames[r->nframes - 1].content == same, "nor the second time");
	rec = (struct fz_rec *)make_exec(4, 0x1000, 0x7f0000004000, 10);
	((uint8_t *)(rec + 1))[FZ_PAGE_SIZE - 1] ^= 1;
	fz_identify_add(id, rec, &err);
	ok(r->contents[r->frames[r->nframes - 1].content].broken,
	   "nor one that differs in its last bit alone");
	fz_identify_free(id);
	return done();
}
