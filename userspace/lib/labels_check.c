// SPDX-License-Identifier: GPL-2.0-only
/* labels_check.c - taking the labels' records apart, and verifying all of them */
#include <errno.h>
#include <string.h>
#include "labels_format.h"

int fz_lab_broken(struct fz_error *err, const char *path, const char *what)
{
	return fz_store_broken(&fz_lab_kind, path, what, err);
}

int fz_lab_mdb(struct fz_error *err, const char *path, int rc)
{
	return fz_store_mdb(&fz_lab_kind, path, rc, err);
}

void fz_labels_info(const struct fz_labels *l, struct fz_labels_info *info)
{
	*info = l->info;
}

const struct fz_labels_source *fz_labels_source(const struct fz_labels *l, uint32_t at)
{
	return at < l->info.nsources ? &l->sources[at] : NULL;
}

int fz_lab_next(const uint8_t **p, const uint8_t *end, struct fz_statement *s)
{
	const char *at = (const char *)*p, *stop = (const char *)end, *nul;
	const char *strings[FZ_LAB_STRINGS];
	int i;

	if (*p == end)
		return 0;
	if (end - *p < 2 + FZ_LAB_STRINGS || !**p || **p >= FZ_SAYS_KINDS)
		return -1;
	s->kind = at[0];
	s->flags = at[1];
	at += 2;
	for (i = 0; i < FZ_LAB_STRINGS; i++) {
		nul = memchr(at, '\0', stop - at);
		if (!nul || nul - at >= FZ_LAB_STRING)
			return -1;
		strings[i] = at;
		at = nul + 1;
	}
	s->release = strings[0];
	s->introduced = strings[1];
	s->fixed = strings[2];
	s->last = strings[3];
	s->note = strings[4];
	*p = (const uint8_t *)at;
	return 1;
}

bool fz_lab_key(const MDB_val *key, const char *strings[3], uint32_t *source)
{
	const char *at = key->mv_data, *end = at + key->mv_size, *nul;
	uint32_t be;
	int i;

	for (i = 0; i < 3; i++) {
		nul = memchr(at, '\0', end - at);
		if (!nul)
			return false;
		strings[i] = at;
		at = nul + 1;
	}
	if (end - at != sizeof(be))
		return false;
	memcpy(&be, at, sizeof(be));
	*source = be32toh(be);
	return true;
}

static bool has_source(const struct fz_labels *l, uint32_t id, uint64_t *counts)
{
	uint32_t i;

	for (i = 0; i < l->info.nsources; i++) {
		if (l->sources[i].id == id) {
			counts[i]++;
			return true;
		}
	}
	return false;
}

static bool good_advisory(const struct fz_labels *l, const MDB_val *key, const MDB_val *val,
			  uint64_t *counts)
{
	const uint8_t *p = val->mv_data, *end = p + val->mv_size;
	const char *strings[3];
	struct fz_statement s;
	uint32_t source;
	int ret;

	if (!fz_lab_key(key, strings, &source) || !has_source(l, source, counts) || p == end)
		return false;
	while ((ret = fz_lab_next(&p, end, &s)) > 0)
		if ((s.kind == FZ_SAYS_SUITE) != !*strings[2])
			return false;
	return !ret;
}

static bool good_hash(const struct fz_labels *l, const MDB_val *key, const MDB_val *val,
		      uint64_t *counts)
{
	const uint8_t *p = val->mv_data;
	uint32_t be;

	if (key->mv_size != 32 + sizeof(be) || val->mv_size < 2 || val->mv_size > 1 + FZ_LAB_NAME)
		return false;
	memcpy(&be, (const uint8_t *)key->mv_data + 32, sizeof(be));
	return has_source(l, be32toh(be), counts) && p[0] < FZ_LABELS &&
	       memchr(p + 1, '\0', val->mv_size - 1) == p + val->mv_size - 1;
}

static int check_table(struct fz_labels *l, enum fz_lab_table table,
		       bool (*good)(const struct fz_labels *l, const MDB_val *key,
				    const MDB_val *val, uint64_t *counts),
		       uint64_t *counts, struct fz_error *err)
{
	MDB_val key, val;
	MDB_cursor *c;
	int rc;

	rc = mdb_cursor_open(l->store.txn, l->store.dbi[table], &c);
	if (rc)
		return fz_lab_mdb(err, l->store.path, rc);
	while (!(rc = mdb_cursor_get(c, &key, &val, MDB_NEXT)) && good(l, &key, &val, counts))
		;
	mdb_cursor_close(c);
	if (!rc)
		return fz_lab_broken(err, l->store.path, table == FZ_LAB_HASHES ? "a hash" : "an advisory");
	return rc == MDB_NOTFOUND ? 0 : fz_lab_mdb(err, l->store.path, rc);
}

int fz_labels_check(struct fz_labels *l, struct fz_error *err)
{
	uint64_t *counts = calloc(2 * l->info.nsources + 2, sizeof(*counts));
	uint32_t i;
	int ret;

	if (!counts)
		return fz_fail(err, -ENOMEM, "out of memory");
	ret = check_table(l, FZ_LAB_ADVISORIES, good_advisory, counts, err);
	if (!ret)
		ret = check_table(l, FZ_LAB_HASHES, good_hash, counts + l->info.nsources, err);
	for (i = 0; !ret && i < l->info.nsources; i++)
		if (counts[i] != l->sources[i].advisories ||
		    counts[l->info.nsources + i] != l->sources[i].hashes)
			ret = fz_lab_broken(err, l->store.path, "a source has another number of records");
	free(counts);
	return ret;
}
