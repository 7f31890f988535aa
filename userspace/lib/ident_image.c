// SPDX-License-Identifier: GPL-2.0-only
/* ident_image.c - one page of one image: is it that page, but for its relocations? */
#include <xxhash.h>
#include "ident_image.h"

#define PAGE		((uint64_t)FZ_PAGE_SIZE)
#define ALIKE		48	/* of 64 blocks, for a page to be a changed one */

int fz_image_class(struct fz_identify *id, struct fz_images *im, uint32_t class,
		   struct fz_image **info, struct fz_error *err)
{
	const struct fz_hashdb_file *f = class_file(&id->r, class);
	struct fz_image *c;
	const void *data;
	size_t len;
	int ret;

	if (class >= im->nclasses) {
		c = reallocarray(im->classes, id->r.nclasses, sizeof(*c));
		if (!c)
			return fz_fail(err, -ENOMEM, "out of memory");
		memset(c + im->nclasses, 0, (id->r.nclasses - im->nclasses) * sizeof(*c));
		im->classes = c;
		im->nclasses = id->r.nclasses;
	}
	*info = c = &im->classes[class];
	if (c->looked)
		return c->relocated;
	c->looked = true;
	if (fz_hashdb_foreign(f))
		return 0;
	c->file = id->file_ids[id->r.classes[class].file];
	if (f->kind == FZ_FILE_FIRMWARE && f->nsegments == 1) {
		c->image.bytes = f->segments[0].pages * FZ_PAGE_SIZE;
		c->relocated = true;
		return 1;
	}
	/* Of an ELF file, if it has text relocations. */
	if (f->kind != FZ_FILE_PE && f->kind != FZ_FILE_TE &&
	    (f->kind != FZ_FILE_ELF || f->flags & FZ_FILE_UNPACKED))
		return 0;
	ret = fz_hashdb_extra(id->db, c->file, FZ_BLOB_RELOC, 0, &data, &len, err);
	if (ret <= 0 || len < sizeof(c->image))
		return ret < 0 ? ret : 0;
	memcpy(&c->image, data, sizeof(c->image));
	if ((len - sizeof(c->image)) / sizeof(struct fz_reloc_loose) < c->image.nloose)
		return 0;
	c->loose = (const uint8_t *)data + sizeof(c->image);
	c->relocated = true;
	return 1;
}

/* The sites of page @page, copied to be aligned. At most 2049 of 2 bytes fit in a page. */
static int get_sites(struct fz_identify *id, const struct fz_image *c, uint32_t page,
		     uint16_t sites[FZ_PAGE_SIZE], size_t *n, struct fz_error *err)
{
	const void *data;
	size_t len;
	int ret;

	*n = 0;
	ret = fz_hashdb_extra(id->db, c->file, FZ_BLOB_RELOC, 1 + page, &data, &len, err);
	if (ret <= 0 || len > FZ_PAGE_SIZE * sizeof(*sites))
		return ret < 0 ? ret : 0;
	memcpy(sites, data, len);
	*n = len / sizeof(*sites);
	return 0;
}

/* As get_sites(): the symbols of the page. No two lie over each other. */
static int get_symbols(struct fz_identify *id, const struct fz_image *c, uint32_t page,
		       struct fz_reloc_symbol symbols[FZ_PAGE_SIZE / 4 + 2], size_t *n,
		       struct fz_error *err)
{
	const void *data;
	size_t len;
	int ret;

	*n = 0;
	ret = fz_hashdb_extra(id->db, c->file, FZ_BLOB_SYMBOLS, 1 + page, &data, &len, err);
	if (ret <= 0 || len > (FZ_PAGE_SIZE / 4 + 2) * sizeof(*symbols))
		return ret < 0 ? ret : 0;
	memcpy(symbols, data, len);
	*n = len / sizeof(*symbols);
	return 0;
}

/* Is @copy page @page of @class? 1; 2 if that is also a page of another class. */
static int confirm(struct fz_identify *id, uint32_t class, uint32_t page, const uint8_t *copy,
		   struct fz_error *err)
{
	struct fz_hashdb_ref refs[FZ_REFS_MAX];
	bool forged, is = false, other = false;
	uint32_t k;
	size_t n, i;
	int ret;

	ret = fz_hashdb_lookup(id->db, XXH64(copy, FZ_PAGE_SIZE, 0), copy, refs, FZ_REFS_MAX, &n,
			       &forged, err);
	if (ret <= 0)
		return ret;
	for (i = 0; i < n && i < FZ_REFS_MAX; i++) {
		ret = fz_identify_file(id, refs[i].file, &k, err);
		if (ret)
			return ret;
		is |= k == class && refs[i].page == page;
		other |= k != class;
	}
	return is ? 1 + (other || n > FZ_REFS_MAX) : 0;
}

int fz_image_is_page(struct fz_identify *id, struct fz_images *im, const struct fz_frame *f,
		     uint32_t class, uint32_t page, uint64_t base, struct fz_error *err)
{
	struct fz_reloc_symbol symbols[FZ_PAGE_SIZE / 4 + 2];
	uint16_t sites[FZ_PAGE_SIZE];
	uint8_t copy[FZ_PAGE_SIZE];
	struct fz_image *c;
	unsigned int way;
	size_t n, m = 0;
	bool led;
	int ret;

	ret = fz_image_class(id, im, class, &c, err);
	if (ret <= 0)
		return ret;
	ret = get_sites(id, c, page, sites, &n, err);
	if (!ret)
		ret = get_symbols(id, c, page, symbols, &m, err);
	for (way = 0; !ret && (n || m) && way < fz_reloc_ways(sites, n); way++) {
		memcpy(copy, id->r.contents[f->content].page, FZ_PAGE_SIZE);
		fz_reloc_move(copy, sites, n, base - c->image.base, true, way);
		led = fz_reloc_symbols(copy, symbols, m, base - c->image.base);
		ret = confirm(id, class, page, copy, err);
		if (ret > 0 && !led)
			ret = FZ_IMAGE_BUT_SYMBOLS;
	}
	return ret;
}

static bool is_loose(const struct fz_image *c, uint64_t at)
{
	struct fz_reloc_loose l;
	uint32_t i;

	for (i = 0; i < c->image.nloose; i++) {
		memcpy(&l, c->loose + i * sizeof(l), sizeof(l));
		if (at >= l.from && at < l.to)
			return true;
	}
	return false;
}

/*
 * EDK2's interrupt entries are "mov rax, 0" in the file; it puts addresses of the image
 * there. No table says which.
 */
static bool patches_itself(const struct fz_image *c, uint64_t base, const uint8_t *file,
			   const uint8_t *want, const uint8_t *have)
{
	static const uint8_t mov[10] = { 0x48, 0xb8 };
	bool some = false;
	unsigned int i = 0;
	uint64_t v;

	while (i < FZ_PAGE_SIZE) {
		size_t left = FZ_PAGE_SIZE - i < sizeof(mov) ? FZ_PAGE_SIZE - i : sizeof(mov);

		/* Of one that begins or ends on another page some is here. */
		if (i < 8 && !file[i]) {
			i++;
		} else if (left > 2 && left < sizeof(mov) && !memcmp(file + i, mov, left)) {
			break;
		} else if (left == sizeof(mov) && !memcmp(file + i, mov, left) &&
			   !memcmp(have + i, mov, 2)) {
			memcpy(&v, have + i + 2, sizeof(v));
			i += sizeof(mov);
			if (!v)
				continue;
			if (v < base || v - base >= c->image.bytes)
				return false;
			some = true;
		} else if (want[i] != have[i]) {
			return false;
		} else {
			i++;
		}
	}
	return some;
}

int fz_image_compare(struct fz_identify *id, struct fz_images *im, struct fz_frame *f,
		     uint32_t class, uint32_t page, uint64_t base, bool certain,
		     struct fz_error *err)
{
	const uint8_t *have = id->r.contents[f->content].page;
	uint8_t file[FZ_PAGE_SIZE], want[FZ_PAGE_SIZE], best[FZ_PAGE_SIZE];
	unsigned int way, i, differ, loose, least = FZ_PAGE_SIZE + 1, alike = 64;
	uint16_t sites[FZ_PAGE_SIZE];
	struct fz_image *c;
	size_t n;
	int ret;

	ret = fz_image_class(id, im, class, &c, err);
	if (ret <= 0)
		return ret;
	ret = fz_hashdb_page(id->db, c->file, page, file, err);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	ret = get_sites(id, c, page, sites, &n, err);
	if (ret)
		return ret;
	for (way = 0; way < fz_reloc_ways(sites, n); way++) {
		memcpy(want, file, FZ_PAGE_SIZE);
		fz_reloc_move(want, sites, n, base - c->image.base, false, way);
		for (differ = loose = i = 0; i < FZ_PAGE_SIZE; i++) {
			if (want[i] == have[i])
				continue;
			if (is_loose(c, page * PAGE + i)) {
				want[i] = have[i];
				loose++;
			} else {
				differ++;
			}
		}
		if (!differ && !loose)
			return 0;
		if (differ < least) {
			least = differ;
			memcpy(best, want, FZ_PAGE_SIZE);
		}
	}
	if (!least || patches_itself(c, base, file, best, have)) {
		fz_say_why(f, least ? FZ_WHY_ITSELF : FZ_WHY_DATA);
		return 1;
	}
	for (i = 0; i < 64; i++)
		alike -= !!memcmp(best + 64 * i, have + 64 * i, 64);
	if (alike < ALIKE || !certain)
		return 0;
	if (class_file(&id->r, class)->kind == FZ_FILE_FIRMWARE) {
		/* Which of it is data, nobody tells. */
		fz_say_why(f, FZ_WHY_FIRMWARE);
		return 1;
	}
	ret = fz_say_modified(id, f, class, page, base, best, err);
	return ret ? ret : 1;
}

void fz_images_free(struct fz_images *im)
{
	free(im->classes);
}
