// SPDX-License-Identifier: GPL-2.0-only
/* test_entered.c - where execution of a file can begin, and did */
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>
#include "entries.h"
#include "fake_db.h"
#include "harvest.h"
#include "tap.h"

static const struct fake_file files[] = {
	{ "/usr/bin/alpha", "alpha", "1", 1, true, 4, 0x4000, 4, { 10, 11, 12, 13 } },
	{ "/usr/bin/beta", "beta", "1", 2, true, 4, 0x4000, 4, { 20, 11, 22, 23 } },
};

#define BASE	0x558000000000ULL

static struct fz_identify *id;
static const struct fz_results *r;
static struct fz_error err;

/* Both can be entered on their first page alone. */
static const void *first_page(uint32_t file, size_t *len)
{
	static const uint8_t blob[] = { 1 };

	(void)file;
	*len = sizeof(blob);
	return blob;
}

static void exec(uint64_t rip, unsigned int content)
{
	fz_identify_add(id, make_exec(1, 0x1000, rip, content), &err);
}

static void begin(bool from_birth)
{
	fake_files = files;
	fake_nfiles = sizeof(files) / sizeof(files[0]);
	fake_entries = first_page;
	fz_identify_new(&id, NULL, &err);
	r = fz_identify_results(id);
	made_seq = 0;
	made_gfn = 0;
	make_exec(1, 0, 0xfffffff0, 5000);
	made.rec.mode = from_birth ? 0 : FZ_MODE_PE;
	made.rec.cpl = 0;
	fz_identify_add(id, &made.rec, &err);
}

/* Frame 1 is the one finding, or there is none. */
static bool found(bool want)
{
	bool good;

	if (fz_identify_settle(id, &err))
		abort();
	good = want ? r->nfindings == 1 && r->findings[0].kind == FZ_FINDING_ENTERED &&
		      r->findings[0].at == 1 && r->frames[1].verdict == FZ_VERDICT_KNOWN :
		      !r->nfindings;
	fz_identify_free(id);
	return good;
}

static void test_rule(void)
{
	struct fz_rec rec;

	begin(true);
	exec(BASE + 0x4000, 10);
	exec(BASE + 0x6000, 12);
	ok(found(false), "first where it can be entered: no finding");

	begin(true);
	exec(BASE + 0x6000, 12);
	exec(BASE + 0x4000, 10);
	ok(found(true), "first elsewhere: a finding, and identified");

	begin(false);
	exec(BASE + 0x6000, 12);
	ok(found(false), "a VM that ran before it was watched");

	begin(true);
	rec = made.rec;
	rec.type = FZ_REC_LOST;
	rec.flags = 0;
	rec.size = sizeof(rec);
	fz_identify_add(id, &rec, &err);
	exec(BASE + 0x6000, 12);
	ok(found(false), "records were lost");

	begin(true);
	make_exec(1, 0x1000, BASE + 0x6000, 12);
	made.rec.flags |= FZ_RECF_LATE;
	fz_identify_add(id, &made.rec, &err);
	ok(found(false), "logged late");

	begin(true);
	make_exec(1, 0x1000, BASE + 0x4000, 10);
	make_changed(0x123);
	fz_identify_add(id, &made.rec, &err);
	exec(BASE + 0x6000, 12);
	ok(found(false), "entered through a modified page: that is the finding");

	begin(true);
	exec(BASE + 0x5000, 11);
	exec(BASE + 0x6000, 12);
	ok(found(false), "a page of two files first: nothing can be said of either");

	begin(true);
	exec(BASE + 0x6000, 12);
	exec(BASE + 0x4000, 5000);
	ok(found(false), "unknown code where the file is: a newer one may have that page");

	begin(true);
	exec(BASE + 0x6000, 12);
	exec(BASE + 0x94000, 5000);
	ok(found(true), "unknown code elsewhere");

	begin(true);
	fake_entries = NULL;
	exec(BASE + 0x6000, 12);
	ok(found(false), "a database that does not know");
}

/* ---------------------------------------------------------------- real files */

static bool read_all(const char *path, struct fz_buffer *b, struct fz_elf *elf)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool good = fd >= 0 && !fz_buffer_read(b, fd, 1 << 28, &err) &&
		    fz_elf_parse(elf, b->p, b->len, &err) == 1;

	close(fd);
	return good;
}

/* Counted from the first executable one; segments are in order. */
static uint32_t page_at(const struct fz_elf *elf, uint64_t vaddr)
{
	size_t i;

	for (i = 0; i < elf->nsegments; i++)
		if (vaddr - elf->segments[i].vaddr < elf->segments[i].pages * 4096ULL)
			return (elf->segments[i].offset - elf->segments[0].offset +
				(vaddr - elf->segments[i].vaddr)) / 4096;
	return UINT32_MAX;
}

static void test_real(void)
{
	static const char * const functions[] = { "write", "qsort", "printf", "rand" };
	unsigned int i, good = 0, n = 0;
	struct fz_buffer b = { 0 };
	struct link_map *map;
	struct fz_elf elf;
	size_t len = 0, cut;
	void *blob = NULL;

	ok(read_all("/proc/self/exe", &b, &elf) && fz_elf_entries(&elf, b.p, b.len, &blob, &len) == 1,
	   "this program");
	ok(fz_entries_has(blob, len, page_at(&elf, elf.entry)), "its entry point");
	free(blob);

	ok(dlinfo(dlopen("libc.so.6", RTLD_NOW), RTLD_DI_LINKMAP, &map) == 0 &&
	   read_all(map->l_name, &b, &elf) &&
	   fz_elf_entries(&elf, b.p, b.len, &blob, &len) == 1, "the C library");
	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		Dl_info info;

		if (dladdr(dlsym(RTLD_NEXT, functions[i]), &info) && info.dli_saddr)
			good += fz_entries_has(blob, len, page_at(&elf,
				(uint64_t)info.dli_saddr - map->l_addr));
	}
	ok(good == sizeof(functions) / sizeof(functions[0]), "what it exports (%u)", good);
	for (i = 0; i < elf.segments[0].pages; i++)
		n += fz_entries_has(blob, len, i);
	ok(n && n < elf.segments[0].pages, "%u of %u pages", n, elf.segments[0].pages);
	ok(fz_entries_has(blob, len, UINT32_MAX) && fz_entries_has(blob, len, UINT64_MAX) &&
	   fz_entries_has(blob, 0, 0), "nothing is said of pages without a bit");
	free(blob);

	/* Cut anywhere: nothing is read past the end. */
	for (cut = 64, i = 0; cut < b.len; cut += 4099, i++) {
		uint8_t *part = malloc(cut);

		memcpy(part, b.p, cut);
		if (fz_elf_entries(&elf, part, cut, &blob, &len) == 1)
			free(blob);
		free(part);
	}
	ok(i > 100, "cut in %u places", i);
	free(b.p);
}

int main(void)
{
	plan(10 + 7);
	test_rule();
	test_real();
	return done();
}
