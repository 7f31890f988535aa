// SPDX-License-Identifier: GPL-2.0-only
/* kernel.c - what a bzImage gives to the database; see kernel.h */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "kernel.h"
#include "kernel_priv.h"

#define PAGE		4096UL
#define SEGMENTS	16

static uint64_t down(uint64_t x)
{
	return x & ~(PAGE - 1);
}

/* The executable sections' pages, as segments of the image. */
static size_t segments_of(const struct fz_kimage *k, struct fz_hashdb_segment seg[SEGMENTS])
{
	size_t i, n = 0;

	for (i = 0; i < k->ntables && n < SEGMENTS; i++) {
		const struct fz_ktable *t = &k->tables[i];
		uint64_t first = down(t->vaddr), end = down(t->vaddr + t->size + PAGE - 1);

		/* replacements are copied from, never run */
		if (!t->exec || !strcmp(t->name, ".altinstr_replacement"))
			continue;
		if (n && seg[n - 1].vaddr + seg[n - 1].pages * PAGE >= first) {
			if (end > seg[n - 1].vaddr + seg[n - 1].pages * PAGE)
				seg[n - 1].pages = (end - seg[n - 1].vaddr) / PAGE;
			continue;
		}
		seg[n++] = (struct fz_hashdb_segment){ first - k->base, first,
						       (end - first) / PAGE };
	}
	return n;
}

static void build_id_of(const struct fz_kimage *k, char hex[2 * 64 + 1])
{
	const struct fz_ktable *t = fz_ktable(k, ".notes");
	const uint8_t *p = t ? fz_kat(k, t->vaddr, t->size) : NULL;
	uint64_t at = 0, i;
	Elf64_Nhdr n;

	while (p && at + sizeof(n) <= t->size) {
		uint64_t name, desc;

		memcpy(&n, p + at, sizeof(n));
		name = at + sizeof(n);
		desc = name + ((n.n_namesz + 3ULL) & ~3ULL);
		at = desc + ((n.n_descsz + 3ULL) & ~3ULL);
		if (at > t->size)
			return;
		if (n.n_type != NT_GNU_BUILD_ID || n.n_namesz != 4 || n.n_descsz > 64 ||
		    memcmp(p + name, "GNU", 4))
			continue;
		for (i = 0; i < n.n_descsz; i++)
			sprintf(hex + 2 * i, "%02x", p[desc + i]);
		return;
	}
}

/* __ksymtab: where it is, what it is called; both relative to the field itself. */
static int put_exports(const struct fz_kimage *k, const struct fz_taker *t, struct fz_error *err)
{
	static const char *const tables[] = { "__ksymtab", "__ksymtab_gpl" };
	struct fz_export *e = NULL;
	size_t n = 0, i;
	int ret;

	for (i = 0; i < 2; i++) {
		const struct fz_ktable *s = fz_ktable(k, tables[i]);
		struct fz_export *q;
		uint64_t at;

		if (!s)
			continue;
		q = reallocarray(e, n + s->size / 12 + 1, sizeof(*e));
		if (!q) {
			free(e);
			return fz_fail(err, -ENOMEM, "out of memory");
		}
		e = q;
		for (at = s->vaddr; at + 12 <= s->vaddr + s->size; at += 12) {
			const uint8_t *p = fz_kat(k, at, 12);
			const char *name;
			int32_t v[2];

			memcpy(v, p, sizeof(v));
			name = (const char *)fz_kat(k, at + 4 + v[1], 1);
			if (!name || !memchr(name, 0, k->image + k->size - (uint8_t *)name))
				continue;
			e[n++] = (struct fz_export){ fz_symbol_id(name), at + v[0] };
		}
	}
	ret = n ? fz_exports_put(e, n, t, err) : 0;
	free(e);
	return ret;
}

/* FZ_BLOB_KERNEL, index 0: u32 offsets of functions from the base, ascending, as zstd. */
static int put_functions(const struct fz_kimage *k, const struct fz_taker *t, struct fz_error *err)
{
	uint32_t *p = calloc(k->nsyms + 1, sizeof(*p));
	size_t n = 0, i, max, len;
	void *packed;
	int ret;

	max = ZSTD_compressBound((k->nsyms + 1) * sizeof(*p));
	packed = malloc(max);
	ret = fz_fail(err, -ENOMEM, "out of memory");
	if (!p || !packed)
		goto out;
	for (i = 0; i < k->nsyms; i++) {
		const char *name = k->names + k->syms[i].name;
		uint32_t offset = k->syms[i].vaddr - k->base;

		if (!strchr("tTwW", *name) || !*name || !fz_kexec(k, k->syms[i].vaddr, 1) ||
		    (n && p[n - 1] == offset))
			continue;
		p[n++] = offset;
	}
	len = ZSTD_compress(packed, max, p, n * sizeof(*p), 9);
	ret = ZSTD_isError(len) ? fz_fail(err, -ENOMEM, "zstd: %s", ZSTD_getErrorName(len)) :
	      t->extra(t->ctx, FZ_BLOB_KERNEL, 0, packed, len, err);
out:
	free(p);
	free(packed);
	return ret;
}

/* FZ_BLOB_KERNEL, index 2: what ftrace makes trampolines of. */
static int put_ftrace(const struct fz_kimage *k, const struct fz_taker *t, struct fz_error *err)
{
	static const char *const names[2][5] = {
		{ "ftrace_caller", "ftrace_caller_op_ptr", "ftrace_call", NULL,
		  "ftrace_caller_end" },
		{ "ftrace_regs_caller", "ftrace_regs_caller_op_ptr", "ftrace_regs_call",
		  "ftrace_regs_caller_jmp", "ftrace_regs_caller_end" },
	};
	uint32_t at[2][5] = { 0 };
	uint64_t vaddr;
	int i, j;

	for (i = 0; i < 2; i++)
		for (j = 0; j < 5; j++) {
			vaddr = names[i][j] ? fz_ksym(k, names[i][j]) : 0;
			if (vaddr)
				at[i][j] = vaddr - k->base;
			else if (j != 3)	/* there need not be a jump */
				at[i][0] = UINT32_MAX;
		}
	for (i = 0; i < 2; i++)
		if (at[i][0] == UINT32_MAX)
			memset(at[i], 0, sizeof(at[i]));
	return t->extra(t->ctx, FZ_BLOB_KERNEL, 2, at, sizeof(at), err);
}

static int put_sites(void *ctx, uint32_t index, const void *data, size_t len, struct fz_error *err)
{
	const struct fz_taker *t = ctx;

	return t->extra(t->ctx, FZ_BLOB_SITES, index, data, len, err);
}

int fz_kernel_anchors(struct fz_sites *s, const uint8_t *image, const struct fz_hashdb_file *f,
		      const struct fz_taker *t, struct fz_error *err)
{
	uint64_t hash;
	uint32_t i;
	size_t g;
	int ret = 0;

	for (g = 0; g < f->nsegments; g++)
		for (i = 0; !ret && i < f->segments[g].pages; i++) {
			uint32_t page = f->segments[g].offset / PAGE + i;

			if (fz_sites_anchor(s, image, page, &hash))
				ret = t->anchor(t->ctx, hash, page, err);
		}
	return ret;
}

static int take_kernel(const struct fz_hashdb_file *given, struct fz_kimage *k, const void *data,
		       size_t size, const struct fz_taker *t, struct fz_error *err)
{
	struct fz_hashdb_segment segments[SEGMENTS];
	struct fz_hashdb_file f = *given;
	char build_id[2 * 64 + 1] = "";
	int ret;

	build_id_of(k, build_id);
	if (!f.arch)
		f.arch = (char *)"amd64";
	f.kind = FZ_FILE_KERNEL;
	f.flags = FZ_FILE_STORED;
	f.build_id = build_id;
	f.machine = EM_X86_64;
	f.is64 = true;
	f.segments = segments;
	f.nsegments = segments_of(k, segments);
	if (!f.nsegments)
		return fz_fail(err, -EINVAL, "its kernel has no code");
	ret = t->take_image(t->ctx, &f, data, size, k->image, k->size, err);
	if (ret <= 0)
		return ret;
	ret = fz_kernel_symbols(k, err);
	if (!ret)
		ret = fz_kernel_sites(k, err);
	if (!ret)
		ret = fz_sites_write(k->sites, k->size / PAGE, put_sites, (void *)t, err);
	if (!ret)
		ret = put_functions(k, t, err);
	if (!ret)
		ret = put_exports(k, t, err);
	if (!ret)
		ret = put_ftrace(k, t, err);
	if (!ret)
		ret = fz_kernel_anchors(k->sites, k->image, &f, t, err);
	/* They become files of their own; nothing more is added to this one. */
	if (!ret)
		ret = fz_kernel_carried(given, k, t, err);
	return ret < 0 ? ret : 1 + ret;
}

/*
 * What a boot loader writes into the setup that it loads: the fields of the boot protocol
 * (Documentation/arch/x86/boot.rst) of type "write" and "modify"; and the number of the
 * interrupt that setup calls, which it writes into its own code (intcall()).
 */
static int setup_sites(struct fz_sites *s, const uint8_t *setup, size_t len)
{
	static const struct { uint16_t at; uint8_t len; } fields[] = {
		{ 0x1fa, 4 },		/* vid_mode, root_dev */
		{ 0x210, 4 },		/* type_of_loader, loadflags, setup_move_size */
		{ 0x214, 4 },		/* code32_start */
		{ 0x218, 8 },		/* ramdisk_image, ramdisk_size */
		{ 0x224, 8 },		/* heap_end_ptr, ext_loader_ver and _type, cmd_line_ptr */
		{ 0x23c, 4 }, { 0x240, 8 },	/* hardware_subarch and its data */
		{ 0x250, 8 },		/* setup_data */
	};
	static const uint8_t cmp[2] = { 0x38, 0x06 };
	const uint8_t *p = setup;
	uint16_t at, again;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].at + fields[i].len <= len)
			ret = fz_sites_any(s, fields[i].at, fields[i].len);
	/* cmp %al, at; je 1f; mov %al, at; jmp 1f; 1: */
	while (!ret && (p = memmem(p, setup + len - p, cmp, 2)) && setup + len - p >= 11) {
		memcpy(&at, p + 2, 2);
		memcpy(&again, p + 7, 2);
		if (p[4] == 0x74 && p[6] == 0xa2 && at == again && p[9] == 0xeb && at &&
		    at < len && setup[at - 1] == 0xcd)
			ret = fz_sites_any(s, at, 1);
		p++;
	}
	return ret;
}

static int put_setup(const struct fz_hashdb_file *f, const uint8_t *image, size_t len,
		     const struct fz_taker *t, struct fz_error *err)
{
	struct fz_sites *s = fz_sites_new();
	struct fz_hashdb_file setup = *f;
	int ret = s ? setup_sites(s, image, len) : -ENOMEM;

	if (ret)
		ret = fz_fail(err, ret, "its setup is of an unknown form");
	setup.nsegments = 1;
	if (!ret)
		ret = fz_sites_write(s, f->segments[0].pages, put_sites, (void *)t, err);
	if (!ret)
		ret = fz_kernel_anchors(s, image, &setup, t, err);
	fz_sites_free(s);
	return ret;
}

/* What the boot loader loads: real-mode setup, and the decompressor around the payload. */
static int take_stub(const struct fz_hashdb_file *given, const uint8_t *data, size_t size,
		     const struct fz_taker *t, struct fz_error *err)
{
	struct fz_hashdb_segment segments[3];
	struct fz_hashdb_file f = *given;
	size_t setup_pages, n = 0, end, first, image_size;
	struct fz_bzimage b;
	uint8_t *image;
	int ret;

	ret = fz_bzimage_parse(&b, data, size, err);
	if (ret)
		return ret;
	/* Setup, filled up to a page, then all else as it lies from 1 MiB on. */
	setup_pages = (b.setup + PAGE - 1) / PAGE;
	image_size = setup_pages * PAGE + down(size - b.setup + PAGE - 1);
	image = calloc(1, image_size);
	if (!image)
		return fz_fail(err, -ENOMEM, "out of memory");
	memcpy(image, data, b.setup);
	memcpy(image + setup_pages * PAGE, data + b.setup, size - b.setup);
	end = (b.payload - b.setup + PAGE - 1) / PAGE;
	first = (b.payload - b.setup + b.payload_len) / PAGE;
	segments[n++] = (struct fz_hashdb_segment){ 0, 0x10000, setup_pages };
	if (first < end)	/* the payload begins and ends in one page */
		first = end;
	if (end)
		segments[n++] = (struct fz_hashdb_segment){ setup_pages * PAGE, 0x100000, end };
	if (first * PAGE < size - b.setup)
		segments[n++] = (struct fz_hashdb_segment){
			(setup_pages + first) * PAGE, 0x100000 + first * PAGE,
			(size - b.setup + PAGE - 1) / PAGE - first };
	if (!f.arch)
		f.arch = (char *)"amd64";
	f.kind = FZ_FILE_FIRMWARE;
	f.flags = FZ_FILE_STORED;
	f.pie = true;
	f.machine = EM_X86_64;
	f.is64 = true;
	f.segments = segments;
	f.nsegments = n;
	ret = t->take_image(t->ctx, &f, data, size, image, image_size, err);
	if (ret > 0)
		ret = put_setup(&f, image, b.setup, t, err);
	free(image);
	return ret < 0 ? ret : 1;
}

int fz_kernel_read(const struct fz_hashdb_file *f, const void *data, size_t size,
		   const struct fz_taker *t, struct fz_error *err)
{
	struct fz_kimage k = { 0 };
	uint8_t *elf = NULL;
	size_t elf_size;
	int ret, stub = 0;

	ret = fz_kernel_unpack(data, size, &elf, &elf_size, err);
	if (!ret)
		ret = fz_kernel_lay_out(&k, elf, elf_size, err);
	if (!ret)
		ret = stub = take_stub(f, data, size, t, err);
	if (ret > 0)
		ret = take_kernel(f, &k, data, size, t, err);
	fz_kimage_free(&k);
	free(elf);
	return ret < 0 ? ret : stub + (ret ? ret : 1);
}

bool fz_vmlinux_is(const void *data, size_t size)
{
	struct fz_kimage k = { 0 };
	struct fz_error err;
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	bool is = false;
	int i;

	if (size < sizeof(eh) || memcmp(data, ELFMAG, SELFMAG))
		return false;
	memcpy(&eh, data, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != EM_X86_64 ||
	    eh.e_type != ET_EXEC || eh.e_phentsize != sizeof(ph) || eh.e_phoff > size)
		return false;
	for (i = 0; !is && i < eh.e_phnum; i++) {
		if ((size - eh.e_phoff) / sizeof(ph) <= (size_t)i)
			return false;
		memcpy(&ph, (const uint8_t *)data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		is = ph.p_type == PT_LOAD && ph.p_vaddr >> 63;
	}
	if (!is || fz_kernel_lay_out(&k, data, size, &err))
		is = false;
	else
		is = fz_ktable(&k, ".altinstructions") && fz_ktable(&k, ".text");
	fz_kimage_free(&k);
	return is;
}

int fz_vmlinux_read(const struct fz_hashdb_file *f, const void *data, size_t size,
		    const struct fz_taker *t, struct fz_error *err)
{
	struct fz_kimage k = { 0 };
	int ret = fz_kernel_lay_out(&k, data, size, err);

	if (!ret)
		ret = take_kernel(f, &k, data, size, t, err);
	fz_kimage_free(&k);
	return ret < 0 ? ret : ret ? ret : 1;
}
