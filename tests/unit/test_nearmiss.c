// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_nearmiss.c - pages that are nearly known, and pages forged to look so: none is
 *
 * The database is a real one, of this program and the libraries that it has mapped.
 * "test_nearmiss N" tries N pages instead.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "elffile.h"
#include "forge.h"
#include "harvest.h"
#include "hashdb_write.h"
#include "identify.h"
#include "tap.h"

#define PAGE	4096
#define FILES	64
#define EACH	4096		/* pages for one identifier */
#define BASE	0x7f0000000000ULL
#define USER64	(FZ_MODE_PE | FZ_MODE_PG | FZ_MODE_PAE | FZ_MODE_LMA | FZ_MODE_CS_L)

static struct known {
	char path[256];
	struct fz_elf elf;
	struct fz_buffer data;
} files[FILES];
static size_t nfiles;

/* All executable pages. */
static struct origin { uint16_t file; uint32_t page; uint64_t vaddr; } *origins;
static size_t norigins;

static char dir[] = "/dev/shm/fz-nearmiss-XXXXXX", db_path[64];
static struct fz_hashdb *db;
static struct fz_error err;
static uint64_t seed = 20261122;

static uint64_t rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

/* ------------------------------------------------------------------ database */

static void read_page(const struct known *k, uint32_t page, uint8_t *out)
{
	size_t at = (size_t)page * PAGE, n = at < k->data.len ? k->data.len - at : 0;

	memset(out, 0, PAGE);
	memcpy(out, k->data.p + at, n < PAGE ? n : PAGE);
}

static void add_file(struct fz_hashdb_writer *w, const char *path)
{
	struct fz_hashdb_segment segments[FZ_ELF_SEGMENTS];
	struct known *k = &files[nfiles];
	struct fz_hashdb_file f = { .path = k->path, .package = "made", .version = "1",
				    .arch = "amd64", .build_id = "", .segments = segments };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t i;
	uint32_t p;

	snprintf(k->path, sizeof(k->path), "%s", path);
	if (fd < 0 || fz_buffer_read(&k->data, fd, 1 << 28, &err) ||
	    fz_elf_parse(&k->elf, k->data.p, k->data.len, &err) != 1)
		abort();
	close(fd);
	f.pie = k->elf.type == ET_DYN;
	f.is64 = k->elf.is64;
	f.machine = k->elf.machine;
	f.entry = k->elf.entry;
	f.nsegments = k->elf.nsegments;
	for (i = 0; i < f.nsegments; i++) {
		struct fz_elf_segment *s = &k->elf.segments[i];

		segments[i] = (struct fz_hashdb_segment){ s->offset, s->vaddr, s->pages };
		origins = realloc(origins, (norigins + s->pages) * sizeof(*origins));
		for (p = 0; p < s->pages; p++)
			origins[norigins++] = (struct origin){ nfiles, s->offset / PAGE + p,
				s->vaddr + (uint64_t)p * PAGE };
	}
	if (fz_hashdb_write_file(w, &f, k->data.p, k->data.len, &err) != 1)
		abort();
	nfiles++;
}

static void build(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	struct fz_hashdb_writer *w;
	char line[512], path[256];
	size_t i;

	if (!mkdtemp(dir) || !maps)
		abort();
	snprintf(db_path, sizeof(db_path), "%s/known.db", dir);
	if (fz_hashdb_write_open(&w, db_path, &err))
		abort();
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%*s %*s %*s %*s %*s %255[^\n]", path) != 1 || *path != '/')
			continue;
		for (i = 0; i < nfiles && strcmp(files[i].path, path); i++)
			;
		if (i == nfiles && nfiles < FILES)
			add_file(w, path);
	}
	fclose(maps);
	fz_hashdb_write_keep(w);
	if (fz_hashdb_write_publish(w, &err))
		abort();
	fz_hashdb_write_close(w);
	if (fz_hashdb_open(&db, db_path, &err))
		abort();
}

/* ---------------------------------------------------------------- near misses */

enum kind { BIT, BYTE, BYTES, SWAP, SHIFT, TAIL, PAD, HALVES, WEAVE, FORGED_8, FORGED_32, KINDS };
static const char * const kinds[] = {
	"one bit", "one byte", "a few bytes", "64-byte blocks swapped", "shifted", "a tail of zeros",
	"a tail of padding", "the halves of two", "the blocks of two", "forged with 8 bytes",
	"forged with 32 bytes",
};

static void origin_page(const struct origin *o, uint8_t *page)
{
	read_page(&files[o->file], o->page, page);
}

/* Turn @page, of @o, into a near miss. */
static void spoil(enum kind kind, const struct origin *o, uint8_t *page)
{
	uint8_t other[2 * PAGE], block[64], was[PAGE];
	size_t a = rnd(64) * 64, b = rnd(64) * 64, n = 1 + rnd(PAGE - 1);
	int lane, stripe;

	memcpy(was, page, PAGE);
	origin_page(&origins[rnd(norigins)], other);
	switch (kind) {
	case BIT:
		page[n] ^= 1 << rnd(8);
		break;
	case BYTE:
		page[n] += 1 + rnd(255);
		break;
	case BYTES:
		for (a = 2 + rnd(15); a; a--)
			page[rnd(PAGE)] += 1 + rnd(255);
		break;
	case SWAP:
		memcpy(block, page + a, 64);
		memcpy(page + a, page + b, 64);
		memcpy(page + b, block, 64);
		break;
	case SHIFT:
		memcpy(other, page, PAGE);
		read_page(&files[o->file], o->page + 1, other + PAGE);
		memcpy(page, other + n, PAGE);
		break;
	case TAIL:
		memset(page + PAGE - n, 0, n);
		break;
	case PAD:
		memset(page + PAGE - n, rnd(2) ? 0xcc : 0x90, n);
		break;
	case HALVES:
		memcpy(page + n, other + n, PAGE - n);
		break;
	case WEAVE:
		for (a = 0; a < PAGE; a += 64)
			if (rnd(2))
				memcpy(page + a, other + a, 64);
		break;
	case FORGED_8:
		lane = rnd(4);
		stripe = rnd(STRIPES - 1);
		page[stripe * 32 + lane * 8 + rnd(8)] += 1 + rnd(255);
		forge(page, was, stripe + 1 + rnd(STRIPES - stripe - 1), 1 << lane);
		break;
	default:
		for (a = 0; a < PAGE; a += 8)
			((uint64_t *)(void *)page)[a / 8] = rnd(UINT64_MAX);
		forge(page, was, rnd(STRIPES), 15);
	}
}

static struct {
	struct fz_rec rec;
	uint8_t page[PAGE];
} made;
static uint64_t tried[KINDS], equal, modified, wrong, unforged;

static void exec(struct fz_identify *id, const struct origin *o, uint64_t base, uint64_t n)
{
	made.rec = (struct fz_rec){ .size = sizeof(made), .type = FZ_REC_EXEC,
		.flags = FZ_RECF_PAGE, .time = 1 + n, .seq = n, .vm = 1, .gfn = n,
		.rip = base + o->vaddr + rnd(0xff0), .cr3 = 0x1000, .mode = USER64, .cpl = 3,
		.hash = XXH64(made.page, PAGE, 0) };
	if (fz_identify_add(id, &made.rec, &err))
		abort();
}

static uint64_t base_of(const struct origin *o)
{
	return BASE + ((uint64_t)o->file << 32);
}

static bool same(const struct fz_results *r, const struct fz_candidate *c, const uint8_t *page)
{
	const char *path = r->files[r->classes[c->class].file].path;
	uint8_t want[PAGE];
	size_t i;

	for (i = 0; strcmp(files[i].path, path); i++)
		;
	read_page(&files[i], c->page, want);
	return !memcmp(want, page, PAGE);
}

static void judge(const struct fz_results *r, const uint8_t (*pages)[PAGE], const uint8_t *how)
{
	size_t i;

	for (i = 0; i < r->nframes; i++) {
		const struct fz_frame *f = &r->frames[i];
		const struct fz_content *c = &r->contents[f->content];
		const uint8_t *page = pages[f->gfn];
		uint8_t kind = how[f->gfn];

		if (kind == KINDS)
			continue;
		modified += f->verdict == FZ_VERDICT_MODIFIED;
		if (c->ncandidates && same(r, &c->candidates[0], page)) {
			equal++;	/* of padding, say: spoilt back into what it was */
			continue;
		}
		if (f->verdict != FZ_VERDICT_UNKNOWN && f->verdict != FZ_VERDICT_MODIFIED) {
			wrong++;
			diag("%s: taken for %s", kinds[kind],
			     f->class == FZ_NO_CLASS ? "one of several" :
			     r->files[r->classes[f->class].file].path);
		}
		unforged += (kind == FORGED_8 || kind == FORGED_32) && !c->forged;
	}
}

static void batch(uint64_t n)
{
	uint8_t (*pages)[PAGE] = calloc(n + 1, PAGE), *how = calloc(n + 1, 1);
	struct fz_identify *id;
	uint64_t i, base;

	if (fz_identify_new(&id, db, &err))
		abort();
	/* Of each file a page ran as it is, so that the others may be modified ones. */
	for (i = 0; i < norigins; i++) {
		if (i && origins[i].file == origins[i - 1].file)
			continue;
		origin_page(&origins[i], made.page);
		exec(id, &origins[i], base_of(&origins[i]), n);
	}
	how[n] = KINDS;
	for (i = 0; i < n; i++) {
		const struct origin *o = &origins[rnd(norigins)];
		uint8_t was[PAGE];

		how[i] = i % KINDS;
		do {
			origin_page(o, was);
			memcpy(made.page, was, PAGE);
			spoil(how[i], o, made.page);
		} while (!memcmp(was, made.page, PAGE) && (o = &origins[rnd(norigins)]));
		memcpy(pages[i], made.page, PAGE);
		/* Where its file is, or anywhere. */
		base = base_of(o);
		if (!rnd(4))
			base += rnd(1 << 20) << 12;
		exec(id, o, base, i);
		tried[how[i]]++;
	}
	if (fz_identify_settle(id, &err))
		abort();
	judge(fz_identify_results(id), (const uint8_t (*)[PAGE])pages, how);
	fz_identify_free(id);
	free(pages);
	free(how);
}

/* The undisturbed pages: the database is what it should be, or all this proves nothing. */
static void test_known(void)
{
	struct fz_identify *id;
	const struct fz_results *r;
	size_t i, good = 0;

	if (fz_identify_new(&id, db, &err))
		abort();
	for (i = 0; i < norigins; i++) {
		origin_page(&origins[i], made.page);
		exec(id, &origins[i], base_of(&origins[i]), i);
	}
	if (fz_identify_settle(id, &err))
		abort();
	r = fz_identify_results(id);
	for (i = 0; i < r->nframes; i++)
		good += r->contents[r->frames[i].content].ncandidates != 0;
	ok(good == r->nframes && r->nframes == norigins, "%zu pages of %zu files are known",
	   norigins, nfiles);
	fz_identify_free(id);
}

int main(int argc, char **argv)
{
	uint64_t want = argc > 1 ? strtoull(argv[1], NULL, 10) : 110000, n;
	int k;

	plan(1 + KINDS + 4);
	build();
	test_known();
	for (n = 0; n < want; n += EACH)
		batch(want - n < EACH ? want - n : EACH);
	for (k = 0; k < KINDS; k++)
		ok(tried[k] >= want / KINDS - n / EACH, "%s: %llu pages", kinds[k],
		   (unsigned long long)tried[k]);
	ok(!wrong, "none of %llu is identified", (unsigned long long)want);
	ok(!unforged, "every forged page has the XXH64 of a known one, and is named as forged");
	ok(modified > want / 100, "%llu are modified pages", (unsigned long long)modified);
	ok(equal < want / 50, "%llu became known pages by themselves", (unsigned long long)equal);
	fz_hashdb_close(db);
	unlink(db_path);
	rmdir(dir);
	for (n = 0; n < nfiles; n++)
		free(files[n].data.p);
	free(origins);
	return done();
}
