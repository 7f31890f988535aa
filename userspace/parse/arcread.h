/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arcread.h - an archive from its beginning to its end: a tar in whatever compression,
 * one in a member of another, or an ISO 9660 image
 */
#ifndef FZ_ARCREAD_H
#define FZ_ARCREAD_H

#include "arcfs.h"
#include "unpack.h"

struct fz_arcread {
	struct archive *file, *outer;	/* below the layers */
	struct fz_layer member, raw, tar;
	struct archive *a;		/* whose entries are read */
};

/* fz_arcread_close() in the end, also after an error. */
int fz_arcread_open(struct fz_arcread *r, struct fz_unpack *u, const struct fz_arcsource *s);
/* Read what is left, so that checksums are seen. */
int fz_arcread_drain(struct fz_arcread *r, struct fz_unpack *u);
void fz_arcread_close(struct fz_arcread *r);

/*
 * Go to member @s->member of the tar at @s->fd; its data is to be read from @r->a,
 * as it is. -ENOENT: there is none.
 */
int fz_arcread_member(struct fz_arcread *r, struct fz_unpack *u, const struct fz_arcsource *s);

#endif
