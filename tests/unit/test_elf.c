// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_elf.c - which pages of an ELF file can run; headers that lie
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "elffile.h"
#include "tap.h"

#define SIZE		0x5000
#define FUZZ_SECONDS	3

/* What a case is about: the image before parsing, and its parts. */
struct image {
	uint8_t *data;
	size_t size;
	Elf64_Ehdr *eh;
	Elf64_Phdr *ph;		/* [0] read-only, [1] executable, [2] writable, [3] notes */
};

static struct image make(void)
{
	static const uint8_t note[] = { 4, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0,
					0xab, 0xcd, 0xef, 0 };
	struct image i = { calloc(1, SIZE), SIZE, NULL, NULL };

	i.eh = (void *)i.data;
	*i.eh = (Elf64_Ehdr) {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_DYN, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_entry = 0x1234, .e_phoff = sizeof(Elf64_Ehdr), .e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 4,
	};
	i.ph = (void *)(i.data + sizeof(Elf64_Ehdr));
	i.ph[0] = (Elf64_Phdr) { PT_LOAD, PF_R, 0, 0, 0, 0x800, 0x800, 0x1000 };
	i.ph[1] = (Elf64_Phdr) {
		PT_LOAD, PF_R | PF_X, 0x1010, 0x401010, 0, 0x1ff8, 0x1ff8, 0x1000
	};
	i.ph[2] = (Elf64_Phdr) { PT_LOAD, PF_R | PF_W, 0x3008, 0x404008, 0, 0x100, 0x4000, 0x1000 };
	i.ph[3] = (Elf64_Phdr) { PT_NOTE, PF_R, 0x400, 0x400, 0, sizeof(note), sizeof(note), 4 };
	memcpy(i.data + 0x400, note, sizeof(note));
	return i;
}

static void nothing(struct image *i) { (void)i; }
static void past_end(struct image *i) { i->ph[1].p_filesz = i->ph[1].p_memsz = SIZE; }
static void ends_at_end(struct image *i) { i->ph[1].p_filesz = i->ph[1].p_memsz = SIZE - 0x1010; }
static void offset_past(struct image *i) { i->ph[1].p_offset = 0x100010; }
static void overflow(struct image *i)
{
	i->ph[1].p_memsz = UINT64_MAX - 0x100f;
	i->ph[1].p_filesz = i->ph[1].p_memsz;
}

static void offset_huge(struct image *i) { i->ph[1].p_offset = UINT64_MAX - 0xfef; }
static void more_file(struct image *i) { i->ph[1].p_memsz = 0x1000; }
static void space_end(struct image *i) { i->ph[1].p_vaddr = UINT64_MAX - 0xfef; }
static void incongruent(struct image *i) { i->ph[1].p_vaddr++; }
static void no_exec(struct image *i) { i->ph[1].p_flags = PF_R; }
static void bss_only(struct image *i) { i->ph[1].p_filesz = 0; }
static void object(struct image *i) { i->eh->e_type = ET_REL; }
static void core(struct image *i) { i->eh->e_type = ET_CORE; }
static void fixed(struct image *i) { i->eh->e_type = ET_EXEC; }
static void no_phdrs(struct image *i) { i->eh->e_phnum = 0; }
static void phoff_past(struct image *i) { i->eh->e_phoff = SIZE - 8; }
static void phoff_huge(struct image *i) { i->eh->e_phoff = UINT64_MAX - 8; }
static void phnum_past(struct image *i) { i->eh->e_phnum = 1000; }
static void phnum_huge(struct image *i) { i->eh->e_phnum = 0xffff; }
static void phentsize(struct image *i) { i->eh->e_phentsize = 7; }
static void cut(struct image *i) { i->size = 40; }
static void cut_phdr(struct image *i) { i->size = sizeof(Elf64_Ehdr) + 30; }
static void cut_text(struct image *i) { i->size = 0x3000; }
static void no_magic(struct image *i) { i->data[0] = 0; }
static void bad_class(struct image *i) { i->eh->e_ident[EI_CLASS] = 9; }
static void share_page(struct image *i) { i->ph[2].p_flags |= PF_X; }
static void note_lies(struct image *i) { memset(i->data + 0x400, 0xff, 4); }
static void note_past(struct image *i) { i->ph[3].p_offset = SIZE - 4; }
static void arm(struct image *i) { i->eh->e_machine = EM_AARCH64; }

static void overlap(struct image *i)
{
	i->ph[2] = i->ph[1];
	i->ph[2].p_offset = 0x2010;
}

static void many(struct image *i)
{
	int n;

	for (n = 0; n < 65; n++)
		i->ph[n] = (Elf64_Phdr) { PT_LOAD, PF_X, 0x2000, n * 0x1000, 0, 16, 16, 0x1000 };
	i->eh->e_phnum = n;
}

static void most(struct image *i)
{
	many(i);
	i->eh->e_phnum = 64;
}

static const struct {
	const char *name;
	void (*edit)(struct image *i);
	int ret;
	const char *says;
	size_t nsegments;
	uint32_t pages;		/* of the first segment */
} cases[] = {
	{ "a PIE", nothing, 1, "", 1, 3 },
	{ "a fixed address", fixed, 1, "", 1, 3 },
	{ "another architecture", arm, 1, "", 1, 3 },
	{ "a segment that ends with the file", ends_at_end, 1, "", 1, 4 },
	{ "two segments that share a page", share_page, 1, "", 2, 3 },
	{ "64 executable segments", most, 1, "", 64, 1 },
	{ "a build-id note that lies", note_lies, 1, "", 1, 3 },
	{ "notes past the end of the file", note_past, 1, "", 1, 3 },
	{ "a segment past the end of the file", past_end, -EINVAL, "past the end of the file", 0, 0 },
	{ "an offset past the end of the file", offset_past, -EINVAL, "past the end of the file", 0, 0 },
	{ "offset + size overflows", overflow, -EINVAL, "past the end of the file", 0, 0 },
	{ "an offset near 2^64", offset_huge, -EINVAL, "past the end of the file", 0, 0 },
	{ "a file cut within its code", cut_text, -EINVAL, "past the end of the file", 0, 0 },
	{ "more in the file than in memory", more_file, -EINVAL, "more bytes in the file", 0, 0 },
	{ "past the end of the address space", space_end, -EINVAL, "address space", 0, 0 },
	{ "offset and address differ", incongruent, -EINVAL, "differ within a page", 0, 0 },
	{ "overlapping segments", overlap, -EINVAL, "overlap", 0, 0 },
	{ "65 executable segments", many, -EINVAL, "more than 64", 0, 0 },
	{ "program headers past the end", phoff_past, -EINVAL, "header", 0, 0 },
	{ "program headers near 2^64", phoff_huge, -EINVAL, "header", 0, 0 },
	{ "more program headers than the file holds", phnum_past, -EINVAL, "end of the file", 0, 0 },
	{ "more program headers than are taken", phnum_huge, -EINVAL, "more than 1024", 0, 0 },
	{ "program headers of a wrong size", phentsize, -EINVAL, "header", 0, 0 },
	{ "a cut ELF header", cut, -EINVAL, "header", 0, 0 },
	{ "a cut program header", cut_phdr, -EINVAL, "header", 0, 0 },
	{ "no magic", no_magic, -EINVAL, "no ELF", 0, 0 },
	{ "a class that does not exist", bad_class, -EINVAL, "header", 0, 0 },
	{ "an object file", object, 0, "object file", 0, 0 },
	{ "a core dump", core, 0, "core dump", 0, 0 },
	{ "no program headers", no_phdrs, 0, "no program headers", 0, 0 },
	{ "no executable segment", no_exec, 0, "no executable", 0, 0 },
	{ "an executable segment with nothing in the file", bss_only, 0, "no executable", 0, 0 },
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

/* Parse from a block of exactly the file's size, so that a sanitizer sees each byte too far. */
static int parse(struct fz_elf *elf, const uint8_t *data, size_t size, struct fz_error *err)
{
	uint8_t *copy = malloc(size ? size : 1);
	int ret;

	memcpy(copy, data, size);
	ret = fz_elf_parse(elf, copy, size, err);
	free(copy);
	return ret;
}

static void run_cases(void)
{
	struct fz_error err;
	struct fz_elf elf;
	size_t i;

	for (i = 0; i < CASES; i++) {
		struct image im = make();
		bool good;
		int ret;

		cases[i].edit(&im);
		err.text[0] = '\0';
		ret = parse(&elf, im.data, im.size, &err);
		good = ret == cases[i].ret && strstr(err.text, cases[i].says);
		if (ret == 1)
			good = good && elf.nsegments == cases[i].nsegments &&
				elf.segments[0].pages == cases[i].pages;
		if (!ok(good, "%s", cases[i].name))
			diag("returned %d, '%s', %zu segments, %u pages", ret, err.text,
			     elf.nsegments, elf.segments[0].pages);
		free(im.data);
	}
}

static void test_content(void)
{
	struct image im = make();
	struct fz_error err;
	struct fz_elf elf;
	int ret = parse(&elf, im.data, im.size, &err);

	ok(ret == 1 && elf.segments[0].offset == 0x1000 && elf.segments[0].vaddr == 0x401000,
	   "a segment is rounded down to whole pages");
	ok(elf.entry == 0x1234 && elf.type == ET_DYN && elf.machine == EM_X86_64 && elf.is64,
	   "entry, type, machine and class");
	ok(!strcmp(fz_elf_arch(&elf), "amd64"), "x86-64 is amd64");
	ok(elf.build_id_len == 3 && !memcmp(elf.build_id, "\xab\xcd\xef", 3), "the build-id");
	free(im.data);
}

static void test_32(void)
{
	uint8_t data[0x2000] = { 0 };
	Elf32_Ehdr *eh = (void *)data;
	Elf32_Phdr *ph = (void *)(data + sizeof(*eh));
	struct fz_error err;
	struct fz_elf elf;

	*eh = (Elf32_Ehdr) {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_386, .e_version = EV_CURRENT,
		.e_phoff = sizeof(*eh), .e_ehsize = sizeof(*eh),
		.e_phentsize = sizeof(*ph), .e_phnum = 1,
	};
	*ph = (Elf32_Phdr) { PT_LOAD, 0x1000, 0x8049000, 0, 0x10, 0x10, PF_R | PF_X, 0x1000 };
	ok(parse(&elf, data, sizeof(data), &err) == 1 && elf.nsegments == 1 && !elf.is64 &&
	   elf.segments[0].vaddr == 0x8049000 && !strcmp(fz_elf_arch(&elf), "i386"),
	   "a 32-bit program");
	ph->p_filesz = 0xffffffff;
	ph->p_memsz = 0xffffffff;
	ok(parse(&elf, data, sizeof(data), &err) == -EINVAL, "its size overflows 32 bits");
}

static uint64_t state;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static bool sane(int ret, const struct fz_elf *elf, size_t size)
{
	size_t i;

	if (ret != 1)
		return ret == 0 || ret == -EINVAL;
	for (i = 0; i < elf->nsegments; i++) {
		const struct fz_elf_segment *s = &elf->segments[i];

		if (s->offset % 4096 || s->vaddr % 4096 || !s->pages || s->offset >= size ||
		    s->offset / 4096 + s->pages > (size + 4095) / 4096 ||
		    (i && s->offset < s[-1].offset))
			return false;
	}
	return elf->nsegments && elf->build_id_len <= FZ_ELF_BUILD_ID;
}

/* Break a sound file's headers; some values and places are likelier than others. */
static void fuzz(void)
{
	static const uint64_t magic[] = { 0, 1, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff,
					  INT64_MAX, UINT64_MAX, UINT64_MAX - 0xfff };
	uint64_t n = 0, accepted = 0, seed = time(NULL) * 2654435761u + 1;
	time_t end = time(NULL) + FUZZ_SECONDS;
	struct fz_error err;
	struct fz_elf elf;
	bool good = true;

	for (state = seed; good && time(NULL) < end; n++) {
		struct image im = make();
		int edits = rnd() % 4, ret;

		if (!(rnd() % 4))
			im.size = rnd() % SIZE;
		while (edits--) {
			size_t at = rnd() % (rnd() % 4 ? 0x140 : 0x420);
			uint64_t v = rnd() % 2 ? magic[rnd() % 10] : rnd();

			memcpy(im.data + at, &v, 1 << rnd() % 4);
		}
		ret = parse(&elf, im.data, im.size, &err);
		good = sane(ret, &elf, im.size);
		accepted += ret == 1;
		free(im.data);
	}
	ok(good && accepted && accepted < n, "%d seconds of random damage end in sound answers",
	   FUZZ_SECONDS);
	diag("%" PRIu64 " damaged files, %" PRIu64 " taken, seed %" PRIu64, n, accepted, seed);
}

int main(void)
{
	plan(CASES + 4 + 2 + 1);
	run_cases();
	test_content();
	test_32();
	fuzz();
	return done();
}
