// SPDX-License-Identifier: GPL-2.0-only
/* db_info.c - "fitzroy db info": what the database knows, counted */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd.h"
#include "db.h"
#include "elffile.h"
#include "hashdb.h"
#include "text.h"

#define ARCHS_MAX	32	/* there are fewer names */
#define RELEASES_MAX	64	/* what comes after them is not shown */

struct count {
	const char *name;
	uint64_t files, pages;
	bool runs;		/* on x86 */
};

struct counts {
	struct count kinds[FZ_FILE_KINDS];
	struct count archs[ARCHS_MAX];
	size_t narchs;
	struct count releases[RELEASES_MAX];
	size_t nreleases;
	uint64_t unpacked;	/* files: what others unpack to */
};

const char *db_kind_name(unsigned int kind)
{
	static const char *const names[FZ_FILE_KINDS] = { "elf", "pe", "te", "kernel", "module",
							  "firmware" };

	return kind < FZ_FILE_KINDS ? names[kind] : "other";
}

/* By its machine, not by its package: "all" says nothing. Firmware has PCs' alone. */
static const char *arch_of(const struct fz_hashdb_file *f)
{
	const struct fz_elf elf = { .machine = f->machine, .is64 = f->is64 };

	return f->machine || f->flags & FZ_FILE_FOREIGN ? fz_elf_arch(&elf) : "pc";
}

/* In the row of @name, which is made if there is none and room for one. */
static void add_to(struct count *c, size_t *n, size_t max, const char *name,
		   const struct fz_hashdb_file *f)
{
	size_t i;

	for (i = 0; i < *n && strcmp(c[i].name, name); i++)
		;
	if (i == max)
		return;
	if (i == *n) {
		char *own = strdup(name);

		if (!own)
			return;
		c[(*n)++] = (struct count){ own, .runs = !fz_hashdb_foreign(f) };
	}
	c[i].files++;
	c[i].pages += f->pages_total;
}

static void free_names(struct count *c, size_t n)
{
	while (n)
		free((char *)c[--n].name);
}

static void add(struct counts *c, const struct fz_hashdb_file *f)
{
	if (f->kind < FZ_FILE_KINDS) {
		c->kinds[f->kind].files++;
		c->kinds[f->kind].pages += f->pages_total;
	}
	c->unpacked += !!(f->flags & FZ_FILE_UNPACKED);
	add_to(c->archs, &c->narchs, ARCHS_MAX, arch_of(f), f);
	if (*f->release)
		add_to(c->releases, &c->nreleases, RELEASES_MAX, f->release, f);
}

static int by_pages(const void *a, const void *b)
{
	const struct count *x = a, *y = b;

	if (x->pages != y->pages)
		return x->pages > y->pages ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int count_all(struct fz_hashdb *db, uint32_t files, struct counts *c, struct fz_error *err)
{
	struct fz_hashdb_file f;
	uint32_t id;
	size_t i;
	int ret;

	for (i = 0; i < FZ_FILE_KINDS; i++)
		c->kinds[i].name = db_kind_name(i);
	for (id = 1; id <= files; id++) {
		ret = fz_hashdb_file(db, id, &f, err);
		if (ret)
			return ret;
		add(c, &f);
		fz_hashdb_file_free(&f);
	}
	qsort(c->archs, c->narchs, sizeof(c->archs[0]), by_pages);
	qsort(c->releases, c->nreleases, sizeof(c->releases[0]), by_pages);
	return 0;
}

static json_t *counted(const struct count *c, size_t n, bool archs)
{
	json_t *all = json_object(), *one;
	size_t i;

	for (i = 0; all && i < n; i++) {
		if (!c[i].files)
			continue;
		one = json_pack("{sI sI}", "files", (json_int_t)c[i].files,
				"pages", (json_int_t)c[i].pages);
		if (one && archs)
			json_object_set_new(one, "runs", json_boolean(c[i].runs));
		json_object_set_new(all, c[i].name, one);
	}
	return all;
}

static void print(const char *what, const struct count *c, size_t n, bool archs)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!c[i].files)
			continue;
		printf("%-8s  %s: %" PRIu64 " file%s, %" PRIu64 " pages%s\n", what, c[i].name,
		       c[i].files, c[i].files == 1 ? "" : "s", c[i].pages,
		       archs && !c[i].runs ? ", of another architecture: never the answer" : "");
		what = "";
	}
}

static int show(const char *path, const struct fz_hashdb_info *i, const struct counts *c, bool json)
{
	double each = i->pages ? (double)i->bytes / i->pages : 0;
	char digest[33];

	fz_text_hex(i->digest, sizeof(i->digest), digest);
	if (json)
		return db_print_json(json_pack("{ss si sI sI sI sI sf ss so so so sI}",
			"path", path, "schema", (int)i->schema, "files", (json_int_t)i->files,
			"pages", (json_int_t)i->pages, "packages", (json_int_t)i->packages,
			"bytes", (json_int_t)i->bytes, "bytes_per_page", each, "digest", digest,
			"kinds", counted(c->kinds, FZ_FILE_KINDS, false),
			"architectures", counted(c->archs, c->narchs, true),
			"releases", counted(c->releases, c->nreleases, false),
			"unpacked", (json_int_t)c->unpacked));
	printf("database  %s\nschema    %u\nfiles     %u\npages     %" PRIu64 "\n"
	       "packages  %u\nbytes     %" PRIu64 " (%.1f a page)\ndigest    %s\n",
	       path, i->schema, i->files, i->pages, i->packages, i->bytes, each, digest);
	print("kinds", c->kinds, FZ_FILE_KINDS, false);
	print("machines", c->archs, c->narchs, true);
	print("releases", c->releases, c->nreleases, false);
	if (c->unpacked)
		printf("unpacked  %" PRIu64 " files of these are what packed ones unpack to\n",
		       c->unpacked);
	return EXIT_DONE;
}

int db_info(const char *path, bool json)
{
	struct counts c = { .narchs = 0 };
	struct fz_hashdb_info i;
	struct fz_hashdb *db;
	struct fz_error err;
	int ret;

	if (fz_hashdb_open(&db, path, &err))
		return trouble("%s", err.text);
	fz_hashdb_info(db, &i);
	ret = count_all(db, i.files, &c, &err);
	fz_hashdb_close(db);
	ret = ret ? trouble("%s", err.text) : show(path, &i, &c, json);
	free_names(c.archs, c.narchs);
	free_names(c.releases, c.nreleases);
	return ret == EXIT_TROUBLE ? ret : finish_stdout(ret);
}
