// SPDX-License-Identifier: GPL-2.0-only
/* test_ident_pe.c - relocated programs, against a real database of made ones */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "firmware.h"
#include "hashdb_write.h"
#include "identify.h"
#include "make_pe.h"
#include "tap.h"

#define BASE	0x3e52b000ULL
#define UEFI	(FZ_MODE_PE | FZ_MODE_PG | FZ_MODE_PAE | FZ_MODE_LMA | FZ_MODE_CS_L)

static uint8_t file[PE_BYTES], other[PE_BYTES], image[PE_IMAGE];
static char dir[] = "/tmp/fitzroy-pe.XXXXXX", path[64];
static struct fz_hashdb *db;
static struct fz_identify *id;
static const struct fz_results *r;
static struct fz_error err;

static int take(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		struct fz_error *e)
{
	return fz_hashdb_write_file(ctx, f, data, size, e);
}

static int take_image(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		      const void *im, size_t n, struct fz_error *e)
{
	return fz_hashdb_write_image(ctx, f, data, size, im, n, e);
}

static int extra(void *ctx, uint32_t blob, uint32_t index, const void *data, size_t len,
		 struct fz_error *e)
{
	return fz_hashdb_write_extra(ctx, blob, index, data, len, e);
}

static int anchor(void *ctx, uint64_t hash, uint32_t page, struct fz_error *e)
{
	return fz_hashdb_write_anchor(ctx, hash, page, e);
}

static void add(struct fz_hashdb_writer *w, const char *name, const uint8_t *data)
{
	const struct fz_taker t = { w, take, take_image, extra, anchor, NULL };
	const struct fz_hashdb_file f = { .path = (char *)name, .package = "p", .version = "1",
					  .arch = "amd64" };

	if (fz_firmware_pe(&f, data, PE_BYTES, &t, &err) != 1)
		abort();
}

/* The second program differs in one byte of page 1: of pages 0 and 2 nobody can tell. */
static bool make_db(void)
{
	struct fz_hashdb_writer *w;

	make_pe(file);
	make_pe(other);
	other[0x1234] ^= 1;
	snprintf(path, sizeof(path), "%s/known.db", dir);
	if (fz_hashdb_write_open(&w, path, &err))
		return false;
	add(w, "/a.efi", file);
	add(w, "/b.efi", other);
	fz_hashdb_write_keep(w);
	if (fz_hashdb_write_publish(w, &err))
		return false;
	fz_hashdb_write_close(w);
	return !fz_hashdb_open(&db, path, &err) && !fz_hashdb_check(db, &err);
}

static void begin(void)
{
	if (fz_identify_new(&id, db, &err))
		abort();
	r = fz_identify_results(id);
}

/* Page @page of image[] runs at @at, in frame @gfn. */
static void run(uint64_t at, uint64_t gfn, unsigned int page, uint64_t cr3)
{
	static struct {
		struct fz_rec rec;
		uint8_t page[FZ_PAGE_SIZE];
	} m;
	static uint64_t seq;

	memset(&m.rec, 0, sizeof(m.rec));
	memcpy(m.page, image + page * 4096, FZ_PAGE_SIZE);
	m.rec = (struct fz_rec){ .size = sizeof(m), .type = FZ_REC_EXEC, .flags = FZ_RECF_PAGE,
		.seq = seq, .time = 1001 + seq, .vm = 1, .gfn = gfn, .rip = at + 0x280,
		.cr3 = cr3, .mode = UEFI, .hash = XXH64(m.page, FZ_PAGE_SIZE, 0) };
	seq++;
	if (fz_identify_add(id, &m.rec, &err))
		abort();
}

static void settle(void)
{
	if (fz_identify_settle(id, &err))
		abort();
}

static bool is(size_t frame, const char *want, uint32_t page, uint64_t base)
{
	const struct fz_frame *f = &r->frames[frame];
	const char *have = f->class == FZ_NO_CLASS ? "-" : r->files[r->classes[f->class].file].path;

	if (f->verdict == FZ_VERDICT_KNOWN && !strcmp(have, want) && f->page == page &&
	    f->placed && f->base == base)
		return true;
	diag("frame %zu is %s, %s, page %u, base %#lx, %s", frame, fz_verdict_name(f->verdict), have,
	     f->page, f->base, fz_why_name(f->why));
	return false;
}

static void test_relocated(void)
{
	uint32_t classes[FZ_REFS_MAX];

	begin();
	load_pe(image, file, BASE);
	run(BASE, BASE >> 12, 0, 0x1000);
	settle();
	ok(r->frames[0].verdict == FZ_VERDICT_AMBIGUOUS && r->frames[0].base == BASE &&
	   fz_frame_classes(r, r->frames, classes) == 2, "a page that two programs have: either");
	run(BASE + 0x1000, (BASE >> 12) + 1, 1, 0x1000);
	run(BASE + 0x2000, (BASE >> 12) + 2, 2, 0x1000);
	settle();
	ok(is(0, "/a.efi", 0, BASE) && is(1, "/a.efi", 1, BASE) && is(2, "/a.efi", 2, BASE) &&
	   r->frames[1].patched && r->nprograms == 1 && r->programs[0].pages_seen == 3,
	   "with one of its own, all of it is known");
	load_pe(image, other, BASE + 0x10000);
	run(BASE + 0x11000, (BASE >> 12) + 0x11, 1, 0x1000);
	load_pe(image, file, BASE + 0x30000);
	run(BASE + 0x31000, (BASE >> 12) + 0x31, 1, 0x1000);
	settle();
	ok(is(3, "/b.efi", 1, BASE + 0x10000) && is(4, "/a.efi", 1, BASE + 0x30000),
	   "two programs, and one of them twice");
	/* A runtime driver, once an operating system has mapped it elsewhere */
	load_pe(image, file, 0xfffffffeeb000000);
	run(0xfffffffeeb001000, 0x7001, 1, 0x2000);
	run(0xfffffffeeb002000, 0x7002, 2, 0x2000);
	settle();
	ok(is(5, "/a.efi", 1, 0xfffffffeeb000000) && is(6, "/a.efi", 2, 0xfffffffeeb000000),
	   "at a virtual address, for which it was relocated");
	run(0x5001000, 0x5001, 1, 0x1000);
	settle();
	ok(r->frames[7].verdict == FZ_VERDICT_UNKNOWN,
	   "not where its relocations are not for that address");
	fz_identify_free(id);

	begin();
	load_pe(image, file, BASE);
	memcpy(image + 0xb0, file + 0xb0, 8);
	run(BASE + 0x1000, (BASE >> 12) + 1, 1, 0x1000);
	run(BASE, BASE >> 12, 0, 0x2000);
	settle();
	ok(is(1, "/a.efi", 0, BASE),
	   "by a loader that leaves the header alone, and with other page tables");
	fz_identify_free(id);
}

static void test_changed(void)
{
	const struct fz_frame *f;

	begin();
	load_pe(image, file, BASE);
	run(BASE + 0x1000, (BASE >> 12) + 1, 1, 0x1000);
	image[0x1800] ^= 0x11;
	image[0x1801] ^= 0x11;
	run(BASE + 0x1000, (BASE >> 12) + 1, 1, 0x1000);
	load_pe(image, file, BASE);
	image[0x2800] ^= 0x11;
	run(BASE + 0x2000, (BASE >> 12) + 2, 2, 0x1000);
	image[0x2300] ^= 0x11;
	run(BASE + 0x2000, (BASE >> 12) + 2, 2, 0x1000);
	load_pe(image, file, BASE);
	image[0x304] ^= 0x11;
	run(BASE, BASE >> 12, 0, 0x1000);
	memset(image, 0x90, 4096);
	image[7] = 1;
	run(BASE, BASE >> 12, 0, 0x1000);
	settle();
	f = r->frames;
	ok(f[1].verdict == FZ_VERDICT_MODIFIED && f[1].ndiffer == 2 && f[1].bytes[0].at == 0x800 &&
	   f[1].bytes[0].expected == file[0x1800], "changed code is modified, with its bytes");
	ok(f[2].verdict == FZ_VERDICT_UNKNOWN && f[2].why == FZ_WHY_DATA,
	   "changed data beside code is no finding, and nothing is known");
	ok(f[3].verdict == FZ_VERDICT_MODIFIED && f[3].ndiffer == 1 && f[3].bytes[0].at == 0x300,
	   "both: the byte of code is named");
	ok(f[4].verdict == FZ_VERDICT_MODIFIED && f[4].ndiffer == 1 && f[4].bytes[0].at == 0x304,
	   "a relocated word that is another: modified");
	ok(f[5].verdict == FZ_VERDICT_UNKNOWN && f[5].why == FZ_WHY_KERNEL,
	   "another page in its place is only unknown");
	fz_identify_free(id);
}

/* Never known: one byte of a page changed, any; nor a page at another distance. */
static void test_near_misses(void)
{
	unsigned int i, known = 0, at;

	begin();
	load_pe(image, file, BASE);
	run(BASE + 0x1000, (BASE >> 12) + 1, 1, 0x1000);
	for (i = 0; i < 2048; i++) {
		at = i * 6 + 1;
		load_pe(image, file, BASE);
		image[at] += 1 + i % 255;
		run(BASE + (at & ~0xfff), (BASE + at) >> 12, at / 4096, 0x1000);
	}
	settle();
	for (i = 1; i < r->nframes; i++)
		known += r->frames[i].verdict == FZ_VERDICT_KNOWN;
	ok(r->nframes == 2049 && !known, "%u of %zu pages with a wrong byte known", known,
	   r->nframes - 1);
	fz_identify_free(id);
}

int main(void)
{
	if (!mkdtemp(dir) || !ok(make_db(), "a database (%s)", err.text))
		return 1;
	test_relocated();
	test_changed();
	test_near_misses();
	fz_hashdb_close(db);
	unlink(path);
	rmdir(dir);
	return done();
}
