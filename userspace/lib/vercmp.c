// SPDX-License-Identifier: GPL-2.0-only
/* vercmp.c - the orders of versions: dpkg's, rpm's, apk's */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "vercmp.h"

#define VERSION_MAX	1024	/* bytes; the longest of Debian's has 60 */

/* ctype.h depends on the locale. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
	return is_digit(c) || is_alpha(c);
}

/* A part of a version. */
struct part {
	const char *p, *end;
};

static struct part part(const char *p, const char *end)
{
	return (struct part){ p, end };
}

static char at(const struct part *s)
{
	return s->p < s->end ? *s->p : '\0';
}

/* Take the digits that @s begins with, without leading zeros. */
static struct part number(struct part *s)
{
	struct part n;

	while (at(s) == '0')
		s->p++;
	n.p = s->p;
	while (is_digit(at(s)))
		s->p++;
	n.end = s->p;
	return n;
}

/* Of any length: as strings. */
static int compare_numbers(struct part a, struct part b)
{
	ptrdiff_t la = a.end - a.p, lb = b.end - b.p;

	return la != lb ? (la < lb ? -1 : 1) : memcmp(a.p, b.p, la);
}

/* "EPOCH:rest": a missing one is 0. False if what is there is no number. */
static bool take_epoch(struct part *s, struct part *epoch)
{
	const char *colon = memchr(s->p, ':', s->end - s->p);
	struct part digits;

	*epoch = part(s->p, s->p);
	if (!colon)
		return true;
	digits = part(s->p, colon);
	s->p = colon + 1;
	*epoch = number(&digits);
	return digits.p == colon && epoch->end - epoch->p <= 10;
}

/* --------------------------------------------------------------------- dpkg */

struct deb {
	struct part epoch, upstream, revision;
};

static bool only(const struct part *s, const char *others)
{
	const char *p;

	for (p = s->p; p < s->end; p++)
		if (!is_alnum(*p) && !strchr(others, *p))
			return false;
	return true;
}

static bool deb_parse(const char *v, struct deb *out)
{
	struct part s = part(v, v + strlen(v));
	const char *dash;

	if (s.p == s.end || *s.p == ':' || !take_epoch(&s, &out->epoch))
		return false;
	dash = memrchr(s.p, '-', s.end - s.p);
	out->upstream = part(s.p, dash ? dash : s.end);
	out->revision = dash ? part(dash + 1, s.end) : part(s.end, s.end);
	return is_digit(at(&out->upstream)) && only(&out->upstream, ".-+~:") &&
	       (!dash || dash + 1 < s.end) && only(&out->revision, ".+~");
}

/* '~' before the end, the end before letters, letters before the rest. */
static int deb_weight(char c)
{
	if (!c || is_digit(c))
		return 0;
	if (is_alpha(c))
		return (unsigned char)c;
	return c == '~' ? -1 : (unsigned char)c + 256;
}

static int deb_compare_part(struct part a, struct part b)
{
	int c;

	while (a.p < a.end || b.p < b.end) {
		while ((a.p < a.end && !is_digit(*a.p)) || (b.p < b.end && !is_digit(*b.p))) {
			c = deb_weight(at(&a)) - deb_weight(at(&b));
			if (c)
				return c;
			a.p += a.p < a.end;
			b.p += b.p < b.end;
		}
		c = compare_numbers(number(&a), number(&b));
		if (c)
			return c;
	}
	return 0;
}

static int deb_compare(const struct deb *a, const struct deb *b)
{
	int c = compare_numbers(a->epoch, b->epoch);

	if (!c)
		c = deb_compare_part(a->upstream, b->upstream);
	return c ? c : deb_compare_part(a->revision, b->revision);
}

/* ---------------------------------------------------------------------- rpm */

static bool rpm_parse(const char *v, struct deb *out)
{
	struct part s = part(v, v + strlen(v));
	const char *dash;

	if (s.p == s.end || *s.p == ':' || !take_epoch(&s, &out->epoch))
		return false;
	dash = memrchr(s.p, '-', s.end - s.p);
	out->upstream = part(s.p, dash ? dash : s.end);
	out->revision = dash ? part(dash + 1, s.end) : part(s.end, s.end);
	return out->upstream.p < out->upstream.end && only(&out->upstream, "._+~^%{}") &&
	       (!dash || dash + 1 < s.end) && only(&out->revision, "._+~^%{}");
}

static bool rpm_separator(char c)
{
	return c && !is_alnum(c) && c != '~' && c != '^';
}

static int rpm_compare_part(struct part a, struct part b)
{
	while (a.p < a.end || b.p < b.end) {
		struct part x, y;
		int c;

		while (rpm_separator(at(&a)))
			a.p++;
		while (rpm_separator(at(&b)))
			b.p++;
		/* '~' is before everything, the end included */
		if (at(&a) == '~' || at(&b) == '~') {
			if (at(&a) != '~')
				return 1;
			if (at(&b) != '~')
				return -1;
			a.p++;
			b.p++;
			continue;
		}
		/* '^' is after the end, and before everything else */
		if (at(&a) == '^' || at(&b) == '^') {
			if (a.p == a.end)
				return -1;
			if (b.p == b.end)
				return 1;
			if (*a.p != '^')
				return 1;
			if (*b.p != '^')
				return -1;
			a.p++;
			b.p++;
			continue;
		}
		if (a.p == a.end || b.p == b.end)
			break;
		x = a;
		y = b;
		if (is_digit(*a.p)) {
			if (!is_digit(*b.p))
				return 1;	/* a number is after a word */
			c = compare_numbers(number(&a), number(&b));
		} else {
			size_t la, lb;

			while (is_alpha(at(&a)))
				a.p++;
			while (is_alpha(at(&b)))
				b.p++;
			if (b.p == y.p)
				return -1;
			la = a.p - x.p;
			lb = b.p - y.p;
			c = memcmp(x.p, y.p, la < lb ? la : lb);
			if (!c)
				c = la < lb ? -1 : la > lb;
		}
		if (c)
			return c;
	}
	return (a.p < a.end) - (b.p < b.end);
}

/* An advisory that names no release means all of that version. */
static int rpm_compare(const struct deb *a, const struct deb *b)
{
	int c = compare_numbers(a->epoch, b->epoch);

	if (!c)
		c = rpm_compare_part(a->upstream, b->upstream);
	if (c || a->revision.p == a->revision.end || b->revision.p == b->revision.end)
		return c;
	return rpm_compare_part(a->revision, b->revision);
}

/* ---------------------------------------------------------------------- apk */

/* digit{.digit}...{letter}{_suffix{#}}...{~hash}{-r#}; the order of these is their rank. */
enum token { T_NONE, T_FIRST, T_DIGIT, T_LETTER, T_SUFFIX, T_SUFFIX_NO, T_HASH, T_REVISION, T_END };

struct apk {
	struct part left;
	enum token type;
	struct part value;
	int suffix;	/* before the release if negative */
};

static int apk_suffix(const struct part *s)
{
	static const char *const names[] = { "alpha", "beta", "pre", "rc", "", "cvs", "svn",
					     "git", "hg", "p" };
	size_t i, n = s->end - s->p;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (n && strlen(names[i]) == n && !memcmp(names[i], s->p, n))
			return (int)i - 4;
	return 0;
}

/* Take the next token; its type tells it apart from what else could follow. */
static bool apk_next(struct apk *v)
{
	enum token last = v->type;
	struct part *s = &v->left;
	bool (*take)(char) = is_digit;
	char c = at(s);

	if (!c && last != T_NONE) {
		v->type = T_END;
		return true;
	}
	if (last == T_NONE) {
		v->type = T_FIRST;
	} else if (c == '.' && last <= T_DIGIT) {
		v->type = T_DIGIT;
		s->p++;
	} else if (is_lower(c) && last <= T_DIGIT) {
		v->type = T_LETTER;
		v->value = part(s->p, s->p + 1);
		s->p++;
		return true;
	} else if (is_digit(c) && last == T_SUFFIX) {
		v->type = T_SUFFIX_NO;
	} else if (c == '_' && last <= T_SUFFIX_NO) {
		v->type = T_SUFFIX;
		s->p++;
		take = is_lower;
	} else if (c == '~' && last < T_HASH) {
		v->type = T_HASH;
		s->p++;
		take = is_alnum;
	} else if (c == '-' && s->end - s->p > 2 && s->p[1] == 'r' && last < T_REVISION) {
		v->type = T_REVISION;
		s->p += 2;
	} else {
		return false;
	}
	v->value.p = s->p;
	while (s->p < s->end && take(*s->p))
		s->p++;
	v->value.end = s->p;
	if (v->type == T_SUFFIX)
		v->suffix = apk_suffix(&v->value);
	return v->value.p < v->value.end && (v->type != T_SUFFIX || v->suffix);
}

static bool apk_valid(const char *s)
{
	struct apk v = { .left = part(s, s + strlen(s)) };

	do {
		if (!apk_next(&v))
			return false;
	} while (v.type != T_END);
	return true;
}

/* Two tokens of one type. */
static int apk_compare_token(const struct apk *a, const struct apk *b)
{
	struct part x = a->value, y = b->value;
	size_t lx = x.end - x.p, ly = y.end - y.p;
	int c;

	switch (a->type) {
	case T_SUFFIX:
		return a->suffix < b->suffix ? -1 : a->suffix > b->suffix;
	case T_DIGIT:
		/* Behind a dot, "01" is a fraction of "1", and before it. */
		if (*x.p != '0' && *y.p != '0')
			break;
		/* fall through */
	case T_LETTER:
	case T_HASH:
		c = memcmp(x.p, y.p, lx < ly ? lx : ly);
		return c ? c : lx < ly ? -1 : lx > ly;
	case T_END:
		return 0;
	default:
		break;
	}
	return compare_numbers(number(&x), number(&y));
}

static int apk_compare(const char *s, const char *t)
{
	struct apk a = { .left = part(s, s + strlen(s)) }, b = { .left = part(t, t + strlen(t)) };
	int c;

	do {
		apk_next(&a);
		apk_next(&b);
		c = a.type == b.type ? apk_compare_token(&a, &b) : 0;
	} while (!c && a.type == b.type && a.type != T_END);
	if (c || a.type == b.type)
		return c;
	/* What goes on is the later, but for what comes before a release. */
	if (a.type == T_SUFFIX && a.suffix < 0)
		return -1;
	if (b.type == T_SUFFIX && b.suffix < 0)
		return 1;
	return a.type > b.type ? -1 : 1;
}

/* ---------------------------------------------------------------------- all */

bool fz_version_valid(enum fz_order order, const char *v)
{
	struct deb d;

	if (strnlen(v, VERSION_MAX + 1) > VERSION_MAX)
		return false;
	switch (order) {
	case FZ_ORDER_DEB:
		return deb_parse(v, &d);
	case FZ_ORDER_RPM:
		return rpm_parse(v, &d);
	default:
		return apk_valid(v);
	}
}

int fz_version_compare(enum fz_order order, const char *a, const char *b, int *cmp)
{
	struct deb x, y;

	if (!fz_version_valid(order, a) || !fz_version_valid(order, b))
		return -EINVAL;
	if (order == FZ_ORDER_APK) {
		*cmp = apk_compare(a, b);
		return 0;
	}
	if (order == FZ_ORDER_DEB) {
		deb_parse(a, &x);
		deb_parse(b, &y);
		*cmp = deb_compare(&x, &y);
	} else {
		rpm_parse(a, &x);
		rpm_parse(b, &y);
		*cmp = rpm_compare(&x, &y);
	}
	return 0;
}
