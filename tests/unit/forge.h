/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * forge.h - a page with the XXH64 of another
 *
 * XXH64 takes 32 bytes at a time into four accumulators, 8 bytes each:
 *
 *	acc = rotl(acc + input * P2, 31) * P1
 *
 * Every step can be undone, so for any two accumulators there is one input that
 * leads from one to the other. Whoever may choose 8 bytes for an accumulator (32 for
 * a page that is all his own) gets the digest that he wants.
 */
#ifndef FORGE_H
#define FORGE_H

#include <stdint.h>
#include <string.h>

#define XP1	0x9E3779B185EBCA87ULL
#define XP2	0xC2B2AE3D27D4EB4FULL
#define STRIPES	128	/* of 32 bytes, in a page */

static inline uint64_t forge_rotl(uint64_t v, int n)
{
	return v << n | v >> (64 - n);
}

/* 1 / @odd, modulo 2^64: each step of Newton's doubles the bits that are right. */
static inline uint64_t forge_inverse(uint64_t odd)
{
	uint64_t x = odd;
	int i;

	for (i = 0; i < 6; i++)
		x *= 2 - odd * x;
	return x;
}

static inline uint64_t forge_start(int lane)
{
	static const uint64_t start[] = { XP1 + XP2, XP2, 0, 0 - XP1 };

	return start[lane];
}

/* Accumulator @lane after stripes [@from, @to), from @acc. */
static inline uint64_t forge_run(const uint8_t *page, int lane, int from, int to, uint64_t acc)
{
	uint64_t in;
	int s;

	for (s = from; s < to; s++) {
		memcpy(&in, page + s * 32 + lane * 8, 8);
		acc = forge_rotl(acc + in * XP2, 31) * XP1;
	}
	return acc;
}

/* The input that leads from @acc to @want. */
static inline uint64_t forge_solve(uint64_t acc, uint64_t want)
{
	return (forge_rotl(want * forge_inverse(XP1), 33) - acc) * forge_inverse(XP2);
}

/*
 * Set 8 bytes of @page for each of @lanes (bit 0 to 3), in stripe @stripe, so that it
 * has the accumulators of @known, and with all that differ its XXH64.
 */
static inline void forge(uint8_t *page, const uint8_t *known, int stripe, int lanes)
{
	uint64_t have, want, in, tail[STRIPES];
	int lane, s;

	for (lane = 0; lane < 4; lane++) {
		if (!(lanes & 1 << lane))
			continue;
		/* What comes after the stripe is undone from the known page's end. */
		want = forge_run(known, lane, 0, STRIPES, forge_start(lane));
		for (s = STRIPES - 1; s > stripe; s--) {
			memcpy(&tail[s], page + s * 32 + lane * 8, 8);
			want = forge_rotl(want * forge_inverse(XP1), 33) - tail[s] * XP2;
		}
		have = forge_run(page, lane, 0, stripe, forge_start(lane));
		in = forge_solve(have, want);
		memcpy(page + stripe * 32 + lane * 8, &in, 8);
	}
}

#endif
