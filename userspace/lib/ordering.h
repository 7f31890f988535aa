/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ordering.h - the only place in user space that names a memory-ordering primitive
 *
 * The letters are those of uapi/fitzroy.h.
 */
#ifndef FZ_ORDERING_H
#define FZ_ORDERING_H

#include <stdint.h>

/* A test may define each as less than it has to be, to see that it is missed. */
#ifndef FZ_ORDER_C
#define FZ_ORDER_C	__ATOMIC_ACQUIRE
#endif
#ifndef FZ_ORDER_D
#define FZ_ORDER_D	__ATOMIC_RELEASE
#endif

/* (C) pairs with (B), the module's store-release of producer.pos. */
static inline uint64_t fz_load_acquire(const uint64_t *p)
{
	return __atomic_load_n(p, FZ_ORDER_C);
}

/* (D) pairs with (A), the module's load-acquire of consumer.pos. */
static inline void fz_store_release(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, FZ_ORDER_D);
}

#endif
