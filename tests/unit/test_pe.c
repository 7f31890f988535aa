// SPDX-License-Identifier: GPL-2.0-only
/* test_pe.c - PE and TE programs, firmware volumes, and undoing their relocations */
#include <errno.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include "firmware.h"
#include "fv.h"
#include "make_pe.h"
#include "pe.h"
#include "reloc.h"
#include "tap.h"

static uint8_t file[PE_BYTES], loaded[PE_IMAGE];
static struct fz_error err;
static struct fz_pe pe;

static int parse(void)
{
	err.text[0] = 0;
	return fz_pe_parse(&pe, file, sizeof(file), &err);
}

static void test_parse(void)
{
	struct fz_pe_site *sites;
	uint8_t *image;
	size_t n, i;
	bool same;

	make_pe(file);
	ok(parse() == 1 && pe.is64 && pe.base == PE_BASE && pe.entry == 0x280 &&
	   pe.nsections == 3 && pe.headers == PE_TEXT && fz_pe_elf_machine(&pe) == 62 &&
	   !strcmp(fz_pe_arch(&pe), "amd64"),
	   "PE32+ (%s)", err.text);
	ok(!fz_pe_load(&pe, file, sizeof(file), &image, &err) && pe.image == PE_IMAGE &&
	   !memcmp(image, file, PE_BYTES) && !image[PE_BYTES] && !image[PE_IMAGE - 1],
	   "loaded, and zeros behind");
	ok(!fz_pe_sites(&pe, image, &sites, &n, &err) && n == 6, "its sites (%s)", err.text);
	for (same = true, i = 0; i < n; i++)
		same &= sites[i].rva == pe_sites[i].rva;
	ok(same && sites[0].fix == FZ_RELOC_64 && sites[1].fix == FZ_RELOC_32 &&
	   sites[2].fix == FZ_RELOC_HIGH && sites[3].fix == FZ_RELOC_LOW, "each where it is");
	free(sites);

	put16(image + PE_RELOC + 8, 4 << 12);
	ok(fz_pe_sites(&pe, image, &sites, &n, &err) == -EINVAL && !sites, "%s", err.text);
	memcpy(image, file, PE_BYTES);
	put16(image + PE_RELOC + 10, 10 << 12 | 0x304);
	ok(fz_pe_sites(&pe, image, &sites, &n, &err) == -EINVAL, "%s", err.text);
	memcpy(image, file, PE_BYTES);
	put32(image + PE_RELOC, PE_IMAGE - 0x304);
	ok(fz_pe_sites(&pe, image, &sites, &n, &err) == -EINVAL, "%s", err.text);
	memcpy(image, file, PE_BYTES);
	put32(image + PE_RELOC + 4, 7);
	ok(fz_pe_sites(&pe, image, &sites, &n, &err) == -EINVAL, "%s", err.text);
	put32(image + PE_RELOC + 4, 0x1000);
	ok(fz_pe_sites(&pe, image, &sites, &n, &err) == -EINVAL, "%s", err.text);
	free(image);

	put32(file + 0x98 + 240 + 8, PE_DATA - PE_TEXT - 0x80);	/* of .text in memory */
	ok(parse() == 1 && !fz_pe_load(&pe, file, sizeof(file), &image, &err) &&
	   image[PE_DATA - 0x81] == file[PE_DATA - 0x81] && file[PE_DATA - 0x7f] &&
	   !image[PE_DATA - 0x80] && !image[PE_DATA - 0x7f],
	   "of a section no more than it has in memory");
	free(image);
}

/* Set 4 bytes at @at of the file: what is said of it? */
static void lies(unsigned int at, uint32_t value)
{
	make_pe(file);
	put32(file + at, value);
	ok(parse() == -EINVAL, "%s", err.text);
}

static void test_lies(void)
{
	unsigned int opt = 0x98, text = opt + 240;

	lies(0x86, 0);
	lies(0x86, 97);
	lies(0x94, 20);
	lies(opt, 0x30b);
	lies(opt + 56, 1U << 29);
	lies(opt + 56, 0x1000);
	lies(opt + 60, 0x800000);
	lies(text + 20, 0x80000000);
	lies(text + 12, 0x100);
	lies(text + 12, PE_DATA);
	make_pe(file);
	put32(file + 0x3c, PE_BYTES - 8);
	ok(parse() == 0, "%s", err.text);
	make_pe(file);
	ok(fz_pe_parse(&pe, file, 3, &err) == 0 && fz_pe_parse(&pe, file, 0x90, &err) == 0,
	   "%s", err.text);
}

/* A TE image is the same program with its headers cut off. */
static void test_te(void)
{
	uint32_t stripped = 0x80 + 24 + 240;
	static uint8_t te[PE_BYTES];
	size_t size = 40 + PE_BYTES - stripped;
	uint8_t *image;

	make_pe(file);
	memcpy(te + 40, file + stripped, PE_BYTES - stripped);
	memcpy(te, "VZ", 2);
	put16(te + 2, 0x8664);
	te[4] = 3;
	put16(te + 6, stripped);
	put32(te + 8, 0x280);
	put64(te + 16, PE_BASE);
	put32(te + 24, PE_RELOC);
	put32(te + 28, 46);
	ok(fz_te_parse(&pe, te, size, &err) == 1 && pe.base == PE_BASE &&
	   pe.missing == stripped - 40,
	   "TE (%s)", err.text);
	ok(!fz_pe_load(&pe, te, size, &image, &err) && pe.image == PE_IMAGE &&
	   !memcmp(image + PE_TEXT, file + PE_TEXT, PE_BYTES - PE_TEXT), "its code lies as the PE's");
	free(image);
	put16(te + 6, 39);
	ok(fz_te_parse(&pe, te, size, &err) == -EINVAL, "%s", err.text);
	put16(te + 6, 0x300);
	ok(fz_te_parse(&pe, te, size, &err) == -EINVAL, "%s", err.text);
}

/* ------------------------------------------------------------- into a database */

static struct {
	struct fz_hashdb_file f;
	char path[64];
	uint8_t image[PE_IMAGE];
	size_t image_size;
	uint16_t sites[3][16];
	size_t nsites[3];
	struct fz_reloc_image head;
	struct fz_reloc_loose loose[8];
	unsigned int anchors, taken, raw;
} got;

static int take(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		struct fz_error *e)
{
	(void)ctx, (void)data, (void)size, (void)e;
	got.raw++;
	got.f = *f;
	return 1;
}

static int take_image(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		      const void *image, size_t image_size, struct fz_error *e)
{
	(void)ctx, (void)data, (void)size, (void)e;
	got.taken++;
	got.f = *f;
	snprintf(got.path, sizeof(got.path), "%s", f->path);
	memcpy(got.image, image, image_size < PE_IMAGE ? image_size : PE_IMAGE);
	got.image_size = image_size;
	return 1;
}

static int extra(void *ctx, uint32_t blob, uint32_t index, const void *data, size_t len,
		 struct fz_error *e)
{
	(void)ctx, (void)e;
	if (blob != FZ_BLOB_RELOC || index > 3)
		return -EINVAL;
	if (index) {
		memcpy(got.sites[index - 1], data, len);
		got.nsites[index - 1] = len / 2;
	} else {
		memcpy(&got.head, data, sizeof(got.head));
		memcpy(got.loose, (const char *)data + sizeof(got.head), len - sizeof(got.head));
	}
	return 0;
}

static int anchor(void *ctx, uint64_t hash, uint32_t page, struct fz_error *e)
{
	(void)ctx, (void)e, (void)page;
	got.anchors += hash != 0;
	return 0;
}

static const struct fz_taker taker = { NULL, take, take_image, extra, anchor, NULL };

/* Undo the loading at @base of page @page: is it the file's, one way? */
static bool undone(unsigned int page, uint64_t base)
{
	uint8_t copy[4096];
	unsigned int way;

	load_pe(loaded, file, base);
	for (way = 0; way < fz_reloc_ways(got.sites[page], got.nsites[page]); way++) {
		memcpy(copy, loaded + page * 4096, 4096);
		fz_reloc_move(copy, got.sites[page], got.nsites[page], base - PE_BASE, true, way);
		if (!memcmp(copy, got.image + page * 4096, 4096))
			return true;
	}
	return false;
}

static void test_undo(void)
{
	static const uint64_t bases[] = { PE_BASE, 0, 0x3e52b000, 0x7fffff000, PE_BASE - 0x1000,
					  0xffffffff80000000, 0x5a5a5a5a5a5a5000 };
	const struct fz_hashdb_file f = { .path = "/x.efi" };
	bool good = true;
	size_t i;

	memset(&got, 0, sizeof(got));
	make_pe(file);
	ok(fz_firmware_pe(&f, file, sizeof(file), &taker, &err) == 1 && got.f.kind == FZ_FILE_PE &&
	   got.f.machine == 62 && got.image_size == PE_IMAGE, "taken (%s)", err.text);
	ok(got.head.base == PE_BASE && got.nsites[0] == 3 && got.nsites[1] == 3 &&
	   got.nsites[2] == 2 && got.anchors == 12, "sites %zu %zu %zu, anchors %u", got.nsites[0], got.nsites[1],
	   got.nsites[2], got.anchors);
	ok(got.head.nloose == 2 && got.loose[0].from == PE_DATA && got.loose[0].to == PE_RELOC &&
	   got.loose[1].from == PE_BYTES, "data is loose, and what is behind");
	for (i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
		good &= undone(0, bases[i]) && undone(1, bases[i]) && undone(2, bases[i]);
	ok(good, "undone wherever it was loaded");
	make_pe(file);
	file[0x1200]++;
	ok(!undone(1, 0x3e52b000), "not if a byte of code differs");
	make_pe(file);
	got.sites[1][0]++;
	ok(!undone(1, 0x3e52b000), "not at another site");
}

/* -------------------------------------------------------------------- volumes */

/* A section that is packed with LZMA. */
static size_t make_packed(uint8_t *p, const uint8_t *data, size_t size)
{
	static const uint8_t guid[] = { 0x98, 0x58, 0x4e, 0xee, 0x14, 0x39, 0x59, 0x42,
					0x9d, 0x6e, 0xdc, 0x7b, 0xd7, 0x94, 0x03, 0xcf };
	static uint8_t out[0x8000];
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_options_lzma opt;

	lzma_lzma_preset(&opt, 1);
	opt.dict_size = 1 << 16;
	if (lzma_alone_encoder(&z, &opt) != LZMA_OK)
		return 0;
	memcpy(out, guid, 16);
	put16(out + 16, 24);
	put16(out + 18, 1);
	z.next_in = data;
	z.avail_in = size;
	z.next_out = out + 20;
	z.avail_out = sizeof(out) - 20;
	if (lzma_code(&z, LZMA_FINISH) != LZMA_STREAM_END)
		return 0;
	lzma_end(&z);
	put64(out + 20 + 5, size);
	return make_fv_section(p, 0x02, out, 20 + z.total_out);
}

static void test_volumes(void)
{
	static const char ui[] = "N\0a\0m\0e\0\0";
	static uint8_t sections[0x8000], inner[0x8000], fv[0x9000];
	const struct fz_hashdb_file f = { .path = "/FW.fd" };
	size_t n;

	make_pe(file);
	n = make_fv_section(sections, 0x10, file, PE_BYTES);
	n += make_fv_section(sections + n, 0x15, ui, sizeof(ui));
	n = make_fv(inner, 0x07, sections, n);		/* a driver */
	memset(&got, 0, sizeof(got));
	ok(fz_fv_magic(inner, n) && fz_firmware_volumes(&f, inner, n, &taker, &err) == 1 &&
	   got.taken == 1 && !strcmp(got.path, "/FW.fd: Name"), "a driver, by its name (%s)", got.path);
	n = make_fv_section(sections, 0x17, inner, n);	/* its volume, in a section, packed */
	n = make_packed(fv, sections, n);
	memcpy(sections, fv, n);
	n = make_fv(fv, 0x0b, sections, n);
	memset(&got, 0, sizeof(got));
	ok(fz_firmware_volumes(&f, fv, n, &taker, &err) == 1 && got.taken == 1 && !got.raw &&
	   !strcmp(got.path, "/FW.fd: Name"), "the same in a packed volume in a volume (%s)", err.text);
	put64(fv + 72 + 24 + 4 + 20 + 5, 1ULL << 40);
	ok(fz_firmware_volumes(&f, fv, n, &taker, &err) == -EINVAL, "%s", err.text);
	put64(fv + 72 + 24 + 4 + 20 + 5, 0x1000);
	ok(fz_firmware_volumes(&f, fv, n, &taker, &err) < 0, "%s", err.text);
	n = make_fv_section(sections, 0x10, file, PE_BYTES);
	n = make_fv(fv, 0x06, sections, n);		/* one that runs in place */
	memset(&got, 0, sizeof(got));
	ok(fz_firmware_volumes(&f, fv, n, &taker, &err) == 2 && got.raw == 1 && got.taken == 1 &&
	   !strcmp(got.path, "/FW.fd: 5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a"),
	   "in place: the program and the volume");
	put32(fv + 72 + 20, 0x800000);
	ok(fz_firmware_volumes(&f, fv, n, &taker, &err) == -EINVAL, "%s", err.text);
	put16(fv + 48, 40);
	ok(fz_firmware_volumes(&f, fv, n, &taker, &err) == -EINVAL, "%s", err.text);
}

static void test_roms(void)
{
	static const uint8_t end[16] = { 0xea, 0x5b, 0xe0, 0, 0xf0, '0', '6', '/', '2', '3', '/' };
	const struct fz_hashdb_file f = { .path = "/bios.bin" };
	static uint8_t rom[0x20000];

	memset(&got, 0, sizeof(got));
	memcpy(rom + sizeof(rom) - 16, end, 16);
	ok(fz_firmware_bios_magic(rom, 4096) &&
	   fz_firmware_bios(&f, rom, sizeof(rom), &taker, &err) == 1 && got.raw == 1 &&
	   got.f.kind == FZ_FILE_FIRMWARE && got.f.flags == FZ_FILE_STORED, "a BIOS");
	ok(!fz_firmware_bios(&f, rom, sizeof(rom) - 512, &taker, &err) &&
	   !fz_firmware_bios(&f, rom, 16, &taker, &err), "%s", err.text);
	rom[sizeof(rom) - 16] = 0;
	ok(!fz_firmware_bios(&f, rom, sizeof(rom), &taker, &err), "%s", err.text);
	rom[4095] = 1;
	ok(!fz_firmware_bios_magic(rom, 4096) && !fz_firmware_bios_magic(rom, 512),
	   "not all that begins with zeros is looked at");
	memcpy(rom, "\x55\xaa\x03", 3);
	ok(fz_firmware_rom_magic(rom, 4096) && fz_firmware_rom(&f, rom, 1536, &taker, &err) == 1 &&
	   got.raw == 2, "an option ROM");
	ok(!fz_firmware_rom(&f, rom, 1535, &taker, &err) && got.raw == 2, "%s", err.text);
}

int main(void)
{
	test_parse();
	test_lies();
	test_te();
	test_undo();
	test_volumes();
	test_roms();
	return done();
}
