// SPDX-License-Identifier: GPL-2.0-only
/* entered.c - rule 10 of identify.h: did each file begin where it can begin */
#include "entries.h"
#include "identify_priv.h"

struct first {
	uint32_t vm, class;
	uint32_t frame;
	uint32_t page;
	bool out;		/* nothing can be said of it */
};

struct firsts {
	struct first *p;
	size_t n, cap;
	struct fz_index by_class;
};

static struct first *find(struct firsts *x, uint32_t vm, uint32_t class)
{
	uint64_t hash = (uint64_t)vm << 32 | class;
	size_t it = FZ_INDEX_START(hash);
	uint32_t at = fz_index_next(&x->by_class, hash, &it);

	if (at == FZ_NONE) {
		if (FZ_GROW(x->p, x->n, x->cap) || fz_index_add(&x->by_class, hash, x->n))
			return NULL;
		at = x->n++;
		x->p[at] = (struct first){ .vm = vm, .class = class, .frame = FZ_NONE };
	}
	return &x->p[at];
}

/* The first of its pages, or of those that may be, that a file of each class ran. */
static int collect(const struct fz_results *r, struct firsts *x)
{
	uint32_t classes[FZ_REFS_MAX], n, k;
	struct first *first;
	size_t i;

	for (i = 0; i < r->nframes; i++) {
		const struct fz_frame *f = &r->frames[i];
		const struct fz_content *c = &r->contents[f->content];
		bool plain = f->cpl == 3 && f->verdict == FZ_VERDICT_KNOWN && !c->uncounted &&
			     c->ncandidates == 1 && !f->mixed && !f->late;

		n = f->verdict == FZ_VERDICT_MODIFIED ? fz_frame_classes(r, f, classes) :
							fz_content_classes(c, classes);
		for (k = 0; k < n; k++) {
			first = find(x, f->vm, classes[k]);
			if (!first)
				return -ENOMEM;
			if (f->verdict == FZ_VERDICT_MODIFIED || f->misplaced || f->another)
				first->out = true;
			if (first->frame != FZ_NONE)
				continue;
			first->frame = i;
			/* Several files have it: it may be the one where it begins. */
			first->out |= !plain;
			first->page = c->ncandidates ? c->candidates[0].page : 0;
		}
	}
	return 0;
}

/* Of a file that ran in frames that were let go, the first page may be one of those. */
static int leave_out(const struct fz_identify *id, struct firsts *x)
{
	struct first *first;
	size_t i;
	uint32_t k;

	for (i = 0; i < id->npasts; i++) {
		const struct fz_past *p = &id->pasts[i];

		for (k = 0; k < p->nclasses; k++) {
			first = find(x, p->vm, p->classes[k]);
			if (!first)
				return -ENOMEM;
			first->out |= first->frame == FZ_NONE ||
				      id->r.frames[first->frame].first >= p->first;
		}
	}
	return 0;
}

static int judge(struct fz_identify *id, const struct first *first, struct fz_error *err)
{
	const struct fz_results *r = &id->r;
	const struct fz_class *class = &r->classes[first->class];
	const struct fz_hashdb_file *file = &r->files[class->file];
	uint64_t at, from = UINT64_MAX;
	const void *blob;
	size_t len, i;
	int ret;

	if (first->out || !r->vms[first->vm].born ||
	    fz_doubted_anywhere(id, first->vm, first->class))
		return 0;
	ret = fz_hashdb_extra(id->db, id->file_ids[class->file], FZ_BLOB_ENTRIES, 0, &blob, &len,
			      err);
	if (ret <= 0)
		return ret;
	for (i = 0; i < file->nsegments; i++) {
		at = file->segments[i].offset / FZ_PAGE_SIZE;
		from = at < from ? at : from;
	}
	if (fz_entries_has(blob, len, first->page - from))
		return 0;
	if (fz_add_finding(id, FZ_FINDING_ENTERED, first->vm, first->frame,
			   r->frames[first->frame].first))
		return fz_fail(err, -ENOMEM, "out of memory");
	return 0;
}

int fz_find_entered(struct fz_identify *id, struct fz_error *err)
{
	struct firsts x = { 0 };
	size_t i;
	int ret = 0;

	if (id->lost)
		return 0;
	if (collect(&id->r, &x) || leave_out(id, &x))
		ret = fz_fail(err, -ENOMEM, "out of memory");
	for (i = 0; i < x.n && !ret; i++)
		ret = judge(id, &x.p[i], err);
	free(x.p);
	free(x.by_class.slot);
	return ret;
}
