// SPDX-License-Identifier: GPL-2.0-only
/*
 * wx.c - the W^X state machine of a guest frame, as a table
 *
 *                 fetch                grant
 *      NONE ---------------> PINNED ----------> EXEC
 *              (zap, flush)   ^  |  \             |
 *                       fetch |  |   \ grant      | write (zap, flush)
 *                (zap, flush) |  |    \ mixed     v
 *                             |  |     v        DIRTY
 *                             |  |   MIXED --->   |
 *                             |  | write  revoke  |
 *                             |  +--------------->|
 *                             +-------------------+
 *
 * X is given only by a grant, a grant only follows PINNED, and PINNED has no W:
 * what runs was captured while nobody in the guest could write it.
 */
#include "wx.h"

#ifdef __KERNEL__
#include <fitzroy.h>
#else
#include "fitzroy.h"
#endif

static const struct fz_step nothing;

#define STEP(nxt, ...)	{ .act = true, .next = (nxt), __VA_ARGS__ }
#define ZAP		.zap = true
#define LOG(rec)	.record = (rec)

static const struct fz_step steps[FZ_NR_STATES][FZ_NR_EVENTS] = {
	[FZ_NONE] = {
		[FZ_FETCH]	 = STEP(FZ_PINNED, ZAP),
	},
	[FZ_PINNED] = {
		/* Read-only entries: giving W back takes no flush. */
		[FZ_WRITE]	 = STEP(FZ_DIRTY),
		[FZ_HOST_WRITE]	 = STEP(FZ_DIRTY),
		[FZ_GRANT]	 = STEP(FZ_EXEC),
		[FZ_GRANT_MIXED] = STEP(FZ_MIXED),
		/* What was protected is not what the host maps next. */
		[FZ_UNMAP]	 = STEP(FZ_DIRTY),
		[FZ_REVOKE]	 = STEP(FZ_DIRTY),
	},
	[FZ_EXEC] = {
		[FZ_WRITE]	 = STEP(FZ_DIRTY, ZAP, LOG(FZ_REC_WRITE)),
		/* KVM drops and flushes the entries itself, under the lock. */
		[FZ_UNMAP]	 = STEP(FZ_DIRTY, LOG(FZ_REC_CHANGED)),
		[FZ_HOST_WRITE]	 = STEP(FZ_DIRTY, ZAP, LOG(FZ_REC_CHANGED)),
		[FZ_REVOKE]	 = STEP(FZ_DIRTY, ZAP),
	},
	[FZ_DIRTY] = {
		[FZ_FETCH]	 = STEP(FZ_PINNED, ZAP),
	},
	[FZ_MIXED] = {
		[FZ_UNMAP]	 = STEP(FZ_DIRTY, LOG(FZ_REC_MIXED_END)),
		[FZ_REVOKE]	 = STEP(FZ_DIRTY, ZAP, LOG(FZ_REC_MIXED_END)),
	},
};

const struct fz_step *fz_wx_step(enum fz_state state, enum fz_event event)
{
	if (state >= FZ_NR_STATES || event >= FZ_NR_EVENTS)
		return &nothing;
	return &steps[state][event];
}
