// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_package.c - Debian packages and installed roots, sound and hostile
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "control.h"
#include "package.h"
#include "tap.h"
#include "tree.h"

#define FUZZ_SECONDS	3
#define MAX		(1 << 20)

static const char elf[] = "\177ELF and what follows";
static const char control[] = "Package: foo\nSource: bar (1.1)\nVersion: 1.2-3+b1\n"
			      "Architecture: amd64\nDescription: x\n Package: not-this\n";

/* What a harvest gave. */
static struct {
	int elves, others, packages, notes;
	char last[4096], note[8192];
	struct fz_package package;
	bool owned, content;
} got;

static int take_elf(void *ctx, const struct fz_package *p, const char *path, const void *data,
		    size_t size, struct fz_error *err)
{
	(void)ctx;
	(void)err;
	got.elves++;
	snprintf(got.last, sizeof(got.last), "%s", path);
	got.owned = p;
	if (p)
		got.package = *p;
	got.content = size >= sizeof(elf) && !memcmp(data, elf, sizeof(elf));
	return 0;
}

static int take_package(void *ctx, const char *path, int fd, struct fz_error *err)
{
	(void)ctx;
	(void)path;
	(void)err;
	got.packages += fd >= 0;
	return 0;
}

static int take_other(void *ctx, struct fz_error *err)
{
	(void)ctx;
	(void)err;
	got.others++;
	return 0;
}

static void take_note(void *ctx, const char *path, bool skipped, const char *why)
{
	(void)ctx;
	(void)skipped;
	got.notes++;
	snprintf(got.note, sizeof(got.note), "%s: %s", path, why);
}

static const struct fz_harvest harvest = {
	.file = take_elf, .package = take_package, .other = take_other, .note = take_note,
};

/* ------------------------------------------------------------ making packages */

struct member {
	const char *name, *data;
	size_t size;
	const char *link;	/* hard link to */
};

static const struct member files[] = {
	{ "./usr/share/doc/foo", "text", 4, NULL },
	{ "./usr/bin/foo", elf, sizeof(elf), NULL },
	{ "./usr/bin/foo2", NULL, 0, "./usr/bin/foo" },
};

static const struct member control_file = { "./control", control, sizeof(control) - 1, NULL };

static size_t make_tar(void *out, int filter, const struct member *m, size_t n)
{
	struct archive_entry *e = archive_entry_new();
	struct archive *a = archive_write_new();
	size_t used = 0;

	archive_write_set_format_gnutar(a);
	if (archive_write_add_filter(a, filter) != ARCHIVE_OK)
		diag("no filter %d", filter);
	archive_write_set_bytes_in_last_block(a, 1);
	archive_write_open_memory(a, out, MAX, &used);
	for (; n--; m++) {
		archive_entry_clear(e);
		archive_entry_set_pathname(e, m->name);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0755);
		archive_entry_set_size(e, m->size);
		if (m->link)
			archive_entry_set_hardlink(e, m->link);
		archive_write_header(a, e);
		if (m->size)
			archive_write_data(a, m->data, m->size);
	}
	archive_write_close(a);
	archive_write_free(a);
	archive_entry_free(e);
	return used;
}

static size_t make_ar(void *out, const struct member *m, size_t n)
{
	struct archive_entry *e = archive_entry_new();
	struct archive *a = archive_write_new();
	size_t used = 0;

	archive_write_set_format_ar_svr4(a);
	archive_write_set_bytes_in_last_block(a, 1);
	archive_write_open_memory(a, out, MAX, &used);
	for (; n--; m++) {
		archive_entry_clear(e);
		archive_entry_set_pathname(e, m->name);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0644);
		archive_entry_set_size(e, m->size);
		archive_write_header(a, e);
		archive_write_data(a, m->data, m->size);
	}
	archive_write_close(a);
	archive_write_free(a);
	archive_entry_free(e);
	return used;
}

static uint8_t ctar[MAX], dtar[MAX], deb[MAX];
static size_t ctar_size, dtar_size, deb_size;

/* All that a package has, in its order. */
static void make_deb(int filter, const struct member *data, size_t n)
{
	struct member m[3] = { { "debian-binary", "2.0\n", 4, NULL } };

	ctar_size = make_tar(ctar, filter, &control_file, 1);
	dtar_size = make_tar(dtar, filter, data, n);
	m[1] = (struct member) { "control.tar.x", (char *)ctar, ctar_size, NULL };
	m[2] = (struct member) { "data.tar.x", (char *)dtar, dtar_size, NULL };
	deb_size = make_ar(deb, m, 3);
}

static struct fz_error err;

static int read_bytes(const void *data, size_t size)
{
	struct fz_package p;
	int fd = memfd_create("deb", MFD_CLOEXEC), ret;

	memset(&got, 0, sizeof(got));
	err.text[0] = '\0';
	if (write(fd, data, size) != (ssize_t)size)
		diag("short write");
	ret = fz_package_read(&p, fd, &harvest, &err);
	close(fd);
	return ret;
}

/* ----------------------------------------------------------------------- tests */

static const struct {
	const char *name;
	int filter;
} filters[] = {
	{ "none", ARCHIVE_FILTER_NONE }, { "gzip", ARCHIVE_FILTER_GZIP },
	{ "xz", ARCHIVE_FILTER_XZ }, { "zstd", ARCHIVE_FILTER_ZSTD },
	{ "bzip2", ARCHIVE_FILTER_BZIP2 }, { "lzma", ARCHIVE_FILTER_LZMA },
};

#define FILTERS (sizeof(filters) / sizeof(filters[0]))

static void test_compressions(void)
{
	size_t i, cut;
	bool good;

	for (i = 0; i < FILTERS; i++) {
		make_deb(filters[i].filter, files, 3);
		ok(read_bytes(deb, deb_size) == 0 && got.elves == 1 && got.others == 1 &&
		   got.content && !strcmp(got.last, "/usr/bin/foo") && !got.notes,
		   "compressed with %s: one ELF file, under its first name", filters[i].name);
		for (good = true, cut = 0; cut < deb_size - 2; cut += 1 + cut / 50)
			if (read_bytes(deb, cut) != -EINVAL) {
				diag("cut at %zu of %zu", cut, deb_size);
				good = false;
			}
		ok(good, "compressed with %s: refused if cut at any place", filters[i].name);
	}
	ok(!read_bytes(deb, deb_size) && !strcmp(got.package.name, "foo") && !strcmp(got.package.source, "bar") &&
	   !strcmp(got.package.version, "1.2-3+b1") && !strcmp(got.package.arch, "amd64") &&
	   !strcmp(got.package.source_version, "1.1"), "what its control file says");
}

static size_t compress_xz(void *out, const void *data, size_t size)
{
	struct archive_entry *e = archive_entry_new();
	struct archive *a = archive_write_new();
	size_t used = 0;

	archive_write_set_format_raw(a);
	archive_write_add_filter_xz(a);
	archive_write_set_bytes_in_last_block(a, 1);
	archive_write_open_memory(a, out, MAX, &used);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_write_header(a, e);
	archive_write_data(a, data, size);
	archive_write_close(a);
	archive_write_free(a);
	archive_entry_free(e);
	return used;
}

/*
 * Damage that only the compressor's own checks show, and only to who reads on
 * behind the end of the tar. (libarchive verifies them for xz, not for gzip.)
 */
static void test_checksum(void)
{
	static uint8_t tar[MAX];
	struct member m[3] = { { "debian-binary", "2.0\n", 4, NULL } };

	make_deb(ARCHIVE_FILTER_XZ, files, 3);
	deb[deb_size - (dtar_size & 1) - dtar_size / 2] ^= 1;
	ok(read_bytes(deb, deb_size) == -EINVAL, "a flipped bit in xz is seen");
	memset(tar, 0, sizeof(tar));
	make_tar(tar, ARCHIVE_FILTER_NONE, files, 3);
	dtar_size = compress_xz(dtar, tar, sizeof(tar));
	m[1] = (struct member) { "control.tar.x", (char *)ctar, ctar_size, NULL };
	m[2] = (struct member) { "data.tar.x", (char *)dtar, dtar_size, NULL };
	deb_size = make_ar(deb, m, 3);
	ok(read_bytes(deb, deb_size) == 0 && got.elves == 1, "a tar with a long end");
	deb[deb_size - (dtar_size & 1) - 12] ^= 1;	/* the footer's CRC32 */
	ok(read_bytes(deb, deb_size) == -EINVAL, "a wrong checksum behind it is seen");
}

static void expect(const char *name, const struct member *m, size_t n, const char *says)
{
	deb_size = make_ar(deb, m, n);
	if (!ok(read_bytes(deb, deb_size) == -EINVAL && strstr(err.text, says), "%s", name))
		diag("'%s'", err.text);
}

static void test_bad(void)
{
	struct member v = { "debian-binary", "2.0\n", 4, NULL }, v3 = v, c, d, junk, no_name;
	static uint8_t other[MAX];
	struct member bare = { "./control", "Version: 1\nArchitecture: all\n", 29, NULL };

	make_deb(ARCHIVE_FILTER_XZ, files, 3);
	c = (struct member) { "control.tar.xz", (char *)ctar, ctar_size, NULL };
	d = (struct member) { "data.tar.xz", (char *)dtar, dtar_size, NULL };
	junk = (struct member) { "data.tar.xz", "this is no tar, compressed or not, is it", 40, NULL };
	v3.data = "3.0\n";
	no_name = c;
	no_name.data = (char *)other;
	no_name.size = make_tar(other, ARCHIVE_FILTER_XZ, &bare, 1);

	expect("an archive of something else", &c, 1, "no Debian package");
	expect("another format version", (struct member[]){ v3, c, d }, 3, "format 2");
	expect("no data", (struct member[]){ v, c }, 2, "no data.tar");
	expect("no control file", (struct member[]){ v, d }, 2, "not where");
	expect("control after data", (struct member[]){ v, d, c }, 3, "not where");
	expect("two data.tar", (struct member[]){ v, c, d, d }, 4, "not where");
	expect("data that is no tar", (struct member[]){ v, c, junk }, 3, "damaged");
	expect("a control file without a name", (struct member[]){ v, no_name, d }, 3,
	       "no Package");
	d.size = make_tar(dtar, ARCHIVE_FILTER_NONE, files, 3);
	dtar[1024 + 150] ^= 1;	/* in the second file's header: its own checksum */
	expect("a broken header within the tar", (struct member[]){ v, c, d }, 3, "damaged");
	ok(read_bytes("!<arch>\n", 8) == -EINVAL && read_bytes("", 0) == -EINVAL &&
	   read_bytes("hello, world", 12) == -EINVAL, "an empty archive, nothing, a text");
}

static void test_paths(void)
{
	static const struct {
		const char *name, *path;	/* NULL: refused */
	} names[] = {
		{ "./usr/bin/x", "/usr/bin/x" }, { "usr/bin/x", "/usr/bin/x" },
		{ "/usr//bin/./x", "/usr/bin/x" }, { "./usr/\xc3\xa9", "/usr/\xc3\xa9" },
		{ "../x", NULL }, { "./usr/../../x", NULL }, { "./a\nb", NULL },
		{ "./\x1b[31m", NULL }, { "./\xff", NULL }, { "./\xc0\xaf", NULL },
		{ "./\xed\xa0\x80", NULL }, { "./\xc2\x85", NULL }, { "", NULL }, { ".", NULL },
		{ "./..x", "/..x" },
	};
	char path[4096], longer[6000];
	bool good = true;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int ret = fz_path_clean(names[i].name, path, sizeof(path));

		if (names[i].path ? ret || strcmp(path, names[i].path) : ret != -EINVAL) {
			diag("path %zu", i);
			good = false;
		}
	}
	ok(good, "paths are made absolute, or refused");
	memset(longer, 'x', sizeof(longer));
	longer[4095] = '\0';
	good = fz_path_clean(longer, path, sizeof(path)) == -EINVAL;
	longer[4094] = '\0';
	ok(good && fz_path_clean(longer, path, sizeof(path)) == 0 && strlen(path) == 4095,
	   "4095 bytes are the longest");
	make_deb(ARCHIVE_FILTER_NONE, (struct member[]){ { "./../../etc/x", elf, sizeof(elf), NULL },
							 { "./bin/y", elf, sizeof(elf), NULL } }, 2);
	ok(read_bytes(deb, deb_size) == 0 && got.elves == 1 && got.notes == 1 &&
	   strstr(got.note, "makes no sense"), "in a package, such a file is left out and named");
}

static void test_control(void)
{
	static const struct {
		const char *text, *source;	/* NULL: refused */
	} texts[] = {
		{ "Package: a\nVersion: 1\nArchitecture: all\n", "a" },
		{ "package:a\nVERSION:\t1 \nArchitecture: all", "a" },
		{ "Package: a\nSource: s\nVersion: 1\nArchitecture: all\n", "s" },
		{ "Package: a\nSource: s (2:1)\nVersion: 1\nArchitecture: all\n", "s" },
		{ "Package: a\nSource: s (2\nVersion: 1\nArchitecture: all\n", NULL },
		{ "Package: a\nSource: s x\nVersion: 1\nArchitecture: all\n", NULL },
		{ "Package: a\n\nVersion: 1\nArchitecture: all\n", NULL },
		{ "Package: a\nVersion: 1\n", NULL }, { "Package:\nVersion: 1\nArchitecture: x\n", NULL },
		{ "Package: a b\nVersion: 1\nArchitecture: x\n", NULL },
		{ "Package: ../a\nVersion: 1\nArchitecture: x\n", NULL },
		{ "Package: a\x1b\nVersion: 1\nArchitecture: x\n", NULL }, { "", NULL },
	};
	struct fz_package p;
	bool good = true;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *copy = strndup(texts[i].text, strlen(texts[i].text));
		int ret = fz_control_parse(&p, copy, strlen(copy), &err);

		if (texts[i].source ? ret || strcmp(p.source, texts[i].source) || strcmp(p.name, "a") :
		    ret != -EINVAL) {
			diag("control %zu: %d", i, ret);
			good = false;
		}
		free(copy);
	}
	ok(good, "control files");
}

/* ------------------------------------------------------------ installed roots */

static char root[64];

static void put(const char *path, const void *data, size_t len)
{
	char full[256], *p;
	int fd;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (p = strchr(full + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(full, 0755);
		*p = '/';
	}
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (write(fd, data, len) != (ssize_t)len)
		diag("cannot write %s", full);
	close(fd);
}

static void put_text(const char *path, const char *text)
{
	put(path, text, strlen(text));
}

static int read_root(void)
{
	memset(&got, 0, sizeof(got));
	return fz_tree_read(root, &harvest, &err);
}

static void md5_hex(char hex[33])
{
	uint8_t md5[16];
	int i;

	EVP_Digest(elf, sizeof(elf), md5, NULL, EVP_md5(), NULL);
	for (i = 0; i < 16; i++)
		sprintf(hex + 2 * i, "%02x", md5[i]);
}

static void test_root(void)
{
	char line[128], hex[33], path[256], target[256];

	strcpy(root, "/tmp/fz-test-root-XXXXXX");
	if (!mkdtemp(root))
		return;
	put("/usr/bin/ls", elf, sizeof(elf));
	ok(read_root() == 0 && got.elves == 1 && !got.owned && !strcmp(got.last, "/usr/bin/ls"),
	   "a tree with usr/: paths begin at it");
	snprintf(path, sizeof(path), "%s/bin", root);
	if (symlink("usr/bin", path))
		diag("no link");
	put_text("/var/lib/dpkg/status",
		 "Package: coreutils\nStatus: install ok installed\nVersion: 9.1-1\n"
		 "Architecture: amd64\nSource: coreutils (9.1)\n\n"
		 "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n");
	put_text("/var/lib/dpkg/info/coreutils.list", "/.\n/bin\n/bin/ls\n/usr\n");
	put_text("/var/lib/dpkg/info/gone.list", "/usr/bin/ls\n");
	ok(read_root() == 0 && got.elves == 1 && got.owned && !strcmp(got.last, "/bin/ls") &&
	   !strcmp(got.package.name, "coreutils") && !strcmp(got.package.source_version, "9.1"),
	   "an installed root: the package, and the path that it knows");
	md5_hex(hex);
	snprintf(line, sizeof(line), "%s  bin/ls\n", hex);
	put_text("/var/lib/dpkg/info/coreutils.md5sums", line);
	ok(read_root() == 0 && got.owned && !got.notes, "its md5sums agree");
	line[0] = line[0] == '0' ? '1' : '0';
	put_text("/var/lib/dpkg/info/coreutils.md5sums", line);
	ok(read_root() == 0 && got.elves == 1 && !got.owned && got.notes == 1 &&
	   strstr(got.note, "differs"), "they do not: no package vouches for the file");
	snprintf(path, sizeof(path), "%s/usr/bin/ls", root);
	snprintf(target, sizeof(target), "%s/usr/bin/ls2", root);
	if (link(path, target))
		diag("no link");
	ok(read_root() == 0 && got.elves == 1, "a second name of a file is not a second file");
	make_deb(ARCHIVE_FILTER_GZIP, files, 3);
	put("/var/cache/x", deb, deb_size);
	put("/proc/1/exe", elf, sizeof(elf));
	ok(read_root() == 0 && got.packages == 0 && got.elves == 1,
	   "cached packages and /proc are left alone");
	put_text("/var/lib/dpkg/info/coreutils.md5sums", "x\n\n  \nffff\n\xff\xfe\n");
	put_text("/var/lib/dpkg/info/coreutils.list", "\n\n/\nusr\n/bin/ls");
	ok(read_root() == 0 && got.owned, "odd lines do not matter");
	put_text("/var/lib/dpkg/status", "Package: a\nStatus: install ok installed\n\n\n\nrubbish");
	ok(read_root() == 0 && got.notes == 1 && !got.owned, "a package without a version is noted");
	snprintf(line, sizeof(line), "rm -rf %s", root);
	if (system(line))
		diag("cannot remove %s", root);
}

static void test_tree(void)
{
	char line[128];

	strcpy(root, "/tmp/fz-test-tree-XXXXXX");
	if (!mkdtemp(root))
		return;
	put("/a.txt", deb, deb_size);
	put_text("/lib.a", "!<arch>\nfoo.o/          ");
	put("/b", elf, sizeof(elf));
	snprintf(line, sizeof(line), "%s/b", root);
	ok(read_root() == 0 && got.packages == 1 && got.others == 1 && got.elves == 1 &&
	   !strcmp(got.last, line), "a plain tree: packages by content, this machine's paths");
	snprintf(line, sizeof(line), "rm -rf %s", root);
	if (system(line))
		diag("cannot remove %s", root);
	ok(fz_tree_read(root, &harvest, &err) == -ENOENT, "a tree that is not there");
}

static void fuzz(void)
{
	static uint8_t copy[MAX];
	time_t end = time(NULL) + FUZZ_SECONDS;
	unsigned int seed = time(NULL), n = 0, taken = 0;
	bool good = true;
	size_t i;

	srand(seed);
	for (; good && time(NULL) < end; n++) {
		size_t size, edits = rand() % 8;
		int ret;

		if (n % 64 == 0)
			make_deb(filters[n / 64 % FILTERS].filter, files, 3);
		memcpy(copy, deb, deb_size);
		size = rand() % 4 ? deb_size : rand() % deb_size;
		for (i = 0; i < edits; i++)
			copy[rand() % deb_size] = rand() % 2 ? rand() : "0 9\n\xff"[rand() % 5];
		ret = read_bytes(copy, size);
		good = ret == 0 || ret == -EINVAL || ret == -ENOMEM;
		taken += !ret;
	}
	ok(good && taken && taken < n, "%d seconds of random damage end in an answer",
	   FUZZ_SECONDS);
	diag("%u packages, %u taken, seed %u", n, taken, seed);
}

int main(void)
{
	plan(2 * FILTERS + 1 + 3 + 10 + 3 + 1 + 8 + 2 + 1);
	test_compressions();
	test_checksum();
	test_bad();
	test_paths();
	test_control();
	test_root();
	test_tree();
	fuzz();
	return done();
}
