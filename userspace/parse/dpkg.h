/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dpkg.h - what dpkg knows of an installed root
 */
#ifndef FZ_DPKG_H
#define FZ_DPKG_H

#include "harvest.h"

struct fz_dpkg;

/*
 * Read var/lib/dpkg of the root at @root. 1, or 0 if there is none. A package
 * whose records are damaged is noted through @h and left out.
 */
int fz_dpkg_open(struct fz_dpkg **d, const char *root, const struct fz_harvest *h,
		 struct fz_error *err);
void fz_dpkg_close(struct fz_dpkg *d);

enum fz_owner { FZ_OWNER_NONE, FZ_OWNER_FOUND, FZ_OWNER_CHANGED };

/*
 * Which package installed the file at @path, whose content is @data? CHANGED: one
 * did, but its md5sums say that this is not what it installed; then nobody vouches
 * for it. *@listed is the path as the package has it, which a merged /usr makes
 * another.
 */
enum fz_owner fz_dpkg_owner(struct fz_dpkg *d, const char *path, const void *data, size_t size,
			    const struct fz_package **package, const char **listed);

#endif
