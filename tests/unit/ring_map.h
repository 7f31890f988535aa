/* SPDX-License-Identifier: GPL-2.0-only */
/* ring_map.h - memory like a ring's data: once, and once more behind it */
#ifndef RING_MAP_H
#define RING_MAP_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* @bytes of zeros, mapped twice in a row, for as long as the program runs. */
static inline uint8_t *ring_map(size_t bytes)
{
	int fd = memfd_create("ring", 0);
	uint8_t *p = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || ftruncate(fd, bytes) || p == MAP_FAILED ||
	    mmap(p, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != p ||
	    mmap(p + bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
		    p + bytes)
		abort();
	close(fd);
	return p;
}

#endif
