// SPDX-License-Identifier: GPL-2.0-only
/* hashdb_publish.c - merging the old database and what was added into a new one */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hashdb_writer.h"

static int out_put(struct fz_store_writer *o, enum fz_db_table table, const void *key,
		   size_t key_len, const void *val, size_t val_len, struct fz_error *err)
{
	MDB_val k = { key_len, (void *)key }, v = { val_len, (void *)val };

	return fz_store_put(o, table, &k, &v, err);
}

/* The old database's records of a table, in order. */
struct in {
	MDB_cursor *cursor;
	MDB_val key, val;
	bool end;
};

static int in_next(struct in *in, const char *path, struct fz_error *err)
{
	int rc;

	if (in->end)
		return 0;
	rc = mdb_cursor_get(in->cursor, &in->key, &in->val, MDB_NEXT);
	in->end = rc == MDB_NOTFOUND;
	return rc && !in->end ? fz_db_mdb(err, path, rc) : 0;
}

static int in_open(struct in *in, struct fz_hashdb *old, enum fz_db_table table,
		   struct fz_error *err)
{
	int rc;

	*in = (struct in) { .end = !old };
	if (!old)
		return 0;
	rc = mdb_cursor_open(old->store.txn, old->store.dbi[table], &in->cursor);
	return rc ? fz_db_mdb(err, old->store.path, rc) : in_next(in, old->store.path, err);
}

static void in_close(struct in *in)
{
	if (in->cursor)
		mdb_cursor_close(in->cursor);
}

/* Copy the old records that sort before @limit (NULL: all). */
static int copy_until(struct fz_store_writer *o, struct in *in, enum fz_db_table table,
		      const void *limit, size_t len, struct fz_error *err)
{
	int ret = 0;

	while (!ret && !in->end) {
		MDB_val *sorted = fz_db_kind.tables[table].flags & MDB_DUPSORT ?
				  &in->val : &in->key;

		if (limit && (sorted->mv_size != len || memcmp(sorted->mv_data, limit, len) > 0))
			break;
		ret = out_put(o, table, in->key.mv_data, in->key.mv_size, in->val.mv_data,
			      in->val.mv_size, err);
		if (!ret)
			ret = in_next(in, o->path, err);
	}
	return ret;
}

static int by_bytes32(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct fz_db_page));
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct fz_db_key));
}

static int merge_pages(struct fz_hashdb_writer *w, struct fz_store_writer *o, struct in *in,
		       struct fz_error *err)
{
	struct fz_db_page *p = (void *)w->grow[GROW_PAGES].p;
	size_t n = w->grow[GROW_PAGES].len / sizeof(*p), i;
	uint32_t zero = 0;
	int ret = 0;

	if (n)
		qsort(p, n, sizeof(*p), by_bytes32);
	for (i = 0; !ret && i < n; i++) {
		ret = copy_until(o, in, FZ_DB_PAGES, &p[i], sizeof(*p), err);
		if (!ret)
			ret = out_put(o, FZ_DB_PAGES, &zero, sizeof(zero), &p[i], sizeof(*p), err);
	}
	return ret;
}

static int merge_idents(struct fz_hashdb_writer *w, struct fz_store_writer *o, struct in *in,
			struct fz_error *err)
{
	struct fz_db_pending *p = (void *)w->grow[GROW_IDENTS].p;
	size_t n = w->grow[GROW_IDENTS].len / sizeof(*p), i;
	int ret = 0;

	if (n)
		qsort(p, n, sizeof(*p), by_key);
	for (i = 0; !ret && i < n; i++) {
		ret = copy_until(o, in, FZ_DB_IDENTS, &p[i].key, sizeof(p[i].key), err);
		if (!ret)
			ret = out_put(o, FZ_DB_IDENTS, &p[i].key, sizeof(p[i].key), &p[i].ident,
				      sizeof(p[i].ident), err);
	}
	return ret;
}

/* New ids are larger than all old ones. */
static int add_ids(struct fz_db_grow *g, struct fz_store_writer *o, enum fz_db_table table,
		   uint32_t id, struct fz_error *err)
{
	uint32_t len;
	size_t pos;
	int ret = 0;

	for (pos = 0; !ret && pos < g->len; pos += len) {
		memcpy(&len, g->p + pos, sizeof(len));
		pos += sizeof(len);
		ret = out_put(o, table, &id, sizeof(id), g->p + pos, len, err);
		id++;
	}
	return ret;
}

static int add_sketches(struct fz_hashdb_writer *w, struct fz_store_writer *o, uint32_t id,
			struct fz_error *err)
{
	const struct fz_db_grow *g = &w->grow[GROW_FILES];
	const uint8_t *sketch = w->grow[GROW_SKETCHES].p;
	struct fz_db_file rec;
	uint32_t len, left;
	uint64_t key;
	size_t pos;
	int ret = 0;

	for (pos = 0; !ret && pos < g->len; pos += sizeof(len) + len, id++) {
		memcpy(&len, g->p + pos, sizeof(len));
		memcpy(&rec, g->p + pos + sizeof(len), sizeof(rec));
		key = (uint64_t)id << 32;
		for (left = rec.pages; !ret && left; key++) {
			uint32_t n = left < FZ_DB_CHUNK ? left : FZ_DB_CHUNK;

			ret = out_put(o, FZ_DB_SKETCHES, &key, sizeof(key), sketch,
				      n * FZ_SKETCH, err);
			sketch += n * FZ_SKETCH;
			left -= n;
		}
	}
	return ret;
}

static int by_bytes16(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct fz_db_anchor));
}

static int merge_anchors(struct fz_hashdb_writer *w, struct fz_store_writer *o, struct in *in,
			 struct fz_error *err)
{
	struct fz_db_anchor *p = (void *)w->grow[GROW_ANCHORS].p;
	size_t n = w->grow[GROW_ANCHORS].len / sizeof(*p), i;
	uint32_t zero = 0;
	int ret = 0;

	if (n)
		qsort(p, n, sizeof(*p), by_bytes16);
	for (i = 0; !ret && i < n; i++) {
		if (i && !by_bytes16(&p[i], &p[i - 1]))
			continue;
		ret = copy_until(o, in, FZ_DB_ANCHORS, &p[i], sizeof(*p), err);
		if (!ret)
			ret = out_put(o, FZ_DB_ANCHORS, &zero, sizeof(zero), &p[i], sizeof(*p),
				      err);
	}
	return ret;
}

/* They are in order, and their files are newer than all old ones. */
static int add_extras(const struct fz_db_grow *g, struct fz_store_writer *o, struct fz_error *err)
{
	const size_t key = sizeof(struct fz_db_extra);
	uint32_t len;
	size_t pos;
	int ret = 0;

	for (pos = 0; !ret && pos < g->len; pos += key + sizeof(len) + len) {
		memcpy(&len, g->p + pos + key, sizeof(len));
		ret = out_put(o, FZ_DB_EXTRAS, g->p + pos, key, g->p + pos + key + sizeof(len),
			      len, err);
	}
	return ret;
}

static int merge(void *writer, struct fz_error *err)
{
	struct fz_hashdb_writer *w = writer;
	struct fz_store_writer *o = &w->out;
	uint32_t first_file = w->old ? w->old->info.files + 1 : 1;
	uint32_t first_package = w->old ? w->old->packages + 1 : 1;
	int table, ret = 0;
	struct in in;

	for (table = 0; !ret && table < FZ_DB_TABLES; table++) {
		ret = in_open(&in, w->old, table, err);
		if (!ret && table == FZ_DB_PAGES)
			ret = merge_pages(w, o, &in, err);
		if (!ret && table == FZ_DB_IDENTS)
			ret = merge_idents(w, o, &in, err);
		if (!ret && table == FZ_DB_ANCHORS)
			ret = merge_anchors(w, o, &in, err);
		if (!ret)
			ret = copy_until(o, &in, table, NULL, 0, err);
		if (!ret && table == FZ_DB_FILES)
			ret = add_ids(&w->grow[GROW_FILES], o, table, first_file, err);
		if (!ret && table == FZ_DB_PACKAGES)
			ret = add_ids(&w->grow[GROW_PACKAGES], o, table, first_package, err);
		if (!ret && table == FZ_DB_SKETCHES)
			ret = add_sketches(w, o, first_file, err);
		if (!ret && table == FZ_DB_EXTRAS)
			ret = add_extras(&w->grow[GROW_EXTRAS], o, err);
		in_close(&in);
	}
	return ret;
}

static int open_old(struct fz_hashdb_writer *w, struct fz_error *err)
{
	int ret = fz_hashdb_open(&w->old, w->out.path, err);

	if (ret && ret != -ENOENT)
		return ret;
	w->files = w->old ? w->old->info.files : 0;
	w->packages = w->old ? w->old->packages : 0;
	return 0;
}

int fz_hashdb_write_publish(struct fz_hashdb_writer *w, struct fz_error *err)
{
	size_t bytes = w->old ? w->old->info.bytes : 0;
	int i, ret;

	fz_hashdb_write_undo(w);
	if (w->old && !w->grow[GROW_IDENTS].len)
		return 0;
	for (i = 0; i < GROWS; i++)
		bytes += w->grow[i].len;
	ret = fz_store_publish(&w->out, bytes, merge, w, err);
	if (ret) {
		fz_db_index_rebuild(w, w->index_size, NULL);	/* sorting moved the idents */
		return ret;
	}
	fz_hashdb_close(w->old);
	w->old = NULL;
	for (i = 0; i < GROWS; i++)
		w->grow[i].len = 0;
	fz_db_index_rebuild(w, w->index_size, NULL);
	ret = open_old(w, err);
	fz_hashdb_write_keep(w);
	return ret;
}

int fz_hashdb_write_open(struct fz_hashdb_writer **out, const char *path, struct fz_error *err)
{
	struct fz_hashdb_writer *w = calloc(1, sizeof(*w));
	int ret;

	if (!w)
		return fz_fail(err, -ENOMEM, "out of memory");
	w->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	w->ctx = EVP_MD_CTX_new();
	ret = !w->ctx || !w->sha256 ?
	      fz_fail(err, -EIO, "out of memory, or libcrypto has no SHA-256") :
	      fz_store_write_open(&w->out, &fz_db_kind, path, err);
	if (!ret)
		ret = open_old(w, err);
	if (!ret)
		ret = fz_db_index_rebuild(w, 1 << 12, err);
	if (ret) {
		fz_hashdb_write_close(w);
		return ret;
	}
	fz_hashdb_write_keep(w);
	*out = w;
	return 0;
}

void fz_hashdb_write_close(struct fz_hashdb_writer *w)
{
	int i;

	if (!w)
		return;
	fz_hashdb_close(w->old);
	for (i = 0; i < GROWS; i++)
		free(w->grow[i].p);
	free(w->index);
	EVP_MD_free(w->sha256);
	EVP_MD_CTX_free(w->ctx);
	fz_store_write_close(&w->out);
	free(w);
}
