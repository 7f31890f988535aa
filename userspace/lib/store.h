/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * store.h - a store: tables in one file that is written once, in key order, and never changed
 *
 * The file is an LMDB environment, then one trailer page that LMDB does not know of. The
 * digest in the trailer covers all of it. A new file replaces an old one by rename().
 */
#ifndef FZ_STORE_H
#define FZ_STORE_H

#include <lmdb.h>
#include <stdint.h>
#include "error.h"

#define FZ_STORE_BLOCK	4096
#define FZ_STORE_TABLES	8	/* at most */

struct fz_store_kind {
	char magic[16];		/* of the trailer */
	uint32_t schema;
	const char *what;	/* "a database of known binaries" */
	const char *none;	/* "there is no database" */
	const char *make;	/* "make one with 'fitzroy db add'" */
	const char *remake;	/* what to do about a damaged one */
	unsigned int ntables;
	struct fz_store_table {
		const char *name;
		unsigned int flags;	/* of mdb_dbi_open() */
	} tables[FZ_STORE_TABLES];
};

/* The last FZ_STORE_BLOCK bytes, zero-filled. */
struct fz_store_trailer {
	char magic[16];
	uint32_t schema;
	uint32_t reserved;
	uint64_t bytes;		/* of the file before the trailer */
	uint8_t digest[16];	/* XXH3-128 of these bytes and the fields above */
};

/* One that is open for reading. */
struct fz_store {
	const struct fz_store_kind *kind;
	char *path;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi[FZ_STORE_TABLES];
	uint64_t bytes;		/* of the file */
	uint8_t digest[16];
};

/*
 * Open the store at @path and verify it: that it is the caller's or root's, nobody else may
 * write it, and its digest is right. -ENOENT: there is none; -EPERM; -EINVAL: it is something
 * else or has another schema; -EBADMSG: it is damaged. Nothing of it is mapped before that.
 */
int fz_store_open(struct fz_store *s, const struct fz_store_kind *kind, const char *path,
		  struct fz_error *err);

/* Also after a failed fz_store_open(), and of a zeroed @s. */
void fz_store_close(struct fz_store *s);

/* Say that the store at @path is damaged: @what is wrong. -EBADMSG. */
int fz_store_broken(const struct fz_store_kind *kind, const char *path, const char *what,
		    struct fz_error *err);

/* An LMDB return value as a negative errno, with a line. */
int fz_store_mdb(const struct fz_store_kind *kind, const char *path, int rc,
		 struct fz_error *err);

/* Append the trailer to the LMDB file at @fd, whose name is @path. */
int fz_store_seal(const struct fz_store_kind *kind, int fd, const char *path,
		  struct fz_error *err);

/* One that is being written. */
struct fz_store_writer {
	const struct fz_store_kind *kind;
	char *path, *temp, *dir;
	int dirfd;		/* holds the lock */
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi[FZ_STORE_TABLES];
	size_t bytes;		/* put since the last commit */
};

/*
 * Lock the directory of @path, which is made if need be, against other writers. -EBUSY:
 * there is one.
 */
int fz_store_write_open(struct fz_store_writer *w, const struct fz_store_kind *kind,
			const char *path, struct fz_error *err);

/* Also after a failed fz_store_write_open(), and of a zeroed @w. */
void fz_store_write_close(struct fz_store_writer *w);

/*
 * Write a new store, of about @bytes, and put it in the old one's place. @fill writes it by
 * fz_store_put(), each table in the order of its keys (or values, with MDB_DUPSORT). On disk
 * when this returns 0; on an error the old one stays.
 */
typedef int fz_store_fill(void *arg, struct fz_error *err);
int fz_store_publish(struct fz_store_writer *w, size_t bytes, fz_store_fill *fill, void *arg,
		     struct fz_error *err);

int fz_store_put(struct fz_store_writer *w, unsigned int table, const MDB_val *key,
		 const MDB_val *val, struct fz_error *err);

#endif
