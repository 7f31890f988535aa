// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - a Linux kernel module as the kernel lays it out
 *
 * A module's code lies in two regions: what stays and what is freed after start
 * (".init"). A region has its sections in the file's order, each aligned; all regions
 * begin on a page. So it has been in 6.1 (one block of memory for all that stays) and in
 * 6.12 (one for each kind). References within a region are filled in here; those to
 * another region or another module are sites (undo.h: SYMBOL).
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>
#include "kernel.h"
#include "kernel_priv.h"

#define PAGE		4096UL
#define BASE		0xffffffffc0000000ULL	/* as if linked there */
#define UNDEFINED	(BASE + (512ULL << 20))	/* ... and what others define, here */
#define SECTIONS_MAX	4096
#define SYMBOLS_MAX	(1U << 20)
#define MODULE_MAX	(64UL << 20)
#define RELOCS_MAX	(1UL << 23)
#define NAME_LIMIT	1024	/* of a symbol */

struct placed {
	uint64_t vaddr;		/* 0: not mapped */
	uint64_t offset;	/* in its region */
	int region;
};

struct module {
	struct fz_kimage k;
	const uint8_t *data;
	size_t size;
	Elf64_Shdr *sh;
	unsigned int nsh;
	const char *names;
	size_t names_size;
	Elf64_Sym *syms;	/* copied, to be aligned */
	size_t nsyms;
	const char *strings;
	size_t strings_size;
	struct placed *at;
	uint8_t *stored;	/* the code as it is stored: not relocated to others */
	uint64_t text_pages, init_pages;
};

static bool inside(uint64_t at, uint64_t len, uint64_t size)
{
	return at <= size && len <= size - at;
}

/* Has @s content, and is it there? */
static bool in_file(const Elf64_Shdr *s, size_t size)
{
	return s->sh_type != SHT_NOBITS && s->sh_type != SHT_NULL &&
		inside(s->sh_offset, s->sh_size, size);
}

static const char *name_of(const struct module *m, unsigned int i)
{
	return m->sh[i].sh_name < m->names_size ? m->names + m->sh[i].sh_name : "";
}

static const char *string_at(const struct module *m, uint32_t at)
{
	return at < m->strings_size ? m->strings + at : "";
}

uint64_t fz_symbol_id(const char *name)
{
	return XXH64(name, strlen(name), 0) | 1ULL << 63;
}

static int read_headers(struct module *m, struct fz_error *err)
{
	Elf64_Ehdr eh;
	const Elf64_Shdr *table = NULL;
	unsigned int i;
	size_t k;

	if (m->size < sizeof(eh))
		return 0;
	memcpy(&eh, m->data, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_type != ET_REL ||
	    eh.e_machine != EM_X86_64 || !eh.e_shnum || eh.e_shnum > SECTIONS_MAX)
		return 0;
	if (!inside(eh.e_shoff, (uint64_t)eh.e_shnum * sizeof(*m->sh), m->size) ||
	    eh.e_shentsize != sizeof(*m->sh) || eh.e_shstrndx >= eh.e_shnum)
		return fz_fail(err, -EINVAL, "its section headers lie");
	m->nsh = eh.e_shnum;
	m->sh = calloc(m->nsh, sizeof(*m->sh));
	m->at = calloc(m->nsh, sizeof(*m->at));
	if (!m->sh || !m->at)
		return fz_fail(err, -ENOMEM, "out of memory");
	memcpy(m->sh, m->data + eh.e_shoff, m->nsh * sizeof(*m->sh));
	for (i = 0; i < m->nsh; i++)
		if (m->sh[i].sh_type != SHT_NOBITS && m->sh[i].sh_type != SHT_NULL &&
		    !inside(m->sh[i].sh_offset, m->sh[i].sh_size, m->size))
			return fz_fail(err, -EINVAL, "a section is past its end");
	if (!in_file(&m->sh[eh.e_shstrndx], m->size))
		return fz_fail(err, -EINVAL, "its section names lie");
	m->names = (const char *)m->data + m->sh[eh.e_shstrndx].sh_offset;
	m->names_size = m->sh[eh.e_shstrndx].sh_size;
	if (!m->names_size || m->names[m->names_size - 1])
		return fz_fail(err, -EINVAL, "its section names lie");
	for (i = 0; i < m->nsh; i++) {
		const Elf64_Shdr *s = &m->sh[i];

		if (s->sh_type != SHT_SYMTAB)
			continue;
		if (s->sh_link >= m->nsh || s->sh_size / sizeof(Elf64_Sym) > SYMBOLS_MAX ||
		    !m->sh[s->sh_link].sh_size || !in_file(&m->sh[s->sh_link], m->size))
			return fz_fail(err, -EINVAL, "its symbols lie");
		table = s;
		m->nsyms = s->sh_size / sizeof(Elf64_Sym);
		m->strings = (const char *)m->data + m->sh[s->sh_link].sh_offset;
		m->strings_size = m->sh[s->sh_link].sh_size;
		if (m->strings[m->strings_size - 1])
			return fz_fail(err, -EINVAL, "its symbols lie");
	}
	for (i = 0; i < m->nsh && strcmp(name_of(m, i), ".modinfo"); i++)
		;
	if (!table || i == m->nsh)
		return 0;
	m->syms = calloc(m->nsyms + 1, sizeof(*m->syms));
	if (!m->syms)
		return fz_fail(err, -ENOMEM, "out of memory");
	memcpy(m->syms, m->data + table->sh_offset, m->nsyms * sizeof(*m->syms));
	for (k = 0; k < m->nsyms; k++)
		if (strnlen(string_at(m, m->syms[k].st_name), NAME_LIMIT) == NAME_LIMIT)
			return fz_fail(err, -EINVAL, "its symbols lie");
	return 1;
}

static bool is_init(const char *name)
{
	return !strncmp(name, ".init", 5);
}

/* The region of section @i, or 0 if it is in none. */
static int region_of(const struct module *m, unsigned int i)
{
	const Elf64_Shdr *s = &m->sh[i];
	const char *name = name_of(m, i);
	int init = is_init(name) ? FZ_REGION_INIT - FZ_REGION_TEXT : 0;

	if (!(s->sh_flags & SHF_ALLOC) || s->sh_type == SHT_NULL ||
	    !strcmp(name, ".modinfo") || !strcmp(name, "__versions"))
		return 0;
	if (!strcmp(name, ".data..percpu"))
		return FZ_REGION_PERCPU;
	if (s->sh_flags & SHF_EXECINSTR)
		return FZ_REGION_TEXT + init;
	if (!(s->sh_flags & SHF_WRITE))
		return FZ_REGION_RODATA + init;
	if (!strcmp(name, ".data..ro_after_init") || !strcmp(name, "__jump_table"))
		return FZ_REGION_RO_AFTER_INIT + init;
	return FZ_REGION_DATA + init;
}

static int lay_out(struct module *m, struct fz_error *err)
{
	static const int order[] = { FZ_REGION_TEXT, FZ_REGION_INIT, FZ_REGION_RODATA,
				     FZ_REGION_RO_AFTER_INIT, FZ_REGION_DATA,
				     FZ_REGION_INIT + 1, FZ_REGION_INIT + 2, FZ_REGION_INIT + 3,
				     FZ_REGION_PERCPU };
	uint64_t base = 0, end, align;
	unsigned int i;
	size_t r;

	for (r = 0; r < sizeof(order) / sizeof(order[0]); r++) {
		for (end = 0, i = 1; i < m->nsh; i++) {
			if (region_of(m, i) != order[r])
				continue;
			align = m->sh[i].sh_addralign ? m->sh[i].sh_addralign : 1;
			if (align & (align - 1) || align > PAGE || m->sh[i].sh_size > MODULE_MAX)
				return fz_fail(err, -EINVAL, "a section is not laid out as a "
					       "module's");
			end = (end + align - 1) & ~(align - 1);
			m->at[i] = (struct placed){ BASE + base + end, end, order[r] };
			end += m->sh[i].sh_size;
			if (base + end > MODULE_MAX)
				return fz_fail(err, -EINVAL, "it is too large for a module");
		}
		end = (end + PAGE - 1) & ~(PAGE - 1);
		if (order[r] == FZ_REGION_TEXT)
			m->text_pages = end / PAGE;
		if (order[r] == FZ_REGION_INIT)
			m->init_pages = end / PAGE;
		base += end;
	}
	m->k.base = BASE;
	m->k.size = base;
	m->k.image = calloc(1, base + !base);
	if (!m->k.image)
		return fz_fail(err, -ENOMEM, "out of memory");
	for (i = 1; i < m->nsh; i++) {
		if (!m->at[i].vaddr || m->sh[i].sh_type == SHT_NOBITS)
			continue;
		memcpy(m->k.image + (m->at[i].vaddr - BASE), m->data + m->sh[i].sh_offset,
		       m->sh[i].sh_size);
		if (m->k.ntables < FZ_TABLES_MAX && m->sh[i].sh_size)
			m->k.tables[m->k.ntables++] = (struct fz_ktable){
				name_of(m, i), m->at[i].vaddr, m->sh[i].sh_size,
				m->sh[i].sh_flags & SHF_EXECINSTR, false };
	}
	return 0;
}

/* Where a thunk of retpolines is thought to be: its register's place in their array. */
static int thunk_register(const char *name)
{
	static const char *const regs[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
	static const char prefix[] = "__x86_indirect_thunk_";
	int i;

	if (strncmp(name, prefix, sizeof(prefix) - 1))
		return -1;
	for (i = 0; i < 16; i++)
		if (!strcmp(name + sizeof(prefix) - 1, regs[i]))
			return i;
	return -1;
}

/* One relocation of section @i. */
static int relocate(struct module *m, unsigned int i, const Elf64_Rela *r, struct fz_error *err)
{
	bool exec = m->sh[i].sh_flags & SHF_EXECINSTR, relative = false, same = false;
	uint32_t type = ELF64_R_TYPE(r->r_info), sym = ELF64_R_SYM(r->r_info);
	uint64_t at = m->at[i].vaddr + r->r_offset, value, symbol = 0, field;
	unsigned int width = 4;
	int64_t addend = r->r_addend;
	uint8_t *p;
	Elf64_Sym s;
	int reg;

	switch (type) {
	case R_X86_64_NONE:
		return 0;
	case R_X86_64_64:
		width = 8;
		break;
	case R_X86_64_PC64:
		width = 8;
		relative = true;
		break;
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		relative = true;
		break;
	case R_X86_64_32:
	case R_X86_64_32S:
		break;
	default:
		return fz_fail(err, -EINVAL, "it has a relocation of type %u", type);
	}
	if (sym >= m->nsyms || !inside(r->r_offset, width, m->sh[i].sh_size))
		return fz_fail(err, -EINVAL, "a relocation is past its end");
	memcpy(&s, &m->syms[sym], sizeof(s));
	if (s.st_shndx == SHN_UNDEF || s.st_shndx >= m->nsh) {
		const char *name = string_at(m, s.st_name);

		reg = thunk_register(name);
		symbol = fz_symbol_id(name);
		value = UNDEFINED + (reg >= 0 ? reg * 32ULL : 4096 + 64ULL * sym);
	} else {
		const struct placed *to = &m->at[s.st_shndx];

		if (!to->vaddr)
			return 0;
		same = to->region == m->at[i].region && relative;
		symbol = to->region;
		value = to->vaddr + s.st_value;
		addend += to->offset + s.st_value;
	}
	field = value + r->r_addend - (relative ? at : 0);
	p = fz_kat(&m->k, at, width);
	if (!p)
		return fz_fail(err, -EINVAL, "a relocation is past its end");
	memcpy(p, &field, width);
	if (!exec)
		return 0;
	if (same) {
		memcpy(m->stored + (at - BASE), &field, width);
		return 0;
	}
	if (addend != (int32_t)addend)
		return 0;	/* too far for a site: its page will be unknown */
	if (fz_sites_symbol(m->k.sites, at - BASE, width, relative, addend, symbol))
		return fz_fail(err, -EINVAL, "a relocation makes no sense");
	return 0;
}

static int relocate_all(struct module *m, struct fz_error *err)
{
	unsigned int i;
	size_t n, k, all = 0;
	int ret = 0;

	m->stored = malloc(m->k.size + 1);
	m->k.sites = fz_sites_new();
	if (!m->stored || !m->k.sites)
		return fz_fail(err, -ENOMEM, "out of memory");
	memcpy(m->stored, m->k.image, m->k.size);
	for (i = 1; !ret && i < m->nsh; i++) {
		uint32_t to = m->sh[i].sh_info;

		if (m->sh[i].sh_type != SHT_RELA || to >= m->nsh || !m->at[to].vaddr ||
		    m->sh[to].sh_type == SHT_NOBITS)
			continue;
		n = m->sh[i].sh_size / sizeof(Elf64_Rela);
		all += n;
		if (all > RELOCS_MAX)
			return fz_fail(err, -EINVAL, "it has too many relocations");
		for (k = 0; !ret && k < n; k++) {
			Elf64_Rela r;

			memcpy(&r, m->data + m->sh[i].sh_offset + k * sizeof(r), sizeof(r));
			ret = relocate(m, to, &r, err);
		}
	}
	return ret;
}

static int by_hash(const void *a, const void *b)
{
	const struct fz_export *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* FZ_BLOB_KERNEL, index 1: what it exports, by name; as zstd. */
int fz_exports_put(struct fz_export *e, size_t n, const struct fz_taker *t, struct fz_error *err)
{
	size_t max = ZSTD_compressBound(n * sizeof(*e)), len;
	void *packed = malloc(max);
	int ret;

	if (!packed)
		return fz_fail(err, -ENOMEM, "out of memory");
	qsort(e, n, sizeof(*e), by_hash);
	len = ZSTD_compress(packed, max, e, n * sizeof(*e), 9);
	ret = ZSTD_isError(len) ? fz_fail(err, -ENOMEM, "zstd: %s", ZSTD_getErrorName(len)) :
	      t->extra(t->ctx, FZ_BLOB_KERNEL, 1, packed, len, err);
	free(packed);
	return ret;
}

/* By name, then as they stand in the file. */
static int by_name(const void *a, const void *b, void *module)
{
	const struct module *m = module;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int c = strcmp(string_at(m, m->syms[x].st_name), string_at(m, m->syms[y].st_name));

	return c ? c : (x > y) - (x < y);
}

/* The first symbol of @sorted that is called @name, or NULL. */
static const Elf64_Sym *find_symbol(const struct module *m, const uint32_t *sorted, size_t n,
				    const char *name)
{
	size_t lo = 0, hi = n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (strcmp(string_at(m, m->syms[sorted[mid]].st_name), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == n || strcmp(string_at(m, m->syms[sorted[lo]].st_name), name))
		return NULL;
	return &m->syms[sorted[lo]];
}

static int put_exports(struct module *m, const struct fz_taker *t, struct fz_error *err)
{
	static const char prefix[] = "__ksymtab_";
	size_t n = 0, nsorted = 0, i;
	uint32_t *sorted;
	struct fz_export *e;
	int ret;

	/* Each export has a symbol __ksymtab_NAME beside NAME. */
	e = calloc(m->nsyms + 1, sizeof(*e));
	sorted = calloc(m->nsyms + 1, sizeof(*sorted));
	ret = fz_fail(err, -ENOMEM, "out of memory");
	if (!e || !sorted)
		goto out;
	for (i = 0; i < m->nsyms; i++) {
		uint16_t in = m->syms[i].st_shndx;

		if (in != SHN_UNDEF && in < m->nsh && m->at[in].vaddr)
			sorted[nsorted++] = i;
	}
	qsort_r(sorted, nsorted, sizeof(*sorted), by_name, m);
	for (i = 0; i < m->nsyms; i++) {
		const char *name = string_at(m, m->syms[i].st_name);
		const Elf64_Sym *s;

		if (strncmp(name, prefix, sizeof(prefix) - 1))
			continue;
		name += sizeof(prefix) - 1;
		s = find_symbol(m, sorted, nsorted, name);
		if (s)
			e[n++] = (struct fz_export){ fz_symbol_id(name),
				(uint64_t)m->at[s->st_shndx].region << 32 |
				(m->at[s->st_shndx].offset + s->st_value) };
	}
	ret = n ? fz_exports_put(e, n, t, err) : 0;
out:
	free(sorted);
	free(e);
	return ret;
}

static int by_offset(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* FZ_BLOB_KERNEL, index 0: where functions begin in the text that stays, as of a kernel. */
static int put_functions(struct module *m, const struct fz_taker *t, struct fz_error *err)
{
	uint32_t *p = calloc(m->nsyms + 1, sizeof(*p));
	size_t max = ZSTD_compressBound((m->nsyms + 1) * sizeof(*p)), n = 0, i, len;
	void *packed = malloc(max);
	int ret;

	ret = fz_fail(err, -ENOMEM, "out of memory");
	if (!p || !packed)
		goto out;
	for (i = 0; i < m->nsyms; i++) {
		const Elf64_Sym *s = &m->syms[i];

		if (ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_shndx < m->nsh &&
		    m->at[s->st_shndx].region == FZ_REGION_TEXT)
			p[n++] = m->at[s->st_shndx].offset + s->st_value;
	}
	qsort(p, n, sizeof(*p), by_offset);
	len = ZSTD_compress(packed, max, p, n * sizeof(*p), 9);
	ret = ZSTD_isError(len) ? fz_fail(err, -ENOMEM, "zstd: %s", ZSTD_getErrorName(len)) :
	      t->extra(t->ctx, FZ_BLOB_KERNEL, 0, packed, len, err);
out:
	free(p);
	free(packed);
	return ret;
}

static int put_sites(void *ctx, uint32_t index, const void *data, size_t len, struct fz_error *err)
{
	const struct fz_taker *t = ctx;

	return t->extra(t->ctx, FZ_BLOB_SITES, index, data, len, err);
}

static int take_module(const struct fz_hashdb_file *given, struct module *m, const void *data,
		       size_t size, const struct fz_taker *t, struct fz_error *err)
{
	uint64_t pages = m->text_pages + m->init_pages;
	struct fz_hashdb_segment segments[2];
	struct fz_hashdb_file f = *given;
	int ret;

	if (!pages)
		return 0;
	if (!f.arch)
		f.arch = (char *)"amd64";
	f.kind = FZ_FILE_MODULE;
	f.flags = FZ_FILE_STORED;
	f.machine = EM_X86_64;
	f.is64 = true;
	f.segments = segments;
	if (m->text_pages)
		segments[f.nsegments++] = (struct fz_hashdb_segment){ 0, 0, m->text_pages };
	if (m->init_pages)
		segments[f.nsegments++] = (struct fz_hashdb_segment){
			m->text_pages * PAGE, m->text_pages * PAGE, m->init_pages };
	ret = t->take_image(t->ctx, &f, data, size, m->stored, pages * PAGE, err);
	if (ret <= 0)
		return ret;
	m->k.thunks = UNDEFINED;
	m->k.undefined = UNDEFINED;
	ret = fz_kernel_sites(&m->k, err);
	if (!ret)
		ret = fz_sites_write(m->k.sites, pages, put_sites, (void *)t, err);
	if (!ret)
		ret = put_functions(m, t, err);
	if (!ret)
		ret = put_exports(m, t, err);
	if (!ret)
		ret = fz_kernel_anchors(m->k.sites, m->stored, &f, t, err);
	return ret ? ret : 1;
}

int fz_module_read(const struct fz_hashdb_file *f, const void *file, size_t file_size,
		   const void *data, size_t size, const struct fz_taker *t, struct fz_error *err)
{
	struct module m = { .data = data, .size = size };
	int ret;

	ret = read_headers(&m, err);
	if (ret > 0)
		ret = lay_out(&m, err);
	else if (!ret)
		ret = 1;
	if (!ret)
		ret = relocate_all(&m, err);
	if (!ret) {
		ret = take_module(f, &m, file, file_size, t, err);
		ret = ret < 0 ? ret : 2;
	}
	fz_kimage_free(&m.k);
	free(m.sh);
	free(m.syms);
	free(m.at);
	free(m.stored);
	return ret < 0 ? ret : ret == 2;
}
