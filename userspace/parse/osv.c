// SPDX-License-Identifier: GPL-2.0-only
/*
 * osv.c - a document of the Open Source Vulnerability format
 *
 * Of affected[], what is of a distribution whose order of versions is known: ranges of
 * type ECOSYSTEM, and versions that no range covers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "advisory_priv.h"
#include "release.h"

#define EVENTS_MAX	4096
#define VERSIONS_MAX	65536

enum event_kind { FIXED, INTRODUCED, LAST };	/* of one version, in this order */

struct event {
	enum event_kind kind;
	const char *version;
	enum fz_order order;
};

/* What the document says of a package. */
struct affected {
	struct fz_reading *r;
	enum fz_order order;
	const char *distro, *package, *id;
	struct fz_statement st;		/* release, flags and note */
};

enum fz_order fz_advisory_order(const char *distro)
{
	static const struct { const char *name; enum fz_order order; } known[] = {
		{ "Debian", FZ_ORDER_DEB }, { "Ubuntu", FZ_ORDER_DEB },
		{ "Alpine", FZ_ORDER_APK }, { "Alpaquita", FZ_ORDER_APK },
		{ "Chainguard", FZ_ORDER_APK }, { "Wolfi", FZ_ORDER_APK },
		{ "Red Hat", FZ_ORDER_RPM }, { "Rocky Linux", FZ_ORDER_RPM },
		{ "AlmaLinux", FZ_ORDER_RPM }, { "SUSE", FZ_ORDER_RPM },
		{ "openSUSE", FZ_ORDER_RPM }, { "Mageia", FZ_ORDER_RPM },
		{ "openEuler", FZ_ORDER_RPM }, { "Azure Linux", FZ_ORDER_RPM },
		{ "Photon OS", FZ_ORDER_RPM },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].name, distro))
			return known[i].order;
	return FZ_ORDERS;
}

static const char *string(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key)) ?: "";
}

static bool first(const char *version)
{
	return !strcmp(version, "0");
}

static int event_order(const void *a, const void *b)
{
	const struct event *x = a, *y = b;
	int cmp = 0;

	if (first(x->version) != first(y->version))
		return first(x->version) ? -1 : 1;
	if (!first(x->version))
		fz_version_compare(x->order, x->version, y->version, &cmp);
	return cmp ? cmp : (int)x->kind - (int)y->kind;
}

static int give(struct affected *a, enum fz_statement_kind kind, const char *introduced,
		const char *fixed, const char *last)
{
	struct fz_statement st = a->st;

	st.kind = kind;
	st.introduced = introduced;
	st.fixed = fixed;
	st.last = last;
	return fz_advise(a->r, a->distro, a->package, a->id, &st);
}

/* A range that can't be ordered is not known to hold anything, nor nothing. */
static int undetermined(struct affected *a)
{
	a->r->done->skipped++;
	return give(a, FZ_SAYS_UNDETERMINED, "", "", "");
}

static int sort_events(struct affected *a, json_t *events, struct event *sorted, size_t *n)
{
	static const char *const names[] = { "fixed", "introduced", "last_affected" };
	json_t *j, *v;
	size_t i;
	int k;

	*n = 0;
	json_array_foreach(events, i, j) {
		for (k = 0; k < 3; k++) {
			v = json_object_get(j, names[k]);
			if (!v)
				continue;
			if (!json_is_string(v) || *n == EVENTS_MAX ||
			    (!first(json_string_value(v)) &&
			     !fz_version_valid(a->order, json_string_value(v))))
				return -EINVAL;
			sorted[(*n)++] = (struct event){ k, json_string_value(v), a->order };
		}
	}
	if (*n)
		qsort(sorted, *n, sizeof(*sorted), event_order);
	return *n ? 0 : -EINVAL;
}

static int read_range(struct affected *a, json_t *range, struct event *sorted)
{
	const char *open = NULL;
	size_t n, i;
	int ret = 0;

	if (strcmp(string(range, "type"), "ECOSYSTEM")) {
		a->r->done->foreign++;
		return 0;
	}
	if (sort_events(a, json_object_get(range, "events"), sorted, &n))
		return undetermined(a);
	for (i = 0; !ret && i < n; i++) {
		const struct event *e = &sorted[i];

		if (e->kind == INTRODUCED) {
			open = open ? open : e->version;
			continue;
		}
		if (open)
			ret = give(a, FZ_SAYS_RANGE, open, e->kind == FIXED ? e->version : "",
				   e->kind == LAST ? e->version : "");
		open = NULL;
	}
	return ret || !open ? ret : give(a, FZ_SAYS_RANGE, open, "", "");
}

/* Is @version within a range? Evaluated as the specification says, event by event. */
static bool covered(const struct affected *a, json_t *ranges, const char *version,
		    struct event *sorted)
{
	json_t *range;
	size_t k, n, i;
	int cmp;

	json_array_foreach(ranges, k, range) {
		bool in = false;

		if (strcmp(string(range, "type"), "ECOSYSTEM") ||
		    sort_events((struct affected *)a, json_object_get(range, "events"), sorted, &n))
			continue;
		for (i = 0; i < n; i++) {
			cmp = 1;
			if (!first(sorted[i].version) &&
			    fz_version_compare(a->order, version, sorted[i].version, &cmp))
				return false;
			if (sorted[i].kind == INTRODUCED ? cmp >= 0 : sorted[i].kind == FIXED ?
			    cmp >= 0 : cmp > 0)
				in = sorted[i].kind == INTRODUCED;
		}
		if (in)
			return true;
	}
	return false;
}

static int read_affected(struct affected *a, json_t *j)
{
	json_t *ranges = json_object_get(j, "ranges"), *versions = json_object_get(j, "versions");
	struct event *sorted = calloc(EVENTS_MAX, sizeof(*sorted));
	json_t *item;
	int ret = 0;
	size_t i;

	if (!sorted)
		return fz_fail(a->r->err, -ENOMEM, "out of memory");
	json_array_foreach(ranges, i, item) {
		ret = read_range(a, item, sorted);
		if (ret)
			break;
	}
	if (!ret && json_array_size(versions) > VERSIONS_MAX)
		ret = undetermined(a);
	else if (!ret)
		json_array_foreach(versions, i, item) {
			const char *v = json_string_value(item);

			if (!v || !fz_version_valid(a->order, v))
				a->r->done->skipped++;
			else if (!covered(a, ranges, v, sorted))
				ret = give(a, FZ_SAYS_VERSION, v, "", "");
			if (ret)
				break;
		}
	free(sorted);
	return ret;
}

/* "DEBIAN-CVE-2024-0727" is known as CVE-2024-0727 elsewhere. */
static const char *common_id(const char *id)
{
	const char *cve = strstr(id, "-CVE-");

	return cve && (!strncmp(id, "DEBIAN-", 7) || !strncmp(id, "ALPINE-", 7) ||
		       !strncmp(id, "UBUNTU-", 7)) ? cve + 1 : id;
}

int fz_read_osv(struct fz_reading *r, json_t *doc)
{
	json_t *list = json_object_get(doc, "affected"), *j;
	const char *id = common_id(string(doc, "id"));
	size_t i;
	int ret;

	r->done->documents++;
	if (json_is_string(json_object_get(doc, "withdrawn"))) {
		r->done->withdrawn++;
		return 0;
	}
	if (!*id) {
		r->done->skipped++;
		return 0;
	}
	json_array_foreach(list, i, j) {
		json_t *package = json_object_get(j, "package");
		const char *ecosystem = string(package, "ecosystem"), *colon = strchr(ecosystem, ':');
		const char *urgency = string(json_object_get(j, "ecosystem_specific"), "urgency");
		struct affected a = { .r = r, .package = string(package, "name"), .id = id,
				      .st = { .release = colon ? colon + 1 : "", .note = "" } };
		size_t len = colon ? (size_t)(colon - ecosystem) : strlen(ecosystem);
		char distro[64] = "";

		if (len < sizeof(distro))
			memcpy(distro, ecosystem, len);
		a.distro = distro;
		a.order = fz_advisory_order(distro);
		if (a.order == FZ_ORDERS || !*a.package) {
			r->done->foreign++;
			continue;
		}
		if (!strcmp(distro, "Debian"))
			a.st.release = fz_debian_codename(a.st.release) ?: a.st.release;
		if (!strcmp(urgency, "unimportant") || !strcmp(urgency, "end-of-life")) {
			a.st.flags = FZ_SAYS_MINOR;
			a.st.note = urgency;
		}
		ret = read_affected(&a, j);
		if (ret)
			return ret;
	}
	return 0;
}
