// SPDX-License-Identifier: GPL-2.0-only
/*
 * fv.c - UEFI firmware images: volumes, the files in them, the programs in those
 *
 * UEFI Platform Initialization 1.7, volume 3. Volumes hold files, files hold
 * sections, sections hold programs, volumes or more sections, packed or not. What
 * is still to be looked at is a list, so that depth costs no stack.
 */
#include <errno.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fv.h"

#define VOLUME		56U		/* bytes of a volume's header, at least */
#define FILE_HEADER	24U
#define BLOCK		4096U

#define FILE_SEC_CORE	0x03
#define FILE_PEI_CORE	0x04
#define FILE_PEIM	0x06
#define FILE_PAD	0xf0
#define FILE_LARGE	0x01		/* attribute */

#define SECTION_COMPRESSED	0x01
#define SECTION_GUIDED		0x02
#define SECTION_PE32		0x10
#define SECTION_TE		0x12
#define SECTION_UI		0x15
#define SECTION_VOLUME		0x17

struct guid {
	uint8_t b[16];
};

static const struct guid ffs2 = {{ 0x78, 0xe5, 0x8c, 0x8c, 0x3d, 0x8a, 0x1c, 0x4f,
				   0x99, 0x35, 0x89, 0x61, 0x85, 0xc3, 0x2d, 0xd3 }};
static const struct guid ffs3 = {{ 0x7a, 0xc0, 0x73, 0x54, 0xcb, 0x3d, 0xca, 0x4d,
				   0xbd, 0x6f, 0x1e, 0x96, 0x89, 0xe7, 0x34, 0x9a }};
static const struct guid lzma = {{ 0x98, 0x58, 0x4e, 0xee, 0x14, 0x39, 0x59, 0x42,
				   0x9d, 0x6e, 0xdc, 0x7b, 0xd7, 0x94, 0x03, 0xcf }};

/* Volumes have no names of their own; these are OVMF's. */
static const struct {
	struct guid guid;
	const char *name;
} volumes[] = {
	{ {{ 0x0d, 0xed, 0x3b, 0x76, 0x9f, 0xde, 0xf5, 0x48,
	     0x81, 0xf1, 0x3e, 0x90, 0xe1, 0xb1, 0xa0, 0x15 }}, "SECFV" },
	{ {{ 0x9b, 0x07, 0x38, 0x69, 0x03, 0xb5, 0x3d, 0x4e,
	     0x9d, 0x24, 0xb2, 0x83, 0x37, 0xa2, 0x58, 0x06 }}, "PEIFV" },
	{ {{ 0xc9, 0xbd, 0xb8, 0x7c, 0xeb, 0xf8, 0x34, 0x4f,
	     0xaa, 0xea, 0x3e, 0xe4, 0xaf, 0x65, 0x16, 0xa1 }}, "DXEFV" },
};

enum what { WHAT_VOLUME, WHAT_SECTIONS };

/* Something to be looked at. */
struct part {
	enum what what;
	const uint8_t *p;
	size_t size;
	unsigned int depth;
	bool unpacked;
	uint8_t type;		/* of the file that the sections are in */
	char name[FZ_FV_NAME];
};

struct walk {
	fz_fv_sink sink;
	void *ctx;
	struct fz_error *err;
	struct part *parts;	/* a stack */
	size_t nparts, cap;
	uint8_t **unpacked;
	size_t nunpacked;
	uint64_t bytes;
	unsigned int items;
};

static uint16_t u16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static uint32_t u24(const uint8_t *p)
{
	return u16(p) | (uint32_t)p[2] << 16;
}

static uint32_t u32(const uint8_t *p)
{
	return u24(p) | (uint32_t)p[3] << 24;
}

static uint64_t u64(const uint8_t *p)
{
	return u32(p) | (uint64_t)u32(p + 4) << 32;
}

bool fz_fv_magic(const void *data, size_t size)
{
	return size >= VOLUME && !memcmp((const uint8_t *)data + 40, "_FVH", 4);
}

static void guid_name(char name[FZ_FV_NAME], const uint8_t *g)
{
	snprintf(name, FZ_FV_NAME,
		 "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", u32(g), u16(g + 4),
		 u16(g + 6), g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
}

/* UTF-16 with its end, as a user interface section has it. Only plain names are taken. */
static void ui_name(char name[FZ_FV_NAME], const uint8_t *p, size_t size)
{
	char out[FZ_FV_NAME];
	size_t i;

	for (i = 0; i < FZ_FV_NAME && 2 * i + 2 <= size; i++) {
		uint16_t c = u16(p + 2 * i);

		if (c && (c <= ' ' || c > '~' || c == '/'))
			return;
		out[i] = c;
		if (!c) {
			if (i)
				memcpy(name, out, i + 1);
			return;
		}
	}
}

static int count(struct walk *w)
{
	if (++w->items > FZ_FV_ITEMS_MAX)
		return fz_fail(w->err, -EINVAL, "it has more than %d parts", FZ_FV_ITEMS_MAX);
	return 0;
}

static int push(struct walk *w, const struct part *from, enum what what, const uint8_t *p,
		size_t size)
{
	struct part *parts;

	if (from->depth == FZ_FV_DEPTH_MAX)
		return fz_fail(w->err, -EINVAL, "its volumes are more than %d deep", FZ_FV_DEPTH_MAX);
	if (w->nparts == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 64;
		parts = reallocarray(w->parts, w->cap, sizeof(*parts));
		if (!parts)
			return fz_fail(w->err, -ENOMEM, "out of memory");
		w->parts = parts;
	}
	w->parts[w->nparts] = *from;
	w->parts[w->nparts].what = what;
	w->parts[w->nparts].p = p;
	w->parts[w->nparts].size = size;
	w->parts[w->nparts].depth++;
	w->nparts++;
	return 0;
}

/* ------------------------------------------------------------------ sections */

struct section {
	const uint8_t *p;	/* behind the header */
	size_t size;
	uint8_t type;
};

/* The section at @*at of @part, and where the next one is. 1, 0 at the end. */
static int next_section(struct walk *w, const struct part *part, size_t *at, struct section *s)
{
	const uint8_t *p = part->p + *at;
	size_t left = part->size - *at, size, header = 4;

	if (left < 4)
		return 0;
	size = u24(p);
	s->type = p[3];
	if (size == 0xffffff) {
		header = 8;
		size = left < 8 ? 0 : u32(p + 4);
	}
	if (size < header || size > left)
		return fz_fail(w->err, -EINVAL, "%s has a section of %zu bytes", part->name, size);
	s->p = p + header;
	s->size = size - header;
	*at += (size + 3) & ~(size_t)3;
	if (*at > part->size)
		*at = part->size;
	return count(w) ? -EINVAL : 1;
}

static int unpack(struct walk *w, const struct part *part, const uint8_t *p, size_t size)
{
	lzma_stream z = LZMA_STREAM_INIT;
	uint8_t *out, **list;
	uint64_t bytes;
	lzma_ret ret;

	if (size < 13)
		return fz_fail(w->err, -EINVAL, "%s has a packed section without a header", part->name);
	bytes = u64(p + 5);
	if (bytes > FZ_FV_UNPACKED_MAX - w->bytes)
		return fz_fail(w->err, -EINVAL, "it unpacks to more than %lu MiB",
			       FZ_FV_UNPACKED_MAX >> 20);
	list = reallocarray(w->unpacked, w->nunpacked + 1, sizeof(*list));
	if (list)
		w->unpacked = list;
	out = list ? malloc(bytes + 1) : NULL;
	if (!out || lzma_alone_decoder(&z, FZ_FV_UNPACKED_MAX + (1UL << 24)) != LZMA_OK) {
		free(out);
		return fz_fail(w->err, -ENOMEM, "out of memory");
	}
	w->unpacked[w->nunpacked++] = out;
	w->bytes += bytes;
	z.next_in = p;
	z.avail_in = size;
	z.next_out = out;
	z.avail_out = bytes;
	ret = lzma_code(&z, LZMA_FINISH);
	lzma_end(&z);
	/* One without an end mark may not be done when all is there. */
	if (z.total_out != bytes ||
	    (ret != LZMA_STREAM_END && ret != LZMA_OK && ret != LZMA_BUF_ERROR))
		return fz_fail(w->err, -EINVAL, "%s has a packed section that is damaged", part->name);
	if (push(w, part, WHAT_SECTIONS, out, bytes))
		return -EINVAL;
	w->parts[w->nparts - 1].unpacked = true;
	return 0;
}

static int hand_over(struct walk *w, const struct part *part, enum fz_fv_kind kind,
		     const uint8_t *p, size_t size)
{
	struct fz_fv_item item = { .kind = kind, .data = p, .size = size,
				   .unpacked = part->unpacked };

	memcpy(item.name, part->name, sizeof(item.name));
	return w->sink(w->ctx, &item, w->err);
}

static int read_section(struct walk *w, const struct part *part, const struct section *s)
{
	unsigned int skip;

	switch (s->type) {
	case SECTION_PE32:
		return hand_over(w, part, FZ_FV_PE, s->p, s->size);
	case SECTION_TE:
		return hand_over(w, part, FZ_FV_TE, s->p, s->size);
	case SECTION_VOLUME:
		return push(w, part, WHAT_VOLUME, s->p, s->size);
	case SECTION_COMPRESSED:
		if (s->size < 5)
			return fz_fail(w->err, -EINVAL, "%s has a cut section", part->name);
		/* Kind 1, Tiano's, is of long ago. */
		return s->p[4] ? 0 : push(w, part, WHAT_SECTIONS, s->p + 5, s->size - 5);
	case SECTION_GUIDED:
		skip = s->size < 20 ? 0 : u16(s->p + 16);
		if (skip < 4 || skip - 4 > s->size)	/* it counts from the header */
			return fz_fail(w->err, -EINVAL, "%s has a section that lies", part->name);
		if (!memcmp(s->p, &lzma, sizeof(lzma)))
			return unpack(w, part, s->p + skip - 4, s->size - (skip - 4));
		/* Processing is not required: signatures, checksums */
		return u16(s->p + 18) & 1 ? 0 :
			push(w, part, WHAT_SECTIONS, s->p + skip - 4, s->size - (skip - 4));
	}
	return 0;
}

static int read_sections(struct walk *w, struct part *part)
{
	struct section s;
	size_t at;
	int ret;

	for (at = 0; (ret = next_section(w, part, &at, &s)) > 0;)
		if (s.type == SECTION_UI)
			ui_name(part->name, s.p, s.size);
	for (at = 0; !ret && (ret = next_section(w, part, &at, &s)) > 0;)
		ret = read_section(w, part, &s);
	return ret;
}

/* ------------------------------------------------------------------- volumes */

/* The first file's offset; names the volume. 0 if the header lies. */
static size_t volume_files(struct part *part, size_t length)
{
	size_t header = u16(part->p + 48), ext = u16(part->p + 52), i;

	if (header < VOLUME || header > length)
		return 0;
	snprintf(part->name, sizeof(part->name), "volume");
	if (!ext)
		return header;
	if (ext < header || length - header < 20 || ext > length - 20 ||
	    u32(part->p + ext + 16) > length - ext)
		return 0;
	guid_name(part->name, part->p + ext);
	for (i = 0; i < sizeof(volumes) / sizeof(volumes[0]); i++)
		if (!memcmp(&volumes[i].guid, part->p + ext, sizeof(struct guid)))
			snprintf(part->name, sizeof(part->name), "%s", volumes[i].name);
	return (ext + u32(part->p + ext + 16) + 7) & ~(size_t)7;
}

static int read_volume(struct walk *w, struct part *part)
{
	struct part file = *part;
	size_t at, size, header, length;
	bool in_place = false;
	int ret;

	if (!fz_fv_magic(part->p, part->size))
		return fz_fail(w->err, -EINVAL, "%s has a volume without a header", part->name);
	length = u64(part->p + 32) > part->size ? 0 : u64(part->p + 32);
	if (memcmp(part->p + 16, &ffs2, sizeof(ffs2)) && memcmp(part->p + 16, &ffs3, sizeof(ffs3)))
		return 0;		/* variables, logs */
	at = length ? volume_files(part, length) : 0;
	if (!at)
		return fz_fail(w->err, -EINVAL, "the header of a volume lies");
	for (; at < length && length - at >= FILE_HEADER; at = (at + size + 7) & ~(size_t)7) {
		const uint8_t *h = part->p + at;

		size = u24(h + 20);
		header = FILE_HEADER;
		if (h[19] & FILE_LARGE && !memcmp(part->p + 16, &ffs3, sizeof(ffs3)) &&
		    length - at >= FILE_HEADER + 8 && !size) {
			size = u64(h + 24) > length ? 0 : u64(h + 24);
			header += 8;
		} else if (size == 0xffffff) {
			break;		/* free from here on */
		}
		if (size < header || size > length - at)
			return fz_fail(w->err, -EINVAL, "a file at %#zx of %s lies", at, part->name);
		ret = count(w);
		if (ret)
			return ret;
		if (h[18] == FILE_PAD)
			continue;
		in_place |= h[18] == FILE_SEC_CORE || h[18] == FILE_PEI_CORE || h[18] == FILE_PEIM;
		guid_name(file.name, h);
		file.type = h[18];
		ret = push(w, &file, WHAT_SECTIONS, h + header, size - header);
		if (ret)
			return ret;
	}
	return in_place ? hand_over(w, part, FZ_FV_IN_PLACE, part->p, length) : 0;
}

static int read_parts(struct walk *w)
{
	int ret = 0;

	while (!ret && w->nparts) {
		struct part part = w->parts[--w->nparts];

		ret = part.what == WHAT_VOLUME ? read_volume(w, &part) : read_sections(w, &part);
	}
	return ret;
}

int fz_fv_read(const void *data, size_t size, fz_fv_sink sink, void *ctx, struct fz_error *err)
{
	struct walk w = { .sink = sink, .ctx = ctx, .err = err };
	const struct part top = { .name = "the image" };
	const uint8_t *p = data;
	size_t at, length, i;
	int ret = 0;

	/* Volumes one behind the other, or in between what is something else. */
	for (at = 0; !ret && at < size; at += length) {
		length = BLOCK;
		if (!fz_fv_magic(p + at, size - at))
			continue;
		ret = push(&w, &top, WHAT_VOLUME, p + at, size - at);
		if (!ret)
			ret = read_parts(&w);
		if (u64(p + at + 32) >= BLOCK && u64(p + at + 32) <= size - at)
			length = u64(p + at + 32);
	}
	for (i = 0; i < w.nunpacked; i++)
		free(w.unpacked[i]);
	free(w.unpacked);
	free(w.parts);
	return ret;
}
