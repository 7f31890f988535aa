/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table.h - growing arrays, and an index from hashes to array positions
 */
#ifndef FZ_TABLE_H
#define FZ_TABLE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Make room for one more element of array @p with @n used of @cap. -ENOMEM. */
static inline int fz_grow(void **p, size_t n, size_t *cap, size_t element)
{
	size_t want = *cap ? *cap * 2 : 64;
	void *q;

	if (n < *cap)
		return 0;
	q = reallocarray(*p, want, element);
	if (!q)
		return -ENOMEM;
	*p = q;
	*cap = want;
	return 0;
}

#define FZ_GROW(array, n, cap) fz_grow((void **)&(array), n, &(cap), sizeof(*(array)))

#define FZ_NONE UINT32_MAX

/* Open addressing; entries with the same hash are told apart by the caller. */
struct fz_index {
	struct { uint64_t hash; uint32_t at; } *slot;
	size_t cap, n;
};

/* Spread @h: callers may pass plain numbers. */
static inline uint64_t fz_mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0x9fb21c651e98df25ULL;
	h ^= h >> 29;
	h *= 0xd6e8feb86659fd93ULL;
	return h ^ h >> 32;
}

/*
 * Walk the positions stored for @hash: start with *@it = FZ_INDEX_START(hash);
 * FZ_NONE ends it.
 */
#define FZ_INDEX_START(hash) ((size_t)fz_mix(hash))
static inline uint32_t fz_index_next(const struct fz_index *x, uint64_t hash, size_t *it)
{
	while (x->cap) {
		size_t i = (*it)++ & (x->cap - 1);

		if (x->slot[i].at == FZ_NONE)
			break;
		if (x->slot[i].hash == hash)
			return x->slot[i].at;
	}
	return FZ_NONE;
}

static inline void fz_index_put(struct fz_index *x, uint64_t hash, uint32_t at)
{
	size_t i = fz_mix(hash);

	while (x->slot[i & (x->cap - 1)].at != FZ_NONE)
		i++;
	x->slot[i & (x->cap - 1)].hash = hash;
	x->slot[i & (x->cap - 1)].at = at;
	x->n++;
}

static inline int fz_index_add(struct fz_index *x, uint64_t hash, uint32_t at)
{
	struct fz_index old = *x;
	size_t i;

	if (2 * (x->n + 1) > x->cap) {
		x->cap = x->cap ? 2 * x->cap : 256;
		x->slot = reallocarray(NULL, x->cap, sizeof(*x->slot));
		if (!x->slot) {
			*x = old;
			return -ENOMEM;
		}
		memset(x->slot, 0xff, x->cap * sizeof(*x->slot));
		x->n = 0;
		for (i = 0; i < old.cap; i++)
			if (old.slot[i].at != FZ_NONE)
				fz_index_put(x, old.slot[i].hash, old.slot[i].at);
		free(old.slot);
	}
	fz_index_put(x, hash, at);
	return 0;
}

#endif
