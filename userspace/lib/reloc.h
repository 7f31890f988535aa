/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reloc.h - relocated code: what is kept of a file to undo it
 *
 * A loader that puts an image elsewhere than where it was linked for adds the
 * distance to some of its words, the sites. Who knows them and the distance can
 * subtract it, and has the page that the database knows.
 *
 * FZ_BLOB_RELOC of a file:
 *	index 0		struct fz_reloc_image, then its loose ranges
 *	index 1 + page	the sites of that page, ascending, a u16 each; pages without
 *			sites have none
 * Integers are the machine's own.
 */
#ifndef FZ_RELOC_H
#define FZ_RELOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fz_reloc_image {
	uint64_t base;		/* where it was linked for */
	uint32_t bytes;		/* in memory; virtual addresses of the file begin at 0 */
	uint32_t nloose;
};

/*
 * Bytes of executable pages that no file determines: data beside the code, gaps that
 * no loader fills. Addresses in the image, ascending.
 */
struct fz_reloc_loose {
	uint32_t from, to;
};

/* What is added at a site: the distance, its low 4 bytes, the upper or lower half of these. */
enum fz_reloc_fix { FZ_RELOC_64, FZ_RELOC_32, FZ_RELOC_HIGH, FZ_RELOC_LOW };

#define FZ_SITE_AT(s)	((s) & 0xfff)
#define FZ_SITE_FIX(s)	((s) >> 12 & 3)
#define FZ_SITE_BEFORE	0x4000	/* it begins so many bytes (FZ_SITE_AT) before the page */
#define FZ_SITE_HEADER	0x8000	/* the header's copy of the base: not every loader changes it */

unsigned int fz_reloc_bytes(unsigned int fix);

/*
 * Add @distance at the @n sites of a page, or subtract it to @undo that. What no page
 * tells by itself are ways, 0 to fz_reloc_ways() - 1, to be tried: was the header
 * changed, did the site that begins before the page have a carry.
 */
void fz_reloc_move(uint8_t *page, const uint16_t *sites, size_t n, uint64_t distance, bool undo,
		   unsigned int way);
unsigned int fz_reloc_ways(const uint16_t *sites, size_t n);

/*
 * FZ_BLOB_SYMBOLS of a file, index 1 + page: where the dynamic linker writes what a symbol
 * gives. A symbol that the file itself defines gives @value, plus the load address if
 * FZ_SYMBOL_BASE; unless another file in the process takes its place, which no page tells. So
 * another value is not believed, and of a symbol that only other files have (FZ_SYMBOL_OPEN)
 * none is.
 */
struct fz_reloc_symbol {
	int16_t at;		/* in the page; it may begin before it or end behind it */
	uint8_t bytes, flags;
	uint32_t reserved;
	uint64_t value;
	uint64_t was;		/* in the file */
};

#define FZ_SYMBOL_BASE	1
#define FZ_SYMBOL_OPEN	2

/*
 * Put back what the file has at the @n symbols of a page that was loaded at @base (which is
 * added to the file's own addresses). Did each of them hold what it must?
 */
bool fz_reloc_symbols(uint8_t *page, const struct fz_reloc_symbol *symbols, size_t n,
		      uint64_t base);

/*
 * Anchors: blocks of FZ_ANCHOR bytes, at multiples of that in the page, that hold no
 * site and nothing loose. The hash of block @i; 0 = it says too little.
 */
#define FZ_ANCHOR	64
uint64_t fz_reloc_anchor(const uint8_t *block, unsigned int i);

#endif
