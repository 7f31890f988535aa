// SPDX-License-Identifier: GPL-2.0-only
/* kernel_elf.c - vmlinux as it lies in memory, and its sections */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "kernel_priv.h"

const struct fz_ktable *fz_ktable(const struct fz_kimage *k, const char *name)
{
	size_t i;

	for (i = 0; i < k->ntables; i++)
		if (!strcmp(k->tables[i].name, name))
			return &k->tables[i];
	return NULL;
}

bool fz_kexec(const struct fz_kimage *k, uint64_t vaddr, uint64_t len)
{
	size_t i;

	for (i = 0; i < k->ntables; i++) {
		const struct fz_ktable *t = &k->tables[i];

		if (t->exec && vaddr >= t->vaddr && len <= t->size &&
		    vaddr - t->vaddr <= t->size - len)
			return true;
	}
	return false;
}

/* Beyond are modules; no sum of an address and a size here wraps. */
#define TOP	(UINT64_MAX - 2 * FZ_KERNEL_MAX)

static bool inside(uint64_t at, uint64_t len, uint64_t size)
{
	return at <= size && len <= size - at;
}

static int load(struct fz_kimage *k, const Elf64_Ehdr *eh, struct fz_error *err)
{
	Elf64_Phdr p;
	uint64_t end = 0;
	int i, pass;

	if (!inside(eh->e_phoff, (uint64_t)eh->e_phnum * sizeof(p), k->elf_size) ||
	    eh->e_phentsize != sizeof(p) || eh->e_phnum > 64)
		return fz_fail(err, -EINVAL, "its kernel's program headers lie");
	k->base = UINT64_MAX;
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < eh->e_phnum; i++) {
			memcpy(&p, k->elf + eh->e_phoff + i * sizeof(p), sizeof(p));
			/* per-CPU data is linked at 0 */
			if (p.p_type != PT_LOAD || !(p.p_vaddr >> 63) || !p.p_filesz)
				continue;
			if (!inside(p.p_offset, p.p_filesz, k->elf_size) ||
			    p.p_filesz > FZ_KERNEL_MAX || p.p_vaddr > TOP)
				return fz_fail(err, -EINVAL, "its kernel's segments lie");
			if (pass) {
				memcpy(k->image + (p.p_vaddr - k->base), k->elf + p.p_offset,
				       p.p_filesz);
				continue;
			}
			if (p.p_vaddr < k->base)
				k->base = p.p_vaddr;
			if (p.p_vaddr + p.p_filesz > end)
				end = p.p_vaddr + p.p_filesz;
		}
		if (pass)
			break;
		if (k->base >= end || end - k->base > FZ_KERNEL_MAX || k->base % FZ_UNDO_PAGE)
			return fz_fail(err, -EINVAL, "its kernel's segments lie");
		k->size = (end - k->base + FZ_UNDO_PAGE - 1) & ~(FZ_UNDO_PAGE - 1ULL);
		k->image = calloc(1, k->size);
		if (!k->image)
			return fz_fail(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int sections(struct fz_kimage *k, const Elf64_Ehdr *eh, struct fz_error *err)
{
	Elf64_Shdr s, names;
	int i;

	if (!inside(eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(s), k->elf_size) ||
	    eh->e_shentsize != sizeof(s) || eh->e_shstrndx >= eh->e_shnum)
		return fz_fail(err, -EINVAL, "its kernel has no section headers");
	memcpy(&names, k->elf + eh->e_shoff + eh->e_shstrndx * sizeof(names), sizeof(names));
	if (!inside(names.sh_offset, names.sh_size, k->elf_size) || !names.sh_size ||
	    k->elf[names.sh_offset + names.sh_size - 1])
		return fz_fail(err, -EINVAL, "its kernel's section names lie");
	k->elf_end = eh->e_shoff + (uint64_t)eh->e_shnum * sizeof(s);
	for (i = 0; i < eh->e_shnum; i++) {
		memcpy(&s, k->elf + eh->e_shoff + i * sizeof(s), sizeof(s));
		if (s.sh_type == SHT_NULL || s.sh_name >= names.sh_size)
			continue;
		if (s.sh_type != SHT_NOBITS && inside(s.sh_offset, s.sh_size, k->elf_size) &&
		    s.sh_offset + s.sh_size > k->elf_end)
			k->elf_end = s.sh_offset + s.sh_size;
		if (!(s.sh_flags & SHF_ALLOC) || s.sh_type == SHT_NOBITS || !s.sh_size ||
		    !fz_kat(k, s.sh_addr, s.sh_size) || k->ntables == FZ_TABLES_MAX)
			continue;
		k->tables[k->ntables++] = (struct fz_ktable){
			(const char *)k->elf + names.sh_offset + s.sh_name, s.sh_addr, s.sh_size,
			s.sh_flags & SHF_EXECINSTR, false };
	}
	return 0;
}

static int header(struct fz_kimage *k, const uint8_t *elf, size_t size, Elf64_Ehdr *eh,
		  struct fz_error *err)
{
	if (size < sizeof(*eh))
		return fz_fail(err, -EINVAL, "its kernel is no ELF file");
	memcpy(eh, elf, sizeof(*eh));
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_ident[EI_DATA] != ELFDATA2LSB || eh->e_machine != EM_X86_64)
		return fz_fail(err, -EINVAL, "its kernel is no ELF file of x86-64");
	k->elf = elf;
	k->elf_size = size;
	return 0;
}

int fz_kernel_sections(struct fz_kimage *k, const uint8_t *elf, size_t size, struct fz_error *err)
{
	Elf64_Ehdr eh;
	int ret = header(k, elf, size, &eh, err);

	return ret ? ret : sections(k, &eh, err);
}

int fz_kernel_lay_out(struct fz_kimage *k, const uint8_t *elf, size_t size, struct fz_error *err)
{
	Elf64_Ehdr eh;
	int ret = header(k, elf, size, &eh, err);

	if (!ret)
		ret = load(k, &eh, err);
	return ret ? ret : sections(k, &eh, err);
}

void fz_kimage_free(struct fz_kimage *k)
{
	free(k->image);
	free(k->syms);
	free(k->by_name);
	free(k->names);
	free(k->repl_sites[0]);
	free(k->repl_sites[1]);
	free(k->repl_relocs);
	fz_sites_free(k->sites);
}
