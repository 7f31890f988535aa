// SPDX-License-Identifier: GPL-2.0-only
/* labels_publish.c - merging the old labels and what was collected into a new file */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "labels_writer.h"

static struct fz_labels_source *source_of(struct fz_labels_writer *w, uint32_t id)
{
	size_t i;

	for (i = 0; i < w->nsources; i++)
		if (w->sources[i].id == id)
			return &w->sources[i];
	return NULL;
}

/* The source's number is at the end of each key. */
static struct fz_labels_source *source_of_key(struct fz_labels_writer *w, const MDB_val *key)
{
	uint32_t be;

	if (key->mv_size < sizeof(be))
		return NULL;
	memcpy(&be, (const uint8_t *)key->mv_data + key->mv_size - sizeof(be), sizeof(be));
	return source_of(w, be32toh(be));
}

static int put(struct fz_labels_writer *w, enum fz_lab_table table, const MDB_val *key,
	       const MDB_val *val, struct fz_error *err)
{
	struct fz_labels_source *s = source_of_key(w, key);

	if (table != FZ_LAB_SOURCES) {
		if (!s)
			return 0;	/* of a source that is replaced or removed */
		s->advisories += table == FZ_LAB_ADVISORIES;
		s->hashes += table == FZ_LAB_HASHES;
	}
	return fz_store_put(&w->out, table, key, val, err);
}

/* LMDB's own order. */
static int key_order(const void *a, size_t na, const void *b, size_t nb)
{
	int c = memcmp(a, b, na < nb ? na : nb);

	return c ? c : na < nb ? -1 : na > nb;
}

static int rec_order(const void *a, const void *b, void *data)
{
	const struct fz_lab_rec *x = a, *y = b;
	const uint8_t *d = data;
	int c = (int)x->table - (int)y->table;

	if (!c)
		c = key_order(d + x->at, x->key_len, d + y->at, y->key_len);
	/* Equal keys: by value, so that the same input in another order is the same file. */
	return c ? c : key_order(d + x->at + x->key_len, x->val_len, d + y->at + y->key_len,
				 y->val_len);
}

static bool same_key(const struct fz_labels_writer *w, const struct fz_lab_rec *x,
		     const struct fz_lab_rec *y)
{
	return x->table == y->table && !key_order(w->data + x->at, x->key_len, w->data + y->at,
						  y->key_len);
}

/* Records of one key become one: statements in a row, of hashes the weightiest kind. */
static int join(struct fz_labels_writer *w, const struct fz_lab_rec *r, size_t n, uint8_t **buf,
		MDB_val *val, struct fz_error *err)
{
	const uint8_t *last = NULL;
	size_t bytes = 0, last_len = 0, i;

	*val = (MDB_val){ r->val_len, w->data + r->at + r->key_len };
	if (n == 1 || r->table == FZ_LAB_HASHES)
		return 0;
	for (i = 0; i < n; i++)
		bytes += r[i].val_len;
	free(*buf);
	*buf = malloc(bytes);
	if (!*buf)
		return fz_fail(err, -ENOMEM, "out of memory");
	for (i = 0, bytes = 0; i < n; i++) {
		const uint8_t *v = w->data + r[i].at + r[i].key_len;

		if (last && last_len == r[i].val_len && !memcmp(last, v, last_len))
			continue;
		memcpy(*buf + bytes, v, r[i].val_len);
		bytes += r[i].val_len;
		last = v;
		last_len = r[i].val_len;
	}
	*val = (MDB_val){ bytes, *buf };
	return 0;
}

/* The old file's records of @table that come before @key (NULL: all that are left). */
static int copy_until(struct fz_labels_writer *w, MDB_cursor *c, bool *end, enum fz_lab_table table,
		      const MDB_val *key, struct fz_error *err)
{
	MDB_val k, v;
	int rc = 0, ret = 0;

	while (!ret && !*end) {
		rc = mdb_cursor_get(c, &k, &v, MDB_GET_CURRENT);
		if (rc)
			break;
		if (key && key_order(k.mv_data, k.mv_size, key->mv_data, key->mv_size) > 0)
			return 0;
		ret = put(w, table, &k, &v, err);
		if (ret)
			return ret;
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
		*end = rc == MDB_NOTFOUND;
		if (rc && !*end)
			break;
		rc = 0;
	}
	return rc ? fz_lab_mdb(err, w->old->store.path, rc) : ret;
}

static int merge_table(struct fz_labels_writer *w, enum fz_lab_table table, size_t *at,
		       uint8_t **buf, struct fz_error *err)
{
	MDB_cursor *c = NULL;
	bool end = !w->old;
	MDB_val k, v;
	int rc = 0, ret = 0;

	if (!end) {
		rc = mdb_cursor_open(w->old->store.txn, w->old->store.dbi[table], &c);
		if (!rc)
			rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
		end = rc == MDB_NOTFOUND;
		if (rc && !end)
			ret = fz_lab_mdb(err, w->old->store.path, rc);
	}
	while (!ret && *at < w->nrecs && w->recs[*at].table == table) {
		const struct fz_lab_rec *r = &w->recs[*at];
		size_t n = 1;

		while (*at + n < w->nrecs && same_key(w, r, &r[n]))
			n++;
		k = (MDB_val){ r->key_len, w->data + r->at };
		ret = copy_until(w, c, &end, table, &k, err);
		if (!ret)
			ret = join(w, r, n, buf, &v, err);
		if (!ret)
			ret = put(w, table, &k, &v, err);
		*at += n;
	}
	if (!ret)
		ret = copy_until(w, c, &end, table, NULL, err);
	if (c)
		mdb_cursor_close(c);
	return ret;
}

static int by_id(const void *a, const void *b)
{
	const struct fz_labels_source *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Last: only now their records are counted. */
static int put_sources(struct fz_labels_writer *w, struct fz_error *err)
{
	uint8_t value[sizeof(struct fz_lab_source) + 2 * FZ_LAB_NAME];
	size_t i, n, m;
	int ret = 0;

	if (w->nsources)
		qsort(w->sources, w->nsources, sizeof(*w->sources), by_id);
	for (i = 0; !ret && i < w->nsources; i++) {
		struct fz_labels_source *s = &w->sources[i];
		struct fz_lab_source rec = { .dated = s->dated, .advisories = s->advisories,
					     .hashes = s->hashes, .skipped = s->skipped };
		MDB_val k = { sizeof(s->id), &s->id }, v = { 0, value };

		memcpy(rec.digest, s->digest, sizeof(rec.digest));
		memcpy(value, &rec, sizeof(rec));
		n = strlen(s->name) + 1;
		m = strlen(s->format) + 1;
		memcpy(value + sizeof(rec), s->name, n);
		memcpy(value + sizeof(rec) + n, s->format, m);
		v.mv_size = sizeof(rec) + n + m;
		ret = put(w, FZ_LAB_SOURCES, &k, &v, err);
	}
	return ret;
}

static int merge(void *writer, struct fz_error *err)
{
	struct fz_labels_writer *w = writer;
	uint8_t *buf = NULL;
	size_t at = 0, i;
	int ret;

	for (i = 0; i < w->nsources; i++)
		w->sources[i].advisories = w->sources[i].hashes = 0;
	if (w->nrecs)
		qsort_r(w->recs, w->nrecs, sizeof(*w->recs), rec_order, w->data);
	ret = merge_table(w, FZ_LAB_ADVISORIES, &at, &buf, err);
	if (!ret)
		ret = merge_table(w, FZ_LAB_HASHES, &at, &buf, err);
	free(buf);
	return ret ? ret : put_sources(w, err);
}

int fz_labels_write_publish(struct fz_labels_writer *w, struct fz_error *err)
{
	size_t bytes;
	int ret;

	fz_labels_write_undo(w);
	if (w->failed)
		return fz_fail(err, -ENOMEM, "out of memory");
	if (!w->changed)
		return 0;
	bytes = (w->old ? w->old->info.bytes : 0) + w->len + 64 * w->nrecs;
	ret = fz_store_publish(&w->out, bytes, merge, w, err);
	if (!ret)
		w->changed = false;
	return ret;
}

static int copy_sources(struct fz_labels_writer *w, struct fz_error *err)
{
	const struct fz_labels_source *s;
	uint32_t i;

	for (i = 0; w->old && (s = fz_labels_source(w->old, i)); i++) {
		struct fz_labels_source *to;

		if (FZ_GROW(w->sources, w->nsources, w->sources_cap))
			return fz_fail(err, -ENOMEM, "out of memory");
		to = &w->sources[w->nsources++];
		*to = *s;
		to->name = strdup(s->name);
		to->format = strdup(s->format);
		if (!to->name || !to->format)
			return fz_fail(err, -ENOMEM, "out of memory");
		if (s->id > w->last_id)
			w->last_id = s->id;
	}
	return 0;
}

int fz_labels_write_open(struct fz_labels_writer **out, const char *path, struct fz_error *err)
{
	struct fz_labels_writer *w = calloc(1, sizeof(*w));
	int ret;

	if (!w)
		return fz_fail(err, -ENOMEM, "out of memory");
	w->limit = FZ_LABELS_MEMORY;
	ret = fz_store_write_open(&w->out, &fz_lab_kind, path, err);
	if (!ret) {
		ret = fz_labels_open(&w->old, path, err);
		ret = ret == -ENOENT ? 0 : ret;
	}
	if (!ret)
		ret = copy_sources(w, err);
	if (ret) {
		fz_labels_write_close(w);
		return ret;
	}
	*out = w;
	return 0;
}

void fz_labels_write_close(struct fz_labels_writer *w)
{
	size_t i;

	if (!w)
		return;
	fz_labels_write_undo(w);
	for (i = 0; i < w->nsources; i++) {
		free(w->sources[i].name);
		free(w->sources[i].format);
	}
	fz_labels_close(w->old);
	free(w->sources);
	free(w->recs);
	free(w->data);
	fz_store_write_close(&w->out);
	free(w);
}
