// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel_carried.c - what a kernel has in its data and runs elsewhere
 *
 * The vDSOs are ELF files on page boundaries, which the kernel maps into each process after
 * it has patched them by their own alternatives. The real-mode trampoline, by which other
 * processors and a machine that wakes up start, is copied below 1 MiB and relocated by its
 * own list. Each is a file of its own, of kind "kernel", that may lie anywhere (pie).
 */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel.h"
#include "kernel_priv.h"

#define PAGE		4096UL
#define VDSO_MAX	(16 * PAGE)
#define CARRIED_MAX	8
#define REALMODE_MAX	(64 * PAGE)
#define SEGMENT_SHIFT	4
#define EM_AT		18	/* e_machine */

static int put_sites(void *ctx, uint32_t index, const void *data, size_t len, struct fz_error *err)
{
	const struct fz_taker *t = ctx;

	return t->extra(t->ctx, FZ_BLOB_SITES, index, data, len, err);
}

/* Pages [@first, @end) of @image run. @sites becomes the program's; it is used up. */
static int take(const struct fz_hashdb_file *given, const char *name, const struct fz_kimage *k,
		uint32_t first, uint32_t end, bool is64, const struct fz_taker *t,
		struct fz_error *err)
{
	struct fz_hashdb_segment segment = { first * PAGE, first * PAGE, end - first };
	struct fz_hashdb_file f = *given;
	char path[PATH_MAX];
	int ret;

	if (snprintf(path, sizeof(path), "%s: %s", f.path, name) >= (int)sizeof(path))
		return fz_fail(err, -EINVAL, "its path is too long");
	f.path = path;
	if (!f.arch)
		f.arch = (char *)"amd64";
	f.kind = FZ_FILE_KERNEL;
	f.flags = FZ_FILE_STORED;
	f.pie = true;
	f.machine = is64 ? EM_X86_64 : EM_386;
	f.is64 = is64;
	f.segments = &segment;
	f.nsegments = 1;
	ret = t->take_image(t->ctx, &f, k->image, k->size, k->image, k->size, err);
	if (ret <= 0)
		return ret;
	ret = fz_sites_write(k->sites, k->size / PAGE, put_sites, (void *)t, err);
	return ret ? ret : fz_kernel_anchors(k->sites, k->image, &f, t, err);
}

/* ---------------------------------------------------------------------- vDSOs */

/* The size of the ELF file at @p, its name in @name; 0: it is no vDSO. */
static size_t vdso_at(const uint8_t *p, size_t left, const char **name, bool *is64)
{
	static const char *const names[] = { "linux-vdso.so.1", "linux-gate.so.1" };
	uint64_t end;
	size_t i;

	if (left < PAGE || memcmp(p, ELFMAG, SELFMAG) || p[EI_DATA] != ELFDATA2LSB)
		return 0;
	*is64 = p[EI_CLASS] == ELFCLASS64;
	if (*is64) {
		Elf64_Ehdr eh;

		memcpy(&eh, p, sizeof(eh));
		end = eh.e_shoff + (uint64_t)eh.e_shnum * sizeof(Elf64_Shdr);
		if (eh.e_type != ET_DYN || !eh.e_shoff || eh.e_shoff > VDSO_MAX)
			return 0;
	} else {
		Elf32_Ehdr eh;

		memcpy(&eh, p, sizeof(eh));
		end = eh.e_shoff + (uint64_t)eh.e_shnum * sizeof(Elf32_Shdr);
		if (eh.e_type != ET_DYN || !eh.e_shoff)
			return 0;
	}
	end = (end + PAGE - 1) / PAGE * PAGE;
	if (end > VDSO_MAX || end > left)
		return 0;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (memmem(p, end, names[i], strlen(names[i]) + 1)) {
			*name = names[i];
			if (!*is64 && p[EM_AT] == EM_X86_64)
				*name = "linux-vdso.so.1 (x32)";
			return end;
		}
	return 0;
}

static int take_vdso(const struct fz_hashdb_file *f, const uint8_t *p, size_t len,
		     const char *name, bool is64, const struct fz_taker *t, struct fz_error *err)
{
	/* Linked at 0. */
	struct fz_kimage v = { .image = malloc(len), .size = len, .sites = fz_sites_new() };
	int ret = fz_fail(err, -ENOMEM, "out of memory");

	if (v.image && v.sites) {
		memcpy(v.image, p, len);
		ret = is64 ? fz_kernel_sections(&v, p, len, err) : 0;
		if (!ret)
			ret = fz_kernel_alternatives(&v, err);
		if (!ret)
			ret = take(f, name, &v, 0, len / PAGE, is64, t, err);
	}
	fz_kimage_free(&v);
	return ret;
}

/* ------------------------------------------------------------------ real mode */

static uint32_t u32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/*
 * The list: how many 16-bit fields get the segment, and where; how many 32-bit ones get
 * the address added, and where (setup_real_mode()).
 */
static int realmode_sites(struct fz_kimage *r, const uint8_t *list, size_t words)
{
	size_t at = 0, i, n;
	int ret = 0, kind;

	for (kind = 0; kind < 2 && at < words; kind++) {
		n = u32(list + 4 * at++);
		if (n > words - at)
			return -EINVAL;
		for (i = 0; !ret && i < n; i++, at++) {
			uint32_t where = u32(list + 4 * at);
			const uint8_t *p = fz_kat(r, where, 4);

			if (!p)
				return -EINVAL;
			ret = kind ? fz_sites_delta(r->sites, where, 4, 0, false, u32(p)) :
			      fz_sites_delta(r->sites, where, 2, SEGMENT_SHIFT, false, 0);
		}
	}
	return ret;
}

static int take_realmode(const struct fz_hashdb_file *f, const struct fz_kimage *k,
			 const struct fz_taker *t, struct fz_error *err)
{
	uint64_t start = fz_ksym(k, "real_mode_blob"), end = fz_ksym(k, "real_mode_blob_end");
	uint64_t list = fz_ksym(k, "real_mode_relocs"), bytes = end - start;
	struct fz_kimage r = { 0 };
	uint32_t text, text_end;
	const uint8_t *p;
	int ret = 0;

	if (!start || end <= start || bytes > REALMODE_MAX || list < end || list - end > PAGE)
		return 0;
	p = fz_kat(k, start, bytes + (list - end) + PAGE);
	if (!p)
		return 0;
	/* struct real_mode_header */
	text = u32(p);
	text_end = u32(p + 4);
	if (text % PAGE || text >= text_end || text_end > bytes)
		return 0;
	r.size = (bytes + PAGE - 1) / PAGE * PAGE;
	r.image = calloc(1, r.size);
	r.sites = fz_sites_new();
	if (!r.image || !r.sites)
		ret = fz_fail(err, -ENOMEM, "out of memory");
	if (!ret) {
		memcpy(r.image, p, bytes);
		ret = realmode_sites(&r, p + (list - start), PAGE / 4);
		if (ret)
			ret = fz_fail(err, ret, "its real-mode code's list lies");
	}
	if (!ret)
		ret = take(f, "real-mode trampoline", &r, text / PAGE,
			   (text_end + PAGE - 1) / PAGE, true, t, err);
	fz_kimage_free(&r);
	return ret;
}

int fz_kernel_carried(const struct fz_hashdb_file *f, const struct fz_kimage *k,
		      const struct fz_taker *t, struct fz_error *err)
{
	uint64_t at, len;
	const char *name;
	int ret, n = 0;
	bool is64;

	ret = take_realmode(f, k, t, err);
	n += ret > 0;
	for (at = 0; ret >= 0 && at < k->size && n < CARRIED_MAX; at += len ? len : PAGE) {
		len = vdso_at(k->image + at, k->size - at, &name, &is64);
		if (!len)
			continue;
		ret = take_vdso(f, k->image + at, len, name, is64, t, err);
		n++;
	}
	return ret < 0 ? ret : n;
}
