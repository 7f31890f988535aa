// SPDX-License-Identifier: GPL-2.0-only
/*
 * hashdb_ident.c - has this been added before?
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hashdb_writer.h"

int fz_db_append(struct fz_db_grow *g, const void *data, size_t len, struct fz_error *err)
{
	if (len > g->cap - g->len) {
		size_t cap = g->cap + g->cap / 2 + len + 4096;
		uint8_t *p = realloc(g->p, cap);

		if (!p)
			return fz_fail(err, -ENOMEM, "out of memory");
		g->p = p;
		g->cap = cap;
	}
	if (len)
		memcpy(g->p + g->len, data, len);
	g->len += len;
	return 0;
}

static size_t slot_of(const struct fz_hashdb_writer *w, const struct fz_db_key *key)
{
	uint64_t h;

	memcpy(&h, key->digest, sizeof(h));
	return (h + key->kind) & (w->index_size - 1);
}

static struct fz_db_pending *pending(const struct fz_hashdb_writer *w, uint32_t i)
{
	return (struct fz_db_pending *)w->grow[GROW_IDENTS].p + i;
}

static void index_add(struct fz_hashdb_writer *w, uint32_t i)
{
	size_t s = slot_of(w, &pending(w, i)->key);

	while (w->index[s])
		s = (s + 1) & (w->index_size - 1);
	w->index[s] = i + 1;
}

int fz_db_index_rebuild(struct fz_hashdb_writer *w, size_t size, struct fz_error *err)
{
	uint32_t i, n = w->grow[GROW_IDENTS].len / sizeof(struct fz_db_pending);

	if (size != w->index_size) {
		uint32_t *p = realloc(w->index, size * sizeof(*p));

		if (!p)
			return fz_fail(err, -ENOMEM, "out of memory");
		w->index = p;
		w->index_size = size;
	}
	memset(w->index, 0, size * sizeof(*w->index));
	for (i = 0; i < n; i++)
		index_add(w, i);
	return 0;
}

int fz_db_find_ident(struct fz_hashdb_writer *w, const struct fz_db_key *key,
		     struct fz_db_ident *ident, struct fz_error *err)
{
	MDB_val k = { sizeof(*key), (void *)key }, v;
	size_t s;
	int rc;

	for (s = slot_of(w, key); w->index[s]; s = (s + 1) & (w->index_size - 1)) {
		struct fz_db_pending *p = pending(w, w->index[s] - 1);

		if (!memcmp(&p->key, key, sizeof(*key))) {
			*ident = p->ident;
			return 1;
		}
	}
	if (!w->old)
		return 0;
	rc = mdb_get(w->old->store.txn, w->old->store.dbi[FZ_DB_IDENTS], &k, &v);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc)
		return fz_db_mdb(err, w->out.path, rc);
	if (v.mv_size != sizeof(*ident))
		return fz_db_broken(err, w->out.path, "size of an ident", v.mv_size);
	memcpy(ident, v.mv_data, sizeof(*ident));
	return 1;
}

int fz_db_add_ident(struct fz_hashdb_writer *w, const struct fz_db_key *key, uint32_t id,
		    uint32_t files, struct fz_error *err)
{
	struct fz_db_pending p = { *key, { id, files } };
	uint32_t n = w->grow[GROW_IDENTS].len / sizeof(p);
	int ret = 0;

	if (n >= w->index_size / 2)
		ret = fz_db_index_rebuild(w, w->index_size * 2, err);
	if (!ret)
		ret = fz_db_append(&w->grow[GROW_IDENTS], &p, sizeof(p), err);
	if (!ret)
		index_add(w, n);
	return ret;
}

static int digest_strings(struct fz_db_key *key, uint8_t kind, const void *head, size_t head_len,
			  const char *const *strings, size_t n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sha256[32];
	int good;
	size_t i;

	good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
		EVP_DigestUpdate(ctx, head, head_len);
	for (i = 0; good && i < n; i++)
		good = EVP_DigestUpdate(ctx, strings[i], strlen(strings[i]) + 1);
	good = good && EVP_DigestFinal_ex(ctx, sha256, NULL);
	EVP_MD_CTX_free(ctx);
	key->kind = kind;
	memcpy(key->digest, sha256, sizeof(key->digest));
	return good ? 0 : -EIO;
}

int fz_db_file_key(struct fz_db_key *key, const struct fz_hashdb_file *f)
{
	const char *s[] = { f->path, f->package, f->source, f->version, f->source_version,
			    f->arch, f->release };

	uint8_t head[sizeof(f->sha256) + 2];
	bool plain = !f->kind && !f->flags;

	memcpy(head, f->sha256, sizeof(f->sha256));
	head[sizeof(head) - 2] = f->kind;
	head[sizeof(head) - 1] = f->flags;
	return digest_strings(key, 'F', head, sizeof(head) - (plain ? 2 : 0), s, 7);
}

int fz_db_package_key(struct fz_db_key *key, const char *const strings[FZ_DB_STRINGS])
{
	return digest_strings(key, 'P', "", 0, strings, FZ_DB_STRINGS);
}
