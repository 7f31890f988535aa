// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress_check.c - what ran, held against what was captured
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "stress.h"

/* Block @b's label in a snapshot of frame @f. */
static uint64_t label_of(const uint8_t *page, unsigned int f, unsigned int b)
{
	uint64_t label = 0;

	if (f < FRAMES)
		memcpy(&label, page + b * BLOCK + 8, 8);
	else
		memcpy(&label, page + b * BLOCK + 2, 4);
	return label;
}

/* All but the label is as it always is, or the block was emptied. */
static bool code_is_whole(const uint8_t *page, unsigned int f, unsigned int b)
{
	const uint64_t head = f < FRAMES ? 0xb8480000441f0f66 : 0x666700000000b866;
	uint64_t word;

	memcpy(&word, page + b * BLOCK, 8);
	if (f >= FRAMES)
		word &= 0xffff00000000ffff;
	return word == head || (!word && f < FRAMES);
}

static void snapshot(struct stress *s, unsigned int f, const struct fz_rec *rec)
{
	const uint8_t *page = fz_rec_page(rec);
	struct history *h = &s->history[f];
	struct snapshot *snap;
	unsigned int b;

	if (h->n == h->room) {
		h->room = h->room ? 2 * h->room : 256;
		h->snap = realloc(h->snap, h->room * sizeof(*h->snap));
		if (!h->snap)
			err(2, "realloc");
	}
	snap = &h->snap[h->n++];
	snap->time = rec->time;
	snap->mixed = rec->type == FZ_REC_MIXED;
	for (b = 0; b < BLOCKS; b++) {
		snap->label[b] = label_of(page, f, b);
		s->bad_code += !code_is_whole(page, f, b);
	}
	/* A sample: it takes longer than all else here. */
	if (h->n % 16 == 1)
		s->bad_hash += XXH64(page, PAGE, 0) != rec->hash;
}

static int see(void *arg, const struct fz_rec *rec, struct fz_error *e)
{
	struct stress *s = arg;
	struct history *h;
	int f;

	(void)e;
	if (rec->type == FZ_REC_LOST) {
		s->lost += rec->u.lost.count;
		s->lost_execs += rec->u.lost.execs;
		return 0;
	}
	if (rec->vm != s->id)
		return 0;
	s->count[rec->type & 15]++;
	s->late += !!(rec->flags & FZ_RECF_LATE);
	if (rec->type == FZ_REC_MIXED)
		s->mixed_why[rec->u.mixed.why & 3]++;
	f = rec->gfn == FZ_NO_GFN ? -1 : frame_of(rec->gfn * PAGE);
	if (f < 0)
		return 0;
	h = &s->history[f];
	h->last[h->records++ % 16] = *rec;
	if (fz_rec_page(rec))
		snapshot(s, f, rec);
	return 0;
}

static void dump(struct stress *s, unsigned int v, const struct ran *ran, unsigned int b)
{
	const struct history *h = &s->history[ran->frame];
	unsigned int i, at = s->side[v].at[ran->frame];

	if (s->missed > 5)
		return;
	diag("vCPU %u ran label %llx, block %u of frame %u, which was not captured", v,
	     (unsigned long long)ran->label[b], b, ran->frame);
	for (i = 0; i < h->n; i++)
		if (h->snap[i].label[b] == ran->label[b])
			diag("snapshot %u of %u has it, but %u ran before", i, h->n, at);
	for (i = h->records > 16 ? h->records - 16 : 0; i < h->records; i++) {
		const struct fz_rec *r = &h->last[i % 16];

		diag("  %llu.%06llu type %u flags %x vCPU %d gfn %llx rip %llx hash %016llx",
		     r->time / 1000000000, r->time / 1000 % 1000000, r->type, r->flags,
		     (int)r->vcpu, r->gfn, r->rip, r->hash);
	}
}

/*
 * Is the call explained by snapshots in their order? The first that it may be of is
 * the last one that this vCPU ran, or was there before the call: what was captured
 * before that had lost X. Behind a snapshot that says mixed anything may run.
 */
static void check_call(struct stress *s, unsigned int v, const struct ran *ran)
{
	const struct history *h = &s->history[ran->frame];
	unsigned int *at = &s->side[v].at[ran->frame], b, i;

	while (*at + 1 < h->n && h->snap[*at + 1].time <= ran->since)
		++*at;
	for (b = 0; dev && b < ran->n; b++) {
		for (i = *at; i < h->n; i++)
			if (h->snap[i].label[b] == ran->label[b] || h->snap[i].mixed)
				break;
		s->labels++;
		if (i == h->n) {
			s->missed++;
			dump(s, v, ran, b);
			continue;
		}
		*at = i;
		s->in_mixed += h->snap[i].label[b] != ran->label[b];
	}
	s->side[v].calls++;
	s->side[v].faults += ran->fault;
}

void stress_check(struct stress *s)
{
	unsigned int v, upto[MAX_VCPUS];

	/* Each of these calls has ended, so what it ran was captured: it is in the rings. */
	for (v = 0; v < s->vm.nvcpus; v++)
		upto[v] = atomic_load(&s->side[v].head);
	if (dev && fz_reader_drain(reader, see, s, &error) < 0)
		errx(2, "drain: %s", error.text);
	for (v = 0; v < s->vm.nvcpus; v++) {
		unsigned int tail = atomic_load(&s->side[v].tail);

		for (; tail != upto[v]; tail++) {
			check_call(s, v, &s->side[v].queue[tail % QUEUE]);
			atomic_store(&s->side[v].tail, tail + 1);
		}
	}
}
