/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entries.h - on which pages of an ELF file its execution can begin
 *
 * A static program: on that of its entry point. One that the dynamic linker loads,
 * and libraries: also on those of what the linker calls (init, fini, their arrays,
 * IFUNC resolvers), of functions that it exports, and of whatever its data points to.
 * Code reaches other pages only from these.
 *
 * FZ_BLOB_ENTRIES, index 0: a bit a page, the lowest of the first byte for the first
 * page of the file's first executable segment. Files without it, or with all pages so,
 * have no blob: nothing can be said of them.
 */
#ifndef FZ_ENTRIES_H
#define FZ_ENTRIES_H

#include "elffile.h"

/*
 * Make the blob for the file at @data, of which fz_elf_parse() made @elf: *@len bytes
 * at *@blob, for the caller to free. 1; 0 if nothing can be said of this file; -ENOMEM.
 */
int fz_elf_entries(const struct fz_elf *elf, const void *data, size_t size, void **blob,
		   size_t *len);

/* Can execution begin on page @index, counted from the first that has a bit? */
bool fz_entries_has(const void *blob, size_t len, uint64_t index);

#endif
