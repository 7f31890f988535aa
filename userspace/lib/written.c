// SPDX-License-Identifier: GPL-2.0-only
/* written.c - who wrote to executed frames: for rule 9 of identify.h */
#include "identify_priv.h"

/*
 * An executed frame is written: one record says by whom. Then it runs again. If both
 * was done in one address space, in user mode, that process made its own code. Writes
 * of the kernel (a page that is freed, zeroed, read from disk) say nothing of this
 * kind, and later writes than the first are not seen.
 */
static uint32_t find(const struct fz_identify *id, uint32_t vm, uint64_t gfn, uint64_t *hash)
{
	size_t it;
	uint32_t at;

	*hash = fz_mix(gfn) + vm;
	it = FZ_INDEX_START(*hash);
	while ((at = fz_index_next(&id->by_written, *hash, &it)) != FZ_NONE)
		if (id->written[at].vm == vm && id->written[at].gfn == gfn)
			break;
	return at;
}

/* Only what a process wrote and did not run yet matters; of too much of that, the latest. */
static int forget(struct fz_identify *id)
{
	struct fz_index index = { 0 };
	size_t i, n = 0, open = 0, skip;
	uint64_t hash;

	for (i = 0; i < id->nwritten; i++)
		open += id->written[i].user;
	skip = open > id->limit / 2 ? open - id->limit / 2 : 0;
	for (i = 0; i < id->nwritten; i++) {
		if (!id->written[i].user)
			continue;
		if (skip)
			skip--;
		else
			id->written[n++] = id->written[i];
	}
	for (i = 0; i < n; i++) {
		hash = fz_mix(id->written[i].gfn) + id->written[i].vm;
		if (fz_index_add(&index, hash, i)) {
			free(index.slot);
			return -ENOMEM;
		}
	}
	free(id->by_written.slot);
	id->by_written = index;
	id->nwritten = n;
	return 0;
}

int fz_written_add(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec,
		   struct fz_error *err)
{
	uint64_t hash;
	uint32_t at;

	if (rec->type != FZ_REC_WRITE && rec->type != FZ_REC_CHANGED)
		return 0;
	at = find(id, vm, rec->gfn, &hash);
	if (at == FZ_NONE) {
		if (rec->type != FZ_REC_WRITE || rec->cpl != 3)
			return 0;
		if ((id->limit && id->nwritten >= id->limit && forget(id)) ||
		    FZ_GROW(id->written, id->nwritten, id->written_cap) ||
		    fz_index_add(&id->by_written, hash, id->nwritten))
			return fz_fail(err, -ENOMEM, "out of memory");
		at = id->nwritten++;
	}
	id->written[at] = (struct fz_written){ .vm = vm, .gfn = rec->gfn, .cr3 = rec->cr3,
		.rip = rec->rip, .user = rec->type == FZ_REC_WRITE && rec->cpl == 3 };
	return 0;
}

bool fz_written_take(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec, uint64_t *rip)
{
	uint64_t hash;
	uint32_t at = find(id, vm, rec->gfn, &hash);
	bool own;

	if (at == FZ_NONE)
		return false;
	own = id->written[at].user && rec->cpl == 3 && id->written[at].cr3 == rec->cr3;
	*rip = id->written[at].rip;
	id->written[at].user = false;
	return own;
}
