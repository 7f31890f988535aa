// SPDX-License-Identifier: GPL-2.0-only
/*
 * error.c - how libfitzroy says what went wrong
 */
#include <stdarg.h>
#include <stdio.h>
#include "error.h"

/* What is quoted may come from a hostile file: keep it on one line, and harmless on a terminal. */
static void clean(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

int fz_fail(struct fz_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	clean(err->text);
	return code;
}
