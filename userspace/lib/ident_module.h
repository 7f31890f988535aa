/* SPDX-License-Identifier: GPL-2.0-only */
/* ident_module.h - ident_kernel.c's other half: the kernel's modules */
#ifndef FZ_IDENT_MODULE_H
#define FZ_IDENT_MODULE_H

#include "identify_priv.h"
#include "undo.h"

/* What the modules' half asks of the kernel that runs in a VM. */
struct fz_kernel_view {
	/* Where the symbol with this id lies in VM @vm. False: no kernel there has it. */
	bool (*symbol)(void *ctx, uint32_t vm, uint64_t id, uint64_t *value);
	/* Is a function of the VM's kernel at this address? */
	bool (*function)(void *ctx, uint32_t vm, uint64_t vaddr);
	/* Can bytes [@from, @to) of a rel32 whose next instruction is @next be a function's? */
	bool (*function_part)(void *ctx, uint32_t vm, uint64_t next, const uint8_t *bytes,
			      int from, int to);
	/* Is it where ftrace's calls lead, the kernel's own or a trampoline? */
	bool (*traced)(void *ctx, uint32_t vm, uint64_t vaddr);
	void *ctx;
};

/* What is found out about a content counts in its VM only: the key of such a memo. */
static inline uint64_t fz_memo_key(const struct fz_frame *f)
{
	return (uint64_t)f->vm << 32 | f->content;
}

static inline uint32_t fz_memo_at(const struct fz_index *x, const struct fz_frame *f)
{
	size_t it = FZ_INDEX_START(fz_memo_key(f));

	return fz_index_next(x, fz_memo_key(f), &it);
}

struct fz_modules;

struct fz_modules *fz_modules_new(void);
void fz_modules_free(struct fz_modules *m);
int fz_modules_add(struct fz_modules *m, struct fz_hashdb *db, uint32_t file,
		   struct fz_hashdb_file *about, struct fz_error *err);
/* Decide on all frames of the module area that are open. */
int fz_modules_settle(struct fz_identify *id, struct fz_modules *m,
		      const struct fz_kernel_view *kernel, struct fz_error *err);

/* Undo @u in @have as page @pageno of @file: 1 if SHA-256 confirms it. */
int fz_undo_confirmed(struct fz_identify *id, struct fz_unpacked *kept, uint32_t file,
		      uint32_t pageno, const struct fz_undo *u, const uint8_t *have, uint8_t *want,
		      uint8_t *undone, struct fz_error *err);
/* Functions of @file (FZ_BLOB_KERNEL, index 0): offsets, ascending. */
int fz_functions_load(struct fz_hashdb *db, uint32_t file, uint32_t **functions, size_t *n,
		      struct fz_error *err);
bool fz_functions_have(const uint32_t *functions, size_t n, uint64_t offset);
/* Of a rel32 that leads to a function from @base on, can bytes [@from, @to) be @bytes? */
bool fz_functions_have_part(const uint32_t *functions, size_t n, uint64_t base, uint64_t next,
			    const uint8_t *bytes, int from, int to);

/* Exports of @file (FZ_BLOB_KERNEL, index 1). */
int fz_exports_load(struct fz_hashdb *db, uint32_t file, struct fz_export **e, size_t *n,
		    struct fz_error *err);
const struct fz_export *fz_export_find(const struct fz_export *e, size_t n, uint64_t id);

#endif
