/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * control.h - Debian control files
 */
#ifndef FZ_CONTROL_H
#define FZ_CONTROL_H

#include "harvest.h"

/* Parse the first stanza of @text (@len bytes). -EINVAL: a field is missing or makes no sense. */
int fz_control_parse(struct fz_package *package, const char *text, size_t len,
		     struct fz_error *err);

/*
 * Find @field in the stanza [@s, @end): its first line, without blanks around it.
 * Continuation lines begin with a blank and so never match.
 */
const char *fz_control_field(const char *s, const char *end, const char *field, size_t *len);

/* Where the stanza at @s ends: at an empty line, or @end. */
const char *fz_control_end(const char *s, const char *end);

/* Copy a word; false if it is empty, too long or has anything but printable ASCII in it. */
bool fz_word_copy(char *to, size_t size, const char *s, size_t len);

#endif
