// SPDX-License-Identifier: GPL-2.0-only
/*
 * record.c - fuzz the check of records and the account of their numbers
 *
 * The input is a row of record headers.
 */
#include "fuzz.h"
#include "record.h"

#define CPUS	4	/* that a sound input has; more make it slow, and show no more */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t records = 0, lost = 0, i;
	struct fz_error err = { "" };
	struct fz_seq seq = { 0 };
	struct fz_rec rec;
	int ret;

	for (; size; data += sizeof(rec), size -= sizeof(rec)) {
		/* Room for a snapshot, or not. */
		uint64_t avail = size < sizeof(rec) || data[70] & 1 ? size : size + FZ_PAGE_SIZE;

		memset(&rec, 0, sizeof(rec));
		memcpy(&rec, data, size < sizeof(rec) ? size : sizeof(rec));
		ret = fz_rec_check(&rec, avail, &err);
		check_error(ret, &err);
		if (!ret) {
			CHECK(rec.size >= sizeof(rec) && rec.size <= FZ_REC_MAX);
			CHECK(rec.size <= avail);
			CHECK(!(rec.size % 64) && rec.cpl <= 3 && rec.cpu < FZ_CPUS_MAX);
			CHECK(strcmp(fz_rec_name(rec.type), "?"));
			CHECK(!fz_rec_page(&rec) == (rec.size == sizeof(rec)));
			CHECK(rec.type != FZ_REC_LOST || (rec.u.lost.count && rec.seq ==
			      rec.u.lost.first_seq + rec.u.lost.count &&
			      rec.seq >= rec.u.lost.count));
			rec.cpu %= CPUS;
			CHECK(!fz_seq_add(&seq, &rec, &err));
			records++;
			lost += rec.type == FZ_REC_LOST ? rec.u.lost.count : 0;
		}
		if (size < sizeof(rec))
			break;
	}
	CHECK(seq.records == records && seq.lost == lost && seq.ncpus <= CPUS);
	for (i = 0; i < seq.ngaps && i < FZ_NOTED_MAX; i++)
		CHECK(seq.gaps[i].count && seq.gaps[i].cpu < CPUS);
	fz_seq_free(&seq);
	return 0;
}

/* Numbers that go on, half of the time, so that it is not all gaps. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	uint64_t next[CPUS] = { 0 };
	struct fz_rec rec;
	size_t at;

	size = LLVMFuzzerMutate(data, size, max);
	if (seed % 2)
		return size;
	for (at = 0; at + sizeof(rec) <= size; at += sizeof(rec)) {
		memcpy(&rec, data + at, sizeof(rec));
		rec.cpu %= CPUS;
		rec.type = rec.type < 32 ? rec.type : rec.type % 32;
		rec.flags &= FZ_RECF_PAGE | FZ_RECF_LATE | FZ_RECF_NESTED;
		rec.size = sizeof(rec) + (rec.flags & FZ_RECF_PAGE ? FZ_PAGE_SIZE : 0);
		rec.seq = next[rec.cpu];
		if (at / sizeof(rec) == (seed >> 6) % 8)
			rec.seq += (seed >> 1) % 32 - 4;
		if (rec.type == FZ_REC_LOST) {
			rec.u.lost.first_seq = rec.seq;
			rec.u.lost.count = rec.u.lost.count % 100 + 1;
			rec.seq += rec.u.lost.count;
		}
		next[rec.cpu] = rec.seq + 1;
		memcpy(data + at, &rec, sizeof(rec));
	}
	return size;
}
