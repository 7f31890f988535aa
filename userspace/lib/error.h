/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * error.h - how libfitzroy says what went wrong
 *
 * A function that can fail takes a struct fz_error, returns 0 or a negative
 * errno, and leaves one line in @text: what is wrong, with which object, and
 * what to do about it. The library never prints and never exits.
 */
#ifndef FZ_ERROR_H
#define FZ_ERROR_H

struct fz_error {
	char text[512];
};

/* Set the text; return @code (a negative errno), so that callers can return it. */
int fz_fail(struct fz_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
