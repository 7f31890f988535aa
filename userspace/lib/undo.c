// SPDX-License-Identifier: GPL-2.0-only
/* undo.c - see undo.h; pure: bytes in, bytes out */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "undo.h"

#define PASSES	3	/* a site within a site within a site */

struct site {
	unsigned int at, kind, len;
	const uint8_t *data;	/* VALUE, TARGET, MOVED: the bytes */
	const uint8_t *fields;	/* MOVED: @nfields of them */
	unsigned int nfields;
	int field;		/* TARGET */
	unsigned int width, from, shift, minus;
	uint64_t original;	/* SYMBOL: the symbol; CALL: the slot */
	int32_t addend;
	bool relative;
};

/* Take the site at @p. Return what it is long, or 0 if it is broken. */
static size_t parse(const uint8_t *p, size_t left, struct site *s)
{
	size_t n = 4;

	if (left < 4)
		return 0;
	*s = (struct site){ .at = p[0] | p[1] << 8, .kind = p[2], .len = p[3] };
	if (!s->len || s->at + s->len > FZ_UNDO_PAGE)
		return 0;
	switch (s->kind) {
	case FZ_SITE_VALUE:
		s->data = p + n;
		n += s->len;
		break;
	case FZ_SITE_TARGET:
		if (left < 5)
			return 0;
		s->field = (int8_t)p[4];
		s->data = p + 5;
		n += 1 + s->len;
		if (s->field < -3 || s->field >= (int)s->len)
			return 0;
		break;
	case FZ_SITE_CALL:
		if (left < 13)
			return 0;
		s->field = (int8_t)p[4];
		memcpy(&s->original, p + 5, 8);
		s->original = le64toh(s->original);
		s->data = p + 13;
		n += 9 + s->len;
		if (s->field < 0 || s->field + 4 > (int)s->len)
			return 0;
		break;
	case FZ_SITE_DELTA:
		if (left < 16)
			return 0;
		s->width = p[4];
		s->from = p[5];
		s->shift = p[6];
		s->minus = p[7];
		memcpy(&s->original, p + 8, 8);
		s->original = le64toh(s->original);
		n += 12;
		if (s->width > 8 || s->from + s->len > s->width || s->shift > 32)
			return 0;
		break;
	case FZ_SITE_SYMBOL:
		if (left < 20)
			return 0;
		s->width = p[4];
		s->from = p[5];
		s->relative = p[6];
		memcpy(&s->addend, p + 8, 4);
		s->addend = le32toh(s->addend);
		memcpy(&s->original, p + 12, 8);
		s->original = le64toh(s->original);
		n += 16;
		if ((s->width != 1 && s->width != 4 && s->width != 8) ||
		    s->from + s->len > s->width)
			return 0;
		break;
	case FZ_SITE_MOVED:
		if (left < 5)
			return 0;
		s->nfields = p[4];
		s->fields = p + 5;
		if (!s->nfields || s->nfields > FZ_MOVED_MAX)
			return 0;
		s->data = s->fields + s->nfields * FZ_MOVED_BYTES;
		n += 1 + s->nfields * FZ_MOVED_BYTES + s->len;
		break;
	case FZ_SITE_ANY:
		break;
	case FZ_SITE_TRACED:
		if (s->len != 5)
			return 0;
		break;
	default:
		return 0;
	}
	return n <= left ? n : 0;
}

static bool target_allowed(const struct site *s, const struct fz_undo *u, const uint8_t *have)
{
	int from = s->field < 0 ? -s->field : 0, to = 4, i;
	uint64_t next = u->vaddr + s->at + s->field + 4;
	uint8_t rel[4] = { 0 };
	int32_t v;

	for (i = 0; i < (int)s->len; i++)
		if ((i < s->field || i >= s->field + 4) && have[i] != s->data[i])
			return false;
	if (s->field + to > (int)s->len)
		to = s->len - s->field;
	for (i = from; i < to; i++)
		rel[i] = have[s->field + i];
	if (from || to < 4)
		return u->target_part && u->target_part(u->ctx, next, rel, from, to);
	memcpy(&v, rel, 4);
	next += (int32_t)le32toh(v);
	return u->target && u->target(u->ctx, next) &&
	       (s->kind != FZ_SITE_CALL || !u->call ||
		u->call(u->ctx, s->original, next, u->vaddr + s->at));
}

static bool delta_allowed(const struct site *s, const struct fz_undo *u, const uint8_t *have)
{
	uint64_t by = u->delta >> s->shift, want = s->minus ? s->original - by : s->original + by;
	uint8_t bytes[8];

	want = htole64(want);
	memcpy(bytes, &want, 8);
	return !memcmp(have, bytes + s->from, s->len);
}

static bool moved_allowed(const struct site *s, const struct fz_undo *u, const uint8_t *have)
{
	uint8_t want[FZ_SITE_MAX + 1], bytes[8];
	const uint8_t *f = s->fields;
	unsigned int i;
	uint64_t field;
	int k;

	memcpy(want, s->data, s->len);
	for (i = 0; i < s->nfields; i++, f += FZ_MOVED_BYTES) {
		memcpy(&field, f + 3, 8);
		field = le64toh(field);
		field = htole64(f[2] ? field - u->delta : field + u->delta);
		memcpy(bytes, &field, 8);
		for (k = 0; k < f[1] && k < 8; k++)
			if ((int8_t)f[0] + k >= 0 && (int8_t)f[0] + k < (int)s->len)
				want[(int8_t)f[0] + k] = bytes[k];
	}
	return !memcmp(have, want, s->len);
}

static bool symbol_allowed(const struct site *s, const struct fz_undo *u, const uint8_t *have)
{
	uint64_t place = u->vaddr + u->delta + s->at - s->from, value, implied = 0;
	bool whole = s->len == s->width;
	uint8_t bytes[8];
	int32_t field;

	if (!u->symbol)
		return false;
	if (whole) {
		memcpy(&implied, have, s->width);
		implied = le64toh(implied);
		field = implied;
		if (s->width == 4)
			implied = (int64_t)field;
		implied -= (int64_t)s->addend;
		if (s->relative)
			implied += place;
	}
	if (!u->symbol(u->ctx, s->original, whole, implied, &value))
		return false;
	value += (int64_t)s->addend;
	if (s->relative)
		value -= place;
	value = htole64(value);
	memcpy(bytes, &value, 8);
	return !memcmp(have, bytes + s->from, s->len);
}

static bool allowed(const struct site *s, const struct fz_undo *u, const uint8_t *have)
{
	uint32_t rel;

	switch (s->kind) {
	case FZ_SITE_VALUE:
		return !memcmp(have, s->data, s->len);
	case FZ_SITE_TARGET:
	case FZ_SITE_CALL:
		return target_allowed(s, u, have);
	case FZ_SITE_DELTA:
		return delta_allowed(s, u, have);
	case FZ_SITE_MOVED:
		return moved_allowed(s, u, have);
	case FZ_SITE_SYMBOL:
		return symbol_allowed(s, u, have);
	case FZ_SITE_TRACED:
		memcpy(&rel, have + 1, 4);
		return (*have == 0xe8 || *have == 0xcc) && u->traced &&
		       u->traced(u->ctx, u->vaddr + u->delta + s->at + 5 + (int32_t)le32toh(rel));
	default:
		return true;
	}
}

int fz_undo(const uint8_t *sites, size_t len, const uint8_t original[FZ_UNDO_PAGE],
	    const struct fz_undo *u, uint8_t page[FZ_UNDO_PAGE])
{
	uint8_t captured[FZ_UNDO_PAGE];
	int pass, undone = 0, before;
	struct site s;
	size_t pos, n;

	memcpy(captured, page, sizeof(captured));
	for (pass = 0; pass < PASSES; pass++) {
		before = undone;
		for (pos = 0; pos < len; pos += n) {
			n = parse(sites + pos, len - pos, &s);
			if (!n)
				return -EBADMSG;
			if (!memcmp(page + s.at, original + s.at, s.len))
				continue;
			/* As it was captured, or with what lies in it undone. */
			if (!allowed(&s, u, captured + s.at) && !allowed(&s, u, page + s.at))
				continue;
			memcpy(page + s.at, original + s.at, s.len);
			undone++;
		}
		if (undone == before || !memcmp(page, original, FZ_UNDO_PAGE))
			break;
	}
	return undone;
}

uint64_t fz_constant_id(const char *section, bool shift)
{
	return (fz_symbol_id(section) & ~1ULL) | shift;
}

bool fz_constant_may_be(uint64_t id, uint64_t value)
{
	/* TASK_SIZE_MAX, of 4 and of 5 levels of page tables */
	if (id == fz_constant_id("runtime_ptr_USER_PTR_MAX", false))
		return value == 0x7ffffffff000 || value == 0xfffffffffff000;
	if (id & 1)
		return value < 64;
	/* else something that the kernel has allocated */
	return value >> 55 == 0x1ff && !(value & 7);
}
