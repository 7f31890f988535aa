// SPDX-License-Identifier: GPL-2.0-only
/* test_reader.c - the reader against an in-memory producer, a fair and a hostile one */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "rings_in_memory.h"
#include "tap.h"

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
	plan(10 + 3 + 5 + 5 + 17 + 4 + 1);
	test_merge();
	test_keep();
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
