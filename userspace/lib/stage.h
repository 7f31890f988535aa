/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stage.h - records that left the rings and wait for their reader: a bounded queue
 *
 * Records lie whole and in order. Memory is taken as they come, and used again from
 * the beginning whenever the queue was empty.
 */
#ifndef FZ_STAGE_H
#define FZ_STAGE_H

#include "record.h"

struct fz_stage {
	uint8_t *buf;
	size_t bytes;
	size_t head, tail;	/* of the first record; behind the last one */
	size_t wrap;		/* where the records that lie before @head's continue at 0 */
	size_t count;
};

/* @bytes: at least one record's. */
int fz_stage_init(struct fz_stage *s, size_t bytes, struct fz_error *err);
void fz_stage_free(struct fz_stage *s);

/* Room for a record of @size at the end, NULL = there is none; put() makes it the last one. */
struct fz_rec *fz_stage_room(struct fz_stage *s, size_t size);
void fz_stage_put(struct fz_stage *s, const struct fz_rec *rec);

/* The first record; there must be one. drop() takes it out. */
const struct fz_rec *fz_stage_first(const struct fz_stage *s);
void fz_stage_drop(struct fz_stage *s);

#endif
