// SPDX-License-Identifier: GPL-2.0-only
/*
 * textrel.c - text relocations: where ld.so changes the code of an ELF file
 *
 * Only relative ones: the load address is added to what is in the file. What refers to
 * symbols depends on other files; a page with such a site does not come out as the file's.
 */
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include "reloc.h"
#include "textrel.h"

#define PAGE		4096UL
#define DYN_MAX		4096	/* entries that are looked at */

struct tables {
	bool text;
	GElf_Addr rel[2], bytes[2];	/* REL, RELA */
};

static bool to_offset(Elf *e, uint64_t vaddr, uint64_t bytes, uint64_t *offset)
{
	GElf_Phdr ph;
	size_t n, i;

	if (elf_getphdrnum(e, &n))
		return false;
	for (i = 0; i < n; i++) {
		if (!gelf_getphdr(e, i, &ph) || ph.p_type != PT_LOAD || vaddr < ph.p_vaddr ||
		    vaddr - ph.p_vaddr > ph.p_filesz ||
		    bytes > ph.p_filesz - (vaddr - ph.p_vaddr))
			continue;
		*offset = ph.p_offset + (vaddr - ph.p_vaddr);
		return true;
	}
	return false;
}

static void find_tables(Elf *e, size_t size, struct tables *t)
{
	Elf_Data *data = NULL;
	GElf_Phdr ph;
	GElf_Dyn dyn;
	size_t n, i;

	if (elf_getphdrnum(e, &n))
		return;
	for (i = 0; i < n && !data; i++)
		if (gelf_getphdr(e, i, &ph) && ph.p_type == PT_DYNAMIC && ph.p_offset <= size &&
		    ph.p_filesz <= size - ph.p_offset)
			data = elf_getdata_rawchunk(e, ph.p_offset, ph.p_filesz, ELF_T_DYN);
	for (i = 0; data && i < DYN_MAX && gelf_getdyn(data, i, &dyn) && dyn.d_tag; i++) {
		t->text |= dyn.d_tag == DT_TEXTREL ||
			   (dyn.d_tag == DT_FLAGS && dyn.d_un.d_val & DF_TEXTREL);
		if (dyn.d_tag == DT_REL || dyn.d_tag == DT_RELA)
			t->rel[dyn.d_tag == DT_RELA] = dyn.d_un.d_ptr;
		if (dyn.d_tag == DT_RELSZ || dyn.d_tag == DT_RELASZ)
			t->bytes[dyn.d_tag == DT_RELASZ] = dyn.d_un.d_val;
	}
}

static bool in_text(const struct fz_elf *elf, uint64_t vaddr)
{
	size_t i;

	for (i = 0; i < elf->nsegments; i++)
		if (vaddr >= elf->segments[i].vaddr &&
		    vaddr - elf->segments[i].vaddr < elf->segments[i].pages * PAGE)
			return true;
	return false;
}

/* The entries of one table; @image: the file, offsets being addresses. */
static int read_table(const struct fz_elf *elf, Elf *e, const struct tables *t, int rela,
		      const uint8_t *image, size_t size, struct fz_pe_site **sites, size_t *n)
{
	unsigned int relative = elf->machine == EM_386 ? R_386_RELATIVE : R_X86_64_RELATIVE;
	unsigned int bytes = elf->is64 ? 8 : 4;
	struct fz_pe_site *s;
	Elf_Data *data;
	uint64_t at, v;
	GElf_Rela r;
	GElf_Rel l;
	size_t i, max;

	if (!t->bytes[rela] || !to_offset(e, t->rel[rela], t->bytes[rela], &at))
		return 0;
	data = elf_getdata_rawchunk(e, at, t->bytes[rela], rela ? ELF_T_RELA : ELF_T_REL);
	max = gelf_fsize(e, rela ? ELF_T_RELA : ELF_T_REL, 1, EV_CURRENT);
	max = data && max ? t->bytes[rela] / max : 0;
	s = reallocarray(*sites, *n + max + 1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	*sites = s;
	for (i = 0; i < max; i++) {
		if (rela ? !gelf_getrela(data, i, &r) : !gelf_getrel(data, i, &l))
			break;
		if (!rela)
			r = (GElf_Rela){ l.r_offset, l.r_info, 0 };
		if (GELF_R_TYPE(r.r_info) != relative || !in_text(elf, r.r_offset) ||
		    r.r_offset > size || bytes > size - r.r_offset)
			continue;
		v = 0;
		memcpy(&v, image + r.r_offset, bytes);
		/* What is added to is the addend: it must be what the file has there. */
		if (rela && v != (elf->is64 ? (uint64_t)r.r_addend : (uint32_t)r.r_addend))
			continue;
		s[(*n)++] = (struct fz_pe_site){
			r.r_offset, elf->is64 ? FZ_RELOC_64 : FZ_RELOC_32 };
	}
	return 0;
}

static int by_rva(const void *a, const void *b)
{
	const struct fz_pe_site *x = a, *y = b;

	return x->rva < y->rva ? -1 : x->rva > y->rva;
}

/* Those that overlap make no sense: none of it is believed. */
static size_t sort_sites(const struct fz_elf *elf, struct fz_pe_site *s, size_t n)
{
	size_t i;

	if (n)
		qsort(s, n, sizeof(*s), by_rva);
	for (i = 1; i < n; i++)
		if (s[i].rva - s[i - 1].rva < (elf->is64 ? 8 : 4))
			return 0;
	return n;
}

int fz_elf_textrel(const struct fz_elf *elf, const void *data, size_t size,
		   struct fz_pe_site **sites, size_t *n)
{
	struct tables t = { .text = false };
	size_t i;
	int ret = 0;
	Elf *e;

	*sites = NULL;
	*n = 0;
	if (elf->type != ET_DYN || (elf->machine != EM_386 && elf->machine != EM_X86_64) ||
	    elf->is64 != (elf->machine == EM_X86_64) || size > UINT32_MAX)
		return 0;
	for (i = 0; i < elf->nsegments; i++)
		if (elf->segments[i].offset != elf->segments[i].vaddr)
			return 0;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return 0;
	e = elf_memory((char *)data, size);
	if (!e)
		return 0;
	find_tables(e, size, &t);
	for (i = 0; !ret && t.text && i < 2; i++)
		ret = read_table(elf, e, &t, i, data, size, sites, n);
	elf_end(e);
	*n = sort_sites(elf, *sites, *n);
	if (ret || !*n) {
		free(*sites);
		*sites = NULL;
		*n = 0;
	}
	return ret;
}
