// SPDX-License-Identifier: GPL-2.0-only
/*
 * logsurvey.c - what lies behind the damage in a log
 *
 * Nothing of it is proven: the chain has ended. It serves to say which record was
 * the first to suffer and which numbers are missing between what is left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "log.h"

#define TRIES_MAX	4096	/* false starts: a hostile file is full of them */
#define CHUNK		(FZ_LOG_BLOCK_MAX / 16)

struct survey {
	FILE *f;
	struct fz_log_state *s;
	struct fz_log_block b;
	uint8_t *payload;
	size_t got;		/* of the payload */
};

/* Get what may be a block at @at; its payload may be cut. */
static bool candidate(struct survey *v, uint64_t at)
{
	if (fseeko(v->f, at, SEEK_SET) || fread(&v->b, sizeof(v->b), 1, v->f) != 1 ||
	    v->b.magic != FZ_LOG_BLOCK_MAGIC || !v->b.bytes || v->b.bytes > FZ_LOG_BLOCK_MAX)
		return false;
	v->got = fread(v->payload, 1, v->b.bytes, v->f);
	return true;
}

/* Walk the records; @i and @at are of the first that is not as its sum says. */
static bool walk(const struct survey *v, uint32_t *i, uint32_t *at, struct fz_seq *seq,
		 struct fz_error *err, int *ret)
{
	uint64_t sums = v->b.count * (uint64_t)sizeof(uint64_t), end = v->b.bytes - sums, sum;
	struct fz_error why;

	*i = *at = 0;
	if (sums > v->b.bytes || v->got < v->b.bytes)
		return false;
	for (; *at < end && *i < v->b.count; (*i)++) {
		const struct fz_rec *rec = (const void *)(v->payload + *at);

		memcpy(&sum, v->payload + end + *i * sizeof(sum), sizeof(sum));
		if (fz_rec_check(rec, end - *at, &why) || XXH64(rec, rec->size, 0) != sum)
			return false;
		if (seq)
			*ret = fz_seq_add(seq, rec, err);
		if (seq && *ret)
			return false;
		*at += rec->size;
	}
	return *at == end && *i == v->b.count;
}

static bool intact(struct survey *v, struct fz_error *err, int *ret)
{
	uint32_t i, at;

	switch (v->b.type) {
	case FZ_LOG_RECORDS:
		return walk(v, &i, &at, NULL, err, ret) &&
		       walk(v, &i, &at, &v->s->behind.seq, err, ret);
	case FZ_LOG_VMS:
		return v->got == v->b.count * (uint64_t)sizeof(struct fz_vm_desc);
	case FZ_LOG_END:
		return v->got == sizeof(struct fz_log_end);
	case FZ_LOG_SEAL:
		return v->got == sizeof(struct fz_log_seal) &&
		       !memcmp(v->payload, FZ_LOG_SEAL_TEXT, 16);
	}
	return false;
}

/* The first record that suffered, in the first bad block. */
static void name_record(struct survey *v)
{
	struct fz_log_state *s = v->s;
	struct fz_error why;
	const struct fz_rec *rec;
	uint32_t i, at;

	if (!candidate(v, s->offset) || v->b.type != FZ_LOG_RECORDS)
		return;
	/* If all are as their sums say, it is the block's header: none can be believed. */
	if (walk(v, &i, &at, NULL, NULL, NULL) || s->fault == FZ_LOG_CUT)
		i = at = 0;
	s->bad.record += i;
	s->bad.offset = s->offset + sizeof(v->b) + at;
	rec = (const void *)(v->payload + at);
	if (at > v->got || fz_rec_check(rec, v->got - at, &why))
		return;
	s->bad.named = true;
	s->bad.cpu = rec->cpu;
	s->bad.seq = rec->type == FZ_REC_LOST ? rec->u.lost.first_seq : rec->seq;
	s->bad.time = rec->time;
}

/* The place of the next magic number from @at on, or the end. */
static uint64_t next_magic(struct survey *v, uint64_t at)
{
	const uint32_t magic = FZ_LOG_BLOCK_MAGIC;
	const uint8_t *hit;
	uint8_t *buf = v->payload;
	size_t n;

	while (!fseeko(v->f, at, SEEK_SET) && (n = fread(buf, 1, CHUNK, v->f)) >= sizeof(magic)) {
		hit = memmem(buf, n, &magic, sizeof(magic));
		if (hit)
			return at + (hit - buf);
		at += n - sizeof(magic) + 1;
	}
	return v->s->bytes;
}

/* Go on from what was known, so that the gaps are those that the damage made. */
static int start(struct survey *v, struct fz_error *err)
{
	struct fz_seq *from = &v->s->seq, *to = &v->s->behind.seq;

	to->ncpus = from->ncpus;
	to->time = from->time;
	to->cpu = calloc(from->ncpus + 1, sizeof(*to->cpu));
	v->payload = calloc(1, FZ_LOG_BLOCK_MAX);
	if (!to->cpu || !v->payload)
		return fz_fail(err, -ENOMEM, "out of memory");
	if (from->ncpus)
		memcpy(to->cpu, from->cpu, from->ncpus * sizeof(*to->cpu));
	return 0;
}

int fz_log_survey(FILE *f, struct fz_log_state *s, struct fz_error *err)
{
	struct survey v = { .f = f, .s = s };
	uint64_t at = s->offset;
	unsigned int tries = 0;
	int ret = start(&v, err);

	if (ret || s->offset >= s->bytes || s->fault == FZ_LOG_ZEROS)
		goto out;
	name_record(&v);
	/* The bad block itself does not count, unless it is good and in the wrong place. */
	if (s->fault != FZ_LOG_LEFT_OUT && s->fault != FZ_LOG_AGAIN) {
		uint64_t behind = candidate(&v, at) ? at + sizeof(v.b) + v.b.bytes : 0;

		if (behind && (behind == s->bytes || candidate(&v, behind)))
			at = behind;
		else
			at = next_magic(&v, at + 1);
	}
	while (at < s->bytes && tries < TRIES_MAX) {
		if (candidate(&v, at) && intact(&v, err, &ret)) {
			s->behind.blocks++;
			at += sizeof(v.b) + v.b.bytes;
		} else if (ret) {
			break;
		} else {
			tries++;
			at = next_magic(&v, at + 1);
		}
	}
	/* What is followed by more was not cut. */
	if (!ret && s->behind.blocks && s->fault == FZ_LOG_CUT) {
		s->fault = FZ_LOG_NO_BLOCK;
		s->broken = true;
		snprintf(s->missing, sizeof(s->missing), "block %llu at byte %llu is not a block",
			 (unsigned long long)s->blocks, (unsigned long long)s->offset);
	}
out:
	free(v.payload);
	return ret;
}
