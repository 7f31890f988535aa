// SPDX-License-Identifier: GPL-2.0-only
/*
 * elffile.c - which pages of an ELF file can run
 *
 * libelf decodes headers of either class and byte order within bounds; whether
 * they make sense is judged here, as the kernel's loader and ld.so would.
 */
#include <errno.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "elffile.h"

#define PAGE		4096UL
#define PAGE_MASK	(PAGE - 1)
#define PHDRS_MAX	1024	/* the kernel takes 64 KiB of them */
#define NOTES_MAX	(1UL << 20)

bool fz_elf_magic(const void *data, size_t size)
{
	return size >= SELFMAG && !memcmp(data, ELFMAG, SELFMAG);
}

static int add_segment(struct fz_elf *elf, const GElf_Phdr *ph, size_t size, struct fz_error *err)
{
	uint64_t first, end;

	if (ph->p_offset > size || ph->p_filesz > size - ph->p_offset)
		return fz_fail(err, -EINVAL,
			       "a segment of %#" PRIx64 " bytes at %#" PRIx64
			       " is past the end of the file",
			       ph->p_filesz, ph->p_offset);
	if (ph->p_filesz > ph->p_memsz)
		return fz_fail(err, -EINVAL, "a segment has more bytes in the file than in memory");
	if (ph->p_memsz > UINT64_MAX - ph->p_vaddr)
		return fz_fail(err, -EINVAL, "a segment is past the end of the address space");
	if ((ph->p_offset ^ ph->p_vaddr) & PAGE_MASK)
		return fz_fail(err, -EINVAL,
			       "a segment's offset and address differ within a page");
	if (!ph->p_filesz)
		return 0;
	if (elf->nsegments == FZ_ELF_SEGMENTS)
		return fz_fail(err, -EINVAL, "it has more than %d executable segments",
			       FZ_ELF_SEGMENTS);
	first = ph->p_offset & ~PAGE_MASK;
	end = (ph->p_offset + ph->p_filesz + PAGE_MASK) & ~PAGE_MASK;
	elf->segments[elf->nsegments++] = (struct fz_elf_segment) {
		.offset = first,
		.vaddr = ph->p_vaddr & ~PAGE_MASK,
		.pages = (end - first) / PAGE,
	};
	return 0;
}

/* Two segments may share a page of the file, not an address. */
static int check_overlap(const GElf_Phdr *a, const GElf_Phdr *b, struct fz_error *err)
{
	if (a->p_vaddr + a->p_memsz <= b->p_vaddr || b->p_vaddr + b->p_memsz <= a->p_vaddr)
		return 0;
	return fz_fail(err, -EINVAL, "executable segments at %#" PRIx64 " and %#" PRIx64 " overlap",
		       a->p_vaddr, b->p_vaddr);
}

static void find_build_id(struct fz_elf *elf, Elf *e, const GElf_Phdr *ph, size_t size)
{
	size_t pos = 0, next, name, desc;
	Elf_Data *data;
	GElf_Nhdr nh;

	if (elf->build_id_len || ph->p_offset > size || ph->p_filesz > size - ph->p_offset ||
	    !ph->p_filesz || ph->p_filesz > NOTES_MAX)
		return;
	data = elf_getdata_rawchunk(e, ph->p_offset, ph->p_filesz,
				    ph->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	if (!data)
		return;
	while ((next = gelf_getnote(data, pos, &nh, &name, &desc)) > 0) {
		if (nh.n_type == NT_GNU_BUILD_ID && nh.n_namesz == sizeof("GNU") &&
		    !memcmp((char *)data->d_buf + name, "GNU", sizeof("GNU")) &&
		    nh.n_descsz && nh.n_descsz <= FZ_ELF_BUILD_ID) {
			elf->build_id_len = nh.n_descsz;
			memcpy(elf->build_id, (char *)data->d_buf + desc, nh.n_descsz);
			return;
		}
		pos = next;
	}
}

static int by_offset(const void *a, const void *b)
{
	const struct fz_elf_segment *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (x->vaddr > y->vaddr) - (x->vaddr < y->vaddr);
}

static int parse_phdrs(struct fz_elf *elf, Elf *e, size_t n, size_t size, struct fz_error *err)
{
	GElf_Phdr ph, exec[FZ_ELF_SEGMENTS + 1];
	size_t i, j, nexec = 0;
	int ret;

	for (i = 0; i < n; i++) {
		if (!gelf_getphdr(e, i, &ph))
			return fz_fail(err, -EINVAL, "program header %zu cannot be read", i);
		if (ph.p_type == PT_NOTE)
			find_build_id(elf, e, &ph, size);
		if (ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
			continue;
		ret = add_segment(elf, &ph, size, err);
		if (ret)
			return ret;
		if (!ph.p_filesz)
			continue;
		for (j = 0; j < nexec; j++) {
			ret = check_overlap(&exec[j], &ph, err);
			if (ret)
				return ret;
		}
		exec[nexec++] = ph;
	}
	qsort(elf->segments, elf->nsegments, sizeof(elf->segments[0]), by_offset);
	return 0;
}

static int parse(struct fz_elf *elf, Elf *e, size_t size, struct fz_error *err)
{
	GElf_Ehdr eh;
	size_t n;
	int ret;

	if (elf_kind(e) != ELF_K_ELF || !gelf_getehdr(e, &eh))
		return fz_fail(err, -EINVAL, "its ELF header cannot be read");
	elf->type = eh.e_type;
	elf->machine = eh.e_machine;
	elf->is64 = gelf_getclass(e) == ELFCLASS64;
	elf->entry = eh.e_entry;
	if (eh.e_type != ET_EXEC && eh.e_type != ET_DYN) {
		fz_fail(err, 0, "it is %s", eh.e_type == ET_REL ? "an object file" :
			eh.e_type == ET_CORE ? "a core dump" : "of no type that is loaded");
		return 0;
	}
	if (!eh.e_phnum)
		return fz_fail(err, 0, "it has no program headers");
	if (eh.e_phnum > PHDRS_MAX)
		return fz_fail(err, -EINVAL, "it has %u program headers, more than %d", eh.e_phnum,
			       PHDRS_MAX);
	if (eh.e_phentsize != gelf_fsize(e, ELF_T_PHDR, 1, EV_CURRENT))
		return fz_fail(err, -EINVAL, "its program headers are of %u bytes", eh.e_phentsize);
	/* libelf counts only those that the file holds */
	if (elf_getphdrnum(e, &n) || n != eh.e_phnum)
		return fz_fail(err, -EINVAL, "its program headers are past the end of the file");
	ret = parse_phdrs(elf, e, n, size, err);
	if (ret)
		return ret;
	if (!elf->nsegments)
		return fz_fail(err, 0, "it has no executable segment");
	return 1;
}

int fz_elf_parse(struct fz_elf *elf, const void *data, size_t size, struct fz_error *err)
{
	Elf *e;
	int ret;

	memset(elf, 0, sizeof(*elf));
	if (!fz_elf_magic(data, size))
		return fz_fail(err, -EINVAL, "it is no ELF file");
	if (size > FZ_ELF_MAX)
		return fz_fail(err, -EINVAL, "it is larger than %lu MiB", FZ_ELF_MAX >> 20);
	if (elf_version(EV_CURRENT) == EV_NONE)
		return fz_fail(err, -EINVAL, "libelf is older than its header");
	/* libelf wants a writable pointer but does not write to an image that it only reads. */
	e = elf_memory((char *)data, size);
	if (!e)
		return fz_fail(err, -EINVAL, "its ELF header cannot be read");
	ret = parse(elf, e, size, err);
	elf_end(e);
	return ret;
}

const char *fz_elf_arch(const struct fz_elf *elf)
{
	static const struct {
		uint16_t machine;
		const char *name32, *name64;
	} names[] = {
		{ EM_X86_64,	"x32",		"amd64" },
		{ EM_386,	"i386",		"other" },
		{ EM_AARCH64,	"other",	"arm64" },
		{ EM_ARM,	"arm",		"other" },
		{ EM_PPC64,	"other",	"ppc64" },
		{ EM_RISCV,	"riscv32",	"riscv64" },
		{ EM_S390,	"s390",		"s390x" },
		{ EM_MIPS,	"mips",		"mips64" },
		{ EM_LOONGARCH,	"other",	"loong64" },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].machine == elf->machine)
			return elf->is64 ? names[i].name64 : names[i].name32;
	return "other";
}
