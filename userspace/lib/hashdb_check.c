// SPDX-License-Identifier: GPL-2.0-only
/*
 * hashdb_check.c - is every record sound, and does everything lead somewhere?
 *
 * The digest has shown at open that the file is as it was written. This shows
 * that what was written makes sense.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hashdb_format.h"
#include "release.h"

/* What the file records promise, to hold the page records against. */
struct promise {
	struct fz_hashdb *db;
	struct fz_error *err;
	struct about {
		uint64_t first_bit;
		uint32_t first_run, nruns;
	} *files;			/* by id */
	struct fz_db_run *runs;
	size_t nruns, max_runs;
	uint8_t *seen;			/* a bit per page of all files */
	uint64_t pages;
	uint64_t sketch_chunks;
};

static int broken(struct promise *p, const char *what, uint64_t id)
{
	return fz_db_broken(p->err, p->db->store.path, what, id);
}

static int get_ident(struct promise *p, const struct fz_db_key *key, struct fz_db_ident *ident)
{
	MDB_val k = { sizeof(*key), (void *)key }, v;

	if (mdb_get(p->db->store.txn, p->db->store.dbi[FZ_DB_IDENTS], &k, &v) ||
	    v.mv_size != sizeof(*ident))
		return -ENOENT;
	memcpy(ident, v.mv_data, sizeof(*ident));
	return 0;
}

static int check_packages(struct promise *p)
{
	const char *s[FZ_DB_STRINGS];
	struct fz_db_ident ident;
	struct fz_db_key key;
	uint32_t id;
	int ret;

	for (id = 1; id <= p->db->packages; id++) {
		ret = fz_db_get_package(p->db, id, s, p->err);
		if (ret)
			return ret;
		if (fz_db_package_key(&key, s) || get_ident(p, &key, &ident) || ident.id != id)
			return broken(p, "ident of package", id);
		if (*s[FZ_DB_STRINGS - 1] && !fz_release_valid(s[FZ_DB_STRINGS - 1]))
			return broken(p, "release of package", id);
	}
	return 0;
}

static int check_sketches(struct promise *p, uint32_t id, uint32_t pages)
{
	uint64_t key = (uint64_t)id << 32;

	for (; pages; key++, p->sketch_chunks++) {
		uint32_t n = pages < FZ_DB_CHUNK ? pages : FZ_DB_CHUNK;
		MDB_val k = { sizeof(key), &key }, v;

		if (mdb_get(p->db->store.txn, p->db->store.dbi[FZ_DB_SKETCHES], &k, &v) ||
		    v.mv_size != n * FZ_SKETCH)
			return broken(p, "sketches of file", id);
		pages -= n;
	}
	return 0;
}

static int promise_runs(struct promise *p, uint32_t id, const struct fz_hashdb_file *f)
{
	struct about *about = &p->files[id];
	struct fz_db_run *runs;
	uint64_t pages = 0;
	size_t i;

	if (p->max_runs - p->nruns < FZ_DB_SEGMENTS) {
		size_t max = 2 * p->max_runs + FZ_DB_SEGMENTS;

		runs = realloc(p->runs, max * sizeof(*runs));
		if (!runs)
			return fz_fail(p->err, -ENOMEM, "out of memory");
		p->runs = runs;
		p->max_runs = max;
	}
	runs = p->runs + p->nruns;
	about->first_bit = p->pages;
	about->first_run = p->nruns;
	about->nruns = fz_db_runs(f->segments, f->nsegments, runs);
	for (i = 0; i < about->nruns; i++) {
		pages += runs[i].count;
		if ((uint64_t)runs[i].first + runs[i].count > (f->bytes + 4095) / 4096 &&
		    !(f->flags & FZ_FILE_IMAGE))
			return broken(p, "segment past the end of file", id);
	}
	if (pages != f->pages_total)
		return broken(p, "number of pages of file", id);
	p->nruns += about->nruns;
	p->pages += pages;
	return 0;
}

static int check_file(struct promise *p, uint32_t id)
{
	struct fz_db_ident ident;
	struct fz_hashdb_file f;
	struct fz_db_key key;
	int ret;

	ret = fz_hashdb_file(p->db, id, &f, p->err);
	if (ret == -ENOENT)
		return broken(p, "no file of that number", id);
	if (ret)
		return ret;
	if (f.kind >= FZ_FILE_KINDS)
		ret = broken(p, "kind of file", id);
	else if (fz_db_file_key(&key, &f) || get_ident(p, &key, &ident) || ident.id != id)
		ret = broken(p, "ident of file", id);
	if (!ret)
		ret = promise_runs(p, id, &f);
	if (!ret)
		ret = check_sketches(p, id, f.pages_total);
	fz_hashdb_file_free(&f);
	return ret;
}

/* Count a page record as seen; each page of a file must come once. */
static int check_page(struct promise *p, const struct fz_db_page *rec)
{
	uint32_t id = be32toh(rec->file), page = be32toh(rec->page), i;
	const struct about *about;
	uint64_t bit;

	if (!id || id > p->db->info.files)
		return broken(p, "page record of a file that is not there", id);
	about = &p->files[id];
	bit = about->first_bit;
	for (i = about->first_run; i < about->first_run + about->nruns; i++) {
		if (page - p->runs[i].first < p->runs[i].count)
			break;
		bit += p->runs[i].count;
	}
	if (i == about->first_run + about->nruns)
		return broken(p, "record of a page that is not executable in file", id);
	bit += page - p->runs[i].first;
	if (p->seen[bit / 8] & 1 << bit % 8)
		return broken(p, "two records of one page of file", id);
	p->seen[bit / 8] |= 1 << bit % 8;
	return 0;
}

static int check_pages(struct promise *p)
{
	struct fz_db_page rec, last;
	uint64_t n = 0;
	MDB_val k, v;
	int rc, ret;

	p->seen = calloc(1, p->pages / 8 + 1);
	if (!p->seen)
		return fz_fail(p->err, -ENOMEM, "out of memory");
	for (;; n++) {
		rc = mdb_cursor_get(p->db->pages, &k, &v, n ? MDB_NEXT : MDB_FIRST);
		if (rc == MDB_NOTFOUND)
			break;
		if (rc)
			return fz_db_mdb(p->err, p->db->store.path, rc);
		if (v.mv_size != sizeof(rec) || k.mv_size != 4 || memcmp(k.mv_data, "\0\0\0", 4))
			return broken(p, "page record", n);
		memcpy(&rec, v.mv_data, sizeof(rec));
		if (n && memcmp(&last, &rec, sizeof(rec)) >= 0)
			return broken(p, "order of page records", n);
		ret = check_page(p, &rec);
		if (ret)
			return ret;
		last = rec;
	}
	if (n != p->pages)
		return broken(p, "number of page records", n);
	return 0;
}

/* Each file and package has been found to have its ident; are there more? */
static int check_idents(struct promise *p)
{
	uint64_t files = 0, packages = 0;
	struct fz_db_ident ident;
	struct fz_db_key key;
	MDB_cursor *cursor;
	MDB_val k, v;
	int rc, ret = 0;

	rc = mdb_cursor_open(p->db->store.txn, p->db->store.dbi[FZ_DB_IDENTS], &cursor);
	if (rc)
		return fz_db_mdb(p->err, p->db->store.path, rc);
	while (!ret && !(rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) {
		if (k.mv_size != sizeof(key) || v.mv_size != sizeof(ident)) {
			ret = broken(p, "size of an ident", k.mv_size);
			break;
		}
		memcpy(&key, k.mv_data, sizeof(key));
		memcpy(&ident, v.mv_data, sizeof(ident));
		files += key.kind == 'F';
		packages += key.kind == 'P';
		if (!strchr("FPA", key.kind) || !key.kind)
			ret = broken(p, "kind of an ident", key.kind);
		else if (key.kind == 'A' && (!ident.id || ident.id > p->db->packages))
			ret = broken(p, "archive of a package that is not there", ident.id);
	}
	mdb_cursor_close(cursor);
	if (!ret && rc != MDB_NOTFOUND)
		ret = fz_db_mdb(p->err, p->db->store.path, rc);
	if (!ret && (files != p->db->info.files || packages != p->db->packages))
		ret = broken(p, "idents of nothing", files + packages);
	return ret;
}

static int check_sketch_count(struct promise *p)
{
	MDB_stat st;
	int rc = mdb_stat(p->db->store.txn, p->db->store.dbi[FZ_DB_SKETCHES], &st);

	if (rc)
		return fz_db_mdb(p->err, p->db->store.path, rc);
	if (st.ms_entries != p->sketch_chunks)
		return broken(p, "sketches of nothing", st.ms_entries);
	return 0;
}

int fz_hashdb_check(struct fz_hashdb *db, struct fz_error *err)
{
	struct promise p = { .db = db, .err = err };
	uint32_t id;
	int ret;

	p.files = calloc((size_t)db->info.files + 1, sizeof(*p.files));
	ret = p.files ? check_packages(&p) : fz_fail(err, -ENOMEM, "out of memory");
	for (id = 1; !ret && id <= db->info.files; id++)
		ret = check_file(&p, id);
	if (!ret)
		ret = check_sketch_count(&p);
	if (!ret)
		ret = check_pages(&p);
	if (!ret)
		ret = check_idents(&p);
	if (!ret)
		ret = fz_db_check_extras(db, err);
	free(p.files);
	free(p.runs);
	free(p.seen);
	return ret;
}
