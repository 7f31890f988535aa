// SPDX-License-Identifier: GPL-2.0-only
/*
 * control.c - Debian control files
 */
#include <errno.h>
#include <string.h>
#include "control.h"

const char *fz_control_field(const char *s, const char *end, const char *field, size_t *len)
{
	size_t n = strlen(field);

	while (s < end) {
		const char *nl = memchr(s, '\n', end - s);
		const char *e = nl ? nl : end;

		if ((size_t)(e - s) > n && !strncasecmp(s, field, n) && s[n] == ':') {
			for (s += n + 1; s < e && (*s == ' ' || *s == '\t'); s++)
				;
			while (e > s && (e[-1] == ' ' || e[-1] == '\t' || e[-1] == '\r'))
				e--;
			*len = e - s;
			return s;
		}
		s = e + 1;
	}
	return NULL;
}

bool fz_word_copy(char *to, size_t size, const char *s, size_t len)
{
	size_t i;

	if (!len || len >= size)
		return false;
	for (i = 0; i < len; i++)
		if (s[i] <= 0x20 || s[i] >= 0x7f || s[i] == '/')
			return false;
	memcpy(to, s, len);
	to[len] = '\0';
	return true;
}

const char *fz_control_end(const char *s, const char *end)
{
	const char *p = memmem(s, end - s, "\n\n", 2);

	return p ? p + 1 : end;
}

/* "Source: name (version)"; either part defaults to the package's own. */
static bool parse_source(struct fz_package *p, const char *s, size_t len)
{
	const char *open, *close;
	size_t n = 0;

	strcpy(p->source, p->name);
	strcpy(p->source_version, p->version);
	if (!s)
		return true;
	while (n < len && s[n] != ' ')
		n++;
	if (!fz_word_copy(p->source, sizeof(p->source), s, n))
		return false;
	if (n == len)
		return true;
	open = memchr(s, '(', len);
	close = memchr(s, ')', len);
	return open && close && close > open &&
		fz_word_copy(p->source_version, sizeof(p->source_version), open + 1,
			     close - open - 1);
}

int fz_control_parse(struct fz_package *p, const char *text, size_t len, struct fz_error *err)
{
	const char *end = fz_control_end(text, text + len);
	const struct {
		const char *name;
		char *to;
		size_t size;
	} fields[] = {
		{ "Package", p->name, sizeof(p->name) },
		{ "Version", p->version, sizeof(p->version) },
		{ "Architecture", p->arch, sizeof(p->arch) },
	};
	const char *s;
	size_t i, n = 0;

	memset(p, 0, sizeof(*p));
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		s = fz_control_field(text, end, fields[i].name, &n);
		if (!s)
			return fz_fail(err, -EINVAL, "its control file has no %s", fields[i].name);
		if (!fz_word_copy(fields[i].to, fields[i].size, s, n))
			return fz_fail(err, -EINVAL, "%s in its control file makes no sense",
				       fields[i].name);
	}
	s = fz_control_field(text, end, "Source", &n);
	if (!parse_source(p, s, n))
		return fz_fail(err, -EINVAL, "Source in its control file makes no sense");
	return 0;
}
