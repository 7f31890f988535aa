/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pe.h - PE/COFF and TE images as a loader maps them
 *
 * PE is what UEFI and Windows run. TE is PE with most of its headers cut off, for
 * firmware that runs in place; its addresses are those of the PE it was made from.
 */
#ifndef FZ_PE_H
#define FZ_PE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"

#define FZ_PE_SECTIONS	96		/* the format's own limit */
#ifndef FZ_PE_IMAGE_MAX		/* the fuzzers have a smaller limit */
#define FZ_PE_IMAGE_MAX	(1UL << 28)	/* bytes in memory */
#endif
#define FZ_PE_BUILD_ID	20		/* of a CodeView record: GUID and age */

struct fz_pe_section {
	uint32_t rva, bytes;	/* in memory */
	uint32_t offset, filled;	/* in the file; @filled <= @bytes */
	bool code;		/* executable, or said to be code */
	bool writable;
};

struct fz_pe {
	bool te, is64, linux_kernel;
	uint16_t machine;	/* IMAGE_FILE_MACHINE_* */
	uint16_t subsystem;
	uint64_t base;		/* address that it was linked for */
	uint32_t entry;		/* RVA, 0 = none */
	uint32_t image;		/* bytes in memory, whole pages */
	uint32_t missing;	/* first bytes of the image that no loader fills (TE) */
	uint32_t headers;	/* bytes of the file that are loaded as they are, at @missing */
	uint32_t base_at;	/* RVA of the field that holds @base, 0 = none is loaded */
	uint32_t reloc_rva, reloc_bytes;
	uint32_t debug_rva, debug_bytes;
	size_t nsections;
	struct fz_pe_section sections[FZ_PE_SECTIONS];
	size_t build_id_len;
	uint8_t build_id[FZ_PE_BUILD_ID];
};

/* A word to which a loader adds the distance from @base. */
struct fz_pe_site {
	uint32_t rva;
	uint8_t fix;		/* enum fz_reloc_fix */
};

/* Do the first @size bytes at @data begin as a PE (or DOS) program does? TE has but two letters. */
bool fz_pe_magic(const void *data, size_t size);
bool fz_te_magic(const void *data, size_t size);

/*
 * Parse the whole file at @data. Return 1, 0 if it is sound but no PE program
 * (a DOS program, an object file), -EINVAL if its headers lie; @err says what.
 */
int fz_pe_parse(struct fz_pe *pe, const void *data, size_t size, struct fz_error *err);
int fz_te_parse(struct fz_pe *pe, const void *data, size_t size, struct fz_error *err);

/*
 * Make the image in memory, pe->image bytes, as at its own base: what no section
 * fills is zero. The caller frees it.
 */
int fz_pe_load(struct fz_pe *pe, const void *data, size_t size, uint8_t **image,
	       struct fz_error *err);

/*
 * Collect the base relocations of @image, ascending, none overlapping another; the
 * field that holds the base is not among them. The caller frees @sites.
 */
int fz_pe_sites(const struct fz_pe *pe, const uint8_t *image, struct fz_pe_site **sites,
		size_t *n, struct fz_error *err);

/* ELF's number and Debian's name for the machine, 0 and "other" if there is none. */
uint16_t fz_pe_elf_machine(const struct fz_pe *pe);
const char *fz_pe_arch(const struct fz_pe *pe);

#endif
