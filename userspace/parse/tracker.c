// SPDX-License-Identifier: GPL-2.0-only
/*
 * tracker.c - the Debian security tracker's JSON
 *
 *	{"SOURCE": {"CVE-...": {"releases": {"bookworm": {"status": "resolved",
 *	  "repositories": {"bookworm": VERSION, "bookworm-security": VERSION},
 *	  "fixed_version": VERSION, "urgency": "...", "nodsa": "...", ...
 *
 * Its 70 MB are read advisory by advisory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "advisory_priv.h"

#define SUITES_MAX	64	/* of a package, to give each once */

struct suites {
	size_t n;
	struct { char release[64], version[256]; } suite[SUITES_MAX];
};

static const char *string(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key)) ?: "";
}

static int read_suites(struct fz_reading *r, const char *package, const char *release,
		       json_t *repositories, struct suites *have)
{
	const char *name;
	json_t *version;
	int ret;

	json_object_foreach(repositories, name, version) {
		struct fz_statement st = { .kind = FZ_SAYS_SUITE, .release = release,
			.introduced = "", .fixed = json_string_value(version), .last = "", .note = "" };
		size_t i;

		if (!st.fixed || !fz_version_valid(FZ_ORDER_DEB, st.fixed)) {
			r->done->skipped++;
			continue;
		}
		for (i = 0; i < have->n; i++)
			if (!strcmp(have->suite[i].release, release) &&
			    !strcmp(have->suite[i].version, st.fixed))
				break;
		if (i < have->n)
			continue;
		ret = fz_advise(r, "Debian", package, "", &st);
		if (ret)
			return ret;
		if (have->n < SUITES_MAX && strlen(release) < 64 && strlen(st.fixed) < 256) {
			strcpy(have->suite[have->n].release, release);
			strcpy(have->suite[have->n++].version, st.fixed);
		}
	}
	return 0;
}

static int read_release(struct fz_reading *r, const char *package, const char *id,
			const char *release, json_t *j)
{
	const char *status = string(j, "status"), *urgency = string(j, "urgency");
	const char *nodsa = string(j, "nodsa"), *reason = string(j, "nodsa_reason");
	char note[512] = "";
	struct fz_statement st = { .kind = FZ_SAYS_RANGE, .release = release, .introduced = "",
				   .fixed = string(j, "fixed_version"), .last = "", .note = note };
	char *p;

	if (!strcmp(urgency, "unimportant") || !strcmp(urgency, "end-of-life")) {
		st.flags = FZ_SAYS_MINOR;
		strcpy(note, urgency);
	} else if (json_is_string(json_object_get(j, "nodsa")) && !*st.fixed) {
		/* Where a fix came nevertheless, it counts as any other. */
		st.flags = FZ_SAYS_MINOR;
		snprintf(note, sizeof(note), "no-dsa%s%.64s: %.400s", *reason ? ", " : "", reason, nodsa);
	}
	for (p = note; *p; p++)
		if (*p < 0x20 || *p >= 0x7f)
			*p = '?';
	if (!strcmp(status, "resolved") && !strcmp(st.fixed, "0")) {
		st.kind = FZ_SAYS_CLEAR;
		st.fixed = "";
	} else if (!strcmp(status, "undetermined")) {
		st.kind = FZ_SAYS_UNDETERMINED;
	} else if ((strcmp(status, "resolved") || !*st.fixed) && strcmp(status, "open")) {
		r->done->skipped++;
		return 0;
	}
	if (*st.fixed && !fz_version_valid(FZ_ORDER_DEB, st.fixed)) {
		r->done->skipped++;
		st.kind = FZ_SAYS_UNDETERMINED;
		st.fixed = "";
	}
	return fz_advise(r, "Debian", package, id, &st);
}

static int read_advisory(struct fz_reading *r, const char *package, const char *id, json_t *j,
			 struct suites *have)
{
	json_t *releases = json_object_get(j, "releases"), *release;
	const char *name;
	int ret = 0;

	r->done->documents++;
	if (!json_is_object(releases)) {
		r->done->skipped++;
		return 0;
	}
	json_object_foreach(releases, name, release) {
		if (!json_is_object(release) || !*name) {
			r->done->skipped++;
			continue;
		}
		ret = read_suites(r, package, name, json_object_get(release, "repositories"), have);
		if (!ret)
			ret = read_release(r, package, id, name, release);
		if (ret)
			break;
	}
	return ret;
}

/* After a member of an object: 1 = another follows, 0 = that was the last. */
static int more(struct fz_stream *s)
{
	if (fz_stream_skip(s) == '}')
		return fz_stream_expect(s, '}');
	return fz_stream_expect(s, ',') ? -EINVAL : 1;
}

/* 1 = it has members, 0 = it is empty. */
static int open_object(struct fz_stream *s)
{
	int ret = fz_stream_expect(s, '{');

	if (ret)
		return ret;
	return fz_stream_skip(s) == '}' ? fz_stream_expect(s, '}') : 1;
}

static int read_package(struct fz_reading *r, struct fz_stream *s, const char *package)
{
	struct suites have = { .n = 0 };
	char id[512];
	json_t *j;
	int ret;

	for (ret = open_object(s); ret > 0; ret = more(s)) {
		ret = fz_stream_key(s, id, sizeof(id));
		if (!ret)
			ret = fz_stream_expect(s, ':');
		if (ret)
			return ret;
		if (fz_stream_skip(s) != '{')
			return s->failed ? -EINVAL : fz_fail(r->err, -EINVAL, "%.64s of %.64s is no object",
							     id, package);
		j = fz_stream_json(s);
		ret = j ? read_advisory(r, package, id, j, &have) : -EINVAL;
		json_decref(j);
		if (ret)
			return ret;
	}
	return ret;
}

int fz_read_tracker(struct fz_reading *r, struct fz_stream *s)
{
	char package[512];
	int ret;

	for (ret = open_object(s); ret > 0; ret = more(s)) {
		ret = fz_stream_key(s, package, sizeof(package));
		if (!ret)
			ret = fz_stream_expect(s, ':');
		if (!ret)
			ret = read_package(r, s, package);
		if (ret)
			return ret;
	}
	return ret;
}
