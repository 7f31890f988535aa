// SPDX-License-Identifier: GPL-2.0-only
/*
 * ident_carried.c - code that a kernel's image has and that runs elsewhere
 *
 * vDSOs in user mode, patched by their alternatives; the real-mode trampoline, relocated; the
 * setup of a bzImage, with what its boot loader writes into it. An anchor leads to a page;
 * undoing what the file's own lists allow must give it, which SHA-256 confirms.
 */
#include "ident_module.h"

#define LOW		(1ULL << 20)
#define STACKS		0x7f0000000000ULL	/* vDSOs are in the top 1 TiB, by the stack */
#define STACKS_32	0xf0000000ULL		/* of 32-bit processes */
#define STACKS_LA57	0xff000000000000ULL
#define SPAN		0xff0
#define PAGE_MASK	(~(uint64_t)(FZ_PAGE_SIZE - 1))
#define ANCHORED_MAX	64
#define CLASSES_MAX	8

struct program {
	uint32_t file, class;
	bool vdso;
};

/* What was found out about a content; it stays true. */
struct memo {
	uint32_t n;			/* classes: more than one have the same page */
	uint32_t program[CLASSES_MAX];
	uint32_t page;
	uint64_t base;			/* of a relocated one: only there */
	bool searched, patched, moved;
};

struct state {
	bool loaded;
	struct program *programs;
	size_t n, cap;
	struct memo *memos;		/* by content */
	size_t nmemos;
	struct fz_unpacked sites;
};

static void free_state(void *p)
{
	struct state *s = p;

	free(s->programs);
	free(s->memos);
	fz_unpacked_free(&s->sites);
	free(s);
}

static int load(struct fz_identify *id, struct state *s, struct fz_error *err)
{
	struct fz_hashdb_info info;
	struct fz_hashdb_file f;
	struct program p;
	uint32_t file;
	int ret;

	fz_hashdb_info(id->db, &info);
	for (file = 1; file <= info.files; file++) {
		ret = fz_hashdb_file(id->db, file, &f, err);
		if (ret)
			return ret;
		p = (struct program){ file, FZ_NO_CLASS,
			f.kind == FZ_FILE_KERNEL && !strstr(f.path, "real-mode") };
		ret = f.pie && f.flags & FZ_FILE_STORED &&
		      (f.kind == FZ_FILE_KERNEL || f.kind == FZ_FILE_FIRMWARE);
		fz_hashdb_file_free(&f);
		if (ret && FZ_GROW(s->programs, s->n, s->cap))
			return fz_fail(err, -ENOMEM, "out of memory");
		if (ret)
			s->programs[s->n++] = p;
	}
	s->loaded = true;
	return 0;
}

static const struct program *find_program(const struct state *s, uint32_t file)
{
	size_t lo = 0, hi = s->n, mid;

	while (lo < hi) {	/* in the order of their numbers */
		mid = lo + (hi - lo) / 2;
		if (s->programs[mid].file < file)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && s->programs[lo].file == file ? &s->programs[lo] : NULL;
}

static bool low(const struct fz_frame *f)
{
	return f->cpl != 3 && f->rip < LOW;
}

static bool beside_stack(const struct fz_frame *f)
{
	if (f->cpl != 3 || !(f->mode & FZ_MODE_PG))
		return false;
	if (!(f->mode & FZ_MODE_CS_L))
		return f->rip >= STACKS_32 && f->rip < 1ULL << 32;
	return (f->rip >= STACKS && f->rip < 1ULL << 47) ||
	       (f->rip >= STACKS_LA57 && f->rip < 1ULL << 56);
}

/* Where does page @page of a file that is linked at 0 begin, if @f is it? */
static uint64_t place(const struct fz_frame *f, uint32_t page, int span)
{
	return (f->rip & PAGE_MASK) + (uint64_t)span * FZ_PAGE_SIZE - (uint64_t)page * FZ_PAGE_SIZE;
}

static int add_found(struct memo *m, struct state *s, const struct program *p, uint32_t page,
		     uint64_t base, bool moved)
{
	uint32_t i, at = p - s->programs;

	for (i = 0; i < m->n; i++)
		if (m->program[i] == at)
			return 0;
	if (m->n == CLASSES_MAX)
		return 0;
	m->program[m->n++] = at;
	m->page = page;
	m->base = base;
	m->moved = moved;
	return 0;
}

static int search(struct fz_identify *id, struct state *s, const struct fz_frame *f,
		  struct memo *m, struct fz_error *err)
{
	const uint8_t *have = id->r.contents[f->content].page;
	uint8_t want[FZ_PAGE_SIZE], undone[FZ_PAGE_SIZE];
	struct fz_hashdb_ref refs[ANCHORED_MAX];
	int ret, span, spans = (f->rip & ~PAGE_MASK) > SPAN;
	unsigned int at;
	size_t n, i;

	for (at = 0; at + FZ_ANCHOR <= FZ_PAGE_SIZE; at += FZ_ANCHOR_STEP) {
		ret = fz_hashdb_anchors(id->db, fz_anchor(have, at), refs, ANCHORED_MAX, &n, err);
		if (ret)
			return ret;
		for (i = 0; i < n && n <= ANCHORED_MAX; i++) {
			const struct program *p = find_program(s, refs[i].file);

			if (!p || p->vdso != (f->cpl == 3))
				continue;
			for (span = 0; span <= spans; span++) {
				struct fz_undo u = { .delta = place(f, refs[i].page, span) };

				u.vaddr = (uint64_t)refs[i].page * FZ_PAGE_SIZE;
				ret = fz_undo_confirmed(id, &s->sites, p->file, refs[i].page, &u,
							have, want, undone, err);
				if (ret == -ENOENT)
					continue;
				if (ret < 0)
					return ret;
				if (!ret || fz_hashdb_content(want) < FZ_WEAK)
					continue;
				m->patched = memcmp(have, want, FZ_PAGE_SIZE);
				add_found(m, s, p, refs[i].page, u.delta, !p->vdso);
			}
		}
	}
	return 0;
}

static int say(struct fz_identify *id, struct state *s, struct fz_frame *f, const struct memo *m,
	       struct fz_error *err)
{
	uint32_t classes[CLASSES_MAX], n = 0, i, k;
	struct program *p;
	uint64_t base = place(f, m->page, 0);
	int ret;

	if (m->moved)
		base = m->base;
	for (i = 0; i < m->n; i++) {
		p = &s->programs[m->program[i]];
		ret = fz_identify_file(id, p->file, &p->class, err);
		if (ret)
			return ret;
		for (k = 0; k < n && classes[k] != p->class; k++)
			;
		if (k == n)
			classes[n++] = p->class;
	}
	if (n > 1)
		return fz_say_either(f, classes, n, m->page, base, err);
	fz_say_known(id, f, classes[0], m->page, base, m->patched);
	return 0;
}

static int settle(struct fz_identify *id, void **state, struct fz_error *err)
{
	struct state *s = *state;
	struct memo *m;
	size_t i;
	int ret;

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return fz_fail(err, -ENOMEM, "out of memory");
		*state = s;
	}
	ret = s->loaded ? 0 : load(id, s, err);
	if (ret || !s->n)
		return ret;
	if (s->nmemos < id->r.ncontents) {
		m = reallocarray(s->memos, id->r.ncontents, sizeof(*m));
		if (!m)
			return fz_fail(err, -ENOMEM, "out of memory");
		memset(m + s->nmemos, 0, (id->r.ncontents - s->nmemos) * sizeof(*m));
		s->memos = m;
		s->nmemos = id->r.ncontents;
	}
	for (i = 0; !ret && i < id->r.nframes; i++) {
		struct fz_frame *f = &id->r.frames[i];

		if (!fz_is_open(id, f) || (!low(f) && !beside_stack(f)))
			continue;
		m = &s->memos[f->content];
		/* A relocated page is searched for where it is; no other page is like it. */
		if (!m->searched || (low(f) && !m->n)) {
			m->searched = true;
			ret = search(id, s, f, m, err);
		}
		if (!ret && m->n)
			ret = say(id, s, f, m, err);
	}
	return ret;
}

const struct fz_oracle fz_oracle_carried = { "carried code", settle, free_state };
