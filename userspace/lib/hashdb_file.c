// SPDX-License-Identifier: GPL-2.0-only
/* hashdb_file.c - the database as a store: its tables, opening and closing */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hashdb_format.h"

_Static_assert(sizeof(struct fz_db_page) == 32, "page layout");
_Static_assert(sizeof(struct fz_db_segment) == 24, "segment layout");
_Static_assert(sizeof(struct fz_db_file) == 64, "file layout");
_Static_assert(sizeof(struct fz_db_anchor) == 16, "anchor layout");
_Static_assert(sizeof(struct fz_db_extra) == 12, "layout of an extra's key");
_Static_assert(FZ_DB_SEGMENTS <= UINT8_MAX, "number of segments");
_Static_assert(sizeof(struct fz_db_key) == 17, "key layout");

const struct fz_store_kind fz_db_kind = {
	.magic = "FitzRoy known db",
	.schema = FZ_DB_SCHEMA,
	.what = "a database of known binaries",
	.none = "there is no database",
	.make = "make one with 'fitzroy db add'",
	.remake = "build it anew with 'fitzroy db add'",
	.ntables = FZ_DB_TABLES,
	.tables = {
		[FZ_DB_PAGES]	 = { "pages", MDB_INTEGERKEY | MDB_DUPSORT | MDB_DUPFIXED },
		[FZ_DB_FILES]	 = { "files", MDB_INTEGERKEY },
		[FZ_DB_PACKAGES] = { "packages", MDB_INTEGERKEY },
		[FZ_DB_SKETCHES] = { "sketches", MDB_INTEGERKEY },
		[FZ_DB_IDENTS]	 = { "idents", 0 },
		[FZ_DB_EXTRAS]	 = { "extras", 0 },
		[FZ_DB_ANCHORS]	 = { "anchors", MDB_INTEGERKEY | MDB_DUPSORT | MDB_DUPFIXED },
	},
};

int fz_db_mdb(struct fz_error *err, const char *path, int rc)
{
	return fz_store_mdb(&fz_db_kind, path, rc, err);
}

int fz_db_broken(struct fz_error *err, const char *path, const char *what, unsigned long long id)
{
	return fz_fail(err, -EBADMSG, "%s is damaged (%s, %llu); %s", path, what, id,
		       fz_db_kind.remake);
}

/* How many records has @table, whose keys are 1, 2, 3...? */
static int count_ids(struct fz_hashdb *db, enum fz_db_table table, uint32_t *n,
		     struct fz_error *err)
{
	MDB_stat st;
	int rc = mdb_stat(db->store.txn, db->store.dbi[table], &st);

	if (rc)
		return fz_db_mdb(err, db->store.path, rc);
	if (st.ms_entries >= UINT32_MAX)
		return fz_db_broken(err, db->store.path, fz_db_kind.tables[table].name,
				    st.ms_entries);
	*n = st.ms_entries;
	return 0;
}

static int read_info(struct fz_hashdb *db, struct fz_error *err)
{
	const char *strings[FZ_DB_STRINGS];
	MDB_stat st;
	uint32_t id;
	int rc;

	rc = mdb_cursor_open(db->store.txn, db->store.dbi[FZ_DB_PAGES], &db->pages);
	if (!rc)
		rc = mdb_cursor_open(db->store.txn, db->store.dbi[FZ_DB_ANCHORS], &db->anchors);
	if (!rc)
		rc = mdb_stat(db->store.txn, db->store.dbi[FZ_DB_PAGES], &st);
	if (rc)
		return fz_db_mdb(err, db->store.path, rc);
	db->info.schema = fz_db_kind.schema;
	db->info.bytes = db->store.bytes;
	memcpy(db->info.digest, db->store.digest, sizeof(db->info.digest));
	db->info.pages = st.ms_entries;
	rc = count_ids(db, FZ_DB_FILES, &db->info.files, err);
	if (!rc)
		rc = count_ids(db, FZ_DB_PACKAGES, &db->packages, err);
	for (id = 1; !rc && id <= db->packages; id++) {
		rc = fz_db_get_package(db, id, strings, err);
		if (!rc)
			db->info.packages += *strings[0] != '\0';
	}
	return rc;
}

int fz_hashdb_open(struct fz_hashdb **out, const char *path, struct fz_error *err)
{
	struct fz_hashdb *db = calloc(1, sizeof(*db));
	int ret;

	if (!db)
		return fz_fail(err, -ENOMEM, "out of memory");
	ret = fz_store_open(&db->store, &fz_db_kind, path, err);
	if (!ret)
		ret = read_info(db, err);
	if (ret) {
		fz_hashdb_close(db);
		return ret;
	}
	*out = db;
	return 0;
}

void fz_hashdb_close(struct fz_hashdb *db)
{
	if (!db)
		return;
	if (db->pages)
		mdb_cursor_close(db->pages);
	if (db->anchors)
		mdb_cursor_close(db->anchors);
	fz_store_close(&db->store);
	fz_unpacked_free(&db->contents);
	free(db->maybe);
	free(db);
}

void fz_hashdb_info(struct fz_hashdb *db, struct fz_hashdb_info *info)
{
	*info = db->info;
}
