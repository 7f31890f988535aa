// SPDX-License-Identifier: GPL-2.0-only
/*
 * db_add.c - "fitzroy db add": packages, trees and files into the database
 *
 * Each argument is added whole or not at all. The file is written once, at the
 * end, so an interrupted command leaves it as it was.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "cmd.h"
#include "db.h"
#include "elffile.h"
#include "hashdb_write.h"
#include "package.h"
#include "tree.h"

#define NOTES_MAX	100		/* lines for one argument */
#define PUBLISH_PAGES	(1UL << 22)	/* bounds memory: about 250 MB */
#define READ_BYTES	(1 << 20)

struct tally {
	uint64_t skipped;	/* ELF files that can't run from the file, or lie */
	uint64_t other;		/* files that are not ELF */
	uint64_t known;		/* files that were in the database before */
};

struct adding {
	struct fz_hashdb_writer *w;
	struct tally tally;
	const char *archive;	/* the package being read, or NULL */
	uint32_t archive_files;
	unsigned int notes;
	bool tty;
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static int check_stopped(struct fz_error *err)
{
	return stopped ? fz_fail(err, -EINTR, "interrupted") : 0;
}

static void progress(const struct adding *a, const char *what)
{
	if (a->tty)
		fprintf(stderr, "\r\033[K%.70s", what);
}

static void note(void *ctx, const char *path, bool skipped, const char *why)
{
	struct adding *a = ctx;
	struct fz_error line;

	a->tally.skipped += skipped;
	if (++a->notes > NOTES_MAX)
		return;
	progress(a, "");
	/* fz_fail() makes a hostile name harmless */
	fz_fail(&line, 0, "%s%s%s: %s%s", a->archive ? a->archive : "", a->archive ? ": " : "",
		path, skipped ? "skipped: " : "", why);
	trouble("%s", line.text);
}

static int other(void *ctx, struct fz_error *err)
{
	struct adding *a = ctx;

	a->tally.other++;
	return check_stopped(err);
}

static void name_package(struct fz_hashdb_file *f, const struct fz_package *p)
{
	f->package = (char *)p->name;
	f->source = (char *)p->source;
	f->version = (char *)p->version;
	f->source_version = (char *)p->source_version;
	f->arch = (char *)p->arch;
}

static int add_file(struct adding *a, const struct fz_package *package, const char *path,
		    const struct fz_elf *elf, const void *data, size_t size, struct fz_error *err)
{
	struct fz_hashdb_segment segments[FZ_ELF_SEGMENTS];
	char build_id[2 * FZ_ELF_BUILD_ID + 1] = "";
	struct fz_hashdb_file f = {
		.path = (char *)path,
		.arch = (char *)fz_elf_arch(elf),
		.build_id = build_id,
		.pie = elf->type == ET_DYN,
		.entry = elf->entry,
		.machine = elf->machine,
		.is64 = elf->is64,
		.nsegments = elf->nsegments,
		.segments = segments,
	};
	size_t i;

	for (i = 0; i < elf->build_id_len; i++)
		sprintf(build_id + 2 * i, "%02x", elf->build_id[i]);
	for (i = 0; i < elf->nsegments; i++)
		segments[i] = (struct fz_hashdb_segment) {
			.offset = elf->segments[i].offset,
			.vaddr = elf->segments[i].vaddr,
			.pages = elf->segments[i].pages,
		};
	if (package)
		name_package(&f, package);
	return fz_hashdb_write_file(a->w, &f, data, size, err);
}

static int add_elf(void *ctx, const struct fz_package *package, const char *path,
		   const void *data, size_t size, struct fz_error *err)
{
	struct adding *a = ctx;
	struct fz_error why;
	struct fz_elf elf;
	int ret;

	ret = check_stopped(err);
	if (ret)
		return ret;
	progress(a, a->archive ? a->archive : path);
	ret = fz_elf_parse(&elf, data, size, &why);
	if (!ret) {
		a->tally.skipped++;	/* object files, modules, data: nothing is wrong */
		return 0;
	}
	if (ret > 0)
		ret = add_file(a, package, path, &elf, data, size, &why);
	if (ret == -EINVAL) {
		note(a, path, true, why.text);
		return 0;
	}
	if (ret < 0)
		return fz_fail(err, ret, "%s: %s", path, why.text);
	a->tally.known += !ret;
	a->archive_files++;
	return 0;
}

static int sha256_fd(int fd, uint8_t sha256[32], struct fz_error *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *buf = malloc(READ_BYTES);
	off_t pos = 0;
	ssize_t n = -1;
	int good = buf && ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

	while (good && (n = pread(fd, buf, READ_BYTES, pos)) > 0) {
		good = EVP_DigestUpdate(ctx, buf, n);
		pos += n;
	}
	good = good && !n && EVP_DigestFinal_ex(ctx, sha256, NULL);
	EVP_MD_CTX_free(ctx);
	free(buf);
	return good ? 0 : fz_fail(err, -EIO, "it cannot be read: %s", strerror(errno));
}

static int add_package(void *ctx, const char *path, int fd, struct fz_error *err);

static const struct fz_harvest *harvest(struct adding *a)
{
	static struct fz_harvest h = {
		.elf = add_elf,
		.package = add_package,
		.other = other,
		.note = note,
	};

	h.ctx = a;
	return &h;
}

static int add_package(void *ctx, const char *path, int fd, struct fz_error *err)
{
	struct adding *a = ctx;
	struct fz_hashdb_file f = { .path = "" };
	struct fz_package package;
	struct fz_error why;
	uint8_t sha256[32];
	uint32_t files;
	int ret;

	ret = sha256_fd(fd, sha256, err);
	if (!ret)
		ret = fz_hashdb_write_has_archive(a->w, sha256, &files, err);
	if (ret < 0)
		return ret;
	if (ret) {
		a->tally.known += files;
		return 0;
	}
	a->archive = path;
	a->archive_files = 0;
	ret = fz_package_read(&package, fd, harvest(a), &why);
	a->archive = NULL;
	if (ret)
		return fz_fail(err, ret, "%s: %s", path, why.text);
	name_package(&f, &package);
	ret = fz_hashdb_write_package(a->w, &f, err);
	if (ret >= 0)
		ret = fz_hashdb_write_archive(a->w, sha256, &f, a->archive_files, err);
	return ret < 0 ? ret : 0;
}

/* An ELF file that was named: what a tree would only note is an error. */
static int add_single(struct adding *a, const char *path, int fd, struct fz_error *err)
{
	struct fz_buffer buf = { 0 };
	char place[PATH_MAX], clean[PATH_MAX];
	struct fz_error why;
	struct fz_elf elf;
	int ret;

	ret = fz_buffer_read(&buf, fd, FZ_ELF_MAX, &why);
	if (!ret && (!realpath(path, place) || fz_path_clean(place, clean, sizeof(clean))))
		ret = fz_fail(&why, -EINVAL, "its path makes no sense");
	if (!ret)
		ret = fz_elf_parse(&elf, buf.p, buf.len, &why);
	if (!ret) {
		note(a, path, true, why.text);
	} else if (ret > 0) {
		ret = add_file(a, NULL, clean, &elf, buf.p, buf.len, &why);
		a->tally.known += !ret;
	}
	free(buf.p);
	return ret < 0 ? fz_fail(err, ret, "%s: %s", path, why.text) : 0;
}

static int add_path(struct adding *a, const char *path, struct fz_error *err)
{
	struct fz_error why;
	struct stat st;
	int fd, ret;

	progress(a, path);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		ret = fz_fail(err, -errno, "%s: %s", path, strerror(errno));
	} else if (S_ISDIR(st.st_mode)) {
		ret = fz_tree_read(path, harvest(a), &why);
		if (ret)
			fz_fail(err, ret, "%s: %s", path, why.text);
	} else {
		ret = S_ISREG(st.st_mode) ? fz_kind(fd) : FZ_KIND_OTHER;
		if (ret == FZ_KIND_PACKAGE)
			ret = add_package(a, path, fd, err);
		else if (ret == FZ_KIND_ELF)
			ret = add_single(a, path, fd, err);
		else
			ret = fz_fail(err, -EINVAL,
				      "%s: it is no Debian package, ELF file or directory", path);
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

/* All of @path or nothing. */
static int add_argument(struct adding *a, const char *path, struct fz_error *err)
{
	struct tally before = a->tally;
	int ret;

	a->notes = 0;
	a->archive = NULL;
	ret = add_path(a, path, err);
	if (!ret)
		ret = check_stopped(err);
	progress(a, "");
	if (a->notes > NOTES_MAX)
		trouble("%s: %u more lines of this kind", path, a->notes - NOTES_MAX);
	if (ret) {
		fz_hashdb_write_undo(a->w);
		a->tally = before;
		return ret;
	}
	fz_hashdb_write_keep(a->w);
	if (fz_hashdb_write_pending(a->w) >= PUBLISH_PAGES)
		ret = fz_hashdb_write_publish(a->w, err);
	return ret;
}

static void print_summary(const struct adding *a)
{
	struct fz_hashdb_added n;

	fz_hashdb_write_added(a->w, &n);
	printf("added %" PRIu64 " files, %" PRIu64 " pages from %" PRIu64 " packages; %" PRIu64
	       " skipped, %" PRIu64 " not ELF, %" PRIu64 " known before\n",
	       n.files, n.pages, n.packages, a->tally.skipped, a->tally.other, a->tally.known);
}

int db_add(const char *db, int n, char **paths)
{
	struct adding a = { .tty = isatty(STDERR_FILENO) };
	struct fz_error err;
	int i, ret = 0, code = EXIT_DONE, added = 0;

	if (fz_hashdb_write_open(&a.w, db, &err))
		return trouble("%s", err.text);
	catch_signals();
	for (i = 0; i < n && ret != -EINTR; i++) {
		ret = add_argument(&a, paths[i], &err);
		added += !ret;
		if (ret == -EINTR)
			code = trouble("interrupted; %s is as it was", db);
		else if (ret)
			code = trouble("%s", err.text);
	}
	if (ret != -EINTR && added) {
		ret = fz_hashdb_write_publish(a.w, &err);
		if (ret)
			code = trouble("%s", err.text);
		else
			print_summary(&a);
	}
	fz_hashdb_write_close(a.w);
	return finish_stdout(code);
}
