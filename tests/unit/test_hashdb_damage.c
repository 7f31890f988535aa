// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hashdb_damage.c - databases that are foreign, cut, damaged or wrong inside
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>
#include "hashdb_format.h"
#include "hashdb_write.h"
#include "tap.h"

#define PAGE	4096
#define FILES	40

static char dir[64], good_path[128], bad_path[128];
static struct fz_error err;
static uint8_t *image;
static size_t image_size;

static int build(void)
{
	struct fz_hashdb_segment seg = { 0, 0x1000, 3 };
	uint8_t data[3 * PAGE] = { 0 }, sha[32] = { 9 };
	struct fz_hashdb_writer *w;
	char path[32];
	struct fz_hashdb_file f = {
		.path = path, .package = "p", .version = "1", .arch = "amd64",
		.nsegments = 1, .segments = &seg,
	};
	int i, bad;

	bad = fz_hashdb_write_open(&w, good_path, &err) != 0;
	for (i = 0; !bad && i < FILES; i++) {
		snprintf(path, sizeof(path), "/bin/%d", i);
		memset(data, i + 1, 1000);
		memset(data + PAGE, i + 1, 2000);
		bad = fz_hashdb_write_file(w, &f, data, sizeof(data), &err) != 1;
	}
	f.path = "/stored";
	f.kind = FZ_FILE_KERNEL;
	f.flags = FZ_FILE_STORED;
	bad |= fz_hashdb_write_file(w, &f, data, sizeof(data), &err) != 1 ||
	       fz_hashdb_write_extra(w, FZ_BLOB_SITES, 5, "sites", 5, &err) ||
	       fz_hashdb_write_anchor(w, 0x1234, 1, &err);
	bad |= fz_hashdb_write_archive(w, sha, &f, FILES, &err) < 0;
	fz_hashdb_write_keep(w);
	bad |= fz_hashdb_write_publish(w, &err) != 0;
	fz_hashdb_write_close(w);
	return bad;
}

static void load(void)
{
	struct stat st;
	int fd = open(good_path, O_RDONLY);

	fstat(fd, &st);
	image_size = st.st_size;
	image = malloc(image_size);
	if (read(fd, image, image_size) != (ssize_t)image_size)
		image_size = 0;
	close(fd);
}

static void store(const void *data, size_t size)
{
	int fd = open(bad_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (write(fd, data, size) != (ssize_t)size)
		diag("short write");
	close(fd);
}

static int try_open(void)
{
	struct fz_hashdb *db;
	int ret = fz_hashdb_open(&db, bad_path, &err);

	if (!ret)
		fz_hashdb_close(db);
	return ret;
}

static void test_foreign(void)
{
	uint8_t junk[5 * PAGE];
	size_t i;

	store("", 0);
	ok(try_open() == -EINVAL && strstr(err.text, "not a database"), "an empty file");
	store("hello\n", 6);
	ok(try_open() == -EINVAL, "a text file");
	for (i = 0; i < sizeof(junk); i++)
		junk[i] = i * 7 ^ i >> 8;
	store(junk, sizeof(junk));
	ok(try_open() == -EINVAL, "rubbish");
	unlink(bad_path);
	mkdir(bad_path, 0755);
	ok(try_open() < 0, "a directory");
	rmdir(bad_path);
	if (mkfifo(bad_path, 0644))
		diag("no FIFO");
	ok(try_open() == -EINVAL, "a FIFO, without waiting for anybody");
	unlink(bad_path);
	store(image, image_size - PAGE);
	ok(try_open() == -EBADMSG, "an LMDB file that is not ours");
}

static void test_truncated(void)
{
	size_t i, sizes[] = { 1, 19, 20, 100, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE,
			      image_size / 2 & ~(PAGE - 1UL), image_size / 2, image_size - PAGE - 1,
			      image_size - PAGE + 1, image_size - 1 };
	uint8_t *longer = calloc(1, image_size + PAGE);
	bool good = true;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int ret;

		store(image, sizes[i]);
		ret = try_open();
		if (ret != -EBADMSG && !(sizes[i] < 20 && ret == -EINVAL)) {
			diag("%zu bytes: %d %s", sizes[i], ret, err.text);
			good = false;
		}
	}
	ok(good, "cut at any place");
	store(image, image_size);
	if (truncate(bad_path, image_size + PAGE))
		good = false;
	ok(good && try_open() == -EBADMSG, "with a page too many");
	memmove(longer, image, image_size - PAGE);
	memcpy(longer + image_size, image + image_size - PAGE, PAGE);
	store(longer, image_size + PAGE);
	ok(try_open() == -EBADMSG, "with a page before the trailer");
	free(longer);
	store(image, image_size);
	ok(try_open() == 0, "whole, it opens");
}

static void test_flipped(void)
{
	size_t at, n = 0, opened = 0, step = image_size / 500 | 1;

	for (at = 0; at < image_size; at += step, n++) {
		/* what follows the trailer's fields is no content */
		if (at >= image_size - PAGE + sizeof(struct fz_store_trailer))
			break;
		image[at] ^= 1 << at % 8;
		store(image, image_size);
		if (!try_open()) {
			diag("a flip at %zu goes unseen", at);
			opened++;
		}
		image[at] ^= 1 << at % 8;
	}
	ok(n > 400 && !opened, "a flipped bit at %zu places", n);
	at = image_size - PAGE + offsetof(struct fz_store_trailer, schema);
	image[at]++;
	store(image, image_size);
	ok(try_open() == -EINVAL && strstr(err.text, "schema"), "another schema");
	image[at]--;
}

static void test_owner(void)
{
	store(image, image_size);
	chmod(bad_path, 0666);
	ok(try_open() == -EPERM && strstr(err.text, "anyone may write"), "writable by anyone");
	chmod(bad_path, 0644);
	if (geteuid() || chown(bad_path, 12345, -1)) {
		skip("only root can give a file away");
		return;
	}
	ok(try_open() == -EPERM && strstr(err.text, "user 12345"), "owned by somebody else");
	unlink(bad_path);
}

/* ------------------------------------------------------ sealed, but wrong inside */

struct edit {
	MDB_txn *txn;
	MDB_dbi dbi[FZ_DB_TABLES];
};

static MDB_val val(void *data, size_t len)
{
	return (MDB_val) { len, data };
}

static void drop(struct edit *e, enum fz_db_table table, void *key, size_t len)
{
	MDB_val k = val(key, len);

	if (mdb_del(e->txn, e->dbi[table], &k, NULL))
		diag("nothing to delete");
}

/* The first record of a table, copied. */
static void first(struct edit *e, enum fz_db_table table, void *key, size_t *key_len, void *data,
		  size_t *len)
{
	MDB_cursor *c;
	MDB_val k, v;

	mdb_cursor_open(e->txn, e->dbi[table], &c);
	if (mdb_cursor_get(c, &k, &v, MDB_FIRST))
		diag("empty table");
	memcpy(key, k.mv_data, *key_len = k.mv_size);
	memcpy(data, v.mv_data, *len = v.mv_size);
	mdb_cursor_close(c);
}

static void put(struct edit *e, enum fz_db_table table, void *key, size_t key_len, void *data,
		size_t len)
{
	MDB_val k = val(key, key_len), v = val(data, len);

	if (mdb_put(e->txn, e->dbi[table], &k, &v, 0))
		diag("cannot put");
}

static uint8_t key[512], data[8192];
static size_t key_len, data_len;

static void change_page(struct edit *e, void (*change)(struct fz_db_page *rec), bool keep)
{
	struct fz_db_page rec;
	MDB_val k, v;

	first(e, FZ_DB_PAGES, key, &key_len, &rec, &data_len);
	k = val(key, key_len);
	v = val(&rec, sizeof(rec));
	if (!keep)
		mdb_del(e->txn, e->dbi[FZ_DB_PAGES], &k, &v);
	if (!change)
		return;
	change(&rec);
	put(e, FZ_DB_PAGES, key, key_len, &rec, sizeof(rec));
}

static void file_999(struct fz_db_page *rec) { rec->file = htobe32(999); }
static void file_0(struct fz_db_page *rec) { rec->file = 0; }
static void page_77(struct fz_db_page *rec) { rec->page = htobe32(77); }
static void other_hash(struct fz_db_page *rec) { rec->xxh64 ^= 1; }

static void page_of_no_file(struct edit *e) { change_page(e, file_999, false); }
static void page_of_file_0(struct edit *e) { change_page(e, file_0, false); }
static void page_of_no_segment(struct edit *e) { change_page(e, page_77, false); }
static void page_missing(struct edit *e) { change_page(e, NULL, false); }
static void page_twice(struct edit *e) { change_page(e, other_hash, true); }

static void file_missing(struct edit *e)
{
	uint32_t id = 7;

	drop(e, FZ_DB_FILES, &id, sizeof(id));
}

static void sketch_missing(struct edit *e)
{
	uint64_t id = 7ULL << 32;

	drop(e, FZ_DB_SKETCHES, &id, sizeof(id));
}

static void sketch_short(struct edit *e)
{
	first(e, FZ_DB_SKETCHES, key, &key_len, data, &data_len);
	put(e, FZ_DB_SKETCHES, key, key_len, data, data_len - 1);
}

static void sketch_extra(struct edit *e)
{
	uint64_t id = 999ULL << 32;

	put(e, FZ_DB_SKETCHES, &id, sizeof(id), data, 16);
}

static void edit_file(struct edit *e, size_t at, uint8_t value, int longer)
{
	first(e, FZ_DB_FILES, key, &key_len, data, &data_len);
	data[at] = value;
	put(e, FZ_DB_FILES, key, key_len, data, data_len + longer);
}

static void file_longer(struct edit *e) { edit_file(e, 0, 0, 1); }
static void file_content(struct edit *e) { edit_file(e, 0, data[0] + 1, 0); }

static void file_pages(struct edit *e)
{
	edit_file(e, offsetof(struct fz_db_file, pages), 99, 0);
}

static void file_package(struct edit *e)
{
	edit_file(e, offsetof(struct fz_db_file, package), 99, 0);
}

static void file_segments(struct edit *e)
{
	edit_file(e, offsetof(struct fz_db_file, nsegments), 0, 0);
}

static void segment_huge(struct edit *e)
{
	edit_file(e, sizeof(struct fz_db_file) + offsetof(struct fz_db_segment, pages) + 2, 9, 0);
}

static void package_strings(struct edit *e)
{
	first(e, FZ_DB_PACKAGES, key, &key_len, data, &data_len);
	put(e, FZ_DB_PACKAGES, key, key_len, data, data_len - 1);
}

static void package_name(struct edit *e)
{
	first(e, FZ_DB_PACKAGES, key, &key_len, data, &data_len);
	data[0] = 'q';
	put(e, FZ_DB_PACKAGES, key, key_len, data, data_len);
}

static void ident_missing(struct edit *e)
{
	key_len = 1;
	first(e, FZ_DB_IDENTS, key, &key_len, data, &data_len);
	drop(e, FZ_DB_IDENTS, key, key_len);	/* the archive's: nothing is wrong */
	first(e, FZ_DB_IDENTS, key, &key_len, data, &data_len);
	drop(e, FZ_DB_IDENTS, key, key_len);
}

static void ident_extra(struct edit *e)
{
	first(e, FZ_DB_IDENTS, key, &key_len, data, &data_len);
	key[0] = 'F';
	put(e, FZ_DB_IDENTS, key, key_len, data, data_len);
}

static void archive_of_nothing(struct edit *e)
{
	first(e, FZ_DB_IDENTS, key, &key_len, data, &data_len);
	data[0] = 99;
	put(e, FZ_DB_IDENTS, key, key_len, data, data_len);
}

static void extra_of_nothing(struct edit *e)
{
	struct fz_db_extra extra = { htobe32(999), htobe32(FZ_BLOB_SITES), 0 };

	put(e, FZ_DB_EXTRAS, &extra, sizeof(extra), data, 3);
}

static void extra_blob(struct edit *e)
{
	struct fz_db_extra extra = { htobe32(1), htobe32(FZ_BLOBS), 0 };

	put(e, FZ_DB_EXTRAS, &extra, sizeof(extra), data, 3);
}

static void contents_too_many(struct edit *e)
{
	struct fz_db_extra extra = { htobe32(1), htobe32(FZ_BLOB_PAGES), 0 };

	put(e, FZ_DB_EXTRAS, &extra, sizeof(extra), data, 3);
}

static void contents_missing(struct edit *e)
{
	first(e, FZ_DB_EXTRAS, key, &key_len, data, &data_len);
	drop(e, FZ_DB_EXTRAS, key, key_len);
}

static void contents_damaged(struct edit *e)
{
	first(e, FZ_DB_EXTRAS, key, &key_len, data, &data_len);
	put(e, FZ_DB_EXTRAS, key, key_len, data, data_len / 2);
}

/* Sound zstd, of another file's pages. */
static void contents_other(struct edit *e)
{
	static uint8_t pages[3 * PAGE];

	memset(pages, 0x55, sizeof(pages));
	first(e, FZ_DB_EXTRAS, key, &key_len, data, &data_len);
	put(e, FZ_DB_EXTRAS, key, key_len, data,
	    ZSTD_compress(data, sizeof(data), pages, sizeof(pages), 1));
}

static void put_anchor(struct edit *e, uint32_t file, uint32_t page)
{
	struct fz_db_anchor anchor = { htobe64(1), htobe32(file), htobe32(page) };
	uint32_t zero = 0;

	put(e, FZ_DB_ANCHORS, &zero, sizeof(zero), &anchor, sizeof(anchor));
}

static void anchor_of_nothing(struct edit *e) { put_anchor(e, 999, 0); }
static void anchor_of_no_page(struct edit *e) { put_anchor(e, 1, 3); }

static void file_kind(struct edit *e)
{
	edit_file(e, offsetof(struct fz_db_file, kind), 77, 0);
}

static void unchanged(struct edit *e) { (void)e; }

static const struct {
	const char *name, *says;
	void (*edit)(struct edit *e);
} edits[] = {
	{ "nothing", "", unchanged },
	{ "a page of a file that is not there", "not there, 999", page_of_no_file },
	{ "a page of file 0", "not there, 0", page_of_file_0 },
	{ "a page outside its file's segments", "not executable", page_of_no_segment },
	{ "a page without a record", "number of page records", page_missing },
	{ "a page with two records", "two records", page_twice },
	{ "a missing file", "no file of that number, 7", file_missing },
	{ "a file record too long", "file record, 1", file_longer },
	{ "a file record changed", "ident of file, 1", file_content },
	{ "a wrong number of pages", "number of pages of file, 1", file_pages },
	{ "a file of no package", "no such package, 99", file_package },
	{ "a file without segments", "file record, 1", file_segments },
	{ "a segment past the end", "end of file, 1", segment_huge },
	{ "missing sketches", "sketches of file, 7", sketch_missing },
	{ "sketches cut short", "sketches of file, 1", sketch_short },
	{ "sketches of nothing", "sketches of nothing", sketch_extra },
	{ "a package cut short", "package record, 1", package_strings },
	{ "a package changed", "ident of package, 1", package_name },
	{ "a missing ident", "ident of", ident_missing },
	{ "an ident of nothing", "idents of nothing", ident_extra },
	{ "an archive of nothing", "not there, 99", archive_of_nothing },
	{ "a kind of file that is none", "kind of file, 1", file_kind },
	{ "an extra of a file that is not there", "not there, 999", extra_of_nothing },
	{ "an extra of no kind", "kind or size of an extra", extra_blob },
	{ "contents of a file that has none", "contents of nothing", contents_too_many },
	{ "contents missing", "contents of file, 41", contents_missing },
	{ "contents cut", "contents of file, 41", contents_damaged },
	{ "other contents", "not the page's, in file, 41", contents_other },
	{ "an anchor in a file that is not there", "not there, 999", anchor_of_nothing },
	{ "an anchor in no page", "not executable of file, 1", anchor_of_no_page },
};

#define EDITS (sizeof(edits) / sizeof(edits[0]))

/* Edit the database through LMDB and seal it again. */
static bool rewrite(void (*edit)(struct edit *e))
{
	struct edit e;
	MDB_env *env;
	int i, fd, rc;

	store(image, image_size - PAGE);
	mdb_env_create(&env);
	mdb_env_set_maxdbs(env, FZ_DB_TABLES);
	mdb_env_set_mapsize(env, 4 * image_size);
	rc = mdb_env_open(env, bad_path, MDB_NOSUBDIR | MDB_NOLOCK, 0644);
	if (!rc)
		rc = mdb_txn_begin(env, NULL, 0, &e.txn);
	for (i = 0; !rc && i < FZ_DB_TABLES; i++)
		rc = mdb_dbi_open(e.txn, fz_db_kind.tables[i].name, 0, &e.dbi[i]);
	if (!rc) {
		edit(&e);
		rc = mdb_txn_commit(e.txn);
	}
	mdb_env_close(env);
	fd = open(bad_path, O_RDWR);
	rc |= fz_store_seal(&fz_db_kind, fd, bad_path, &err);
	close(fd);
	return !rc;
}

static void test_wrong(void)
{
	size_t i;

	for (i = 0; i < EDITS; i++) {
		struct fz_hashdb *db = NULL;
		bool sealed = rewrite(edits[i].edit);
		int ret, want = *edits[i].says ? -EBADMSG : 0;

		err.text[0] = '\0';
		ret = fz_hashdb_open(&db, bad_path, &err);
		if (!ret)
			ret = fz_hashdb_check(db, &err);
		if (!ok(sealed && ret == want && strstr(err.text, edits[i].says), "check: %s",
			edits[i].name))
			diag("%d, %s", ret, err.text);
		if (db)
			fz_hashdb_close(db);
	}
}

int main(void)
{
	plan(14 + EDITS);
	strcpy(dir, "/tmp/fz-test-damage-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(good_path, sizeof(good_path), "%s/good.db", dir);
	snprintf(bad_path, sizeof(bad_path), "%s/bad.db", dir);
	if (build()) {
		diag("%s", err.text);
		return 1;
	}
	load();
	test_foreign();
	test_truncated();
	test_flipped();
	test_owner();
	test_wrong();
	unlink(good_path);
	unlink(bad_path);
	rmdir(dir);
	free(image);
	return done();
}
