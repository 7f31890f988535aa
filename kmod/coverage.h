/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * coverage.h - which lines ran, and what gcc's counters want to be there; see coverage.c
 */
#ifndef FZ_COVERAGE_H
#define FZ_COVERAGE_H

#include <linux/types.h>

#ifdef FZ_COVERAGE
void fz_coverage_end(void);
#else
static inline void fz_coverage_end(void)
{
}
#endif

void __gcov_merge_add(s64 *counters, u32 n);

#endif
