// SPDX-License-Identifier: GPL-2.0-only
/*
 * elf.c - fuzz the ELF reader
 */
#include <elf.h>
#include <stdlib.h>
#include "elffile.h"
#include "entries.h"
#include "fuzz.h"
#include "textrel.h"
#include "upx.h"

#define PAGE	4096UL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fz_error err = { "" };
	struct fz_elf elf;
	struct fz_textrel r;
	size_t i, len;
	void *blob, *copy;
	int ret;

	ret = fz_elf_parse(&elf, data, size, &err);
	check_error(ret, &err);
	CHECK(ret == 0 || ret == 1 || ret == -EINVAL);
	if (ret < 0)
		return 0;
	CHECK(fz_elf_magic(data, size) && fz_elf_arch(&elf)[0]);
	CHECK(elf.build_id_len <= FZ_ELF_BUILD_ID);
	CHECK(!ret == !elf.nsegments && elf.nsegments <= FZ_ELF_SEGMENTS);
	for (i = 0; i < elf.nsegments; i++) {
		const struct fz_elf_segment *s = &elf.segments[i];

		CHECK(s->pages && !(s->offset % PAGE) && !(s->vaddr % PAGE));
		/* Its last page has at least a byte of the file. */
		CHECK(s->offset + (s->pages - 1) * PAGE < size);
		CHECK(s->vaddr + (s->pages - 1) * PAGE >= s->vaddr);
		CHECK(!i || elf.segments[i - 1].offset <= s->offset);
	}
	if (ret && fz_elf_entries(&elf, data, size, &blob, &len) == 1) {
		CHECK(fz_entries_has(blob, len, UINT32_MAX));
		free(blob);
	}
	if (ret) {
		CHECK(!fz_elf_textrel(&elf, data, size, &r));
		for (i = 0; i < r.nsites; i++)
			CHECK(r.sites[i].rva < size && (!i || r.sites[i - 1].rva < r.sites[i].rva));
		for (i = 0; i < r.nsymbols; i++)
			CHECK(r.symbols[i].bytes <= 8 &&
			      r.symbols[i].rva + r.symbols[i].bytes <= size);
		fz_textrel_free(&r);
	}
	copy = malloc(size);
	if (ret && copy) {
		memcpy(copy, data, size);
		fz_upx_magic(copy, size);
		CHECK(!fz_upx_image(copy, size, &err));
	}
	free(copy);
	return 0;
}

/* Half of the time, an interesting value in a field that matters. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	const uint64_t values[] = {
		0, 1, PAGE, PAGE - 1, size, size - 1, size + 1, PAGE * 2, ~0ULL, ~0ULL - PAGE,
		1ULL << 31, 1ULL << 32, 1ULL << 63, PT_LOAD, PT_NOTE, PF_X | PF_R, ET_DYN, ET_EXEC,
	};
	uint64_t value = values[seed / 8 % (sizeof(values) / sizeof(values[0]))];
	Elf64_Ehdr *eh = (Elf64_Ehdr *)data;
	size_t at, len;

	if (seed % 2 || size < sizeof(*eh) + sizeof(Elf64_Phdr))
		return LLVMFuzzerMutate(data, size, max);
	if (seed % 8 == 0) {
		at = 16 + seed / 512 % 24 * 2;
		len = 2;
	} else {
		at = sizeof(*eh) + seed / 512 % 32 * (sizeof(Elf64_Phdr) / 14 * 2);
		len = seed % 8 == 2 ? 4 : 8;
	}
	if (at + len <= size)
		memcpy(data + at, &value, len);
	memcpy(eh->e_ident, ELFMAG, SELFMAG);
	return size;
}
