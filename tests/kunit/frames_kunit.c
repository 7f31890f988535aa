// SPDX-License-Identifier: GPL-2.0-only
/*
 * frames_kunit.c - the store of frame states: regions of 2 MiB, chunks of 64 KiB, frames
 *
 *	hva	... | region key 1 | region key 2 | ...
 *			chunk 0 .. chunk 31
 *			frame 0 .. frame 15
 */
#include <kunit/test.h>
#include <linux/ktime.h>
#include "frames.h"

#define HVA	0x7f0012345000UL
#define REGION	(HVA & ~(FZ_REGION_SIZE - 1))
#define LAST	(~0UL & PAGE_MASK)

static int frames_init(struct kunit *test)
{
	struct fz_frames *frames = kunit_kzalloc(test, sizeof(*frames), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, frames);
	KUNIT_ASSERT_EQ(test, fz_frames_alloc_init(), 0);
	fz_frames_init(frames);
	test->priv = frames;
	return 0;
}

static void frames_exit(struct kunit *test)
{
	fz_frames_destroy(test->priv);
	fz_frames_alloc_exit();
}

/* The frame of @hva, made with all that it needs. */
static struct fz_frame *make(struct kunit *test, unsigned long hva)
{
	struct fz_frames *frames = test->priv;
	struct fz_region *region = fz_frames_make_region(frames, hva);
	struct fz_frame *frame;

	KUNIT_ASSERT_NOT_NULL(test, region);
	spin_lock(&region->lock);
	frame = fz_region_make_frame(frames, region, hva);
	spin_unlock(&region->lock);
	KUNIT_ASSERT_NOT_NULL(test, frame);
	return frame;
}

static void set(struct kunit *test, unsigned long hva, enum fz_state state)
{
	struct fz_frame *frame = make(test, hva);
	struct fz_region *region = fz_frames_region(test->priv, hva);

	spin_lock(&region->lock);
	fz_region_set(region, frame, state);
	spin_unlock(&region->lock);
}

static struct fz_region *find(struct kunit *test, unsigned long hva)
{
	struct fz_region *region;

	rcu_read_lock();
	region = fz_frames_region(test->priv, hva);
	rcu_read_unlock();
	return region;
}

static bool live(struct kunit *test, unsigned long hva, unsigned long size)
{
	bool found;

	rcu_read_lock();
	found = fz_frames_live(test->priv, hva, size);
	rcu_read_unlock();
	return found;
}

/* Two addresses are one frame only if they are one page. */
static void frames_by_address(struct kunit *test)
{
	static const unsigned long other[] = {
		HVA + PAGE_SIZE, HVA - PAGE_SIZE, HVA + (1UL << FZ_CHUNK_SHIFT),
		HVA + FZ_REGION_SIZE, HVA + (1UL << 32), HVA ^ (1UL << 46), 0, LAST,
	};
	struct fz_frame *frame = make(test, HVA);
	int i, j;

	KUNIT_EXPECT_PTR_EQ(test, make(test, HVA), frame);
	KUNIT_EXPECT_PTR_EQ(test, make(test, HVA + PAGE_SIZE - 1), frame);
	KUNIT_EXPECT_PTR_EQ(test, fz_frames_frame(test->priv, HVA + 1), frame);
	for (i = 0; i < ARRAY_SIZE(other); i++) {
		KUNIT_EXPECT_PTR_NE_MSG(test, make(test, other[i]), frame, "%lx", other[i]);
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_PTR_NE_MSG(test, make(test, other[i]), make(test, other[j]),
						"%lx and %lx", other[i], other[j]);
	}
}

/* What was never fetched from has no frame, and looking for it makes none. */
static void frames_sparse(struct kunit *test)
{
	struct fz_frames *frames = test->priv;
	u64 before = ktime_get_ns();

	KUNIT_EXPECT_NULL(test, find(test, HVA));
	KUNIT_EXPECT_NULL(test, fz_frames_frame(frames, HVA));
	KUNIT_EXPECT_EQ(test, atomic64_read(&frames->memory), 0);
	make(test, HVA);
	KUNIT_EXPECT_EQ(test, atomic64_read(&frames->memory),
			sizeof(struct fz_region) + sizeof(struct fz_chunk));
	KUNIT_EXPECT_NULL(test, fz_frames_frame(frames, HVA + (1UL << FZ_CHUNK_SHIFT)));
	KUNIT_EXPECT_NULL(test, find(test, HVA + FZ_REGION_SIZE));
	/* The same chunk, the same region, another. */
	make(test, HVA + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, atomic64_read(&frames->memory),
			sizeof(struct fz_region) + sizeof(struct fz_chunk));
	make(test, REGION);
	KUNIT_EXPECT_EQ(test, atomic64_read(&frames->memory),
			sizeof(struct fz_region) + 2 * sizeof(struct fz_chunk));
	make(test, HVA + FZ_REGION_SIZE);
	KUNIT_EXPECT_EQ(test, atomic64_read(&frames->memory),
			2 * sizeof(struct fz_region) + 3 * sizeof(struct fz_chunk));
	KUNIT_EXPECT_EQ(test, find(test, HVA)->key, HVA >> FZ_REGION_SHIFT);
	KUNIT_EXPECT_PTR_EQ(test, fz_frames_make_region(frames, HVA), find(test, HVA));
	/* Nothing in it waits for a check since before it was made. */
	KUNIT_EXPECT_GE(test, find(test, HVA)->checked, before);
}

static bool doc_live(enum fz_state s)
{
	return s == FZ_PINNED || s == FZ_EXEC || s == FZ_MIXED;
}

/*
 * From every state to every state, but that none becomes NONE again (wx_kunit.c): a region's
 * sums are those of its frames.
 */
static void frames_counts(struct kunit *test)
{
	unsigned long hva = HVA + 16 * FZ_REGION_SIZE;
	struct fz_region *region;
	struct fz_frame *a, *b;
	u64 known, exec;
	int from, to;

	for (from = FZ_NONE; from < FZ_NR_STATES; from++) {
		for (to = FZ_NONE + 1; to < FZ_NR_STATES; to++, hva += FZ_REGION_SIZE) {
			a = make(test, hva);
			b = make(test, hva + PAGE_SIZE);
			region = find(test, hva);
			set(test, hva + PAGE_SIZE, FZ_EXEC);
			if (from != FZ_NONE)
				set(test, hva, from);
			KUNIT_EXPECT_EQ(test, region->known, 1 + (from != FZ_NONE));
			a->stamp = 0;
			set(test, hva, to);
			KUNIT_EXPECT_EQ(test, a->state, to);
			KUNIT_EXPECT_EQ(test, b->state, FZ_EXEC);
			KUNIT_EXPECT_NE(test, a->stamp, 0);
			KUNIT_EXPECT_EQ_MSG(test, region->live, 1 + doc_live(to), "%d-%d", from, to);
			KUNIT_EXPECT_EQ_MSG(test, region->known, 2, "%d-%d", from, to);
			KUNIT_EXPECT_EQ_MSG(test, region->exec,
					    1 + (to == FZ_EXEC || to == FZ_MIXED), "%d-%d",
					    from, to);
			/* Nothing executes any more, and what was known stays so. */
			set(test, hva, FZ_DIRTY);
			set(test, hva + PAGE_SIZE, FZ_DIRTY);
			KUNIT_EXPECT_EQ(test, region->live + region->exec, 0);
		}
	}
	fz_frames_count(test->priv, &known, &exec);
	KUNIT_EXPECT_EQ(test, known, 2 * FZ_NR_STATES * (FZ_NR_STATES - 1));
	KUNIT_EXPECT_EQ(test, exec, 0);
	set(test, HVA, FZ_DIRTY);
	set(test, HVA + FZ_REGION_SIZE, FZ_MIXED);
	set(test, LAST, FZ_PINNED);
	set(test, LAST - PAGE_SIZE, FZ_EXEC);
	fz_frames_count(test->priv, &known, &exec);
	KUNIT_EXPECT_EQ(test, known, 4 + 2 * FZ_NR_STATES * (FZ_NR_STATES - 1));
	KUNIT_EXPECT_EQ(test, exec, 2);
}

/* A range is live if a region that it touches is, and not if one beside it is. */
static void frames_range_live(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, live(test, 0, ~0UL));
	set(test, HVA, FZ_DIRTY);
	KUNIT_EXPECT_FALSE(test, live(test, REGION, FZ_REGION_SIZE));
	set(test, HVA, FZ_PINNED);
	KUNIT_EXPECT_TRUE(test, live(test, REGION, FZ_REGION_SIZE));
	KUNIT_EXPECT_TRUE(test, live(test, REGION + FZ_REGION_SIZE - 1, 1));
	KUNIT_EXPECT_TRUE(test, live(test, REGION - 1, 2));
	KUNIT_EXPECT_FALSE(test, live(test, REGION - FZ_REGION_SIZE, FZ_REGION_SIZE));
	KUNIT_EXPECT_FALSE(test, live(test, REGION + FZ_REGION_SIZE, FZ_REGION_SIZE));
	/* The first region of the range is quiet, the last one is not. */
	set(test, HVA, FZ_DIRTY);
	set(test, HVA + 3 * FZ_REGION_SIZE, FZ_EXEC);
	KUNIT_EXPECT_TRUE(test, live(test, REGION, 4 * FZ_REGION_SIZE));
	KUNIT_EXPECT_FALSE(test, live(test, REGION, 3 * FZ_REGION_SIZE));
	set(test, LAST, FZ_EXEC);
	KUNIT_EXPECT_TRUE(test, live(test, LAST & ~(FZ_REGION_SIZE - 1), FZ_REGION_SIZE));
}

/* The walk sees each frame of each chunk that there is, once, in order, with its address. */
static void frames_walk(struct kunit *test)
{
	static const unsigned int chunks[] = { 0, 3, 4, FZ_CHUNKS - 1 };
	unsigned int i, seen = 0, wrong = 0;
	struct fz_region *region;
	struct fz_frame *frame;
	unsigned long hva, last = 0;

	region = fz_frames_make_region(test->priv, REGION);
	fz_for_each_frame(region, frame, hva, i)
		seen++;
	KUNIT_EXPECT_EQ(test, seen, 0);
	for (i = 0; i < ARRAY_SIZE(chunks); i++)
		make(test, REGION + ((unsigned long)chunks[i] << FZ_CHUNK_SHIFT));
	fz_for_each_frame(region, frame, hva, i) {
		wrong += frame != fz_region_frame(region, hva) || (seen && hva <= last) ||
			 hva < REGION || hva >= REGION + FZ_REGION_SIZE ||
			 i != fz_region_index(hva) || i != (hva - REGION) / PAGE_SIZE;
		last = hva;
		seen++;
	}
	KUNIT_EXPECT_EQ(test, seen, ARRAY_SIZE(chunks) * FZ_CHUNK_FRAMES);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, last, REGION + FZ_REGION_SIZE - PAGE_SIZE);
	/* From the middle of a chunk, and from where there is none. */
	i = fz_region_index(REGION + (3UL << FZ_CHUNK_SHIFT) + 5 * PAGE_SIZE);
	KUNIT_EXPECT_NOT_NULL(test, fz_region_next(region, &i, &hva));
	KUNIT_EXPECT_EQ(test, hva, REGION + (3UL << FZ_CHUNK_SHIFT) + 5 * PAGE_SIZE);
	i = fz_region_index(REGION + (5UL << FZ_CHUNK_SHIFT) + PAGE_SIZE);
	KUNIT_EXPECT_NOT_NULL(test, fz_region_next(region, &i, &hva));
	KUNIT_EXPECT_EQ(test, hva, REGION + ((unsigned long)(FZ_CHUNKS - 1) << FZ_CHUNK_SHIFT));
	i = FZ_CHUNKS * FZ_CHUNK_FRAMES;
	KUNIT_EXPECT_NULL(test, fz_region_next(region, &i, &hva));
	/* At the end of the address space. */
	make(test, LAST);
	i = fz_region_index(LAST);
	KUNIT_EXPECT_NOT_NULL(test, fz_region_next(find(test, LAST), &i, &hva));
	KUNIT_EXPECT_EQ(test, hva, LAST);
}

static struct kunit_case frames_cases[] = {
	KUNIT_CASE(frames_by_address),
	KUNIT_CASE(frames_sparse),
	KUNIT_CASE(frames_counts),
	KUNIT_CASE(frames_range_live),
	KUNIT_CASE(frames_walk),
	{}
};

static struct kunit_suite frames_suite = {
	.name = "fitzroy_frames",
	.init = frames_init,
	.exit = frames_exit,
	.test_cases = frames_cases,
};

kunit_test_suite(frames_suite);
