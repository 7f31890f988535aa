/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * owners_priv.h - for those that read a package database: dpkg.c, apkdb.c, rpmdb.c
 */
#ifndef FZ_OWNERS_PRIV_H
#define FZ_OWNERS_PRIV_H

#include "owners.h"

#define FZ_OWNERS_DIGEST	32	/* of longer ones, the first bytes */

enum fz_owners_algo { FZ_OWNERS_UNSURE, FZ_OWNERS_MD5, FZ_OWNERS_SHA1, FZ_OWNERS_SHA224,
		      FZ_OWNERS_SHA256, FZ_OWNERS_SHA384, FZ_OWNERS_SHA512, FZ_OWNERS_ALGOS };

struct fz_owners_entry {
	char *listed;		/* in the package's list, "/bin/ls" */
	char *path;		/* where it is, "/usr/bin/ls"; same pointer if it is the same */
	uint32_t package;
	uint8_t algo;		/* UNSURE: the package has no digest of it */
	uint8_t digest[FZ_OWNERS_DIGEST];
};

struct fz_owners {
	struct fz_fs *fs;
	const struct fz_harvest *h;
	struct fz_package *packages;
	struct fz_owners_entry *entries;
	size_t npackages, nentries, max_packages, max_entries;
	unsigned int merged;	/* bit i: merged_dirs[i] is a link into /usr */
	char release[FZ_RELEASE_TEXT];	/* of all its packages, or "" */
};

/* Add a package; the entries that follow are its. */
int fz_owners_add(struct fz_owners *o, const struct fz_package *p, struct fz_error *err);

/* Add a file of the last package; one whose path makes no sense is passed over. */
int fz_owners_entry(struct fz_owners *o, const char *s, size_t len, enum fz_owners_algo algo,
		    const uint8_t *digest, struct fz_error *err);

/* Sort, for fz_owners_first(): the first entry of @path, or NULL. */
void fz_owners_sort(struct fz_owners *o);
struct fz_owners_entry *fz_owners_first(const struct fz_owners *o, const char *path);

/* Where the root has what a list calls @listed ("/bin/ls"); another or the same string. */
char *fz_owners_place(const struct fz_owners *o, char *listed);

size_t fz_owners_digest_len(enum fz_owners_algo algo);	/* at most FZ_OWNERS_DIGEST */

/* 0, or an error that ends it all; without such a database, nothing is added. */
int fz_dpkg_read(struct fz_owners *o, struct fz_error *err);
int fz_apkdb_read(struct fz_owners *o, struct fz_error *err);
int fz_rpmdb_read(struct fz_owners *o, struct fz_error *err);

#endif
