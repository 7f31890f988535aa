// SPDX-License-Identifier: GPL-2.0-only
/* labels_file.c - the labels as a store: its tables, sources, opening and closing */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "labels_format.h"

_Static_assert(sizeof(struct fz_lab_source) == 64, "source layout");

const struct fz_store_kind fz_lab_kind = {
	.magic = "FitzRoy labels",
	.schema = FZ_LAB_SCHEMA,
	.what = "a file of labels",
	.none = "there are no labels",
	.make = "import some with 'fitzroy db cve'",
	.remake = "remove it and import with 'fitzroy db cve' again",
	.ntables = FZ_LAB_TABLES,
	.tables = {
		[FZ_LAB_SOURCES]    = { "sources", MDB_INTEGERKEY },
		[FZ_LAB_ADVISORIES] = { "advisories", 0 },
		[FZ_LAB_HASHES]	    = { "hashes", 0 },
	},
};

int fz_lab_get_source(const char *path, const MDB_val *key, const MDB_val *val,
		      struct fz_labels_source *s, struct fz_error *err)
{
	struct fz_lab_source rec;
	const char *name, *end, *format;

	if (key->mv_size != sizeof(s->id) || val->mv_size < sizeof(rec) + 2)
		return fz_lab_broken(err, path, "a source");
	memcpy(&rec, val->mv_data, sizeof(rec));
	name = (const char *)val->mv_data + sizeof(rec);
	end = (const char *)val->mv_data + val->mv_size;
	format = memchr(name, '\0', end - name);
	if (!format || !memchr(format + 1, '\0', end - format - 1) ||
	    format + strlen(format + 1) + 2 != end)
		return fz_lab_broken(err, path, "a source's name");
	*s = (struct fz_labels_source){ .name = strdup(name), .format = strdup(format + 1),
		.dated = rec.dated, .advisories = rec.advisories, .hashes = rec.hashes,
		.skipped = rec.skipped };
	memcpy(&s->id, key->mv_data, sizeof(s->id));
	memcpy(s->digest, rec.digest, sizeof(s->digest));
	if (s->name && s->format)
		return 0;
	free(s->name);
	free(s->format);
	return fz_fail(err, -ENOMEM, "out of memory");
}

static int by_name(const void *a, const void *b)
{
	const struct fz_labels_source *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int load_sources(struct fz_labels *l, struct fz_error *err)
{
	MDB_val key, val;
	MDB_cursor *c;
	size_t cap = 0;
	int rc, ret = 0;

	rc = mdb_cursor_open(l->store.txn, l->store.dbi[FZ_LAB_SOURCES], &c);
	if (rc)
		return fz_lab_mdb(err, l->store.path, rc);
	while (!ret && !(rc = mdb_cursor_get(c, &key, &val, MDB_NEXT))) {
		if (FZ_GROW(l->sources, l->info.nsources, cap))
			ret = fz_fail(err, -ENOMEM, "out of memory");
		else
			ret = fz_lab_get_source(l->store.path, &key, &val,
						&l->sources[l->info.nsources], err);
		if (!ret) {
			l->info.advisories += l->sources[l->info.nsources].advisories;
			l->info.hashes += l->sources[l->info.nsources].hashes;
			l->info.nsources++;
		}
	}
	mdb_cursor_close(c);
	if (!ret && rc != MDB_NOTFOUND)
		ret = fz_lab_mdb(err, l->store.path, rc);
	if (l->info.nsources)
		qsort(l->sources, l->info.nsources, sizeof(*l->sources), by_name);
	return ret;
}

int fz_labels_open(struct fz_labels **out, const char *path, struct fz_error *err)
{
	struct fz_labels *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return fz_fail(err, -ENOMEM, "out of memory");
	ret = fz_store_open(&l->store, &fz_lab_kind, path, err);
	if (!ret)
		ret = load_sources(l, err);
	if (ret) {
		fz_labels_close(l);
		return ret;
	}
	l->info.schema = fz_lab_kind.schema;
	l->info.bytes = l->store.bytes;
	memcpy(l->info.digest, l->store.digest, sizeof(l->info.digest));
	*out = l;
	return 0;
}

static void free_labels(struct fz_label *labels, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(labels[i].id);
		free(labels[i].fixed);
		free(labels[i].release);
		free(labels[i].note);
	}
	free(labels);
}

void fz_labels_close(struct fz_labels *l)
{
	size_t i;

	if (!l)
		return;
	fz_store_close(&l->store);
	for (i = 0; i < l->info.nsources; i++) {
		free(l->sources[i].name);
		free(l->sources[i].format);
	}
	for (i = 0; i < l->njudged; i++) {
		free(l->judged[i].key);
		free_labels(l->judged[i].labels, l->judged[i].n);
	}
	for (i = 0; i < l->ncontents; i++)
		free_labels(l->contents[i].labels, l->contents[i].n);
	free(l->judged);
	free(l->contents);
	free(l->by_package.slot);
	free(l->by_sha.slot);
	free(l->sources);
	free(l->release);
	free(l);
}

char *fz_labels_beside(const char *known)
{
	char *copy = strdup(known), *path = NULL;

	if (copy && asprintf(&path, "%s/%s", dirname(copy), FZ_LABELS_NAME) < 0)
		path = NULL;
	free(copy);
	return path;
}
