/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * elffile.h - which pages of an ELF file can run
 *
 * (Not elf.h: that would hide the system's.)
 */
#ifndef FZ_ELFFILE_H
#define FZ_ELFFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"

#ifndef FZ_ELF_MAX			/* the fuzzers have smaller limits */
#define FZ_ELF_MAX		(1UL << 30)	/* bytes of a file */
#endif
#define FZ_ELF_SEGMENTS		64		/* executable segments of a file */
#define FZ_ELF_BUILD_ID		64		/* bytes; GNU ld writes 16 or 20 */

/* What one executable PT_LOAD maps, in whole 4 KiB pages. */
struct fz_elf_segment {
	uint64_t offset;	/* of the first page in the file */
	uint64_t vaddr;		/* of the first page, as linked */
	uint32_t pages;
};

struct fz_elf {
	uint16_t type;		/* ET_* */
	uint16_t machine;	/* EM_* */
	bool is64;
	uint64_t entry;
	size_t nsegments;	/* ascending by offset */
	struct fz_elf_segment segments[FZ_ELF_SEGMENTS];
	size_t build_id_len;
	uint8_t build_id[FZ_ELF_BUILD_ID];
};

/* Do the first @size bytes at @data (4 will do) begin an ELF file? */
bool fz_elf_magic(const void *data, size_t size);

/*
 * Parse the whole file at @data. Return 1 if it has executable segments, 0 if it
 * is sound but has none that a loader maps from the file (object files, kernel
 * modules, core dumps, data), -EINVAL if its headers lie; @err says what.
 */
int fz_elf_parse(struct fz_elf *elf, const void *data, size_t size, struct fz_error *err);

/* Debian's name for the architecture, or "other". */
const char *fz_elf_arch(const struct fz_elf *elf);

#endif
