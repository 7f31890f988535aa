// SPDX-License-Identifier: GPL-2.0-only
/* db_cve.c - "fitzroy db cve": advisories and hash lists into the labels */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "advisory.h"
#include "db.h"
#include "labels_write.h"
#include "options.h"
#include "text.h"

#define READ_BYTES	(1 << 20)
#define FILES_MAX	(1U << 22)	/* of a directory */
/* NSRL's sets have 100 GB; a change of one shows in its first page. */
#define DIGEST_BYTES	(1UL << 30)

struct source {
	const char *path;
	char **names;		/* of a directory's files, in order; NULL = it is a file */
	size_t n;
	uint8_t digest[32];
	uint64_t dated;
};

static int statement(void *ctx, const char *distro, const char *package, const char *id,
		     const struct fz_statement *s, struct fz_error *err)
{
	return fz_labels_write_statement(ctx, distro, package, id, s, err);
}

static int hash(void *ctx, const uint8_t sha256[32], enum fz_label_kind kind, const char *name,
		struct fz_error *err)
{
	return fz_labels_write_hash(ctx, sha256, kind, name, err);
}

/* ----------------------------------------------------------------- the files */

static int open_file(const char *dir, const char *name, struct stat *st, struct fz_error *err)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s%s%s", dir, name ? "/" : "", name ? name : "") < 0)
		return fz_fail(err, -ENOMEM, "out of memory");
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, st)) {
		int ret = fz_fail(err, -errno, "%s: %s", path, strerror(errno));

		if (fd >= 0)
			close(fd);
		free(path);
		return ret;
	}
	free(path);
	return fd;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_directory(struct source *s, struct fz_error *err)
{
	DIR *d = opendir(s->path);
	struct dirent *e = NULL;
	size_t cap = 0;

	if (!d)
		return fz_fail(err, -errno, "%s: %s", s->path, strerror(errno));
	s->names = calloc(1, sizeof(*s->names));
	while (s->names && (e = readdir(d))) {
		if (e->d_name[0] == '.' || (e->d_type != DT_REG && e->d_type != DT_UNKNOWN))
			continue;
		if (s->n == cap) {
			char **p = reallocarray(s->names, cap ? 2 * cap : 64, sizeof(*p));

			if (!p)
				break;
			s->names = p;
			cap = cap ? 2 * cap : 64;
		}
		s->names[s->n] = strdup(e->d_name);
		if (!s->names[s->n] || ++s->n > FILES_MAX)
			break;
	}
	closedir(d);
	if (!s->names || e)
		return fz_fail(err, -E2BIG, "%s has too many files", s->path);
	if (!s->n)
		return fz_fail(err, -EINVAL, "%s has no files", s->path);
	qsort(s->names, s->n, sizeof(*s->names), by_name);
	return 0;
}

static int digest_file(EVP_MD_CTX *ctx, struct source *s, const char *name, uint8_t *buf,
		       struct fz_error *err)
{
	struct stat st;
	off_t pos = 0;
	ssize_t n = 0;
	int fd = open_file(s->path, name, &st, err);

	if (fd < 0)
		return fd;
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return fz_fail(err, -EINVAL, "%s%s%s is not a file", s->path, name ? "/" : "",
			       name ? name : "");
	}
	if ((uint64_t)st.st_mtim.tv_sec > s->dated)
		s->dated = st.st_mtim.tv_sec;
	EVP_DigestUpdate(ctx, &st.st_size, sizeof(st.st_size));
	while (pos < (off_t)DIGEST_BYTES && (n = pread(fd, buf, READ_BYTES, pos)) > 0) {
		EVP_DigestUpdate(ctx, buf, n);
		pos += n;
	}
	close(fd);
	return n < 0 ? fz_fail(err, -EIO, "%s cannot be read", s->path) : 0;
}

/* What is it, and is it what was imported before? */
static int survey(struct source *s, enum fz_label_kind as, struct fz_error *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *buf = malloc(READ_BYTES);
	struct stat st;
	int ret = 0;
	size_t i;

	if (!ctx || !buf || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
		ret = fz_fail(err, -ENOMEM, "out of memory");
	else if (stat(s->path, &st))
		ret = fz_fail(err, -errno, "%s: %s", s->path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		ret = list_directory(s, err);
	if (!ret)
		EVP_DigestUpdate(ctx, &as, sizeof(as));
	if (!ret && !s->names)
		ret = digest_file(ctx, s, NULL, buf, err);
	for (i = 0; !ret && i < s->n; i++)
		ret = digest_file(ctx, s, s->names[i], buf, err);
	if (!ret && !EVP_DigestFinal_ex(ctx, s->digest, NULL))
		ret = fz_fail(err, -EIO, "libcrypto cannot compute SHA-256");
	EVP_MD_CTX_free(ctx);
	free(buf);
	return ret;
}

/* ---------------------------------------------------------------- importing */

static int read_one(struct source *s, const char *name, const struct fz_advice *to,
		    struct fz_advisory_read *done, struct fz_error *err)
{
	struct fz_error why;
	struct stat st;
	int fd = open_file(s->path, name, &st, err), ret;

	if (fd < 0)
		return fd;
	ret = fz_advisory_read(fd, to, done, &why);
	close(fd);
	return ret ? fz_fail(err, ret, "%s%s%s: %s", s->path, name ? "/" : "", name ? name : "",
			     why.text) : 0;
}

static int read_source(struct source *s, const struct fz_advice *to,
		       struct fz_advisory_read *done, struct fz_error *err)
{
	size_t i;
	int ret = 0;

	if (!s->names)
		return read_one(s, NULL, to, done, err);
	for (i = 0; !ret && i < s->n; i++)
		ret = read_one(s, s->names[i], to, done, err);
	return ret;
}

static int import(struct fz_labels_writer *w, const char *path, const char *name,
		  enum fz_label_kind as, struct fz_error *err)
{
	struct fz_advice to = { .ctx = w, .statement = statement, .hash = hash, .as = as };
	struct fz_advisory_read done = { 0 };
	struct source s = { .path = path };
	char *copy = strdup(path);
	int ret;

	ret = copy ? survey(&s, as, err) : fz_fail(err, -ENOMEM, "out of memory");
	if (!name && copy)
		name = basename(copy);
	if (!ret)
		ret = fz_labels_write_begin(w, name, s.digest, err);
	if (!ret) {
		printf("%s: as it was\n", name);
	} else if (ret > 0) {
		ret = read_source(&s, &to, &done, err);
		if (ret) {
			fz_labels_write_undo(w);
		} else {
			fz_labels_write_end(w, done.format, s.dated, done.skipped);
			printf("%s: %s, %" PRIu64 " %s; %" PRIu64 " withdrawn, %" PRIu64
			       " of no known distribution, %" PRIu64 " skipped\n", name, done.format,
			       done.documents, strcmp(done.format, "hash list") &&
			       strcmp(done.format, "NSRL") ? "advisories" : "hashes",
			       done.withdrawn, done.foreign, done.skipped);
		}
	}
	while (s.n)
		free(s.names[--s.n]);
	free(s.names);
	free(copy);
	return ret;
}

static int import_all(const char *labels, int n, char **paths, const char *name,
		      enum fz_label_kind as)
{
	struct fz_labels_writer *w;
	int i, code = EXIT_DONE;
	struct fz_error err;

	if (fz_labels_write_open(&w, labels, &err))
		return trouble("%s", err.text);
	for (i = 0; i < n; i++)
		if (import(w, paths[i], name, as, &err))
			code = trouble("%s", err.text);
	if (fz_labels_write_publish(w, &err))
		code = trouble("%s", err.text);
	fz_labels_write_close(w);
	return finish_stdout(code);
}

/* -------------------------------------------------------------------- others */

static int remove_all(const char *labels, int n, char **names)
{
	struct fz_labels_writer *w;
	struct fz_error err;
	int i, code = EXIT_DONE;

	if (fz_labels_write_open(&w, labels, &err))
		return trouble("%s", err.text);
	for (i = 0; i < n && !code; i++)
		if (fz_labels_write_remove(w, names[i], &err))
			code = trouble("%s", err.text);
	if (!code && fz_labels_write_publish(w, &err))
		code = trouble("%s", err.text);
	fz_labels_write_close(w);
	return finish_stdout(code);
}

static int info(const char *path, bool json)
{
	const struct fz_labels_source *s;
	struct fz_labels_info i;
	struct fz_labels *l;
	struct fz_error err;
	char digest[33], t[FZ_TIME_TEXT];
	json_t *list = json_array();
	uint32_t k;

	if (fz_labels_open(&l, path, &err)) {
		json_decref(list);
		return trouble("%s", err.text);
	}
	fz_labels_info(l, &i);
	fz_text_hex(i.digest, sizeof(i.digest), digest);
	if (!json)
		printf("labels    %s\nbytes     %" PRIu64 "\ndigest    %s\n", path, i.bytes, digest);
	for (k = 0; (s = fz_labels_source(l, k)); k++) {
		fz_text_time(s->dated * 1000000000ULL, t);
		t[19] = json ? t[19] : 0;
		if (json)
			json_array_append_new(list, json_pack("{ss ss ss sI sI sI}", "name", s->name,
				"format", s->format, "dated", t, "advisories",
				(json_int_t)s->advisories, "hashes", (json_int_t)s->hashes,
				"skipped", (json_int_t)s->skipped));
		else
			printf("\n%s: %s of %s\n  %" PRIu64 " advisories of packages, %" PRIu64
			       " hashes, %" PRIu64 " skipped\n", s->name, s->format, t, s->advisories,
			       s->hashes, s->skipped);
	}
	fz_labels_close(l);
	if (!json) {
		json_decref(list);
		return finish_stdout(EXIT_DONE);
	}
	return finish_stdout(print_object(json_pack("{ss sI ss so}", "path", path, "bytes",
						    (json_int_t)i.bytes, "digest", digest,
						    "sources", list)));
}

static int check(const char *path)
{
	struct fz_labels_info i = { 0 };
	struct fz_labels *l;
	struct fz_error err;
	int ret = fz_labels_open(&l, path, &err);

	if (!ret) {
		fz_labels_info(l, &i);
		ret = fz_labels_check(l, &err);
		fz_labels_close(l);
	}
	if (ret) {
		trouble("%s", err.text);
		return ret == -EBADMSG ? EXIT_FINDING : EXIT_TROUBLE;
	}
	printf("%s is sound: %" PRIu64 " advisories of packages, %" PRIu64 " hashes, %u sources\n",
	       path, i.advisories, i.hashes, i.nsources);
	return finish_stdout(EXIT_DONE);
}

static int run(const char *labels, bool json, const char *name, const char *kind, int n,
	       char **args)
{
	enum fz_label_kind as = FZ_LABELS;

	if (!n)
		return usage("db", "cve needs files, or info, check or remove");
	if (kind && strcmp(kind, "good") && strcmp(kind, "malicious"))
		return usage("db", "--as %.64s: good or malicious", kind);
	if (kind)
		as = *kind == 'g' ? FZ_LABEL_GOOD : FZ_LABEL_MALICIOUS;
	if (!strcmp(args[0], "info") || !strcmp(args[0], "check")) {
		if (n > 1 || name || kind || (json && *args[0] == 'c'))
			return usage("db", "cve %s takes nothing%s", args[0],
				     *args[0] == 'i' ? " but --json" : "");
		return *args[0] == 'i' ? info(labels, json) : check(labels);
	}
	if (json)
		return usage("db", "only cve info has --json");
	if (!strcmp(args[0], "remove")) {
		if (n < 2 || name || kind)
			return usage("db", "cve remove takes names of sources");
		return remove_all(labels, n - 1, args + 1);
	}
	if (name && n > 1)
		return usage("db", "--name is for one source");
	return import_all(labels, n, args, name, as);
}

int db_cve(int argc, char **argv)
{
	static const struct option options[] = {
		{ "db", required_argument, NULL, OPT_DB },
		{ "labels", required_argument, NULL, OPT_LABELS },
		{ "name", required_argument, NULL, OPT_NAME },
		{ "as", required_argument, NULL, OPT_AS },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *db = FZ_HASHDB_PATH, *labels = NULL, *name = NULL, *as = NULL;
	char *beside;
	bool json = false;
	int c, ret;

	while ((c = next_option(argc, argv, "", options)) != -1) {
		switch (c) {
		case OPT_DB:
			db = optarg;
			break;
		case OPT_LABELS:
			labels = optarg;
			break;
		case OPT_NAME:
			name = optarg;
			break;
		case OPT_AS:
			as = optarg;
			break;
		case OPT_JSON:
			json = true;
			break;
		default:
			return c == 'h' ? EXIT_DONE : EXIT_TROUBLE;
		}
	}
	if (!*db || (labels && !*labels))
		return usage("db", "--%s needs a path", *db ? "labels" : "db");
	beside = fz_labels_beside(db);
	ret = beside ? run(labels ? labels : beside, json, name, as, argc - optind, argv + optind) :
		       trouble("out of memory");
	free(beside);
	return ret;
}
