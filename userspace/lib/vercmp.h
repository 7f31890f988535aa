/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vercmp.h - which of two package versions is the later, as each packager orders them
 *
 * Versions come from packages and advisories, so they may be anything. A version that
 * its packager's own tool would refuse is not ordered: a wrong order would be a claim.
 */
#ifndef FZ_VERCMP_H
#define FZ_VERCMP_H

#include <stdbool.h>

enum fz_order {
	FZ_ORDER_DEB,	/* deb-version(7) */
	FZ_ORDER_RPM,	/* [epoch:]version[-release], rpm-version(7) */
	FZ_ORDER_APK,	/* apk-package(5) */
	FZ_ORDERS,
};

/* Is @v a version at all? */
bool fz_version_valid(enum fz_order order, const char *v);

/* *@cmp is negative, 0 or positive as @a is before, equal to or after @b. -EINVAL: no versions. */
int fz_version_compare(enum fz_order order, const char *a, const char *b, int *cmp);

#endif
