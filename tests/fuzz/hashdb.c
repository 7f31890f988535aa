// SPDX-License-Identifier: GPL-2.0-only
/*
 * hashdb.c - fuzz the database of known binaries: whole files, right to the digest, whose
 * records lie
 *
 * LMDB itself trusts its file, which is why nothing of a file is looked at whose digest is
 * wrong (test_hashdb_damage). So the input is a row of changes to the records of a sound
 * database, which LMDB then writes and fz_store_seal() seals.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>
#include "fuzz.h"
#include "hashdb_format.h"
#include "hashdb_write.h"

#define PAGE		4096
#define PAGES		4
#define RECORDS		80
#define KEY_MAX		24
#define VALUE_MAX	1200

struct record {
	enum fz_db_table table;
	bool gone;
	size_t key_len, len;
	uint8_t key[KEY_MAX], value[VALUE_MAX];
};

static struct record sound[RECORDS], records[RECORDS];
static size_t nsound, nrecords;
static char dir[64], path[96];
static struct fz_error err;

static void remove_dir(void)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/sound.db", dir);
	unlink(name);
	unlink(path);
	rmdir(dir);
}

static void fill(uint8_t page[PAGE], uint64_t seed)
{
	uint64_t i, v;

	for (i = 0; i < PAGE; i += 8) {
		v = XXH64(&i, sizeof(i), seed);
		memcpy(page + i, &v, 8);
	}
}

/* Two packages and one file without; some pages are in two files. */
static void add_files(struct fz_hashdb_writer *w)
{
	struct fz_hashdb_segment segments[] = { { 0, 0x1000, 3 }, { 2 * PAGE, 0x9000, 2 } };
	static const char *const names[] = { "one", "two", "" };
	static uint8_t data[PAGES * PAGE], sha[32];
	struct fz_hashdb_file f = {
		.version = "1", .source_version = "1", .arch = "amd64", .build_id = "00ff",
		.release = "Debian:bookworm",
		.pie = true, .is64 = true, .machine = 62, .entry = 0x1000, .nsegments = 2,
		.segments = segments,
	};
	char file[16];
	unsigned int i, k;

	for (i = 0; i < 3; i++) {
		for (k = 0; k < PAGES; k++)
			fill(data + k * PAGE, i + k);
		/* So that its contents compress to little. */
		for (k = 0; !i && k < PAGES; k++)
			memset(data + k * PAGE + 64, 0, PAGE - 64);
		snprintf(file, sizeof(file), "/bin/%u", i);
		f.path = file;
		f.flags = i ? 0 : FZ_FILE_STORED;
		f.package = f.source = (char *)names[i];
		if (fz_hashdb_write_file(w, &f, data, sizeof(data) - 100, &err) != 1)
			abort();
		sha[0] = i;
		if (!i && (fz_hashdb_write_extra(w, FZ_BLOB_SITES, 7, data, 40, &err) ||
			   fz_hashdb_write_anchor(w, 77, 1, &err)))
			abort();
		if (*names[i] && fz_hashdb_write_archive(w, sha, &f, 1, &err) < 0)
			abort();
	}
}

static void load(struct fz_hashdb *db, enum fz_db_table table)
{
	MDB_cursor *cursor;
	MDB_val k, v;

	if (mdb_cursor_open(db->store.txn, db->store.dbi[table], &cursor))
		abort();
	while (!mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
		struct record *r = &sound[nsound++];

		if (nsound > RECORDS / 2 || k.mv_size > KEY_MAX || v.mv_size > VALUE_MAX / 2)
			abort();
		r->table = table;
		r->key_len = k.mv_size;
		r->len = v.mv_size;
		memcpy(r->key, k.mv_data, k.mv_size);
		memcpy(r->value, v.mv_data, v.mv_size);
	}
	mdb_cursor_close(cursor);
}

static void make_sound(void)
{
	struct fz_hashdb_writer *w;
	struct fz_hashdb *db;
	char name[96];
	int i;

	snprintf(dir, sizeof(dir), "%s/fz-hashdb.%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
		 getpid());
	snprintf(path, sizeof(path), "%s/db", dir);
	snprintf(name, sizeof(name), "%s/sound.db", dir);
	if (mkdir(dir, 0700) || fz_hashdb_write_open(&w, name, &err))
		abort();
	atexit(remove_dir);
	add_files(w);
	fz_hashdb_write_keep(w);
	if (fz_hashdb_write_publish(w, &err))
		abort();
	fz_hashdb_write_close(w);
	if (fz_hashdb_open(&db, name, &err) || fz_hashdb_check(db, &err))
		abort();
	for (i = 0; i < FZ_DB_TABLES; i++)
		load(db, i);
	fz_hashdb_close(db);
}

/* Write the records as a database. False: LMDB will not have them, so no file has. */
static bool write_db(void)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi[FZ_DB_TABLES];
	bool good = true;
	size_t i;
	int fd;

	unlink(path);
	if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, FZ_DB_TABLES) ||
	    mdb_env_set_mapsize(env, 1 << 20) ||
	    mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600) ||
	    mdb_txn_begin(env, NULL, 0, &txn))
		abort();
	for (i = 0; i < FZ_DB_TABLES; i++)
		if (mdb_dbi_open(txn, fz_db_kind.tables[i].name,
				 MDB_CREATE | fz_db_kind.tables[i].flags, &dbi[i]))
			abort();
	for (i = 0; good && i < nrecords; i++) {
		struct record *r = &records[i];
		MDB_val k = { r->key_len, r->key }, v = { r->len, r->value };

		good = r->gone || !mdb_put(txn, dbi[r->table], &k, &v, 0);
	}
	if (good && mdb_txn_commit(txn))
		abort();
	if (!good)
		mdb_txn_abort(txn);
	mdb_env_close(env);
	if (!good)
		return false;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fz_store_seal(&fz_db_kind, fd, path, &err))
		abort();
	close(fd);
	return true;
}

/* ------------------------------------------------------------------- changes */

static void set_number(struct record *r, size_t at, unsigned int bytes, uint64_t v)
{
	if (at + bytes <= r->len)
		memcpy(r->value + at, &v, bytes);
}

static void change(struct input *in)
{
	static const uint64_t values[] = {
		0, 1, 2, 3, 4, 61, 62, 63, 64, 65, 0xff, 0xffff, 0x10000, PAGE - 1, PAGE, 1 << 20,
		0x7fffffff, 0xffffffff, 1ULL << 32, 1ULL << 44, ~0ULL - PAGE + 1, ~0ULL,
	};
	uint8_t op = take(in, 1);
	struct record *r = &records[take(in, 1) % nrecords];
	bool fixed = r->table == FZ_DB_PAGES || r->table == FZ_DB_ANCHORS;
	bool integer = r->table != FZ_DB_IDENTS && r->table != FZ_DB_EXTRAS;
	const uint8_t *p;
	size_t at, n;

	switch (op % 8) {
	case 0:
		r->value[take(in, 2) % VALUE_MAX] = take(in, 1);
		break;
	case 1:
		at = take(in, 2) % VALUE_MAX & ~3;
		set_number(r, at, op & 16 ? 2 : op & 32 ? 8 : 4,
			   values[take(in, 1) % (sizeof(values) / sizeof(values[0]))]);
		break;
	case 2:
		n = take(in, 2) % VALUE_MAX;
		r->len = fixed ? r->len : n;
		break;
	case 3:
		r->gone = !r->gone;
		break;
	case 4:
		r->key[take(in, 1) % r->key_len] = take(in, 1);
		break;
	case 5:
		n = take(in, 1) % KEY_MAX + 1;
		r->key_len = integer ? r->key_len : n;
		break;
	case 6:		/* another one like it */
		if (nrecords == RECORDS)
			break;
		records[nrecords] = *r;
		records[nrecords].key[0] += take(in, 1);
		r = &records[nrecords++];
		break;
	case 7:
		at = take(in, 2) % VALUE_MAX;
		p = take_bytes(in, take(in, 1), &n);
		if (at + n <= VALUE_MAX)
			memcpy(r->value + at, p, n);
		break;
	}
}

static void add_ident(struct fz_db_key key, uint32_t id)
{
	struct fz_db_ident ident = { .id = id };
	struct record *r = &records[nrecords];

	if (nrecords == RECORDS)
		return;
	nrecords++;
	*r = (struct record) { FZ_DB_IDENTS, false, sizeof(key), sizeof(ident), { 0 }, { 0 } };
	memcpy(r->key, &key, sizeof(key));
	memcpy(r->value, &ident, sizeof(ident));
}

/* Idents are digests of the rest: make them fit, so that the rest is looked at. */
static void fix_idents(struct fz_hashdb *db)
{
	const char *s[FZ_DB_STRINGS];
	struct fz_hashdb_file f;
	struct fz_db_key key;
	uint32_t id;
	size_t i;

	for (i = 0; i < nrecords; i++)
		if (records[i].table == FZ_DB_IDENTS && records[i].key[0] != 'A')
			records[i].gone = true;
	for (id = 1; id <= db->packages; id++)
		if (!fz_db_get_package(db, id, s, &err) && !fz_db_package_key(&key, s))
			add_ident(key, id);
	for (id = 1; id <= db->info.files; id++)
		if (!fz_hashdb_file(db, id, &f, &err)) {
			if (!fz_db_file_key(&key, &f))
				add_ident(key, id);
			fz_hashdb_file_free(&f);
		}
}

/* ------------------------------------------------------------------- asking */

/* Is a record of a length that it cannot have? */
static bool ill(const struct record *r)
{
	struct fz_db_file f;
	size_t i, strings = 0;

	switch (r->table) {
	case FZ_DB_FILES:
		memcpy(&f, r->value, sizeof(f));
		return r->len < sizeof(f) || r->len != sizeof(f) + f.build_id_len + f.path_len +
			f.nsegments * sizeof(struct fz_db_segment);
	case FZ_DB_PACKAGES:
		for (i = 0; i < r->len; i++)
			strings += !r->value[i];
		return strings != FZ_DB_STRINGS || r->value[r->len - 1];
	case FZ_DB_SKETCHES:
		return !r->len || r->len % FZ_SKETCH;
	default:
		return false;
	}
}

/* No such record is told of, and no check passes it. */
static void ask_ill(struct fz_hashdb *db, bool sane)
{
	struct fz_hashdb_file f;
	uint32_t id;
	size_t i, k;

	for (i = 0; i < nrecords; i++) {
		struct record *r = &records[i];

		if (r->gone || !ill(r))
			continue;
		/* Of two with one key the later is in the database. */
		for (k = i + 1; k < nrecords; k++)
			if (!records[k].gone && records[k].table == r->table &&
			    !memcmp(records[k].key, r->key, r->key_len))
				break;
		if (k < nrecords)
			continue;
		memcpy(&id, r->key, sizeof(id));
		CHECK(!sane);
		CHECK(r->table != FZ_DB_FILES || fz_hashdb_file(db, id, &f, &err));
	}
}

static void ask(struct fz_hashdb *db, bool sane)
{
	struct fz_hashdb_info info;
	struct fz_hashdb_ref refs[4];
	struct fz_hashdb_file f;
	static const uint8_t other[PAGE];
	uint8_t page[PAGE];
	const void *blob;
	bool forged;
	uint32_t id;
	size_t n, i, k;
	int ret;

	fz_hashdb_info(db, &info);
	for (id = 0; id < 6; id++) {
		ret = fz_hashdb_file(db, id, &f, &err);
		check_error(ret, &err);
		CHECK(!sane || ret == (id && id <= info.files ? 0 : -ENOENT));
		if (ret)
			continue;
		CHECK(f.nsegments && f.nsegments <= FZ_DB_SEGMENTS);
		CHECK(f.path && f.package && f.arch);
		fz_hashdb_file_free(&f);
		ret = fz_hashdb_page(db, id, id, page, &err);
		check_error(ret, &err);
		CHECK(!sane || id != 1 || !ret);
		ret = fz_hashdb_extra(db, id, FZ_BLOB_SITES, 7, &blob, &n, &err);
		check_error(ret, &err);
	}
	ret = fz_hashdb_anchors(db, 77, refs, 4, &n, &err);
	check_error(ret, &err);
	for (i = 0; i < PAGES + 3; i++) {
		fill(page, i);
		ret = fz_hashdb_lookup(db, XXH64(page, PAGE, 0), page, refs, 4, &n, &forged, &err);
		check_error(ret, &err);
		CHECK(ret < 0 || (ret == 1) == (n > 0));
		CHECK(ret <= 0 || !forged);
		for (k = 0; ret > 0 && k < n && k < 4; k++) {
			int like = fz_hashdb_similar(db, refs[k].file, refs[k].page, page, &err);

			check_error(like, &err);
			CHECK(like <= FZ_SKETCH && (!sane || like >= 0));
		}
		/* Not in there, and yet of a digest that is. */
		page[0]++;
		ret = fz_hashdb_lookup(db, i + nsound, page, refs, 4, &n, &forged, &err);
		check_error(ret, &err);
		page[0]--;
		ret = fz_hashdb_lookup(db, XXH64(page, PAGE, 0), other, refs, 0, &n, &forged, &err);
		check_error(ret, &err);
		CHECK(ret != 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct fz_hashdb *db;
	uint8_t how;
	int ret;

	if (!nsound)
		make_sound();
	memcpy(records, sound, sizeof(records));
	nrecords = nsound;
	how = take(&in, 1);
	while (left(&in) > 2)
		change(&in);
	if (!write_db())
		return 0;
	ret = fz_hashdb_open(&db, path, &err);
	check_error(ret, &err);
	if (!ret && how & 1) {
		fix_idents(db);
		fz_hashdb_close(db);
		if (!write_db())
			return 0;
		ret = fz_hashdb_open(&db, path, &err);
		check_error(ret, &err);
	}
	if (ret)
		return 0;
	ret = fz_hashdb_check(db, &err);
	check_error(ret, &err);
	CHECK(size > 3 || !ret);
	ask(db, !ret);
	ask_ill(db, !ret);
	fz_hashdb_close(db);
	return 0;
}
