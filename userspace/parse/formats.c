// SPDX-License-Identifier: GPL-2.0-only
/*
 * formats.c - which kinds of files hold code, and who reads them
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "elffile.h"
#include "entries.h"
#include "firmware.h"
#include "formats.h"
#include "fv.h"
#include "kernel.h"
#include "pe.h"
#include "textrel.h"
#include "upx.h"

static int add_entries(const struct fz_elf *elf, const void *data, size_t size,
		       const struct fz_taker *t, struct fz_error *err)
{
	size_t len;
	void *blob;
	int ret;

	ret = fz_elf_entries(elf, data, size, &blob, &len);
	if (ret <= 0)
		return ret ? fz_fail(err, -ENOMEM, "out of memory") : 0;
	ret = t->extra(t->ctx, FZ_BLOB_ENTRIES, 0, blob, len, err);
	free(blob);
	return ret;
}

static int add_textrel(const struct fz_elf *elf, const void *data, size_t size,
		       const struct fz_taker *t, struct fz_error *err)
{
	struct fz_textrel r;
	int ret = fz_elf_textrel(elf, data, size, &r);

	if (ret)
		return fz_fail(err, ret, "out of memory");
	if (r.nsites || r.nsymbols)
		ret = fz_firmware_elf(elf, data, size, &r, t, err);
	fz_textrel_free(&r);
	return ret;
}

/* Hand over the file at @data; @image: what it unpacks to, or NULL. */
static int take_elf(const struct fz_hashdb_file *given, const struct fz_elf *elf, const void *data,
		    size_t size, const struct fz_buffer *image, const struct fz_taker *t,
		    struct fz_error *err)
{
	struct fz_hashdb_segment segments[FZ_ELF_SEGMENTS];
	char build_id[2 * FZ_ELF_BUILD_ID + 1] = "";
	struct fz_hashdb_file f = *given;
	size_t i;

	for (i = 0; i < elf->build_id_len; i++)
		sprintf(build_id + 2 * i, "%02x", elf->build_id[i]);
	for (i = 0; i < elf->nsegments; i++)
		segments[i] = (struct fz_hashdb_segment) {
			.offset = elf->segments[i].offset,
			.vaddr = elf->segments[i].vaddr,
			.pages = elf->segments[i].pages,
		};
	if (!f.arch)
		f.arch = (char *)fz_elf_arch(elf);
	f.build_id = build_id;
	f.pie = elf->type == ET_DYN;
	f.entry = elf->entry;
	f.machine = elf->machine;
	f.is64 = elf->is64;
	f.nsegments = elf->nsegments;
	f.segments = segments;
	if (!image)
		return t->take(t->ctx, &f, data, size, err);
	f.flags = FZ_FILE_IMAGE | FZ_FILE_UNPACKED;
	return t->take_image(t->ctx, &f, data, size, image->p, image->len, err);
}

/* How many programs were taken: 1, or 0. */
static int take_unpacked(const struct fz_hashdb_file *given, const void *data, size_t size,
			 const struct fz_taker *t, struct fz_error *err)
{
	struct fz_buffer image = { 0 };
	struct fz_elf elf;
	int ret;

	if (!t->unpack || !fz_upx_magic(data, size))
		return 0;
	ret = t->unpack(t->ctx, given->path, data, size, &image, err);
	if (ret > 0)
		ret = fz_elf_parse(&elf, image.p, image.len, err);
	if (ret > 0)
		ret = fz_upx_image(image.p, image.len, err) ?: 1;
	if (ret > 0)
		ret = take_elf(given, &elf, data, size, &image, t, err);
	else
		image.len = 0;
	free(image.p);
	return ret < 0 ? ret : image.len > 0;
}

static int read_elf(const struct fz_hashdb_file *given, const void *data, size_t size,
		    const struct fz_taker *t, struct fz_error *err)
{
	struct fz_elf elf;
	int ret, more;

	if (fz_vmlinux_is(data, size))
		return fz_vmlinux_read(given, data, size, t, err);
	ret = fz_elf_parse(&elf, data, size, err);
	if (!ret && elf.type == ET_REL)
		return fz_module_read(given, data, size, data, size, t, err);
	if (ret <= 0)
		return ret;
	ret = take_elf(given, &elf, data, size, NULL, t, err);
	if (ret > 0 && t->extra) {
		ret = t->anchor ? add_textrel(&elf, data, size, t, err) : 0;
		ret = ret ?: 1;
	}
	if (ret > 0 && t->extra)
		ret = add_entries(&elf, data, size, t, err);
	if (ret < 0)
		return ret;
	more = take_unpacked(given, data, size, t, err);
	return more < 0 ? more : 1 + more;
}

/* The first that fits. */
static const struct fz_format formats[] = {
	{ "ELF", fz_elf_magic, NULL, read_elf },
	/* Before PE: its EFI stub is one. */
	{ "Linux kernel", fz_kernel_magic, NULL, fz_kernel_read },
	{ "packed module", fz_module_packed_magic, NULL, fz_module_packed_read },
	{ "PE", fz_pe_magic, NULL, fz_firmware_pe },
	{ "UEFI firmware", fz_fv_magic, NULL, fz_firmware_volumes },
	{ "option ROM", fz_firmware_rom_magic, NULL, fz_firmware_rom },
	{ "BIOS", fz_firmware_bios_magic, fz_firmware_bios_end, fz_firmware_bios },
};

const struct fz_format *fz_format_of(const void *head, size_t size)
{
	size_t i;

	if (size > FZ_FORMAT_HEAD)	/* or it would depend on who asks */
		size = FZ_FORMAT_HEAD;
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (formats[i].begins(head, size))
			return &formats[i];
	return NULL;
}
