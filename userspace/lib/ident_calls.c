// SPDX-License-Identifier: GPL-2.0-only
/* ident_calls.c - see ident_calls.h */
#include "ident_calls.h"
#include "undo.h"

/* That a slot leads to @value was seen at @site, and perhaps elsewhere. */
struct seen {
	struct fz_calls_of of;
	uint64_t slot, value, site;
	bool believed;
};

struct fz_calls {
	struct seen *seen;
	size_t n, cap;
	struct fz_index by_slot;
	size_t *of_vm, nvms;
};

struct fz_calls *fz_calls_new(void)
{
	return calloc(1, sizeof(struct fz_calls));
}

void fz_calls_free(struct fz_calls *c)
{
	if (!c)
		return;
	free(c->seen);
	free(c->by_slot.slot);
	free(c->of_vm);
	free(c);
}

bool fz_calls_ask(struct fz_calls_page *p, uint64_t slot, uint64_t value, uint64_t site)
{
	if (p->n == FZ_CALLS_MAX)
		return false;
	p->asked[p->n].told = slot >> 42 == 0 && slot & FZ_SLOT_INITIAL;
	p->asked[p->n].slot = p->asked[p->n].told ? slot & ~FZ_SLOT_INITIAL : slot;
	p->asked[p->n].value = value;
	p->asked[p->n++].site = site;
	return true;
}

static uint64_t hash_of(const struct fz_calls_of *of, uint64_t slot)
{
	return fz_mix(fz_mix(fz_mix(slot) + of->base) + of->file) + of->vm;
}

/* The next value that @slot was seen to have. */
static struct seen *next(struct fz_calls *c, const struct fz_calls_of *of, uint64_t slot,
			 size_t *it)
{
	uint64_t hash = hash_of(of, slot);
	uint32_t at;

	while ((at = fz_index_next(&c->by_slot, hash, it)) != FZ_NONE) {
		struct seen *s = &c->seen[at];

		if (s->slot == slot && s->of.vm == of->vm && s->of.file == of->file &&
		    s->of.base == of->base)
			return s;
	}
	return NULL;
}

static struct seen *find(struct fz_calls *c, const struct fz_calls_of *of, uint64_t slot,
			 uint64_t value)
{
	size_t it = FZ_INDEX_START(hash_of(of, slot));
	struct seen *s;

	while ((s = next(c, of, slot, &it)))
		if (s->value == value)
			break;
	return s;
}

static size_t values(struct fz_calls *c, const struct fz_calls_of *of, uint64_t slot)
{
	size_t it = FZ_INDEX_START(hash_of(of, slot)), n = 0;

	while (next(c, of, slot, &it))
		n++;
	return n;
}

/* Remember where call @i of @p leads: 1, or 0 if there is no room. */
static int remember(struct fz_calls *c, const struct fz_calls_of *of,
		    const struct fz_calls_page *p, size_t i)
{
	size_t *of_vm;

	if (of->vm >= c->nvms) {
		of_vm = reallocarray(c->of_vm, of->vm + 1UL, sizeof(*of_vm));
		if (!of_vm)
			return -ENOMEM;
		memset(of_vm + c->nvms, 0, (of->vm + 1UL - c->nvms) * sizeof(*of_vm));
		c->of_vm = of_vm;
		c->nvms = of->vm + 1UL;
	}
	if (c->of_vm[of->vm] == FZ_CALLS_VM_MAX ||
	    values(c, of, p->asked[i].slot) == FZ_CALLS_VALUES)
		return 0;
	if (FZ_GROW(c->seen, c->n, c->cap) ||
	    fz_index_add(&c->by_slot, hash_of(of, p->asked[i].slot), c->n))
		return -ENOMEM;
	c->seen[c->n++] = (struct seen){ *of, p->asked[i].slot, p->asked[i].value,
					 p->asked[i].site, false };
	c->of_vm[of->vm]++;
	return 1;
}

int fz_calls_agree(struct fz_calls *c, const struct fz_calls_of *of,
		   const struct fz_calls_page *p)
{
	bool room = true;
	struct seen *s;
	size_t i;
	int ret;

	for (i = 0; i < p->n; i++) {
		s = find(c, of, p->asked[i].slot, p->asked[i].value);
		if (s) {
			s->believed |= s->site != p->asked[i].site;
			continue;
		}
		ret = remember(c, of, p, i);
		if (ret < 0)
			return ret;
		room &= ret;
	}
	if (!room)
		return 0;
	for (i = 0; i < p->n; i++) {
		s = find(c, of, p->asked[i].slot, p->asked[i].value);
		if (!s->believed && (p->asked[i].told || values(c, of, s->slot) != 1))
			return 0;
	}
	for (i = 0; i < p->n; i++)
		find(c, of, p->asked[i].slot, p->asked[i].value)->believed = true;
	return 1;
}
