// SPDX-License-Identifier: GPL-2.0-only
/* release.c - names of releases, given and as os-release(5) has them */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "release.h"

#define VALUE	64	/* bytes of a value in os-release */

static const struct { const char *number, *name; } debian[] = {
	{ "7", "wheezy" }, { "8", "jessie" }, { "9", "stretch" }, { "10", "buster" },
	{ "11", "bullseye" }, { "12", "bookworm" }, { "13", "trixie" }, { "14", "forky" },
	{ "15", "duke" }, { "unstable", "sid" },
};

const char *fz_debian_codename(const char *release)
{
	size_t i;

	for (i = 0; i < sizeof(debian) / sizeof(debian[0]); i++)
		if (!strcmp(release, debian[i].number) || !strcmp(release, debian[i].name))
			return debian[i].name;
	return NULL;
}

/* Printable, of two parts, and no list. */
static bool well_formed(const char *s, size_t len)
{
	const char *colon = memchr(s, ':', len);
	size_t i;

	for (i = 0; i < len; i++)
		if (s[i] < 0x20 || s[i] > 0x7e || s[i] == ',' || s[i] == '\\')
			return false;
	return colon && colon != s && colon + 1 != s + len && len < FZ_RELEASE_TEXT;
}

bool fz_release_valid(const char *names)
{
	size_t len;

	for (;; names += len + 1) {
		len = strcspn(names, ",");
		if (!well_formed(names, len))
			return false;
		if (!names[len])
			return true;
	}
}

int fz_release_name(const char *given, char name[FZ_RELEASE_TEXT], struct fz_error *err)
{
	bool is_debian = !strncmp(given, "Debian:", 7);
	const char *code = fz_debian_codename(is_debian ? given + 7 : given);

	if (code)
		snprintf(name, FZ_RELEASE_TEXT, "Debian:%s", code);
	else if (!is_debian && well_formed(given, strlen(given)))
		strcpy(name, given);
	else
		return fz_fail(err, -EINVAL, "no release is called '%.64s': bookworm, Debian:12, "
			       "Alpine:v3.18...", given);
	return 0;
}

/* ---------------------------------------------------------------- os-release */

/* KEY=value, KEY="value": of the last line of that key, if it is plain. */
static void find_value(const char *s, size_t len, const char *key, char value[VALUE])
{
	const char *end = s + len, *nl;
	size_t n = strlen(key);

	*value = '\0';
	for (; s < end; s = nl + 1) {
		const char *from = s + n + 1, *to;

		nl = memchr(s, '\n', end - s) ?: end;
		if ((size_t)(nl - s) <= n || memcmp(s, key, n) || s[n] != '=')
			continue;
		for (to = nl; to > from && (to[-1] == ' ' || to[-1] == '\r'); to--)
			;
		if (to - from >= 2 && (*from == '"' || *from == '\'') && to[-1] == *from) {
			from++;
			to--;
		}
		*value = '\0';
		if (to - from < VALUE && !memchr(from, '"', to - from) &&
		    !memchr(from, '\'', to - from) && !memchr(from, '\0', to - from)) {
			memcpy(value, from, to - from);
			value[to - from] = '\0';
		}
	}
}

/* The length of "3", or with @minor of "3.18". */
static int version_len(const char *v, bool minor)
{
	int n = strspn(v, "0123456789"), m;

	if (!n || !minor)
		return n;
	m = v[n] == '.' ? strspn(v + n + 1, "0123456789") : 0;
	return m ? n + 1 + m : 0;
}

void fz_release_of_os(const char *text, size_t len, char name[FZ_RELEASE_TEXT])
{
	static const struct { const char *id, *format; bool minor; } known[] = {
		{ "ubuntu", "Ubuntu:%.*s", true }, { "alpine", "Alpine:v%.*s", true },
		{ "rhel", "Red Hat:enterprise_linux:%.*s", false },
		{ "rocky", "Rocky Linux:%.*s", false }, { "almalinux", "AlmaLinux:%.*s", false },
		{ "opensuse-leap", "openSUSE:Leap %.*s", true },
		{ "mageia", "Mageia:%.*s", false }, { "wolfi", "Wolfi:%.*s", false },
		{ "chainguard", "Chainguard:%.*s", false },
	};
	char id[VALUE], version[VALUE], code[VALUE];
	size_t i;
	int n;

	find_value(text, len, "ID", id);
	find_value(text, len, "VERSION_ID", version);
	find_value(text, len, "VERSION_CODENAME", code);
	*name = '\0';
	if (!*id)
		return;
	if (!strcmp(id, "debian")) {
		const char *a = fz_debian_codename(version), *b = fz_debian_codename(code);

		/* Testing and unstable have the code name alone, and the same. */
		if (a && b && !strcmp(a, b))
			snprintf(name, FZ_RELEASE_TEXT, "Debian:%s", a);
		return;
	}
	for (i = 0; i < sizeof(known) / sizeof(known[0]) && strcmp(known[i].id, id); i++)
		;
	n = i < sizeof(known) / sizeof(known[0]) ? version_len(version, known[i].minor) : 0;
	/* Alpine's edge: 3.23_alpha20250707. */
	if (n && !strcmp(id, "alpine") && version[n] && version[n] != '.')
		strcpy(name, "Alpine:edge");
	else if (n)
		snprintf(name, FZ_RELEASE_TEXT, known[i].format, n, version);
	else if (i == sizeof(known) / sizeof(known[0]))
		snprintf(name, FZ_RELEASE_TEXT, "%s:%.24s", id, *version ? version : *code ? code : "-");
	if (*name && !fz_release_valid(name))
		*name = '\0';
}
