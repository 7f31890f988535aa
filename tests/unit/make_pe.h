/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * make_pe.h - a PE program and a firmware volume, made for tests
 *
 * The program has 3 pages: headers and the beginning of its code in page 0, code in
 * page 1 with a site that reaches into page 2, where code ends and data begins.
 */
#ifndef MAKE_PE_H
#define MAKE_PE_H

#include <stdint.h>
#include <string.h>

#define PE_BYTES	0x3100U	/* of the file */
#define PE_IMAGE	0x4000U	/* in memory, with .reloc */
#define PE_TEXT		0x240U
#define PE_DATA		0x2400U
#define PE_RELOC	0x3000U
#define PE_BASE		0x10000000ULL

static inline void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, 2);
}

static inline void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static inline void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, 8);
}

static inline void make_section(uint8_t *h, const char *name, uint32_t rva, uint32_t bytes,
				uint32_t flags)
{
	memset(h, 0, 40);
	strncpy((char *)h, name, 8);
	put32(h + 8, bytes);
	put32(h + 12, rva);
	put32(h + 16, bytes);
	put32(h + 20, rva);
	put32(h + 36, flags);
}

/* Where the sites are, and of what kind: 10 is 8 bytes, 3 is 4, 1 and 2 are halves. */
static const struct { uint32_t rva; uint16_t kind; } pe_sites[] = {
	{ 0x300, 10 }, { 0x310, 3 }, { 0x1100, 1 }, { 0x1110, 2 }, { 0x1ffd, 10 }, { 0x2410, 10 },
};

/* PE32+ for x86-64, file alignment = section alignment = 0x40, as EDK2 makes them. */
static inline void make_pe(uint8_t p[PE_BYTES])
{
	unsigned int i, at, page = ~0U;
	uint8_t *opt = p + 0x80 + 24, *block = NULL;

	for (i = 0; i < PE_BYTES; i++)
		p[i] = i * 7 + i / 256 * 13 + i / 64 * 3;
	memset(p, 0, PE_TEXT);
	memcpy(p, "MZ", 2);
	put32(p + 0x3c, 0x80);
	memcpy(p + 0x80, "PE\0\0", 4);
	put16(p + 0x84, 0x8664);
	put16(p + 0x86, 3);
	put16(p + 0x94, 240);
	put16(opt, 0x20b);
	put32(opt + 16, 0x280);			/* entry */
	put64(opt + 24, PE_BASE);
	put32(opt + 32, 0x40);
	put32(opt + 36, 0x40);
	put32(opt + 56, PE_IMAGE);
	put32(opt + 60, PE_TEXT);
	put16(opt + 68, 11);
	put32(opt + 108, 16);
	put32(opt + 112 + 8 * 5, PE_RELOC);
	make_section(opt + 240, ".text", PE_TEXT, PE_DATA - PE_TEXT, 0x60000020);
	make_section(opt + 280, ".data", PE_DATA, PE_RELOC - PE_DATA, 0xc0000040);
	at = PE_RELOC;
	for (i = 0; i < sizeof(pe_sites) / sizeof(pe_sites[0]); i++) {
		if (pe_sites[i].rva >> 12 != page) {
			page = pe_sites[i].rva >> 12;
			block = p + at;
			put32(block, page << 12);
			put32(block + 4, 8);
			at += 8;
		}
		put16(p + at, pe_sites[i].kind << 12 | (pe_sites[i].rva & 0xfff));
		at += 2;
		put32(block + 4, p + at - block);
	}
	put32(opt + 112 + 8 * 5 + 4, at - PE_RELOC);
	make_section(opt + 320, ".reloc", PE_RELOC, PE_BYTES - PE_RELOC, 0x42000040);
}

/* What a loader does at @base, by the book. */
static inline void load_pe(uint8_t image[PE_IMAGE], const uint8_t p[PE_BYTES], uint64_t base)
{
	uint64_t d = base - PE_BASE, v64;
	unsigned int i;
	uint32_t v32;
	uint16_t v16;

	memset(image, 0, PE_IMAGE);
	memcpy(image, p, PE_BYTES);
	put64(image + 0x80 + 24 + 24, base);
	for (i = 0; i < sizeof(pe_sites) / sizeof(pe_sites[0]); i++) {
		uint8_t *at = image + pe_sites[i].rva;

		memcpy(&v64, at, 8);
		memcpy(&v32, at, 4);
		memcpy(&v16, at, 2);
		switch (pe_sites[i].kind) {
		case 10: put64(at, v64 + d); break;
		case 3: put32(at, v32 + (uint32_t)d); break;
		case 1: put16(at, v16 + (uint16_t)(d >> 16)); break;
		case 2: put16(at, v16 + (uint16_t)d); break;
		}
	}
}

/* A section of a firmware file; returns where the next one begins. */
static inline size_t make_fv_section(uint8_t *p, uint8_t type, const void *data, size_t size)
{
	put32(p, size + 4);
	p[3] = type;
	memcpy(p + 4, data, size);
	return (size + 4 + 3) & ~(size_t)3;
}

/* A volume of one file of type @type with these sections; returns its size. */
static inline size_t make_fv(uint8_t *p, uint8_t type, const void *sections, size_t size)
{
	static const uint8_t ffs2[] = { 0x78, 0xe5, 0x8c, 0x8c, 0x3d, 0x8a, 0x1c, 0x4f,
					0x99, 0x35, 0x89, 0x61, 0x85, 0xc3, 0x2d, 0xd3 };
	size_t length = (72 + 24 + size + 7) & ~(size_t)7;

	memset(p, 0, length);
	memcpy(p + 16, ffs2, sizeof(ffs2));
	put64(p + 32, length);
	memcpy(p + 40, "_FVH", 4);
	put16(p + 48, 72);
	memset(p + 72, 0x5a, 16);
	p[72 + 18] = type;
	put32(p + 72 + 20, 24 + size);
	memcpy(p + 72 + 24, sections, size);
	return length;
}

#endif
