// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_loss.c - a reader that is stopped, killed or slow: nothing is lost silently
 *
 * The reader is fitzroy record; its logs are held against the module's counters.
 */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <log.h>
#include "selftest.h"

#define LOG_A	"/tmp/loss-a.fz"
#define LOG_B	"/tmp/loss-b.fz"

static pid_t recorder;

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* The rings are the recorder's; this process only looks at the counters. */
static void leave_rings(void)
{
	look(0);
	fz_device_close(dev);
	reader = NULL;
	if (fz_device_open(&dev, &error))
		errx(2, "%s", error.text);
}

static void take_rings(void)
{
	if (fz_device_reader(dev, false, &reader, &error))
		errx(2, "%s", error.text);
	look(0);
}

static void record(const char *log)
{
	char *argv[] = { (char *)tool(), "record", "-o", (char *)log, NULL };
	posix_spawn_file_actions_t quiet;
	__u64 begun = now_ms();
	struct stat st;
	int status;

	unlink(log);
	/* Not by fork(2), which would have the guest's memory copied on write. */
	if (posix_spawn_file_actions_init(&quiet) ||
	    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0) ||
	    posix_spawn(&recorder, tool(), &quiet, NULL, argv, environ))
		errx(2, "cannot start %s", tool());
	posix_spawn_file_actions_destroy(&quiet);
	/*
	 * The header is written when it reads. On a kernel that checks itself, or by way of
	 * a disk that is far, a program and its libraries may take half a minute to load.
	 */
	while (stat(log, &st) || !st.st_size) {
		if (waitpid(recorder, &status, WNOHANG) == recorder)
			errx(2, "%s record ended: status 0x%x", tool(), status);
		if (now_ms() - begun > 120000)
			errx(2, "%s record does not begin", tool());
		usleep(10000);
	}
	if (now_ms() - begun > 5000)
		diag("the recorder took %llu ms to begin", now_ms() - begun);
}

/* End it by @sig; true if it ended as that asks. */
static bool ended(int sig)
{
	int status;

	kill(recorder, sig);
	if (waitpid(recorder, &status, 0) != recorder)
		err(2, "waitpid");
	return sig == SIGKILL ? WIFSIGNALED(status) :
				WIFEXITED(status) && !WEXITSTATUS(status);
}

/* What the logs of one VM say. */
static struct {
	__u64 vm;
	__u64 execs, reexecs, mixed, late, drifts;
	struct fz_seq seq;	/* over all logs in turn */
	__u64 held;
	unsigned int frames;
	bool captured[MEM_BYTES / PAGE];
	bool bad_times;
} say;

static int take(const struct fz_rec *rec)
{
	if (rec->type == FZ_REC_LOST) {
		say.held += rec->u.lost.held;
		say.bad_times |= !rec->u.lost.first_time ||
				 rec->u.lost.first_time > rec->u.lost.last_time ||
				 rec->u.lost.last_time > rec->time;
	}
	if (rec->vm == say.vm) {
		say.execs += rec->type == FZ_REC_EXEC;
		say.reexecs += rec->type == FZ_REC_REEXEC;
		say.mixed += rec->type == FZ_REC_MIXED;
		say.late += !!(rec->flags & FZ_RECF_LATE);
		if (rec->flags & FZ_RECF_PAGE && rec->gfn < MEM_BYTES / PAGE &&
		    !say.captured[rec->gfn]) {
			say.captured[rec->gfn] = true;
			say.frames++;
		}
	}
	return fz_seq_add(&say.seq, rec, &error);
}

/* The records of each whole block; the tool says what the file is worth. */
static void read_log(const char *log, bool whole)
{
	static uint8_t payload[FZ_LOG_BLOCK_MAX];
	struct fz_log_header header;
	struct fz_log_block block;
	char command[600];
	FILE *f;
	int rc;

	snprintf(command, sizeof(command), "'%s' verify %s >/dev/null", tool(), log);
	rc = system(command);
	ok(WIFEXITED(rc) && WEXITSTATUS(rc) == !whole, "%s: %s", log,
	   whole ? "whole" : "it has no end");
	f = fopen(log, "rb");
	if (!f || fread(&header, sizeof(header), 1, f) != 1 || fseek(f, header.bytes, SEEK_SET))
		err(2, "%s", log);
	while (fread(&block, sizeof(block), 1, f) == 1 && block.bytes <= sizeof(payload) &&
	       fread(payload, 1, block.bytes, f) == block.bytes) {
		uint8_t *at = payload;

		for (; block.type == FZ_LOG_RECORDS && block.count; block.count--) {
			const struct fz_rec *rec = (const void *)at;

			if (fz_rec_check(rec, payload + block.bytes - at, &error) ||
			    take(rec))
				errx(2, "%s: %s", log, error.text);
			at += rec->size;
		}
	}
	fclose(f);
}

/* The logs, one after the other, and the counters say the same. */
static void compare(uint64_t id, unsigned int frames)
{
	struct fz_counters c = counters(id);

	ok(adds_up(&c), "grants %llu = execs %llu + reexecs %llu + mixed %llu + lost %llu",
	   c.grants, c.execs, c.reexecs, c.mixed, c.lost_execs);
	ok(say.execs == c.execs && say.reexecs == c.reexecs && say.mixed == c.mixed &&
	   say.late == c.late, "the log has them: %llu, %llu, %llu; %llu late", say.execs,
	   say.reexecs, say.mixed, say.late);
	ok(say.seq.lost == c.lost && say.seq.lost_execs == c.lost_execs && !say.bad_times,
	   "LOST names %llu records, %llu of them executions, and when",
	   (__u64)say.seq.lost, (__u64)say.seq.lost_execs);
	ok(!say.seq.ngaps, "on no CPU is a number missing");
	ok(say.frames == frames, "of %u frames that ran %u are captured", frames, say.frames);
	fz_seq_free(&say.seq);
	if (fz_device_detach(dev, id, &error))
		errx(2, "detach: %s", error.text);
}

static unsigned int begin(struct vm *vm, uint64_t *id, uint32_t flags)
{
	__u64 room = fz_device_info(dev)->ring_bytes / (sizeof(struct fz_rec) + PAGE);
	unsigned int n = 2 * room + 20;

	if (TARGETS + n * PAGE > DATA)
		errx(2, "the ring is too large: load the module with ring_kib=1024 or less");
	leave_rings();
	vm_new(vm, 1);
	if (fz_device_attach(dev, vm->fd, flags, id, &error))
		errx(2, "attach: %s", error.text);
	PUT(vm, DRIVER(0), call_pages);
	vm_put_targets(vm, TARGETS, n, 3);
	fz_seq_free(&say.seq);
	memset(&say, 0, sizeof(say));
	say.vm = *id;
	return n;
}

static void end(struct vm *vm)
{
	take_rings();
	vm_free(vm);
	unlink(LOG_A);
	unlink(LOG_B);
}

/*
 * Run all pages until each is logged: its first record, late or not, is EXEC. A late
 * one may find no room again, and is late once more then.
 */
static bool catch_up(struct vm *vm, uint64_t id, unsigned int n)
{
	__u64 until = now_ms() + 60000;
	struct fz_counters c;

	do {
		usleep(20000);
		if (call(vm, 0, TARGETS, n))
			return false;
		c = counters(id);
	} while (c.execs < n + 1 && now_ms() < until);
	return c.execs == n + 1;
}

/* Stopped for a while: what finds no room is LOST, and logged when it runs again. */
static void test_stopped(void)
{
	unsigned int n;
	struct vm vm;
	uint64_t id;

	n = begin(&vm, &id, 0);
	record(LOG_A);
	kill(recorder, SIGSTOP);
	ok(!call(&vm, 0, TARGETS, n) && vcpu_rax(&vm, 0) == sum(3, n),
	   "%u pages run while the reader is stopped", n);
	ok(counters(id).lost_execs >= n / 4, "%llu are not logged", counters(id).lost_execs);
	kill(recorder, SIGCONT);
	ok(catch_up(&vm, id, n), "it goes on: all are logged late");
	ok(ended(SIGINT), "it ends");
	read_log(LOG_A, true);
	compare(id, n + 1);
	end(&vm);
}

/* Until the reader has all that there is in its file, and has given its room back. */
static void taken(void)
{
	struct pollfd p = { .fd = fz_device_fd(dev), .events = POLLIN };
	int i;

	for (i = 0; i < 600 && poll(&p, 1, 0) > 0; i++)
		usleep(50000);
}

/* Killed, with nobody reading for a while: the next reader begins where it ended. */
static void test_killed(void)
{
	unsigned int n;
	struct vm vm;
	uint64_t id;

	n = begin(&vm, &id, 0);
	record(LOG_A);
	ok(!call(&vm, 0, TARGETS, n / 4), "some pages run");
	/* Killed in the middle of a batch, it would leave it for the next one to repeat. */
	taken();
	ok(ended(SIGKILL), "the reader is killed");
	ok(!call(&vm, 0, TARGETS, n) && vcpu_rax(&vm, 0) == sum(3, n), "all pages run");
	record(LOG_B);
	ok(catch_up(&vm, id, n), "another reads: all are logged late");
	ok(ended(SIGINT), "it ends");
	read_log(LOG_A, false);
	read_log(LOG_B, true);
	compare(id, n + 1);
	end(&vm);
}

/* Stop and go while a guest rewrites and calls a page. */
static void stop_and_go(void)
{
	kill(recorder, SIGSTOP);
	usleep(30000);
	kill(recorder, SIGCONT);
	usleep(3000);
}

static void test_slow(void)
{
	struct fz_counters c;
	unsigned int n;
	struct vm vm;
	uint64_t id;

	n = begin(&vm, &id, 0);
	PUT(&vm, DRIVER(0), flip_page);
	record(LOG_A);
	vcpu_start(&vm, 0, DRIVER(0), TARGETS, 20 * n, 0);
	ok(!vm_run_all(&vm, stop_and_go) && !vcpu_rax(&vm, 0),
	   "a page is rewritten and called %u times before a slow reader", 20 * n);
	usleep(500000);
	c = counters(id);
	ok(c.lost_execs && c.reexecs, "%llu executions were too many, %llu not", c.lost_execs,
	   c.reexecs);
	ok(ended(SIGINT), "it ends");
	read_log(LOG_A, true);
	compare(id, 2);
	end(&vm);
}

/* Lossless: the vCPU waits for the reader. */
static void go_on_after_300_ms(void)
{
	usleep(300000);
	kill(recorder, SIGCONT);
}

static void test_held(void)
{
	unsigned long hold_ms = param("hold_ms", 30000);
	struct fz_counters c;
	unsigned int n;
	struct vm vm;
	uint64_t id;
	__u64 begun;

	n = begin(&vm, &id, FZ_POLICY_LOSSLESS);
	record(LOG_A);
	kill(recorder, SIGSTOP);
	begun = now_ms();
	vcpu_start(&vm, 0, DRIVER(0), TARGETS, n, 0);
	ok(!vm_run_all(&vm, go_on_after_300_ms) && vcpu_rax(&vm, 0) == sum(3, n),
	   "lossless: %u pages run", n);
	ok(now_ms() - begun >= 300, "after their vCPU was held while the reader was stopped");
	c = counters(id);
	ok(c.held >= 1 && !c.hold_timeouts && !c.lost_execs, "held %llu times, nothing is lost",
	   c.held);
	ok(ended(SIGINT), "the reader ends");
	read_log(LOG_A, true);
	ok(!say.held, "no LOST record for a hold in vain");
	compare(id, n + 1);
	end(&vm);
	param("hold_ms", hold_ms);
}

/* Lossless, and the reader never comes back in time: bounded, and said. */
static void test_held_in_vain(void)
{
	unsigned long hold_ms = param("hold_ms", 300);
	struct fz_counters c;
	unsigned int n;
	struct vm vm;
	uint64_t id;
	__u64 begun, took;

	n = begin(&vm, &id, FZ_POLICY_LOSSLESS);
	record(LOG_A);
	kill(recorder, SIGSTOP);
	begun = now_ms();
	ok(!call(&vm, 0, TARGETS, n) && vcpu_rax(&vm, 0) == sum(3, n),
	   "lossless, and the reader stays stopped: %u pages run", n);
	took = now_ms() - begun;
	c = counters(id);
	ok(took >= 300 && took < 10000, "held once, for hold_ms: %llu ms in all", took);
	ok(c.held == 1 && c.hold_timeouts == 1 && c.lost_execs, "held %llu, in vain %llu, lost %llu",
	   c.held, c.hold_timeouts, c.lost_execs);
	kill(recorder, SIGCONT);
	ok(catch_up(&vm, id, n), "it goes on: all are logged late");
	ok(ended(SIGINT), "it ends");
	read_log(LOG_A, true);
	ok(say.held >= c.lost_execs && say.held <= counters(id).lost_execs,
	   "LOST says that a vCPU was held in vain for %llu", say.held);
	compare(id, n + 1);
	end(&vm);
	param("hold_ms", hold_ms);
}

const struct test loss_tests[] = {
	{ "loss-stopped", test_stopped },
	{ "loss-killed", test_killed },
	{ "loss-slow", test_slow },
	{ "loss-held", test_held },
	{ "loss-held-in-vain", test_held_in_vain },
	{ NULL, NULL }
};
