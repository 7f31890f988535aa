/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel.h - Linux kernels: bzImage, with the vmlinux in it, or vmlinux alone
 *
 * A kernel gives two programs of one file: its decompressor (kind "firmware", as it
 * lies in the file), and the kernel as linked (kind "kernel"), with
 * the sites that its own tables name and, as blob FZ_BLOB_KERNEL, its functions.
 */
#ifndef FZ_KERNEL_H
#define FZ_KERNEL_H

#include "formats.h"
#include "undo.h"

/* Where things lie in a bzImage. */
struct fz_bzimage {
	size_t setup;		/* bytes of the real-mode part */
	size_t payload, payload_len;
};

/* Give an anchor for each page of @f that has room for one between its sites. */
int fz_kernel_anchors(struct fz_sites *s, const uint8_t *image, const struct fz_hashdb_file *f,
		      const struct fz_taker *t, struct fz_error *err);

/*
 * A module, unpacked, at @data; @file is the file that it came in. 1 if it was taken, 0 if
 * it is none.
 */
int fz_module_read(const struct fz_hashdb_file *f, const void *file, size_t file_size,
		   const void *data, size_t size, const struct fz_taker *t, struct fz_error *err);

/* Is this how a packed module begins, as xz or zstd? */
bool fz_module_packed_magic(const void *head, size_t size);
int fz_module_packed_read(const struct fz_hashdb_file *f, const void *data, size_t size,
			  const struct fz_taker *t, struct fz_error *err);

int fz_exports_put(struct fz_export *e, size_t n, const struct fz_taker *t, struct fz_error *err);

int fz_bzimage_parse(struct fz_bzimage *b, const uint8_t *data, size_t size, struct fz_error *err);

/* kernel_carried.c: vDSOs and the real-mode trampoline. How many there are. */
struct fz_kimage;
int fz_kernel_carried(const struct fz_hashdb_file *f, const struct fz_kimage *k,
		      const struct fz_taker *t, struct fz_error *err);

bool fz_kernel_magic(const void *head, size_t size);
/*
 * An ELF file that is a kernel: x86-64, code in the upper half, alternatives. Where it lies
 * with KASLR is known only of one that has its list of relocations behind it, as one that
 * was unpacked from a bzImage has.
 */
bool fz_vmlinux_is(const void *data, size_t size);
int fz_vmlinux_read(const struct fz_hashdb_file *f, const void *data, size_t size,
		    const struct fz_taker *t, struct fz_error *err);
int fz_kernel_read(const struct fz_hashdb_file *f, const void *data, size_t size,
		   const struct fz_taker *t, struct fz_error *err);

#endif
