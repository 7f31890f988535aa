// SPDX-License-Identifier: GPL-2.0-only
/*
 * tree.c - fuzz the reader of installed roots, and of what dpkg knows of them
 *
 * The input is a row of files: which (a byte), how long (two), content.
 */
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include "formats.h"
#include "fuzz.h"
#include "harvest_fuzz.h"
#include "tree.h"

#define MAX	(1 << 14)	/* bytes of a file */

#define INFO	"var/lib/dpkg/info/"

static const char *const dirs[] = {
	"usr", "usr/bin", "usr/lib", "var", "var/lib", "var/lib/dpkg", INFO, "sbin",
};

static const char *const names[] = {
	"var/lib/dpkg/status", INFO "foo.list", INFO "foo.md5sums", INFO "bar:amd64.list",
	INFO "bar:amd64.md5sums", "usr/bin/foo", "usr/lib/bar", "sbin/foo",
	"usr/bin/a\nb\033", "usr/lib/\xc3\xa4", "usr/bin/foo2", "bin", "lib",
};

#define NAMES	(sizeof(names) / sizeof(names[0]))
#define LINK	(NAMES - 3)	/* a second name of usr/bin/foo */
#define BIN	(NAMES - 2)	/* a symbolic link, as lib is; the content is its target */
#define MD5	NAMES		/* md5sums of foo as they should be */
#define OS	(NAMES + 1)	/* os-release */
#define OS_RELEASE	"usr/lib/os-release"

static char root[64];
static int rootfd;

static void clean(void)
{
	size_t i;

	for (i = 0; i < NAMES; i++)
		unlinkat(rootfd, names[i], 0);
	unlinkat(rootfd, OS_RELEASE, 0);
}

static void remove_root(void)
{
	size_t i;

	clean();
	for (i = sizeof(dirs) / sizeof(dirs[0]); i--;)
		unlinkat(rootfd, dirs[i], AT_REMOVEDIR);
	rmdir(root);
}

static void make_root(void)
{
	const char *base = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	size_t i;

	snprintf(root, sizeof(root), "%s/fz-tree.%d", base, getpid());
	if (mkdir(root, 0700))
		abort();
	rootfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	atexit(remove_root);
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (mkdirat(rootfd, dirs[i], 0700))
			abort();
}

static void put(const char *name, const void *data, size_t len)
{
	int fd = openat(rootfd, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	if (write(fd, data, len) != (ssize_t)len)
		abort();
	close(fd);
}

static void put_md5(void)
{
	uint8_t data[MAX], md5[EVP_MAX_MD_SIZE];
	int fd = openat(rootfd, "usr/bin/foo", O_RDONLY | O_CLOEXEC), i, n = 0;
	char line[64];
	ssize_t len;

	if (fd < 0)
		return;
	len = read(fd, data, sizeof(data));
	close(fd);
	if (len < 0 || !EVP_Digest(data, len, md5, NULL, EVP_md5(), NULL))
		abort();
	for (i = 0; i < 16; i++)
		n += snprintf(line + n, sizeof(line) - n, "%02x", md5[i]);
	n += snprintf(line + n, sizeof(line) - n, "  usr/bin/foo\n");
	put(INFO "foo.md5sums", line, n);
}

static int take_elf(void *ctx, const struct fz_package *p, const char *path, const void *data,
		    size_t size, struct fz_error *err)
{
	struct fz_error why = { "" };
	struct fz_elf elf;

	(void)ctx;
	(void)err;
	CHECK(path[0] == '/' && size <= FZ_FORMAT_MAX && fz_format_of(data, size));
	CHECK(!p || !p->release[0] || fz_release_valid(p->release));
	CHECK(!p || (p->name[0] && p->version[0] && p->arch[0] && p->source[0]));
	fz_elf_parse(&elf, data, size, &why);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fz_harvest harvest = {
		.file = take_elf, .package = take_package, .other = take_other, .note = take_note,
	};
	struct input in = { data, data + size };
	struct fz_error err = { "" };
	const uint8_t *p;
	char target[64];
	size_t name, n;
	int ret;

	if (!root[0])
		make_root();
	while (left(&in)) {
		name = take(&in, 1) % (NAMES + 2);
		n = take(&in, 2);
		p = take_bytes(&in, n < MAX ? n : MAX, &n);
		if (name < LINK) {
			put(names[name], p, n);
		} else if (name == LINK) {
			if (linkat(rootfd, "usr/bin/foo", rootfd, names[name], 0))
				continue;
		} else if (name == MD5) {
			put_md5();
		} else if (name == OS) {
			put(OS_RELEASE, p, n);
		} else {
			snprintf(target, sizeof(target), "%.*s", (int)n, (const char *)p);
			if (symlinkat(target, rootfd, names[name]))
				continue;
		}
	}
	ret = fz_tree_read(root, &harvest, &err);
	check_error(ret, &err);
	clean();
	return 0;
}
