/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * text.h - foreign strings and times, made fit to show
 */
#ifndef FZ_TEXT_H
#define FZ_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define FZ_TIME_TEXT	32

/*
 * @s with everything but printable ASCII, and the backslash, as \xNN: it cannot
 * steer a terminal. The caller frees; NULL = out of memory.
 */
char *fz_text_plain(const char *s);

/* @s with each byte that is not UTF-8 as \xNN, for JSON. As above. */
char *fz_text_utf8(const char *s);

/* Nanoseconds since 1970 as "2026-11-22T09:17:38.123456Z". */
void fz_text_time(uint64_t ns, char buf[FZ_TIME_TEXT]);

/* Bytes as lower-case hex; @buf holds 2 * @n + 1. */
void fz_text_hex(const uint8_t *bytes, size_t n, char *buf);

#endif
