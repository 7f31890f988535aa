/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hashdb_format.h - how the database is laid out; for hashdb*.c and their tests
 *
 * It is a store (store.h) of these tables:
 *
 *	table		key			value
 *	pages		0 (u32)			struct fz_db_page, ascending: duplicates
 *						of one key, which LMDB packs without
 *						a byte between them
 *	files		id (u32)		struct fz_db_file, then its segments,
 *						build-id and path
 *	packages	id (u32)		FZ_DB_STRINGS strings, each with its NUL
 *	sketches	file id << 32 | chunk	FZ_SKETCH bytes a page, FZ_DB_CHUNK pages
 *	idents		struct fz_db_key	struct fz_db_ident: what has been added
 *	extras		struct fz_db_extra	bytes: what else is kept of a file
 *	anchors		0 (u32)			struct fz_db_anchor, as in "pages"
 *
 * Page contents, of files that have them, are extras of blob FZ_BLOB_PAGES: each is
 * FZ_DB_CONTENTS executable pages, in order, as one frame of zstd.
 *
 * Integers are the machine's own (LMDB's are, too), but for those of struct
 * fz_db_page, fz_db_anchor and fz_db_extra, which memcmp() must order.
 */
#ifndef FZ_HASHDB_FORMAT_H
#define FZ_HASHDB_FORMAT_H

#include <endian.h>
#include "hashdb.h"
#include "store.h"
#include "unpacked.h"

#define FZ_DB_SCHEMA	4
#define FZ_DB_STRINGS	6	/* package, source, version, source_version, arch, release */
#define FZ_DB_CHUNK	62	/* four nodes of so many sketches fill an LMDB page */
#define FZ_DB_SEGMENTS	64
#define FZ_DB_PATH_MAX	4095
#define FZ_DB_CONTENTS	64	/* pages in a chunk of contents */

struct fz_db_page {
	uint64_t xxh64;		/* big-endian, as all here */
	uint8_t sha128[16];
	uint32_t file;
	uint32_t page;
};

struct fz_db_anchor {
	uint64_t hash;		/* big-endian, as all here */
	uint32_t file;
	uint32_t page;
};

struct fz_db_extra {
	uint32_t file;		/* big-endian, as all here */
	uint32_t blob;
	uint32_t index;
};

struct fz_db_segment {
	uint64_t offset, vaddr;
	uint32_t pages, reserved;
};

#define FZ_DB_PIE	1
#define FZ_DB_64	2
#define FZ_DB_FLAGS	2

struct fz_db_file {
	uint8_t sha256[32];
	uint64_t bytes;
	uint64_t entry;
	uint32_t pages;
	uint32_t package;	/* its id */
	uint16_t machine;
	uint8_t nsegments;
	uint8_t kind;		/* enum fz_hashdb_kind */
	uint16_t path_len;
	uint8_t build_id_len;
	uint8_t flags;		/* FZ_DB_*, and FZ_FILE_* << FZ_DB_FLAGS */
};

/* First bytes of the SHA-256 of what makes a thing the same: fz_db_file_key() and others */
struct fz_db_key {
	uint8_t kind;		/* 'F'ile, 'P'ackage, 'A'rchive */
	uint8_t digest[16];
};

struct fz_db_ident {
	uint32_t id;		/* of the file or package */
	uint32_t files;		/* archive: how many it holds */
};

enum fz_db_table { FZ_DB_PAGES, FZ_DB_FILES, FZ_DB_PACKAGES, FZ_DB_SKETCHES, FZ_DB_IDENTS,
		   FZ_DB_EXTRAS, FZ_DB_ANCHORS, FZ_DB_TABLES };

extern const struct fz_store_kind fz_db_kind;

struct fz_hashdb {
	struct fz_store store;
	MDB_cursor *pages, *anchors;
	struct fz_unpacked contents;
	uint64_t *maybe;	/* of anchors: a clear bit says that there is none */
	uint64_t maybe_mask;
	struct fz_hashdb_info info;
	uint32_t packages;	/* their ids are 1 to this; info counts those with a name */
};

/* A run of file pages; of a file's runs, none touches the next. */
struct fz_db_run {
	uint32_t first, count;
};

/* The pages that @f's segments map, each once, ascending. Return the number of runs. */
size_t fz_db_runs(const struct fz_hashdb_segment *segments, size_t n,
		  struct fz_db_run runs[FZ_DB_SEGMENTS]);

/* Say that the database at @path is broken: which object, how. -EBADMSG. */
int fz_db_broken(struct fz_error *err, const char *path, const char *what, unsigned long long id);

/* As fz_store_mdb(). */
int fz_db_mdb(struct fz_error *err, const char *path, int rc);

/* Read record @id of "files" / the strings of record @id of "packages". */
int fz_db_get_file(struct fz_hashdb *db, uint32_t id, struct fz_hashdb_file *f,
		   uint32_t *package, struct fz_error *err);
int fz_db_get_package(struct fz_hashdb *db, uint32_t id, const char *strings[FZ_DB_STRINGS],
		      struct fz_error *err);

/* Which of @f's executable pages is @page? Its index, or -1 if it is none of them. */
int64_t fz_db_page_index(const struct fz_hashdb_file *f, uint32_t page);

/* Is there a page record of exactly this content? 1, 0 or a negative errno. */
int fz_db_has_page(struct fz_hashdb *db, const void *page, uint32_t file, uint32_t pageno,
		   struct fz_error *err);

/* Check all extras and anchors of a database whose files are sound. */
int fz_db_check_extras(struct fz_hashdb *db, struct fz_error *err);

/* What makes a file the same: content, path, package, kind and flags. A package: its strings. */
int fz_db_file_key(struct fz_db_key *key, const struct fz_hashdb_file *f);
int fz_db_package_key(struct fz_db_key *key, const char *const strings[FZ_DB_STRINGS]);

#endif
