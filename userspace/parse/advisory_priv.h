/* SPDX-License-Identifier: GPL-2.0-only */
/* advisory_priv.h - shared by the readers of advisories */
#ifndef FZ_ADVISORY_PRIV_H
#define FZ_ADVISORY_PRIV_H

#include <archive.h>
#include <jansson.h>
#include "advisory.h"

#define FZ_LOOK	4096	/* bytes that can be looked at and be read again */

/* A file, uncompressed, byte by byte. */
struct fz_stream {
	struct archive *a;
	struct fz_error *err;
	const uint8_t *p, *end;		/* what libarchive gave last */
	uint64_t *unpacked;
	size_t value;			/* bytes of the JSON value being read */
	uint8_t look[FZ_LOOK];
	size_t looked, replay;		/* recorded; of these, read again */
	bool recording, failed;
};

struct fz_reading {
	const struct fz_advice *to;
	struct fz_advisory_read *done;
	struct fz_error *err;
};

#define FZ_EOF	(-1)
/* The next byte, FZ_EOF at the end or after a failure: see @failed. */
int fz_stream_get(struct fz_stream *s);
int fz_stream_peek(struct fz_stream *s);
/* The next that is no white space; it is not taken. */
int fz_stream_skip(struct fz_stream *s);

/* Take @c, after white space. -EINVAL: something else is there. */
int fz_stream_expect(struct fz_stream *s, int c);
/* Take a JSON string without escapes. */
int fz_stream_key(struct fz_stream *s, char *buf, size_t size);
/* Take a JSON object or array. NULL: @err says why. */
json_t *fz_stream_json(struct fz_stream *s);

/* Give a statement; what makes no sense is counted. */
int fz_advise(struct fz_reading *r, const char *distro, const char *package, const char *id,
	      const struct fz_statement *st);

int fz_read_tracker(struct fz_reading *r, struct fz_stream *s);
int fz_read_osv(struct fz_reading *r, json_t *doc);
int fz_read_hashes(struct fz_reading *r, struct fz_stream *s);
int fz_read_nsrl(struct fz_reading *r, int fd);

#endif
