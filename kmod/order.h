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
#include <linux/processor.h>

/* (A) pairs with the reader's store-release of consumer.pos (D) */
#define fz_load_consumer(p)	smp_load_acquire(p)
/* (B) pairs with the reader's load-acquire of producer.pos (C) */
#define fz_store_producer(p, v)	smp_store_release(p, v)

/*
 * (E) a producer's mark, then its clock; pairs with the barrier's clock, then its
 * look at the mark (F): one of them sees the other. Reading the TSC is no access to
 * memory; what keeps it from being late is rmb(), LFENCE.
 */
#define fz_store_mark(p, v)	smp_store_mb(*(p), v)
#define fz_clock_before_mark()	do { rmb(); smp_mb(); } while (0)	/* of (E) and (F) */
/* A record is whole before its producer's mark is gone. */
#define fz_clear_mark(p, v)	smp_store_release(p, v)
#define fz_load_mark(p)		smp_load_acquire(p)	/* (F) */
/* The producer's own, at which other CPUs look for an idea of how full the ring is. */
#define fz_load_own(p)		READ_ONCE(*(p))
#define fz_store_own(p, v)	WRITE_ONCE(*(p), v)
#define fz_relax()		cpu_relax()
#else
#include <sched.h>

/* A test may define each as less than it has to be, to see that it is missed. */
#ifndef fz_load_consumer
#define fz_load_consumer(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#endif
#ifndef fz_store_producer
#define fz_store_producer(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#endif
#ifndef fz_store_mark
#define fz_store_mark(p, v)	((void)__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST))
#endif
#ifndef fz_clock_before_mark
#define fz_clock_before_mark()	__sync_synchronize()
#endif
#ifndef fz_clear_mark
#define fz_clear_mark(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#endif
#ifndef fz_load_mark
#define fz_load_mark(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#endif
#define fz_load_own(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define fz_store_own(p, v)	__atomic_store_n(p, v, __ATOMIC_RELAXED)
#define fz_relax()		((void)sched_yield())
#endif

#endif
