/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hashdb_writer.h - a writer's inside: hashdb_write.c collects, hashdb_publish.c writes
 */
#ifndef FZ_HASHDB_WRITER_H
#define FZ_HASHDB_WRITER_H

#include <openssl/evp.h>
#include "hashdb_format.h"
#include "hashdb_write.h"

struct fz_db_grow {
	uint8_t *p;
	size_t len, cap;
};

struct fz_db_pending {		/* an ident to come */
	struct fz_db_key key;
	struct fz_db_ident ident;
};

enum {
	GROW_PAGES, GROW_SKETCHES, GROW_FILES, GROW_PACKAGES, GROW_IDENTS, GROW_EXTRAS,
	GROW_ANCHORS, GROWS
};

struct fz_hashdb_writer {
	struct fz_store_writer out;
	struct fz_hashdb *old;		/* NULL: there is none */
	EVP_MD *sha256;
	EVP_MD_CTX *ctx;
	/*
	 * Records to come: struct fz_db_page[]; sketches; files and packages, each as
	 * u32 length and value, in the order of their ids; struct fz_db_pending[]; extras,
	 * each as key, u32 length and value, ascending; struct fz_db_anchor[].
	 */
	struct fz_db_grow grow[GROWS];
	size_t kept[GROWS];
	struct fz_db_extra last_extra, kept_last_extra;	/* if there is one */
	uint32_t files, packages;	/* last ids given */
	uint32_t kept_files, kept_packages;
	struct fz_hashdb_added added, kept_added;
	uint32_t *index;		/* open addressing into idents, + 1; a power of two */
	size_t index_size;
};

int fz_db_append(struct fz_db_grow *g, const void *data, size_t len, struct fz_error *err);

/* Keep the contents of a file's pages, @n of them at @pages, as chunk @index. */
int fz_db_write_contents(struct fz_hashdb_writer *w, uint32_t file, uint32_t index,
			 const void *pages, size_t n, struct fz_error *err);

/* The id of the package with @f's strings; *@new if it was not there. */
int fz_db_package_id(struct fz_hashdb_writer *w, const struct fz_hashdb_file *f, uint32_t *id,
		     bool *new, struct fz_error *err);

/* 1 and the ident, or 0. */
int fz_db_find_ident(struct fz_hashdb_writer *w, const struct fz_db_key *key,
		     struct fz_db_ident *ident, struct fz_error *err);
int fz_db_add_ident(struct fz_hashdb_writer *w, const struct fz_db_key *key, uint32_t id,
		    uint32_t files, struct fz_error *err);

/* Index the pending idents anew, with room for @size / 2 (a power of two). */
int fz_db_index_rebuild(struct fz_hashdb_writer *w, size_t size, struct fz_error *err);

#endif
