// SPDX-License-Identifier: GPL-2.0-only
/* db.c - "fitzroy db": the database of known binaries */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "db.h"
#include "hashdb.h"
#include "hashdb_write.h"
#include "options.h"
#include "release.h"
#include "text.h"

/* One object on one line. */
int db_print_json(json_t *object)
{
	int ret = object ? json_dumpf(object, stdout, JSON_COMPACT) : -1;

	json_decref(object);
	putchar('\n');
	return ret ? trouble("out of memory") : EXIT_DONE;
}

static int open_db(struct fz_hashdb **db, const char *path)
{
	struct fz_error err;

	return fz_hashdb_open(db, path, &err) ? trouble("%s", err.text) : EXIT_DONE;
}

static int list_json(uint32_t id, const struct fz_hashdb_file *f)
{
	char sha256[65];

	fz_text_hex(f->sha256, sizeof(f->sha256), sha256);
	return db_print_json(json_pack("{sI ss ss ss ss ss ss ss ss ss sI sI sb sI sb ss sb}",
		"id", (json_int_t)id, "path", f->path, "package", f->package,
		"source", f->source, "version", f->version,
		"source_version", f->source_version, "arch", f->arch,
		"release", f->release, "build_id", f->build_id, "sha256", sha256, "bytes", (json_int_t)f->bytes,
		"pages", (json_int_t)f->pages_total, "pie", f->pie,
		"machine", (json_int_t)f->machine, "is64", f->is64,
		"kind", db_kind_name(f->kind), "runs", !fz_hashdb_foreign(f)));
}

static const char *dash(const char *s)
{
	return *s ? s : "-";
}

static int list(const char *path, bool json, const char *pattern)
{
	struct fz_hashdb_info info;
	struct fz_hashdb_file f;
	struct fz_hashdb *db;
	struct fz_error err;
	int code = EXIT_DONE;
	uint32_t id;

	if (open_db(&db, path))
		return EXIT_TROUBLE;
	fz_hashdb_info(db, &info);
	for (id = 1; !code && id <= info.files; id++) {
		if (fz_hashdb_file(db, id, &f, &err)) {
			code = trouble("%s", err.text);
			break;
		}
		if (pattern && fnmatch(pattern, f.path, 0) && fnmatch(pattern, f.package, 0))
			;
		else if (json)
			code = list_json(id, &f);
		else
			printf("%s\t%s\t%s\t%s\t%s\t%u\n", f.path, dash(f.package),
			       dash(f.version), dash(f.arch), dash(f.build_id), f.pages_total);
		fz_hashdb_file_free(&f);
	}
	fz_hashdb_close(db);
	return finish_stdout(code);
}

static int check(const char *path)
{
	struct fz_hashdb_info info;
	struct fz_hashdb *db;
	struct fz_error err;
	int ret;

	ret = fz_hashdb_open(&db, path, &err);
	if (!ret) {
		fz_hashdb_info(db, &info);
		ret = fz_hashdb_check(db, &err);
		fz_hashdb_close(db);
	}
	if (ret) {
		trouble("%s", err.text);
		return ret == -EBADMSG ? EXIT_FINDING : EXIT_TROUBLE;
	}
	printf("%s is sound: %u files, %" PRIu64 " pages, %u packages\n", path, info.files,
	       info.pages, info.packages);
	return finish_stdout(EXIT_DONE);
}

/* ------------------------------------------------------- removing, merging */

struct patterns {
	char **p;
	bool *found;
	int n;
};

static bool keep(void *ctx, const struct fz_hashdb_file *f)
{
	const struct patterns *t = ctx;
	bool keep = true;
	int i;

	for (i = 0; i < t->n; i++)
		if (!fnmatch(t->p[i], f->path, 0) || !fnmatch(t->p[i], f->package, 0))
			keep = !(t->found[i] = true);
	return keep;
}

static int remove_files(const char *path, int n, char **args)
{
	struct patterns t = { args, calloc(n, sizeof(bool)), n };
	struct fz_hashdb_writer *w;
	uint64_t removed = 0;
	struct fz_error err;
	int i, ret;

	if (!t.found)
		return trouble("out of memory");
	ret = fz_hashdb_write_open(&w, path, &err);
	if (ret) {
		free(t.found);
		return trouble("%s", err.text);
	}
	ret = fz_hashdb_write_remove(w, keep, &t, &removed, &err);
	for (i = 0; !ret && i < n; i++)
		if (!t.found[i])
			ret = fz_fail(&err, -ENOENT, "no path or package in %s matches '%.128s'",
				      path, args[i]);
	free(t.found);
	if (!ret) {
		fz_hashdb_write_keep(w);
		ret = fz_hashdb_write_publish(w, &err);
	}
	fz_hashdb_write_close(w);
	if (ret)
		return trouble("%s", err.text);
	printf("removed %" PRIu64 " files\n", removed);
	return finish_stdout(EXIT_DONE);
}

static int merge(const char *path, int n, char **args)
{
	struct fz_hashdb_writer *w;
	struct fz_hashdb_added added;
	struct fz_hashdb *other;
	struct fz_error err;
	int i, ret;

	if (fz_hashdb_write_open(&w, path, &err))
		return trouble("%s", err.text);
	for (i = 0, ret = 0; !ret && i < n; i++) {
		ret = fz_hashdb_open(&other, args[i], &err);
		if (ret)
			break;
		ret = fz_hashdb_write_merge(w, other, &err);
		fz_hashdb_close(other);
		if (!ret)
			fz_hashdb_write_keep(w);
	}
	if (!ret)
		ret = fz_hashdb_write_publish(w, &err);
	fz_hashdb_write_added(w, &added);
	fz_hashdb_write_close(w);
	if (ret)
		return trouble("%s", err.text);
	printf("added %" PRIu64 " files, %" PRIu64 " pages from %" PRIu64 " packages\n",
	       added.files, added.pages, added.packages);
	return finish_stdout(EXIT_DONE);
}

enum { ADD, INFO, LIST, CHECK, REMOVE, MERGE, VERBS };

static const struct {
	const char *name;
	int min, max;		/* arguments */
	bool json;
} verbs[VERBS] = {
	[ADD]	= { "add", 1, -1, false },
	[INFO]	= { "info", 0, 0, true },
	[LIST]	= { "list", 0, 1, true },
	[CHECK]	= { "check", 0, 0, false },
	[REMOVE] = { "remove", 1, -1, false },
	[MERGE]	= { "merge", 1, -1, false },
};

static int run(int verb, const char *db, const char *given, bool json, int n, char **args)
{
	char release[FZ_RELEASE_TEXT] = "";
	struct fz_error err;

	if (n < verbs[verb].min)
		return usage("db", "%s needs a %s", verbs[verb].name,
			     verb == REMOVE ? "pattern" : "path");
	if (verbs[verb].max >= 0 && n > verbs[verb].max)
		return usage("db", "unexpected argument '%.64s'", args[verbs[verb].max]);
	if (json && !verbs[verb].json)
		return usage("db", "%s has no --json", verbs[verb].name);
	if (given && verb != ADD)
		return usage("db", "%s has no --release", verbs[verb].name);
	if (given && fz_release_name(given, release, &err))
		return trouble("--release: %s", err.text);
	switch (verb) {
	case ADD:
		return db_add(db, release, n, args);
	case INFO:
		return db_info(db, json);
	case LIST:
		return list(db, json, args[0]);
	case REMOVE:
		return remove_files(db, n, args);
	case MERGE:
		return merge(db, n, args);
	default:
		return check(db);
	}
}

int cmd_db(int argc, char **argv)
{
	static const struct option options[] = {
		{ "db", required_argument, NULL, OPT_DB },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "release", required_argument, NULL, OPT_RELEASE },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *db = FZ_HASHDB_PATH, *release = NULL;
	bool json = false;
	int c, verb;

	if (argc < 2)
		return usage("db", "add, remove, merge, info, list, check or cve?");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return help("db");
	if (!strcmp(argv[1], "cve")) {
		argv[1] = argv[0];
		return db_cve(argc - 1, argv + 1);
	}
	for (verb = 0; verb < VERBS && strcmp(verbs[verb].name, argv[1]); verb++)
		;
	if (verb == VERBS)
		return usage("db", "no such thing as '%.64s'", argv[1]);
	argv[1] = argv[0];	/* whose help and whose errors */
	argc--;
	argv++;
	while ((c = next_option(argc, argv, "", options)) != -1) {
		if (c == 'h')
			return EXIT_DONE;
		if (c == '?')
			return EXIT_TROUBLE;
		if (c == OPT_DB)
			db = optarg;
		if (c == OPT_RELEASE)
			release = optarg;
		json |= c == OPT_JSON;
	}
	if (!*db)
		return usage("db", "--db needs a path");
	return run(verb, db, release, json, argc - optind, argv + optind);
}
