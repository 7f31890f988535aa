// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel_alt.c - what a kernel's alternatives may put in place of instructions
 *
 * A site may keep its own instructions or get any of its replacements: which, the CPU
 * decides. 6.1 and 6.12 relocate replacements and write nops differently; both ways
 * of writing count as allowed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "kernel_insn.h"
#include "kernel_priv.h"

#define MAX		FZ_SITE_MAX
#define ALTS_MAX	(1U << 18)
#define DIRECT_CALL	2	/* flags of 6.12 */

static const uint8_t the_nops[12][11] = {
	{ 0 }, { 0x90 }, { 0x66, 0x90 }, { 0x0f, 0x1f, 0x00 }, { 0x0f, 0x1f, 0x40, 0x00 },
	{ 0x0f, 0x1f, 0x44, 0x00, 0x00 }, { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
	{ 0x0f, 0x1f, 0x80, 0, 0, 0, 0 }, { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
	{ 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
	{ 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
	{ 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 },
};

void fz_knops(uint8_t *p, size_t len, size_t max)
{
	while (len) {
		size_t n = len < max ? len : max;

		memcpy(p, the_nops[n], n);
		p += n;
		len -= n;
	}
}

/* 6.12: one effective instruction */
static void add_nop(uint8_t *p, size_t len)
{
	if (len <= 11) {
		fz_knops(p, len, 11);
		return;
	}
	if (len < 128) {
		p[0] = 0xeb;
		p[1] = len - 2;
		memset(p + 2, 0xcc, len - 2);
	} else {
		p[0] = 0xe9;
		p[1] = len - 5;
		memset(p + 2, 0, 3);
		memset(p + 5, 0xcc, len - 5);
	}
}

static void optimize_new(uint8_t *p, size_t len)
{
	struct fz_insn insn;
	size_t i, next;

	for (i = 0; i < len; i = next) {
		if (!fz_insn(&insn, p + i, len - i))
			return;
		next = i + insn.len;
		if (!fz_insn_is_nop(&insn, p + i))
			continue;
		if (next == len)
			return;
		while (next < len && fz_insn(&insn, p + next, len - next) &&
		       fz_insn_is_nop(&insn, p + next))
			next += insn.len;
		add_nop(p + i, next - i);
	}
}

static void optimize_old(uint8_t *p, size_t len)
{
	struct fz_insn insn;
	size_t i = 0, n;

	while (i < len && fz_insn(&insn, p + i, len - i)) {
		if (insn.len != 1 || p[i] != 0x90) {
			i += insn.len;
			continue;
		}
		for (n = 0; i + n < len && p[i + n] == 0x90; n++)
			;
		if (n > 1)
			fz_knops(p + i, n, 8);
		i += n;
	}
}

static void add_rel(uint8_t *p, unsigned int len, int64_t by)
{
	int64_t v = 0;

	memcpy(&v, p, len);
	v += by;
	memcpy(p, &v, len);
}

/* 6.12: every relative reference out of the block is made to lead where it did */
static void relocate_new(uint8_t *p, size_t len, size_t repl_len, int64_t diff)
{
	struct fz_insn insn;
	size_t i, next;

	for (i = 0; i < len; i = next) {
		if (!fz_insn(&insn, p + i, len - i))
			return;
		next = i + insn.len;
		if (fz_insn_is_jcc32(&insn) || (insn.op & 0xf0) == 0x70 || insn.op == 0xeb ||
		    insn.op == 0xe9 || insn.op == 0xe8) {
			int64_t to = (int64_t)next + insn.imm;

			if (insn.op == 0x0f && !fz_insn_is_jcc32(&insn))
				goto displacement;
			if (to < 0 || to > (int64_t)repl_len)
				add_rel(p + i + insn.imm_at, insn.imm_len, diff);
			if (insn.op == 0xe9 && insn.len == 5) {
				int64_t imm = insn.imm + diff + 3;

				if (imm >= -128 && imm <= 127) {
					p[i] = 0xeb;
					p[i + 1] = imm;
					memset(p + i + 2, 0xcc, 3);
				}
			}
			continue;
		}
displacement:
		if (insn.rip_relative) {
			int64_t to = (int64_t)next + insn.disp;

			if (to < 0 || to > (int64_t)repl_len)
				add_rel(p + i + insn.disp_at, insn.disp_len, diff);
		}
	}
}

/* 6.1: a call or jump, if it comes first */
static void relocate_old(uint8_t *p, size_t repl_len, int64_t diff)
{
	int32_t to;

	if (repl_len != 5)
		return;
	if (p[0] == 0xe8)
		add_rel(p + 1, 4, diff);
	if (p[0] != 0xe9)
		return;
	memcpy(&to, p + 1, 4);
	to += 5 + diff;		/* from the site's first byte */
	if (to >= 0 ? to - 2 <= 127 : ((to - 2) & 0xff) == to - 2) {
		p[0] = 0xeb;
		p[1] = to - 2;
		fz_knops(p + 2, 3, 8);
	} else {
		to -= 5;
		memcpy(p + 1, &to, 4);
	}
}

struct alt {
	uint64_t at, repl;
	uint16_t cpuid, flags;
	uint8_t len, repl_len;
};

static int32_t s32(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, 4);
	return v;
}

static struct alt get_alt(const uint8_t *p, uint64_t vaddr, size_t entry)
{
	struct alt a = { .at = vaddr + s32(p), .repl = vaddr + 4 + s32(p + 4),
			 .cpuid = p[8] | p[9] << 8 };

	if (entry == 14) {
		a.flags = p[10] | p[11] << 8;
		p += 2;
	}
	a.len = p[10];
	a.repl_len = p[11];
	return a;
}

/* Entries have 12 bytes in 6.1, 14 since 6.3. Do all make sense with @entry bytes? */
static bool sane(const struct fz_kimage *k, const struct fz_ktable *t, size_t entry)
{
	const uint8_t *p = fz_kat(k, t->vaddr, t->size);
	uint64_t i;

	if (t->size % entry || t->size / entry > ALTS_MAX)
		return false;
	for (i = 0; i < t->size; i += entry) {
		struct alt a = get_alt(p + i, t->vaddr + i, entry);

		if (!fz_kat(k, a.at, a.len) || (a.repl_len && !fz_kat(k, a.repl, a.repl_len)) ||
		    a.cpuid & (entry == 12 ? 0x7000 : 0xf000) || a.repl_len > a.len)
			return false;
	}
	return true;
}

static int put(struct fz_kimage *k, uint64_t at, const uint8_t *value, size_t len)
{
	uint8_t *orig = fz_kat(k, at, len);

	if (!orig || !memcmp(orig, value, len))
		return 0;
	return fz_kput(k, at, value, len);
}

/* @value comes from a replacement, whose fields at @moved KASLR changes before it is copied. */
static int put_moved(struct fz_kimage *k, uint64_t at, const uint8_t *value, size_t len,
		     const struct fz_moved *moved, size_t nmoved)
{
	return nmoved ? fz_sites_moved(k->sites, at - k->base, value, len, moved, nmoved) :
	       put(k, at, value, len);
}

static int by_place(const void *a, const void *b)
{
	const struct fz_kreloc *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* The fields of @a's replacement that have the load delta; -EINVAL: too many. */
static int find_moved(const struct fz_kimage *k, const struct alt *a,
		      struct fz_moved moved[FZ_MOVED_MAX])
{
	size_t lo = 0, hi = k->nrepl_relocs, mid;
	int n = 0;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (k->repl_relocs[mid].at < a->repl)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < k->nrepl_relocs; lo++) {
		const struct fz_kreloc *r = &k->repl_relocs[lo];

		if (r->at + r->width > a->repl + a->repl_len)
			break;
		if (n == FZ_MOVED_MAX)
			return -EINVAL;
		moved[n++] = (struct fz_moved){ r->at - a->repl, r->width, r->minus };
	}
	return n;
}

/* The two ways to write @repl_len bytes of @p at @at, where @len are to be filled. */
static int put_both(struct fz_kimage *k, uint64_t at, size_t len, const uint8_t *p, size_t repl_len,
		    int64_t diff, const struct fz_moved *moved, size_t nmoved)
{
	uint8_t buf[MAX];
	int ret;

	memcpy(buf, p, repl_len);
	relocate_old(buf, repl_len, diff);
	memset(buf + repl_len, 0x90, len - repl_len);
	ret = put_moved(k, at, buf, len, moved, nmoved);	/* for a moment */
	optimize_old(buf, len);
	if (!ret)
		ret = put_moved(k, at, buf, len, moved, nmoved);
	if (ret)
		return ret;
	memcpy(buf, p, repl_len);
	memset(buf + repl_len, 0x90, len - repl_len);
	relocate_new(buf, len, repl_len, diff);
	optimize_new(buf, len);
	return put_moved(k, at, buf, len, moved, nmoved);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Which sites of table @name lie in replacements? */
static int find_repl_sites(struct fz_kimage *k, const char *name, int which)
{
	const struct fz_ktable *t = fz_ktable(k, name), *r = fz_ktable(k, ".altinstr_replacement");
	const uint8_t *p = t ? fz_kat(k, t->vaddr, t->size) : NULL;
	uint64_t i, at;
	size_t n = 0;

	if (!p || !r)
		return 0;
	k->repl_sites[which] = calloc(t->size / 4 + 1, sizeof(uint64_t));
	if (!k->repl_sites[which])
		return -ENOMEM;
	for (i = 0; i + 4 <= t->size; i += 4) {
		at = t->vaddr + i + s32(p + i);
		if (at - r->vaddr < r->size)
			k->repl_sites[which][n++] = at;
	}
	qsort(k->repl_sites[which], n, sizeof(uint64_t), by_value);
	k->nrepl_sites[which] = n;
	return 0;
}

static bool in_table(const struct fz_kimage *k, int which, uint64_t vaddr)
{
	return k->nrepl_sites[which] && bsearch(&vaddr, k->repl_sites[which],
						k->nrepl_sites[which], sizeof(vaddr), by_value);
}

/* Apply @get's value number @which to the sites of @table in @p. False: there is none. */
static bool apply(struct fz_kimage *k, uint8_t *p, uint64_t vaddr, size_t len, int table,
		  size_t (*get)(const struct fz_kimage *, uint64_t, struct fz_kvalue *),
		  size_t which)
{
	struct fz_kvalue v[FZ_KVALUES];
	bool any = false;
	size_t i, n;

	for (i = 0; i + 5 <= len; i++) {
		if (p[i] != 0xe8 && p[i] != 0xe9 && p[i] != 0x2e && p[i] != 0x0f)
			continue;
		if (!in_table(k, table, vaddr + i))
			continue;
		n = get(k, vaddr + i, v);
		if (which < n && i + v[which].len <= len) {
			memcpy(p + i, v[which].bytes, v[which].len);
			any = true;
		}
	}
	return any;
}

/* A replacement with its own retpolines and returns rewritten, in each way that there is. */
static int put_rewritten(struct fz_kimage *k, const struct alt *a, size_t len)
{
	const uint8_t *repl = fz_kat(k, a->repl, a->repl_len);
	uint8_t buf[MAX] = { 0 }, ret_buf[MAX];
	struct fz_moved moved[FZ_MOVED_MAX];
	size_t i, j;
	int ret, n;

	/* Of no bytes, it is nowhere. */
	if (!a->repl_len)
		return put_both(k, a->at, len, buf, 0, 0, NULL, 0);
	n = find_moved(k, a, moved);
	if (n < 0)
		return n;
	for (i = 0; i <= FZ_KVALUES; i++) {
		memcpy(buf, repl, a->repl_len);
		if (i && !apply(k, buf, a->repl, a->repl_len, 0, fz_kretpoline, i - 1))
			break;
		for (j = 0; j <= FZ_KVALUES; j++) {
			memcpy(ret_buf, buf, a->repl_len);
			if (j && !apply(k, ret_buf, a->repl, a->repl_len, 1, fz_kreturn, j - 1))
				break;
			ret = put_both(k, a->at, len, ret_buf, a->repl_len, a->repl - a->at,
				       moved, n);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* A call through a pointer, made direct. */
static int put_direct_call(struct fz_kimage *k, uint64_t at, size_t len)
{
	const uint8_t *orig = fz_kat(k, at, len);
	uint8_t buf[MAX] = { 0xe8 };
	int ret;

	if (len < 5)
		return 0;
	fz_knops(buf + 5, len - 5, 11);
	/* A module's pointer is elsewhere. */
	if (!k->undefined && len >= 6 && orig[0] == 0xff && orig[1] == 0x15)
		ret = fz_sites_call(k->sites, at - k->base, buf, len, 1, at + 6 + s32(orig + 2));
	else
		ret = fz_sites_target(k->sites, at - k->base, buf, len, 1);
	if (ret)
		return ret;
	fz_knops(buf, len, 11);
	return put(k, at, buf, len);
}

static int one_site(struct fz_kimage *k, const struct alt *a, size_t n, size_t longest)
{
	const uint8_t *orig = fz_kat(k, a->at, longest);
	uint8_t buf[MAX];
	size_t i, len;
	int ret = 0;

	if (!orig || longest > MAX || !fz_kexec(k, a->at, longest))
		return 0;
	for (i = 0; !ret && i < n; i++) {
		len = a[i].len;
		memcpy(buf, orig, len);
		optimize_old(buf, len);
		ret = put(k, a->at, buf, len);
		for (;;) {
			memcpy(buf, orig, len);
			optimize_new(buf, len);
			if (!ret)
				ret = put(k, a->at, buf, len);
			if (!ret && a[i].flags & DIRECT_CALL)
				ret = put_direct_call(k, a->at, len);
			else if (!ret)
				ret = put_rewritten(k, &a[i], len);
			if (ret || len == longest)
				break;
			len = longest;	/* 6.12: that of all replacements of a site */
		}
	}
	return ret;
}

int fz_kernel_alternatives(struct fz_kimage *k, struct fz_error *err)
{
	const struct fz_ktable *t = fz_ktable(k, ".altinstructions");
	size_t entry, i, n, count, longest;
	struct alt *alts;
	const uint8_t *p;
	int ret = 0;

	if (!t)
		return 0;
	entry = sane(k, t, 12) ? 12 : 14;
	if (!sane(k, t, entry))
		return fz_fail(err, -EINVAL, "its kernel's alternatives are of an unknown form");
	if (find_repl_sites(k, ".retpoline_sites", 0) ||
	    find_repl_sites(k, ".return_sites", 1))
		return fz_fail(err, -ENOMEM, "out of memory");
	if (k->nrepl_relocs)
		qsort(k->repl_relocs, k->nrepl_relocs, sizeof(*k->repl_relocs), by_place);
	p = fz_kat(k, t->vaddr, t->size);
	count = t->size / entry;
	alts = calloc(count + 1, sizeof(*alts));
	if (!alts)
		return fz_fail(err, -ENOMEM, "out of memory");
	for (i = 0; i < count; i++)
		alts[i] = get_alt(p + i * entry, t->vaddr + i * entry, entry);
	for (i = 0; !ret && i < count; i += n) {
		for (n = 0, longest = 0; i + n < count && alts[i + n].at == alts[i].at; n++)
			if (alts[i + n].len > longest)
				longest = alts[i + n].len;
		ret = one_site(k, alts + i, n, longest);
	}
	free(alts);
	return ret ? fz_fail(err, ret, "its kernel's alternatives lie") : 0;
}
