// SPDX-License-Identifier: GPL-2.0-only
/* stage.c - records that left the rings and wait for their reader */
#include <errno.h>
#include <stdlib.h>
#include "stage.h"

int fz_stage_init(struct fz_stage *s, size_t bytes, struct fz_error *err)
{
	if (bytes < FZ_REC_MAX)
		return fz_fail(err, -EINVAL, "%zu bytes hold no record", bytes);
	*s = (struct fz_stage){ .buf = malloc(bytes), .bytes = bytes };
	return s->buf ? 0 : fz_fail(err, -ENOMEM, "out of memory");
}

void fz_stage_free(struct fz_stage *s)
{
	free(s->buf);
	*s = (struct fz_stage){ 0 };
}

/*
 *	0    head      tail  bytes        0  tail      head     wrap  bytes
 *	|----|xxxxxxxxx|-----|      or    |xx|---------|xxxxxxxx|-----|
 */
struct fz_rec *fz_stage_room(struct fz_stage *s, size_t size)
{
	if (!s->count) {
		s->head = 0;
		s->tail = 0;
		s->wrap = s->bytes;
	} else if (s->tail > s->head && s->bytes - s->tail < size && s->head >= size) {
		s->wrap = s->tail;
		s->tail = 0;
	}
	/* Full: the two meet. */
	if (s->count && s->tail <= s->head)
		return s->head - s->tail >= size ? (void *)(s->buf + s->tail) : NULL;
	return s->bytes - s->tail >= size ? (void *)(s->buf + s->tail) : NULL;
}

void fz_stage_put(struct fz_stage *s, const struct fz_rec *rec)
{
	s->tail += rec->size;
	s->count++;
}

const struct fz_rec *fz_stage_first(const struct fz_stage *s)
{
	return (const void *)(s->buf + s->head);
}

void fz_stage_drop(struct fz_stage *s)
{
	s->head += fz_stage_first(s)->size;
	s->count--;
	if (s->head == s->wrap) {
		s->head = 0;
		s->wrap = s->bytes;
	}
}
