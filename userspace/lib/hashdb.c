// SPDX-License-Identifier: GPL-2.0-only
/*
 * hashdb.c - asking the known-binary database
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include <xxhash.h>
#include "hashdb_format.h"

#define PAGE		4096
#define SKETCH_BLOCK	(PAGE / FZ_SKETCH)
#define CONTENT_BLOCK	64

static int get(struct fz_hashdb *db, enum fz_db_table table, void *key, size_t key_len,
	       MDB_val *val)
{
	MDB_val k = { key_len, key };

	return mdb_get(db->store.txn, db->store.dbi[table], &k, val);
}

/* ------------------------------------------------------------------- pages */

/* Take the record that @op leads to. 1 = it is at @rec, 0 = there is none. */
static int take(struct fz_hashdb *db, MDB_cursor_op op, MDB_val *k, MDB_val *v,
		struct fz_db_page *rec, struct fz_error *err)
{
	int rc = mdb_cursor_get(db->pages, k, v, op);

	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc)
		return fz_db_mdb(err, db->store.path, rc);
	if (v->mv_size != sizeof(*rec))
		return fz_db_broken(err, db->store.path, "size of a page record", v->mv_size);
	memcpy(rec, v->mv_data, sizeof(*rec));
	return 1;
}

/* Go to the first record that is not less than @want. */
static int seek(struct fz_hashdb *db, const struct fz_db_page *want, struct fz_db_page *rec,
		struct fz_error *err)
{
	uint32_t zero = 0;
	MDB_val k = { sizeof(zero), &zero }, v = { sizeof(*want), (void *)want };

	return take(db, MDB_GET_BOTH_RANGE, &k, &v, rec, err);
}

static int next(struct fz_hashdb *db, struct fz_db_page *rec, struct fz_error *err)
{
	MDB_val k, v;

	return take(db, MDB_NEXT_DUP, &k, &v, rec, err);
}

int fz_hashdb_lookup_by(struct fz_hashdb *db, uint64_t xxh64, const uint8_t *sha256,
			const void *page, struct fz_hashdb_ref *refs, size_t max, size_t *n,
			bool *forged, struct fz_error *err)
{
	struct fz_db_page want = { .xxh64 = htobe64(xxh64) }, rec;
	uint8_t own[32];
	int ret;

	*n = 0;
	*forged = false;
	ret = seek(db, &want, &rec, err);
	if (ret <= 0 || rec.xxh64 != want.xxh64)
		return ret < 0 ? ret : 0;

	if (!sha256) {
		if (!EVP_Digest(page, PAGE, own, NULL, EVP_sha256(), NULL))
			return fz_fail(err, -EIO, "libcrypto cannot compute SHA-256");
		sha256 = own;
	}
	memcpy(want.sha128, sha256, sizeof(want.sha128));
	if (memcmp(rec.sha128, want.sha128, sizeof(want.sha128)))
		ret = seek(db, &want, &rec, err);
	for (; ret > 0; ret = next(db, &rec, err)) {
		if (rec.xxh64 != want.xxh64 ||
		    memcmp(rec.sha128, want.sha128, sizeof(want.sha128)))
			break;
		if (*n < max)
			refs[*n] = (struct fz_hashdb_ref) { be32toh(rec.file), be32toh(rec.page) };
		(*n)++;
	}
	if (ret < 0)
		return ret;
	*forged = !*n;
	return *n > 0;
}

int fz_db_has_page(struct fz_hashdb *db, const void *page, uint32_t file, uint32_t pageno,
		   struct fz_error *err)
{
	struct fz_db_page want = { htobe64(XXH64(page, PAGE, 0)), { 0 }, htobe32(file),
				   htobe32(pageno) }, rec;
	uint8_t sha256[32];
	int ret;

	if (!EVP_Digest(page, PAGE, sha256, NULL, EVP_sha256(), NULL))
		return fz_fail(err, -EIO, "libcrypto cannot compute SHA-256");
	memcpy(want.sha128, sha256, sizeof(want.sha128));
	ret = seek(db, &want, &rec, err);
	return ret > 0 ? !memcmp(&want, &rec, sizeof(rec)) : ret;
}

unsigned int fz_hashdb_content(const void *page)
{
	const uint8_t *p = page, *end = p + PAGE;
	unsigned int n = 0;

	for (; p < end; p += CONTENT_BLOCK)
		n += memcmp(p, p + 8, CONTENT_BLOCK - 8) != 0;
	return n;
}

/* ---------------------------------------------------------------- sketches */

void fz_hashdb_sketch(const void *page, uint8_t sketch[FZ_SKETCH])
{
	const uint8_t *p = page;
	int i;

	for (i = 0; i < FZ_SKETCH; i++)
		sketch[i] = XXH64(p + i * SKETCH_BLOCK, SKETCH_BLOCK, 0);
}

int fz_hashdb_similar(struct fz_hashdb *db, uint32_t id, uint32_t pageno,
		      const void *page, struct fz_error *err)
{
	uint8_t sketch[FZ_SKETCH], *known;
	struct fz_hashdb_file f;
	int ret, i, equal = 0;
	int64_t index;
	uint64_t key;
	MDB_val v;

	ret = fz_db_get_file(db, id, &f, NULL, err);
	if (ret)
		return ret;
	index = fz_db_page_index(&f, pageno);
	fz_hashdb_file_free(&f);
	if (index < 0)
		return fz_fail(err, -ENOENT, "page %u of file %u is not executable", pageno, id);

	key = (uint64_t)id << 32 | index / FZ_DB_CHUNK;
	ret = get(db, FZ_DB_SKETCHES, &key, sizeof(key), &v);
	index = index % FZ_DB_CHUNK * FZ_SKETCH;
	if (ret || v.mv_size < (size_t)index + FZ_SKETCH)
		return fz_db_broken(err, db->store.path, "sketches of a file", id);
	known = (uint8_t *)v.mv_data + index;
	fz_hashdb_sketch(page, sketch);
	for (i = 0; i < FZ_SKETCH; i++)
		equal += sketch[i] == known[i];
	return equal;
}

static int by_first(const void *a, const void *b)
{
	const struct fz_db_run *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

size_t fz_db_runs(const struct fz_hashdb_segment *segments, size_t n,
		  struct fz_db_run runs[FZ_DB_SEGMENTS])
{
	size_t i, last = 0;

	if (!n)
		return 0;
	for (i = 0; i < n; i++)
		runs[i] = (struct fz_db_run) { segments[i].offset / PAGE, segments[i].pages };
	qsort(runs, n, sizeof(*runs), by_first);
	for (i = 1; i < n; i++) {
		uint32_t end = runs[last].first + runs[last].count;

		if (runs[i].first > end) {
			runs[++last] = runs[i];
			continue;
		}
		if (runs[i].first + runs[i].count > end)
			runs[last].count = runs[i].first + runs[i].count - runs[last].first;
	}
	return last + 1;
}

int64_t fz_db_page_index(const struct fz_hashdb_file *f, uint32_t page)
{
	struct fz_db_run runs[FZ_DB_SEGMENTS];
	size_t n = fz_db_runs(f->segments, f->nsegments, runs), r;
	int64_t index = 0;

	for (r = 0; r < n; index += runs[r++].count)
		if (page - runs[r].first < runs[r].count)
			return index + (page - runs[r].first);
	return -1;
}

/* ------------------------------------------------------------------- files */

static char *hex(const uint8_t *data, size_t len)
{
	char *s = malloc(2 * len + 1);
	size_t i;

	if (!s)
		return NULL;
	s[0] = '\0';
	for (i = 0; i < len; i++)
		sprintf(s + 2 * i, "%02x", data[i]);
	return s;
}

static bool fits_u32(const struct fz_db_segment *s)
{
	return s->pages && s->offset % PAGE == 0 &&
		s->offset / PAGE + s->pages <= UINT32_MAX;
}

int fz_db_get_file(struct fz_hashdb *db, uint32_t id, struct fz_hashdb_file *f,
		   uint32_t *package, struct fz_error *err)
{
	struct fz_db_segment seg;
	struct fz_db_file rec;
	const uint8_t *p;
	MDB_val v;
	size_t i;
	int rc;

	memset(f, 0, sizeof(*f));
	rc = get(db, FZ_DB_FILES, &id, sizeof(id), &v);
	if (rc == MDB_NOTFOUND)
		return fz_fail(err, -ENOENT, "%s has no file %u", db->store.path, id);
	if (rc)
		return fz_db_mdb(err, db->store.path, rc);
	if (v.mv_size < sizeof(rec))
		return fz_db_broken(err, db->store.path, "file record", id);
	memcpy(&rec, v.mv_data, sizeof(rec));
	if (!rec.nsegments || rec.nsegments > FZ_DB_SEGMENTS || v.mv_size != sizeof(rec) +
	    rec.nsegments * sizeof(seg) + rec.build_id_len + rec.path_len)
		return fz_db_broken(err, db->store.path, "file record", id);

	memcpy(f->sha256, rec.sha256, sizeof(f->sha256));
	f->bytes = rec.bytes;
	f->pages_total = rec.pages;
	f->pie = rec.flags & FZ_DB_PIE;
	f->is64 = rec.flags & FZ_DB_64;
	f->entry = rec.entry;
	f->machine = rec.machine;
	f->kind = rec.kind;
	f->flags = rec.flags >> FZ_DB_FLAGS;
	f->nsegments = rec.nsegments;
	if (package)
		*package = rec.package;

	p = (const uint8_t *)v.mv_data + sizeof(rec);
	f->segments = calloc(rec.nsegments, sizeof(*f->segments));
	for (i = 0; f->segments && i < rec.nsegments; i++, p += sizeof(seg)) {
		memcpy(&seg, p, sizeof(seg));
		if (!fits_u32(&seg)) {
			fz_hashdb_file_free(f);
			return fz_db_broken(err, db->store.path, "segment of file", id);
		}
		f->segments[i] = (struct fz_hashdb_segment) { seg.offset, seg.vaddr, seg.pages };
	}
	f->build_id = hex(p, rec.build_id_len);
	f->path = strndup((const char *)p + rec.build_id_len, rec.path_len);
	if (!f->segments || !f->build_id || !f->path) {
		fz_hashdb_file_free(f);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	return 0;
}

int fz_db_get_package(struct fz_hashdb *db, uint32_t id, const char *strings[FZ_DB_STRINGS],
		      struct fz_error *err)
{
	const char *p, *end;
	MDB_val v;
	int i, rc;

	rc = get(db, FZ_DB_PACKAGES, &id, sizeof(id), &v);
	if (rc && rc != MDB_NOTFOUND)
		return fz_db_mdb(err, db->store.path, rc);
	if (rc)
		return fz_db_broken(err, db->store.path, "no such package", id);
	p = v.mv_data;
	end = p + v.mv_size;
	for (i = 0; i < FZ_DB_STRINGS; i++) {
		strings[i] = p;
		p = memchr(p, '\0', end - p);
		if (!p)
			return fz_db_broken(err, db->store.path, "package record", id);
		p++;
	}
	return p == end ? 0 : fz_db_broken(err, db->store.path, "package record", id);
}

int fz_hashdb_file(struct fz_hashdb *db, uint32_t id, struct fz_hashdb_file *f,
		   struct fz_error *err)
{
	const char *s[FZ_DB_STRINGS];
	uint32_t package;
	int ret;

	ret = fz_db_get_file(db, id, f, &package, err);
	if (ret)
		return ret;
	ret = fz_db_get_package(db, package, s, err);
	if (ret)
		goto err_free;
	f->package = strdup(s[0]);
	f->source = strdup(s[1]);
	f->version = strdup(s[2]);
	f->source_version = strdup(s[3]);
	f->arch = strdup(s[4]);
	f->release = strdup(s[5]);
	if (f->package && f->source && f->version && f->source_version && f->arch &&
	    f->release)
		return 0;
	ret = fz_fail(err, -ENOMEM, "out of memory");
err_free:
	fz_hashdb_file_free(f);
	return ret;
}

void fz_hashdb_file_free(struct fz_hashdb_file *f)
{
	free(f->path);
	free(f->package);
	free(f->source);
	free(f->version);
	free(f->source_version);
	free(f->release);
	free(f->arch);
	free(f->build_id);
	free(f->segments);
	memset(f, 0, sizeof(*f));
}
