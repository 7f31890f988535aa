// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel_sites.c - the sites that a kernel's tables name, but for alternatives
 *
 * What each may hold: arch/x86/kernel/{alternative,static_call,jump_label,ftrace}.c of
 * 6.1 and 6.12. While a site is patched under way, its first byte is int3 (text_poke_bp()).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel_insn.h"
#include "kernel_priv.h"
#include "table.h"

#define INT3		0xcc
#define THUNK_SIZE	32	/* RETPOLINE_THUNK_SIZE */

static const uint8_t nop5[5] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
static const uint8_t xor5rax[5] = { 0x2e, 0x2e, 0x2e, 0x31, 0xc0 };
static const uint8_t retinsn[5] = { 0xc3, INT3, INT3, INT3, INT3 };

static int32_t s32(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* A call or jump from @at to @to. */
static void branch(uint8_t *p, uint8_t op, uint64_t at, uint64_t to)
{
	int32_t rel = to - (at + 5);

	p[0] = op;
	memcpy(p + 1, &rel, 4);
}

int fz_kput(struct fz_kimage *k, uint64_t at, const uint8_t *value, size_t len)
{
	size_t i;

	for (i = 0; k->undefined && i + 5 <= len; i++) {
		uint64_t to = at + i + 5 + s32(value + i + 1);

		if ((value[i] == 0xe8 || value[i] == 0xe9) && to >= k->undefined)
			return fz_sites_target(k->sites, at - k->base, value, len, i + 1);
	}
	return fz_sites_value(k->sites, at - k->base, value, len);
}

static int put(struct fz_kimage *k, uint64_t at, const uint8_t *value, size_t len)
{
	return fz_kput(k, at, value, len);
}

/* @value, and @value with int3 first. */
static int put_poked(struct fz_kimage *k, uint64_t at, const uint8_t *value, size_t len)
{
	uint8_t buf[8];
	int ret = put(k, at, value, len);

	memcpy(buf, value, len);
	buf[0] = INT3;
	return ret ? ret : put(k, at, buf, len);
}

/* A branch through @slot, wherever that leads. */
static int put_slot(struct fz_kimage *k, uint64_t at, uint64_t slot, const uint8_t *op, size_t nop)
{
	uint8_t buf[6] = { 0 };
	int ret;

	memcpy(buf, op, nop);
	ret = fz_sites_call(k->sites, at - k->base, buf, nop + 4, nop, slot);
	buf[0] = INT3;
	return ret ? ret : fz_sites_call(k->sites, at - k->base, buf, nop + 4, nop, slot);
}

/* A branch through static call @key: to what it is known to lead to, or wherever it does. */
static int put_key(struct fz_kimage *k, uint64_t at, uint64_t key, const uint8_t *op, size_t nop,
		   bool trampoline)
{
	uint64_t slot = FZ_SLOT_KEYS + (key & ~3ULL) - k->base, callees[FZ_CALLEES];
	size_t n = fz_kernel_callees(k, key & ~3ULL, callees), i;
	uint8_t buf[6];
	int32_t rel;
	int ret = 0;

	memcpy(buf, op, nop);
	for (i = 0; !ret && i < n; i++) {
		rel = callees[i] - (at + nop + 4);
		memcpy(buf + nop, &rel, 4);
		ret = put_poked(k, at, buf, nop + 4);
	}
	/* A trampoline is no first site: calls go past it. */
	if (n || trampoline)
		slot |= FZ_SLOT_INITIAL;
	return ret ? ret : put_slot(k, at, slot, op, nop);
}

/* ------------------------------------------------ retpolines and return thunks */

static size_t value(struct fz_kvalue *v, size_t n, const uint8_t *p, size_t len)
{
	v[n].len = len;
	memcpy(v[n].bytes, p, len);
	return n + 1;
}

/* Fill up to @len: int3 after a jump, then one nop. */
static void fill(uint8_t *p, size_t i, size_t len, bool jump)
{
	if (jump && i < len)
		p[i++] = INT3;
	fz_knops(p + i, len - i, 8);
}

size_t fz_kretpoline(const struct fz_kimage *k, uint64_t at, struct fz_kvalue v[FZ_KVALUES])
{
	static const uint8_t lfence[3] = { 0x0f, 0xae, 0xe8 };
	uint64_t thunks = k->thunks, reg;
	const uint8_t *p = fz_kat(k, at, 15);
	uint8_t buf[16], indirect[3];
	size_t n = 0, len = 0, i = 0;
	struct fz_insn insn;
	bool jump;

	if (!thunks)
		thunks = fz_ksym(k, "__x86_indirect_thunk_array");
	if (!p || !thunks || !fz_insn(&insn, p, 15) ||
	    (insn.op != 0xe8 && insn.op != 0xe9 && !fz_insn_is_jcc32(&insn)))
		return 0;
	reg = (at + insn.len + insn.imm - thunks) / THUNK_SIZE;
	if (reg > 15)
		return 0;
	jump = insn.op != 0xe8;
	if (reg >= 8)
		indirect[len++] = 0x41;
	indirect[len++] = 0xff;
	indirect[len++] = (jump ? 0xe0 : 0xd0) + reg % 8;
	if (fz_insn_is_jcc32(&insn)) {
		buf[i++] = 0x70 + ((insn.op2 & 0xf) ^ 1);
		buf[i++] = insn.len - 2;
	}
	if (i + len <= insn.len) {
		memcpy(buf + i, indirect, len);
		fill(buf, i + len, insn.len, jump);
		n = value(v, n, buf, insn.len);
	}
	if (i + 3 + len <= insn.len) {
		memcpy(buf + i, lfence, 3);
		memcpy(buf + i + 3, indirect, len);
		fill(buf, i + 3 + len, insn.len, jump);
		n = value(v, n, buf, insn.len);
	}
	return n;
}

size_t fz_kreturn(const struct fz_kimage *k, uint64_t at, struct fz_kvalue v[FZ_KVALUES])
{
	static const char *const thunks[] = {
		"retbleed_return_thunk", "srso_return_thunk", "srso_alias_return_thunk",
		"its_return_thunk", "call_depth_return_thunk", "zen_return_thunk",
		"srso_untrain_ret", NULL
	};
	const uint8_t *p = fz_kat(k, at, 5);
	uint8_t buf[5];
	size_t n = 0, i;

	if (!p || p[0] != 0xe9)
		return 0;
	n = value(v, n, retinsn, 5);
	for (i = 0; thunks[i] && n < FZ_KVALUES; i++) {
		uint64_t to = fz_ksym(k, thunks[i]);

		if (!to)
			continue;
		branch(buf, 0xe9, at, to);
		n = value(v, n, buf, 5);
	}
	return n;
}

static int retpoline(struct fz_kimage *k, uint64_t at)
{
	struct fz_kvalue v[FZ_KVALUES];
	size_t n = fz_kretpoline(k, at, v), i;
	int ret = 0;

	for (i = 0; !ret && i < n; i++)
		ret = put(k, at, v[i].bytes, v[i].len);
	return ret;
}

static int return_site(struct fz_kimage *k, uint64_t at)
{
	struct fz_kvalue v[FZ_KVALUES];
	size_t n = fz_kreturn(k, at, v), i;
	int ret = 0;

	for (i = 0; !ret && i < n; i++)
		ret = put(k, at, v[i].bytes, v[i].len);
	/* A module's leads to the thunk of the day, which the kernel does not export. */
	if (!ret && n && k->undefined)
		ret = fz_sites_call(k->sites, at - k->base, fz_kat(k, at, 5), 5, 1, FZ_SLOT_RETURN);
	return ret;
}

static int endbr(struct fz_kimage *k, uint64_t at)
{
	static const uint8_t old[4] = { 0x66, 0x0f, 0x1f, 0x00 };
	static const uint8_t new[4] = { 0x0f, 0x1f, 0x40, 0xd6 };
	int ret = put(k, at, old, 4);

	return ret ? ret : put(k, at, new, 4);
}

static int smp_lock(struct fz_kimage *k, uint64_t at)
{
	static const uint8_t ds = 0x3e;
	const uint8_t *p = fz_kat(k, at, 1);

	return p && *p == 0xf0 ? put(k, at, &ds, 1) : 0;
}

/* Each of a table's 32-bit references, relative to themselves. */
static int relative(struct fz_kimage *k, const struct fz_ktable *t,
		    int (*one)(struct fz_kimage *, uint64_t))
{
	const uint8_t *p = fz_kat(k, t->vaddr, t->size);
	uint64_t i;
	int ret = 0;

	for (i = 0; !ret && i + 4 <= t->size; i += 4) {
		uint64_t at = t->vaddr + i + s32(p + i);

		if (fz_kexec(k, at, 1))
			ret = one(k, at);
	}
	return ret;
}

/* A constant that is written as the kernel starts, an address or a shift; each of its sites. */
static int constant(struct fz_kimage *k, const struct fz_ktable *t, bool shift)
{
	const uint8_t *p = fz_kat(k, t->vaddr, t->size);
	uint64_t id = fz_constant_id(t->name, shift), i;
	int ret = 0;

	for (i = 0; !ret && i + 4 <= t->size; i += 4) {
		uint64_t at = t->vaddr + i + s32(p + i);

		if (fz_kexec(k, at, 1))
			ret = fz_sites_symbol(k->sites, at - k->base, shift ? 1 : 8, false, 0, id);
	}
	return ret;
}

/* ------------------------------------------ static keys, static calls, ftrace */

static int jump_label(struct fz_kimage *k, const uint8_t *p, uint64_t vaddr)
{
	uint64_t at = vaddr + s32(p), to = vaddr + 4 + s32(p + 4);
	const uint8_t *orig = fz_kat(k, at, 5);
	static const uint8_t nop2[2] = { 0x66, 0x90 };
	uint8_t buf[5];
	int ret;

	if (!orig || !fz_kexec(k, at, 5))
		return 0;
	if (orig[0] == 0xe9 || !memcmp(orig, nop5, 5)) {
		branch(buf, 0xe9, at, to);
		ret = put_poked(k, at, buf, 5);
		return ret ? ret : put_poked(k, at, nop5, 5);
	}
	if (orig[0] != 0xeb && memcmp(orig, nop2, 2))
		return 0;
	buf[0] = 0xeb;
	buf[1] = to - (at + 2);
	ret = put_poked(k, at, buf, 2);
	return ret ? ret : put_poked(k, at, nop2, 2);
}

/* A call or tail call that leads to a trampoline; it gets the function of the day. */
static int static_call(struct fz_kimage *k, const uint8_t *p, uint64_t vaddr)
{
	uint64_t at = vaddr + s32(p), key = vaddr + 4 + s32(p + 4);
	const uint8_t *orig = fz_kat(k, at, 6);
	int ret;

	if (!orig || !fz_kexec(k, at, 5))
		return 0;
	if (orig[0] == 0x0f)
		return put_key(k, at, key, orig, 2, false);
	ret = put_key(k, at, key, orig, 1, false);
	if (ret)
		return ret;
	if (orig[0] == 0xe9) {
		ret = put_poked(k, at, retinsn, 5);
		return ret ? ret : return_site(k, at);
	}
	ret = put_poked(k, at, nop5, 5);
	return ret ? ret : put_poked(k, at, xor5rax, 5);
}

static int mcount(struct fz_kimage *k, const uint8_t *p, uint64_t vaddr)
{
	static const char *const callers[] = { "__fentry__", "ftrace_caller", "ftrace_regs_caller" };
	uint8_t buf[5];
	uint64_t at, to;
	size_t i;
	int ret;

	(void)vaddr;
	memcpy(&at, p, 8);
	if (!fz_kexec(k, at, 5))
		return 0;
	ret = put_poked(k, at, nop5, 5);
	if (!ret)
		ret = fz_sites_traced(k->sites, at - k->base);
	for (i = 0; !ret && i < 3; i++) {
		to = fz_ksym(k, callers[i]);
		if (!to)
			continue;
		branch(buf, 0xe8, at, to);
		ret = put_poked(k, at, buf, 5);
	}
	return ret;
}

/* 6.1: a call through pv_ops, made direct */
static int paravirt(struct fz_kimage *k, const uint8_t *p, uint64_t vaddr)
{
	uint8_t buf[FZ_SITE_MAX] = { 0xe8 }, len = p[9];
	uint64_t at;
	int ret;

	(void)vaddr;
	memcpy(&at, p, 8);
	if (len < 5 || len > 100 || !fz_kexec(k, at, len))
		return 0;
	fz_knops(buf + 5, len - 5, 8);
	/* p[8]: which of pv_ops */
	ret = fz_sites_call(k->sites, at - k->base, buf, len, 1, p[8]);
	if (ret)
		return ret;
	fz_knops(buf, len, 8);
	return put(k, at, buf, len);
}

/* Entries of @size bytes: in a kernel between two symbols, in a module a section. */
static int between(struct fz_kimage *k, const char *start, const char *stop, const char *section,
		   size_t size, int (*one)(struct fz_kimage *, const uint8_t *, uint64_t))
{
	uint64_t from = fz_ksym(k, start), to = fz_ksym(k, stop), i;
	const struct fz_ktable *t = fz_ktable(k, section);
	const uint8_t *p;
	int ret = 0;

	if (t) {
		from = t->vaddr;
		to = from + t->size;
	}

	if (!from || to < from)
		return 0;
	p = fz_kat(k, from, to - from);
	for (i = 0; p && !ret && i + size <= to - from; i += size)
		ret = one(k, p + i, from + i);
	return ret;
}

/* The key of the static call whose trampoline is __SCT__@name; 0: it has no name. */
static uint64_t key_of(const struct fz_kimage *k, const char *name)
{
	char key[256];

	snprintf(key, sizeof(key), "__SCK__%s", name);
	return fz_ksym(k, key);
}

/* Trampolines of static calls, and the calls that ftrace aims. */
static int named(struct fz_kimage *k)
{
	static const uint8_t call = 0xe8, jump = 0xe9;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < k->nsyms; i++) {
		const char *name = k->names + k->syms[i].name;
		uint64_t at = k->syms[i].vaddr;

		if (!*name++ || !fz_kexec(k, at, 5))
			continue;
		if (!strncmp(name, "__SCT__", 7)) {
			ret = put_key(k, at, key_of(k, name + 7), &jump, 1, true);
			if (!ret)
				ret = put_poked(k, at, retinsn, 5);
			if (!ret)
				ret = return_site(k, at);
		} else if (!strcmp(name, "ftrace_call") || !strcmp(name, "ftrace_regs_call")) {
			/* Both lead to the same function. */
			ret = put_slot(k, at, FZ_SLOT_FTRACE, &call, 1);
		}
	}
	return ret;
}

/* ---------------------------------------------------------------------- KASLR */

/*
 * The list behind the kernel's ELF file, read from its end: 32-bit fields, then
 * (since 6.15 no more) those that get the delta subtracted, then 64-bit ones. Each
 * list begins with a 0.
 */
static int kaslr(struct fz_kimage *k)
{
	static const struct { unsigned int width; bool minus; } kinds[] = {
		{ 4, false }, { 4, true }, { 8, false },
	};
	const struct fz_ktable *repl = fz_ktable(k, ".altinstr_replacement");
	const uint8_t *p = k->elf ? k->elf + k->elf_size : NULL;
	uint64_t left = (k->elf_size - k->elf_end) / 4, original;
	unsigned int kind;
	int ret = 0;

	if (!k->elf)	/* a module */
		return 0;
	for (kind = 0; kind < 3; kind++)
		for (; !ret && left; left--) {
			uint64_t at;
			int32_t v;

			p -= 4;
			v = s32(p);
			if (!v) {
				left--;
				break;
			}
			at = (int64_t)v;
			if (!fz_kexec(k, at, 1) || !fz_kat(k, at, kinds[kind].width))
				continue;
			if (repl && at - repl->vaddr < repl->size) {
				if (FZ_GROW(k->repl_relocs, k->nrepl_relocs, k->repl_relocs_cap))
					return -ENOMEM;
				k->repl_relocs[k->nrepl_relocs++] = (struct fz_kreloc){
					at, kinds[kind].width, kinds[kind].minus };
			}
			original = 0;
			memcpy(&original, fz_kat(k, at, kinds[kind].width), kinds[kind].width);
			ret = fz_sites_delta(k->sites, at - k->base, kinds[kind].width, 0,
					     kinds[kind].minus, original);
		}
	return ret;
}

int fz_kernel_sites(struct fz_kimage *k, struct fz_error *err)
{
	static const struct {
		const char *section;
		int (*one)(struct fz_kimage *k, uint64_t at);
	} tables[] = {
		{ ".retpoline_sites", retpoline }, { ".return_sites", return_site },
		{ ".ibt_endbr_seal", endbr }, { ".smp_locks", smp_lock },
	};
	size_t i;
	int ret = 0;

	if (!k->sites)	/* a module has some already */
		k->sites = fz_sites_new();
	if (!k->sites)
		return fz_fail(err, -ENOMEM, "out of memory");
	for (i = 0; !ret && i < sizeof(tables) / sizeof(tables[0]); i++) {
		const struct fz_ktable *t = fz_ktable(k, tables[i].section);

		if (t)
			ret = relative(k, t, tables[i].one);
	}
	for (i = 0; !ret && i < k->ntables; i++) {
		if (!strncmp(k->tables[i].name, "runtime_ptr_", 12)) {
			ret = constant(k, &k->tables[i], false);
		} else if (!strncmp(k->tables[i].name, "runtime_shift_", 14)) {
			ret = constant(k, &k->tables[i], true);
		} else if (!strcmp(k->tables[i].name, ".parainstructions")) {
			const struct fz_ktable *t = &k->tables[i];
			uint64_t n;

			for (n = 0; !ret && n + 16 <= t->size; n += 16)
				ret = paravirt(k, fz_kat(k, t->vaddr + n, 16), 0);
		}
	}
	if (!ret)
		ret = between(k, "__start___jump_table", "__stop___jump_table", "__jump_table", 16,
			      jump_label);
	if (!ret)
		ret = between(k, "__start_static_call_sites", "__stop_static_call_sites",
			      ".static_call_sites", 8, static_call);
	if (!ret)
		ret = between(k, "__start_mcount_loc", "__stop_mcount_loc", "__mcount_loc", 8,
			      mcount);
	if (!ret)
		ret = named(k);
	if (!ret)
		ret = kaslr(k);
	if (ret)
		return fz_fail(err, ret, "its kernel's tables of sites lie");
	return fz_kernel_alternatives(k, err);
}
