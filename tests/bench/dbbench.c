// SPDX-License-Identifier: GPL-2.0-only
/*
 * dbbench.c - figures of the database of known binaries; db.sh runs it
 *
 *	dbbench sha256			SHA-256 of 4 KiB pages, one core
 *	dbbench make DB PAGES		a database of so many pages of noise
 *	dbbench lookup DB N		N look-ups of pages that are in it, warm and cold
 *	dbbench plain DB N		the same of a plain LMDB file: key 8, value 24 bytes
 *
 * Each prints "name value" lines.
 */
#include <endian.h>
#include <fcntl.h>
#include <lmdb.h>
#include <openssl/evp.h>
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
#define COLD		2000		/* look-ups; more would be warm */

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

static int sha256(void)
{
	static uint8_t pages[64 * PAGE], md[EVP_MAX_MD_SIZE];
	EVP_MD *type = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint64_t n = 0;
	double t = cpu();

	while (cpu() - t < 2)
		for (int i = 0; i < 64; i++, n++) {
			EVP_DigestInit_ex2(ctx, type, NULL);
			EVP_DigestUpdate(ctx, pages + i * PAGE, PAGE);
			EVP_DigestFinal_ex(ctx, md, NULL);
		}
	printf("sha256_pages_per_second %.0f\n", n / (cpu() - t));
	return 0;
}

static int make(const char *path, uint64_t pages)
{
	struct fz_hashdb_segment s = { 0, 0, FILE_PAGES };
	uint8_t *data = malloc(FILE_PAGES * PAGE);
	struct fz_hashdb_writer *w;
	struct fz_error err;
	char name[32];
	double t, hashing = 0;
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
	}
	printf("add_pages_per_second %.0f\n", (double)(file - 1) * FILE_PAGES / hashing);
	fz_hashdb_write_keep(w);
	t = cpu();
	if (fz_hashdb_write_publish(w, &err))
		die(err.text);
	printf("publish_pages_per_second %.0f\n", (double)(file - 1) * FILE_PAGES / (cpu() - t));
	fz_hashdb_write_close(w);
	return 0;
}

/* @n pages that @db knows, at random: of noise, or of this machine's own files. */
static uint8_t *known_pages(struct fz_hashdb *db, size_t n)
{
	uint8_t *pages = malloc(n * PAGE);
	struct fz_hashdb_info info;
	struct fz_hashdb_file f;
	struct fz_error err;
	size_t got = 0, tries = 0;

	if (!pages)
		die("out of memory");
	fz_hashdb_info(db, &info);
	srand48(1);
	while (got < n && tries++ < 20 * n) {
		uint32_t id = 1 + lrand48() % info.files, page;
		int fd;

		if (fz_hashdb_file(db, id, &f, &err))
			die(err.text);
		page = f.segments[0].offset / PAGE + lrand48() % f.segments[0].pages;
		if (!strncmp(f.path, "/noise/", 7)) {
			noise((uint64_t *)(pages + got++ * PAGE), id, page);
		} else if ((fd = open(f.path, O_RDONLY)) >= 0) {
			got += pread(fd, pages + got * PAGE, PAGE, (off_t)page * PAGE) == PAGE;
			close(fd);
		}
		fz_hashdb_file_free(&f);
	}
	if (got < n)
		die("too few of its files are on this machine");
	return pages;
}

static void forget(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		die("cannot drop the cache");
	close(fd);
}

static int lookup(const char *path, size_t n)
{
	struct fz_hashdb_ref refs[4];
	struct fz_hashdb_info info;
	struct fz_hashdb *db;
	struct fz_error err;
	size_t i, found, hits = 0;
	uint8_t *pages;
	bool forged;
	double t;
	int round;

	t = now();
	if (fz_hashdb_open(&db, path, &err))
		die(err.text);
	printf("open_seconds %.2f\n", now() - t);
	fz_hashdb_info(db, &info);
	printf("pages %llu\nbytes_per_page %.1f\n", (unsigned long long)info.pages,
	       (double)info.bytes / info.pages);
	pages = known_pages(db, n);
	for (round = 0; round < 3; round++) {	/* cold; not counted; warm */
		size_t m = round || COLD > n ? n : COLD;

		if (!round) {	/* the mapping, too */
			fz_hashdb_close(db);
			if (fz_hashdb_open(&db, path, &err))
				die(err.text);
			forget(path);
		}
		hits = 0;
		t = round ? cpu() : now();
		for (i = 0; i < m; i++) {
			const uint8_t *p = pages + i * PAGE;

			hits += fz_hashdb_lookup(db, XXH64(p, PAGE, 0), p, refs, 4, &found,
						 &forged, &err) == 1;
		}
		if (round != 1)
			printf("%s_lookups_per_second %.0f\n", round ? "warm" : "cold",
			       m / ((round ? cpu() : now()) - t));
	}
	printf("hits %zu of %zu\n", hits, n);
	fz_hashdb_close(db);
	free(pages);
	return 0;
}

/* A plain file with the keys 0... in hash order, as many as @path has pages. */
static int plain(const char *path, size_t n)
{
	struct fz_hashdb_info info;
	struct fz_hashdb *db;
	struct fz_error err;
	uint8_t value[24] = { 0 };
	char name[512];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	uint64_t i, key, step;
	MDB_val k = { 8, &key }, v;
	double t;
	int round;

	if (fz_hashdb_open(&db, path, &err))
		die(err.text);
	fz_hashdb_info(db, &info);
	fz_hashdb_close(db);
	snprintf(name, sizeof(name), "%s.plain", path);
	unlink(name);
	step = UINT64_MAX / info.pages;
	for (round = -1; round < 3; round++) {
		size_t m = round > 0 || COLD > n ? n : COLD, hits = 0;

		if (mdb_env_create(&env) || mdb_env_set_mapsize(env, 4UL << 30) ||
		    mdb_env_open(env, name, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC |
				 (round < 0 ? 0 : MDB_RDONLY), 0644) ||
		    mdb_txn_begin(env, NULL, round < 0 ? 0 : MDB_RDONLY, &txn) ||
		    mdb_dbi_open(txn, NULL, 0, &dbi))
			die("no plain LMDB file");
		if (round < 0) {
			for (i = 0; i < info.pages; i++) {
				key = htobe64(i * step);
				v = (MDB_val) { sizeof(value), value };
				if (mdb_put(txn, dbi, &k, &v, MDB_APPEND))
					die("cannot write the plain file");
			}
			mdb_txn_commit(txn);
			mdb_env_close(env);
			continue;
		}
		if (!round)
			forget(name);
		srand48(2);
		t = round ? cpu() : now();
		for (i = 0; i < m; i++) {
			key = ((uint64_t)lrand48() << 31 | lrand48()) % info.pages;
			key = htobe64(key * step);
			hits += !mdb_get(txn, dbi, &k, &v);
		}
		if (hits != m)
			die("a plain key is missing");
		if (round != 1)
			printf("plain_%s_gets_per_second %.0f\n", round ? "warm" : "cold",
			       m / ((round ? cpu() : now()) - t));
		/* What round 1 warmed is mapped; round 2 opens anew, the cache stays. */
		mdb_txn_abort(txn);
		mdb_env_close(env);
	}
	unlink(name);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "sha256"))
		return sha256();
	if (argc == 4 && !strcmp(argv[1], "make"))
		return make(argv[2], strtoull(argv[3], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "lookup"))
		return lookup(argv[2], strtoul(argv[3], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "plain"))
		return plain(argv[2], strtoul(argv[3], NULL, 10));
	fprintf(stderr, "usage: dbbench sha256 | make DB PAGES | lookup DB N | plain DB N\n");
	return 2;
}
