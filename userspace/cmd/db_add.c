// SPDX-License-Identifier: GPL-2.0-only
/*
 * db_add.c - "fitzroy db add": packages, trees and files into the database
 *
 * Each argument is added whole or not at all. The file is written once, at the
 * end, so an interrupted command leaves it as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "cmd.h"
#include "db.h"
#include "db_ahead.h"
#include "db_progress.h"
#include "db_upx.h"
#include "formats.h"
#include "hashdb_write.h"
#include "package.h"
#include "source.h"

#define NOTES_MAX	100		/* lines for one argument */
#define PUBLISH_PAGES	(1UL << 22)	/* bounds memory: about 250 MB */
#define READ_BYTES	(1 << 20)
#define AHEAD_MAX	16		/* packages that threads read */

struct tally {
	uint64_t skipped;	/* files of a known kind that don't run from the file, or lie */
	uint64_t other;		/* files of no known kind */
	uint64_t known;		/* files that were in the database before */
};

/* A package that a thread reads. */
struct package {
	char *path;
	struct ahead_job *job;		/* NULL: it is known */
	uint8_t sha256[32];
	uint32_t files;			/* if it is known */
};

struct adding {
	struct fz_hashdb_writer *w;
	const char *release;	/* of packages that are in no root that says it, or "" */
	struct tally tally;
	const char *archive;	/* the package being read, or NULL */
	uint32_t archive_files;
	unsigned int notes;
	bool published;			/* some arguments are in the database for good */
	struct db_progress progress;
	struct ahead *ahead;		/* NULL: one processor */
	struct package queue[AHEAD_MAX];	/* to be handed over, in order */
	unsigned int nqueue;
	struct package ready[AHEAD_MAX];	/* begun: they are arguments to come */
	unsigned int nready;
	char **args;			/* those that were not looked at */
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

static bool is_stopped(void)
{
	return stopped;
}

static void progress(struct adding *a, const char *what)
{
	struct fz_hashdb_added n;

	fz_hashdb_write_added(a->w, &n);
	db_progress_show(&a->progress, n.pages, what);
}

static void note(void *ctx, const char *path, bool skipped, const char *why)
{
	struct adding *a = ctx;
	struct fz_error line;

	a->tally.skipped += skipped;
	if (++a->notes > NOTES_MAX)
		return;
	db_progress_clear(&a->progress);
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

static void name_package(const struct adding *a, struct fz_hashdb_file *f,
			 const struct fz_package *p)
{
	f->package = (char *)p->name;
	f->source = (char *)p->source;
	f->version = (char *)p->version;
	f->source_version = (char *)p->source_version;
	f->arch = (char *)p->arch;
	f->release = (char *)(*p->release ? p->release : a->release);
}

static int taken(struct adding *a, int ret)
{
	if (ret >= 0) {
		a->tally.known += !ret;
		a->archive_files++;
	}
	return ret;
}

static int take(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		struct fz_error *err)
{
	struct adding *a = ctx;

	return taken(a, fz_hashdb_write_file(a->w, f, data, size, err));
}

static int take_image(void *ctx, const struct fz_hashdb_file *f, const void *data, size_t size,
		      const void *image, size_t image_size, struct fz_error *err)
{
	struct adding *a = ctx;

	return taken(a, fz_hashdb_write_image(a->w, f, data, size, image, image_size, err));
}

static int extra(void *ctx, uint32_t blob, uint32_t index, const void *data, size_t len,
		 struct fz_error *err)
{
	struct adding *a = ctx;

	return fz_hashdb_write_extra(a->w, blob, index, data, len, err);
}

static int anchor(void *ctx, uint64_t hash, uint32_t page, struct fz_error *err)
{
	struct adding *a = ctx;

	return fz_hashdb_write_anchor(a->w, hash, page, err);
}

static int unpack(void *ctx, const char *path, const void *data, size_t size,
		  struct fz_buffer *out, struct fz_error *err)
{
	struct fz_error why;
	int ret = db_upx(data, size, out, &why);

	if (ret == -ENOMEM)
		return fz_fail(err, ret, "%s", why.text);
	if (ret <= 0)
		note(ctx, path, false, why.text);
	return ret > 0;
}

/* As struct fz_format's read(): how many programs were taken, 0, or -EINVAL if it lies. */
static int read_content(struct adding *a, const struct fz_package *package, const char *path,
			const void *data, size_t size, struct fz_error *err)
{
	const struct fz_format *format = fz_format_of(data, size);
	const struct fz_taker taker = { a, take, take_image, extra, anchor, unpack };
	struct fz_hashdb_file f = { .path = (char *)path };

	if (!format)	/* it changed since its kind was looked at */
		return fz_fail(err, -EINVAL, "it is of no known kind");
	if (package)
		name_package(a, &f, package);
	return format->read(&f, data, size, &taker, err);
}

static int add_file(void *ctx, const struct fz_package *package, const char *path,
		    const void *data, size_t size, struct fz_error *err)
{
	struct adding *a = ctx;
	struct fz_error why;
	int ret;

	ret = check_stopped(err);
	if (ret)
		return ret;
	progress(a, a->archive ? a->archive : path);
	ret = read_content(a, package, path, data, size, &why);
	if (!ret)
		a->tally.skipped++;	/* object files, data: nothing is wrong */
	if (ret >= 0)
		return 0;
	if (ret != -EINVAL)
		return fz_fail(err, ret, "%s: %s", path, why.text);
	note(a, path, true, why.text);
	return 0;
}

/* What was added is the file, as of a release: of another, it is added again. */
static int sha256_fd(int fd, const char *release, uint8_t sha256[32], struct fz_error *err)
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
	if (*release)
		good = good && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
			EVP_DigestUpdate(ctx, sha256, 32) &&
			EVP_DigestUpdate(ctx, release, strlen(release)) &&
			EVP_DigestFinal_ex(ctx, sha256, NULL);
	EVP_MD_CTX_free(ctx);
	free(buf);
	return good ? 0 : fz_fail(err, -EIO, "it cannot be read: %s", strerror(errno));
}

/* 1 = this very file was added before, with @files files in it; its SHA-256 is at @sha256. */
static int added_before(struct adding *a, int fd, uint8_t sha256[32], uint32_t *files,
			struct fz_error *err)
{
	int ret = sha256_fd(fd, a->release, sha256, err);

	return ret ? ret : fz_hashdb_write_has_archive(a->w, sha256, files, err);
}

/* ----------------------------------------------------- packages, in threads */

static void drop(struct package *p)
{
	ahead_end(p->job);
	free(p->path);
}

/* Begin with the package at @fd. 1, or 0 if no thread could be had. */
static int begin(struct adding *a, struct package *p, const char *path, int fd,
		 struct fz_error *err)
{
	char self[32];
	int own, ret;

	*p = (struct package) { .path = NULL };
	ret = added_before(a, fd, p->sha256, &p->files, err);
	if (ret < 0)
		return ret;
	if (!ret) {
		/* An offset of its own; dup() would share it. */
		snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
		own = open(self, O_RDONLY | O_CLOEXEC);
		p->job = own < 0 ? NULL : ahead_begin(a->ahead, own);
		if (!p->job) {
			if (own >= 0)
				close(own);
			return 0;
		}
	}
	p->path = strdup(path);
	if (p->path)
		return 1;
	drop(p);
	return fz_fail(err, -ENOMEM, "out of memory");
}

/* While this argument is handed over, threads begin with the next ones. */
static void begin_next(struct adding *a)
{
	struct package *p = &a->ready[a->nready];
	struct stat st;
	int fd;

	while (a->ahead && *a->args && a->nready < AHEAD_MAX && ahead_room(a->ahead)) {
		fd = open(*a->args, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
		    fz_kind_package(fz_kind(fd)) && begin(a, p, *a->args, fd, NULL) > 0) {
			a->nready++;
			p++;
		} else if (fd >= 0 && S_ISDIR(st.st_mode)) {
			close(fd);
			break;	/* it needs the threads itself */
		}
		if (fd >= 0)
			close(fd);
		a->args++;
	}
}

static struct fz_harvest harvest(struct adding *a, bool packages);

static int note_package(struct adding *a, const struct package *p,
			const struct fz_package *package, struct fz_error *err)
{
	struct fz_hashdb_file f = { .path = "" };
	int ret;

	name_package(a, &f, package);
	ret = fz_hashdb_write_package(a->w, &f, err);
	if (ret >= 0)
		ret = fz_hashdb_write_archive(a->w, p->sha256, &f, a->archive_files, err);
	return ret < 0 ? ret : 0;
}

/* Hand over what is in @p; without a job, from @fd. */
static int hand_over(struct adding *a, const struct package *p, int fd, struct fz_error *err)
{
	const struct fz_harvest h = harvest(a, false);
	uint32_t before = a->archive_files;
	struct fz_package package;
	struct fz_error why;
	int ret;

	a->archive = p->path;
	a->archive_files = 0;
	if (p->job)
		ret = ahead_replay(p->job, &package, &h, &why);
	else
		ret = fz_package_read(&package, fd, &h, &why);
	a->archive = NULL;
	if (ret)
		return fz_fail(err, ret, "%s: %s", p->path, why.text);
	ret = note_package(a, p, &package, err);
	a->archive_files += before;	/* of the archive or image that it is in */
	return ret;
}

/* The first in the queue. */
static int finish_first(struct adding *a, struct fz_error *err)
{
	struct package p = a->queue[0];
	int ret = 0;

	memmove(a->queue, a->queue + 1, --a->nqueue * sizeof(*a->queue));
	if (p.job)
		ret = hand_over(a, &p, -1, err);
	else
		a->tally.known += p.files;
	drop(&p);
	return ret;
}

static int drain(struct adding *a, struct fz_error *err)
{
	int ret = 0;

	while (!ret && a->nqueue)
		ret = finish_first(a, err);
	return ret;
}

static void drop_all(struct package *p, unsigned int *n)
{
	while (*n)
		drop(&p[--*n]);
}

/* Was it begun before its turn? Then it stands in the queue now. */
static bool was_ready(struct adding *a, const char *path)
{
	if (!a->nready || strcmp(a->ready[0].path, path))
		return false;
	a->queue[a->nqueue++] = a->ready[0];
	memmove(a->ready, a->ready + 1, --a->nready * sizeof(*a->ready));
	return true;
}

static int add_package(void *ctx, const char *path, int fd, struct fz_error *err)
{
	struct adding *a = ctx;
	struct package now = { .path = (char *)path };
	int ret;

	while (a->nqueue && (a->nqueue == AHEAD_MAX || !a->ahead || !ahead_room(a->ahead))) {
		ret = finish_first(a, err);
		if (ret)
			return ret;
	}
	if (was_ready(a, path))
		return 0;
	if (a->ahead && ahead_room(a->ahead)) {
		ret = begin(a, &a->queue[a->nqueue], path, fd, err);
		a->nqueue += ret > 0;
		if (ret)
			return ret < 0 ? ret : 0;
	}
	ret = drain(a, err);
	if (!ret)
		ret = added_before(a, fd, now.sha256, &now.files, err);
	if (ret > 0)
		a->tally.known += now.files;
	return ret ? (ret < 0 ? ret : 0) : hand_over(a, &now, fd, err);
}

/* A file that is in no package: those before it come first. */
static int add_ordered(void *ctx, const struct fz_package *package, const char *path,
		       const void *data, size_t size, struct fz_error *err)
{
	int ret = drain(ctx, err);

	return ret ? ret : add_file(ctx, package, path, data, size, err);
}

static struct fz_harvest harvest(struct adding *a, bool packages)
{
	return (struct fz_harvest) {
		.ctx = a, .file = packages ? add_ordered : add_file, .package = add_package,
		.other = other, .note = note,
	};
}

/* An archive or image. */
static int add_source(struct adding *a, const char *path, int fd, enum fz_source kind,
		      struct fz_error *err)
{
	const struct fz_hashdb_file none = { .path = "" };
	const struct fz_harvest h = harvest(a, true);
	uint8_t sha256[32];
	struct fz_error why;
	uint32_t files;
	int ret;

	ret = added_before(a, fd, sha256, &files, err);
	if (ret > 0)
		a->tally.known += files;
	if (ret)
		return ret < 0 ? ret : 0;
	a->archive_files = 0;
	ret = fz_source_read(fd, kind, &h, &why);
	if (ret)
		return fz_fail(err, ret, "%s: %s", path, why.text);
	ret = drain(a, err);
	if (ret)
		return ret;
	ret = fz_hashdb_write_archive(a->w, sha256, &none, a->archive_files, err);
	return ret < 0 ? ret : 0;
}

/* A file that was named: what a tree would only note is an error. */
static int add_single(struct adding *a, const char *path, int fd, struct fz_error *err)
{
	struct fz_buffer buf = { 0 };
	char place[PATH_MAX], clean[PATH_MAX];
	struct fz_error why;
	int ret;

	ret = fz_buffer_read(&buf, fd, FZ_FORMAT_MAX, &why);
	if (!ret && (!realpath(path, place) || fz_path_clean(place, clean, sizeof(clean))))
		ret = fz_fail(&why, -EINVAL, "its path makes no sense");
	if (!ret)
		ret = read_content(a, NULL, clean, buf.p, buf.len, &why);
	if (!ret)
		note(a, path, true, why.text);
	free(buf.p);
	return ret < 0 ? fz_fail(err, ret, "%s: %s", path, why.text) : 0;
}

static int add_regular(struct adding *a, const char *path, int fd, struct fz_error *err)
{
	int kind = fz_kind(fd);
	enum fz_source source;

	if (kind < 0)
		return fz_fail(err, kind, "%s: it cannot be read: %s", path, strerror(-kind));
	if (fz_kind_package(kind))
		return add_package(a, path, fd, err);
	/* Compressed kernel modules and compressed archives begin alike. */
	source = fz_source_kind(fd);
	if (source == FZ_SOURCE_IMAGE && kind == FZ_KIND_FILE)
		source = FZ_SOURCE_NONE;	/* a kernel has a boot sector, too */
	if (source)
		return add_source(a, path, fd, source, err);
	if (kind == FZ_KIND_FILE)
		return add_single(a, path, fd, err);
	return fz_fail(err, -EINVAL, "%s: it is no package, archive, disk image, program or directory",
		       path);
}

static int add_path(struct adding *a, const char *path, struct fz_error *err)
{
	const struct fz_harvest h = harvest(a, true);
	struct fz_error why;
	struct stat st;
	int fd, ret;

	progress(a, path);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		ret = fz_fail(err, -errno, "%s: %s", path, strerror(errno));
	} else if (S_ISDIR(st.st_mode)) {
		ret = fz_source_dir(path, &h, &why);
		if (ret)
			fz_fail(err, ret, "%s: %s", path, why.text);
	} else if (!S_ISREG(st.st_mode)) {
		ret = fz_fail(err, -EINVAL, "%s: it is no file or directory", path);
	} else {
		ret = add_regular(a, path, fd, err);
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

/* All of it or nothing. */
static int add_argument(struct adding *a, char **arg, struct fz_error *err)
{
	const char *path = *arg;
	struct tally before = a->tally;
	int ret;

	a->notes = 0;
	a->archive = NULL;
	db_progress_argument(&a->progress, path);
	if (a->args == arg)
		a->args++;
	ret = add_path(a, path, err);
	begin_next(a);
	if (!ret)
		ret = drain(a, err);
	if (!ret)
		ret = check_stopped(err);
	drop_all(a->queue, &a->nqueue);
	db_progress_clear(&a->progress);
	if (a->notes > NOTES_MAX)
		trouble("%s: %u more lines of this kind", path, a->notes - NOTES_MAX);
	if (ret) {
		fz_hashdb_write_undo(a->w);
		a->tally = before;
		/* What they hold may have been known only by what is undone. */
		drop_all(a->ready, &a->nready);
		a->args = arg + 1;
		return ret;
	}
	fz_hashdb_write_keep(a->w);
	if (fz_hashdb_write_pending(a->w) >= PUBLISH_PAGES) {
		ret = fz_hashdb_write_publish(a->w, err);
		a->published |= !ret;
	}
	return ret;
}

static void print_summary(const struct adding *a)
{
	struct fz_hashdb_added n;

	fz_hashdb_write_added(a->w, &n);
	printf("added %" PRIu64 " files, %" PRIu64 " pages from %" PRIu64 " packages; %" PRIu64
	       " skipped, %" PRIu64 " other, %" PRIu64 " known before\n",
	       n.files, n.pages, n.packages, a->tally.skipped, a->tally.other, a->tally.known);
}

int db_add(const char *db, const char *release, int n, char **paths)
{
	struct adding a = { .args = paths, .release = release };
	cpu_set_t cpus;
	struct fz_error err;
	int i, ret = 0, code = EXIT_DONE, added = 0;

	if (fz_hashdb_write_open(&a.w, db, &err))
		return trouble("%s", err.text);
	catch_signals();
	db_progress_start(&a.progress, n, paths);
	if (!sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) > 1)
		a.ahead = ahead_new(CPU_COUNT(&cpus) < AHEAD_MAX ? CPU_COUNT(&cpus) : AHEAD_MAX,
				    is_stopped);
	for (i = 0; i < n && ret != -EINTR; i++) {
		ret = add_argument(&a, &paths[i], &err);
		added += !ret;
		if (ret == -EINTR)
			code = trouble(a.published ? "interrupted; %s has what came first" :
				       "interrupted; %s is as it was", db);
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
	drop_all(a.ready, &a.nready);
	ahead_free(a.ahead);
	fz_hashdb_write_close(a.w);
	return finish_stdout(code);
}
