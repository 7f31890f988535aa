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
#include <linux/atomic.h>

/* (A) pairs with the reader's store-release of consumer.pos (D) */
#define fz_load_consumer(p)	smp_load_acquire(p)
/* (B) pairs with the reader's load-acquire of producer.pos (C) */
#define fz_store_producer(p, v)	smp_store_release(p, v)

/*
 * (E) a producer's mark, then its clock; pairs with the barrier's clock, then its
 * look at the mark (F): one of them sees the other.
 */
#define fz_store_mark(p, v)	smp_store_mb(*(p), v)
#define fz_clock_before_mark()	smp_mb()
/* A record is whole before its producer's mark is gone. */
#define fz_clear_mark(p, v)	smp_store_release(p, v)
#define fz_load_mark(p)		smp_load_acquire(p)
/* The producer's own, at which other CPUs look for an idea of how full the ring is. */
#define fz_load_own(p)		READ_ONCE(*(p))
#define fz_store_own(p, v)	WRITE_ONCE(*(p), v)
#else
#define fz_load_consumer(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define fz_store_producer(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define fz_store_mark(p, v)	__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define fz_clear_mark(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define fz_load_mark(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define fz_load_own(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define fz_store_own(p, v)	__atomic_store_n(p, v, __ATOMIC_RELAXED)
#endif

#endif
