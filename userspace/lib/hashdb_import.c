// SPDX-License-Identifier: GPL-2.0-only
/*
 * hashdb_import.c - records of one database into another: merging, and removing
 *
 * Files keep everything but their numbers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hashdb_writer.h"

struct import {
	struct fz_hashdb_writer *w;
	struct fz_hashdb *db;
	struct fz_error *err;
	bool (*want)(void *ctx, const struct fz_hashdb_file *f);
	void *ctx;
	uint32_t *files, *packages;	/* new number by old, 0 = not taken over */
	uint8_t *lost;			/* by package: some of its files were not */
	uint64_t left_out;
	bool any_lost;
};

static int broken(struct import *m, const char *what, uint64_t id)
{
	return fz_db_broken(m->err, m->db->store.path, what, id);
}

static int get(struct import *m, enum fz_db_table table, const void *key, size_t len, MDB_val *v)
{
	MDB_val k = { len, (void *)key };

	return mdb_get(m->db->store.txn, m->db->store.dbi[table], &k, v);
}

static int take_package(struct import *m, uint32_t id)
{
	const char *s[FZ_DB_STRINGS];
	struct fz_hashdb_file f = { 0 };
	bool new;
	int ret;

	if (m->packages[id])
		return 0;
	ret = fz_db_get_package(m->db, id, s, m->err);
	if (ret)
		return ret;
	f.package = (char *)s[0];
	f.source = (char *)s[1];
	f.version = (char *)s[2];
	f.source_version = (char *)s[3];
	f.arch = (char *)s[4];
	f.release = (char *)s[5];
	return fz_db_package_id(m->w, &f, &m->packages[id], &new, m->err);
}

static int take_sketches(struct import *m, uint32_t id, uint32_t pages)
{
	uint64_t key = (uint64_t)id << 32;
	MDB_val v;
	int ret = 0;

	for (; !ret && pages; key++) {
		uint32_t n = pages < FZ_DB_CHUNK ? pages : FZ_DB_CHUNK;

		if (get(m, FZ_DB_SKETCHES, &key, sizeof(key), &v) || v.mv_size != n * FZ_SKETCH)
			return broken(m, "sketches of file", id);
		ret = fz_db_append(&m->w->grow[GROW_SKETCHES], v.mv_data, v.mv_size, m->err);
		pages -= n;
	}
	return ret;
}

static int take_extras(struct import *m, uint32_t id, uint32_t new)
{
	struct fz_db_extra key = { .file = htobe32(id) };
	struct fz_db_grow *g = &m->w->grow[GROW_EXTRAS];
	MDB_val k = { sizeof(key), &key }, v;
	MDB_cursor *cursor;
	uint32_t len;
	int rc, ret = 0;

	rc = mdb_cursor_open(m->db->store.txn, m->db->store.dbi[FZ_DB_EXTRAS], &cursor);
	if (rc)
		return fz_db_mdb(m->err, m->db->store.path, rc);
	for (rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); !rc && !ret;
	     rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
		if (k.mv_size != sizeof(key)) {
			ret = broken(m, "size of an extra's key", k.mv_size);
			break;
		}
		memcpy(&key, k.mv_data, sizeof(key));
		if (be32toh(key.file) != id)
			break;
		key.file = htobe32(new);
		len = v.mv_size;
		ret = fz_db_append(g, &key, sizeof(key), m->err);
		if (!ret)
			ret = fz_db_append(g, &len, sizeof(len), m->err);
		if (!ret)
			ret = fz_db_append(g, v.mv_data, len, m->err);
		m->w->last_extra = key;
	}
	mdb_cursor_close(cursor);
	return ret || !rc || rc == MDB_NOTFOUND ? ret : fz_db_mdb(m->err, m->db->store.path, rc);
}

static int take_record(struct import *m, uint32_t id, const struct fz_db_key *ident,
		       struct fz_db_file *rec, const MDB_val *v)
{
	struct fz_hashdb_writer *w = m->w;
	struct fz_db_grow *g = &w->grow[GROW_FILES];
	uint32_t len = v->mv_size;
	int ret;

	ret = take_package(m, rec->package);
	if (ret)
		return ret;
	rec->package = m->packages[rec->package];
	ret = fz_db_append(g, &len, sizeof(len), m->err);
	if (!ret)
		ret = fz_db_append(g, rec, sizeof(*rec), m->err);
	if (!ret)
		ret = fz_db_append(g, (uint8_t *)v->mv_data + sizeof(*rec), len - sizeof(*rec),
				   m->err);
	if (!ret)
		ret = take_sketches(m, id, rec->pages);
	if (!ret)
		ret = take_extras(m, id, w->files + 1);
	if (!ret)
		ret = fz_db_add_ident(w, ident, w->files + 1, 0, m->err);
	if (ret)
		return ret;
	m->files[id] = ++w->files;
	w->added.files++;
	w->added.pages += rec->pages;
	return 0;
}

static int take_file(struct import *m, uint32_t id)
{
	struct fz_db_ident ident;
	struct fz_hashdb_file f;
	struct fz_db_file rec;
	struct fz_db_key key;
	MDB_val v;
	int ret;

	ret = fz_hashdb_file(m->db, id, &f, m->err);
	if (ret)
		return ret == -ENOENT ? broken(m, "no file of that number", id) : ret;
	if (get(m, FZ_DB_FILES, &id, sizeof(id), &v) || v.mv_size < sizeof(rec)) {
		fz_hashdb_file_free(&f);
		return broken(m, "file", id);
	}
	memcpy(&rec, v.mv_data, sizeof(rec));	/* its package is there: fz_hashdb_file() looked */
	if (!m->want(m->ctx, &f)) {
		m->left_out++;
		m->lost[rec.package] = m->any_lost = true;
	} else if (fz_db_file_key(&key, &f)) {
		ret = fz_fail(m->err, -EIO, "libcrypto cannot compute SHA-256");
	} else {
		ret = fz_db_find_ident(m->w, &key, &ident, m->err);
		if (!ret)
			ret = take_record(m, id, &key, &rec, &v);
	}
	fz_hashdb_file_free(&f);
	return ret < 0 ? ret : 0;
}

/* The records of @table whose file was taken over. */
static int take_duplicates(struct import *m, enum fz_db_table table, int grow, size_t size,
			   size_t file_at)
{
	MDB_cursor *cursor;
	uint8_t rec[64];
	MDB_val k, v;
	uint32_t id;
	int rc, ret = 0;

	rc = mdb_cursor_open(m->db->store.txn, m->db->store.dbi[table], &cursor);
	if (rc)
		return fz_db_mdb(m->err, m->db->store.path, rc);
	while (!ret && !(rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) {
		if (v.mv_size != size) {
			ret = broken(m, "size of a record", v.mv_size);
			break;
		}
		memcpy(rec, v.mv_data, size);
		memcpy(&id, rec + file_at, sizeof(id));
		id = be32toh(id);
		if (!id || id > m->db->info.files) {
			ret = broken(m, "record of a file that is not there", id);
			break;
		}
		if (!m->files[id])
			continue;
		id = htobe32(m->files[id]);
		memcpy(rec + file_at, &id, sizeof(id));
		ret = fz_db_append(&m->w->grow[grow], rec, size, m->err);
	}
	mdb_cursor_close(cursor);
	return ret || rc == MDB_NOTFOUND ? ret : fz_db_mdb(m->err, m->db->store.path, rc);
}

/*
 * That an archive was added stands if all that it held is still there. Of images and
 * the like (a package without a name) it is not known what they held.
 */
static int take_archive(struct import *m, const struct fz_db_key *key,
			const struct fz_db_ident *ident)
{
	struct fz_db_ident there;
	const char *s[FZ_DB_STRINGS];
	int ret;

	if (!ident->id || ident->id > m->db->packages)
		return broken(m, "archive of a package that is not there", ident->id);
	if (m->lost[ident->id])
		return 0;
	ret = fz_db_get_package(m->db, ident->id, s, m->err);
	if (ret || (m->any_lost && !*s[0]))
		return ret;
	ret = take_package(m, ident->id);
	if (!ret)
		ret = fz_db_find_ident(m->w, key, &there, m->err);
	if (ret)
		return ret < 0 ? ret : 0;
	return fz_db_add_ident(m->w, key, m->packages[ident->id], ident->files, m->err);
}

static int take_archives(struct import *m)
{
	struct fz_db_ident ident;
	struct fz_db_key key;
	MDB_cursor *cursor;
	MDB_val k, v;
	int rc, ret = 0;

	rc = mdb_cursor_open(m->db->store.txn, m->db->store.dbi[FZ_DB_IDENTS], &cursor);
	if (rc)
		return fz_db_mdb(m->err, m->db->store.path, rc);
	while (!ret && !(rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) {
		if (k.mv_size != sizeof(key) || v.mv_size != sizeof(ident)) {
			ret = broken(m, "size of an ident", k.mv_size);
			break;
		}
		memcpy(&key, k.mv_data, sizeof(key));
		memcpy(&ident, v.mv_data, sizeof(ident));
		if (key.kind == 'A')
			ret = take_archive(m, &key, &ident);
	}
	mdb_cursor_close(cursor);
	return ret || rc == MDB_NOTFOUND ? ret : fz_db_mdb(m->err, m->db->store.path, rc);
}

static int import(struct import *m)
{
	uint32_t id;
	int ret = 0;

	m->files = calloc((size_t)m->db->info.files + 1, sizeof(*m->files));
	m->packages = calloc((size_t)m->db->packages + 1, sizeof(*m->packages));
	m->lost = calloc((size_t)m->db->packages + 1, 1);
	if (!m->files || !m->packages || !m->lost)
		ret = fz_fail(m->err, -ENOMEM, "out of memory");
	for (id = 1; !ret && id <= m->db->info.files; id++)
		ret = take_file(m, id);
	/* A package need not have files; one that has lost some goes with the last. */
	for (id = 1; !ret && id <= m->db->packages; id++)
		if (!m->lost[id])
			ret = take_package(m, id);
	if (!ret)
		ret = take_duplicates(m, FZ_DB_PAGES, GROW_PAGES, sizeof(struct fz_db_page),
				      offsetof(struct fz_db_page, file));
	if (!ret)
		ret = take_duplicates(m, FZ_DB_ANCHORS, GROW_ANCHORS, sizeof(struct fz_db_anchor),
				      offsetof(struct fz_db_anchor, file));
	if (!ret)
		ret = take_archives(m);
	free(m->files);
	free(m->packages);
	free(m->lost);
	return ret;
}

static bool any(void *ctx, const struct fz_hashdb_file *f)
{
	(void)ctx;
	(void)f;
	return true;
}

int fz_hashdb_write_merge(struct fz_hashdb_writer *w, struct fz_hashdb *other,
			  struct fz_error *err)
{
	struct import m = { .w = w, .db = other, .err = err, .want = any };

	if (other->info.pages > FZ_HASHDB_BATCH - fz_hashdb_write_pending(w))
		return fz_fail(err, -E2BIG, "%s has more than %lu pages, too many to merge at once",
			       other->store.path, FZ_HASHDB_BATCH);
	return import(&m);
}

int fz_hashdb_write_remove(struct fz_hashdb_writer *w,
			   bool (*keep)(void *ctx, const struct fz_hashdb_file *f), void *ctx,
			   uint64_t *removed, struct fz_error *err)
{
	struct import m = { .w = w, .db = w->old, .err = err, .want = keep, .ctx = ctx };
	int ret;

	*removed = 0;
	if (!w->old)
		return fz_fail(err, -ENOENT, "there is no database at %s", w->out.path);
	/* As if there were none: all that stays is added anew. */
	w->old = NULL;
	w->files = w->packages = 0;
	ret = import(&m);
	*removed = m.left_out;
	if (ret || !m.left_out) {
		fz_hashdb_write_undo(w);
		w->old = m.db;
		return ret;
	}
	fz_hashdb_close(m.db);
	return 0;
}
