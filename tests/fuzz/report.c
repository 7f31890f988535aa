// SPDX-License-Identifier: GPL-2.0-only
/*
 * report.c - fuzz identification and reports: from any records to a report that holds
 *
 * The input is a row of short descriptions of records, which are made from them.
 */
#include "reports.h"

#define ITEM	16	/* bytes of a description */
#define ITEMS	200

static struct fz_identify *id;
static struct fz_seq seq;
static uint64_t number, clock_now;

/* A few values each, so that frames, spaces and VMs meet; and now and then a wild one. */
static uint64_t few(uint8_t v, uint64_t step)
{
	return v == 0xff ? UINT64_MAX : v >= 0xf0 ? 1ULL << (v & 15) * 4 : v % 8 * step;
}

static void add(const uint8_t *d)
{
	static const uint16_t modes[] = {
		USER64, USER64, USER64, 0, FZ_MODE_PE, FZ_MODE_PE | FZ_MODE_PG,
		USER64 | FZ_MODE_SMM, 0xffff,
	};
	static const unsigned int contents[] = {
		10, 11, 12, 13, 14, 20, 21, 22, 23, 30, 31, 40, 41, 666, NOBODY, NOBODY + 1,
	};
	unsigned int content = contents[d[1] & 15], what;
	struct fz_error err = { "" };
	struct fz_rec *rec = &made.rec;

	make_exec(few(d[2], 1), few(d[3], 0x1000), 0, content);
	clock_now += d[4] & 15 ? 1000 : 0;
	rec->time = d[4] == 0xff ? d[5] : clock_now;
	rec->gfn = few(d[5], 1);
	rec->cpl = d[6] & 8 ? 0 : 3;
	rec->mode = modes[d[6] & 7];
	rec->as_id = d[6] >> 4 == 1;
	rec->flags |= d[6] >> 4 == 2 ? FZ_RECF_LATE : d[6] >> 4 == 3 ? FZ_RECF_NESTED : 0;
	/* Where its files have the page, at one of some bases, or anywhere. */
	what = d[1] & 15;
	rec->rip = few(d[7], 0x100000) + (d[8] & 3 ? (what % 4 + 1) * 0x1000ULL : 0x400000) +
		   (d[9] >= 0xf0 ? 0xff0 + (d[9] & 15) : d[9]);
	if (d[10] & 0x80)
		make_changed(d[11] << 4 | (d[10] & 15));
	if (d[10] == 0x7f)
		rec->hash ^= 1;
	rec->type = d[0] % (FZ_REC_DRIFT + 1);
	rec->cpu = d[12] & 1;
	rec->seq = number + (d[12] >> 4 == 15);
	number = rec->seq + 1;
	switch (rec->type) {
	case FZ_REC_EXEC:
	case FZ_REC_REEXEC:
	case FZ_REC_DRIFT:
		break;
	case FZ_REC_MIXED:
		if (d[13] & 1)
			break;
		/* fall through */
	default:
		rec->flags &= ~FZ_RECF_PAGE;
		rec->size = sizeof(*rec);
		rec->hash = 0;
	}
	if (rec->type == FZ_REC_LOST) {
		rec->u.lost = (struct fz_lost) { rec->seq, 1 + d[13], few(d[14], 1000),
						 few(d[15], 1000), d[13] };
		rec->seq += 1 + d[13];
		number = rec->seq + 1;
	}
	if ((rec->type >= FZ_REC_VM_ATTACH && rec->type <= FZ_REC_VM_DIED) ||
	    rec->type == FZ_REC_COVERAGE) {
		rec->u.vm.pid = d[13];
		rec->u.vm.vcpus = few(d[14], 1);
		rec->u.vm.pages = few(d[15], 1);
		rec->u.vm.reason = d[9];
		memcpy(rec->u.vm.comm, d, ITEM - 1);
	}
	if (fz_rec_check(rec, FZ_REC_MAX, &err))
		return;
	CHECK(!fz_seq_add(&seq, rec, &err) && !fz_identify_add(id, rec, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fz_log_header header = { .mono = 1000, .real = 1600000000000000000ULL,
					.kernel = "k", .module = "m", .host = "h", .tool = "t" };
	static const uint8_t head[FZ_LOG_HASH];
	struct fz_error err = { "" };
	struct fz_report rep = { .header = &header, .seq = &seq };
	uint8_t how = 0;
	size_t i;

	fake_files = known_files;
	fake_nfiles = sizeof(known_files) / sizeof(known_files[0]);
	memset(&seq, 0, sizeof(seq));
	number = 0;
	clock_now = 5000;
	made_gfn = made_seq = 0;
	if (size)
		how = *data++, size--;
	CHECK(!fz_identify_new(&id, NULL, &err));
	/* More frames than are kept. */
	fz_identify_limit(id, how & 16 ? 16 : 0);
	for (i = 0; size >= ITEM && i < ITEMS; i++, data += ITEM, size -= ITEM) {
		add(data);
		/* watch settles again and again */
		if (how & 8 && i % 16 == 7)
			CHECK(!fz_identify_settle(id, &err));
	}
	CHECK(!fz_identify_settle(id, &err));
	rep.results = fz_identify_results(id);
	rep.lost_pending = how & 1;
	rep.missing = how & 2 ? "the end" : NULL;
	rep.head = how & 4 ? head : NULL;
	check_reports(&rep);
	fz_identify_free(id);
	fz_seq_free(&seq);
	return 0;
}
