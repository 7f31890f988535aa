// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hashdb_extra.c - kinds, blobs, contents and anchors: what goes in comes out, also
 * after other files were added
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include "hashdb_format.h"
#include "hashdb_write.h"
#include "tap.h"

#define PAGE	4096
#define PAGES	150	/* more than two chunks of contents */

static char dir[64], db_path[128];
static struct fz_error err;
static uint8_t image[PAGES * PAGE];

static struct fz_hashdb_segment segments[] = {
	{ PAGE, 0x1000, 100 }, { 120 * PAGE, 0x200000, 30 },
};

static struct fz_hashdb_file make(const char *path, unsigned int flags)
{
	return (struct fz_hashdb_file) {
		.path = (char *)path, .package = "p", .version = "1", .arch = "amd64",
		.is64 = true, .kind = FZ_FILE_KERNEL, .flags = flags, .nsegments = 2,
		.segments = segments,
	};
}

static void fill(unsigned int seed)
{
	size_t i;

	for (i = 0; i < sizeof(image) / 4; i++)
		((uint32_t *)image)[i] = i * 2654435761u * (seed + 1) >> 7;
}

/* Add a file with blobs and anchors, in a command of its own. */
static int add(const char *path, unsigned int seed, unsigned int flags)
{
	struct fz_hashdb_file f = make(path, flags);
	struct fz_hashdb_writer *w;
	int ret;

	fill(seed);
	ret = fz_hashdb_write_open(&w, db_path, &err);
	if (ret)
		return ret;
	ret = fz_hashdb_write_image(w, &f, path, strlen(path), image, sizeof(image), &err);
	if (ret == 1) {
		ret = fz_hashdb_write_extra(w, FZ_BLOB_SITES, 1, path, 5, &err);
		if (!ret)
			ret = fz_hashdb_write_extra(w, FZ_BLOB_SITES, 9, image, 20000, &err);
		if (!ret)
			ret = fz_hashdb_write_anchor(w, 42, 1 + seed, &err);
		if (!ret)
			ret = fz_hashdb_write_anchor(w, ~0ULL, 120, &err);
		ret = ret ? ret : 1;
	}
	fz_hashdb_write_keep(w);
	if (fz_hashdb_write_publish(w, &err))
		ret = -EIO;
	fz_hashdb_write_close(w);
	return ret;
}

static bool same_page(struct fz_hashdb *db, uint32_t id, uint32_t page)
{
	uint8_t got[PAGE];

	return !fz_hashdb_page(db, id, page, got, &err) && !memcmp(got, image + page * PAGE, PAGE);
}

static void test_out(void)
{
	struct fz_hashdb_file f, g;
	struct fz_hashdb_ref refs[4];
	struct fz_hashdb *db = NULL;
	struct fz_db_key a, b;
	uint8_t page[PAGE];
	const void *data;
	bool good = true;
	size_t len, n;
	uint32_t i;

	ok(add("/one!", 0, FZ_FILE_STORED) == 1 && add("/two!", 1, 0) == 1 &&
	   add("/three", 2, FZ_FILE_STORED | FZ_FILE_FOREIGN) == 1, "files are added one by one");
	ok(!fz_hashdb_open(&db, db_path, &err) && !fz_hashdb_check(db, &err), "the database is sound");
	ok(!fz_hashdb_file(db, 3, &f, &err) && f.kind == FZ_FILE_KERNEL &&
	   f.flags == (FZ_FILE_STORED | FZ_FILE_FOREIGN | FZ_FILE_IMAGE) && f.pages_total == 130,
	   "kind and flags");
	fz_hashdb_file_free(&f);
	for (i = 1; i <= 100; i++)
		good &= same_page(db, 3, i);
	for (i = 149; i >= 120; i--)
		good &= same_page(db, 3, i);
	ok(good, "contents of each page");
	fill(0);
	ok(same_page(db, 1, 1) && same_page(db, 1, 149), "of each file");
	ok(fz_hashdb_page(db, 1, 0, page, &err) == -ENOENT &&
	   fz_hashdb_page(db, 1, 101, page, &err) == -ENOENT &&
	   fz_hashdb_page(db, 1, 150, page, &err) == -ENOENT &&
	   fz_hashdb_page(db, 4, 1, page, &err) == -ENOENT, "not of pages that are not there");
	ok(fz_hashdb_page(db, 2, 1, page, &err) == -ENOENT, "nor of a file that has none kept");
	ok(fz_hashdb_extra(db, 2, FZ_BLOB_SITES, 1, &data, &len, &err) == 1 && len == 5 &&
	   !memcmp(data, "/two!", 5), "a blob");
	ok(fz_hashdb_extra(db, 1, FZ_BLOB_SITES, 9, &data, &len, &err) == 1 && len == 20000 &&
	   !memcmp(data, image, len), "a large one");
	ok(!fz_hashdb_extra(db, 1, FZ_BLOB_SITES, 2, &data, &len, &err) &&
	   !fz_hashdb_extra(db, 4, FZ_BLOB_SITES, 1, &data, &len, &err), "none where none is");
	ok(!fz_hashdb_anchors(db, 42, refs, 4, &n, &err) && n == 3 && refs[0].file == 1 &&
	   refs[0].page == 1 && refs[2].file == 3 && refs[2].page == 3, "anchors, ascending");
	ok(!fz_hashdb_anchors(db, ~0ULL, refs, 2, &n, &err) && n == 3 && refs[1].file == 2,
	   "more than there is room for");
	ok(!fz_hashdb_anchors(db, 41, refs, 4, &n, &err) && !n &&
	   !fz_hashdb_anchors(db, 43, refs, 4, &n, &err) && !n, "no anchor");
	fz_hashdb_close(db);

	f = make("/a", 0);
	g = make("/a", FZ_FILE_UNPACKED);
	f.source = g.source = f.source_version = g.source_version = f.release = g.release = "";
	ok(!fz_db_file_key(&a, &f) && !fz_db_file_key(&b, &g) && memcmp(&a, &b, sizeof(a)),
	   "a file and what it unpacks to are two");
}

static void test_refused(void)
{
	struct fz_hashdb_file f = make("/x", FZ_FILE_STORED);
	struct fz_hashdb_writer *w;

	fz_hashdb_write_open(&w, db_path, &err);
	fill(9);
	f.kind = FZ_FILE_KINDS;
	ok(fz_hashdb_write_image(w, &f, "x", 1, image, sizeof(image), &err) == -EINVAL,
	   "a kind that is none");
	f.kind = 0;
	ok(fz_hashdb_write_image(w, &f, "x", 1, image, sizeof(image), &err) == 1 &&
	   fz_hashdb_write_extra(w, FZ_BLOB_PAGES, 1, "x", 1, &err) == -EINVAL &&
	   fz_hashdb_write_extra(w, FZ_BLOBS, 1, "x", 1, &err) == -EINVAL &&
	   fz_hashdb_write_extra(w, FZ_BLOB_SITES, 1, "x", 1, &err) == 0 &&
	   fz_hashdb_write_extra(w, FZ_BLOB_SITES, 1, "x", 1, &err) == -EINVAL &&
	   fz_hashdb_write_extra(w, FZ_BLOB_SITES, 0, "x", 1, &err) == -EINVAL,
	   "blobs of no kind, twice, out of order");
	fz_hashdb_write_undo(w);
	ok(fz_hashdb_write_image(w, &f, "x", 1, image, sizeof(image), &err) == 1 &&
	   fz_hashdb_write_extra(w, FZ_BLOB_SITES, 0, "x", 1, &err) == 0, "undo takes them back");
	fz_hashdb_write_close(w);
}

int main(void)
{
	plan(17);
	strcpy(dir, "/tmp/fz-test-extra-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(db_path, sizeof(db_path), "%s/known.db", dir);
	test_out();
	test_refused();
	unlink(db_path);
	rmdir(dir);
	return done();
}
