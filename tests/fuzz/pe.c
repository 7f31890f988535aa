// SPDX-License-Identifier: GPL-2.0-only
/*
 * pe.c - fuzz the readers of PE, TE and firmware volumes, and what they make for the database
 */
#include <stdlib.h>
#include "firmware.h"
#include "fuzz.h"
#include "fv.h"
#include "pe.h"
#include "reloc.h"

#define PAGE	4096U

struct seen {
	bool fresh;		/* there is a file that extras belong to */
	uint32_t index;
	const struct fz_hashdb_file *f;
	uint32_t image;
};

static int take_file(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		     struct fz_error *err)
{
	struct seen *s = ctx;

	(void)err;
	s->fresh = false;
	CHECK(f->path && f->nsegments == 1 && size);
	CHECK(f->segments[0].pages == (size + PAGE - 1) / PAGE);
	CHECK(*(const volatile uint8_t *)data + *((const volatile uint8_t *)data + size - 1) >= 0);
	return 1;
}

static int take_image(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		      const void *image, size_t image_size, struct fz_error *err)
{
	struct seen *s = ctx;
	uint64_t end = 0;
	size_t i;

	(void)data, (void)err;
	CHECK(f->nsegments && f->nsegments <= 64 && size && image && !(image_size % PAGE));
	for (i = 0; i < f->nsegments; i++) {
		const struct fz_hashdb_segment *seg = &f->segments[i];

		CHECK(seg->pages && !(seg->offset % PAGE) && seg->offset >= end);
		end = seg->offset + (uint64_t)seg->pages * PAGE;
		CHECK(end <= image_size && seg->vaddr == seg->offset);
	}
	s->fresh = true;
	s->index = 0;
	s->image = image_size;
	return 1;
}

static int extra(void *ctx, uint32_t blob, uint32_t index, const void *data, size_t len,
		 struct fz_error *err)
{
	uint8_t page[PAGE] = { 1, 2, 3 };
	struct seen *s = ctx;
	uint16_t sites[2 * PAGE];
	unsigned int way;

	(void)err;
	CHECK(blob == FZ_BLOB_RELOC || blob == FZ_BLOB_MOVED);
	CHECK(s->fresh && len && (!index || index > s->index));
	s->index = index;
	if (!index)
		return 0;
	CHECK((uint64_t)index * PAGE <= s->image && !(len % 2) && len <= sizeof(sites));
	memcpy(sites, data, len);
	for (way = 0; way < fz_reloc_ways(sites, len / 2); way++)
		fz_reloc_move(page, sites, len / 2, 0x123456789abcd000, way & 1, way);
	return 0;
}

static int anchor(void *ctx, uint64_t hash, uint32_t page, struct fz_error *err)
{
	struct seen *s = ctx;

	(void)err;
	CHECK(s->fresh && hash && (uint64_t)page * PAGE < s->image);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fz_hashdb_file f = { .path = "/f" };
	struct seen seen = { 0 };
	const struct fz_taker taker = { &seen, take_file, take_image, extra, anchor, NULL };
	struct fz_error err = { "" };
	struct fz_pe pe;
	int ret;

	if (fz_fv_magic(data, size)) {
		ret = fz_firmware_volumes(&f, data, size, &taker, &err);
	} else {
		ret = fz_firmware_pe(&f, data, size, &taker, &err);
		CHECK(ret <= 1);
	}
	check_error(ret, &err);
	CHECK(ret >= 0 || ret == -EINVAL || ret == -ENOMEM);
	check_error(fz_firmware_bios(&f, data, size, &taker, &err), &err);
	if (fz_firmware_rom_magic(data, size))
		check_error(fz_firmware_rom(&f, data, size, &taker, &err), &err);
	ret = fz_te_parse(&pe, data, size, &err);
	check_error(ret, &err);
	return 0;
}

/* Half of the time, an interesting value anywhere in the headers. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	const uint32_t values[] = { 0, 1, PAGE, PAGE - 1, size, size - 1, ~0U, ~0U - PAGE, 1U << 31,
				    0x60000020, 0xffffff, 0x17000000 + size, 0x10b, 0x20b };
	uint32_t value = values[seed / 4 % (sizeof(values) / sizeof(values[0]))];
	size_t at = seed / 64 % 1024;

	if (seed % 2 || at + 4 > size)
		return LLVMFuzzerMutate(data, size, max);
	memcpy(data + at, &value, seed % 4 ? 2 : 4);
	return size;
}
