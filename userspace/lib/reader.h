/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reader.h - one stream out of many rings
 *
 * The rings may be those of the device or any memory of the same layout. Their
 * content is not trusted: a malformed record ends the stream with -EBADMSG.
 */
#ifndef FZ_READER_H
#define FZ_READER_H

#include "record.h"

/* Where the rings are, and how to learn up to when they are complete. */
struct fz_rings {
	unsigned int cpus;
	uint64_t ring_bytes;			/* a power of two */
	struct fz_consumer *consumers;		/* [cpus] */
	const struct fz_producer **producers;	/* [cpus] */
	const uint8_t **data;			/* [cpus], each 2 * ring_bytes long */
	/* Store the time up to which every record is in its ring. */
	int (*barrier)(void *arg, uint64_t *time, struct fz_error *err);
	void *arg;
};

struct fz_reader;

/* @rings is copied; what it points to must outlive the reader. */
int fz_reader_new(struct fz_reader **r, const struct fz_rings *rings, struct fz_error *err);
void fz_reader_free(struct fz_reader *r);

/*
 * Hand every record up to the time of a new barrier to @sink, in the order of
 * (time, CPU, number), and give its room back. What is later stays for the next
 * call. Return how many were delivered, or a negative errno; after -EBADMSG the
 * stream is over.
 */
int64_t fz_reader_drain(struct fz_reader *r, fz_sink sink, void *arg, struct fz_error *err);

/*
 * With @keep drain() gives no room back; fz_reader_release() then does, of all that
 * was delivered. So a reader that dies before its records are safe has not taken
 * them: the next one gets them, from the first that was not released.
 */
void fz_reader_keep(struct fz_reader *r, bool keep);
void fz_reader_release(struct fz_reader *r);

/*
 * Have drain() copy up to @bytes of records out of the rings, and give their room back,
 * before it hands the first to the sink, and again while the sink works and a ring
 * fills: a burst that a slow sink would lose is then lost only if it is more than
 * this. Not with keep(). drain() returns after what it had when it began;
 * fz_reader_staged() says if there is more, which no poll() tells.
 */
int fz_reader_stage(struct fz_reader *r, size_t bytes, struct fz_error *err);
bool fz_reader_staged(const struct fz_reader *r);

/* What was delivered so far: counts, gaps, losses. */
const struct fz_seq *fz_reader_seq(const struct fz_reader *r);

/* Records lost that no LOST record delivered so far stands for. */
uint64_t fz_reader_lost_pending(const struct fz_reader *r);

#endif
