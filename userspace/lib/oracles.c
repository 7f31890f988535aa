// SPDX-License-Identifier: GPL-2.0-only
/* oracles.c - what those may say who know code that does not lie as it does in its file */
#include "identify_priv.h"

const struct fz_oracle *const fz_oracles[] = {
	&fz_oracle_pe,
	&fz_oracle_kernel,
	&fz_oracle_moved,
	&fz_oracle_carried,
	NULL
};

bool fz_is_open(const struct fz_identify *id, const struct fz_frame *f)
{
	const struct fz_content *c = &id->r.contents[f->content];

	return f->verdict == FZ_VERDICT_UNKNOWN && c->page && !c->broken && !c->forged;
}

void fz_say_known(struct fz_identify *id, struct fz_frame *f, uint32_t class, uint32_t page,
		  uint64_t base, bool patched)
{
	f->verdict = id->r.classes[class].ambiguous ? FZ_VERDICT_AMBIGUOUS : FZ_VERDICT_KNOWN;
	f->class = class;
	f->page = page;
	f->placed = true;
	f->base = base;
	f->patched = patched;
}

static int keep_bytes(struct fz_frame *f, const struct fz_byte *bytes, uint32_t n,
		      struct fz_error *err)
{
	uint32_t keep = n < FZ_BYTES_MAX ? n : FZ_BYTES_MAX, i;

	free(f->bytes);
	f->bytes = calloc(keep + !keep, sizeof(*bytes));
	if (!f->bytes)
		return fz_fail(err, -ENOMEM, "out of memory");
	memcpy(f->bytes, bytes, keep * sizeof(*bytes));
	f->nbytes = keep;
	f->ndiffer = n;
	f->differ = 0;
	for (i = 0; i < n; i++)
		f->differ |= 1ULL << bytes[i].at / 64;
	return 0;
}

int fz_set_bytes(struct fz_identify *id, struct fz_frame *f, const uint8_t *want,
		 struct fz_error *err)
{
	const uint8_t *have = id->r.contents[f->content].page;
	struct fz_byte bytes[FZ_PAGE_SIZE];
	uint32_t n = 0, i;

	for (i = 0; i < FZ_PAGE_SIZE; i++)
		if (have[i] != want[i])
			bytes[n++] = (struct fz_byte){ i, want[i], have[i] };
	return keep_bytes(f, bytes, n, err);
}

static void set_modified(struct fz_frame *f, uint32_t class, uint32_t page, uint64_t base)
{
	f->verdict = FZ_VERDICT_MODIFIED;
	f->class = class;
	f->page = page;
	f->placed = true;
	f->base = base;
}

int fz_say_modified_bytes(struct fz_identify *id, struct fz_frame *f, uint32_t class,
			  uint32_t page, uint64_t base, const struct fz_byte *bytes, uint32_t n,
			  struct fz_error *err)
{
	(void)id;
	set_modified(f, class, page, base);
	return keep_bytes(f, bytes, n, err);
}

int fz_say_modified(struct fz_identify *id, struct fz_frame *f, uint32_t class, uint32_t page,
		    uint64_t base, const uint8_t *want, struct fz_error *err)
{
	set_modified(f, class, page, base);
	return fz_set_bytes(id, f, want, err);
}

int fz_say_either(struct fz_frame *f, const uint32_t *classes, uint32_t n, uint32_t page,
		  uint64_t base, struct fz_error *err)
{
	f->like = calloc(n, sizeof(*f->like));
	if (!f->like)
		return fz_fail(err, -ENOMEM, "out of memory");
	memcpy(f->like, classes, n * sizeof(*f->like));
	f->nlike = n;
	f->verdict = FZ_VERDICT_AMBIGUOUS;
	f->class = FZ_NO_CLASS;
	f->page = page;
	f->base = base;
	f->placed = true;
	return 0;
}

void fz_say_why(struct fz_frame *f, enum fz_why why)
{
	f->why = why;
}
