/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * wx.h - the W^X state machine of a guest frame
 *
 * Pure: no lock, no allocation, no KVM type. See Documentation/wx-states.rst.
 */
#ifndef FZ_WX_H
#define FZ_WX_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
typedef uint8_t u8;
#endif

enum fz_state {
	FZ_NONE,	/* never ran, as far as is known: R W */
	FZ_PINNED,	/* being captured, or in transit: R */
	FZ_EXEC,	/* captured, unchanged since: R X */
	FZ_DIRTY,	/* ran, written since: R W */
	FZ_MIXED,	/* for a bounded time: R W X */
	FZ_NR_STATES,
};

enum fz_event {
	FZ_FETCH,	/* the guest fetches an instruction */
	FZ_WRITE,	/* the guest writes */
	FZ_GRANT,	/* captured while PINNED */
	FZ_GRANT_MIXED,	/* the same, for a frame that needs W and X at once */
	FZ_UNMAP,	/* KVM is dropping every entry: the host remaps the memory */
	FZ_HOST_WRITE,	/* the host is about to write: the VMM, or KVM itself */
	FZ_REVOKE,	/* X must go: time is up, the slot goes, a lost record has room, drift */
	FZ_NR_EVENTS,
};

/* What the access bits of an entry may be in a state; KVM's ACC_* values. */
#define FZ_ACC_EXEC	1U
#define FZ_ACC_WRITE	2U

/**
 * struct fz_step - what an event does to a frame
 * @act: false: nothing
 * @zap: the state is PINNED, and busy, until every entry is dropped and flushed
 * @next: the state afterwards
 * @record: enum fz_rec_type to log, or 0
 */
struct fz_step {
	bool act;
	bool zap;
	u8 next;
	u8 record;
};

/* The step for @event in @state; never NULL. */
const struct fz_step *fz_wx_step(enum fz_state state, enum fz_event event);

/* The access bits, of FZ_ACC_*, that an entry may not have in @state. */
static inline unsigned int fz_wx_denied(enum fz_state state)
{
	static const u8 denied[FZ_NR_STATES] = {
		[FZ_NONE]   = FZ_ACC_EXEC,
		[FZ_PINNED] = FZ_ACC_EXEC | FZ_ACC_WRITE,
		[FZ_EXEC]   = FZ_ACC_WRITE,
		[FZ_DIRTY]  = FZ_ACC_EXEC,
		[FZ_MIXED]  = 0,
	};

	/* Fail closed. */
	return state < FZ_NR_STATES ? denied[state] : FZ_ACC_EXEC | FZ_ACC_WRITE;
}

/* Must the frame's 2 MiB region be mapped with 4 KiB entries? */
static inline bool fz_wx_live(enum fz_state state)
{
	return state == FZ_PINNED || state == FZ_EXEC || state == FZ_MIXED;
}

#endif
