// SPDX-License-Identifier: GPL-2.0-only
/* test_undo.c - sites: what is allowed is undone, and nothing else */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "tap.h"
#include "undo.h"

#define PAGE	4096

static struct fz_error err;
static uint8_t original[2 * PAGE], have[PAGE];
/* What fz_sites_write() gave: the raw sites of pages 0 and 1. */
static uint8_t raw[65536];
static const uint8_t *sites[2];
static size_t lens[2];

static int put(void *ctx, uint32_t index, const void *data, size_t len, struct fz_error *e)
{
	uint32_t starts[3];

	(void)ctx;
	(void)e;
	if (index || ZSTD_isError(ZSTD_decompress(raw, sizeof(raw), data, len)))
		return -EINVAL;
	memcpy(starts, raw, sizeof(starts));
	sites[0] = raw + starts[0];
	lens[0] = starts[1] - starts[0];
	sites[1] = raw + starts[1];
	lens[1] = starts[2] - starts[1];
	return 0;
}

static bool is_target(void *ctx, uint64_t vaddr)
{
	(void)ctx;
	return vaddr == 0x5000;
}

static bool is_part(void *ctx, uint64_t next, const uint8_t *bytes, int from, int to)
{
	int32_t rel = 0x5000 - next;

	(void)ctx;
	return !memcmp((uint8_t *)&rel + from, bytes + from, to - from);
}

static const struct fz_undo undo = {
	.delta = 0x123456789000, .vaddr = 0x1000, .target = is_target, .target_part = is_part,
};

/* Undo page @n with @at onwards changed to @bytes. Does it come out as the original? */
static bool comes_out(int n, unsigned int at, const void *bytes, size_t len)
{
	struct fz_undo u = undo;

	u.vaddr += n * PAGE;
	memcpy(have, original + n * PAGE, PAGE);
	memcpy(have + at, bytes, len);
	return fz_undo(sites[n], lens[n], original + n * PAGE, &u, have) >= 0 &&
	       !memcmp(have, original + n * PAGE, PAGE);
}

/* Code as a replacement has it: a field of which the delta is subtracted, one that gets it. */
static const uint8_t moved[16] = "ab\x11\x22\x33\x44" "cd\x55\x66\x77\x88" "efgh";
static const struct fz_moved fields[] = { { 2, 4, true }, { 8, 4, false } };

/* @moved as it is in memory, loaded at @delta. */
static void load(uint8_t out[16], uint32_t delta)
{
	uint32_t v;

	memcpy(out, moved, 16);
	memcpy(&v, out + 2, 4);
	v -= delta;
	memcpy(out + 2, &v, 4);
	memcpy(&v, out + 8, 4);
	v += delta;
	memcpy(out + 8, &v, 4);
}

static void make(void)
{
	static const struct fz_moved narrow = { 0, 2, false }, late = { 13, 4, false };
	struct fz_sites *s = fz_sites_new();
	uint64_t field = 0x1122334455667788;
	size_t i;
	int bad = 0;

	for (i = 0; i < sizeof(original); i++)
		original[i] = i * 7 + i / 256;
	memcpy(original + 300, &field, 8);
	memcpy(original + PAGE - 3, &field, 8);
	bad |= fz_sites_value(s, 100, (const uint8_t *)"abcde", 5);
	bad |= fz_sites_value(s, 100, (const uint8_t *)"vwxyz", 5);
	bad |= fz_sites_value(s, 102, (const uint8_t *)"!", 1);
	bad |= fz_sites_target(s, 200, (const uint8_t *)"\xe8????\x90", 6, 1);
	bad |= fz_sites_delta(s, 300, 8, 0, false, field);
	bad |= fz_sites_delta(s, PAGE - 3, 8, 0, true, field);
	bad |= fz_sites_any(s, 400, 2);
	bad |= fz_sites_moved(s, 500, moved, 16, fields, 2);
	bad |= fz_sites_moved(s, PAGE - 10, moved, 16, fields, 2);
	bad |= fz_sites_value(s, PAGE + 4000, (const uint8_t *)"ZZ", 2);
	bad |= fz_sites_value(s, 2 * PAGE - 1, (const uint8_t *)"past", 4);
	ok(!bad && !fz_sites_write(s, 2, put, NULL, &err), "sites are packed");
	ok(fz_sites_value(s, 0, original, 0) == -EINVAL &&
	   fz_sites_value(s, 0, original, 255) == -EINVAL &&
	   fz_sites_target(s, 0, original, 4, 1) == -EINVAL &&
	   fz_sites_delta(s, 0, 3, 0, false, 0) == -EINVAL &&
	   fz_sites_moved(s, 0, moved, 16, fields, 0) == -EINVAL &&
	   fz_sites_moved(s, 0, moved, 16, fields, FZ_MOVED_MAX + 1) == -EINVAL &&
	   fz_sites_moved(s, 0, moved, 101, fields, 2) == -EINVAL &&
	   fz_sites_moved(s, 0, moved, 16, &narrow, 1) == -EINVAL &&
	   fz_sites_moved(s, 0, moved, 16, &late, 1) == -EINVAL, "impossible sites are refused");
	fz_sites_free(s);
}

static void test_values(void)
{
	ok(comes_out(0, 100, "abcde", 5) && comes_out(0, 100, "vwxyz", 5), "each allowed value");
	ok(!comes_out(0, 100, "abcdz", 5) && !comes_out(0, 100, "abcd", 4) &&
	   !comes_out(0, 99, "abcde", 5), "no mixture, no part, not beside it");
	ok(comes_out(0, 102, "!", 1), "a site within a site");
	ok(!comes_out(0, 100, "ab!de", 5), "not with another value around it");
	ok(comes_out(0, 400, "??", 2) && !comes_out(0, 402, "??", 2), "any value, where any is allowed");
	ok(comes_out(1, PAGE - 1, "p", 1) && !comes_out(1, PAGE - 1, "q", 1),
	   "a site that ends in the next page");
}

static void test_target(void)
{
	uint8_t b[6] = { 0xe8, 0, 0, 0, 0, 0x90 };
	int32_t rel = 0x5000 - (0x1000 + 205);

	memcpy(b + 1, &rel, 4);
	ok(comes_out(0, 200, b, 6), "a call to a function");
	rel++;
	memcpy(b + 1, &rel, 4);
	ok(!comes_out(0, 200, b, 6), "not into one");
	rel--;
	memcpy(b + 1, &rel, 4);
	b[0] = 0xe9;
	ok(!comes_out(0, 200, b, 6), "not with another opcode");
}

static void test_delta(void)
{
	uint64_t v = 0x1122334455667788 + undo.delta;
	uint8_t bytes[8];

	ok(comes_out(0, 300, &v, 8), "a relocated field");
	v++;
	ok(!comes_out(0, 300, &v, 8), "not by another delta");
	v = 0x1122334455667788 - undo.delta;
	memcpy(bytes, &v, 8);
	ok(comes_out(0, PAGE - 3, bytes, 3) && comes_out(1, 0, bytes + 3, 5),
	   "one that lies in two pages, subtracted");
	bytes[3] ^= 1;
	ok(!comes_out(1, 0, bytes + 3, 5), "each part is looked at");
}

static void test_moved(void)
{
	uint8_t b[16];

	load(b, undo.delta);
	ok(comes_out(0, 500, b, 16), "a value with fields that were relocated");
	ok(comes_out(0, PAGE - 10, b, 10) && comes_out(1, 0, b + 10, 6),
	   "one that lies in two pages, and so does a field");
	b[11] ^= 1;
	ok(!comes_out(0, 500, b, 16) && !comes_out(1, 0, b + 10, 6), "a field that is another");
	b[11] ^= 1;
	b[12] ^= 1;
	ok(!comes_out(0, 500, b, 16) && !comes_out(1, 0, b + 10, 6), "other bytes around them");
	ok(!comes_out(0, 500, moved, 16), "not as they stand in the file");
	load(b, undo.delta + 0x1000);
	ok(!comes_out(0, 500, b, 16), "not by another delta");
}

/* No bit of a page may differ, but as the sites say. */
static void test_near(void)
{
	size_t at, bad = 0;
	uint8_t byte;

	for (at = 0; at < PAGE * 8; at++) {
		byte = original[at / 8] ^ 1 << at % 8;
		/* 400 and 401 may be anything; at 102 and the page's end one value could be hit */
		if (at / 8 != 400 && at / 8 != 401 && comes_out(0, at / 8, &byte, 1) && byte != '!')
			bad++;
	}
	ok(!bad, "any bit flipped beside the sites, or to what they don't allow: %zu come out", bad);
}

static void test_broken(void)
{
	static const uint8_t none[8];
	uint8_t copy[256];
	size_t i, n;
	int wrong = 0;

	for (n = 1; n < lens[0] && n < sizeof(copy); n++) {
		memcpy(copy, sites[0], n);
		memcpy(have, original, PAGE);
		have[0] ^= 1;
		i = fz_undo(copy, n, original, &undo, have);
		wrong += (int)i != -EBADMSG && i;
	}
	ok(!wrong, "sites that are cut");
	ok(fz_undo(none, sizeof(none), original, &undo, have) == -EBADMSG, "sites that are none");
	ok(fz_undo((const uint8_t *)"\xff\x0f\x01\x02zz", 6, original, &undo, have) == -EBADMSG,
	   "a site past the end of the page");
	ok(fz_undo(NULL, 0, original, &undo, have) == 0, "no sites");
}

int main(void)
{
	plan(26);
	make();
	test_values();
	test_target();
	test_delta();
	test_moved();
	test_near();
	test_broken();
	return done();
}
