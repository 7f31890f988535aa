/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * firmware.h - PE programs and firmware images, as the database takes them
 */
#ifndef FZ_FIRMWARE_H
#define FZ_FIRMWARE_H

#include "formats.h"
#include "pe.h"
#include "textrel.h"

/* Rows of the table of formats.h. */
int fz_firmware_pe(const struct fz_hashdb_file *f, const void *data, size_t size,
		   const struct fz_taker *t, struct fz_error *err);
int fz_firmware_volumes(const struct fz_hashdb_file *f, const void *data, size_t size,
			const struct fz_taker *t, struct fz_error *err);

/* Code that lies in memory as in the file: a PC's BIOS, an option ROM. */
bool fz_firmware_bios_magic(const void *data, size_t size);
bool fz_firmware_bios_end(const void *tail, size_t size);
bool fz_firmware_rom_magic(const void *data, size_t size);
int fz_firmware_bios(const struct fz_hashdb_file *f, const void *data, size_t size,
		     const struct fz_taker *t, struct fz_error *err);
int fz_firmware_rom(const struct fz_hashdb_file *f, const void *data, size_t size,
		    const struct fz_taker *t, struct fz_error *err);

/*
 * Of the ELF file that was taken last, whose code lies in memory as in the file: note the
 * text relocations, as those of a PE program are.
 */
int fz_firmware_elf(const struct fz_elf *elf, const void *data, size_t size,
		    const struct fz_textrel *r, const struct fz_taker *t, struct fz_error *err);

#endif
