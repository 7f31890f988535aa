/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fake_db.h - a database of made-up files, in place of hashdb.c
 *
 * Page contents are numbers: page_of() turns one into 4096 bytes. A file is a
 * row of such numbers, its executable pages. Contents 900 to 909 have next to nothing
 * in them: none to nine blocks of 64 bytes. Files below /arm/ are code of ARM.
 */
#ifndef FAKE_DB_H
#define FAKE_DB_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "identify.h"

#define FAKE_PAGES 18

struct fake_file {
	const char *path, *package, *version;
	uint8_t sha;			/* equal = same content */
	bool pie;
	uint32_t first;			/* file page of contents[0] */
	uint64_t vaddr;			/* its virtual address */
	unsigned int n;
	unsigned int contents[FAKE_PAGES];
};

static const struct fake_file *fake_files;
static size_t fake_nfiles;

static inline void page_of(unsigned int content, uint8_t *page)
{
	/* Fuzzers want it often. */
	static uint8_t memo[1024][FZ_PAGE_SIZE];
	static bool have[1024];
	unsigned int i;

	if (content < 1024 && have[content]) {
		memcpy(page, memo[content], FZ_PAGE_SIZE);
		return;
	}
	for (i = 0; i < FZ_PAGE_SIZE; i++)
		page[i] = (content * 2654435761u >> (i % 4 * 8)) + i * (content | 1) / 7 +
			  (i / 256) * 3;
	if (content >= 900 && content < 910)
		memset(page + (content - 900) * 64, 0, FZ_PAGE_SIZE - (content - 900) * 64);
	if (content < 1024) {
		memcpy(memo[content], page, FZ_PAGE_SIZE);
		have[content] = true;
	}
}

int fz_hashdb_lookup_by(struct fz_hashdb *db, uint64_t xxh64, const uint8_t *sha256,
			const void *page, struct fz_hashdb_ref *refs, size_t max, size_t *n,
			bool *forged, struct fz_error *err)
{
	uint8_t want[FZ_PAGE_SIZE];
	uint32_t i, k;

	(void)db;
	(void)sha256;
	(void)err;
	*n = 0;
	*forged = false;
	for (i = 0; i < fake_nfiles; i++) {
		for (k = 0; k < fake_files[i].n; k++) {
			page_of(fake_files[i].contents[k], want);
			/* content 666: a page whose XXH64 another can have */
			if (fake_files[i].contents[k] == 666 && memcmp(want, page, FZ_PAGE_SIZE) &&
			    !memcmp(want, page, 8))
				*forged = true;
			if (XXH64(want, FZ_PAGE_SIZE, 0) != xxh64 ||
			    memcmp(want, page, FZ_PAGE_SIZE))
				continue;
			if (*n < max)
				refs[*n] = (struct fz_hashdb_ref){ i, fake_files[i].first + k };
			++*n;
		}
	}
	return *n > 0;
}

int fz_hashdb_file(struct fz_hashdb *db, uint32_t id, struct fz_hashdb_file *f,
		   struct fz_error *err)
{
	const struct fake_file *k = &fake_files[id];

	(void)db;
	if (id >= fake_nfiles)
		return fz_fail(err, -ENOENT, "no such file");
	memset(f, 0, sizeof(*f));
	f->path = strdup(k->path);
	f->package = strdup(k->package);
	f->source = strdup(k->package);
	f->release = strdup("");
	f->version = strdup(k->version);
	f->arch = strdup("amd64");
	f->build_id = strdup("");
	memset(f->sha256, k->sha, sizeof(f->sha256));
	f->pages_total = k->n;
	f->pie = k->pie;
	f->machine = !strncmp(k->path, "/arm/", 5) ? 183 : 0;
	f->nsegments = 1;
	f->segments = calloc(1, sizeof(*f->segments));
	f->segments[0] = (struct fz_hashdb_segment){ (uint64_t)k->first * FZ_PAGE_SIZE, k->vaddr,
						     k->n };
	return 0;
}

void fz_hashdb_file_free(struct fz_hashdb_file *f)
{
	free(f->path);
	free(f->package);
	free(f->release);
	free(f->source);
	free(f->version);
	free(f->arch);
	free(f->build_id);
	free(f->segments);
}

void fz_hashdb_sketch(const void *page, uint8_t sketch[FZ_SKETCH])
{
	int i;

	for (i = 0; i < FZ_SKETCH; i++)
		sketch[i] = XXH64((const uint8_t *)page + i * 256, 256, 0);
}

int fz_hashdb_similar(struct fz_hashdb *db, uint32_t id, uint32_t pageno, const void *page,
		      struct fz_error *err)
{
	uint8_t want[FZ_PAGE_SIZE], a[FZ_SKETCH], b[FZ_SKETCH];
	const struct fake_file *k = &fake_files[id];
	int i, equal = 0;

	(void)db;
	if (pageno < k->first || pageno - k->first >= k->n)
		return fz_fail(err, -ENOENT, "no such page");
	page_of(k->contents[pageno - k->first], want);
	fz_hashdb_sketch(want, a);
	fz_hashdb_sketch(page, b);
	for (i = 0; i < FZ_SKETCH; i++)
		equal += a[i] == b[i];
	return equal;
}

/* None of these files is a kernel, a module or firmware. */
void fz_hashdb_info(struct fz_hashdb *db, struct fz_hashdb_info *info)
{
	(void)db;
	memset(info, 0, sizeof(*info));
}

int fz_hashdb_page(struct fz_hashdb *db, uint32_t id, uint32_t pageno, void *page,
		   struct fz_error *err)
{
	(void)db;
	(void)id;
	(void)pageno;
	(void)page;
	return fz_fail(err, -ENOENT, "not kept");
}

/* Where execution of a file can begin; NULL: nothing is known. */
static const void *(*fake_entries)(uint32_t id, size_t *len);

/* None of these files is a kernel, a module or firmware. */
int fz_hashdb_extra(struct fz_hashdb *db, uint32_t id, uint32_t blob, uint32_t index,
		    const void **data, size_t *len, struct fz_error *err)
{
	(void)db;
	(void)index;
	(void)err;
	*data = fake_entries && blob == FZ_BLOB_ENTRIES ? fake_entries(id, len) : NULL;
	return *data != NULL;
}

int fz_hashdb_anchors(struct fz_hashdb *db, uint64_t hash, struct fz_hashdb_ref *refs, size_t max,
		      size_t *n, struct fz_error *err)
{
	(void)db;
	(void)hash;
	(void)refs;
	(void)max;
	(void)err;
	*n = 0;
	return 0;
}

unsigned int fz_hashdb_content(const void *page)
{
	const uint8_t *p = page;
	unsigned int i, n = 0;

	for (i = 0; i < FZ_PAGE_SIZE; i += 64)
		n += memcmp(p + i, p + i + 8, 56) != 0;
	return n;
}

/* ----------------------------------------------------------- making records */

#define USER64	(FZ_MODE_PE | FZ_MODE_PG | FZ_MODE_PAE | FZ_MODE_LMA | FZ_MODE_CS_L)

static struct {
	struct fz_rec rec;
	uint8_t page[FZ_PAGE_SIZE];
} made;
static uint64_t made_seq, made_gfn;

/* An execution at @rip of content @content, on a frame of its own. */
static inline struct fz_rec *make_exec(uint64_t vm, uint64_t cr3, uint64_t rip,
				       unsigned int content)
{
	memset(&made, 0, sizeof(made));
	page_of(content, made.page);
	made.rec = (struct fz_rec){ .size = sizeof(made), .type = FZ_REC_EXEC,
		.flags = FZ_RECF_PAGE, .seq = made_seq, .time = 1000000000 + made_seq * 1000000,
		.vm = vm, .gfn = 0x1000 + made_gfn++, .rip = rip, .cr3 = cr3, .mode = USER64,
		.cpl = 3, .hash = XXH64(made.page, FZ_PAGE_SIZE, 0) };
	made_seq++;
	return &made.rec;
}

/* Change the snapshot; the hash follows. */
static inline void make_changed(unsigned int at)
{
	made.page[at] ^= 0x40;
	made.rec.hash = XXH64(made.page, FZ_PAGE_SIZE, 0);
}

#endif
