// SPDX-License-Identifier: GPL-2.0-only
/* test_reader.c - the reader against an in-memory producer, a fair and a hostile one */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "reader.h"
#include "stage.h"
#include "tap.h"

#define CPUS		3
#define RING		(64UL << 10)

/* Rings of the device's layout: a producer page, the data, the data once more. */
static struct bed {
	struct fz_consumer consumers[CPUS];
	struct fz_producer producers[CPUS];
	const struct fz_producer *producer_of[CPUS];
	const uint8_t *data[CPUS];
	uint8_t *write[CPUS];
	uint64_t seq[CPUS];
	uint64_t until;
	int barrier_fails;
	struct fz_rings rings;
} bed;

static struct {
	uint64_t times[65536];
	uint32_t cpus[65536];
	uint64_t seqs[65536];
	uint8_t first_byte[65536];
	size_t n;
	int answer;		/* of the sink */
	size_t stop_at;
} got;

static int barrier(void *arg, uint64_t *time, struct fz_error *err)
{
	struct bed *b = arg;

	if (b->barrier_fails)
		return fz_fail(err, -EIO, "no barrier");
	*time = b->until;
	return 0;
}

static void setup(void)
{
	int i;

	for (i = 0; i < CPUS && !bed.write[i]; i++) {
		int fd = memfd_create("ring", 0);
		uint8_t *p = mmap(NULL, 2 * RING, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (fd < 0 || ftruncate(fd, RING) || p == MAP_FAILED ||
		    mmap(p, RING, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != p ||
		    mmap(p + RING, RING, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
			    p + RING)
			abort();
		close(fd);
		bed.write[i] = p;
		bed.data[i] = p;
		bed.producer_of[i] = &bed.producers[i];
	}
	memset(bed.consumers, 0, sizeof(bed.consumers));
	memset(bed.producers, 0, sizeof(bed.producers));
	memset(bed.seq, 0, sizeof(bed.seq));
	memset(&got, 0, sizeof(got));
	bed.until = UINT64_MAX;
	bed.barrier_fails = 0;
	bed.rings = (struct fz_rings){ .cpus = CPUS, .ring_bytes = RING,
		.consumers = bed.consumers, .producers = bed.producer_of, .data = bed.data,
		.barrier = barrier, .arg = &bed };
}

static struct fz_rec *produce(uint32_t cpu, uint16_t type, uint64_t time)
{
	struct fz_rec *r = (void *)(bed.write[cpu] + (bed.producers[cpu].pos & (RING - 1)));
	int page = type == FZ_REC_EXEC || type == FZ_REC_REEXEC;

	memset(r, 0, sizeof(*r));
	r->size = sizeof(*r) + (page ? FZ_PAGE_SIZE : 0);
	r->type = type;
	r->flags = page ? FZ_RECF_PAGE : 0;
	r->cpu = cpu;
	r->seq = bed.seq[cpu]++;
	r->time = time;
	if (page)
		memset(r + 1, (uint8_t)time, FZ_PAGE_SIZE);
	bed.producers[cpu].pos += r->size;
	return r;
}

static int take(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	(void)arg;
	(void)err;
	if (got.answer < 0 && got.n == got.stop_at)
		return got.answer;
	got.times[got.n] = rec->time;
	got.cpus[got.n] = rec->cpu;
	got.seqs[got.n] = rec->seq;
	got.first_byte[got.n] = fz_rec_page(rec) ? fz_rec_page(rec)[FZ_PAGE_SIZE - 1] : 0;
	return ++got.n == got.stop_at ? got.answer : 0;
}

static void test_merge(void)
{
	struct fz_reader *r;
	struct fz_error err;
	int64_t n;
	size_t i;
	int fine = 1;

	setup();
	ok(!fz_reader_new(&r, &bed.rings, &err), "a reader of three rings");
	ok(fz_reader_drain(r, take, NULL, &err) == 0, "empty rings deliver nothing");
	produce(2, FZ_REC_EXEC, 10);
	produce(0, FZ_REC_WRITE, 10);
	produce(1, FZ_REC_EXEC, 5);
	produce(1, FZ_REC_EXEC, 10);
	produce(1, FZ_REC_EXEC, 10);
	produce(0, FZ_REC_EXEC, 30);
	bed.until = 29;
	n = fz_reader_drain(r, take, NULL, &err);
	ok(n == 5, "up to the barrier: 5 of 6 (%d)", (int)n);
	ok(got.times[0] == 5 && got.cpus[1] == 0 && got.cpus[2] == 1 && got.seqs[2] == 1 &&
	   got.seqs[3] == 2 && got.cpus[4] == 2, "order by time, then CPU, then number");
	ok(got.first_byte[0] == 5 && got.first_byte[4] == 10, "snapshots arrive whole");
	ok(bed.consumers[1].pos == bed.producers[1].pos &&
	   bed.consumers[0].pos == sizeof(struct fz_rec), "room is given back, the rest stays");
	bed.until = 30;
	ok(fz_reader_drain(r, take, NULL, &err) == 1 && got.times[5] == 30,
	   "the later record comes with the later barrier");
	for (i = 0; i < 2000; i++) {
		produce(i % CPUS, i % 5 ? FZ_REC_WRITE : FZ_REC_EXEC, 100 + i);
		bed.until = 100 + i;
		fine &= fz_reader_drain(r, take, NULL, &err) == 1 &&
			got.times[got.n - 1] == 100 + i &&
			(i % 5 || got.first_byte[got.n - 1] == (uint8_t)(100 + i));
	}
	ok(fine, "2,000 records around the end of the ring");
	ok(bed.producers[0].pos > 4 * RING, "the rings did wrap");
	ok(!fz_reader_seq(r)->ngaps && fz_reader_seq(r)->records == 2006, "no gap in 2,006");
	fz_reader_free(r);
}

/* A reader that dies before its records are safe has not taken them. */
static void test_keep(void)
{
	struct fz_reader *r;
	struct fz_error err;
	int i;

	setup();
	produce(0, FZ_REC_EXEC, 1);
	produce(1, FZ_REC_WRITE, 2);
	fz_reader_new(&r, &bed.rings, &err);
	fz_reader_keep(r, true);
	ok(fz_reader_drain(r, take, NULL, &err) == 2 && fz_reader_drain(r, take, NULL, &err) == 0 &&
	   !bed.consumers[0].pos && !bed.consumers[1].pos, "kept: delivered once, no room given back");
	fz_reader_free(r);
	fz_reader_new(&r, &bed.rings, &err);
	fz_reader_keep(r, true);
	ok(fz_reader_drain(r, take, NULL, &err) == 2 && got.n == 4 && got.seqs[2] == 0,
	   "the next reader gets them again");
	fz_reader_release(r);
	for (i = 0; i < CPUS && bed.consumers[i].pos == bed.producers[i].pos; i++)
		;
	ok(i == CPUS, "released: the room is given back");
	fz_reader_free(r);
}

/* A guest that runs new pages while the sink works on one: two, or one if room comes in blocks. */
static struct {
	struct fz_reader *r;
	int left, lost, release_each, taken;
	uint64_t time;
	int freed_first;	/* all room was there before the sink had the first record */
} guest;

static void run_guest(int pages)
{
	const size_t size = sizeof(struct fz_rec) + FZ_PAGE_SIZE;

	for (; pages && guest.left; pages--, guest.left--) {
		if (RING - (bed.producers[0].pos - bed.consumers[0].pos) < size) {
			bed.seq[0]++;
			guest.lost++;
		} else {
			produce(0, FZ_REC_EXEC, ++guest.time);
		}
	}
}

static int slow_sink(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	if (!guest.taken++)
		guest.freed_first = bed.consumers[0].pos == bed.producers[0].pos;
	/* As record does when it has written a block. */
	if (guest.release_each && guest.taken % guest.release_each == 1)
		fz_reader_release(guest.r);
	run_guest(guest.release_each ? 1 : 2);
	return take(arg, rec, err);
}

/* 15 pages fit into the ring. Run 400, of which 10 at first; all are read. */
static void burst(size_t stage, int keep, int release_each)
{
	struct fz_error err;

	setup();
	memset(&guest, 0, sizeof(guest));
	guest.left = 400;
	guest.release_each = release_each;
	fz_reader_new(&guest.r, &bed.rings, &err);
	fz_reader_keep(guest.r, keep);
	if (stage && fz_reader_stage(guest.r, stage, &err))
		abort();
	run_guest(10);
	while (fz_reader_drain(guest.r, slow_sink, NULL, &err) > 0)
		if (keep)
			fz_reader_release(guest.r);
}

static void test_bursts(void)
{
	const struct fz_seq *s;

	burst(0, 0, 0);
	ok(guest.lost > 100, "a sink half as fast as the guest: records are lost (%d)", guest.lost);
	fz_reader_free(guest.r);
	burst(8 << 20, 0, 0);
	s = fz_reader_seq(guest.r);
	ok(!guest.lost && s->records == 400 && !s->ngaps && !s->disorder &&
	   got.first_byte[399] == (uint8_t)400, "staged, from a ring of the same size: none");
	ok(guest.freed_first, "the room is free before the sink has the first record");
	fz_reader_free(guest.r);
	burst(40 * FZ_REC_MAX, 0, 0);
	s = fz_reader_seq(guest.r);
	ok(guest.lost && s->records + guest.lost == 400 && s->ngaps && !s->disorder,
	   "a stage that is full: lost in the ring (%d), as always, and seen", guest.lost);
	fz_reader_free(guest.r);
	burst(0, 1, 0);
	ok(guest.lost > 100, "kept until the drain's end: lost");
	fz_reader_free(guest.r);
	burst(0, 1, 3);
	s = fz_reader_seq(guest.r);
	ok(!guest.lost && s->records == 400 && !s->ngaps, "released block by block: none");
	fz_reader_free(guest.r);
}

/* Any order of in and out: whole, in order, within its bytes. */
static int queue(size_t bytes)
{
	uint64_t in = 0, out = 0;
	unsigned int seed = 1;
	struct fz_stage s;
	struct fz_error err;
	int fine = 1, i;

	if (fz_stage_init(&s, bytes, &err))
		return 0;
	for (i = 0; i < 100000; i++) {
		uint32_t size = rand_r(&seed) % 3 ? sizeof(struct fz_rec) : FZ_REC_MAX;
		struct fz_rec *to = rand_r(&seed) % 2 ? fz_stage_room(&s, size) : NULL;

		if (to) {
			fine &= (uint8_t *)to >= s.buf && (uint8_t *)to + size <= s.buf + bytes;
			to->size = size;
			to->seq = in;
			((uint8_t *)to)[size - 1] = in++;
			fz_stage_put(&s, to);
		} else if (s.count) {
			const struct fz_rec *rec = fz_stage_first(&s);

			fine &= rec->seq == out &&
				((const uint8_t *)rec)[rec->size - 1] == (uint8_t)out;
			out++;
			fz_stage_drop(&s);
		}
	}
	fine &= in - out == s.count && in > 10000;
	fz_stage_free(&s);
	return fine;
}

/* The stage's own ways: around its end, what a sink refuses, what is malformed. */
static void test_stage(void)
{
	struct fz_reader *r;
	struct fz_error err;
	struct fz_rec *rec;
	int fine = 1, i;
	int64_t n;

	setup();
	fz_reader_new(&r, &bed.rings, &err);
	ok(fz_reader_stage(r, FZ_REC_MAX - 1, &err) == -EINVAL, "a stage holds a record");
	ok(queue(FZ_REC_MAX) && queue(3 * FZ_REC_MAX + 192) && queue(40 * FZ_REC_MAX),
	   "100,000 times in or out of a stage, of three sizes");
	fz_reader_stage(r, 3 * FZ_REC_MAX + 192, &err);
	for (i = 0; i < 3000; i++) {
		produce(i % CPUS, i % 3 ? FZ_REC_WRITE : FZ_REC_EXEC, i);
		if (i % 7 % 3)
			continue;
		got.answer = 1;
		got.stop_at = got.n + 1 + i % 5;
		fine &= fz_reader_drain(r, take, NULL, &err) > 0;
	}
	got.answer = 0;
	do
		n = fz_reader_drain(r, take, NULL, &err);
	while (n > 0);
	for (i = 0; i < 3000; i++)
		fine &= got.times[i] == (uint64_t)i && (i % 3 || got.first_byte[i] == (uint8_t)i);
	ok(fine && !n && got.n == 3000 && !fz_reader_staged(r) && !fz_reader_seq(r)->ngaps,
	   "3,000 records through a stage of three, in order and whole");
	fz_reader_free(r);

	setup();
	fz_reader_new(&r, &bed.rings, &err);
	fz_reader_stage(r, 1 << 20, &err);
	produce(0, FZ_REC_WRITE, 1);
	produce(0, FZ_REC_EXEC, 2);
	got.answer = -ENOSPC;
	n = fz_reader_drain(r, take, NULL, &err);
	got.answer = 0;
	ok(n == -ENOSPC && fz_reader_staged(r) && fz_reader_drain(r, take, NULL, &err) == 2 &&
	   got.times[1] == 2 && fz_reader_seq(r)->records == 2 && !fz_reader_seq(r)->ngaps,
	   "what a sink refuses stays in the stage");
	produce(0, FZ_REC_WRITE, 3);
	rec = produce(0, FZ_REC_WRITE, 4);
	rec->type = 99;
	ok(fz_reader_drain(r, take, NULL, &err) == 1 && got.times[2] == 3 &&
	   fz_reader_drain(r, take, NULL, &err) == -EBADMSG && err.text[0],
	   "what lies before a malformed record is had; then it ends");
	fz_reader_free(r);
}

static void test_completeness(void)
{
	const struct fz_seq *s;
	struct fz_reader *r;
	struct fz_error err;
	struct fz_rec *rec;

	setup();
	bed.seq[0] = 1000;	/* an earlier reader had the rest */
	fz_reader_new(&r, &bed.rings, &err);
	s = fz_reader_seq(r);
	produce(0, FZ_REC_WRITE, 1);
	rec = produce(0, FZ_REC_LOST, 2);
	rec->u.lost = (struct fz_lost){ .first_seq = 1001, .count = 7, .execs = 3 };
	rec->seq = 1008;
	bed.seq[0] = 1009;
	bed.producers[0].lost = 9;
	produce(0, FZ_REC_WRITE, 3);
	ok(fz_reader_drain(r, take, NULL, &err) == 3, "a LOST record is a record");
	ok(!s->ngaps && s->lost == 7 && s->lost_execs == 3 && s->nlosses == 1,
	   "it covers its numbers: no gap");
	ok(fz_reader_lost_pending(r) == 2, "two losses have no LOST record yet");
	bed.seq[0] = 1013;
	produce(0, FZ_REC_WRITE, 4);
	fz_reader_drain(r, take, NULL, &err);
	ok(s->ngaps == 1 && s->gaps[0].first_seq == 1010 && s->gaps[0].count == 3 &&
	   !s->gaps[0].repeated && s->gaps[0].before == 4, "missing numbers are a gap");
	bed.seq[0] = 1012;
	produce(0, FZ_REC_WRITE, 5);
	fz_reader_drain(r, take, NULL, &err);
	ok(s->ngaps == 2 && s->gaps[1].repeated, "a number that comes twice is told");
	fz_reader_free(r);
}

static void test_sink(void)
{
	struct fz_reader *r;
	struct fz_error err;

	setup();
	fz_reader_new(&r, &bed.rings, &err);
	produce(0, FZ_REC_WRITE, 1);
	produce(1, FZ_REC_WRITE, 2);
	produce(0, FZ_REC_WRITE, 3);
	got.answer = 1;
	got.stop_at = 2;
	ok(fz_reader_drain(r, take, NULL, &err) == 2, "the sink stops the drain");
	got.stop_at = 0;
	ok(fz_reader_drain(r, take, NULL, &err) == 1 && got.times[2] == 3, "it goes on after that");
	produce(2, FZ_REC_WRITE, 4);
	got.answer = -ENOSPC;
	got.stop_at = 3;
	ok(fz_reader_drain(r, take, NULL, &err) == -ENOSPC && !bed.consumers[2].pos,
	   "a failing sink keeps its record in the ring");
	got.answer = 0;
	ok(fz_reader_drain(r, take, NULL, &err) == 1 && got.times[3] == 4 &&
	   !fz_reader_seq(r)->ngaps && fz_reader_seq(r)->records == 4,
	   "and takes it later, which is no repetition");
	bed.barrier_fails = 1;
	ok(fz_reader_drain(r, take, NULL, &err) == -EIO, "a failing barrier is passed on");
	fz_reader_free(r);
}

/* One hostile record; what the reader must do with it is end the stream. */
static int hostile(const char *what, void (*spoil)(struct fz_rec *rec))
{
	struct fz_reader *r;
	struct fz_error err = { "" };
	struct fz_rec *rec;
	int64_t first, second;

	setup();
	fz_reader_new(&r, &bed.rings, &err);
	produce(0, FZ_REC_WRITE, 1);
	rec = produce(0, FZ_REC_EXEC, 2);
	produce(1, FZ_REC_WRITE, 3);
	spoil(rec);
	first = fz_reader_drain(r, take, NULL, &err);
	second = fz_reader_drain(r, take, NULL, &err);
	ok(first == -EBADMSG && second == -EBADMSG && err.text[0] && got.n <= 1,
	   "hostile: %s", what);
	fz_reader_free(r);
	return 0;
}

static void size_zero(struct fz_rec *r) { r->size = 0; }
static void size_huge(struct fz_rec *r) { r->size = 0xffffffc0; }
static void size_odd(struct fz_rec *r) { r->size++; }
static void size_past(struct fz_rec *r)
{
	r->type = FZ_REC_REEXEC;
	bed.producers[0].pos -= 64;
}

static void cut_header(struct fz_rec *r)
{
	(void)r;
	bed.producers[0].pos -= 4096 + 64;
}

static void type_unknown(struct fz_rec *r) { r->type = 99; }
static void type_zero(struct fz_rec *r) { r->type = 0; }
static void flags_unknown(struct fz_rec *r) { r->flags |= 0x8000; }
static void no_page(struct fz_rec *r) { r->flags = 0; r->size = sizeof(*r); }
static void page_on_write(struct fz_rec *r) { r->type = FZ_REC_WRITE; }
static void other_cpu(struct fz_rec *r) { r->cpu = 1; }
static void cpu_huge(struct fz_rec *r) { r->cpu = 0xfffffff0; }
static void cpl_4(struct fz_rec *r) { r->cpl = 4; }
static void lost_wild(struct fz_rec *r)
{
	r->type = FZ_REC_LOST;
	r->flags = 0;
	r->size = sizeof(*r);
	r->u.lost = (struct fz_lost){ .first_seq = ~0ULL, .count = ~0ULL };
}

static void endless_name(struct fz_rec *r)
{
	r->type = FZ_REC_VM_ATTACH;
	r->flags = 0;
	r->size = sizeof(*r);
	memset(r->u.vm.comm, 'A', sizeof(r->u.vm.comm));
}

static void producer_far(struct fz_rec *r)
{
	(void)r;
	bed.producers[0].pos += 2 * RING;
}

static void producer_back(struct fz_rec *r)
{
	(void)r;
	bed.producers[0].pos = (uint64_t)-64;
}

static void test_positions(void)
{
	struct fz_reader *r;
	struct fz_error err;

	setup();
	bed.consumers[1].pos = 4096;
	ok(fz_reader_new(&r, &bed.rings, &err) == -EBADMSG, "a consumer ahead of the producer");
	setup();
	bed.producers[1].pos = 4096;
	bed.consumers[1].pos = 100;
	ok(fz_reader_new(&r, &bed.rings, &err) == -EBADMSG, "a consumer between two records");
	setup();
	bed.rings.ring_bytes = RING - 64;
	ok(fz_reader_new(&r, &bed.rings, &err) == -EINVAL, "a ring of no power of two");
	setup();
	bed.rings.cpus = 0;
	ok(fz_reader_new(&r, &bed.rings, &err) == -EINVAL, "no rings");
}

/* Noise: any bytes at all end in an error or are delivered, and nothing breaks. */
static void test_noise(void)
{
	unsigned int seed = 1, i;
	int fine = 1;

	for (i = 0; i < 3000; i++) {
		struct fz_reader *r;
		struct fz_error err;
		struct fz_rec *rec;
		uint32_t k;
		int64_t n;

		setup();
		fz_reader_new(&r, &bed.rings, &err);
		rec = produce(0, FZ_REC_EXEC, 1);
		produce(0, FZ_REC_WRITE, 2);
		for (k = 0; k < 3; k++)
			((uint8_t *)rec)[rand_r(&seed) % 128] = rand_r(&seed);
		n = fz_reader_drain(r, take, NULL, &err);
		fine &= n == -EBADMSG || (n >= 0 && n <= 2);
		fz_reader_free(r);
	}
	ok(fine, "3,000 records with three random bytes each");
}

int main(void)
{
	plan(10 + 3 + 6 + 5 + 5 + 5 + 17 + 4 + 1);
	test_merge();
	test_keep();
	test_bursts();
	test_stage();
	test_completeness();
	test_sink();
	hostile("size 0", size_zero);
	hostile("size 4 GiB", size_huge);
	hostile("size off by one", size_odd);
	hostile("a record past the producer", size_past);
	hostile("a header past the producer", cut_header);
	hostile("type 99", type_unknown);
	hostile("type 0", type_zero);
	hostile("unknown flag", flags_unknown);
	hostile("an execution without a snapshot", no_page);
	hostile("a write with a snapshot", page_on_write);
	hostile("another CPU's record", other_cpu);
	hostile("CPU 4,294,967,280", cpu_huge);
	hostile("privilege level 4", cpl_4);
	hostile("a LOST record that wraps", lost_wild);
	hostile("a name without an end", endless_name);
	hostile("a producer two rings ahead", producer_far);
	hostile("a producer before the consumer", producer_back);
	test_positions();
	test_noise();
	return done();
}
