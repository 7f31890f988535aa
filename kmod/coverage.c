// SPDX-License-Identifier: GPL-2.0-only
/*
 * coverage.c - which lines ran, by gcc's counters; only in a module built with COVERAGE=1
 *
 * Stock kernels have no gcov. Each object leaves a pointer to its counters in a section, which
 * this object begins. Loaded with coverage=DIR, the module writes them as gcov's own files into
 * that folder when it ends, or does not load. The structures are gcc's (gcc/gcov-io.h,
 * libgcc/libgcov.h), as kernel/gcov/gcc_4_7.c has them.
 */
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/slab.h>
#include "coverage.h"

#define COUNTERS	(__GNUC__ >= 15 ? 10 : __GNUC__ >= 14 ? 9 : 8)
#define DATA_MAGIC	0x67636461U
#define TAG_FUNCTION	0x01000000U
#define TAG_COUNTER(i)	(0x01a10000U + ((u32)(i) << 17))

struct ctr_info {
	unsigned int num;
	s64 *values;
};

struct fn_info {
	const void *key;
	u32 ident, lineno_checksum, cfg_checksum;
	struct ctr_info ctrs[];
};

struct info {
	u32 version;
	struct info *next;
	u32 stamp;
	u32 checksum;			/* from gcc 12 on */
	const char *filename;
	void *merge[COUNTERS];		/* NULL: no such counters */
	u32 n_functions;
	struct fn_info **functions;
};

static_assert(__GNUC__ >= 12, "older compilers lay their counters out otherwise");

/* The first of the section; FZ_COVERAGE objects follow. */
static const struct info *const first __used __section("fz_gcov");

struct out {
	struct file *file;
	loff_t pos;
	size_t used;
	u8 buf[2048];
};

static void flush(struct out *out)
{
	kernel_write(out->file, out->buf, out->used, &out->pos);
	out->used = 0;
}

static void put(struct out *out, const void *from, size_t size)
{
	if (out->used + size > sizeof(out->buf))
		flush(out);
	memcpy(out->buf + out->used, from, size);
	out->used += size;
}

static void put32(struct out *out, u32 value)
{
	put(out, &value, sizeof(value));
}

static void write_function(struct out *out, const struct info *info, const struct fn_info *fn)
{
	const struct ctr_info *ctr = fn->ctrs;
	unsigned int i;

	put32(out, TAG_FUNCTION);
	put32(out, 3 * sizeof(u32));
	put32(out, fn->ident);
	put32(out, fn->lineno_checksum);
	put32(out, fn->cfg_checksum);
	for (i = 0; i < COUNTERS; i++) {
		unsigned int k;

		if (!info->merge[i])
			continue;
		put32(out, TAG_COUNTER(i));
		put32(out, ctr->num * sizeof(s64));
		for (k = 0; k < ctr->num; k++)
			put(out, &ctr->values[k], sizeof(s64));
		ctr++;
	}
}

static void write_info(struct out *out, const struct info *info)
{
	unsigned int i;

	put32(out, DATA_MAGIC);
	put32(out, info->version);
	put32(out, info->stamp);
	put32(out, info->checksum);
	for (i = 0; i < info->n_functions; i++)
		if (info->functions[i])
			write_function(out, info, info->functions[i]);
	flush(out);
}

/* Where to, once the module has done all that it does. */
static char *dir;
module_param_named(coverage, dir, charp, 0400);
MODULE_INFO(coverage, "counts lines: for tests only");

void fz_coverage_end(void)
{
	/* Not of the module's own memory: 9p takes the pages of what is long, and not of that. */
	struct out *out = kmalloc(sizeof(*out), GFP_KERNEL);
	const struct info *const *info = &first;
	char path[256];
	unsigned int i;

	/* The compiler need not know that more follow the first. */
	OPTIMIZER_HIDE_VAR(info);
	for (i = 1; out && dir && i <= FZ_COVERAGE; i++) {
		snprintf(path, sizeof(path), "%s/%lld-%s", dir, ktime_get_ns(),
			 kbasename(info[i]->filename));
		*out = (struct out) { .file = filp_open(path, O_WRONLY | O_CREAT, 0600) };
		if (IS_ERR(out->file)) {
			pr_err("fitzroy: cannot write %s\n", path);
			break;
		}
		write_info(out, info[i]);
		filp_close(out->file, NULL);
	}
	kfree(out);
}

/* The objects name it where counters of several runs are added up, which is not here. */
void __gcov_merge_add(s64 *counters, u32 n)
{
}
