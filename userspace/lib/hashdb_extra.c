// SPDX-License-Identifier: GPL-2.0-only
/*
 * hashdb_extra.c - what is kept of a file beside its pages' hashes: blobs, contents, anchors
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "hashdb_writer.h"

#define PAGE		4096UL
#define CHUNK		(FZ_DB_CONTENTS * PAGE)
#define EXTRA_MAX	(16UL << 20)
#define LEVEL		9	/* of zstd: 19 saves 6 % more and takes ten times as long */

/* ------------------------------------------------------------------ reading */

static struct fz_db_extra extra_key(uint32_t id, uint32_t blob, uint32_t index)
{
	return (struct fz_db_extra) { htobe32(id), htobe32(blob), htobe32(index) };
}

int fz_hashdb_extra(struct fz_hashdb *db, uint32_t id, uint32_t blob, uint32_t index,
		    const void **data, size_t *len, struct fz_error *err)
{
	struct fz_db_extra key = extra_key(id, blob, index);
	MDB_val k = { sizeof(key), &key }, v;
	int rc = mdb_get(db->store.txn, db->store.dbi[FZ_DB_EXTRAS], &k, &v);

	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc)
		return fz_db_mdb(err, db->store.path, rc);
	*data = v.mv_data;
	*len = v.mv_size;
	return 1;
}

int fz_hashdb_page(struct fz_hashdb *db, uint32_t id, uint32_t pageno, void *page,
		   struct fz_error *err)
{
	struct fz_hashdb_file f;
	const uint8_t *chunk;
	int64_t index;
	size_t len;
	int ret;

	ret = fz_db_get_file(db, id, &f, NULL, err);
	if (ret)
		return ret;
	index = fz_db_page_index(&f, pageno);
	fz_hashdb_file_free(&f);
	if (index < 0)
		return fz_fail(err, -ENOENT, "page %u of file %u is not executable", pageno, id);
	ret = fz_unpacked_get(&db->contents, db, id, FZ_BLOB_PAGES, index / FZ_DB_CONTENTS, CHUNK,
			      &chunk, &len, err);
	if (!ret)
		return fz_fail(err, -ENOENT, "file %u has no contents", id);
	index %= FZ_DB_CONTENTS;
	if (ret == -EBADMSG || (ret > 0 && (len % PAGE || (size_t)index >= len / PAGE)))
		return fz_db_broken(err, db->store.path, "contents of file", id);
	if (ret < 0)
		return ret;
	memcpy(page, chunk + index * PAGE, PAGE);
	return 0;
}

/*
 * A page is asked about at each place where its anchor may be, and has one at most: so
 * nearly all answers are no. A bit for each anchor's hash, a tenth of them set or fewer,
 * gives most of these without a search.
 */
static int note_anchors(struct fz_hashdb *db, struct fz_error *err)
{
	struct fz_db_anchor rec;
	uint64_t bits = 1 << 12, *maybe;
	MDB_stat st;
	MDB_val k, v;
	int rc = mdb_stat(db->store.txn, db->store.dbi[FZ_DB_ANCHORS], &st);

	if (rc)
		return fz_db_mdb(err, db->store.path, rc);
	while (bits / 10 < st.ms_entries)
		bits *= 2;
	maybe = calloc(bits / 64, sizeof(*maybe));
	if (!maybe)
		return fz_fail(err, -ENOMEM, "out of memory");
	for (rc = mdb_cursor_get(db->anchors, &k, &v, MDB_FIRST); !rc;
	     rc = mdb_cursor_get(db->anchors, &k, &v, MDB_NEXT)) {
		uint64_t bit;

		if (v.mv_size != sizeof(rec))
			break;
		memcpy(&rec, v.mv_data, sizeof(rec));
		bit = be64toh(rec.hash) & (bits - 1);
		maybe[bit / 64] |= 1ULL << bit % 64;
	}
	if (rc == MDB_NOTFOUND) {
		db->maybe = maybe;
		db->maybe_mask = bits - 1;
		return 0;
	}
	free(maybe);
	return rc ? fz_db_mdb(err, db->store.path, rc) :
		    fz_db_broken(err, db->store.path, "size of an anchor", v.mv_size);
}

int fz_hashdb_anchors(struct fz_hashdb *db, uint64_t hash, struct fz_hashdb_ref *refs, size_t max,
		      size_t *n, struct fz_error *err)
{
	struct fz_db_anchor want = { .hash = htobe64(hash) }, rec;
	MDB_cursor_op op = MDB_GET_BOTH_RANGE;
	uint64_t bit;
	uint32_t zero = 0;
	int rc;

	*n = 0;
	rc = db->maybe ? 0 : note_anchors(db, err);
	if (rc)
		return rc;
	bit = hash & db->maybe_mask;
	if (!(db->maybe[bit / 64] >> bit % 64 & 1))
		return 0;
	for (*n = 0; ; op = MDB_NEXT_DUP) {
		MDB_val k = { sizeof(zero), &zero }, v = { sizeof(want), &want };

		rc = mdb_cursor_get(db->anchors, &k, &v, op);
		if (rc == MDB_NOTFOUND)
			return 0;
		if (rc)
			return fz_db_mdb(err, db->store.path, rc);
		if (v.mv_size != sizeof(rec))
			return fz_db_broken(err, db->store.path, "size of an anchor", v.mv_size);
		memcpy(&rec, v.mv_data, sizeof(rec));
		if (rec.hash != want.hash)
			return 0;
		if (*n < max)
			refs[*n] = (struct fz_hashdb_ref) { be32toh(rec.file), be32toh(rec.page) };
		++*n;
	}
}

/* ----------------------------------------------------------------- checking */

static int check_contents(struct fz_hashdb *db, uint32_t id, const struct fz_hashdb_file *f,
			  uint64_t *chunks, struct fz_error *err)
{
	struct fz_db_run runs[FZ_DB_SEGMENTS];
	size_t n = fz_db_runs(f->segments, f->nsegments, runs), r;
	uint8_t page[PAGE];
	uint32_t i;
	int ret;

	*chunks += (f->pages_total + FZ_DB_CONTENTS - 1) / FZ_DB_CONTENTS;
	for (r = 0; r < n; r++)
		for (i = 0; i < runs[r].count; i++) {
			ret = fz_hashdb_page(db, id, runs[r].first + i, page, err);
			if (ret == -ENOENT)
				return fz_db_broken(err, db->store.path, "contents of file", id);
			if (!ret)
				ret = fz_db_has_page(db, page, id, runs[r].first + i, err);
			if (ret <= 0)
				return ret ? ret : fz_db_broken(err, db->store.path,
					"contents that are not the page's, in file", id);
		}
	return 0;
}

/* Each page's contents are there and true; and there is no contents of anything else. */
static int check_all_contents(struct fz_hashdb *db, uint64_t *chunks, struct fz_error *err)
{
	struct fz_hashdb_file f;
	uint32_t id;
	int ret = 0;

	for (id = 1; !ret && id <= db->info.files; id++) {
		ret = fz_db_get_file(db, id, &f, NULL, err);
		if (ret)
			return ret;
		if (f.flags & FZ_FILE_STORED)
			ret = check_contents(db, id, &f, chunks, err);
		fz_hashdb_file_free(&f);
	}
	return ret;
}

static int check_blobs(struct fz_hashdb *db, uint64_t chunks, struct fz_error *err)
{
	struct fz_db_extra key;
	MDB_cursor *cursor;
	uint64_t found = 0;
	MDB_val k, v;
	int rc, ret = 0;

	rc = mdb_cursor_open(db->store.txn, db->store.dbi[FZ_DB_EXTRAS], &cursor);
	if (rc)
		return fz_db_mdb(err, db->store.path, rc);
	while (!ret && !(rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) {
		uint32_t blob;

		if (k.mv_size != sizeof(key)) {
			ret = fz_db_broken(err, db->store.path, "size of an extra's key", k.mv_size);
			break;
		}
		memcpy(&key, k.mv_data, sizeof(key));
		blob = be32toh(key.blob);
		found += blob == FZ_BLOB_PAGES;
		if (!key.file || be32toh(key.file) > db->info.files)
			ret = fz_db_broken(err, db->store.path, "extra of a file that is not there",
					   be32toh(key.file));
		else if (!blob || blob >= FZ_BLOBS || v.mv_size > EXTRA_MAX)
			ret = fz_db_broken(err, db->store.path, "kind or size of an extra", blob);
	}
	mdb_cursor_close(cursor);
	if (!ret && rc != MDB_NOTFOUND)
		return fz_db_mdb(err, db->store.path, rc);
	if (!ret && found != chunks)
		ret = fz_db_broken(err, db->store.path, "contents of nothing", found);
	return ret;
}

static int check_anchor(struct fz_hashdb *db, const struct fz_db_anchor *rec,
			struct fz_hashdb_file *f, uint32_t *id, struct fz_error *err)
{
	uint32_t file = be32toh(rec->file);
	int ret;

	if (file != *id) {	/* many in a row are often of one file */
		fz_hashdb_file_free(f);
		*id = 0;
		ret = fz_db_get_file(db, file, f, NULL, err);
		if (ret)
			return ret == -ENOENT ? fz_db_broken(err, db->store.path,
					"anchor in a file that is not there", file) : ret;
		*id = file;
	}
	if (fz_db_page_index(f, be32toh(rec->page)) < 0)
		return fz_db_broken(err, db->store.path, "anchor in a page that is not executable of file",
				    file);
	return 0;
}

static int check_anchors(struct fz_hashdb *db, struct fz_error *err)
{
	struct fz_hashdb_file f = { 0 };
	struct fz_db_anchor rec, last;
	uint32_t id = 0;
	uint64_t n = 0;
	MDB_val k, v;
	int rc, ret = 0;

	for (; !ret; n++, last = rec) {
		rc = mdb_cursor_get(db->anchors, &k, &v, n ? MDB_NEXT : MDB_FIRST);
		if (rc == MDB_NOTFOUND)
			break;
		if (rc) {
			ret = fz_db_mdb(err, db->store.path, rc);
			break;
		}
		if (v.mv_size != sizeof(rec) || k.mv_size != 4 || memcmp(k.mv_data, "\0\0\0", 4)) {
			ret = fz_db_broken(err, db->store.path, "anchor", n);
			break;
		}
		memcpy(&rec, v.mv_data, sizeof(rec));
		if (n && memcmp(&last, &rec, sizeof(rec)) >= 0)
			ret = fz_db_broken(err, db->store.path, "order of anchors", n);
		else
			ret = check_anchor(db, &rec, &f, &id, err);
	}
	fz_hashdb_file_free(&f);
	return ret;
}

int fz_db_check_extras(struct fz_hashdb *db, struct fz_error *err)
{
	uint64_t chunks = 0;
	int ret = check_all_contents(db, &chunks, err);

	if (!ret)
		ret = check_blobs(db, chunks, err);
	return ret ? ret : check_anchors(db, err);
}

/* ------------------------------------------------------------------ writing */

static int add_extra(struct fz_hashdb_writer *w, struct fz_db_extra key, const void *data,
		     uint32_t len, struct fz_error *err)
{
	struct fz_db_grow *g = &w->grow[GROW_EXTRAS];
	int ret;

	if (g->len && memcmp(&key, &w->last_extra, sizeof(key)) <= 0)
		return fz_fail(err, -EINVAL, "what is kept of a file is out of order");
	ret = fz_db_append(g, &key, sizeof(key), err);
	if (!ret)
		ret = fz_db_append(g, &len, sizeof(len), err);
	if (!ret)
		ret = fz_db_append(g, data, len, err);
	w->last_extra = key;
	return ret;
}

int fz_db_write_contents(struct fz_hashdb_writer *w, uint32_t file, uint32_t index,
			 const void *pages, size_t n, struct fz_error *err)
{
	size_t max = ZSTD_compressBound(n * PAGE), len;
	void *buf = malloc(max);
	int ret;

	if (!buf)
		return fz_fail(err, -ENOMEM, "out of memory");
	len = ZSTD_compress(buf, max, pages, n * PAGE, LEVEL);
	if (ZSTD_isError(len))
		ret = fz_fail(err, -ENOMEM, "zstd: %s", ZSTD_getErrorName(len));
	else
		ret = add_extra(w, extra_key(file, FZ_BLOB_PAGES, index), buf, len, err);
	free(buf);
	return ret;
}

int fz_hashdb_write_extra(struct fz_hashdb_writer *w, uint32_t blob, uint32_t index,
			  const void *data, size_t len, struct fz_error *err)
{
	if (blob <= FZ_BLOB_PAGES || blob >= FZ_BLOBS || len > EXTRA_MAX || !w->added.files)
		return fz_fail(err, -EINVAL, "%zu bytes of kind %u cannot be kept of a file", len,
			       blob);
	return add_extra(w, extra_key(w->files, blob, index), data, len, err);
}

int fz_hashdb_write_anchor(struct fz_hashdb_writer *w, uint64_t hash, uint32_t page,
			   struct fz_error *err)
{
	struct fz_db_anchor rec = { htobe64(hash), htobe32(w->files), htobe32(page) };

	return fz_db_append(&w->grow[GROW_ANCHORS], &rec, sizeof(rec), err);
}
