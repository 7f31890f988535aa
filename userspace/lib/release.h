/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * release.h - names of releases: "Debian:bookworm", "Alpine:v3.18", "Red Hat:enterprise_linux:9"
 *
 * The distribution as OSV calls it, a colon, the release as its advisories do; Debian's by
 * code name. Several are joined by commas.
 */
#ifndef FZ_RELEASE_H
#define FZ_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include "error.h"

#define FZ_RELEASE_TEXT	96	/* bytes of a name, its NUL included */

/* "12" or "bookworm" as a code name; NULL if it is no release of Debian. */
const char *fz_debian_codename(const char *release);

/* "bookworm", "Debian:12", "Alpine:v3.18" as such a name. -EINVAL if it is none. */
int fz_release_name(const char *given, char name[FZ_RELEASE_TEXT], struct fz_error *err);

/*
 * What an os-release(5) file says, as such a name. "" if it does not say it: Debian's
 * testing and unstable have one text. Of a distribution that no advisory knows by name, its
 * own: so nothing is claimed of it.
 */
void fz_release_of_os(const char *text, size_t len, char name[FZ_RELEASE_TEXT]);

/* Is @name, or one of several, well-formed? */
bool fz_release_valid(const char *names);

#endif
