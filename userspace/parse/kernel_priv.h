/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel_priv.h - shared by kernel_*.c: a Linux kernel, or a module, as it lies in memory
 *
 * All addresses are link addresses; an image is what lies at [base, base + size).
 */
#ifndef FZ_KERNEL_PRIV_H
#define FZ_KERNEL_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"
#include "undo.h"

/* The fuzzers have smaller limits. */
#ifndef FZ_KERNEL_MAX
#define FZ_KERNEL_MAX	(256UL << 20)	/* bytes of a kernel, unpacked or in memory */
#endif
#ifndef FZ_KALLSYMS_MIN
#define FZ_KALLSYMS_MIN	1000		/* fewer are none */
#endif
#define FZ_TABLES_MAX	128

/* A section that is mapped. */
struct fz_ktable {
	const char *name;
	uint64_t vaddr, size;
	bool exec, nobits;
};

struct fz_kimage {
	uint8_t *image;
	uint64_t base, size;
	size_t ntables;
	struct fz_ktable tables[FZ_TABLES_MAX];
	/* kallsyms, by address: the type is the name's first byte */
	struct fz_ksym {
		uint64_t vaddr;
		uint32_t name;		/* into names */
	} *syms;
	size_t nsyms;
	uint32_t *by_name;	/* into syms, by name without the type */
	char *names;
	uint64_t *repl_sites[2];	/* retpolines and returns in replacements, ascending */
	size_t nrepl_sites[2];
	/* fields in replacements that have the load delta, ascending */
	struct fz_kreloc {
		uint64_t at;
		uint8_t width;
		bool minus;
	} *repl_relocs;
	size_t nrepl_relocs, repl_relocs_cap;
	struct fz_sites *sites;
	/* a module's: where retpolines' thunks, and all that others define, are thought to be */
	uint64_t thunks, undefined;
	/* of the file: what the image was made from */
	const uint8_t *elf;
	size_t elf_size, elf_end;	/* the ELF file's own end; what is appended follows */
};

static inline uint8_t *fz_kat(const struct fz_kimage *k, uint64_t vaddr, uint64_t len)
{
	if (vaddr < k->base || vaddr - k->base > k->size || len > k->size - (vaddr - k->base))
		return NULL;
	return k->image + (vaddr - k->base);
}

/* @len bytes of @value may be at @at; a branch in it to what others define, to any function. */
int fz_kput(struct fz_kimage *k, uint64_t at, const uint8_t *value, size_t len);

const struct fz_ktable *fz_ktable(const struct fz_kimage *k, const char *name);
/* Is [@vaddr, @vaddr + @len) in an executable section? */
bool fz_kexec(const struct fz_kimage *k, uint64_t vaddr, uint64_t len);

/* kernel_unpack.c: the kernel in a bzImage. *@out is malloc'ed. */
int fz_kernel_unpack(const uint8_t *data, size_t size, uint8_t **out, size_t *out_size,
		     struct fz_error *err);
/* kernel_elf.c: lay out vmlinux, as an ELF file at @elf. */
int fz_kernel_lay_out(struct fz_kimage *k, const uint8_t *elf, size_t size, struct fz_error *err);
/* Only the sections, of an image that is there. */
int fz_kernel_sections(struct fz_kimage *k, const uint8_t *elf, size_t size, struct fz_error *err);
/* kernel_symbols.c: read kallsyms. Not finding it is no error: nsyms is 0. */
int fz_kernel_symbols(struct fz_kimage *k, struct fz_error *err);
uint64_t fz_ksym(const struct fz_kimage *k, const char *name);	/* 0: there is none */
/* The first symbol at @vaddr or above, into k->syms. */
size_t fz_ksym_at(const struct fz_kimage *k, uint64_t vaddr);
/* kernel_calls.c: functions that static call @key is known to lead to, at some time. */
#define FZ_CALLEES 128
size_t fz_kernel_callees(const struct fz_kimage *k, uint64_t key, uint64_t callees[FZ_CALLEES]);
void fz_kimage_free(struct fz_kimage *k);
/* kernel_sites.c, kernel_alt.c: all sites that the tables name. */
int fz_kernel_sites(struct fz_kimage *k, struct fz_error *err);
int fz_kernel_alternatives(struct fz_kimage *k, struct fz_error *err);

/* What a retpoline or return site at @at may hold; how many, at most 8. */
#define FZ_KVALUES 10
struct fz_kvalue {
	uint8_t len, bytes[16];
};

size_t fz_kretpoline(const struct fz_kimage *k, uint64_t at, struct fz_kvalue v[FZ_KVALUES]);
size_t fz_kreturn(const struct fz_kimage *k, uint64_t at, struct fz_kvalue v[FZ_KVALUES]);

/* The longest nops of up to @max bytes. */
void fz_knops(uint8_t *p, size_t len, size_t max);

#endif
