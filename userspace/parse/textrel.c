// SPDX-License-Identifier: GPL-2.0-only
/*
 * textrel.c - text relocations: where ld.so changes the code of an ELF file
 *
 * Relative ones add the load address to what is in the file. Those against symbols give the
 * address of a symbol: it is known if the file has the symbol itself, and no other file in
 * the process goes before it.
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
	GElf_Addr symtab;
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
		if (dyn.d_tag == DT_SYMTAB)
			t->symtab = dyn.d_un.d_ptr;
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

/* The relocations that can be in text. */
static const struct kind {
	uint16_t machine, type;
	uint8_t bytes;
	bool relative, pc;	/* of no symbol; less the place itself */
} kinds[] = {
	{ EM_386, R_386_RELATIVE, 4, true, false }, { EM_386, R_386_32, 4, false, false },
	{ EM_386, R_386_PC32, 4, false, true }, { EM_X86_64, R_X86_64_RELATIVE, 8, true, false },
	{ EM_X86_64, R_X86_64_64, 8, false, false }, { EM_X86_64, R_X86_64_PC64, 8, false, true },
	{ EM_X86_64, R_X86_64_32, 4, false, false }, { EM_X86_64, R_X86_64_32S, 4, false, false },
	{ EM_X86_64, R_X86_64_PC32, 4, false, true },
};

static const struct kind *find_kind(const struct fz_elf *elf, unsigned int type)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].machine == elf->machine && kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

struct reading {
	const struct fz_elf *elf;
	Elf *e;
	const uint8_t *image;	/* the file, offsets being addresses */
	size_t size;
	struct tables t;
	struct fz_textrel *out;
};

/* The address of symbol @index, if this file has it, and not what its resolver returns. */
static bool own_symbol(const struct reading *r, size_t index, uint64_t *value)
{
	size_t bytes = gelf_fsize(r->e, ELF_T_SYM, 1, EV_CURRENT);
	Elf_Data *data;
	GElf_Sym sym;
	uint64_t at;

	if (!r->t.symtab || !index || index > UINT32_MAX ||
	    !to_offset(r->e, r->t.symtab + index * bytes, bytes, &at))
		return false;
	data = elf_getdata_rawchunk(r->e, at, bytes, ELF_T_SYM);
	if (!data || !gelf_getsym(data, 0, &sym) || sym.st_shndx == SHN_UNDEF ||
	    sym.st_shndx >= SHN_LORESERVE || GELF_ST_TYPE(sym.st_info) > STT_SECTION)
		return false;
	*value = sym.st_value;
	return true;
}

static void add_symbol(const struct reading *r, const struct kind *k, const GElf_Rela *rel,
		       uint64_t was, bool rela)
{
	struct fz_textrel_symbol *s = &r->out->symbols[r->out->nsymbols++];
	uint64_t addend = rela ? (uint64_t)rel->r_addend : was, value;

	*s = (struct fz_textrel_symbol){ .rva = rel->r_offset, .bytes = k->bytes, .was = was };
	if (!own_symbol(r, GELF_R_SYM(rel->r_info), &value)) {
		s->flags = FZ_SYMBOL_OPEN;
		return;
	}
	s->flags = k->pc ? 0 : FZ_SYMBOL_BASE;
	s->value = value + addend - (k->pc ? rel->r_offset : 0);
}

/* The entries of one table. */
static int read_table(struct reading *r, int rela)
{
	struct fz_textrel *out = r->out;
	struct fz_textrel_symbol *symbols;
	const struct kind *k;
	struct fz_pe_site *s;
	Elf_Data *data;
	uint64_t at, v;
	GElf_Rela rel;
	GElf_Rel l;
	size_t i, max;

	if (!r->t.bytes[rela] || !to_offset(r->e, r->t.rel[rela], r->t.bytes[rela], &at))
		return 0;
	data = elf_getdata_rawchunk(r->e, at, r->t.bytes[rela], rela ? ELF_T_RELA : ELF_T_REL);
	max = gelf_fsize(r->e, rela ? ELF_T_RELA : ELF_T_REL, 1, EV_CURRENT);
	max = data && max ? r->t.bytes[rela] / max : 0;
	s = reallocarray(out->sites, out->nsites + max + 1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	out->sites = s;
	symbols = reallocarray(out->symbols, out->nsymbols + max + 1, sizeof(*symbols));
	if (!symbols)
		return -ENOMEM;
	out->symbols = symbols;
	for (i = 0; i < max; i++) {
		if (rela ? !gelf_getrela(data, i, &rel) : !gelf_getrel(data, i, &l))
			break;
		if (!rela)
			rel = (GElf_Rela){ l.r_offset, l.r_info, 0 };
		k = find_kind(r->elf, GELF_R_TYPE(rel.r_info));
		if (!k || !in_text(r->elf, rel.r_offset) || rel.r_offset > r->size ||
		    k->bytes > r->size - rel.r_offset)
			continue;
		v = 0;
		memcpy(&v, r->image + rel.r_offset, k->bytes);
		if (!k->relative)
			add_symbol(r, k, &rel, v, rela);
		/* What is added to is the addend: it must be what the file has there. */
		else if (!rela || v == (k->bytes == 8 ? (uint64_t)rel.r_addend :
					(uint32_t)rel.r_addend))
			s[out->nsites++] = (struct fz_pe_site){
				rel.r_offset, k->bytes == 8 ? FZ_RELOC_64 : FZ_RELOC_32 };
	}
	return 0;
}

static int by_rva(const void *a, const void *b)
{
	const struct fz_pe_site *x = a, *y = b;

	return x->rva < y->rva ? -1 : x->rva > y->rva;
}

static int symbol_by_rva(const void *a, const void *b)
{
	const struct fz_textrel_symbol *x = a, *y = b;

	return x->rva < y->rva ? -1 : x->rva > y->rva;
}

/* Those that overlap make no sense: none of it is believed. */
static bool sort_all(struct fz_textrel *t, unsigned int bytes)
{
	size_t i = 0, k = 0;
	uint64_t end = 0;

	if (t->nsites)
		qsort(t->sites, t->nsites, sizeof(*t->sites), by_rva);
	if (t->nsymbols)
		qsort(t->symbols, t->nsymbols, sizeof(*t->symbols), symbol_by_rva);
	while (i < t->nsites || k < t->nsymbols) {
		bool site = i < t->nsites &&
			    (k == t->nsymbols || t->sites[i].rva < t->symbols[k].rva);
		uint32_t rva = site ? t->sites[i].rva : t->symbols[k].rva;

		if (rva < end)
			return false;
		end = (uint64_t)rva + (site ? bytes : t->symbols[k].bytes);
		i += site;
		k += !site;
	}
	return true;
}

void fz_textrel_free(struct fz_textrel *t)
{
	free(t->sites);
	free(t->symbols);
	*t = (struct fz_textrel){ 0 };
}

int fz_elf_textrel(const struct fz_elf *elf, const void *data, size_t size,
		   struct fz_textrel *out)
{
	struct reading r = { .elf = elf, .image = data, .size = size, .out = out };
	size_t i;
	int ret = 0;

	*out = (struct fz_textrel){ 0 };
	if (elf->type != ET_DYN || (elf->machine != EM_386 && elf->machine != EM_X86_64) ||
	    elf->is64 != (elf->machine == EM_X86_64) || size > UINT32_MAX)
		return 0;
	for (i = 0; i < elf->nsegments; i++)
		if (elf->segments[i].offset != elf->segments[i].vaddr)
			return 0;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return 0;
	r.e = elf_memory((char *)data, size);
	if (!r.e)
		return 0;
	find_tables(r.e, size, &r.t);
	for (i = 0; !ret && r.t.text && i < 2; i++)
		ret = read_table(&r, i);
	elf_end(r.e);
	if (ret || !sort_all(out, elf->is64 ? 8 : 4))
		fz_textrel_free(out);
	return ret;
}
