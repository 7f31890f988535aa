/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sweep.h - what is put off: revoked frames, lost records, huge pages
 */
#ifndef FZ_SWEEP_H
#define FZ_SWEEP_H

/* A region without a live frame for so long may be huge again. */
#define FZ_QUIET_MS	1000

/* Sweep all VMs in @ms milliseconds, or earlier. Not under a runqueue lock. */
void fz_sweep_kick(unsigned int ms);

/* The same, at once, from any context. */
void fz_sweep_kick_irq(void);

int fz_sweep_init(void);
void fz_sweep_exit(void);

#endif
