// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hashdb.c - the known-binary database: what goes in comes out, and nothing else
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <xxhash.h>
#include "hashdb_format.h"
#include "hashdb_write.h"
#include "tap.h"

#define PAGE	4096
#define PAGES	5	/* of the file that most tests use; the last one is not full */
#define SIZE	(PAGES * PAGE - 1000)

static char dir[64], db_path[128];
static struct fz_error err;

static void fill(uint8_t *p, size_t len, uint64_t seed)
{
	uint64_t i, v = 0;

	for (i = 0; i < len; i++) {
		if (!(i % 8))
			v = XXH64(&i, sizeof(i), seed);
		p[i] = v >> i % 8 * 8;
	}
}

/* Segments: pages 1-2, 2-3 (shares one) and 4, which the end of the file cuts. */
static struct fz_hashdb_segment segments[] = {
	{ PAGE, 0x401000, 2 }, { 2 * PAGE, 0x602000, 2 }, { 4 * PAGE, 0x804000, 1 },
};

static struct fz_hashdb_file make(const char *path, const char *package)
{
	return (struct fz_hashdb_file) {
		.path = (char *)path, .package = (char *)package, .source = "src",
		.version = "1.2-3", .source_version = "1.2", .arch = "amd64",
		.build_id = "00ffa5", .pie = true, .is64 = true, .machine = 62,
		.entry = 0x401234, .nsegments = 3, .segments = segments,
	};
}

static int add(struct fz_hashdb_writer *w, const char *path, const char *package, uint64_t seed)
{
	struct fz_hashdb_file f = make(path, package);
	uint8_t data[SIZE];

	fill(data, SIZE, seed);
	return fz_hashdb_write_file(w, &f, data, SIZE, &err);
}

/* Add one file in a command of its own. */
static int add_one(const char *path, const char *package, uint64_t seed)
{
	struct fz_hashdb_writer *w;
	int ret, added;

	ret = fz_hashdb_write_open(&w, db_path, &err);
	if (ret)
		return ret;
	added = add(w, path, package, seed);
	fz_hashdb_write_keep(w);
	ret = fz_hashdb_write_publish(w, &err);
	fz_hashdb_write_close(w);
	return ret ? ret : added;
}

static void page_of(uint64_t seed, int n, uint8_t page[PAGE])
{
	uint8_t data[PAGES * PAGE] = { 0 };

	fill(data, SIZE, seed);
	memcpy(page, data + n * PAGE, PAGE);
}

static int find(struct fz_hashdb *db, const void *page, struct fz_hashdb_ref *refs, size_t max,
		size_t *n)
{
	bool forged;
	int ret = fz_hashdb_lookup(db, XXH64(page, PAGE, 0), page, refs, max, n, &forged, &err);

	return forged ? -1 : ret;
}

/* Does the database have page @n of the file from @seed, as a page of file @id? */
static bool has(struct fz_hashdb *db, uint64_t seed, int n, uint32_t id)
{
	struct fz_hashdb_ref refs[8];
	uint8_t page[PAGE];
	size_t i, count;

	page_of(seed, n, page);
	if (find(db, page, refs, 8, &count) != 1)
		return false;
	for (i = 0; i < count && i < 8; i++)
		if (refs[i].file == id && refs[i].page == (uint32_t)n)
			return true;
	return false;
}

static struct fz_hashdb *reopen(struct fz_hashdb *db)
{
	fz_hashdb_close(db);
	db = NULL;
	if (fz_hashdb_open(&db, db_path, &err))
		diag("%s", err.text);
	return db;
}

static void test_lookup(void)
{
	struct fz_hashdb *db = NULL;
	struct fz_hashdb_ref ref;
	uint8_t page[PAGE], other[PAGE];
	bool forged, good = true;
	size_t n;
	int i;

	ok(fz_hashdb_open(&db, db_path, &err) == -ENOENT && strstr(err.text, "no database"),
	   "there is no database yet");
	ok(add_one("/bin/a", "pa", 1) == 1, "a file is added, and the directory made");
	db = reopen(db);
	ok(db && has(db, 1, 1, 1) && has(db, 1, 2, 1) && has(db, 1, 3, 1),
	   "its executable pages are found");
	ok(has(db, 1, 4, 1), "the last page is zero-filled");
	page_of(1, 0, page);
	ok(find(db, page, &ref, 1, &n) == 0 && n == 0, "a page that is not executable is unknown");
	page_of(1, 1, page);
	memcpy(other, page, PAGE);
	other[77] ^= 1;
	ok(find(db, other, &ref, 1, &n) == 0, "a page with a bit changed is unknown");
	/* SHA-256 smaller than the known one and larger: both sides of the search */
	for (i = 0; i < 32; i++) {
		other[77] = i ^ page[77] ^ 0x80;
		good &= fz_hashdb_lookup(db, XXH64(page, PAGE, 0), other, &ref, 1, &n, &forged,
					 &err) == 0 && forged && n == 0;
	}
	ok(good, "a known XXH64 with another SHA-256 is forged, not found");
	ok(find(db, page, &ref, 1, &n) == 1 && n == 1 && ref.file == 1 && ref.page == 1,
	   "one reference: file and page");
	fz_hashdb_close(db);
}

static void test_file(void)
{
	struct fz_hashdb *db = reopen(NULL);
	uint8_t data[SIZE], sha256[32];
	struct fz_hashdb_info info;
	struct fz_hashdb_file f;

	fill(data, SIZE, 1);
	EVP_Digest(data, SIZE, sha256, NULL, EVP_sha256(), NULL);
	ok(!fz_hashdb_file(db, 1, &f, &err), "the file is described");
	ok(!strcmp(f.path, "/bin/a") && !strcmp(f.package, "pa") && !strcmp(f.source, "src") &&
	   !strcmp(f.version, "1.2-3") && !strcmp(f.source_version, "1.2") &&
	   !strcmp(f.arch, "amd64") && !strcmp(f.build_id, "00ffa5"), "its strings");
	ok(!memcmp(f.sha256, sha256, 32) && f.bytes == SIZE && f.pages_total == 4 && f.pie &&
	   f.is64 && f.machine == 62 && f.entry == 0x401234, "its numbers");
	ok(f.nsegments == 3 && !memcmp(f.segments, segments, sizeof(segments)), "its segments");
	fz_hashdb_file_free(&f);
	ok(fz_hashdb_file(db, 2, &f, &err) == -ENOENT && fz_hashdb_file(db, 0, &f, &err) == -ENOENT,
	   "there is no file 0 and no file 2");
	fz_hashdb_info(db, &info);
	ok(info.files == 1 && info.packages == 1 && info.pages == 4 && info.schema == FZ_DB_SCHEMA,
	   "the totals");
	fz_hashdb_close(db);
}

static void test_similar(void)
{
	struct fz_hashdb *db = reopen(NULL);
	uint8_t page[PAGE], sketch[FZ_SKETCH];
	int i;

	page_of(1, 3, page);
	fz_hashdb_sketch(page, sketch);
	ok(sketch[0] == (uint8_t)XXH64(page, 256, 0) &&
	   sketch[15] == (uint8_t)XXH64(page + 15 * 256, 256, 0), "a sketch has a byte a block");
	ok(fz_hashdb_similar(db, 1, 3, page, &err) == 16, "a page is like itself");
	page[256 * 5 + 1] ^= 0x40;
	i = fz_hashdb_similar(db, 1, 3, page, &err);
	ok(i == 15 || (i == 16 && (uint8_t)XXH64(page + 1280, 256, 0) == sketch[5]),
	   "a changed byte changes one block");
	page_of(1, 4, page);
	ok(fz_hashdb_similar(db, 1, 4, page, &err) == 16 &&
	   fz_hashdb_similar(db, 1, 3, page, &err) < 8, "each page has its own sketch");
	ok(fz_hashdb_similar(db, 1, 0, page, &err) == -ENOENT &&
	   fz_hashdb_similar(db, 1, 5, page, &err) == -ENOENT &&
	   fz_hashdb_similar(db, 9, 1, page, &err) == -ENOENT, "not a page, not a file");
	fz_hashdb_close(db);
}

static void test_content(void)
{
	uint8_t page[PAGE] = { 0 };

	ok(fz_hashdb_content(page) == 0, "zeros have no content");
	memset(page, 0xcc, PAGE);
	ok(fz_hashdb_content(page) == 0, "neither has padding");
	page[100] = 1;
	ok(fz_hashdb_content(page) == 1, "one byte is one block");
	fill(page, PAGE, 1);
	ok(fz_hashdb_content(page) == 64, "code is full");
}

static ino_t inode(void)
{
	struct stat st;

	return stat(db_path, &st) ? 0 : st.st_ino;
}

static void test_again(void)
{
	ino_t before = inode();
	struct fz_hashdb *old = reopen(NULL), *db;
	struct fz_hashdb_info info;

	ok(add_one("/bin/a", "pa", 1) == 0 && inode() == before,
	   "adding it again changes nothing, not even the file");
	ok(add_one("/bin/b", "pb", 2) == 1 && add_one("/bin/a", "pa", 3) == 1 &&
	   add_one("/bin/a", "pc", 1) == 1, "another path, content or package is another file");
	fz_hashdb_info(old, &info);
	ok(info.files == 1 && has(old, 1, 1, 1) && !has(old, 2, 1, 2) &&
	   fz_hashdb_check(old, &err) == 0, "a reader goes on with what it opened");
	db = reopen(NULL);
	fz_hashdb_info(db, &info);
	ok(info.files == 4 && info.packages == 3 && info.pages == 16, "a new one sees all");
	ok(has(db, 1, 1, 1) && has(db, 2, 1, 2) && has(db, 3, 1, 3) && has(db, 1, 1, 4),
	   "ids stay, new ones follow");
	ok(fz_hashdb_check(db, &err) == 0, "all of it is sound");
	fz_hashdb_close(db);
	fz_hashdb_close(old);
}

static void test_undo(void)
{
	struct fz_hashdb_writer *w;
	struct fz_hashdb_added added;
	struct fz_hashdb *db;
	uint32_t files;
	uint8_t sha[32] = { 1 };
	struct fz_hashdb_file f = make("", "parchive");

	fz_hashdb_write_open(&w, db_path, &err);
	add(w, "/bin/kept", "pk", 10);
	ok(fz_hashdb_write_archive(w, sha, &f, 7, &err) >= 0 &&
	   fz_hashdb_write_has_archive(w, sha, &files, &err) == 1 && files == 7,
	   "an archive is noted");
	fz_hashdb_write_keep(w);
	add(w, "/bin/undone", "pu", 11);
	sha[0] = 2;
	fz_hashdb_write_archive(w, sha, &f, 1, &err);
	fz_hashdb_write_undo(w);
	fz_hashdb_write_added(w, &added);
	ok(added.files == 1 && added.pages == 4 && added.packages == 2 &&
	   fz_hashdb_write_has_archive(w, sha, &files, &err) == 0, "undo takes back");
	ok(add(w, "/bin/undone", "pu", 11) == 1, "what was undone can be added");
	ok(fz_hashdb_write_publish(w, &err) == 0, "publish drops what was not kept");
	sha[0] = 1;
	ok(add(w, "/bin/kept", "pk", 10) == 0 &&
	   fz_hashdb_write_has_archive(w, sha, &files, &err) == 1, "and the writer goes on");
	fz_hashdb_write_close(w);
	db = reopen(NULL);
	ok(has(db, 10, 1, 5) && !has(db, 11, 1, 6) && fz_hashdb_check(db, &err) == 0,
	   "only what was kept is there");
	fz_hashdb_close(db);
}

static void test_refused(void)
{
	struct fz_hashdb_file f = make("/x", "p");
	struct fz_hashdb_segment past = { 4 * PAGE, 0, 2 }, huge = { 0, 0, UINT32_MAX },
		far = { UINT64_MAX - 0xfff, 0, 1 };
	struct fz_hashdb_writer *w;
	uint8_t data[SIZE] = { 0 };
	char *path = malloc(5001);
	bool good = true;

	memset(path, 'x', 5000);
	path[5000] = '\0';
	fz_hashdb_write_open(&w, db_path, &err);
	f.nsegments = 1;
	f.segments = &past;
	good &= fz_hashdb_write_file(w, &f, data, SIZE, &err) == -EINVAL;
	f.segments = &huge;
	good &= fz_hashdb_write_file(w, &f, data, SIZE, &err) == -EINVAL;
	f.segments = &far;
	good &= fz_hashdb_write_file(w, &f, data, SIZE, &err) == -EINVAL;
	f.nsegments = 0;
	good &= fz_hashdb_write_file(w, &f, data, SIZE, &err) == -EINVAL;
	ok(good, "segments outside the file are refused");
	f = make(path, "p");
	good = fz_hashdb_write_file(w, &f, data, SIZE, &err) == -EINVAL;
	f = make("/x", path);
	good &= fz_hashdb_write_file(w, &f, data, SIZE, &err) == -EINVAL;
	f = make("/x", "p");
	f.build_id = "zz";
	good &= fz_hashdb_write_file(w, &f, data, SIZE, &err) == -EINVAL;
	ok(good, "so are strings too long, and a build-id that is none");
	ok(fz_hashdb_write_pending(w) == 0, "nothing of it stays");
	fz_hashdb_write_close(w);
	free(path);
}

static void test_writers(void)
{
	struct fz_hashdb_writer *w, *w2;
	char temp[140];
	ino_t before = inode();
	pid_t pid;
	int status, fd;

	fz_hashdb_write_open(&w, db_path, &err);
	ok(fz_hashdb_write_open(&w2, db_path, &err) == -EBUSY && strstr(err.text, "another process"),
	   "a second writer is told to wait");
	fz_hashdb_write_close(w);

	pid = fork();
	if (!pid) {
		if (!fz_hashdb_write_open(&w, db_path, &err) && add(w, "/bin/lost", "pl", 20) == 1)
			raise(SIGKILL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && inode() == before, "a writer that dies changes nothing");
	snprintf(temp, sizeof(temp), "%s.new", db_path);
	fd = open(temp, O_WRONLY | O_CREAT, 0600);
	ok(write(fd, "rubbish", 7) == 7 && add_one("/bin/c", "pc", 21) == 1 && access(temp, F_OK),
	   "what a dead one left is not in the way of the next");
	close(fd);
}

/* Many files, several levels of pages, in several steps; one page is common to all. */
static void test_many(void)
{
	enum { FILES = 3000, STEPS = 3, EXEC = 12 };
	struct fz_hashdb_segment seg = { 0, 0, EXEC };
	struct fz_hashdb_file f = make("", "many");
	static uint8_t data[EXEC * PAGE];
	struct fz_hashdb_ref refs[4];
	struct fz_hashdb_writer *w;
	struct fz_hashdb_info info;
	struct fz_hashdb *db;
	uint8_t common[PAGE];
	uint32_t first = 0;
	char path[32];
	int i, j, bad = 0;
	size_t n;

	unlink(db_path);
	fill(common, PAGE, 999);
	f.segments = &seg;
	f.nsegments = 1;
	f.path = path;
	for (i = 0; i < FILES; i++) {
		if (i % (FILES / STEPS) == 0)
			bad += fz_hashdb_write_open(&w, db_path, &err) != 0;
		snprintf(path, sizeof(path), "/lib/%d", i);
		for (j = 0; j < EXEC; j++)
			fill(data + j * PAGE, 64, i * 100 + j);
		memcpy(data + 5 * PAGE, common, PAGE);
		bad += fz_hashdb_write_file(w, &f, data, sizeof(data), &err) != 1;
		fz_hashdb_write_keep(w);
		if (i % (FILES / STEPS) == FILES / STEPS - 1) {
			bad += fz_hashdb_write_publish(w, &err) != 0;
			fz_hashdb_write_close(w);
		}
	}
	db = reopen(NULL);
	fz_hashdb_info(db, &info);
	ok(!bad && info.files == FILES && info.pages == FILES * EXEC, "%d files in %d steps",
	   FILES, STEPS);
	if (!ok(fz_hashdb_check(db, &err) == 0, "they are sound"))
		diag("%s", err.text);
	ok(info.bytes / info.pages < 70, "%.1f bytes a page, of small files", (double)info.bytes / info.pages);
	memset(data, 0, sizeof(data));
	for (i = 0; i < FILES; i++) {
		for (j = 0; j < EXEC; j++) {
			if (j == 5)
				continue;
			fill(data, 64, i * 100 + j);
			bad += find(db, data, refs, 4, &n) != 1 || n != 1 ||
				refs[0].file != (uint32_t)i + 1 || refs[0].page != (uint32_t)j ||
				fz_hashdb_similar(db, i + 1, j, data, &err) != 16;
		}
	}
	ok(!bad, "every page leads to its file, and has its sketch");
	ok(find(db, common, refs, 4, &n) == 1 && n == FILES, "a common page is counted in full");
	for (i = 0; i < 4; first = refs[i++].file)
		bad += refs[i].file <= first || refs[i].page != 5;
	ok(!bad && first == 4, "its first references come in order");
	fz_hashdb_close(db);
}

int main(void)
{
	plan(48);
	strcpy(dir, "/tmp/fz-test-hashdb-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(db_path, sizeof(db_path), "%s/sub/known.db", dir);
	test_lookup();
	test_file();
	test_similar();
	test_content();
	test_again();
	test_undo();
	test_refused();
	test_writers();
	test_many();
	unlink(db_path);
	*strrchr(db_path, '/') = '\0';
	ok(!rmdir(db_path) && !rmdir(dir), "no file is left beside the database");
	return done();
}
