// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_mixed.c - frames that are written while they run: bounded, captured, accounted for
 */
#include <err.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "selftest.h"

#define SECONDS	2
#define SLOW_MS	500	/* an emulated host's work queue may be as late as this */

static struct {
	__u64 since[4096];	/* of the windows */
	unsigned int n, ended, strange;
	__u64 ns, longest;
} windows;

static void watch(const struct fz_rec *rec)
{
	unsigned int i;

	if (rec->type == FZ_REC_MIXED && windows.n < 4096)
		windows.since[windows.n++] = rec->time;
	if (rec->type != FZ_REC_MIXED_END)
		return;
	for (i = 0; i < windows.n && windows.since[i] != rec->u.mixed_end.since; i++)
		;
	windows.strange += i == windows.n || rec->gfn != TARGETS / PAGE ||
			   rec->time < rec->u.mixed_end.since + rec->u.mixed_end.ns;
	windows.ended++;
	windows.ns += rec->u.mixed_end.ns;
	if (rec->u.mixed_end.ns > windows.longest)
		windows.longest = rec->u.mixed_end.ns;
}

static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* A page that writes to itself for seconds is captured again and again. */
static void test_stay(void)
{
	__u64 begin = now(), took;
	struct fz_counters c;
	const struct seen *s;
	struct vm vm;
	uint64_t id;
	bool alive = true;

	memset(&windows, 0, sizeof(windows));
	each = watch;
	vm_new(&vm, 1);
	id = attach(&vm);
	look(id);
	PUT(&vm, TARGETS, write_self);
	while (alive && now() - begin < SECONDS * 1000000000ULL) {
		vcpu_start(&vm, 0, TARGETS, 0, 1000, 0);
		alive = !vcpu_run(&vm, 0);
		drain();
	}
	took = now() - begin;
	usleep(SLOW_MS * 1000);
	s = look_on();
	c = counters(id);
	each = NULL;
	ok(alive, "a page writes to itself for %d s", SECONDS);
	ok(windows.n >= 10 && s->count[FZ_REC_MIXED] == c.mixed && !s->bad_hash,
	   "it is captured %u times", windows.n);
	ok(windows.ended == windows.n && !windows.strange, "each time that it was mixed ended");
	ok(windows.ns == c.mixed_ns && windows.ns <= took && windows.ns > took / 20,
	   "which makes %llu of %llu ms, as counted", windows.ns / 1000000, took / 1000000);
	ok(windows.longest < SLOW_MS * 1000000ULL, "%llu ms at most", windows.longest / 1000000);
	finish(&vm, id);
}

/* The host takes the memory of a mixed frame: that is an end, too. */
static void test_stay_unmapped(void)
{
	unsigned long mixed_ms = param("mixed_ms", 5000);
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	memset(&windows, 0, sizeof(windows));
	each = watch;
	vm_new(&vm, 1);
	id = attach(&vm);
	look(id);
	PUT(&vm, TARGETS, write_self);
	vcpu_start(&vm, 0, TARGETS, 0, 100, 0);
	ok(!vcpu_run(&vm, 0), "a page writes to itself");
	s = look_on();
	ok(s->count[FZ_REC_MIXED] == 1 && !s->count[FZ_REC_MIXED_END], "it is mixed");
	if (madvise(vm.mem + TARGETS, PAGE, MADV_DONTNEED))
		err(2, "MADV_DONTNEED");
	s = look_on();
	each = NULL;
	ok(s->count[FZ_REC_MIXED_END] == 1 && !windows.strange &&
	   windows.ns == counters(id).mixed_ns,
	   "its memory goes: mixed no more, after %llu ms", windows.ns / 1000000);
	param("mixed_ms", mixed_ms);
	finish(&vm, id);
}

const struct test mixed_tests[] = {
	{ "stay", test_stay },
	{ "stay-unmapped", test_stay_unmapped },
	{ NULL, NULL }
};
