/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hashdb.h - the known-binary database
 *
 * One LMDB file. It knows each 4 KiB file-aligned page that an executable
 * segment of a known file maps (zero-filled past the end of the file): keyed by
 * XXH64, confirmed by the first 128 bits of SHA-256, leading to the files and
 * page numbers that hold it.
 *
 * The file never changes once it is there: an update writes a new one and
 * renames it into place (hashdb_write.h). An open handle goes on with the file
 * that it opened, for however long; to see an update, open again. A digest over
 * the whole file is verified at open, so truncation and damage are found there.
 * It does not keep out a forger: who can write the database decides what is
 * known. Hence a file is refused if neither root nor the caller owns it, or if
 * its group or anyone may write it.
 *
 * A handle is for one thread at a time.
 */
#ifndef FZ_HASHDB_H
#define FZ_HASHDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"

#define FZ_HASHDB_PATH	"/var/lib/fitzroy/known.db"	/* default of --db */
#define FZ_SKETCH	16	/* bytes: one per 256-byte block of a page */

struct fz_hashdb;

/* A page of a known file: @page counts 4 KiB from the file's start. */
struct fz_hashdb_ref {
	uint32_t file;
	uint32_t page;
};

/* An executable segment, from its ELF program header. */
struct fz_hashdb_segment {
	uint64_t offset;	/* file offset, bytes, rounded down to 4 KiB */
	uint64_t vaddr;		/* virtual address of @offset, rounded down */
	uint32_t pages;		/* 4 KiB pages */
};

/* What a file is. The numbers are in databases: add, don't change. */
enum fz_hashdb_kind {
	FZ_FILE_ELF,
	FZ_FILE_PE,		/* also UEFI programs */
	FZ_FILE_TE,
	FZ_FILE_KERNEL,		/* Linux, bzImage or vmlinux; pages as linked */
	FZ_FILE_MODULE,		/* of Linux; pages as laid out in memory, not relocated */
	FZ_FILE_FIRMWARE,	/* raw code */
	FZ_FILE_KINDS,
};

#define FZ_FILE_IMAGE	1	/* pages are of an image made from the file, not of the file */
#define FZ_FILE_STORED	2	/* the pages' contents are kept, see fz_hashdb_page() */
#define FZ_FILE_FOREIGN	4	/* code of another architecture */
#define FZ_FILE_UNPACKED 8	/* what the file unpacks to (implies FZ_FILE_IMAGE) */

/* A known file. Strings live until fz_hashdb_file_free(); "" where unknown. */
struct fz_hashdb_file {
	char *path;		/* where its package installs it */
	char *package, *source, *version, *arch;
	char *source_version;	/* differs from @version after a binary-only rebuild */
	char *release;		/* that the package is of: release.h */
	char *build_id;		/* lower-case hex */
	uint8_t sha256[32];
	uint64_t bytes;
	uint32_t pages_total;	/* executable pages */
	bool pie;		/* ET_DYN: any load address */
	uint64_t entry;		/* virtual address of the entry point, 0 = none */
	uint16_t machine;	/* ELF e_machine: 62 x86-64, 3 i386 */
	bool is64;		/* ELFCLASS64 */
	uint8_t kind;		/* enum fz_hashdb_kind */
	uint8_t flags;		/* FZ_FILE_* */
	size_t nsegments;
	struct fz_hashdb_segment *segments;
};

/* Code that no x86 processor runs: kept, and never the answer for a page that ran. */
static inline bool fz_hashdb_foreign(const struct fz_hashdb_file *f)
{
	return f->flags & FZ_FILE_FOREIGN ||
	       (f->machine && f->machine != 62 && f->machine != 3);
}

struct fz_hashdb_info {
	uint32_t schema;
	uint32_t files;		/* their ids are 1 to @files */
	uint32_t packages;	/* name, version and architecture */
	uint64_t pages;		/* of all files; equal pages count each time */
	uint64_t bytes;		/* of the database file */
	uint8_t digest[16];	/* XXH3-128 of its content */
};

/*
 * Open an existing database read-only. -ENOENT, -EINVAL (another program's
 * file, or another version's), -EBADMSG (cut short or damaged), -EPERM (not to
 * be trusted, see above), or what open(2) says.
 */
int fz_hashdb_open(struct fz_hashdb **db, const char *path, struct fz_error *err);
void fz_hashdb_close(struct fz_hashdb *db);
void fz_hashdb_info(struct fz_hashdb *db, struct fz_hashdb_info *info);

/* Verify every record and cross reference. 0, or -EBADMSG and the first that is wrong. */
int fz_hashdb_check(struct fz_hashdb *db, struct fz_error *err);

/*
 * Which known pages equal @page (4096 bytes whose XXH64, seed 0, is @xxh64)?
 * Store up to @max of them at @refs in ascending order and in @n how many there
 * are. Return 1 if SHA-256 confirms (@n >= 1), 0 if the page is unknown, a
 * negative errno if the database is broken. *@forged is set when the XXH64 is
 * known and the SHA-256 is not.
 *
 * Pages that many files have in common (padding, zeros, start-up code) are
 * stored like all others: @n tells. Few references do not make a page evidence,
 * though, if it has next to no content of its own; see fz_hashdb_content().
 *
 * @sha256: of @page, from a caller that has it; or NULL.
 */
int fz_hashdb_lookup_by(struct fz_hashdb *db, uint64_t xxh64, const uint8_t *sha256,
			const void *page, struct fz_hashdb_ref *refs, size_t max, size_t *n,
			bool *forged, struct fz_error *err);

static inline int fz_hashdb_lookup(struct fz_hashdb *db, uint64_t xxh64, const void *page,
				   struct fz_hashdb_ref *refs, size_t max, size_t *n,
				   bool *forged, struct fz_error *err)
{
	return fz_hashdb_lookup_by(db, xxh64, NULL, page, refs, max, n, forged, err);
}

/* Describe file @id. The caller frees it with fz_hashdb_file_free(). -ENOENT. */
int fz_hashdb_file(struct fz_hashdb *db, uint32_t id, struct fz_hashdb_file *f,
		   struct fz_error *err);
void fz_hashdb_file_free(struct fz_hashdb_file *f);

/*
 * What else is kept of a file, by blob and index; whoever writes a blob says what
 * its bytes are. The numbers are in databases: add, don't change.
 */
enum fz_hashdb_blob {
	FZ_BLOB_PAGES = 1,	/* contents; fz_hashdb_page() reads them */
	FZ_BLOB_SITES,		/* undo.h: where code is changed when it is loaded or runs */
	FZ_BLOB_KERNEL,		/* kernel_image.h */
	FZ_BLOB_RELOC,		/* reloc.h: where base relocations change code */
	FZ_BLOB_MOVED,		/* moved.h: what a BIOS moves */
	FZ_BLOB_SYMBOLS,	/* reloc.h: where relocations against symbols change code */
	FZ_BLOB_ENTRIES = 16,	/* entries.h: where execution can begin */
	FZ_BLOBS,
};

/*
 * Point @data at what is kept under @blob (of enum fz_hashdb_blob) and @index for
 * file @id; it stays as long as the database is open. 1, 0 if there is nothing, or
 * a negative errno.
 */
int fz_hashdb_extra(struct fz_hashdb *db, uint32_t id, uint32_t blob, uint32_t index,
		    const void **data, size_t *len, struct fz_error *err);

/*
 * Copy page @pageno of file @id to @page (4096 bytes). -ENOENT: not an executable
 * page of that file, or its contents are not kept. What is copied is not verified
 * against the page's hashes: look it up if it matters.
 */
int fz_hashdb_page(struct fz_hashdb *db, uint32_t id, uint32_t pageno, void *page,
		   struct fz_error *err);

/*
 * Anchors find the page that a captured page may be, where its own hash can't: a
 * 64-bit hash of something that stays, as their writer defines it. They prove
 * nothing. Store up to @max of the pages with anchor @hash, ascending, and in @n how
 * many there are. 0 or a negative errno.
 */
int fz_hashdb_anchors(struct fz_hashdb *db, uint64_t hash, struct fz_hashdb_ref *refs, size_t max,
		      size_t *n, struct fz_error *err);

/*
 * How like @page (4096 bytes) is page @pageno of file @id? Return the number of
 * its FZ_SKETCH blocks whose sketch is equal, or a negative errno (-ENOENT: not
 * an executable page of that file).
 */
int fz_hashdb_similar(struct fz_hashdb *db, uint32_t id, uint32_t pageno,
		      const void *page, struct fz_error *err);

/* Fill @sketch from @page: byte i is the low byte of XXH64 of block i. */
void fz_hashdb_sketch(const void *page, uint8_t sketch[FZ_SKETCH]);

/*
 * How much is in @page (4096 bytes)? Return how many of its 64 blocks of 64 bytes
 * are not one 8-byte pattern repeated. 0 (zeros, int3 or nop padding) is equal in
 * any program and identifies nothing, whatever the lookup says; a small number
 * (the last lines of a segment, then zeros) needs a neighbour that agrees.
 */
unsigned int fz_hashdb_content(const void *page);

#endif
