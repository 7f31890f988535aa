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

static struct fz_undo undo = {
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

/* ------------------------------------------------------------------ symbols */

#define NEAR	(0x123456789000 + 0x8000)	/* where symbol 77 lies: near the page */
#define FAR	0xffffffff81234000		/* symbol 78 */

static uint64_t last_implied;
static bool last_whole;

static bool symbol(void *ctx, uint64_t id, bool whole, uint64_t implied, uint64_t *value)
{
	(void)ctx;
	last_whole = whole;
	last_implied = implied;
	*value = id == 77 ? NEAR : FAR;
	return id == 77 || id == 78;
}

static bool traced(void *ctx, uint64_t vaddr)
{
	(void)ctx;
	return vaddr == NEAR;
}

static void make_symbols(void)
{
	struct fz_sites *s = fz_sites_new();
	int bad = 0;

	bad |= fz_sites_symbol(s, 600, 4, true, -4, 77);
	bad |= fz_sites_symbol(s, 620, 8, false, 0x10, 78);
	bad |= fz_sites_symbol(s, 640, 4, false, 0x20, 78);
	bad |= fz_sites_symbol(s, 660, 8, false, 0, 79);
	bad |= fz_sites_traced(s, 680);
	bad |= fz_sites_delta(s, 700, 4, 16, false, 0x11223344);
	bad |= fz_sites_symbol(s, PAGE - 2, 4, true, -4, 77);
	ok(!bad && !fz_sites_write(s, 2, put, NULL, &err), "sites of symbols are packed");
	fz_sites_free(s);
}

static void test_symbols(void)
{
	uint32_t rel = NEAR - 4 - (0x1000 + undo.delta + 600);
	uint32_t v32 = (uint32_t)(FAR + 0x20), high = 0x11223344 + (undo.delta >> 16);
	uint64_t v64 = FAR + 0x10, any = 0;
	uint8_t b[4], call[5] = { 0xe8 };

	make_symbols();
	ok(!comes_out(0, 600, &rel, 4) && !comes_out(0, 660, &any, 8), "who knows no symbols allows none");
	undo.symbol = symbol;
	ok(comes_out(0, 600, &rel, 4) && last_whole && last_implied == NEAR,
	   "a reference relative to itself, with an addend");
	rel += 4;
	ok(!comes_out(0, 600, &rel, 4) && last_implied == NEAR + 4, "not one without it");
	ok(comes_out(0, 620, &v64, 8) && last_implied == FAR, "an address, with an addend");
	v64 -= 0x20;
	ok(!comes_out(0, 620, &v64, 8) && last_implied == FAR - 0x20, "not one with it subtracted");
	ok(comes_out(0, 640, &v32, 4) && last_implied == FAR, "its lower half, extended by sign");
	v32++;
	ok(!comes_out(0, 640, &v32, 4), "not beside it");
	any = FAR;
	ok(!comes_out(0, 660, &any, 8), "a symbol that nobody knows: nothing is allowed");
	rel = NEAR - 4 - (0x1000 + undo.delta + PAGE - 2);
	memcpy(b, &rel, 4);
	ok(comes_out(0, PAGE - 2, b, 2) && comes_out(1, 0, b + 2, 2) && !last_whole,
	   "one that lies in two pages");
	b[1] ^= 1;
	b[2] ^= 1;
	ok(!comes_out(0, PAGE - 2, b, 2) && !comes_out(1, 0, b + 2, 2), "each half is looked at");
	ok(comes_out(0, 700, &high, 4), "the upper half of the delta");
	high++;
	ok(!comes_out(0, 700, &high, 4), "not another");

	rel = NEAR - (0x1000 + undo.delta + 685);
	memcpy(call + 1, &rel, 4);
	ok(!comes_out(0, 680, call, 5), "who knows no trampolines allows none");
	undo.traced = traced;
	ok(comes_out(0, 680, call, 5), "a call to a trampoline");
	call[0] = 0xcc;
	ok(comes_out(0, 680, call, 5), "or int3 in its first byte");
	call[0] = 0xe9;
	ok(!comes_out(0, 680, call, 5), "not a jump");
	call[0] = 0xe8;
	call[1]++;
	ok(!comes_out(0, 680, call, 5), "nor a call beside it");
}

/* A call over the end of a page: each half is one of a function's. */
static void test_parts(void)
{
	struct fz_sites *s = fz_sites_new();
	int32_t rel = 0x5000 - (0x1000 + PAGE - 3 + 5);
	uint8_t b[6] = { 0xe8, 0, 0, 0, 0, 0x90 };
	int bad = fz_sites_target(s, PAGE - 3, (const uint8_t *)"\xe8????\x90", 6, 1);

	bad |= fz_sites_target(s, 200, (const uint8_t *)"\xe8????\x90", 6, 1);
	ok(!bad && !fz_sites_write(s, 2, put, NULL, &err), "a call over a page's end is packed");
	fz_sites_free(s);
	memcpy(b + 1, &rel, 4);
	ok(comes_out(0, PAGE - 3, b, 3) && comes_out(1, 0, b + 3, 3), "each half comes out");
	b[1] ^= 1;
	b[3] ^= 1;
	ok(!comes_out(0, PAGE - 3, b, 3) && !comes_out(1, 0, b + 3, 3), "not where it leads to none");
	b[1] ^= 1;
	b[3] ^= 1;
	b[5] = 0x91;
	ok(!comes_out(1, 0, b + 3, 3), "nor with another byte behind it");
	rel = 0x5000 - (0x1000 + 205);
	memcpy(b + 1, &rel, 4);
	ok(!comes_out(0, 200, b, 6), "nor one within a page");
	b[5] = 0x90;
	undo.target = NULL;
	undo.target_part = NULL;
	ok(!comes_out(0, 200, b, 6) && !comes_out(1, 0, b + 3, 3), "who knows no functions allows none");
}

static void test_constants(void)
{
	uint64_t ptr = fz_constant_id("runtime_ptr_x", false);
	uint64_t shift = fz_constant_id("runtime_shift_x", true);
	uint64_t max = fz_constant_id("runtime_ptr_USER_PTR_MAX", false);

	ok(fz_constant_may_be(ptr, 0xffff888012345000) &&
	   !fz_constant_may_be(ptr, 0xffff888012345001) &&
	   !fz_constant_may_be(ptr, 0x7fff12345000) &&
	   !fz_constant_may_be(ptr, 0xfeff888012345000) &&
	   fz_constant_may_be(shift, 63) && !fz_constant_may_be(shift, 64),
	   "a constant is an aligned address of the kernel, or a shift");
	ok(fz_constant_may_be(max, 0x7ffffffff000) && fz_constant_may_be(max, 0xfffffffffff000) &&
	   !fz_constant_may_be(max, 0xffff888012345000) && !fz_constant_may_be(max, ~0ULL),
	   "the end of user space is one of two");
}

int main(void)
{
	plan(52);
	make();
	test_values();
	test_target();
	test_delta();
	test_moved();
	test_near();
	test_broken();
	test_symbols();
	test_parts();
	test_constants();
	return done();
}
