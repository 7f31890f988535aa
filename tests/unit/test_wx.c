// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_wx.c - the W^X state machine: every state against every event
 *
 * The expected table is that of Documentation/wx-states.rst, written again from
 * there; the promises below it hold whatever the table says.
 */
#include "../../kmod/wx.c"
#include "tap.h"

#define NO	{ .act = false }
#define TO(s)	{ .act = true, .next = FZ_##s }
#define ZAP_TO(s, r)	{ .act = true, .zap = true, .next = FZ_##s, .record = (r) }

static const struct fz_step expected[FZ_NR_STATES][FZ_NR_EVENTS] = {
	/*
	 *	      FETCH		    WRITE			    GRANT     GRANT_MIXED
	 *	      UNMAP						    HOST_WRITE	REVOKE
	 */
	[FZ_NONE] = { ZAP_TO(PINNED, 0),    NO,				    NO,	      NO,
		      NO,						    NO,		NO },
	[FZ_PINNED] = { NO,		    TO(DIRTY),			    TO(EXEC), TO(MIXED),
		      TO(DIRTY),					    TO(DIRTY),	TO(DIRTY) },
	[FZ_EXEC] = { NO,		    ZAP_TO(DIRTY, FZ_REC_WRITE),    NO,	      NO,
		      { .act = true, .next = FZ_DIRTY, .record = FZ_REC_CHANGED },
		      ZAP_TO(DIRTY, FZ_REC_CHANGED), ZAP_TO(DIRTY, 0) },
	[FZ_DIRTY] = { ZAP_TO(PINNED, 0),   NO,				    NO,	      NO,
		      NO,						    NO,		NO },
	[FZ_MIXED] = { NO,		    NO,				    NO,	      NO,
		      { .act = true, .next = FZ_DIRTY, .record = FZ_REC_MIXED_END },	NO,
		      ZAP_TO(DIRTY, FZ_REC_MIXED_END) },
};

static bool same(const struct fz_step *a, const struct fz_step *b)
{
	return a->act == b->act && (!a->act || (a->zap == b->zap && a->next == b->next &&
						a->record == b->record));
}

static bool can(enum fz_state s, unsigned int access)
{
	return !(fz_wx_denied(s) & access);
}

static void promises(void)
{
	bool gains_x = true, gains_w = true, apart = true, live = true;

	for (int s = 0; s < FZ_NR_STATES; s++) {
		if (can(s, FZ_ACC_EXEC) && can(s, FZ_ACC_WRITE) && s != FZ_MIXED)
			apart = false;
		if (can(s, FZ_ACC_EXEC) && !fz_wx_live(s))
			live = false;
		for (int e = 0; e < FZ_NR_EVENTS; e++) {
			const struct fz_step *step = fz_wx_step(s, e);

			if (!step->act)
				continue;
			/* X only out of PINNED, which has no W. */
			if (!can(s, FZ_ACC_EXEC) && can(step->next, FZ_ACC_EXEC) &&
			    (s != FZ_PINNED || can(s, FZ_ACC_WRITE)))
				gains_x = false;
			/* W to what had X only after X is gone from every entry. */
			if (can(s, FZ_ACC_EXEC) && !can(s, FZ_ACC_WRITE) &&
			    can(step->next, FZ_ACC_WRITE) && !step->zap && e != FZ_UNMAP)
				gains_w = false;
			/* No W is kept into PINNED without a zap. */
			if (can(s, FZ_ACC_WRITE) && !can(step->next, FZ_ACC_WRITE) && !step->zap)
				gains_w = false;
		}
	}
	ok(apart, "X and W are apart in every state but MIXED");
	ok(gains_x, "X is given only out of PINNED, which has no W");
	ok(gains_w, "W comes and goes only with a zap where X or a capture depends on it");
	ok(live, "what executes asks for 4 KiB entries");
}

int main(void)
{
	static const char * const state[] = { "NONE", "PINNED", "EXEC", "DIRTY", "MIXED" };
	static const char * const event[] = { "fetch", "write", "grant", "grant mixed",
					      "unmap", "host write", "revoke" };

	for (int s = 0; s < FZ_NR_STATES; s++)
		for (int e = 0; e < FZ_NR_EVENTS; e++)
			ok(same(fz_wx_step(s, e), &expected[s][e]), "%s, %s", state[s], event[e]);
	promises();
	ok(!fz_wx_step(FZ_NR_STATES, 0)->act && !fz_wx_step(0, FZ_NR_EVENTS)->act,
	   "no state, no event: nothing");
	ok(fz_wx_denied(FZ_NR_STATES) == (FZ_ACC_EXEC | FZ_ACC_WRITE), "no state: no access");
	return done();
}
