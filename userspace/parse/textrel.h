/* SPDX-License-Identifier: GPL-2.0-only */
/* textrel.h - text relocations: where ld.so changes the code of an ELF file */
#ifndef FZ_TEXTREL_H
#define FZ_TEXTREL_H

#include "elffile.h"
#include "pe.h"

/* What the dynamic linker writes of a symbol: see struct fz_reloc_symbol. */
struct fz_textrel_symbol {
	uint32_t rva;
	uint8_t bytes, flags;
	uint64_t value, was;
};

struct fz_textrel {
	struct fz_pe_site *sites;
	struct fz_textrel_symbol *symbols;
	size_t nsites, nsymbols;
};

void fz_textrel_free(struct fz_textrel *t);

/*
 * Of the x86 shared object at @data, whose headers @elf has and whose code lies in the file as
 * in memory: the relocations in its executable segments, relative ones and those against
 * symbols, ascending, none over another. fz_textrel_free(@out); 0, or -ENOMEM.
 */
int fz_elf_textrel(const struct fz_elf *elf, const void *data, size_t size,
		   struct fz_textrel *out);

#endif
