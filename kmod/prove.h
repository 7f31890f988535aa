/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * prove.h - prove at load that every hook fires
 */
#ifndef FZ_PROVE_H
#define FZ_PROVE_H

/* Boot a one-page guest and see each hook fire. 0 or a negative errno, logged. */
int fz_prove_hooks(void);

#endif
