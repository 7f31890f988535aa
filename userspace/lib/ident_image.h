/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ident_image.h - one page of one image, as ident_pe.c asks for it
 */
#ifndef FZ_IDENT_IMAGE_H
#define FZ_IDENT_IMAGE_H

#include "identify_priv.h"
#include "reloc.h"

struct fz_image {
	bool looked, relocated;
	uint32_t file;		/* its number in the database */
	struct fz_reloc_image image;
	const uint8_t *loose;
};

/* What is known of classes. Start from zeros. */
struct fz_images {
	struct fz_image *classes;
	size_t nclasses;
};

void fz_images_free(struct fz_images *im);

/* 1 if @class lies in one piece and is perhaps relocated; *@info may move with the next call. */
int fz_image_class(struct fz_identify *id, struct fz_images *im, uint32_t class,
		   struct fz_image **info, struct fz_error *err);

/*
 * Is @f page @page of @class, loaded at @base? 1; 2 if that is also a page of another
 * class; 3 if it is, but for symbols that may lead elsewhere than they should; 0, or a
 * negative errno.
 */
#define FZ_IMAGE_BUT_SYMBOLS	3

int fz_image_is_page(struct fz_identify *id, struct fz_images *im, const struct fz_frame *f,
		     uint32_t class, uint32_t page, uint64_t base, struct fz_error *err);

/*
 * @f lies where page @page of @class was (if that is @certain), and is another. If most of
 * it is as it was, it is a changed one; if only bytes differ that the file does not tell,
 * say so. 1 if something was said.
 */
int fz_image_compare(struct fz_identify *id, struct fz_images *im, struct fz_frame *f,
		     uint32_t class, uint32_t page, uint64_t base, bool certain,
		     struct fz_error *err);

#endif
