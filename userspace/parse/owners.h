/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * owners.h - which package installed a file, by what dpkg, rpm and apk know of a root
 */
#ifndef FZ_OWNERS_H
#define FZ_OWNERS_H

#include "fs.h"

struct fz_owners;

/*
 * Read the package databases of @fs. 1, or 0 if there is none. A package whose
 * records are damaged is noted through @h and left out.
 */
int fz_owners_open(struct fz_owners **o, struct fz_fs *fs, const struct fz_harvest *h,
		   struct fz_error *err);
void fz_owners_close(struct fz_owners *o);

enum fz_owner { FZ_OWNER_NONE, FZ_OWNER_FOUND, FZ_OWNER_CHANGED };

/*
 * Which package installed the file at @path, whose content is @data? CHANGED: one
 * did, but its digest says that this is not what it installed; then nobody vouches
 * for it. *@listed is the path as the package has it, which a merged /usr makes
 * another.
 */
enum fz_owner fz_owners_find(struct fz_owners *o, const char *path, const void *data, size_t size,
			     const struct fz_package **package, const char **listed);

#endif
