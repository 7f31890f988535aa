/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * undo.h - undoing what a loader or a system changes in code, where its file tells
 *
 * A file's tables name *sites*: fields that are changed when the file is loaded
 * or runs, and what they may hold. Undoing a captured page puts the file's bytes
 * back at each site that holds an allowed value, and at no other. If the result is
 * the file's page, each byte that differed lay at a named site and had an allowed
 * value; whoever asks confirms that by the page's SHA-256.
 *
 * A site that reaches over the end of a page is one in each of the pages.
 */
#ifndef FZ_UNDO_H
#define FZ_UNDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"
#include "hashdb.h"
#include "unpacked.h"

#define FZ_UNDO_PAGE	4096
#define FZ_SITES_CHUNK	64	/* pages in one FZ_BLOB_SITES blob: zstd of what they have */
#define FZ_SITE_MAX	254	/* bytes of a site */

/*
 * In a blob, each site of a page is: u16 offset, u8 kind, u8 length, then
 *	VALUE	the allowed bytes; a site with several values is there several times
 *	TARGET	s8: at which of the bytes a rel32 field begins (it may begin before the
 *		first), then bytes: allowed is what has these around a rel32 that leads to
 *		one of the file's functions
 *	DELTA	u8 width (2, 4, 8), u8 the first byte's place in the field, u8 shift,
 *		u8 sign, u64 the field in the file: allowed is the field plus (sign 0) or
 *		minus (1) the load delta >> shift
 *	SYMBOL	u8 width (1, 4, 8), u8 the first byte's place in the field, u8 1 if relative to
 *		the field's own address, u8 0, s32 addend, u64 symbol: allowed is where the
 *		symbol lies, plus the addend
 *	ANY	nothing: any value is allowed (data within code)
 *	CALL	s8, u64 slot, bytes: as TARGET, in one page; and all sites of a slot lead to the
 *		same function
 *	TRACED	nothing: allowed is a call to a trampoline of ftrace, or that with int3 first
 *	MOVED	u8 number of fields, then of each: s8 where it begins, u8 width (4, 8), u8 sign,
 *		u64 what the delta is added to or subtracted from, as in DELTA; then bytes:
 *		allowed is what has these around the fields
 */
enum fz_site_kind { FZ_SITE_VALUE = 1, FZ_SITE_TARGET, FZ_SITE_DELTA, FZ_SITE_ANY,
		    FZ_SITE_SYMBOL, FZ_SITE_TRACED, FZ_SITE_CALL, FZ_SITE_MOVED };

/*
 * Symbols of SYMBOL sites: below 16, a region of the module itself; else the name's
 * XXH64 with the highest bit set. What a kernel or module exports is blob
 * FZ_BLOB_KERNEL, index 1, as zstd: struct fz_export[], ascending. In it, @value is the
 * link address, or a module's region << 32 | offset.
 */
enum fz_region {
	FZ_REGION_TEXT = 1, FZ_REGION_RODATA, FZ_REGION_RO_AFTER_INIT, FZ_REGION_DATA,
	FZ_REGION_INIT,		/* its text, rodata, ro_after_init, data */
	FZ_REGION_PERCPU = FZ_REGION_INIT + 4,
	FZ_REGIONS,
};

struct fz_export {
	uint64_t id, value;
};

/*
 * Slots of CALL sites: below 256, which of pv_ops; an address of pv_ops' field; a static
 * call's key, as its offset in the image, plus FZ_SLOT_KEYS; what ftrace calls; where
 * functions return by. FZ_SLOT_INITIAL: the first other value is not believed.
 */
#define FZ_SLOT_FTRACE	256
#define FZ_SLOT_RETURN	257
#define FZ_SLOT_KEYS	(1ULL << 40)
#define FZ_SLOT_INITIAL	(1ULL << 41)

uint64_t fz_symbol_id(const char *name);

/*
 * A constant that a kernel writes into its own code as it starts (runtime-const.h of 6.12)
 * is a SYMBOL of the section that names its sites. It has one value for all of them.
 */
uint64_t fz_constant_id(const char *section, bool shift);
/* Can constant @id be @value? */
bool fz_constant_may_be(uint64_t id, uint64_t value);

/*
 * Of ftrace_caller and ftrace_regs_caller, offsets in the image; 0: there is none.
 * FZ_BLOB_KERNEL, index 2: two of them.
 */
struct fz_ftrace {
	uint32_t start, op, call, jmp, end;
};

/* ----------------------------------------------- collecting, for who reads files */

struct fz_sites;

struct fz_sites *fz_sites_new(void);
void fz_sites_free(struct fz_sites *s);

/*
 * At byte @at of the image, @len bytes may be @value. 0, -ENOMEM, or -EINVAL: no such
 * site, or too many.
 */
int fz_sites_value(struct fz_sites *s, uint64_t at, const uint8_t *value, unsigned int len);
/* The same, with a rel32 to any function of the file at byte @field of it. */
int fz_sites_target(struct fz_sites *s, uint64_t at, const uint8_t *value, unsigned int len,
		    unsigned int field);
/* The same, of a call through slot @slot. */
int fz_sites_call(struct fz_sites *s, uint64_t at, const uint8_t *value, unsigned int len,
		  unsigned int field, uint64_t slot);
/* @width bytes, in the file @original, have the load delta >> @shift added or subtracted. */
int fz_sites_delta(struct fz_sites *s, uint64_t at, unsigned int width, unsigned int shift,
		   bool minus, uint64_t original);
int fz_sites_symbol(struct fz_sites *s, uint64_t at, unsigned int width, bool relative,
		    int32_t addend, uint64_t symbol);
/*
 * @len bytes may be @value, with the load delta added to or subtracted from the @n fields
 * (1 to FZ_MOVED_MAX) that stand in it.
 */
#define FZ_MOVED_MAX	4
#define FZ_MOVED_BYTES	11	/* packed, of a field */
struct fz_moved {
	uint8_t at, width;
	bool minus;
};

int fz_sites_moved(struct fz_sites *s, uint64_t at, const uint8_t *value, unsigned int len,
		   const struct fz_moved *fields, unsigned int n);
int fz_sites_any(struct fz_sites *s, uint64_t at, unsigned int len);
int fz_sites_traced(struct fz_sites *s, uint64_t at);

/*
 * Call @put for each blob of the sites in pages [0, @pages), ascending, with its
 * index. Sorts; call it once, after the last site.
 */
int fz_sites_write(struct fz_sites *s, uint32_t pages,
		   int (*put)(void *ctx, uint32_t index, const void *data, size_t len,
			      struct fz_error *err), void *ctx, struct fz_error *err);

/*
 * An anchor (hashdb.h) of a page: XXH64 of FZ_ANCHOR bytes at a multiple of
 * FZ_ANCHOR_STEP, seeded with the offset; of bytes that no site touches.
 */
#define FZ_ANCHOR	32
#define FZ_ANCHOR_STEP	16

uint64_t fz_anchor(const uint8_t *page, unsigned int at);
/* After fz_sites_write(): pick one for page @page of @image. False: there is none. */
bool fz_sites_anchor(struct fz_sites *s, const uint8_t *image, uint32_t page, uint64_t *hash);

/* ------------------------------------------------------------------- undoing */

struct fz_undo {
	uint64_t delta;		/* load address less link address */
	uint64_t vaddr;		/* of the page, as linked */
	/* Is one of the file's functions at @vaddr, as linked? NULL: none is. */
	bool (*target)(void *ctx, uint64_t vaddr);
	/* Can bytes [@from, @to) of a rel32 whose next instruction is @next be a function's? */
	bool (*target_part)(void *ctx, uint64_t next, const uint8_t *bytes, int from, int to);
	/*
	 * Where is @symbol? Set @value, or return false: nobody knows. @implied is where it
	 * would have to be, if that can be told (@whole).
	 */
	bool (*symbol)(void *ctx, uint64_t symbol, bool whole, uint64_t implied, uint64_t *value);
	/* May the call at @site, through @slot, lead to @vaddr, a function? NULL: it may. */
	bool (*call)(void *ctx, uint64_t slot, uint64_t vaddr, uint64_t site);
	/* Does a trampoline of ftrace begin at @vaddr, as loaded? NULL: none does. */
	bool (*traced)(void *ctx, uint64_t vaddr);
	void *ctx;
};

/*
 * Undo in @page what @sites (@len bytes, those of the page) allow, to @original.
 * Return how many sites were undone, or -EBADMSG if @sites are broken.
 */
int fz_undo(const uint8_t *sites, size_t len, const uint8_t original[FZ_UNDO_PAGE],
	    const struct fz_undo *u, uint8_t page[FZ_UNDO_PAGE]);

/* Find the sites of page @page of file @file; none if @len is 0. They stay in @kept. */
int fz_sites_find(struct fz_hashdb *db, struct fz_unpacked *kept, uint32_t file, uint32_t page,
		  const uint8_t **sites, size_t *len, struct fz_error *err);

#endif
