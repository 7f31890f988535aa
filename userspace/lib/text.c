// SPDX-License-Identifier: GPL-2.0-only
/* text.c - foreign strings and times, made fit to show */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "text.h"

/*
 * Length of the well-formed UTF-8 sequence at @s, 0 = there is none, or one that a
 * terminal obeys and JSON does not escape: DEL, and what is C1 in UTF-8.
 */
static size_t utf8_length(const unsigned char *s)
{
	size_t n, i;

	if (s[0] < 0x80)
		return s[0] != 0x7f;
	if (s[0] == 0xc2 && s[1] < 0xa0)
		return 0;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static size_t plain_length(const unsigned char *s)
{
	return s[0] >= 0x20 && s[0] < 0x7f && s[0] != '\\';
}

static char *escape(const char *s, size_t (*keep)(const unsigned char *))
{
	const unsigned char *p = (const unsigned char *)s;
	char *out = malloc(4 * strlen(s) + 1), *q = out;

	if (!out)
		return NULL;
	while (*p) {
		size_t n = keep(p);

		if (n) {
			memcpy(q, p, n);
			q += n;
			p += n;
		} else {
			q += sprintf(q, "\\x%02x", *p++);
		}
	}
	*q = 0;
	return out;
}

char *fz_text_plain(const char *s)
{
	return escape(s, plain_length);
}

char *fz_text_utf8(const char *s)
{
	return escape(s, utf8_length);
}

void fz_text_time(uint64_t ns, char buf[FZ_TIME_TEXT])
{
	time_t t = ns / 1000000000;
	struct tm tm;
	size_t n;

	gmtime_r(&t, &tm);
	n = strftime(buf, FZ_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, FZ_TIME_TEXT - n, ".%06uZ", (unsigned int)(ns % 1000000000 / 1000));
}

void fz_text_hex(const uint8_t *bytes, size_t n, char *buf)
{
	static const char digit[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < n; i++) {
		buf[2 * i] = digit[bytes[i] >> 4];
		buf[2 * i + 1] = digit[bytes[i] & 15];
	}
	buf[2 * n] = 0;
}
