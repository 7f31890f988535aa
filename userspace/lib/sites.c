// SPDX-License-Identifier: GPL-2.0-only
/* sites.c - collecting sites, packing them by page, and finding those of a page */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>
#include "table.h"
#include "undo.h"

#define BLOB_MAX	(64UL << 20)
#define LEVEL		9
#define SITES_MAX	(1UL << 23)	/* of a file; a kernel has some 100,000 */
#define BYTES_MAX	(256UL << 20)

struct entry {
	uint32_t page;
	uint32_t len;		/* of @bytes in all */
	size_t at;		/* into @bytes */
};

struct fz_sites {
	struct entry *entries;
	size_t n, cap;
	uint8_t *bytes;		/* sites as undo.h packs them */
	size_t len, bytes_cap;
};

struct fz_sites *fz_sites_new(void)
{
	return calloc(1, sizeof(struct fz_sites));
}

void fz_sites_free(struct fz_sites *s)
{
	if (!s)
		return;
	free(s->entries);
	free(s->bytes);
	free(s);
}

/* Add a site that lies in one page. */
static int add(struct fz_sites *s, uint64_t at, unsigned int kind, unsigned int len,
	       const uint8_t *head, unsigned int nhead, const uint8_t *data)
{
	size_t size = 4 + nhead + (data ? len : 0);
	uint8_t *p;

	if (at / FZ_UNDO_PAGE >= UINT32_MAX || s->n >= SITES_MAX || s->len >= BYTES_MAX)
		return -EINVAL;
	if (FZ_GROW(s->entries, s->n, s->cap))
		return -ENOMEM;
	if (s->bytes_cap - s->len < size) {
		size_t cap = s->bytes_cap * 2 + 65536;

		p = realloc(s->bytes, cap);
		if (!p)
			return -ENOMEM;
		s->bytes = p;
		s->bytes_cap = cap;
	}
	s->entries[s->n++] = (struct entry){ at / FZ_UNDO_PAGE, size, s->len };
	p = s->bytes + s->len;
	s->len += size;
	p[0] = at % FZ_UNDO_PAGE;
	p[1] = at % FZ_UNDO_PAGE >> 8;
	p[2] = kind;
	p[3] = len;
	if (nhead)
		memcpy(p + 4, head, nhead);
	if (data)
		memcpy(p + 4 + nhead, data, len);
	return 0;
}

/* How much of a site at @at lies in its page? */
static unsigned int fits(uint64_t at, unsigned int len)
{
	unsigned int room = FZ_UNDO_PAGE - at % FZ_UNDO_PAGE;

	return len < room ? len : room;
}

int fz_sites_value(struct fz_sites *s, uint64_t at, const uint8_t *value, unsigned int len)
{
	unsigned int n = fits(at, len);
	int ret;

	if (!len || len > FZ_SITE_MAX)
		return -EINVAL;
	ret = add(s, at, FZ_SITE_VALUE, n, NULL, 0, value);
	if (!ret && n < len)
		ret = add(s, at + n, FZ_SITE_VALUE, len - n, NULL, 0, value + n);
	return ret;
}

/* The bytes of a part that has none of the field are a value like any other. */
static int add_target(struct fz_sites *s, uint64_t at, const uint8_t *value, unsigned int len,
		      int field)
{
	uint8_t head = (uint8_t)(int8_t)field;

	if (field <= -4 || field >= (int)len)
		return add(s, at, FZ_SITE_VALUE, len, NULL, 0, value);
	return add(s, at, FZ_SITE_TARGET, len, &head, 1, value);
}

int fz_sites_target(struct fz_sites *s, uint64_t at, const uint8_t *value, unsigned int len,
		    unsigned int field)
{
	unsigned int n = fits(at, len);
	int ret;

	if (!len || len > 100 || field + 4 > len)
		return -EINVAL;
	ret = add_target(s, at, value, n, field);
	if (!ret && n < len)
		ret = add_target(s, at + n, value + n, len - n, (int)field - (int)n);
	return ret;
}

int fz_sites_call(struct fz_sites *s, uint64_t at, const uint8_t *value, unsigned int len,
		  unsigned int field, uint64_t slot)
{
	uint8_t head[9] = { field };

	if (!len || len > 100 || field + 4 > len)
		return -EINVAL;
	if (fits(at, len) < len)
		return fz_sites_target(s, at, value, len, field);
	slot = htole64(slot);
	memcpy(head + 1, &slot, 8);
	return add(s, at, FZ_SITE_CALL, len, head, sizeof(head), value);
}

static int add_delta(struct fz_sites *s, uint64_t at, unsigned int len, unsigned int from,
		     uint8_t head[12])
{
	head[1] = from;
	return add(s, at, FZ_SITE_DELTA, len, head, 12, NULL);
}

int fz_sites_delta(struct fz_sites *s, uint64_t at, unsigned int width, unsigned int shift,
		   bool minus, uint64_t original)
{
	uint8_t head[12] = { width, 0, shift, minus };
	unsigned int n = fits(at, width);
	int ret;

	if ((width != 2 && width != 4 && width != 8) || shift > 32)
		return -EINVAL;
	original = htole64(original);
	memcpy(head + 4, &original, 8);
	ret = add_delta(s, at, n, 0, head);
	if (!ret && n < width)
		ret = add_delta(s, at + n, width - n, n, head);
	return ret;
}

int fz_sites_symbol(struct fz_sites *s, uint64_t at, unsigned int width, bool relative,
		    int32_t addend, uint64_t symbol)
{
	uint8_t head[16] = { width, 0, relative };
	unsigned int n = fits(at, width);
	int ret;

	if (width != 1 && width != 4 && width != 8)
		return -EINVAL;
	addend = htole32(addend);
	symbol = htole64(symbol);
	memcpy(head + 4, &addend, 4);
	memcpy(head + 8, &symbol, 8);
	ret = add(s, at, FZ_SITE_SYMBOL, n, head, 16, NULL);
	head[1] = n;
	if (!ret && n < width)
		ret = add(s, at + n, FZ_SITE_SYMBOL, width - n, head, 16, NULL);
	return ret;
}

/* Of a value's bytes [@from, @from + @len): the fields that reach into them. */
static int add_moved(struct fz_sites *s, uint64_t at, const uint8_t *value, unsigned int from,
		     unsigned int len, const struct fz_moved *fields, unsigned int n)
{
	uint8_t head[1 + FZ_MOVED_MAX * FZ_MOVED_BYTES] = { 0 };
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint8_t *p = head + 1 + FZ_MOVED_BYTES * head[0];

		if (fields[i].at >= from + len || fields[i].at + fields[i].width <= from)
			continue;
		p[0] = fields[i].at - from;	/* may be negative */
		p[1] = fields[i].width;
		p[2] = fields[i].minus;
		memcpy(p + 3, value + fields[i].at, fields[i].width);
		head[0]++;
	}
	if (!head[0])
		return add(s, at, FZ_SITE_VALUE, len, NULL, 0, value + from);
	return add(s, at, FZ_SITE_MOVED, len, head, 1 + FZ_MOVED_BYTES * head[0], value + from);
}

int fz_sites_moved(struct fz_sites *s, uint64_t at, const uint8_t *value, unsigned int len,
		   const struct fz_moved *fields, unsigned int n)
{
	unsigned int first = fits(at, len), i;
	int ret;

	if (!len || len > 100 || !n || n > FZ_MOVED_MAX)
		return -EINVAL;
	for (i = 0; i < n; i++)
		if ((fields[i].width != 4 && fields[i].width != 8) ||
		    fields[i].at + fields[i].width > len)
			return -EINVAL;
	ret = add_moved(s, at, value, 0, first, fields, n);
	if (!ret && first < len)
		ret = add_moved(s, at + first, value, first, len - first, fields, n);
	return ret;
}

int fz_sites_any(struct fz_sites *s, uint64_t at, unsigned int len)
{
	unsigned int n = fits(at, len);
	int ret;

	if (!len || len > 8)
		return -EINVAL;
	ret = add(s, at, FZ_SITE_ANY, n, NULL, 0, NULL);
	if (!ret && n < len)
		ret = add(s, at + n, FZ_SITE_ANY, len - n, NULL, 0, NULL);
	return ret;
}

int fz_sites_traced(struct fz_sites *s, uint64_t at)
{
	/* The compiler puts them where functions begin: not over a page's end. */
	return fits(at, 5) == 5 ? add(s, at, FZ_SITE_TRACED, 5, NULL, 0, NULL) : 0;
}

/* By page, then as packed: by offset's low byte first, which does for what is equal. */
static int order(const void *a, const void *b, void *bytes)
{
	const struct entry *x = a, *y = b;
	const uint8_t *p = (uint8_t *)bytes + x->at, *q = (uint8_t *)bytes + y->at;
	uint32_t len = x->len < y->len ? x->len : y->len;
	int c;

	if (x->page != y->page)
		return x->page < y->page ? -1 : 1;
	if (p[1] != q[1] || p[0] != q[0])
		return (p[1] << 8 | p[0]) - (q[1] << 8 | q[0]);
	c = memcmp(p + 2, q + 2, len - 2);
	return c ? c : (x->len > y->len) - (x->len < y->len);
}

static int put_blob(const struct fz_sites *s, size_t first, size_t end, uint32_t index,
		    int (*put)(void *, uint32_t, const void *, size_t, struct fz_error *),
		    void *ctx, struct fz_error *err)
{
	uint32_t *starts;
	size_t size = (FZ_SITES_CHUNK + 1) * sizeof(*starts), max, len, i;
	uint8_t *raw, *packed;
	unsigned int p = 0;
	int ret;

	for (i = first; i < end; i++)
		size += s->entries[i].len;
	raw = malloc(size);
	max = ZSTD_compressBound(size);
	packed = malloc(max);
	ret = fz_fail(err, -ENOMEM, "out of memory");
	if (!raw || !packed || size > BLOB_MAX)
		goto out;
	starts = (uint32_t *)raw;
	for (len = (FZ_SITES_CHUNK + 1) * sizeof(*starts), i = first; i < end; i++) {
		const struct entry *e = &s->entries[i];

		while (p <= e->page % FZ_SITES_CHUNK)
			starts[p++] = len;
		if (i > first && e->page == e[-1].page && !order(e, e - 1, s->bytes))
			continue;
		memcpy(raw + len, s->bytes + e->at, e->len);
		len += e->len;
	}
	while (p <= FZ_SITES_CHUNK)
		starts[p++] = len;
	len = ZSTD_compress(packed, max, raw, len, LEVEL);
	ret = ZSTD_isError(len) ? fz_fail(err, -ENOMEM, "zstd: %s", ZSTD_getErrorName(len)) :
	      put(ctx, index, packed, len, err);
out:
	free(raw);
	free(packed);
	return ret;
}

int fz_sites_write(struct fz_sites *s, uint32_t pages,
		   int (*put)(void *ctx, uint32_t index, const void *data, size_t len,
			      struct fz_error *err), void *ctx, struct fz_error *err)
{
	size_t i, end;
	int ret = 0;

	if (s->n)
		qsort_r(s->entries, s->n, sizeof(*s->entries), order, s->bytes);
	for (i = 0; !ret && i < s->n && s->entries[i].page < pages; i = end) {
		uint32_t index = s->entries[i].page / FZ_SITES_CHUNK;

		for (end = i; end < s->n && s->entries[end].page / FZ_SITES_CHUNK == index; end++)
			;
		ret = put_blob(s, i, end, index, put, ctx, err);
	}
	return ret;
}

uint64_t fz_anchor(const uint8_t *page, unsigned int at)
{
	return XXH64(page + at, FZ_ANCHOR, at);
}

/* Mark what the sites of @page touch. */
static void mark(const struct fz_sites *s, uint32_t page, bool touched[FZ_UNDO_PAGE])
{
	size_t lo = 0, hi = s->n, mid;

	memset(touched, 0, FZ_UNDO_PAGE);
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->entries[mid].page < page)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < s->n && s->entries[lo].page == page; lo++) {
		const uint8_t *p = s->bytes + s->entries[lo].at;

		memset(touched + (p[0] | p[1] << 8), 1, p[3]);
	}
}

bool fz_sites_anchor(struct fz_sites *s, const uint8_t *image, uint32_t page, uint64_t *hash)
{
	const uint8_t *p = image + (size_t)page * FZ_UNDO_PAGE;
	unsigned int at, i, different, most = 12, best = 0;
	bool touched[FZ_UNDO_PAGE];

	mark(s, page, touched);
	for (at = 0; at + FZ_ANCHOR <= FZ_UNDO_PAGE; at += FZ_ANCHOR_STEP) {
		if (memchr(touched + at, 1, FZ_ANCHOR))
			continue;
		/* Rather code than padding: count bytes unlike their neighbour. */
		for (different = 0, i = 1; i < FZ_ANCHOR; i++)
			different += p[at + i] != p[at + i - 1];
		if (different > most) {
			most = different;
			best = at;
		}
	}
	if (most == 12)
		return false;
	*hash = fz_anchor(p, best);
	return true;
}

int fz_sites_find(struct fz_hashdb *db, struct fz_unpacked *kept, uint32_t file, uint32_t page,
		  const uint8_t **sites, size_t *len, struct fz_error *err)
{
	uint32_t starts[2];
	const uint8_t *data;
	size_t n;
	int ret;

	*sites = NULL;
	*len = 0;
	ret = fz_unpacked_get(kept, db, file, FZ_BLOB_SITES, page / FZ_SITES_CHUNK, BLOB_MAX, &data,
			      &n, err);
	if (!ret)
		return 0;
	if (ret > 0 && n >= (FZ_SITES_CHUNK + 1) * sizeof(uint32_t)) {
		memcpy(starts, data + page % FZ_SITES_CHUNK * sizeof(*starts), sizeof(starts));
		if (starts[0] <= starts[1] && starts[1] <= n) {
			*sites = data + starts[0];
			*len = starts[1] - starts[0];
			return 0;
		}
	}
	if (ret < 0 && ret != -EBADMSG)
		return ret;
	return fz_fail(err, -EBADMSG, "the database is damaged (sites of file %u); build it anew",
		       file);
}
