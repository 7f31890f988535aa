/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tap.h - a test program's output: Test Anything Protocol
 *
 *	plan(2);
 *	ok(sum(1, 2) == 3, "one and two are three");
 *	skip("no /dev/fitzroy");
 *	return done();
 *
 * Without plan(), done() prints the number of tests that ran. A program that
 * ends early, or runs more or fewer tests than it planned, has failed.
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

/* Weak: the files of one program count together. */
__attribute__((weak)) struct {
	int planned, run, failed;
} tap;

static inline void plan(int n)
{
	tap.planned = n;
	printf("1..%d\n", n);
	fflush(stdout);
}

static inline __attribute__((format(printf, 4, 5)))
bool tap_ok(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap.run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!good) {
		tap.failed++;
		printf("# failed at %s:%d\n", file, line);
	}
	fflush(stdout);
	return good;
}

/* Count one test; return whether it passed, so that details can be printed with diag(). */
#define ok(cond, ...)	tap_ok((cond), __FILE__, __LINE__, __VA_ARGS__)

static inline __attribute__((format(printf, 1, 2), unused))
void diag(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

/* Count one test that could not run here. */
static inline __attribute__((format(printf, 1, 2), unused))
void skip(const char *fmt, ...)
{
	va_list ap;

	printf("ok %d # SKIP ", ++tap.run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

/* End; the value is main()'s. */
static inline int done(void)
{
	if (!tap.planned) {
		plan(tap.run);
	} else if (tap.planned != tap.run) {
		diag("planned %d tests, ran %d", tap.planned, tap.run);
		return 1;
	}
	return tap.failed || !tap.run;
}

#endif
