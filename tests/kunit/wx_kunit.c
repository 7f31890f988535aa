// SPDX-License-Identifier: GPL-2.0-only
/*
 * wx_kunit.c - the states of a guest frame: every state against every event and access
 *
 * The tables are those of Documentation/wx-states.rst, cell by cell, in its words.
 */
#include <kunit/test.h>
#include <linux/string.h>
#include <fitzroy.h>
#include "wx.h"

static const char *const states[FZ_NR_STATES] = { "NONE", "PINNED", "EXEC", "DIRTY", "MIXED" };

static const char *const events[FZ_NR_EVENTS] = { "fetch", "write", "grant", "grant mixed",
						  "unmap", "host write", "revoke" };

/* A state a line, an event a column. */
static const char *const doc_steps[FZ_NR_STATES * FZ_NR_EVENTS] = {
	"PINNED, zap", "-", "-", "-", "-", "-", "-",
	"-", "DIRTY", "EXEC", "MIXED", "DIRTY", "DIRTY", "DIRTY",
	"-", "DIRTY, zap, WRITE", "-", "-", "DIRTY, CHANGED", "DIRTY, zap, CHANGED", "DIRTY, zap",
	"PINNED, zap", "-", "-", "-", "-", "-", "-",
	"-", "-", "-", "-", "DIRTY, MIXED_END", "-", "DIRTY, zap, MIXED_END",
};

/* "Entries get", and "region is 4 KiB (live)". */
static const struct {
	const char *get;
	bool live;
} doc_states[FZ_NR_STATES] = {
	{ "R W", false }, { "R", true }, { "R X", true }, { "R W", false }, { "R W X", true },
};

static void describe(const char *const *cell, char *desc)
{
	unsigned int i = cell - doc_steps;

	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %s", states[i / FZ_NR_EVENTS],
		 events[i % FZ_NR_EVENTS]);
}

KUNIT_ARRAY_PARAM(cell, doc_steps, describe);

static const char *record_name(unsigned int record)
{
	switch (record) {
	case 0: return "";
	case FZ_REC_WRITE: return ", WRITE";
	case FZ_REC_CHANGED: return ", CHANGED";
	case FZ_REC_MIXED_END: return ", MIXED_END";
	default: return ", another";
	}
}

static void wx_step(struct kunit *test)
{
	const char *const *cell = test->param_value;
	unsigned int i = cell - doc_steps;
	const struct fz_step *step = fz_wx_step(i / FZ_NR_EVENTS, i % FZ_NR_EVENTS);
	char text[64] = "-";

	KUNIT_ASSERT_NOT_NULL(test, step);
	KUNIT_ASSERT_LT(test, step->next, FZ_NR_STATES);
	if (step->act)
		snprintf(text, sizeof(text), "%s%s%s", states[step->next],
			 step->zap ? ", zap" : "", record_name(step->record));
	KUNIT_EXPECT_STREQ(test, text, *cell);
}

/* Every access that an entry may ask for, in every state. */
static void wx_access(struct kunit *test)
{
	unsigned int state, access, given;
	bool x, w;

	for (state = 0; state < FZ_NR_STATES; state++) {
		x = strchr(doc_states[state].get, 'X');
		w = strchr(doc_states[state].get, 'W');
		for (access = 0; access <= (FZ_ACC_EXEC | FZ_ACC_WRITE); access++) {
			given = access & ~fz_wx_denied(state);
			KUNIT_EXPECT_EQ_MSG(test, !!(given & FZ_ACC_EXEC),
					    x && (access & FZ_ACC_EXEC),
					    "X of %u in %s", access, states[state]);
			KUNIT_EXPECT_EQ_MSG(test, !!(given & FZ_ACC_WRITE),
					    w && (access & FZ_ACC_WRITE),
					    "W of %u in %s", access, states[state]);
		}
		KUNIT_EXPECT_EQ_MSG(test, fz_wx_live(state), doc_states[state].live, "%s",
				    states[state]);
	}
}

static void wx_unknown(struct kunit *test)
{
	static const unsigned int strange[] = { FZ_NR_STATES, FZ_NR_STATES + 1, 255, 1U << 31 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(strange); i++) {
		KUNIT_EXPECT_EQ(test, fz_wx_denied(strange[i]), FZ_ACC_EXEC | FZ_ACC_WRITE);
		KUNIT_EXPECT_FALSE(test, fz_wx_live(strange[i]));
		for (j = 0; j < FZ_NR_EVENTS; j++)
			KUNIT_EXPECT_FALSE(test, fz_wx_step(strange[i], j)->act);
	}
	for (i = 0; i < FZ_NR_STATES; i++) {
		KUNIT_EXPECT_FALSE(test, fz_wx_step(i, FZ_NR_EVENTS)->act);
		KUNIT_EXPECT_FALSE(test, fz_wx_step(i, 1U << 31)->act);
	}
}

#define ALL_ACC		(FZ_ACC_EXEC | FZ_ACC_WRITE)

/* A frame: its state, what its entries may have had since they were last dropped, if captured. */
struct model {
	u8 state, entries, captured;
};

static struct model model_step(const struct model *m, unsigned int event)
{
	const struct fz_step *step = fz_wx_step(m->state, event);
	struct model next = *m;

	if (!step->act)
		return next;
	next.state = step->next;
	/* Who wants to write had to wait until the entries were gone; KVM drops them on unmap. */
	if (step->zap || event == FZ_UNMAP)
		next.entries = 0;
	next.entries |= ALL_ACC & ~fz_wx_denied(next.state);
	if (event == FZ_GRANT || event == FZ_GRANT_MIXED)
		next.captured = !(m->entries & FZ_ACC_WRITE);
	if (next.entries & FZ_ACC_WRITE && next.state != FZ_MIXED)
		next.captured = 0;
	return next;
}

/*
 * From a frame that never ran, through all that can ever happen to it: what may execute was
 * captured when nothing could write, and nothing can write it since, but for MIXED.
 */
static void wx_promise(struct kunit *test)
{
	static bool seen[FZ_NR_STATES][4][2];
	static struct model todo[FZ_NR_STATES * 4 * 2];
	unsigned int n = 0, done = 0, event, reached = 0;
	struct model m;

	memset(seen, 0, sizeof(seen));
	todo[n++] = (struct model) { .state = FZ_NONE, .entries = FZ_ACC_WRITE };
	seen[FZ_NONE][FZ_ACC_WRITE][0] = true;
	while (done < n) {
		m = todo[done++];
		reached |= BIT(m.state);
		if (m.entries & FZ_ACC_EXEC)
			KUNIT_EXPECT_TRUE_MSG(test, m.captured, "%s runs what was not captured",
					      states[m.state]);
		if (m.entries == ALL_ACC)
			KUNIT_EXPECT_EQ_MSG(test, m.state, FZ_MIXED, "%s has W and X",
					    states[m.state]);
		if (m.state == FZ_PINNED)
			KUNIT_EXPECT_EQ(test, m.entries, 0);
		for (event = 0; event < FZ_NR_EVENTS; event++) {
			struct model next = model_step(&m, event);

			if (seen[next.state][next.entries][next.captured])
				continue;
			seen[next.state][next.entries][next.captured] = true;
			todo[n++] = next;
		}
	}
	KUNIT_EXPECT_EQ_MSG(test, reached, BIT(FZ_NR_STATES) - 1, "a state is never reached");
}

static struct kunit_case wx_cases[] = {
	KUNIT_CASE_PARAM(wx_step, cell_gen_params),
	KUNIT_CASE(wx_access),
	KUNIT_CASE(wx_unknown),
	KUNIT_CASE(wx_promise),
	{}
};

static struct kunit_suite wx_suite = {
	.name = "fitzroy_wx",
	.test_cases = wx_cases,
};

kunit_test_suite(wx_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests for FitzRoy");
