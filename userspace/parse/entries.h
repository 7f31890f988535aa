/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * entries.h - on which pages of an ELF file its execution can begin
 *
 * A static program: on that of its entry point. One that the dynamic linker loads,
 * and libraries: also on those of what the linker calls (init, fini, their arrays,
 * IFUNC resolvers), of functions that it exports, and of whatever its data points to.
 * Code reaches other pages only from these.
 *
 * FZ_BLOB_ENTRIES, index 0: struct fz_entries, then a bit a page.
 */
#ifndef FZ_ENTRIES_H
#define FZ_ENTRIES_H

#include "elffile.h"

struct fz_entries {
	uint32_t first;		/* page of bit 0, bits from the lowest */
	uint32_t pages;
};

/*
 * Make the blob for the file at @data, of which fz_elf_parse() made @elf: *@len bytes
 * at *@blob, for the caller to free. 1; 0 if nothing can be said of this file; -ENOMEM.
 */
int fz_elf_entries(const struct fz_elf *elf, const void *data, size_t size, void **blob,
		   size_t *len);

/* Can execution begin on @page, by the blob? True if the blob makes no sense. */
bool fz_entries_has(const void *blob, size_t len, uint32_t page);

#endif
