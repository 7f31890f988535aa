/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * package.h - reading Debian packages
 */
#ifndef FZ_PACKAGE_H
#define FZ_PACKAGE_H

#include "harvest.h"

#define FZ_CONTROL_MAX	(1UL << 20)	/* bytes of a control file */
#ifndef FZ_UNPACKED_MAX		/* the fuzzers have smaller limits */
#define FZ_MEMBERS_MAX	(1UL << 20)	/* files in a package */
#define FZ_UNPACKED_MAX	(64UL << 30)	/* bytes that a package may unpack to */
#endif

/*
 * Read the .deb at @fd from its start to its end, whatever it was compressed with;
 * hand over its ELF files (not through @h->package), and fill @package. Of a
 * file with several names (hard links), the first in the package stands.
 * -EINVAL: it is none, or it is cut short or damaged.
 */
int fz_package_read(struct fz_package *package, int fd, const struct fz_harvest *h,
		    struct fz_error *err);

#endif
