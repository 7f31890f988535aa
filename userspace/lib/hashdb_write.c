// SPDX-License-Identifier: GPL-2.0-only
/*
 * hashdb_write.c - collecting what is to be added to the database
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "hashdb_writer.h"
#include "release.h"

#define PAGE		4096UL
#define STRING_MAX	255
#define BUILD_ID_MAX	64

/* ---------------------------------------------------------------- packages */

int fz_db_package_id(struct fz_hashdb_writer *w, const struct fz_hashdb_file *f, uint32_t *id,
		     bool *new, struct fz_error *err)
{
	const char *s[FZ_DB_STRINGS] = { f->package, f->source, f->version, f->source_version,
					 f->arch, f->release };
	struct fz_db_ident ident;
	struct fz_db_key key;
	uint32_t len = 0;
	int i, ret;

	*new = false;
	for (i = 0; i < FZ_DB_STRINGS; i++) {
		if (!s[i])
			s[i] = "";
		if (strlen(s[i]) > STRING_MAX)
			return fz_fail(err, -EINVAL,
				       "its package's name, version or architecture is too long");
		len += strlen(s[i]) + 1;
	}
	if (*s[5] && !fz_release_valid(s[5]))
		return fz_fail(err, -EINVAL, "its release is not one");
	if (fz_db_package_key(&key, s))
		return fz_fail(err, -EIO, "libcrypto cannot compute SHA-256");
	ret = fz_db_find_ident(w, &key, &ident, err);
	if (ret < 0)
		return ret;
	if (ret) {
		*id = ident.id;
		return 0;
	}
	ret = fz_db_append(&w->grow[GROW_PACKAGES], &len, sizeof(len), err);
	for (i = 0; !ret && i < FZ_DB_STRINGS; i++)
		ret = fz_db_append(&w->grow[GROW_PACKAGES], s[i], strlen(s[i]) + 1, err);
	if (!ret)
		ret = fz_db_add_ident(w, &key, w->packages + 1, 0, err);
	if (ret)
		return ret;
	*id = ++w->packages;
	*new = true;
	w->added.packages += *s[0] != '\0';
	return 0;
}

int fz_hashdb_write_package(struct fz_hashdb_writer *w, const struct fz_hashdb_file *f,
			    struct fz_error *err)
{
	uint32_t id;
	bool new;
	int ret = fz_db_package_id(w, f, &id, &new, err);

	return ret ? ret : new;
}

static void archive_key(struct fz_db_key *key, const uint8_t sha256[32])
{
	key->kind = 'A';
	memcpy(key->digest, sha256, sizeof(key->digest));
}

int fz_hashdb_write_archive(struct fz_hashdb_writer *w, const uint8_t sha256[32],
			    const struct fz_hashdb_file *f, uint32_t files, struct fz_error *err)
{
	struct fz_db_ident ident;
	struct fz_db_key key;
	uint32_t id;
	bool new;
	int ret;

	archive_key(&key, sha256);
	ret = fz_db_find_ident(w, &key, &ident, err);
	if (ret)
		return ret < 0 ? ret : 0;
	ret = fz_db_package_id(w, f, &id, &new, err);
	return ret ? ret : fz_db_add_ident(w, &key, id, files, err);
}

int fz_hashdb_write_has_archive(struct fz_hashdb_writer *w, const uint8_t sha256[32],
				uint32_t *files, struct fz_error *err)
{
	struct fz_db_ident ident;
	struct fz_db_key key;
	int ret;

	archive_key(&key, sha256);
	ret = fz_db_find_ident(w, &key, &ident, err);
	if (ret > 0)
		*files = ident.files;
	return ret;
}

/* ------------------------------------------------------------------- files */

static int sha256_of(struct fz_hashdb_writer *w, const void *data, size_t len, uint8_t out[32],
		     struct fz_error *err)
{
	if (EVP_DigestInit_ex2(w->ctx, w->sha256, NULL) && EVP_DigestUpdate(w->ctx, data, len) &&
	    EVP_DigestFinal_ex(w->ctx, out, NULL))
		return 0;
	return fz_fail(err, -EIO, "libcrypto cannot compute SHA-256");
}

static int add_page(struct fz_hashdb_writer *w, uint32_t file, uint32_t page,
		    const uint8_t data[PAGE], struct fz_error *err)
{
	uint8_t sketch[FZ_SKETCH], sha256[32];
	struct fz_db_page rec = { .file = htobe32(file), .page = htobe32(page) };
	int ret;

	ret = sha256_of(w, data, PAGE, sha256, err);
	if (ret)
		return ret;
	rec.xxh64 = htobe64(XXH64(data, PAGE, 0));
	memcpy(rec.sha128, sha256, sizeof(rec.sha128));
	fz_hashdb_sketch(data, sketch);
	ret = fz_db_append(&w->grow[GROW_PAGES], &rec, sizeof(rec), err);
	return ret ? ret : fz_db_append(&w->grow[GROW_SKETCHES], sketch, sizeof(sketch), err);
}

static int check_file(const struct fz_hashdb_file *f, size_t size, struct fz_error *err)
{
	size_t i, len = strlen(f->build_id);

	if (!f->nsegments || f->nsegments > FZ_DB_SEGMENTS)
		return fz_fail(err, -EINVAL, "it has %zu executable segments", f->nsegments);
	for (i = 0; i < f->nsegments; i++) {
		const struct fz_hashdb_segment *s = &f->segments[i];
		uint64_t end = (size + PAGE - 1) / PAGE;

		if (s->offset % PAGE || !s->pages || s->offset / PAGE >= end ||
		    s->pages > end - s->offset / PAGE || end > UINT32_MAX)
			return fz_fail(err, -EINVAL, "a segment is past the end of the file");
	}
	if (len % 2 || len > 2 * BUILD_ID_MAX || strspn(f->build_id, "0123456789abcdef") != len)
		return fz_fail(err, -EINVAL, "its build-id is not one");
	if (f->kind >= FZ_FILE_KINDS || f->flags >= 1 << (8 - FZ_DB_FLAGS))
		return fz_fail(err, -EINVAL, "its kind is not one");
	if (strlen(f->path) > FZ_DB_PATH_MAX)
		return fz_fail(err, -EINVAL, "its path is longer than %d bytes", FZ_DB_PATH_MAX);
	return 0;
}

static int add_record(struct fz_hashdb_writer *w, const struct fz_hashdb_file *f,
		      struct fz_db_file *rec, struct fz_error *err)
{
	struct fz_db_grow *g = &w->grow[GROW_FILES];
	uint8_t build_id[BUILD_ID_MAX];
	struct fz_db_segment seg;
	uint32_t len;
	int ret;
	size_t i;

	rec->nsegments = f->nsegments;
	rec->path_len = strlen(f->path);
	rec->build_id_len = strlen(f->build_id) / 2;
	for (i = 0; i < rec->build_id_len; i++) {
		char digits[3] = { f->build_id[2 * i], f->build_id[2 * i + 1] };

		build_id[i] = strtoul(digits, NULL, 16);
	}
	len = sizeof(*rec) + f->nsegments * sizeof(seg) + rec->build_id_len + rec->path_len;
	ret = fz_db_append(g, &len, sizeof(len), err);
	if (!ret)
		ret = fz_db_append(g, rec, sizeof(*rec), err);
	for (i = 0; !ret && i < f->nsegments; i++) {
		seg = (struct fz_db_segment) {
			.offset = f->segments[i].offset,
			.vaddr = f->segments[i].vaddr,
			.pages = f->segments[i].pages,
		};
		ret = fz_db_append(g, &seg, sizeof(seg), err);
	}
	if (!ret)
		ret = fz_db_append(g, build_id, rec->build_id_len, err);
	return ret ? ret : fz_db_append(g, f->path, rec->path_len, err);
}

/* Where pages come from. */
struct source {
	const uint8_t *data;
	size_t size;
	uint8_t last[PAGE];
};

static const uint8_t *page_at(struct source *s, uint32_t page)
{
	size_t pos = page * PAGE;

	if (s->size - pos >= PAGE)
		return s->data + pos;
	memset(s->last, 0, PAGE);	/* the kernel maps zeros past the end of the file */
	memcpy(s->last, s->data + pos, s->size - pos);
	return s->last;
}

static int add_run(struct fz_hashdb_writer *w, struct fz_db_run run, struct source *s,
		   struct fz_db_grow *contents, struct fz_error *err)
{
	uint32_t i;
	int ret;

	for (i = 0; i < run.count; i++) {
		const uint8_t *data = page_at(s, run.first + i);

		ret = add_page(w, w->files + 1, run.first + i, data, err);
		if (!ret && contents)
			ret = fz_db_append(contents, data, PAGE, err);
		if (ret)
			return ret;
	}
	return 0;
}

static int add_contents(struct fz_hashdb_writer *w, const struct fz_db_grow *contents,
			struct fz_error *err)
{
	const size_t chunk = FZ_DB_CONTENTS * PAGE;
	size_t pos, len;
	int ret = 0;

	for (pos = 0; !ret && pos < contents->len; pos += len) {
		len = contents->len - pos < chunk ? contents->len - pos : chunk;
		ret = fz_db_write_contents(w, w->files + 1, pos / chunk, contents->p + pos,
					   len / PAGE, err);
	}
	return ret;
}

static int add_pages(struct fz_hashdb_writer *w, const struct fz_hashdb_file *f,
		     const void *data, size_t size, uint32_t *pages, struct fz_error *err)
{
	struct source source = { .data = data, .size = size };
	struct fz_db_run runs[FZ_DB_SEGMENTS];
	size_t n = fz_db_runs(f->segments, f->nsegments, runs), i;
	bool stored = f->flags & FZ_FILE_STORED;
	struct fz_db_grow contents = { 0 };
	int ret = 0;

	for (i = 0, *pages = 0; i < n; *pages += runs[i++].count)
		;
	if (*pages > FZ_HASHDB_BATCH - fz_hashdb_write_pending(w))
		return fz_fail(err, -E2BIG, "more than %lu pages at once; add it in parts",
			       FZ_HASHDB_BATCH);
	for (i = 0; !ret && i < n; i++)
		ret = add_run(w, runs[i], &source, stored ? &contents : NULL, err);
	if (!ret)
		ret = add_contents(w, &contents, err);
	free(contents.p);
	return ret;
}

static int write_file(struct fz_hashdb_writer *w, const struct fz_hashdb_file *given,
		      const void *data, size_t size, const void *image, size_t image_size,
		      struct fz_error *err)
{
	struct fz_hashdb_file f = *given;
	char **strings[] = { &f.path, &f.package, &f.source, &f.version, &f.source_version,
			     &f.arch, &f.release, &f.build_id };
	struct fz_db_ident ident;
	struct fz_db_file rec = { 0 };
	struct fz_db_key key;
	size_t i;
	bool new;
	int ret;

	for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (!*strings[i])
			*strings[i] = "";
	ret = check_file(&f, image_size, err);
	if (!ret)
		ret = sha256_of(w, data, size, f.sha256, err);
	if (ret)
		return ret;
	if (fz_db_file_key(&key, &f))
		return fz_fail(err, -EIO, "libcrypto cannot compute SHA-256");
	ret = fz_db_find_ident(w, &key, &ident, err);
	if (ret)
		return ret < 0 ? ret : 0;

	memcpy(rec.sha256, f.sha256, sizeof(rec.sha256));
	rec.bytes = size;
	rec.entry = f.entry;
	rec.machine = f.machine;
	rec.flags = (f.pie ? FZ_DB_PIE : 0) | (f.is64 ? FZ_DB_64 : 0) |
		    f.flags << FZ_DB_FLAGS;
	rec.kind = f.kind;
	ret = fz_db_package_id(w, &f, &rec.package, &new, err);
	if (!ret)
		ret = add_pages(w, &f, image, image_size, &rec.pages, err);
	if (!ret)
		ret = add_record(w, &f, &rec, err);
	if (!ret)
		ret = fz_db_add_ident(w, &key, w->files + 1, 0, err);
	if (ret)
		return ret;
	w->files++;
	w->added.files++;
	w->added.pages += rec.pages;
	return 1;
}

int fz_hashdb_write_file(struct fz_hashdb_writer *w, const struct fz_hashdb_file *f,
			 const void *data, size_t size, struct fz_error *err)
{
	struct fz_hashdb_file own = *f;

	own.flags &= ~FZ_FILE_IMAGE;
	return write_file(w, &own, data, size, data, size, err);
}

int fz_hashdb_write_image(struct fz_hashdb_writer *w, const struct fz_hashdb_file *f,
			  const void *data, size_t size, const void *image, size_t image_size,
			  struct fz_error *err)
{
	struct fz_hashdb_file own = *f;

	own.flags |= FZ_FILE_IMAGE;
	return write_file(w, &own, data, size, image, image_size, err);
}

size_t fz_hashdb_write_pending(const struct fz_hashdb_writer *w)
{
	return w->grow[GROW_PAGES].len / sizeof(struct fz_db_page);
}

void fz_hashdb_write_added(const struct fz_hashdb_writer *w, struct fz_hashdb_added *added)
{
	*added = w->added;
}

void fz_hashdb_write_keep(struct fz_hashdb_writer *w)
{
	int i;

	for (i = 0; i < GROWS; i++)
		w->kept[i] = w->grow[i].len;
	w->kept_files = w->files;
	w->kept_packages = w->packages;
	w->kept_last_extra = w->last_extra;
	w->kept_added = w->added;
}

void fz_hashdb_write_undo(struct fz_hashdb_writer *w)
{
	int i;

	for (i = 0; i < GROWS; i++)
		w->grow[i].len = w->kept[i];
	w->files = w->kept_files;
	w->packages = w->kept_packages;
	w->last_extra = w->kept_last_extra;
	w->added = w->kept_added;
	fz_db_index_rebuild(w, w->index_size, NULL);	/* same size: cannot fail */
}
