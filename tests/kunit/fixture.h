/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fixture.h - what the tests share: a ring to log into, and a watched VM
 */
#ifndef FZ_KUNIT_FX_H
#define FZ_KUNIT_FX_H

#include <kunit/test.h>
#include "capture.h"
#include "compat/kvm.h"

#define FX_BYTES	((u64)FZ_RING_MIN)

/* The ring of this CPU, whichever it is; empty, full of old bytes. In .init and .exit. */
int fx_ring_init(struct kunit *test);
void fx_ring_exit(struct kunit *test);

extern struct fz_ring fx_ring;

/* The oldest record, or NULL; and the next one's turn. */
const struct fz_rec *fx_get(void);
void fx_consume(const struct fz_rec *rec);

/* How often fz_rings_wake() was called. */
extern unsigned int fx_wakes;

/* What fz_regs_read() says. */
extern struct fz_regs fx_regs;

/* A VM that is watched, with counters and no frames; one at a time. Put it in .exit. */
struct fz_vm *fx_vm(struct kunit *test);
void fx_vm_put(struct fz_vm *vm);

#endif
