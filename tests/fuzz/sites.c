// SPDX-License-Identifier: GPL-2.0-only
/*
 * sites.c - fuzz what is read of a database's sites, functions and exports, and undoing
 *
 * The input is what unpacks from a blob; fz_hashdb_extra() is here and packs it. Its first
 * byte says how: whole, cut, or as it is.
 */
#include <xxhash.h>
#include <zstd.h>
#include "fuzz.h"
#include "ident_module.h"
#include "undo.h"

#define PAGE	FZ_UNDO_PAGE

static const void *blob;
static size_t blob_len;

int __wrap_fz_hashdb_extra(struct fz_hashdb *db, uint32_t file, uint32_t type, uint32_t index,
			   const void **data, size_t *len, struct fz_error *err);

int __wrap_fz_hashdb_extra(struct fz_hashdb *db, uint32_t file, uint32_t type, uint32_t index,
			   const void **data, size_t *len, struct fz_error *err)
{
	(void)db, (void)file, (void)type, (void)index, (void)err;
	*data = blob;
	*len = blob_len;
	return blob_len > 0;
}

static bool target(void *ctx, uint64_t vaddr)
{
	(void)ctx;
	return vaddr % 16 == 0;
}

static bool part(void *ctx, uint64_t next, const uint8_t *bytes, int from, int to)
{
	(void)ctx;
	CHECK(from >= 0 && from < to && to <= 4);
	return (next + bytes[from] + bytes[to - 1]) % 2;
}

static bool symbol(void *ctx, uint64_t id, bool whole, uint64_t implied, uint64_t *value)
{
	(void)ctx;
	*value = whole ? implied : id;
	return id % 4;
}

static bool traced(void *ctx, uint64_t vaddr)
{
	(void)ctx;
	return vaddr % 2;
}

static bool call(void *ctx, uint64_t slot, uint64_t vaddr, uint64_t site)
{
	(void)ctx;
	return (slot + vaddr + site) % 2;
}

static void undo(const uint8_t *sites, size_t len, bool functions)
{
	static uint8_t original[PAGE], page[PAGE], captured[PAGE];
	struct fz_undo u = { .delta = 0x12345678, .vaddr = 0xffffffff81000000 };
	unsigned int i;
	int ret;

	for (i = 0; i < PAGE; i++) {
		original[i] = i * 7;
		page[i] = captured[i] = i % 3 ? i * 7 : i;
	}
	if (functions) {
		u.target = target;
		u.target_part = part;
		u.symbol = symbol;
		u.traced = traced;
		u.call = call;
	}
	ret = fz_undo(sites, len, original, &u, page);
	CHECK(ret >= 0 || ret == -EBADMSG);
	/* What is undone is the file's, all else as it was. */
	for (i = 0; ret >= 0 && i < PAGE; i++)
		CHECK(page[i] == captured[i] || page[i] == original[i]);
	CHECK(ret || !memcmp(page, captured, PAGE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fz_unpacked kept = { 0 };
	struct fz_export *exports = NULL;
	uint32_t *functions = NULL, page;
	struct fz_error err = { "" };
	size_t n = 0, m = 0, max;
	const uint8_t *sites;
	uint8_t how, *packed;
	int ret;

	if (size < 2)
		return 0;
	how = *data++;
	size--;
	undo(data, size, how & 4);
	max = ZSTD_compressBound(size);
	packed = malloc(max);
	if (!packed)
		abort();
	blob = packed;
	blob_len = ZSTD_compress(packed, max, data, size, 1);
	if (how % 4 == 1 && blob_len > 1)
		blob_len--;
	if (how % 4 == 2) {
		blob = data;
		blob_len = size;
	}
	for (page = 0; page < 2 * FZ_SITES_CHUNK; page += page % 64 < 2 ? 1 : 31) {
		ret = fz_sites_find(NULL, &kept, 1, page, &sites, &n, &err);
		check_error(ret, &err);
		CHECK(!ret || (!n && ret == -EBADMSG));
		if (n)
			undo(sites, n, how & 4);
	}
	n = 0;
	ret = fz_functions_load(NULL, 1, &functions, &n, &err);
	check_error(ret, &err);
	CHECK(!n || functions);
	fz_functions_have(functions, n, 16);
	ret = fz_exports_load(NULL, 1, &exports, &m, &err);
	check_error(ret, &err);
	CHECK(!m || exports);
	fz_export_find(exports, m, 16);
	free(functions);
	free(exports);
	fz_unpacked_free(&kept);
	free(packed);
	return 0;
}
