/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz.h - what the harnesses share
 *
 * A harness is one C file with LLVMFuzzerTestOneInput(). It does not only look for
 * crashes: CHECK() says what must hold whatever the input.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

#define CHECK(cond)								\
do {										\
	if (!(cond)) {								\
		fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__,	\
			#cond);							\
		abort();							\
	}									\
} while (0)

/* Every failure names itself, in one printable line. */
static inline void check_error(int ret, const struct fz_error *err)
{
	CHECK(ret >= 0 || (err->text[0] && !strchr(err->text, '\n') &&
			   strlen(err->text) < sizeof(err->text)));
}

/* Take an input apart; past its end all is zero. */
struct input {
	const uint8_t *p, *end;
};

static inline uint64_t take(struct input *in, unsigned int bytes)
{
	uint64_t v = 0;
	unsigned int i;

	for (i = 0; i < bytes && in->p < in->end; i++)
		v |= (uint64_t)*in->p++ << 8 * i;
	return v;
}

static inline size_t left(const struct input *in)
{
	return in->end - in->p;
}

/* At most @max bytes. */
static inline const uint8_t *take_bytes(struct input *in, size_t max, size_t *len)
{
	const uint8_t *p = in->p;

	*len = max < left(in) ? max : left(in);
	in->p += *len;
	return p;
}

/* A file in memory with this content; the same descriptor every time. */
static inline int as_file(const void *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	return fd;
}

#endif
