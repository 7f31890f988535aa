// SPDX-License-Identifier: GPL-2.0-only
/*
 * selftest.c - exact event counts for exact guest actions
 *
 * Runs on a host with fitzroy.ko loaded and nobody else watching. Prints TAP.
 *
 *	selftest [CASE...]
 *	selftest --spin SECONDS		(a guest only; needs no module)
 *	selftest --self SECONDS		(the same; its code writes to itself)
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include "again.h"
#include "selftest.h"

struct fz_device *dev;
struct fz_reader *reader;
struct fz_error error;

void (*each)(const struct fz_rec *rec);
__u64 drifts_wanted;

static struct seen seen;

static int see(void *arg, const struct fz_rec *rec, struct fz_error *e)
{
	const uint8_t *page = fz_rec_page(rec);

	(void)arg;
	(void)e;
	if (rec->type == FZ_REC_LOST) {
		seen.lost += rec->u.lost.count;
		seen.lost_execs += rec->u.lost.execs;
		return 0;
	}
	if (rec->vm != seen.vm)
		return 0;
	seen.count[rec->type & 15]++;
	seen.late += !!(rec->flags & FZ_RECF_LATE);
	if (each)
		each(rec);
	if (page) {
		seen.bad_hash += XXH64(page, PAGE, 0) != rec->hash;
		/* Identity-mapped: RIP lies in the frame that is fetched. */
		seen.bad_rip += rec->type != FZ_REC_DRIFT &&
				(rec->rip / PAGE != rec->gfn || rec->cpl != 0 ||
				rec->cr3 != TABLES || !(rec->mode & FZ_MODE_CS_L));
		memcpy(seen.last_page, page, PAGE);
		seen.last_gfn = rec->gfn;
	}
	return 0;
}

void drain(void)
{
	if (!reader)
		return;
	if (fz_reader_drain(reader, see, NULL, &error) < 0)
		errx(2, "drain: %s", error.text);
}

/* Add what the rings hold to what the last look() began. */
const struct seen *look_on(void)
{
	drain();
	return &seen;
}

const struct seen *look(__u64 vm)
{
	memset(&seen, 0, sizeof(seen));
	seen.vm = vm;
	return look_on();
}

uint64_t attach(struct vm *vm)
{
	uint64_t id;

	if (fz_device_attach(dev, vm->fd, 0, &id, &error))
		errx(2, "attach: %s", error.text);
	return id;
}

struct fz_counters counters(__u64 id)
{
	struct fz_counters c;

	if (fz_device_stat(dev, id, &c, &error))
		errx(2, "counters: %s", error.text);
	return c;
}

/* The equation that holds in every run. */
bool adds_up(const struct fz_counters *c)
{
	return c->grants == c->execs + c->reexecs + c->mixed + c->lost_execs;
}

struct fz_audit audit(__u64 id)
{
	struct fz_audit a;

	if (fz_device_audit(dev, id, &a, &error))
		errx(2, "audit: %s", error.text);
	return a;
}

/* End a case: the counts add up, and the tables are as they should be. */
void finish(struct vm *vm, __u64 id)
{
	struct fz_counters c = counters(id);
	struct fz_audit a = audit(id);

	ok(adds_up(&c), "grants %llu = logged + lost", c.grants);
	ok(!a.violations && !c.violations && !c.errors && c.drifts == drifts_wanted,
	   "audit: no violation in %llu entries, no internal error, %llu drifts",
	   a.leaves_4k + a.leaves_2m, c.drifts);
	drifts_wanted = 0;
	if (fz_device_detach(dev, id, &error))
		errx(2, "detach: %s", error.text);
	vm_free(vm);
	look(id);
}

int call(struct vm *vm, unsigned int v, __u64 gpa, __u64 n)
{
	vcpu_start(vm, v, DRIVER(v), gpa, n, 0);
	return vcpu_run(vm, v);
}

const char *tool(void)
{
	static char path[4096];
	char *named = getenv("FZ_TOOL");
	ssize_t n;
	int i;

	if (named)
		return named;
	n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	if (n < 0)
		err(2, "/proc/self/exe");
	path[n] = 0;
	for (i = 0; i < 2; i++)
		*strrchr(path, '/') = 0;
	return strcat(path, "/bin/fitzroy");
}

static void param_path(char path[128], const char *name)
{
	snprintf(path, 128, "/sys/module/fitzroy/parameters/%s", name);
}

bool has_param(const char *name)
{
	char path[128];

	param_path(path, name);
	return !access(path, F_OK);
}

unsigned long param(const char *name, unsigned long value)
{
	unsigned long old;
	char path[128];
	FILE *f;

	param_path(path, name);
	f = fopen(path, "r+");
	if (!f || fscanf(f, "%lu", &old) != 1)
		err(2, "%s", path);
	rewind(f);
	if (fprintf(f, "%lu", value) < 0 || fclose(f))
		err(2, "%s", path);
	return old;
}

__u64 sum(__u64 first, __u64 n)
{
	return n * first + n * (n - 1) / 2;
}

static bool selected(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc == 1;
}

/* What case "exec" executes: say so, and wait for the end. */
static int hold(void)
{
	if (write(STDIN_FILENO, "h", 1) != 1)
		return 1;
	pause();
	return 0;
}

/* A guest whose code writes to its own page all the time. */
static int write_itself(int seconds)
{
	time_t end = time(NULL) + seconds;
	struct vm vm;

	vm_new(&vm, 1);
	PUT(&vm, TARGETS, write_self);
	do {
		vcpu_start(&vm, 0, TARGETS, 0, 1000, 0);
		if (vcpu_run(&vm, 0))
			errx(1, "the guest died");
	} while (time(NULL) < end);
	vm_free(&vm);
	return 0;
}

static void run(const void *arg)
{
	const struct test *test = arg;

	test->fn();
}

int main(int argc, char **argv)
{
	static const struct test *const groups[] = {
		wx_tests, merge_tests, host_tests, host_mem_tests, host_path_tests, host_io_tests,
		life_tests, kinds_tests, change_tests, fds_tests, storm_tests, device_tests,
		modes_tests, nested_tests, verify_tests, mixed_tests, loss_tests, audit_tests,
		bed_tests, host_numa_tests,
	};
	const struct test *test;
	bool injects = has_param("inject_x");
	static struct vm idle;
	size_t i;

	if (argc == 3 && !strcmp(argv[1], "--spin"))
		return spin(atoi(argv[2]));
	if (argc == 2 && !strcmp(argv[1], "--hold"))
		return hold();
	if (argc == 3 && !strcmp(argv[1], "--self"))
		return write_itself(atoi(argv[2]));
	if (fz_device_open(&dev, &error) || fz_device_reader(dev, false, &reader, &error))
		errx(2, "%s", error.text);
	look(0);
	/*
	 * As long as there is a VM, KVM's static keys stay as they are: emulators
	 * with a thread per CPU may trip over code that is patched under load.
	 */
	vm_new(&idle, 1);
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (test = groups[i]; test->name; test++)
			if (selected(test->name, argc, argv) &&
			    (groups[i] != audit_tests || injects) &&
			    ((groups[i] != bed_tests && groups[i] != host_numa_tests) ||
			     argc > 1)) {
				diag("%s", test->name);
				again_run(run, test);
			}
	vm_free(&idle);
	fz_device_close(dev);
	return done();
}
