// SPDX-License-Identifier: GPL-2.0-only
/* entries.c - on which pages of an ELF file its execution can begin */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "entries.h"

#define PAGE		4096
#define PAGES_MAX	(1U << 18)
#define TABLE_MAX	(1U << 20)	/* relocations, symbols: more say nothing */
#define HEADERS_MAX	64
#define ANDROID		0x6000000f	/* the first of its dynamic tags */
#ifndef DT_RELR
#define DT_RELRSZ	35
#define DT_RELR		36
#define DT_RELRENT	37
#endif
#define TAGS		38

struct file {
	const struct fz_elf *elf;
	const uint8_t *data;
	size_t size;
	Elf64_Phdr ph[HEADERS_MAX];
	size_t nph;
	uint8_t *set;
	uint64_t first, pages;
	bool unsure;		/* something is not as expected: say nothing */
};

static void mark(struct file *f, uint64_t vaddr)
{
	size_t i;

	for (i = 0; i < f->elf->nsegments; i++) {
		const struct fz_elf_segment *s = &f->elf->segments[i];
		uint64_t page;

		if (vaddr < s->vaddr || vaddr - s->vaddr >= (uint64_t)s->pages * PAGE)
			continue;
		page = (s->offset + (vaddr - s->vaddr)) / PAGE - f->first;
		if (page < f->pages)
			f->set[page / 8] |= 1 << page % 8;
	}
}

/* @n bytes at virtual address @vaddr in the file, or NULL. */
static const void *at(struct file *f, uint64_t vaddr, uint64_t n)
{
	size_t i;

	for (i = 0; i < f->nph; i++) {
		const Elf64_Phdr *p = &f->ph[i];

		if (p->p_type != PT_LOAD || vaddr < p->p_vaddr ||
		    vaddr - p->p_vaddr > p->p_filesz || n > p->p_filesz - (vaddr - p->p_vaddr))
			continue;
		if (p->p_offset > f->size || p->p_filesz > f->size - p->p_offset)
			break;
		return f->data + p->p_offset + (vaddr - p->p_vaddr);
	}
	f->unsure = true;
	return NULL;
}

static void mark_array(struct file *f, uint64_t vaddr, uint64_t bytes)
{
	const uint8_t *p = bytes ? at(f, vaddr, bytes) : NULL;
	uint64_t i, v;

	if (bytes > TABLE_MAX)
		f->unsure = true;
	for (i = 0; p && i + 8 <= bytes; i += 8) {
		memcpy(&v, p + i, sizeof(v));
		mark(f, v);
	}
}

static void mark_relocations(struct file *f, uint64_t vaddr, uint64_t bytes)
{
	const uint8_t *p = bytes ? at(f, vaddr, bytes) : NULL;
	Elf64_Rela r;
	uint64_t i;

	if (bytes > TABLE_MAX * sizeof(r))
		f->unsure = true;
	for (i = 0; p && i + sizeof(r) <= bytes; i += sizeof(r)) {
		memcpy(&r, p + i, sizeof(r));
		if (ELF64_R_TYPE(r.r_info) == R_X86_64_RELATIVE ||
		    ELF64_R_TYPE(r.r_info) == R_X86_64_IRELATIVE)
			mark(f, r.r_addend);
	}
}

static void mark_pointer(struct file *f, uint64_t vaddr)
{
	const void *p = at(f, vaddr, 8);
	uint64_t v;

	if (!p)
		return;
	memcpy(&v, p, sizeof(v));
	mark(f, v);
}

/* Packed relocations: an address, then bits for the 63 words that follow, and so on. */
static void mark_packed(struct file *f, uint64_t vaddr, uint64_t bytes)
{
	const uint8_t *p = bytes ? at(f, vaddr, bytes) : NULL;
	uint64_t i, v, where = 0;
	int bit;

	if (bytes > TABLE_MAX)
		f->unsure = true;
	for (i = 0; p && i + 8 <= bytes && !f->unsure; i += 8) {
		memcpy(&v, p + i, sizeof(v));
		if (!(v & 1)) {
			mark_pointer(f, v);
			where = v + 8;
			continue;
		}
		for (bit = 1; bit < 64; bit++)
			if (v >> bit & 1)
				mark_pointer(f, where + 8 * (bit - 1));
		where += 63 * 8;
	}
}

static uint32_t get32(const void *p, size_t i)
{
	uint32_t v;

	memcpy(&v, (const uint8_t *)p + 4 * i, sizeof(v));
	return v;
}

/* How many dynamic symbols are there? Only the hash tables tell. */
static uint32_t symbols_of_gnu(struct file *f, uint64_t vaddr)
{
	const void *h = at(f, vaddr, 16), *b, *c;
	uint32_t i, buckets, first, max = 0;
	uint64_t where;

	buckets = h ? get32(h, 0) : 0;
	first = h ? get32(h, 1) : 0;
	if (!h || buckets > TABLE_MAX || get32(h, 2) > TABLE_MAX)
		return 0;
	where = vaddr + 16 + 8ULL * get32(h, 2);
	b = at(f, where, 4ULL * buckets);
	for (i = 0; b && i < buckets; i++)
		max = get32(b, i) > max ? get32(b, i) : max;
	if (!b || max < first || max > TABLE_MAX)
		return b ? first : 0;
	for (where += 4ULL * buckets + 4ULL * (max - first); max < TABLE_MAX; max++, where += 4) {
		c = at(f, where, 4);
		if (!c)
			return 0;
		if (get32(c, 0) & 1)
			return max + 1;
	}
	return 0;
}

static void mark_symbols(struct file *f, uint64_t vaddr, uint32_t n)
{
	const uint8_t *p = at(f, vaddr, (uint64_t)n * sizeof(Elf64_Sym));
	Elf64_Sym s;
	uint32_t i;

	for (i = 0; p && i < n; i++) {
		memcpy(&s, p + i * sizeof(s), sizeof(s));
		if (s.st_shndx != SHN_UNDEF && s.st_shndx != SHN_ABS)
			mark(f, s.st_value);
	}
}

static void dynamic(struct file *f, const Elf64_Phdr *ph)
{
	uint64_t v[TAGS] = { 0 }, gnu_hash = 0, i;
	const uint8_t *p = at(f, ph->p_vaddr, ph->p_filesz);
	const void *h;
	bool android = false;
	uint32_t n = 0;
	Elf64_Dyn d;

	for (i = 0; p && i + sizeof(d) <= ph->p_filesz; i += sizeof(d)) {
		memcpy(&d, p + i, sizeof(d));
		if (d.d_tag == DT_NULL)
			break;
		if (d.d_tag >= 0 && d.d_tag < TAGS)
			v[d.d_tag] = d.d_un.d_val;
		if (d.d_tag == DT_GNU_HASH)
			gnu_hash = d.d_un.d_val;
		android |= d.d_tag >= ANDROID && d.d_tag < ANDROID + 8;
	}
	/* Android's packed relocations, or entries of other sizes: not read here. */
	if (!p || v[DT_REL] || android || (v[DT_RELA] && v[DT_RELAENT] != sizeof(Elf64_Rela)) ||
	    (v[DT_SYMTAB] && v[DT_SYMENT] != sizeof(Elf64_Sym)) ||
	    (v[DT_JMPREL] && v[DT_PLTREL] != DT_RELA) || (v[DT_RELR] && v[DT_RELRENT] != 8)) {
		f->unsure = true;
		return;
	}
	mark(f, v[DT_INIT]);
	mark(f, v[DT_FINI]);
	mark_array(f, v[DT_INIT_ARRAY], v[DT_INIT_ARRAYSZ]);
	mark_array(f, v[DT_FINI_ARRAY], v[DT_FINI_ARRAYSZ]);
	mark_array(f, v[DT_PREINIT_ARRAY], v[DT_PREINIT_ARRAYSZ]);
	mark_relocations(f, v[DT_RELA], v[DT_RELASZ]);
	mark_relocations(f, v[DT_JMPREL], v[DT_PLTRELSZ]);
	mark_packed(f, v[DT_RELR], v[DT_RELRSZ]);
	if (v[DT_HASH]) {
		h = at(f, v[DT_HASH], 8);
		n = h && get32(h, 1) <= TABLE_MAX ? get32(h, 1) : 0;
	} else if (gnu_hash) {
		n = symbols_of_gnu(f, gnu_hash);
	}
	if (!n && v[DT_SYMTAB])
		f->unsure = true;
	if (n && v[DT_SYMTAB])
		mark_symbols(f, v[DT_SYMTAB], n);
}

static int make_set(const struct fz_elf *elf, struct file *f, size_t *len)
{
	uint64_t lo = UINT64_MAX, hi = 0, end;
	size_t i;

	for (i = 0; i < elf->nsegments; i++) {
		lo = elf->segments[i].offset / PAGE < lo ? elf->segments[i].offset / PAGE : lo;
		end = elf->segments[i].offset / PAGE + elf->segments[i].pages;
		hi = end > hi ? end : hi;
	}
	if (hi <= lo || hi - lo > PAGES_MAX)
		return 0;
	*len = (hi - lo + 7) / 8;
	f->first = lo;
	f->pages = hi - lo;
	f->set = calloc(1, *len);
	return f->set ? 1 : -ENOMEM;
}

static bool all(const struct file *f)
{
	uint64_t i;

	for (i = 0; i < f->pages; i++)
		if (!(f->set[i / 8] & 1 << i % 8))
			return false;
	return true;
}

int fz_elf_entries(const struct fz_elf *elf, const void *data, size_t size, void **blob,
		   size_t *len)
{
	struct file f = { .elf = elf, .data = data, .size = size };
	Elf64_Ehdr eh;
	size_t i, dynamics = 0;
	int ret;

	if (!elf->is64 || elf->machine != EM_X86_64 || size < sizeof(eh))
		return 0;
	memcpy(&eh, data, sizeof(eh));
	if (eh.e_phnum > HEADERS_MAX || eh.e_phoff > size || eh.e_phentsize != sizeof(f.ph[0]) ||
	    eh.e_phnum > (size - eh.e_phoff) / sizeof(f.ph[0]))
		return 0;
	memcpy(f.ph, (const uint8_t *)data + eh.e_phoff, eh.e_phnum * sizeof(f.ph[0]));
	f.nph = eh.e_phnum;
	ret = make_set(elf, &f, len);
	if (ret <= 0)
		return ret;
	mark(&f, elf->entry);
	for (i = 0; i < f.nph; i++)
		if (f.ph[i].p_type == PT_DYNAMIC && !dynamics++)
			dynamic(&f, &f.ph[i]);
	if (f.unsure || dynamics > 1 || all(&f)) {
		free(f.set);
		return 0;
	}
	*blob = f.set;
	return 1;
}

bool fz_entries_has(const void *blob, size_t len, uint64_t index)
{
	return index / 8 >= len || ((const uint8_t *)blob)[index / 8] & 1 << index % 8;
}
