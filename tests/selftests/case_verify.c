// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_verify.c - the second line: executed frames that change unseen are found
 */
#include <err.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>
#include "selftest.h"

#define PASS_MS	100	/* a round of comparisons */
#define DRIFTS	7

/* Give the VM memory that has a file behind it: the file, which nobody traps. */
static int back_by_file(struct vm *vm)
{
	uint8_t tables[3 * PAGE];
	int fd = memfd_create("guest", MFD_CLOEXEC);

	memcpy(tables, vm->mem + TABLES, sizeof(tables));
	if (fd < 0 || ftruncate(fd, MEM_BYTES) ||
	    mmap(vm->mem, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
	    MAP_FAILED)
		err(2, "memfd");
	memcpy(vm->mem + TABLES, tables, sizeof(tables));
	return fd;
}

/* Wait until two rounds have begun and ended, however busy the machine. */
static void rounds(uint64_t id)
{
	__u64 before = counters(id).verified;
	int i;

	usleep(4 * PASS_MS * 1000);
	for (i = 0; i < 300 && counters(id).verified < before + 3 * N; i++)
		usleep(PASS_MS * 1000);
}

static struct {
	__u64 captured[N];		/* digest of each target as it first ran */
	__u64 longest;
	unsigned int right, wrong;
} drift;

static void watch(const struct fz_rec *rec)
{
	__u64 i = rec->gfn - TARGETS / PAGE;

	if (rec->type == FZ_REC_EXEC && i < N)
		drift.captured[i] = rec->hash;
	if (rec->type != FZ_REC_DRIFT)
		return;
	if (i < N && i % 3 == 0 && rec->u.drift.captured == drift.captured[i] &&
	    rec->hash == XXH64((const void *)(rec + 1), PAGE, 0) &&
	    rec->hash != drift.captured[i] && rec->vcpu == FZ_NO_VCPU && !rec->rip)
		drift.right++;
	else
		drift.wrong++;
	if (rec->u.drift.unseen_ns > drift.longest)
		drift.longest = rec->u.drift.unseen_ns;
}

static void test_drift(void)
{
	unsigned long period = param("verify_ms", 0);
	const struct seen *s;
	struct vm vm;
	__u64 before;
	uint64_t id;
	int fd, i;

	memset(&drift, 0, sizeof(drift));
	each = watch;
	vm_new(&vm, 1);
	fd = back_by_file(&vm);
	id = attach(&vm);
	look(id);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(3, N), "pages of a memfd run");
	ok(look_on()->count[FZ_REC_EXEC] == N + 1, "and are captured");
	before = counters(id).verified;
	usleep(4 * PASS_MS * 1000);
	ok(counters(id).verified == before, "verify_ms=0: nothing is compared");
	param("verify_ms", PASS_MS);
	rounds(id);
	s = look(id);
	ok(counters(id).verified >= 2 * (N + 1) && !s->count[FZ_REC_DRIFT],
	   "verify_ms=%u: all are, and none has changed", PASS_MS);

	/* write(2) goes to the file's page, past every page table. */
	for (i = 0; i < DRIFTS; i++) {
		uint32_t value = 1000 + i;

		if (pwrite(fd, &value, sizeof(value), TARGETS + 3 * i * PAGE + 1) != sizeof(value))
			err(2, "pwrite");
	}
	rounds(id);
	s = look(id);
	ok(s->count[FZ_REC_DRIFT] == DRIFTS && !s->count[FZ_REC_CHANGED] && !s->count[FZ_REC_WRITE],
	   "%d are written unseen: %u DRIFT", DRIFTS, s->count[FZ_REC_DRIFT]);
	ok(drift.right == DRIFTS && !drift.wrong && !s->bad_hash,
	   "each names its frame, what was captured and what it is now");
	ok(drift.longest > 0 && drift.longest < 30 * PASS_MS * 1000000ULL,
	   "unseen for %llu ms at most", drift.longest / 1000000);
	rounds(id);
	ok(!look(id)->count[FZ_REC_DRIFT], "said once");
	/* Pages 0, 3, 6 and so on returned 3, 6, 9 and so on. */
	ok(!call(&vm, 0, TARGETS, N) &&
	   vcpu_rax(&vm, 0) == sum(3, N) + sum(1000, DRIFTS) - 3 * sum(1, DRIFTS),
	   "the guest runs them as written");
	s = look(id);
	ok(s->count[FZ_REC_REEXEC] == DRIFTS && s->count[FZ_REC_EXEC] == 0 && !s->bad_hash,
	   "%u re-executions: each is captured anew", s->count[FZ_REC_REEXEC]);
	rounds(id);
	ok(!look(id)->count[FZ_REC_DRIFT], "and stays as captured");
	each = NULL;
	drifts_wanted = DRIFTS;
	finish(&vm, id);
	close(fd);
	param("verify_ms", period);
}

/* A round takes many steps, and a region more than one: its last page is come to, too. */
static void test_drift_last(void)
{
	unsigned long period = param("verify_ms", 0);
	const uint64_t last = TARGETS + (4 * N - 1) * PAGE;
	uint32_t value = 1000;
	struct vm vm;
	uint64_t id;
	int fd, i;

	vm_new(&vm, 1);
	fd = back_by_file(&vm);
	id = attach(&vm);
	look(id);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, 4 * N, 3);
	for (i = 0; i < 4; i++) {
		ok(!call(&vm, 0, TARGETS + i * N * PAGE, N), "pages of one region run");
		ok(look(id)->count[FZ_REC_EXEC] == N + !i, "and are captured");
	}
	if (pwrite(fd, &value, sizeof(value), last + 1) != sizeof(value))
		err(2, "pwrite");
	/* A tenth of the frames in a step. */
	param("verify_ms", 1000);
	for (i = 0; i < 300 && !counters(id).drifts; i++)
		usleep(100 * 1000);
	ok(look(id)->count[FZ_REC_DRIFT] == 1, "the last of them is written unseen: a DRIFT after %d ms",
	   i * 100);
	drifts_wanted = 1;
	finish(&vm, id);
	close(fd);
	param("verify_ms", period);
}

static struct vm *busy;

/* The VMM writes to executed pages while vCPUs do, and the rings are read. */
static void write_too(void)
{
	static unsigned int n;

	n++;
	vm_put_targets(busy, TARGETS + MAX_VCPUS * PAGE + n % N * PAGE, 1, n);
	drain();
}

/* However busy the frames: what is seen is no drift. */
static void test_no_drift(void)
{
	/* As in hotplug: a vCPU that is preempted with a page in hand is no I/O. */
	unsigned long period = param("verify_ms", 1), held_ms = param("held_ms", 5000);
	const struct seen *s;
	struct fz_counters c;
	__u64 wrong = 0;
	unsigned int v;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, MAX_VCPUS);
	busy = &vm;
	id = attach(&vm);
	look(id);
	for (v = 0; v < MAX_VCPUS; v++) {
		if (v % 2)
			PUT(&vm, DRIVER(v), call_pages);
		else
			PUT(&vm, DRIVER(v), flip_page);
		vm_put_targets(&vm, TARGETS + v * PAGE, 1, 0);
		vcpu_start(&vm, v, DRIVER(v), TARGETS + (v % 2 ? MAX_VCPUS : v) * PAGE,
			   v % 2 ? N : 500, 0);
	}
	vm_put_targets(&vm, TARGETS + MAX_VCPUS * PAGE, N, 0);
	ok(!vm_run_all(&vm, write_too), "vCPUs and the VMM rewrite what runs");
	for (v = 0; v < MAX_VCPUS; v += 2)
		wrong += vcpu_rax(&vm, v);
	ok(!wrong, "each flip ran what was written last");
	s = look_on();
	c = counters(id);
	/* A ring holds a quarter of them: on a busy machine its reader may lose some. */
	ok(c.reexecs + c.lost_execs >= 2 * 500 - 2 && c.verified && !c.drifts &&
	   !s->count[FZ_REC_DRIFT],
	   "%llu re-executions and %llu that were lost, %llu mixed, %llu comparisons, no drift",
	   c.reexecs, c.lost_execs, c.mixed, c.verified);
	finish(&vm, id);
	param("verify_ms", period);
	param("held_ms", held_ms);
}

const struct test verify_tests[] = {
	{ "drift", test_drift },
	{ "drift-last", test_drift_last },
	{ "no-drift", test_no_drift },
	{ NULL, NULL }
};
