/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ident_calls.h - calls through a pointer that a system has made direct: where may they lead
 *
 * The pointer (a static call's key, a field of pv_ops) is a *slot*. It points to one function
 * at a time, and all its sites lead there. The first function that is seen in a VM is
 * believed, unless the file tells which one that is; another only if two sites lead to it, in
 * whichever pages: one site alone may have been changed.
 *
 * What a guest shows is remembered up to a bound. Beyond it, no other function is believed.
 */
#ifndef FZ_IDENT_CALLS_H
#define FZ_IDENT_CALLS_H

#include "identify_priv.h"

/* Whose slots: a kernel or module (file @file of the database), where it lies in a VM. */
struct fz_calls_of {
	uint32_t vm, file;
	uint64_t base;
};

#define FZ_CALLS_MAX	(FZ_PAGE_SIZE / 5 + 1)
#define FZ_CALLS_VALUES	16		/* of a slot */
#define FZ_CALLS_VM_MAX	65536		/* of all slots in a VM */

/* The calls of a page that is tried. */
struct fz_calls_page {
	size_t n;
	struct {
		uint64_t slot, value, site;
		bool told;		/* by the file, where it leads at first */
	} asked[FZ_CALLS_MAX];
};

struct fz_calls;

struct fz_calls *fz_calls_new(void);
void fz_calls_free(struct fz_calls *c);

/* The call at @site, through @slot, leads to @value. False: there are too many. */
bool fz_calls_ask(struct fz_calls_page *p, uint64_t slot, uint64_t value, uint64_t site);
/*
 * The page comes out but for its calls. 1: these lead where they may; 0: nobody knows, or
 * not yet: ask again when all else has been seen. -ENOMEM.
 */
int fz_calls_agree(struct fz_calls *c, const struct fz_calls_of *of,
		   const struct fz_calls_page *p);

#endif
