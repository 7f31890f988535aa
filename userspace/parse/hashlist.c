// SPDX-License-Identifier: GPL-2.0-only
/*
 * hashlist.c - lists of SHA-256, as text and as NSRL's sets
 *
 * A line is "SHA256  KIND [NAME]", KIND being good, malicious or vulnerable, or, if the
 * operator said what all are, "SHA256  [NAME]" as sha256sum prints it. Empty lines and
 * those that begin with # are nothing.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "advisory_priv.h"

#define LINE_MAX	4096
#define NAME_MAX	200
#define HEAP_MAX	(256 << 20)	/* bytes that SQLite may use */

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_sha256(const char *s, uint8_t sha256[32])
{
	int i;

	for (i = 0; i < 32; i++) {
		int high = hex_value(s[2 * i]), low = high < 0 ? -1 : hex_value(s[2 * i + 1]);

		if (low < 0)
			return false;
		sha256[i] = high << 4 | low;
	}
	return true;
}

/* A name of at most NAME_MAX printable characters. */
static void plain(char *to, const char *from)
{
	size_t n;

	for (n = 0; n < NAME_MAX && from[n]; n++)
		to[n] = from[n] < 0x20 || from[n] >= 0x7f ? '?' : from[n];
	to[n] = '\0';
}

static int give(struct fz_reading *r, const uint8_t sha256[32], enum fz_label_kind kind,
		const char *name)
{
	char text[NAME_MAX + 1];
	int ret;

	plain(text, name);
	ret = r->to->hash(r->to->ctx, sha256, kind, text, r->err);
	if (ret != -EINVAL)
		return ret;
	r->done->skipped++;
	return 0;
}

static char *word(char **p)
{
	char *start;

	*p += strspn(*p, " \t");
	start = *p;
	*p += strcspn(*p, " \t");
	if (**p)
		*(*p)++ = '\0';
	*p += strspn(*p, " \t");
	return start;
}

static int read_line(struct fz_reading *r, char *line, unsigned long number)
{
	static const struct { const char *word; enum fz_label_kind kind; } kinds[] = {
		{ "good", FZ_LABEL_GOOD }, { "malicious", FZ_LABEL_MALICIOUS },
		{ "vulnerable", FZ_LABEL_VULNERABLE },
	};
	char *hash = word(&line), *kind;
	uint8_t sha256[32];
	size_t i;

	if (!*hash || *hash == '#')
		return 0;
	r->done->documents++;
	if (strlen(hash) != 64 || !parse_sha256(hash, sha256))
		return fz_fail(r->err, -EINVAL, "line %lu has no SHA-256", number);
	if (r->to->as != FZ_LABELS)
		return give(r, sha256, r->to->as, *line == '*' ? line + 1 : line);
	kind = word(&line);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kind, kinds[i].word))
			return give(r, sha256, kinds[i].kind, line);
	return fz_fail(r->err, -EINVAL, "line %lu says neither good, malicious nor vulnerable; if all "
		       "lines are one of these, say --as", number);
}

int fz_read_hashes(struct fz_reading *r, struct fz_stream *s)
{
	unsigned long number = 0;
	char line[LINE_MAX];
	int c, ret = 0;

	while (!ret && fz_stream_peek(s) != FZ_EOF) {
		size_t n = 0;

		number++;
		while ((c = fz_stream_get(s)) != '\n' && c != FZ_EOF) {
			if (!c || n + 1 == sizeof(line))
				return fz_fail(r->err, -EINVAL, "line %lu makes no sense", number);
			line[n++] = c;
		}
		while (n && line[n - 1] == '\r')
			n--;
		line[n] = '\0';
		ret = read_line(r, line, number);
	}
	return s->failed ? -EINVAL : ret;
}

/* --------------------------------------------------------------------- NSRL */

/*
 * A set has what is known, which is not what is good: hacking tools, too. Their
 * packages have a type that says so, and only such without are good.
 */
static enum fz_label_kind nsrl_kind(const char *type)
{
	static const char *const bad[] = { "hack", "stegan", "keylog", "malware", "exploit",
					   "crack", "virus" };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcasestr(type, bad[i]))
			return FZ_LABEL_LISTED;
	return FZ_LABEL_GOOD;
}

static const char *column(sqlite3_stmt *st, int i)
{
	return (const char *)sqlite3_column_text(st, i) ?: "";
}

static int read_rows(struct fz_reading *r, sqlite3 *db, sqlite3_stmt *st)
{
	char name[NAME_MAX + 1];
	uint8_t sha256[32];
	int rc, ret = 0;

	while (!ret && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *hash = column(st, 0);

		r->done->documents++;
		if (strlen(hash) != 64 || !parse_sha256(hash, sha256)) {
			r->done->skipped++;
			continue;
		}
		snprintf(name, sizeof(name), "%.90s %.40s, %.60s", column(st, 1), column(st, 2),
			 column(st, 3));
		ret = give(r, sha256, nsrl_kind(column(st, 3)), name);
	}
	if (!ret && rc != SQLITE_DONE)
		ret = fz_fail(r->err, -EINVAL, "its SQLite database is damaged: %s", sqlite3_errmsg(db));
	return ret;
}

static int too_long(void *left)
{
	return !--*(int *)left;
}

int fz_read_nsrl(struct fz_reading *r, int fd)
{
	static const char query[] = "SELECT f.sha256, p.name, p.version, p.application_type"
		" FROM FILE f LEFT JOIN PKG p ON p.package_id = f.package_id";
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	char uri[64];
	int rc, ret, left = FZ_ADVISORY_STEPS / 1000;

	/* Just this file: no journal beside it, nothing locked, nothing written. */
	snprintf(uri, sizeof(uri), "file:/proc/self/fd/%d?immutable=1", fd);
	sqlite3_hard_heap_limit64(HEAP_MAX);
	rc = sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
		sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
		sqlite3_exec(db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0", NULL, NULL, NULL);
		if (left)
			sqlite3_progress_handler(db, 1000, too_long, &left);
		rc = sqlite3_prepare_v2(db, query, -1, &st, NULL);
	}
	if (rc != SQLITE_OK)
		ret = fz_fail(r->err, -EINVAL, "it is no set of NSRL, or damaged: %s",
			      db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
	else
		ret = read_rows(r, db, st);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return ret;
}
