// SPDX-License-Identifier: GPL-2.0-only
/* advisory.c - what is this file, and who reads it? */
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "advisory_priv.h"

#define BLOCK		(1 << 16)
#define FILES_MAX	(1UL << 24)

/* ------------------------------------------------------------------ streams */

static int refill(struct fz_stream *s)
{
	la_int64_t offset;
	const void *data;
	size_t n = 0;
	int ret;

	do {
		ret = archive_read_data_block(s->a, &data, &n, &offset);
	} while ((ret == ARCHIVE_OK || ret == ARCHIVE_WARN) && !n);
	if (ret == ARCHIVE_EOF)
		return FZ_EOF;
	if (ret != ARCHIVE_OK && ret != ARCHIVE_WARN) {
		const char *why = archive_error_string(s->a);

		s->failed = true;
		fz_fail(s->err, -EINVAL, "it is cut short or damaged (%s)", why ? why : "unreadable");
		return FZ_EOF;
	}
	*s->unpacked += n;
	if (*s->unpacked > FZ_ADVISORY_UNPACKED) {
		s->failed = true;
		fz_fail(s->err, -E2BIG, "it unpacks to more than %lu MiB", FZ_ADVISORY_UNPACKED >> 20);
		return FZ_EOF;
	}
	s->p = data;
	s->end = s->p + n;
	return 0;
}

int fz_stream_get(struct fz_stream *s)
{
	int c;

	if (s->replay < s->looked)
		return s->look[s->replay++];
	if (s->failed || (s->p == s->end && refill(s)))
		return FZ_EOF;
	c = *s->p++;
	if (s->recording) {
		if (s->looked == FZ_LOOK) {
			s->failed = true;
			fz_fail(s->err, -EINVAL, "it is no advisory, hash list or set");
			return FZ_EOF;
		}
		s->look[s->looked++] = c;
		s->replay = s->looked;
	}
	return c;
}

int fz_stream_peek(struct fz_stream *s)
{
	if (s->replay < s->looked)
		return s->look[s->replay];
	if (s->failed || (s->p == s->end && refill(s)))
		return FZ_EOF;
	return *s->p;
}

int fz_stream_skip(struct fz_stream *s)
{
	int c;

	while ((c = fz_stream_peek(s)) == ' ' || c == '\n' || c == '\t' || c == '\r')
		fz_stream_get(s);
	return c;
}

int fz_stream_expect(struct fz_stream *s, int c)
{
	int have = fz_stream_skip(s);

	if (have == c) {
		fz_stream_get(s);
		return 0;
	}
	if (s->failed)
		return -EINVAL;
	return have == FZ_EOF ? fz_fail(s->err, -EINVAL, "it is cut short") :
		fz_fail(s->err, -EINVAL, "it is damaged: '%c' where '%c' should be", have, c);
}

int fz_stream_key(struct fz_stream *s, char *buf, size_t size)
{
	size_t n = 0;
	int c, ret;

	ret = fz_stream_expect(s, '"');
	if (ret)
		return ret;
	while ((c = fz_stream_get(s)) != '"') {
		if (c == FZ_EOF)
			return s->failed ? -EINVAL : fz_fail(s->err, -EINVAL, "it is cut short");
		if (c == '\\' || c < 0x20 || n + 1 == size)
			return fz_fail(s->err, -EINVAL, "a name in it makes no sense");
		buf[n++] = c;
	}
	buf[n] = '\0';
	return 0;
}

/* One byte at a time: what follows the value stays for the next. */
static size_t give_byte(void *buf, size_t len, void *ctx)
{
	struct fz_stream *s = ctx;
	int c;

	if (!len || s->failed)
		return 0;
	if (++s->value > FZ_ADVISORY_VALUE) {
		s->failed = true;
		fz_fail(s->err, -E2BIG, "a value in it has more than %lu MiB",
			FZ_ADVISORY_VALUE >> 20);
		return 0;
	}
	c = fz_stream_get(s);
	if (c == FZ_EOF)
		return 0;
	*(char *)buf = c;
	return 1;
}

json_t *fz_stream_json(struct fz_stream *s)
{
	json_error_t why;
	json_t *j;

	s->value = 0;
	j = json_load_callback(give_byte, s, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &why);
	if (!j && !s->failed)
		fz_fail(s->err, -EINVAL, "its JSON is cut short or damaged: %s", why.text);
	return j;
}

/* ------------------------------------------------------------------- giving */

int fz_advise(struct fz_reading *r, const char *distro, const char *package, const char *id,
	      const struct fz_statement *st)
{
	int ret = r->to->statement(r->to->ctx, distro, package, id, st, r->err);

	if (ret != -EINVAL)
		return ret;
	r->done->skipped++;
	return 0;
}

static int set_format(struct fz_reading *r, const char *format)
{
	if (r->done->format && strcmp(r->done->format, format))
		return fz_fail(r->err, -EINVAL, "files of two kinds: %s and %s; import them one by one",
			       r->done->format, format);
	r->done->format = format;
	return 0;
}

/* ---------------------------------------------------------------- detection */

enum what { NONE, TRACKER, OSV, OSV_ARRAY, HASHES, BAD };

static bool is_osv_key(const char *key)
{
	static const char *const keys[] = { "schema_version", "id", "modified", "published",
		"withdrawn", "aliases", "upstream", "related", "summary", "details", "severity",
		"affected", "references", "credits", "database_specific", "schema-version" };
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

/* {"package": {"CVE-...": ... or {"id": ... */
static enum what what_object(struct fz_stream *s)
{
	char key[512], inner[512];

	fz_stream_get(s);
	if (fz_stream_skip(s) != '"' || fz_stream_key(s, key, sizeof(key)) ||
	    fz_stream_expect(s, ':'))
		return NONE;
	if (fz_stream_skip(s) == '{') {
		fz_stream_get(s);
		if (fz_stream_skip(s) == '"' && !fz_stream_key(s, inner, sizeof(inner)) &&
		    (!strncmp(inner, "CVE-", 4) || !strncmp(inner, "TEMP-", 5)))
			return TRACKER;
	}
	return is_osv_key(key) ? OSV : NONE;
}

static bool is_hex(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static enum what what_text(struct fz_stream *s)
{
	int i, c = fz_stream_skip(s);

	while (c == '#') {
		while ((c = fz_stream_get(s)) != '\n' && c != FZ_EOF)
			;
		c = fz_stream_skip(s);
	}
	for (i = 0; i < 64; i++)
		if (!is_hex(fz_stream_get(s)))
			return NONE;
	c = fz_stream_get(s);
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == FZ_EOF ? HASHES : NONE;
}

static enum what detect(struct fz_stream *s)
{
	enum what what;
	int c;

	s->recording = true;
	c = fz_stream_skip(s);
	what = c == '{' ? what_object(s) : c == '[' ? OSV_ARRAY : c == FZ_EOF ? NONE : what_text(s);
	s->recording = false;
	/* Looking further than FZ_LOOK fails; only damage fails for good. */
	if (s->failed && s->looked < FZ_LOOK)
		return BAD;
	s->failed = s->failed && what == NONE;
	s->replay = 0;
	return what;
}

/* -------------------------------------------------------------------- files */

static int read_osv_array(struct fz_reading *r, struct fz_stream *s)
{
	json_t *doc;
	int ret;

	ret = fz_stream_expect(s, '[');
	if (!ret && fz_stream_skip(s) == ']')
		return fz_stream_expect(s, ']');
	while (!ret) {
		if (fz_stream_skip(s) != '{')
			return s->failed ? -EINVAL : fz_fail(r->err, -EINVAL,
							     "it is no array of OSV documents");
		doc = fz_stream_json(s);
		if (!doc)
			return -EINVAL;
		ret = fz_read_osv(r, doc);
		json_decref(doc);
		if (!ret && fz_stream_skip(s) == ']')
			return fz_stream_expect(s, ']');
		if (!ret)
			ret = fz_stream_expect(s, ',');
	}
	return ret;
}

static int read_osv(struct fz_reading *r, struct fz_stream *s)
{
	json_t *doc = fz_stream_json(s);
	int ret = doc ? fz_read_osv(r, doc) : -EINVAL;

	json_decref(doc);
	return ret;
}

/* One file of JSON or text. 0 with nothing set: it is neither. */
static int read_stream(struct fz_reading *r, struct fz_stream *s, bool alone)
{
	int ret;

	switch (detect(s)) {
	case TRACKER:
		ret = set_format(r, "Debian security tracker");
		if (!ret)
			ret = fz_read_tracker(r, s);
		break;
	case OSV:
		ret = set_format(r, "OSV");
		if (!ret)
			ret = read_osv(r, s);
		break;
	case OSV_ARRAY:
		ret = set_format(r, "OSV");
		if (!ret)
			ret = read_osv_array(r, s);
		break;
	case HASHES:
		ret = set_format(r, "hash list");
		if (!ret)
			ret = fz_read_hashes(r, s);
		break;
	case BAD:
		return -EINVAL;
	default:
		if (alone)
			return fz_fail(r->err, -EINVAL, "it is no advisory, hash list or set");
		r->done->skipped++;	/* a README */
		return 0;
	}
	if (!ret && fz_stream_skip(s) != FZ_EOF)
		ret = fz_fail(r->err, -EINVAL, "it is damaged: it goes on after its end");
	return !ret && s->failed ? -EINVAL : ret;
}

static int read_archive(struct fz_reading *r, struct archive *a)
{
	struct archive_entry *entry;
	uint64_t unpacked = 0, files = 0;
	bool alone;
	int status, ret = 0;

	while (!ret && ((status = archive_read_next_header(a, &entry)) == ARCHIVE_OK ||
			status == ARCHIVE_WARN)) {
		struct fz_stream s = { .a = a, .err = r->err, .unpacked = &unpacked };

		if (++files > FILES_MAX)
			return fz_fail(r->err, -E2BIG, "it has more than %lu files", FILES_MAX);
		alone = archive_format(a) == ARCHIVE_FORMAT_RAW;
		if (!alone && archive_entry_filetype(entry) != AE_IFREG)
			continue;
		ret = read_stream(r, &s, alone);
		if (ret && !alone) {
			const char *name = archive_entry_pathname(entry);
			struct fz_error why = *r->err;

			fz_fail(r->err, ret, "%.128s: %s", name ? name : "a file", why.text);
		}
	}
	if (!ret && status != ARCHIVE_EOF)
		ret = fz_fail(r->err, -EINVAL, "it is cut short or damaged (%s)",
			      archive_error_string(a) ?: "unreadable");
	return ret;
}

int fz_advisory_read(int fd, const struct fz_advice *to, struct fz_advisory_read *done,
		     struct fz_error *err)
{
	struct fz_reading r = { .to = to, .done = done, .err = err };
	static const char sqlite[16] = "SQLite format 3";
	char magic[16] = "";
	struct archive *a;
	int ret;

	if (pread(fd, magic, sizeof(magic), 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return fz_fail(err, -errno, "it cannot be read: %s", strerror(errno));
	if (!memcmp(magic, sqlite, sizeof(magic))) {
		ret = set_format(&r, "NSRL");
		return ret ? ret : fz_read_nsrl(&r, fd);
	}
	a = archive_read_new();
	if (!a)
		return fz_fail(err, -ENOMEM, "out of memory");
	archive_read_support_format_raw(a);
	archive_read_support_format_zip(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_empty(a);
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_bzip2(a);
	if (archive_read_open_fd(a, fd, BLOCK) != ARCHIVE_OK)
		ret = fz_fail(err, -EINVAL, "it is cut short or damaged (%s)",
			      archive_error_string(a) ?: "unreadable");
	else
		ret = read_archive(&r, a);
	archive_read_free(a);
	if (!ret && !done->format)
		ret = fz_fail(err, -EINVAL, "it is no advisory, hash list or set");
	return ret;
}
