/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fake_identify.h - one identification over the files of fake_db.h, capture by capture
 */
#ifndef FAKE_IDENTIFY_H
#define FAKE_IDENTIFY_H

#include <stdlib.h>
#include "fake_db.h"

static struct fz_identify *id;
static const struct fz_results *r;
static struct fz_error err;

static inline void begin_with(const struct fake_file *files, size_t n)
{
	fake_files = files;
	fake_nfiles = n;
	fz_identify_new(&id, NULL, &err);
	r = fz_identify_results(id);
	made_seq = 0;
	made_gfn = 0;
}

static inline void exec(uint64_t cr3, uint64_t rip, unsigned int content)
{
	fz_identify_add(id, make_exec(1, cr3, rip, content), &err);
}

static inline void settle(void)
{
	if (fz_identify_settle(id, &err))
		abort();
}

static inline void end(void)
{
	fz_identify_free(id);
}

#endif
