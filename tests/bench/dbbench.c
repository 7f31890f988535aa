// SPDX-License-Identifier: GPL-2.0-only
/*
 * dbbench.c - figures of the database of known binaries; db.sh runs it
 *
 *	dbbench make DB PAGES		a database of so many pages of noise
 *	dbbench compare DB N		N look-ups of pages that are in it, beside a plain
 *					LMDB file and SQLite: key 8, value 24 bytes, as many
 *
 * Each prints "name value" lines. Of look-ups all is in memory; the best of the rounds.
 */
#include <endian.h>
#include <lmdb.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include "hashdb.h"
#include "hashdb_write.h"

#define PAGE		4096
#define FILE_PAGES	4096U		/* of a synthetic file */
#define VALUE		24
#define ROUNDS		4

static double clock_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double now(void)
{
	return clock_of(CLOCK_MONOTONIC);
}

/* What does not wait is measured in processor time: others may be at work. */
static double cpu(void)
{
	return clock_of(CLOCK_PROCESS_CPUTIME_ID);
}

static void die(const char *what)
{
	fprintf(stderr, "dbbench: %s\n", what);
	exit(1);
}

/* Page @page of synthetic file @file. */
static void noise(uint64_t *to, uint32_t file, uint32_t page)
{
	uint64_t x = ((uint64_t)file << 32 | page) * 0x9e3779b97f4a7c15ULL + 1;
	size_t i;

	for (i = 0; i < PAGE / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		to[i] = x;
	}
}

/* What adding a file has to do: the file's SHA-256; of each page SHA-256 and XXH64. */
static double digests(const uint8_t *data)
{
	static EVP_MD_CTX *ctx;
	uint64_t sum = 0;
	uint8_t md[EVP_MAX_MD_SIZE];
	double t = cpu();
	uint32_t i;

	if (!ctx)
		ctx = EVP_MD_CTX_new();
	EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL);
	EVP_DigestUpdate(ctx, data, FILE_PAGES * PAGE);
	EVP_DigestFinal_ex(ctx, md, NULL);
	for (i = 0; i < FILE_PAGES; i++) {
		EVP_DigestInit_ex2(ctx, NULL, NULL);
		EVP_DigestUpdate(ctx, data + i * PAGE, PAGE);
		EVP_DigestFinal_ex(ctx, md, NULL);
		sum += XXH64(data + i * PAGE, PAGE, 0);
	}
	__asm__ volatile("" : : "r"(sum));	/* or it need not be computed */
	return cpu() - t;
}

static int make(const char *path, uint64_t pages)
{
	struct fz_hashdb_segment s = { 0, 0, FILE_PAGES };
	uint8_t *data = malloc(FILE_PAGES * PAGE);
	struct fz_hashdb_writer *w;
	struct fz_error err;
	char name[32];
	double t, hashing = 0, alone = 0;
	uint32_t file, i;

	if (!data || fz_hashdb_write_open(&w, path, &err))
		die("no writer");
	for (file = 1; (uint64_t)(file - 1) * FILE_PAGES < pages; file++) {
		struct fz_hashdb_file f = { .path = name, .package = "noise", .version = "1",
					    .arch = "amd64", .machine = 62, .is64 = true,
					    .nsegments = 1, .segments = &s };

		snprintf(name, sizeof(name), "/noise/%u", file);
		for (i = 0; i < FILE_PAGES; i++)
			noise((uint64_t *)(data + i * PAGE), file, i);
		t = cpu();
		if (fz_hashdb_write_file(w, &f, data, FILE_PAGES * PAGE, &err) != 1)
			die(err.text);
		hashing += cpu() - t;
		alone += digests(data);
	}
	printf("add_pages_per_second %.0f\n", (double)(file - 1) * FILE_PAGES / hashing);
	printf("digests_per_second %.0f\n", (double)(file - 1) * FILE_PAGES / alone);
	fz_hashdb_write_keep(w);
	t = cpu();
	if (fz_hashdb_write_publish(w, &err))
		die(err.text);
	printf("publish_pages_per_second %.0f\n", (double)(file - 1) * FILE_PAGES / (cpu() - t));
	fz_hashdb_write_close(w);
	return 0;
}

/* @n pages of noise that @db knows, at random. */
static uint8_t *known_pages(struct fz_hashdb *from, size_t n)
{
	uint8_t *p = malloc(n * PAGE);
	struct fz_hashdb_info info;
	size_t i;

	if (!p)
		die("out of memory");
	fz_hashdb_info(from, &info);
	srand48(1);
	for (i = 0; i < n; i++)
		noise((uint64_t *)(p + i * PAGE), 1 + lrand48() % info.files,
		      lrand48() % FILE_PAGES);
	return p;
}

/* ------------------------------------------------------------------- compared */

/* Something that answers look-ups: of page @i, or of any key that it has. */
struct store {
	const char *name;
	void (*open)(const char *path);
	bool (*get)(size_t i);
	void (*close)(void);
};

static struct fz_hashdb *db;
static struct {
	uint64_t xxh64;
	uint8_t sha256[32];
} *digest;
static uint64_t *key;
static uint8_t *pages;

static void open_db(const char *path)
{
	struct fz_error err;

	if (fz_hashdb_open(&db, path, &err))
		die(err.text);
}

static void close_db(void)
{
	fz_hashdb_close(db);
}

static bool look_up(uint64_t xxh64, const uint8_t *sha256, const uint8_t *page)
{
	struct fz_hashdb_ref refs[4];
	struct fz_error err;
	size_t found;
	bool forged;

	return fz_hashdb_lookup_by(db, xxh64, sha256, page, refs, 4, &found, &forged, &err) == 1;
}

static bool get_page(size_t i)
{
	return look_up(XXH64(pages + i * PAGE, PAGE, 0), NULL, pages + i * PAGE);
}

static bool get_digest(size_t i)
{
	return look_up(digest[i].xxh64, digest[i].sha256, pages + i * PAGE);
}

static MDB_env *env;
static MDB_txn *txn;
static MDB_dbi dbi;

static void open_plain(const char *path, unsigned int flags)
{
	if (mdb_env_create(&env) || mdb_env_set_mapsize(env, 4UL << 30) ||
	    mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC | flags, 0644) ||
	    mdb_txn_begin(env, NULL, flags, &txn) || mdb_dbi_open(txn, NULL, 0, &dbi))
		die("no plain LMDB file");
}

static void open_lmdb(const char *path)
{
	open_plain(path, MDB_RDONLY);
}

static void close_lmdb(void)
{
	mdb_txn_abort(txn);
	mdb_env_close(env);
}

static bool get_lmdb(size_t i)
{
	uint64_t k8 = htobe64(key[i]);
	MDB_val k = { 8, &k8 }, v;

	return !mdb_get(txn, dbi, &k, &v) && v.mv_size == VALUE;
}

static sqlite3 *sql;
static sqlite3_stmt *query;

static void run_sql(const char *text)
{
	if (sqlite3_exec(sql, text, NULL, NULL, NULL))
		die(sqlite3_errmsg(sql));
}

static void prepare(const char *text)
{
	if (sqlite3_prepare_v2(sql, text, -1, &query, NULL))
		die(sqlite3_errmsg(sql));
}

static void open_sqlite(const char *path)
{
	if (sqlite3_open(path, &sql))
		die("no SQLite file");
	run_sql("PRAGMA mmap_size=4294967296; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-65536");
	prepare("SELECT value FROM pages WHERE key = ?");
}

static void close_sqlite(void)
{
	sqlite3_finalize(query);
	sqlite3_close(sql);
}

static bool get_sqlite(size_t i)
{
	bool hit;

	sqlite3_bind_int64(query, 1, key[i]);
	hit = sqlite3_step(query) == SQLITE_ROW && sqlite3_column_bytes(query, 0) == VALUE;
	sqlite3_reset(query);
	return hit;
}

static const struct store stores[] = {
	{ "page", open_db, get_page, close_db },
	{ "digest", open_db, get_digest, close_db },
	{ "lmdb", open_lmdb, get_lmdb, close_lmdb },
	{ "sqlite", open_sqlite, get_sqlite, close_sqlite },
};

/* As many keys as @db has pages, each with 24 bytes, in order: the best case of both. */
static void make_plain(const char *lmdb, const char *sqlite, uint64_t n, uint64_t step)
{
	uint8_t value[VALUE] = { 0 };
	uint64_t i;

	unlink(lmdb);
	unlink(sqlite);
	open_plain(lmdb, 0);
	for (i = 0; i < n; i++) {
		uint64_t k8 = htobe64(i * step);
		MDB_val k = { 8, &k8 }, v = { VALUE, value };

		if (mdb_put(txn, dbi, &k, &v, MDB_APPEND))
			die("cannot write the plain file");
	}
	if (mdb_txn_commit(txn))
		die("cannot write the plain file");
	mdb_env_close(env);
	if (sqlite3_open(sqlite, &sql))
		die("no SQLite file");
	run_sql("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN;"
		"CREATE TABLE pages (key INTEGER PRIMARY KEY, value BLOB)");
	prepare("INSERT INTO pages VALUES (?, ?)");
	for (i = 0; i < n; i++) {
		sqlite3_bind_int64(query, 1, i * step);
		sqlite3_bind_blob(query, 2, value, VALUE, SQLITE_STATIC);
		if (sqlite3_step(query) != SQLITE_DONE)
			die(sqlite3_errmsg(sql));
		sqlite3_reset(query);
	}
	run_sql("COMMIT");
	close_sqlite();
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const struct store *s, const char *path, size_t n)
{
	double best = 1e9, p99 = 1e9, *took = calloc(n, sizeof(*took)), t;
	size_t i, hits;
	int round;

	if (!took)
		die("out of memory");
	s->open(path);
	for (round = 0; round < ROUNDS; round++) {
		hits = 0;
		t = cpu();
		for (i = 0; i < n; i++)
			hits += s->get(i);
		t = cpu() - t;
		if (hits != n)
			die("something that is there is not found");
		if (round && t < best)
			best = t;
		for (i = 0; i < n; i++) {
			t = now();
			hits += s->get(i);
			took[i] = now() - t;
		}
		qsort(took, n, sizeof(*took), by_size);
		if (round && took[n * 99 / 100] < p99)
			p99 = took[n * 99 / 100];
	}
	s->close();
	free(took);
	printf("%s_per_second %.0f\n%s_p99_ns %.0f\n", s->name, n / best, s->name, p99 * 1e9);
}

static int compare(const char *path, size_t n)
{
	char name[2][512];
	struct fz_hashdb_info info;
	double t, best = 1e9;
	uint64_t step;
	size_t i;

	for (i = 0; i < ROUNDS; i++) {
		t = now();
		open_db(path);
		t = now() - t;
		best = t < best ? t : best;
		if (i + 1 < ROUNDS)
			close_db();
	}
	fz_hashdb_info(db, &info);
	printf("open_ms %.2f\nbytes_per_page %.1f\n", best * 1e3, (double)info.bytes / info.pages);
	pages = known_pages(db, n);
	close_db();
	digest = calloc(n, sizeof(*digest));
	key = calloc(n, sizeof(*key));
	if (!digest || !key)
		die("out of memory");
	step = INT64_MAX / info.pages;
	for (i = 0; i < n; i++) {
		digest[i].xxh64 = XXH64(pages + i * PAGE, PAGE, 0);
		EVP_Digest(pages + i * PAGE, PAGE, digest[i].sha256, NULL, EVP_sha256(), NULL);
		key[i] = ((uint64_t)lrand48() << 31 | lrand48()) % info.pages * step;
	}
	snprintf(name[0], sizeof(name[0]), "%s.lmdb", path);
	snprintf(name[1], sizeof(name[1]), "%s.sqlite", path);
	make_plain(name[0], name[1], info.pages, step);
	for (i = 0; i < sizeof(stores) / sizeof(stores[0]); i++)
		measure(&stores[i], i < 2 ? path : name[i - 2], n);
	unlink(name[0]);
	unlink(name[1]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "make"))
		return make(argv[2], strtoull(argv[3], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "compare"))
		return compare(argv[2], strtoul(argv[3], NULL, 10));
	fprintf(stderr, "usage: dbbench make DB PAGES | compare DB N\n");
	return 2;
}
