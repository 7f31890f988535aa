/* SPDX-License-Identifier: GPL-2.0-only */
/* ident_made.h - ident_kernel.c's third part: code that the kernel makes as it runs */
#ifndef FZ_IDENT_MADE_H
#define FZ_IDENT_MADE_H

#include "identify_priv.h"
#include "undo.h"

#define FZ_MODULES	0xffffffffc0000000ULL	/* MODULES_VADDR, at its lowest */
#define FZ_MODULES_END	0xffffffffff000000ULL

/* What is asked of the kernel that a trampoline may be of. */
struct fz_template {
	/* Page @pageno of its file, to @page. 1, 0 if it is not at hand. */
	int (*page)(void *ctx, uint32_t pageno, uint8_t *page, struct fz_error *err);
	/* Is @page that page, patched as its tables allow? 1 or 0. */
	int (*confirm)(void *ctx, uint32_t pageno, const uint8_t *page, struct fz_error *err);
	/* Is a function of it so far from the trampoline's begin? */
	bool (*function)(void *ctx, int64_t offset);
	void *ctx;
};

/* Is @have a trampoline made of @t? 1 or 0. */
int fz_made_trampoline(const struct fz_ftrace *t, const uint8_t *have, const struct fz_template *k,
		       struct fz_error *err);
/* Does @at lie in what looks like a BPF program? It ends at @end, perhaps on a later page. */
bool fz_made_bpf(const uint8_t *page, unsigned int at, unsigned int *end);
/* Give open frames of the module area a reason. */
int fz_made_name(struct fz_identify *id, struct fz_error *err);

#endif
