// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel.c - fuzz the readers of Linux kernels and modules, and what they make for the database
 *
 * The input is a bzImage, a module, a packed module, or a vmlinux, which is put into a
 * bzImage as it is.
 */
#include <elf.h>
#include "fuzz.h"
#include "kernel.h"

#define PAGE	4096U
#define SETUP	1024U

struct seen {
	uint64_t image;		/* of what was taken last: extras belong to it */
	uint32_t blob, index;
	size_t extras;
};

static int take_image(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		      const void *image, size_t image_size, struct fz_error *err)
{
	struct seen *s = ctx;
	uint64_t end = 0;
	size_t i;

	(void)data, (void)err;
	CHECK(f->nsegments && f->nsegments <= 64 && size && image && !(image_size % PAGE));
	CHECK(f->arch && f->machine == EM_X86_64);
	for (i = 0; i < f->nsegments; i++) {
		const struct fz_hashdb_segment *seg = &f->segments[i];

		CHECK(seg->pages && !(seg->offset % PAGE) && seg->offset >= end);
		end = seg->offset + (uint64_t)seg->pages * PAGE;
		CHECK(end <= image_size && !(seg->vaddr % PAGE));
	}
	*s = (struct seen){ .image = image_size };
	return 1;
}

static int take_file(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		     struct fz_error *err)
{
	(void)ctx, (void)f, (void)data, (void)size, (void)err;
	CHECK(!"a kernel is an image");
	return 0;
}

static int extra(void *ctx, uint32_t blob, uint32_t index, const void *data, size_t len,
		 struct fz_error *err)
{
	struct seen *s = ctx;

	(void)data, (void)err;
	CHECK(s->image && len && (blob == FZ_BLOB_SITES || blob == FZ_BLOB_KERNEL));
	CHECK(!s->extras++ || blob > s->blob || (blob == s->blob && index > s->index));
	CHECK(blob == FZ_BLOB_KERNEL ? index < 3 :
	      (uint64_t)index * FZ_SITES_CHUNK * PAGE < s->image);
	s->blob = blob;
	s->index = index;
	return 0;
}

static int anchor(void *ctx, uint64_t hash, uint32_t page, struct fz_error *err)
{
	struct seen *s = ctx;

	(void)err;
	CHECK(hash && (uint64_t)page * PAGE < s->image);
	return 0;
}

/* A bzImage of @data, which is not packed. */
static uint8_t *wrap(const uint8_t *data, size_t size, size_t *whole)
{
	uint8_t *p = calloc(1, SETUP + size + 4);
	uint32_t len = size + 4;

	if (!p)
		abort();
	p[0x1f1] = SETUP / 512 - 1;
	memcpy(p + 0x1fe, "\x55\xaaxxHdrS\x0f\x02", 10);
	p[0x211] = 1;
	memcpy(p + 0x24c, &len, 4);
	memcpy(p + SETUP, data, size);
	*whole = SETUP + size + 4;
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fz_hashdb_file f = { .path = "/f.ko.xz" };
	struct seen seen = { 0 };
	const struct fz_taker taker = { &seen, take_file, take_image, extra, anchor, NULL };
	struct fz_error err = { "" };
	uint8_t *made = NULL;
	uint16_t type = 0;
	int ret;

	if (size > 18)
		memcpy(&type, data + 16, 2);
	if (fz_module_packed_magic(data, size)) {
		ret = fz_module_packed_read(&f, data, size, &taker, &err);
		CHECK(ret <= 1);
	} else if (fz_kernel_magic(data, size)) {
		ret = fz_kernel_read(&f, data, size, &taker, &err);
		CHECK(ret < 0 || (ret >= 2 && ret <= 16));
	} else if (type == ET_REL) {
		ret = fz_module_read(&f, data, size, data, size, &taker, &err);
		CHECK(ret <= 1);
	} else {
		if (size < 12)
			return 0;
		made = wrap(data, size, &size);
		ret = fz_kernel_read(&f, made, size, &taker, &err);
		CHECK(ret < 0 || (ret >= 2 && ret <= 16));
		free(made);
	}
	check_error(ret, &err);
	CHECK(ret >= 0 || ret == -EINVAL || ret == -ENOMEM);
	return 0;
}

/* Half of the time, an interesting value in the headers, or within a section. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	const uint64_t values[] = {
		0, 1, 2, 5, 15, PAGE - 1, PAGE, size, size - 1, ~0ULL, ~0ULL - PAGE, 1ULL << 31,
		0xffffffff81000000, 0xffffffff81000ffb, 0xffffffffffffffc, 0xff, 1ULL << 32,
	};
	uint64_t value = values[seed / 8 % (sizeof(values) / sizeof(values[0]))];
	size_t width = 1U << seed / 2 % 4, at, n;
	Elf64_Ehdr eh;
	Elf64_Shdr s;

	if (seed % 2 || size < sizeof(eh) || memcmp(data, ELFMAG, SELFMAG))
		return LLVMFuzzerMutate(data, size, max);
	memcpy(&eh, data, sizeof(eh));
	n = seed / 1024;
	if (!eh.e_shnum || eh.e_shoff > size || size - eh.e_shoff < eh.e_shnum * sizeof(s)) {
		at = n % size;
	} else {
		at = eh.e_shoff + n % eh.e_shnum * sizeof(s);
		memcpy(&s, data + at, sizeof(s));
		n /= eh.e_shnum;
		if (seed / 512 % 2 || !s.sh_size || s.sh_offset > size ||
		    s.sh_size > size - s.sh_offset)
			at += n % sizeof(s) & ~(width - 1);
		else
			at = s.sh_offset + n % s.sh_size;
	}
	if (at + width <= size)
		memcpy(data + at, &value, width);
	return size;
}
