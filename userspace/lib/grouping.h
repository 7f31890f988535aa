/* SPDX-License-Identifier: GPL-2.0-only */
/* grouping.h - frames on their way to programs: programs.c, past.c */
#ifndef FZ_GROUPING_H
#define FZ_GROUPING_H

#include "identify_priv.h"

/* One frame's contribution to a program. */
struct item {
	uint32_t program, frame;	/* FZ_NONE: one that was let go */
	uint32_t page;		/* of the file; where several files differ: the content */
	uint64_t cr3;
};

/* A place with a modified page, of a file that may be one of @n. */
struct modified {
	struct fz_place place;
	uint32_t n;
};

struct grouping {
	struct fz_identify *id;
	struct modified *modified;	/* places with a modified page */
	size_t nmodified, modified_cap;
	struct item *items;
	size_t nitems, items_cap;
	struct fz_index by_key, by_space;
};

/* What verdict @f gives the program that has @classes, and which page of it. */
enum fz_verdict fz_group_verdict(const struct grouping *g, const struct fz_frame *f,
				 const uint32_t *classes, uint32_t n);
uint32_t fz_group_page(const struct fz_results *r, const struct fz_frame *f, uint32_t n);
/* All -ENOMEM. Find places with modified pages; find or make a program. */
int fz_group_modified(struct grouping *g);
int fz_group_program(struct grouping *g, const struct fz_frame *f, enum fz_verdict verdict,
		     const uint32_t *classes, uint32_t n, uint32_t *at);
/* Items by program and page. */
int fz_item_order(const void *a, const void *b);
/* Add what is kept of frames that were let go. */
int fz_past_programs(struct grouping *g);
int fz_past_unknowns(struct fz_identify *id);

#endif
