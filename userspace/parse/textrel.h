/* SPDX-License-Identifier: GPL-2.0-only */
/* textrel.h - text relocations: where ld.so changes the code of an ELF file */
#ifndef FZ_TEXTREL_H
#define FZ_TEXTREL_H

#include "elffile.h"
#include "pe.h"

/*
 * Of the x86 shared object at @data, whose headers @elf has and whose code lies in the file as
 * in memory: the relative relocations in its executable segments, ascending, none over
 * another. The caller frees @sites; 0, or -ENOMEM.
 */
int fz_elf_textrel(const struct fz_elf *elf, const void *data, size_t size,
		   struct fz_pe_site **sites, size_t *n);

#endif
