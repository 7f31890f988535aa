// SPDX-License-Identifier: GPL-2.0-only
/* labels_write.c - collecting what sources say; labels_publish.c writes it */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "labels_writer.h"

#define KEY_MAX		(FZ_LAB_DISTRO + FZ_LAB_PACKAGE + FZ_LAB_ID + sizeof(uint32_t))
#define VALUE_MAX	(2 + FZ_LAB_STRINGS * FZ_LAB_STRING)

_Static_assert(KEY_MAX <= 511, "LMDB's keys are short");

static int full(const struct fz_labels_writer *w, struct fz_error *err)
{
	return fz_fail(err, -E2BIG, "it has more than %lu MiB of labels", w->limit >> 20);
}

static int room(struct fz_labels_writer *w, size_t bytes, struct fz_error *err)
{
	size_t cap = w->cap ? w->cap : 1 << 16;
	uint8_t *p;

	if (w->len + bytes + (w->nrecs + 1) * sizeof(*w->recs) > w->limit)
		return full(w, err);
	while (cap < w->len + bytes)
		cap *= 2;
	if (cap != w->cap) {
		p = realloc(w->data, cap);
		if (!p)
			return fz_fail(err, -ENOMEM, "out of memory");
		w->data = p;
		w->cap = cap;
	}
	if (FZ_GROW(w->recs, w->nrecs, w->recs_cap))
		return fz_fail(err, -ENOMEM, "out of memory");
	return 0;
}

static int add(struct fz_labels_writer *w, enum fz_lab_table table, const void *key, size_t key_len,
	       const void *val, size_t val_len, struct fz_error *err)
{
	int ret = room(w, key_len + val_len, err);

	if (ret)
		return ret;
	w->recs[w->nrecs++] = (struct fz_lab_rec){ w->len, key_len, val_len, table };
	memcpy(w->data + w->len, key, key_len);
	memcpy(w->data + w->len + key_len, val, val_len);
	w->len += key_len + val_len;
	return 0;
}

/* Printable ASCII, less than @size bytes of it. */
static bool text(const char *s, size_t size)
{
	size_t n;

	for (n = 0; s[n]; n++)
		if (n + 1 >= size || s[n] < 0x20 || s[n] >= 0x7f)
			return false;
	return true;
}

static uint8_t *put(uint8_t *p, const char *s)
{
	size_t n = strlen(s) + 1;

	memcpy(p, s, n);
	return p + n;
}

int fz_labels_write_statement(struct fz_labels_writer *w, const char *distro, const char *package,
			      const char *id, const struct fz_statement *s, struct fz_error *err)
{
	const char *strings[FZ_LAB_STRINGS] = { s->release, s->introduced, s->fixed, s->last,
						s->note };
	uint8_t key[KEY_MAX], value[VALUE_MAX], *k = key, *v = value;
	uint32_t source = htobe32(w->current.id);
	int i;

	if (!*distro || !*package || !text(distro, FZ_LAB_DISTRO) ||
	    !text(package, FZ_LAB_PACKAGE) || !text(id, FZ_LAB_ID) ||
	    (s->kind == FZ_SAYS_SUITE) != !*id)
		return fz_fail(err, -EINVAL, "a name in an advisory makes no sense");
	*v++ = s->kind;
	*v++ = s->flags;
	for (i = 0; i < FZ_LAB_STRINGS; i++) {
		if (!text(strings[i], FZ_LAB_STRING))
			return fz_fail(err, -EINVAL, "%s of %s: a version makes no sense", id, package);
		v = put(v, strings[i]);
	}
	k = put(put(put(k, distro), package), id);
	memcpy(k, &source, sizeof(source));
	return add(w, FZ_LAB_ADVISORIES, key, k + sizeof(source) - key, value, v - value, err);
}

int fz_labels_write_hash(struct fz_labels_writer *w, const uint8_t sha256[32],
			 enum fz_label_kind kind, const char *name, struct fz_error *err)
{
	uint8_t key[32 + sizeof(uint32_t)], value[1 + FZ_LAB_NAME];
	uint32_t source = htobe32(w->current.id);
	size_t n = strlen(name);

	if (n >= FZ_LAB_NAME)
		return fz_fail(err, -EINVAL, "a name is too long");
	memcpy(key, sha256, 32);
	memcpy(key + 32, &source, sizeof(source));
	value[0] = kind;
	memcpy(value + 1, name, n + 1);
	return add(w, FZ_LAB_HASHES, key, sizeof(key), value, n + 2, err);
}

/* ------------------------------------------------------------------- sources */

static struct fz_labels_source *find(struct fz_labels_writer *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->nsources; i++)
		if (!strcmp(w->sources[i].name, name))
			return &w->sources[i];
	return NULL;
}

int fz_labels_write_begin(struct fz_labels_writer *w, const char *name, const uint8_t digest[32],
			  struct fz_error *err)
{
	const struct fz_labels_source *old = find(w, name);

	if (!*name || !text(name, FZ_LAB_NAME))
		return fz_fail(err, -EINVAL, "a source's name is printable ASCII, at most %d bytes of it",
			       FZ_LAB_NAME - 1);
	if (old && !memcmp(old->digest, digest, 32))
		return 0;
	fz_labels_write_undo(w);
	if (FZ_GROW(w->sources, w->nsources, w->sources_cap))
		return fz_fail(err, -ENOMEM, "out of memory");
	w->current = (struct fz_labels_source){ .id = ++w->last_id, .name = strdup(name) };
	if (!w->current.name)
		return fz_fail(err, -ENOMEM, "out of memory");
	memcpy(w->current.digest, digest, 32);
	return 1;
}

void fz_labels_write_undo(struct fz_labels_writer *w)
{
	if (!w->current.name)
		return;
	free(w->current.name);
	w->current = (struct fz_labels_source){ 0 };
	w->nrecs = w->kept_recs;
	w->len = w->kept_len;
}

/* Its records are left behind when the file is written, for their number is nobody's. */
static void forget(struct fz_labels_writer *w, struct fz_labels_source *s)
{
	free(s->name);
	free(s->format);
	*s = w->sources[--w->nsources];
}

void fz_labels_write_end(struct fz_labels_writer *w, const char *format, uint64_t dated,
			 uint64_t skipped)
{
	struct fz_labels_source *old = find(w, w->current.name);

	w->current.format = strdup(format);
	if (!w->current.format) {
		w->failed = true;
		fz_labels_write_undo(w);
		return;
	}
	if (old)
		forget(w, old);
	w->current.dated = dated;
	w->current.skipped = skipped;
	w->sources[w->nsources++] = w->current;
	w->current = (struct fz_labels_source){ 0 };
	w->kept_recs = w->nrecs;
	w->kept_len = w->len;
	w->changed = true;
}

int fz_labels_write_remove(struct fz_labels_writer *w, const char *name, struct fz_error *err)
{
	struct fz_labels_source *s = find(w, name);

	if (!s)
		return fz_fail(err, -ENOENT, "%s has no source '%.64s'; see 'fitzroy db cve info'",
			       w->out.path, name);
	forget(w, s);
	w->changed = true;
	return 0;
}
