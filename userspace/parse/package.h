/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * package.h - reading packages
 */
#ifndef FZ_PACKAGE_H
#define FZ_PACKAGE_H

#include "harvest.h"

#define FZ_CONTROL_MAX	(1UL << 20)	/* bytes of a control file */

/*
 * Read the package (.deb, .rpm or .apk, by its content) at @fd from its start to its
 * end, whatever it was compressed with; hand over its files of known kinds (not
 * through @h->package), and fill @package. Of a file with several names (hard
 * links), the first in the package stands.
 * -EINVAL: it is none, or it is cut short or damaged.
 */
int fz_package_read(struct fz_package *package, int fd, const struct fz_harvest *h,
		    struct fz_error *err);

int fz_deb_read(struct fz_package *package, int fd, const struct fz_harvest *h,
		struct fz_error *err);
int fz_rpm_read(struct fz_package *package, int fd, const struct fz_harvest *h,
		struct fz_error *err);
int fz_apk_read(struct fz_package *package, int fd, const struct fz_harvest *h,
		struct fz_error *err);

/* Do the first @size bytes at @head begin an Alpine package? */
bool fz_apk_begins(const void *head, size_t size);

#endif
