// SPDX-License-Identifier: GPL-2.0-only
/* record.c - checking records, and proving that none is missing */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "record.h"

#define RECF_ALL	(FZ_RECF_PAGE | FZ_RECF_LATE | FZ_RECF_NESTED)

enum page_rule { PAGE_NEVER, PAGE_MAY, PAGE_MUST };

static const struct {
	const char *name;
	enum page_rule page;
} types[] = {
	[FZ_REC_EXEC]		= { "exec", PAGE_MUST },
	[FZ_REC_REEXEC]		= { "reexec", PAGE_MUST },
	[FZ_REC_WRITE]		= { "write", PAGE_NEVER },
	[FZ_REC_MIXED]		= { "mixed", PAGE_MAY },
	[FZ_REC_LOST]		= { "lost", PAGE_NEVER },
	[FZ_REC_VM_ATTACH]	= { "vm-attach", PAGE_NEVER },
	[FZ_REC_VM_DETACH]	= { "vm-detach", PAGE_NEVER },
	[FZ_REC_VM_DIED]	= { "vm-died", PAGE_NEVER },
	[FZ_REC_MEMSLOT]	= { "memslot", PAGE_NEVER },
	[FZ_REC_CHANGED]	= { "changed", PAGE_NEVER },
	[FZ_REC_AUDIT]		= { "audit", PAGE_NEVER },
	[FZ_REC_COVERAGE]	= { "coverage", PAGE_NEVER },
	[FZ_REC_DRIFT]		= { "drift", PAGE_MUST },
	[FZ_REC_MIXED_END]	= { "mixed-end", PAGE_NEVER },
};

_Static_assert(sizeof(struct fz_rec) == 128, "the record header is 128 bytes");

const char *fz_rec_name(unsigned int type)
{
	if (type >= sizeof(types) / sizeof(types[0]) || !types[type].name)
		return "?";
	return types[type].name;
}

const char *fz_state_name(unsigned int state)
{
	static const char * const name[] = { "never run", "being captured", "executable",
					     "written since it ran", "mixed" };

	return state < sizeof(name) / sizeof(name[0]) ? name[state] : "?";
}

const uint8_t *fz_rec_page(const struct fz_rec *rec)
{
	if (!(rec->flags & FZ_RECF_PAGE))
		return NULL;
	return (const uint8_t *)(rec + 1);
}

int fz_rec_check(const struct fz_rec *rec, uint64_t avail, struct fz_error *err)
{
	uint64_t want = sizeof(*rec);

	if (avail < sizeof(*rec))
		return fz_fail(err, -EBADMSG, "a record is cut short after %" PRIu64 " bytes",
			       avail);
	if (rec->type >= sizeof(types) / sizeof(types[0]) || !types[rec->type].name)
		return fz_fail(err, -EBADMSG, "a record has the unknown type %u", rec->type);
	if (rec->flags & ~RECF_ALL)
		return fz_fail(err, -EBADMSG, "a record has unknown flags 0x%x", rec->flags);
	if (rec->flags & FZ_RECF_PAGE)
		want += FZ_PAGE_SIZE;
	if (rec->size != want)
		return fz_fail(err, -EBADMSG, "a %s record has size %u instead of %" PRIu64,
			       fz_rec_name(rec->type), rec->size, want);
	if (rec->size > avail)
		return fz_fail(err, -EBADMSG, "a %s record reaches %" PRIu64 " bytes past the end",
			       fz_rec_name(rec->type), rec->size - avail);
	if (types[rec->type].page == PAGE_MUST && !(rec->flags & FZ_RECF_PAGE))
		return fz_fail(err, -EBADMSG, "a %s record has no snapshot",
			       fz_rec_name(rec->type));
	if (types[rec->type].page == PAGE_NEVER && rec->flags & FZ_RECF_PAGE)
		return fz_fail(err, -EBADMSG, "a %s record has a snapshot",
			       fz_rec_name(rec->type));
	if (rec->cpu >= FZ_CPUS_MAX)
		return fz_fail(err, -EBADMSG, "a record names CPU %u", rec->cpu);
	if (rec->cpl > 3)
		return fz_fail(err, -EBADMSG, "a record has privilege level %u", rec->cpl);
	if (rec->type == FZ_REC_LOST &&
	    (!rec->u.lost.count || rec->seq != rec->u.lost.first_seq + rec->u.lost.count ||
	     rec->seq < rec->u.lost.first_seq))
		return fz_fail(err, -EBADMSG, "a lost record %" PRIu64 " stands for %" PRIu64
			       " records from %" PRIu64, (uint64_t)rec->seq,
			       (uint64_t)rec->u.lost.count, (uint64_t)rec->u.lost.first_seq);
	if (rec->type == FZ_REC_LOST &&
	    (rec->u.lost.execs > rec->u.lost.count || rec->u.lost.held > rec->u.lost.execs))
		return fz_fail(err, -EBADMSG, "a lost record counts more executions than records");
	if (rec->type >= FZ_REC_VM_ATTACH && rec->type <= FZ_REC_VM_DIED &&
	    !memchr(rec->u.vm.comm, 0, sizeof(rec->u.vm.comm)))
		return fz_fail(err, -EBADMSG, "a %s record has an endless name",
			       fz_rec_name(rec->type));
	return 0;
}

static int note_gap(struct fz_seq *seq, const struct fz_rec *rec, uint64_t first, uint64_t count,
		    bool repeated, struct fz_error *err)
{
	uint64_t after = seq->cpu[rec->cpu].time;

	if (!seq->gaps)
		seq->gaps = calloc(FZ_NOTED_MAX, sizeof(*seq->gaps));
	if (!seq->gaps)
		return fz_fail(err, -ENOMEM, "out of memory");
	if (seq->ngaps < FZ_NOTED_MAX)
		seq->gaps[seq->ngaps] = (struct fz_gap){ .cpu = rec->cpu, .repeated = repeated,
			.first_seq = first, .count = count, .after = after, .before = rec->time };
	seq->ngaps++;
	return 0;
}

static int note_loss(struct fz_seq *seq, const struct fz_rec *rec, struct fz_error *err)
{
	if (!seq->losses)
		seq->losses = calloc(FZ_NOTED_MAX, sizeof(*seq->losses));
	if (!seq->losses)
		return fz_fail(err, -ENOMEM, "out of memory");
	if (seq->nlosses < FZ_NOTED_MAX)
		seq->losses[seq->nlosses] = (struct fz_loss){ .cpu = rec->cpu,
							      .lost = rec->u.lost };
	seq->nlosses++;
	seq->lost += rec->u.lost.count;
	seq->lost_execs += rec->u.lost.execs;
	return 0;
}

int fz_seq_add(struct fz_seq *seq, const struct fz_rec *rec, struct fz_error *err)
{
	uint64_t first = rec->type == FZ_REC_LOST ? rec->u.lost.first_seq : rec->seq;
	struct fz_seq_cpu *c;
	int ret = 0;

	if (rec->cpu >= seq->ncpus) {
		size_t n = rec->cpu + 1;

		c = reallocarray(seq->cpu, n, sizeof(*c));
		if (!c)
			return fz_fail(err, -ENOMEM, "out of memory");
		memset(c + seq->ncpus, 0, (n - seq->ncpus) * sizeof(*c));
		seq->cpu = c;
		seq->ncpus = n;
	}
	c = &seq->cpu[rec->cpu];
	if (!c->started)
		c->first = c->next = first;	/* an earlier reader had those before */
	if (first > c->next)
		ret = note_gap(seq, rec, c->next, first - c->next, false, err);
	else if (first < c->next)
		ret = note_gap(seq, rec, first, c->next - first, true, err);
	if (!ret && rec->type == FZ_REC_LOST)
		ret = note_loss(seq, rec, err);
	if (ret)
		return ret;
	c->started = true;
	c->next = rec->seq + 1;
	c->time = rec->time;
	if (rec->time < seq->time && !seq->disorder++)
		seq->disordered = seq->records;
	seq->time = rec->time;
	seq->records++;
	return 0;
}

void fz_seq_free(struct fz_seq *seq)
{
	free(seq->cpu);
	free(seq->gaps);
	free(seq->losses);
	memset(seq, 0, sizeof(*seq));
}
