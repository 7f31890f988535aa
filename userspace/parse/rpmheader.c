// SPDX-License-Identifier: GPL-2.0-only
/*
 * rpmheader.c - rpm's headers, as packages and the installed database have them
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "control.h"
#include "rpmheader.h"

#define INDEX_MAX	(1U << 16)	/* entries, as rpm */

enum { TYPE_INT32 = 4, TYPE_STRING = 6, TYPE_BIN = 7, TYPE_STRINGS = 8, TYPE_I18N = 9 };

struct entry {
	uint32_t tag, type, offset, count;
};

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

int fz_rpmheader_parse(struct fz_rpmheader *h, const void *p, size_t size, struct fz_error *err)
{
	const uint8_t *s = p;

	if (size < 8)
		return fz_fail(err, -EINVAL, "its rpm header is cut short");
	h->entries = u32(s);
	h->bytes = u32(s + 4);
	if (!h->entries || h->entries > INDEX_MAX || h->bytes > FZ_RPM_HEADER_MAX ||
	    size - 8 < 16ULL * h->entries + h->bytes)
		return fz_fail(err, -EINVAL, "its rpm header makes no sense");
	h->index = s + 8;
	h->data = h->index + 16 * h->entries;
	return 0;
}

static bool find(const struct fz_rpmheader *h, uint32_t tag, struct entry *e)
{
	const uint8_t *p = h->index;
	uint32_t i;

	for (i = 0; i < h->entries; i++, p += 16) {
		if (u32(p) != tag)
			continue;
		*e = (struct entry) { tag, u32(p + 4), u32(p + 8), u32(p + 12) };
		return e->offset < h->bytes && e->count;
	}
	return false;
}

struct fz_rpmstrings fz_rpm_strings(const struct fz_rpmheader *h, uint32_t tag)
{
	struct fz_rpmstrings none = { 0 }, s;
	struct entry e;

	if (!find(h, tag, &e) ||
	    (e.type != TYPE_STRING && e.type != TYPE_STRINGS && e.type != TYPE_I18N))
		return none;
	s.s = (const char *)h->data + e.offset;
	s.end = (const char *)h->data + h->bytes;
	s.left = e.type == TYPE_STRING ? 1 : e.count;
	return s;
}

const char *fz_rpm_next(struct fz_rpmstrings *s)
{
	const char *this = s->s, *nul;

	if (!s->left)
		return NULL;
	nul = memchr(this, '\0', s->end - this);
	if (!nul) {
		s->left = 0;
		return NULL;
	}
	s->left--;
	s->s = nul + 1;
	return this;
}

const char *fz_rpm_string(const struct fz_rpmheader *h, uint32_t tag)
{
	struct fz_rpmstrings s = fz_rpm_strings(h, tag);

	return fz_rpm_next(&s);
}

bool fz_rpm_u32(const struct fz_rpmheader *h, uint32_t tag, uint32_t i, uint32_t *value)
{
	struct entry e;

	if (!find(h, tag, &e) || e.type != TYPE_INT32 || i >= e.count ||
	    4 * ((uint64_t)i + 1) > h->bytes - e.offset)
		return false;
	*value = u32(h->data + e.offset + 4 * i);
	return true;
}

const uint8_t *fz_rpm_bytes(const struct fz_rpmheader *h, uint32_t tag, uint32_t *len)
{
	struct entry e;

	if (!find(h, tag, &e) || e.type != TYPE_BIN || e.count > h->bytes - e.offset)
		return NULL;
	*len = e.count;
	return h->data + e.offset;
}

bool fz_hex(const char *hex, uint8_t *to, size_t len)
{
	unsigned int byte;
	size_t i;

	if (strlen(hex) != 2 * len || strspn(hex, "0123456789abcdef") != 2 * len)
		return false;
	for (i = 0; i < len; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		to[i] = byte;
	}
	return true;
}

/* "name-version-release.src.rpm"; a source package has none. */
static bool parse_source(struct fz_package *p, const char *s, const char *epoch)
{
	char version[sizeof(p->source_version)];
	const char *end, *dash = NULL, *c;
	int dashes = 0;

	if (!s || !strcmp(s, "(none)")) {
		strcpy(p->source, p->name);
		strcpy(p->source_version, p->version);
		return true;
	}
	end = s + strlen(s);
	if (end - s < 9 || (strcmp(end - 8, ".src.rpm") && strcmp(end - 10, ".nosrc.rpm")))
		return false;
	end -= end[-8] == '.' && end[-7] == 's' ? 8 : 10;
	for (c = end; c > s && dashes < 2; c--)
		if (c[-1] == '-' && ++dashes == 2)
			dash = c - 1;
	if (!dash || snprintf(version, sizeof(version), "%s%.*s", epoch, (int)(end - dash - 1),
			      dash + 1) >= (int)sizeof(version))
		return false;
	return fz_word_copy(p->source, sizeof(p->source), s, dash - s) &&
		fz_word_copy(p->source_version, sizeof(p->source_version), version,
			     strlen(version));
}

int fz_rpm_package(const struct fz_rpmheader *h, struct fz_package *p, struct fz_error *err)
{
	const char *name = fz_rpm_string(h, FZ_RPM_NAME);
	const char *version = fz_rpm_string(h, FZ_RPM_VERSION);
	const char *release = fz_rpm_string(h, FZ_RPM_RELEASE);
	const char *arch = fz_rpm_string(h, FZ_RPM_ARCH);
	char whole[sizeof(p->version)], prefix[16] = "";
	uint32_t epoch;

	memset(p, 0, sizeof(*p));
	if (!name || !version || !release)
		return fz_fail(err, -EINVAL, "its rpm header has no name, version or release");
	if (fz_rpm_u32(h, FZ_RPM_EPOCH, 0, &epoch))
		snprintf(prefix, sizeof(prefix), "%u:", epoch);
	if (snprintf(whole, sizeof(whole), "%s%s-%s", prefix, version, release) >=
	    (int)sizeof(whole) ||
	    !fz_word_copy(p->name, sizeof(p->name), name, strlen(name)) ||
	    !fz_word_copy(p->version, sizeof(p->version), whole, strlen(whole)) ||
	    !fz_word_copy(p->arch, sizeof(p->arch), arch ? arch : "noarch",
			  strlen(arch ? arch : "noarch")) ||
	    !parse_source(p, fz_rpm_string(h, FZ_RPM_SOURCERPM), prefix))
		return fz_fail(err, -EINVAL, "its rpm header's name, version or source makes no sense");
	return 0;
}
