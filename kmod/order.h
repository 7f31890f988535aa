/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * order.h - the only names of memory-ordering primitives in the module
 *
 * The letters are those of the figure in uapi/fitzroy.h. The user-space half of
 * this header lets the tests run the very source that the kernel builds.
 */
#ifndef FZ_ORDER_H
#define FZ_ORDER_H

#ifdef __KERNEL__
#include <asm/barrier.h>

/* (A) pairs with the reader's store-release of consumer.pos (D) */
#define fz_load_consumer(p)	smp_load_acquire(p)
/* (B) pairs with the reader's load-acquire of producer.pos (C) */
#define fz_store_producer(p, v)	smp_store_release(p, v)
#else
#define fz_load_consumer(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define fz_store_producer(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#endif

#endif
