// SPDX-License-Identifier: GPL-2.0-only
/*
 * pe.c - PE/COFF and TE images as a loader maps them
 *
 * No library that is kept up reads both. Judged here is what the loaders of UEFI
 * (BasePeCoffLib) agree on; they copy min(VirtualSize, SizeOfRawData) bytes of a
 * section, or SizeOfRawData if VirtualSize is 0, and clear the rest.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "pe.h"
#include "reloc.h"

#define PAGE		4096U
#define PE_AT		0x3c
#define COFF		20U		/* bytes of its header, behind the signature */
#define SECTION		40U
#define TE_HEADER	40U
#define DEBUG_ENTRY	28U
#define BASERELOC	5		/* data directories */
#define DEBUG		6

#define SCN_CODE	0x00000020U
#define SCN_EXECUTE	0x20000000U
#define SCN_WRITE	0x80000000U

static uint16_t u16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
	return u16(p) | (uint32_t)u16(p + 2) << 16;
}

static uint64_t u64(const uint8_t *p)
{
	return u32(p) | (uint64_t)u32(p + 4) << 32;
}

bool fz_pe_magic(const void *data, size_t size)
{
	return size >= 2 && !memcmp(data, "MZ", 2);
}

bool fz_te_magic(const void *data, size_t size)
{
	return size >= TE_HEADER && !memcmp(data, "VZ", 2);
}

static int by_rva(const void *a, const void *b)
{
	const struct fz_pe_section *x = a, *y = b;

	return (x->rva > y->rva) - (x->rva < y->rva);
}

/* Read the section table at @at; @shift is what TE cut off the file. */
static int parse_sections(struct fz_pe *pe, const uint8_t *data, size_t size, size_t at,
			  unsigned int n, uint32_t shift, struct fz_error *err)
{
	uint64_t end = 0;
	unsigned int i;

	if (!n || n > FZ_PE_SECTIONS)
		return fz_fail(err, -EINVAL, "it has %u sections, not 1 to %d", n, FZ_PE_SECTIONS);
	if (at > size || n * SECTION > size - at)
		return fz_fail(err, -EINVAL, "its sections' headers are past the end of the file");
	for (i = 0; i < n; i++) {
		const uint8_t *h = data + at + i * SECTION;
		uint32_t vsize = u32(h + 8), raw = u32(h + 16), offset = u32(h + 20);
		uint32_t flags = u32(h + 36);
		struct fz_pe_section *s = &pe->sections[pe->nsections];

		s->rva = u32(h + 12);
		s->filled = vsize && vsize < raw ? vsize : raw;
		s->bytes = vsize > raw ? vsize : s->filled;
		s->code = flags & (SCN_CODE | SCN_EXECUTE);
		s->writable = flags & SCN_WRITE;
		if (!s->bytes)
			continue;
		if (s->filled && (offset < shift || offset - shift > size ||
				  s->filled > size - (offset - shift)))
			return fz_fail(err, -EINVAL,
				       "section %u of %#x bytes at %#x is past the end of the file",
				       i, s->filled, offset);
		s->offset = s->filled ? offset - shift : 0;
		if (s->rva < pe->missing + pe->headers)
			return fz_fail(err, -EINVAL, "section %u lies over the headers", i);
		if ((uint64_t)s->rva + s->bytes > FZ_PE_IMAGE_MAX)
			return fz_fail(err, -EINVAL, "section %u at %#x is larger than %lu MiB", i,
				       s->rva, FZ_PE_IMAGE_MAX >> 20);
		pe->nsections++;
	}
	if (!pe->nsections)
		return fz_fail(err, -EINVAL, "all its sections are empty");
	qsort(pe->sections, pe->nsections, sizeof(pe->sections[0]), by_rva);
	for (i = 0; i < pe->nsections; i++) {
		if (pe->sections[i].rva < end)
			return fz_fail(err, -EINVAL, "two sections overlap at %#x",
				       pe->sections[i].rva);
		end = (uint64_t)pe->sections[i].rva + pe->sections[i].bytes;
	}
	if (pe->image < end) {
		if (!pe->te)
			return fz_fail(err, -EINVAL, "a section is past the end of the image");
		pe->image = end;
	}
	pe->image = (pe->image + PAGE - 1) & ~(PAGE - 1);
	return 0;
}

static void directory(const uint8_t *p, uint32_t *rva, uint32_t *bytes)
{
	*rva = u32(p);
	*bytes = *rva ? u32(p + 4) : 0;
}

int fz_pe_parse(struct fz_pe *pe, const void *file, size_t size, struct fz_error *err)
{
	const uint8_t *data = file, *coff, *opt;
	uint32_t at, nopt, ndirs, dirs;

	memset(pe, 0, sizeof(*pe));
	if (!fz_pe_magic(data, size) || size < PE_AT + 4)
		return fz_fail(err, 0, "it is too short for a PE program");
	at = u32(data + PE_AT);
	if (at > size || size - at < 4 + COFF || memcmp(data + at, "PE\0\0", 4))
		return fz_fail(err, 0, "it is a DOS program");
	coff = data + at + 4;
	opt = coff + COFF;
	pe->machine = u16(coff);
	nopt = u16(coff + 16);
	if (nopt < 96 || nopt > size - at - 4 - COFF)
		return fz_fail(err, -EINVAL, "its optional header has %u bytes", nopt);
	switch (u16(opt)) {
	case 0x10b:
		pe->base = u32(opt + 28);
		pe->base_at = opt + 28 - data;
		dirs = 96;
		break;
	case 0x20b:
		pe->is64 = true;
		pe->base = u64(opt + 24);
		pe->base_at = opt + 24 - data;
		dirs = 112;
		break;
	default:
		return fz_fail(err, -EINVAL, "its optional header is of kind %#x", u16(opt));
	}
	if (nopt < dirs)
		return fz_fail(err, -EINVAL, "its optional header has %u bytes", nopt);
	pe->entry = u32(opt + 16);
	pe->image = u32(opt + 56);
	pe->headers = u32(opt + 60);
	pe->subsystem = u16(opt + 68);
	ndirs = u32(opt + dirs - 4);
	if (ndirs > (nopt - dirs) / 8)
		ndirs = (nopt - dirs) / 8;
	if (ndirs > BASERELOC)
		directory(opt + dirs + 8 * BASERELOC, &pe->reloc_rva, &pe->reloc_bytes);
	if (ndirs > DEBUG)
		directory(opt + dirs + 8 * DEBUG, &pe->debug_rva, &pe->debug_bytes);
	if (pe->image > FZ_PE_IMAGE_MAX)
		return fz_fail(err, -EINVAL, "it needs more than %lu MiB", FZ_PE_IMAGE_MAX >> 20);
	if (pe->headers > size || pe->headers > pe->image)
		return fz_fail(err, -EINVAL, "its headers are past its end");
	if (pe->base_at + 8 > pe->headers)
		pe->base_at = 0;
	/* Linux's boot protocol: such a bzImage is its own PE program */
	pe->linux_kernel = size > 0x206 && !memcmp(data + 0x202, "HdrS", 4);
	return parse_sections(pe, data, size, opt + nopt - data, u16(coff + 2), 0, err) ?: 1;
}

int fz_te_parse(struct fz_pe *pe, const void *file, size_t size, struct fz_error *err)
{
	const uint8_t *data = file;
	uint32_t stripped;

	memset(pe, 0, sizeof(*pe));
	pe->te = true;
	if (!fz_te_magic(data, size))
		return fz_fail(err, 0, "it is no TE image");
	stripped = u16(data + 6);
	if (stripped < TE_HEADER)
		return fz_fail(err, -EINVAL, "less was cut off than its header has");
	pe->machine = u16(data + 2);
	pe->is64 = pe->machine == 0x8664 || pe->machine == 0xaa64;
	pe->subsystem = data[5];
	pe->entry = u32(data + 8);
	pe->base = u64(data + 16);
	directory(data + 24, &pe->reloc_rva, &pe->reloc_bytes);
	directory(data + 32, &pe->debug_rva, &pe->debug_bytes);
	/* What is before the cut-off headers' end does not exist. */
	pe->missing = stripped - TE_HEADER;
	pe->headers = TE_HEADER + data[4] * SECTION;
	if (pe->headers > size)
		return fz_fail(err, -EINVAL, "its sections' headers are past the end of the file");
	return parse_sections(pe, data, size, TE_HEADER, data[4], pe->missing, err) ?: 1;
}

/* The CodeView record that a debugger goes by: GUID and age, as symbol servers name it. */
static void find_build_id(struct fz_pe *pe, const uint8_t *image)
{
	uint32_t i;

	if (pe->debug_rva >= pe->image || pe->debug_bytes > pe->image - pe->debug_rva)
		return;
	for (i = 0; i + DEBUG_ENTRY <= pe->debug_bytes && i < 64 * DEBUG_ENTRY; i += DEBUG_ENTRY) {
		const uint8_t *d = image + pe->debug_rva + i;
		uint32_t rva = u32(d + 20);

		if (u32(d + 12) != 2 || u32(d + 16) < 24 || rva >= pe->image ||
		    pe->image - rva < 24 || memcmp(image + rva, "RSDS", 4))
			continue;
		pe->build_id_len = FZ_PE_BUILD_ID;
		memcpy(pe->build_id, image + rva + 4, FZ_PE_BUILD_ID);
		return;
	}
}

int fz_pe_load(struct fz_pe *pe, const void *file, size_t size, uint8_t **image,
	       struct fz_error *err)
{
	const uint8_t *data = file;
	size_t i;

	(void)size;
	*image = calloc(1, pe->image);
	if (!*image)
		return fz_fail(err, -ENOMEM, "out of memory");
	memcpy(*image + pe->missing, data, pe->headers);
	for (i = 0; i < pe->nsections; i++)
		memcpy(*image + pe->sections[i].rva, data + pe->sections[i].offset,
		       pe->sections[i].filled);
	find_build_id(pe, *image);
	return 0;
}

static int by_site(const void *a, const void *b)
{
	const struct fz_pe_site *x = a, *y = b;

	return (x->rva > y->rva) - (x->rva < y->rva);
}

/* One block: a page's address, then an offset and a kind for each. */
static int read_block(const struct fz_pe *pe, const uint8_t *p, uint32_t bytes,
		      struct fz_pe_site *sites, size_t *n, struct fz_error *err)
{
	static const int8_t fixes[] = { [1] = FZ_RELOC_HIGH, [2] = FZ_RELOC_LOW,
					[3] = FZ_RELOC_32, [10] = FZ_RELOC_64 };
	uint32_t page = u32(p), i;

	for (i = 8; i + 2 <= bytes; i += 2) {
		unsigned int kind = u16(p + i) >> 12;
		uint64_t rva = (uint64_t)page + (u16(p + i) & 0xfff);

		if (!kind)		/* it only fills up the block */
			continue;
		if (kind >= sizeof(fixes) || (!fixes[kind] && kind != 10))
			return fz_fail(err, -EINVAL, "a relocation is of kind %u", kind);
		sites[*n] = (struct fz_pe_site) { rva, fixes[kind] };
		if (rva + fz_reloc_bytes(fixes[kind]) > pe->image)
			return fz_fail(err, -EINVAL, "a relocation is past the end of the image");
		(*n)++;
	}
	return 0;
}

int fz_pe_sites(const struct fz_pe *pe, const uint8_t *image, struct fz_pe_site **out,
		size_t *out_n, struct fz_error *err)
{
	uint32_t at = pe->reloc_rva, end, bytes;
	struct fz_pe_site *sites;
	size_t n = 0, i;
	int ret = 0;

	*out = NULL;
	*out_n = 0;
	if (!pe->reloc_bytes)
		return 0;
	if (at >= pe->image || pe->reloc_bytes > pe->image - at)
		return fz_fail(err, -EINVAL, "its relocations are past the end of the image");
	sites = calloc(pe->reloc_bytes / 2 + 1, sizeof(*sites));
	if (!sites)
		return fz_fail(err, -ENOMEM, "out of memory");
	for (end = at + pe->reloc_bytes; !ret && end - at >= 8; at += bytes) {
		bytes = u32(image + at + 4);
		if (bytes < 8 || bytes > end - at)
			ret = fz_fail(err, -EINVAL, "a block of relocations has %u bytes", bytes);
		else
			ret = read_block(pe, image + at, bytes, sites, &n, err);
	}
	if (!ret && n)
		qsort(sites, n, sizeof(*sites), by_site);
	for (i = 1; !ret && i < n; i++)
		if (sites[i].rva < sites[i - 1].rva + fz_reloc_bytes(sites[i - 1].fix))
			ret = fz_fail(err, -EINVAL, "two relocations overlap at %#x", sites[i].rva);
	if (ret) {
		free(sites);
		return ret;
	}
	*out = sites;
	*out_n = n;
	return 0;
}

static const struct {
	uint16_t pe, elf;
	const char *arch;
} machines[] = {
	{ 0x014c, EM_386,	"i386" },
	{ 0x8664, EM_X86_64,	"amd64" },
	{ 0x01c0, EM_ARM,	"armhf" },
	{ 0x01c2, EM_ARM,	"armhf" },
	{ 0x01c4, EM_ARM,	"armhf" },
	{ 0xaa64, EM_AARCH64,	"arm64" },
	{ 0x5064, EM_RISCV,	"riscv64" },
	{ 0x6264, EM_LOONGARCH,	"loong64" },
};

uint16_t fz_pe_elf_machine(const struct fz_pe *pe)
{
	size_t i;

	for (i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].pe == pe->machine)
			return machines[i].elf;
	return 0;
}

const char *fz_pe_arch(const struct fz_pe *pe)
{
	size_t i;

	for (i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].pe == pe->machine)
			return machines[i].arch;
	return "other";
}
