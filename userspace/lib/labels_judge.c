// SPDX-License-Identifier: GPL-2.0-only
/*
 * labels_judge.c - what the statements about a package mean for one version of it
 *
 * An advisory speaks of a release. A package seldom says of which it is, so each release
 * that it may be of is asked, and only what all of them say is claimed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "labels_judge.h"

enum outcome { NOTHING, CLEAR, UNDETERMINED, MINOR, AFFECTED };

/* What one release says in one advisory. */
struct said {
	enum outcome outcome;
	const char *fixed, *note;
};

const char *fz_label_name(enum fz_label_kind kind)
{
	static const char *const names[FZ_LABELS] = { "malicious", "vulnerable", "possible",
						      "undetermined", "minor", "listed", "good" };

	return kind < FZ_LABELS ? names[kind] : "?";
}

/* "Red Hat:enterprise_linux:9" speaks for "...:9::appstream", too. */
static bool release_matches(const char *of, const char *asked)
{
	size_t n = strlen(asked);

	return !*of || (!strncmp(of, asked, n) && (!of[n] || of[n] == ':'));
}

static enum outcome weigh(const struct fz_lab_subject *s, const struct fz_statement *st)
{
	enum outcome affected = st->flags & FZ_SAYS_MINOR ? MINOR : AFFECTED;
	int cmp;

	switch (st->kind) {
	case FZ_SAYS_CLEAR:
		return CLEAR;
	case FZ_SAYS_UNDETERMINED:
		return UNDETERMINED;
	case FZ_SAYS_VERSION:
		return !strcmp(s->version, st->introduced) ? affected : CLEAR;
	default:
		break;
	}
	if (*st->introduced && strcmp(st->introduced, "0")) {
		if (fz_version_compare(s->order, s->version, st->introduced, &cmp))
			return UNDETERMINED;
		if (cmp < 0)
			return CLEAR;
	}
	if (*st->fixed) {
		if (fz_version_compare(s->order, s->version, st->fixed, &cmp))
			return UNDETERMINED;
		return cmp < 0 ? affected : CLEAR;
	}
	if (*st->last) {
		if (fz_version_compare(s->order, s->version, st->last, &cmp))
			return UNDETERMINED;
		return cmp <= 0 ? affected : CLEAR;
	}
	return affected;
}

/* What @release says in the record at @w. */
static int ask(struct fz_lab_walk *w, const struct fz_lab_subject *s, const char *release,
	       struct said *out, struct fz_error *err)
{
	const uint8_t *p = w->val.mv_data, *end = p + w->val.mv_size;
	struct fz_statement st;
	int ret;

	*out = (struct said){ NOTHING, "", "" };
	while ((ret = fz_lab_next(&p, end, &st)) > 0) {
		enum outcome o;

		if (st.kind == FZ_SAYS_SUITE || !release_matches(st.release, release))
			continue;
		o = weigh(s, &st);
		if (o > out->outcome)
			*out = (struct said){ o, st.fixed, st.note };
	}
	return ret ? fz_lab_broken(err, w->l->store.path, "an advisory") : 0;
}

static int add_label(struct fz_label **labels, size_t *n, size_t *cap, enum fz_label_kind kind,
		     const char *id, const char *fixed, const char *release, const char *note,
		     uint32_t source)
{
	struct fz_label *at;

	if (FZ_GROW(*labels, *n, *cap))
		return -ENOMEM;
	at = &(*labels)[(*n)++];
	*at = (struct fz_label){ kind, strdup(id), strdup(fixed), strdup(release), strdup(note),
				 source };
	return at->id && at->fixed && at->release && at->note ? 0 : -ENOMEM;
}

static int judge_record(struct fz_lab_walk *w, const struct fz_lab_subject *s,
			struct fz_lab_judged *j, struct fz_error *err)
{
	struct said said, first = { NOTHING, "", "" };
	char releases[FZ_RELEASES_MAX * 68] = "", note[512];
	size_t counts[AFFECTED + 1] = { 0 }, i, used = 0;
	enum fz_label_kind kind;
	int ret;

	for (i = 0; i < s->n; i++) {
		ret = ask(w, s, s->releases[i], &said, err);
		if (ret)
			return ret;
		counts[said.outcome]++;
		if (said.outcome <= CLEAR)
			continue;
		if (said.outcome > first.outcome)
			first = said;
		used += snprintf(releases + used, sizeof(releases) - used, "%s%.64s",
				 used ? ", " : "", s->releases[i]);
	}
	if (first.outcome <= CLEAR)
		return 0;
	snprintf(note, sizeof(note), "%.500s", first.note);
	if (counts[AFFECTED] == s->n) {
		kind = FZ_LABEL_VULNERABLE;
	} else if (counts[AFFECTED]) {
		kind = FZ_LABEL_POSSIBLE;
		snprintf(note, sizeof(note), "not in all of the releases that it may be of");
	} else {
		kind = counts[MINOR] ? FZ_LABEL_MINOR : FZ_LABEL_UNDETERMINED;
	}
	if (add_label(&j->labels, &j->n, &j->cap, kind, w->id, first.fixed, releases, note,
		      w->source))
		return fz_fail(err, -ENOMEM, "out of memory");
	return 0;
}

static int label_order(const void *a, const void *b)
{
	const struct fz_label *x = a, *y = b;
	int c = (int)x->kind - (int)y->kind;

	if (!c)
		c = strcmp(x->id, y->id);
	return c ? c : (int)x->source - (int)y->source;
}

static int judge(struct fz_labels *l, const struct fz_hashdb_file *f, struct fz_lab_judged *j,
		 struct fz_error *err)
{
	struct fz_lab_walk w = { .l = l };
	struct fz_lab_subject s;
	int ret = fz_lab_subject(l, f, &s, err);

	if (!ret && s.n)
		ret = fz_lab_walk_open(&w, l, s.distro, s.package, err);
	while (!ret && (ret = fz_lab_walk_next(&w, err)) > 0)
		ret = *w.id ? judge_record(&w, &s, j, err) : 0;
	fz_lab_walk_close(&w);
	fz_lab_subject_free(&s);
	if (j->n)
		qsort(j->labels, j->n, sizeof(*j->labels), label_order);
	return ret;
}

/* -------------------------------------------------------------- remembering */

static int judge_content(struct fz_labels *l, struct fz_lab_content *c, struct fz_error *err)
{
	uint8_t want[32 + sizeof(uint32_t)] = { 0 };
	MDB_val key = { sizeof(want), want }, val;
	MDB_cursor *cur;
	int rc, ret = 0;
	uint32_t id, i;

	memcpy(want, c->sha256, 32);
	rc = mdb_cursor_open(l->store.txn, l->store.dbi[FZ_LAB_HASHES], &cur);
	if (rc)
		return fz_lab_mdb(err, l->store.path, rc);
	for (rc = mdb_cursor_get(cur, &key, &val, MDB_SET_RANGE); !rc && !ret;
	     rc = mdb_cursor_get(cur, &key, &val, MDB_NEXT)) {
		const uint8_t *v = val.mv_data;

		if (key.mv_size != sizeof(want) || memcmp(key.mv_data, c->sha256, 32))
			break;
		memcpy(&id, (uint8_t *)key.mv_data + 32, sizeof(id));
		for (i = 0; i < l->info.nsources && l->sources[i].id != be32toh(id); i++)
			;
		if (i == l->info.nsources || val.mv_size < 2 || v[0] >= FZ_LABELS ||
		    v[val.mv_size - 1])
			ret = fz_lab_broken(err, l->store.path, "a hash");
		else if (add_label(&c->labels, &c->n, &c->cap, v[0], (const char *)v + 1, "", "", "",
				   i))
			ret = fz_fail(err, -ENOMEM, "out of memory");
	}
	mdb_cursor_close(cur);
	if (c->n)
		qsort(c->labels, c->n, sizeof(*c->labels), label_order);
	return ret || !rc || rc == MDB_NOTFOUND ? ret : fz_lab_mdb(err, l->store.path, rc);
}

static int content_of(struct fz_labels *l, const struct fz_hashdb_file *f, size_t *at,
		      struct fz_error *err)
{
	struct fz_lab_content *c;
	uint64_t hash;
	uint32_t i;
	size_t it;

	memcpy(&hash, f->sha256, sizeof(hash));
	it = FZ_INDEX_START(hash);
	while ((i = fz_index_next(&l->by_sha, hash, &it)) != FZ_NONE) {
		*at = i;
		if (!memcmp(l->contents[i].sha256, f->sha256, 32))
			return 0;
	}
	if (FZ_GROW(l->contents, l->ncontents, l->contents_cap) ||
	    fz_index_add(&l->by_sha, hash, l->ncontents))
		return fz_fail(err, -ENOMEM, "out of memory");
	*at = l->ncontents++;
	c = &l->contents[*at];
	*c = (struct fz_lab_content){ .n = 0 };
	memcpy(c->sha256, f->sha256, 32);
	return judge_content(l, c, err);
}

static int package_of(struct fz_labels *l, const struct fz_hashdb_file *f, size_t *at,
		      struct fz_error *err)
{
	const char *parts[] = { f->package, f->source, f->version, f->source_version, f->arch,
				f->release };
	struct fz_lab_judged *j;
	uint64_t hash = 0;
	size_t it, i, len = 0;
	char *key, *p;
	uint32_t found;

	for (i = 0; i < 6; i++)
		len += strlen(parts[i]) + 1;
	p = key = malloc(len);
	if (!key)
		return fz_fail(err, -ENOMEM, "out of memory");
	for (i = 0; i < 6; i++)
		p = stpcpy(p, parts[i]) + 1;
	for (i = 0; i < len; i++)
		hash = fz_mix(hash + (uint8_t)key[i]);
	it = FZ_INDEX_START(hash);
	while ((found = fz_index_next(&l->by_package, hash, &it)) != FZ_NONE) {
		*at = found;
		if (l->judged[found].key_len == len && !memcmp(l->judged[found].key, key, len)) {
			free(key);
			return 0;
		}
	}
	if (FZ_GROW(l->judged, l->njudged, l->judged_cap) ||
	    fz_index_add(&l->by_package, hash, l->njudged)) {
		free(key);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	*at = l->njudged++;
	j = &l->judged[*at];
	*j = (struct fz_lab_judged){ .key = key, .key_len = len };
	return judge(l, f, j, err);
}

int fz_labels_of(struct fz_labels *l, const struct fz_hashdb_file *f, struct fz_labelled *out,
		 struct fz_error *err)
{
	size_t package = 0, content = 0;
	int ret = package_of(l, f, &package, err);

	if (!ret)
		ret = content_of(l, f, &content, err);
	if (ret)
		return ret;
	*out = (struct fz_labelled){ .package = l->judged[package].labels,
				     .npackage = l->judged[package].n,
				     .content = l->contents[content].labels,
				     .ncontent = l->contents[content].n };
	return 0;
}
