// SPDX-License-Identifier: GPL-2.0-only
/*
 * faults.c - what a guest's faults cost, in instructions
 *
 *	faults bare|other|watched
 *
 * For a host under QEMU's -icount shift=0: there the TSC counts instructions. The guest
 * does one thing to each of many pages in small groups; the figure is that of the median
 * group, so the host's timer ticks are in none, and the cost of entering KVM_RUN, shared by
 * a group's pages, is the same in every mode. Prints "NAME VALUE".
 *
 * bare: the module is not loaded; other: it is, and watches another VM; watched: it
 * watches this one, and somebody reads the rings between the groups.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>
#include <xxhash.h>
#include "../selftests/vmm.h"
#include "device.h"
#include "reader.h"

#define GROUP	250		/* pages */
#define GROUPS	32
#define CHAIN	10000		/* pages, as in Patagonix's measurement */
#define DATA_AT	(TARGETS + (uint64_t)GROUP * GROUPS * PAGE)
#define DATAS	8		/* groups of data pages, behind the code; twice */
#define LATE_AT	(DATA_AT + (uint64_t)GROUP * DATAS * PAGE)

/* Each guest has a GiB of its own, always the same: what lies near it may cost. */
#define MEM_AT	0x200000000000UL

static struct fz_device *dev;
static struct fz_reader *reader;
static struct fz_error error;
static unsigned long records, lost;

static int see(void *arg, const struct fz_rec *rec, struct fz_error *e)
{
	(void)arg;
	(void)e;
	records++;
	if (rec->type == FZ_REC_LOST)
		lost += rec->u.lost.count;
	return 0;
}

static unsigned long drain(void)
{
	unsigned long before = records;

	if (reader && fz_reader_drain(reader, see, NULL, &error) < 0)
		errx(2, "drain: %s", error.text);
	return records - before;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void say(const char *name, uint64_t *ticks, unsigned int n, double pages)
{
	qsort(ticks, n, sizeof(*ticks), by_value);
	printf("%s %.1f\n", name, ticks[n / 2] / pages);
}

/* One group: instructions from KVM_RUN to its end. */
static uint64_t group(struct vm *vm, uint64_t gpa)
{
	uint64_t start;

	vcpu_start(vm, 0, DRIVER(0), gpa, GROUP, 0);
	start = __rdtsc();
	if (vcpu_run(vm, 0))
		errx(2, "the guest died");
	return __rdtsc() - start;
}

/* @program on @n groups from @gpa on. Each page is worth @each records if it is watched. */
static uint64_t groups(struct vm *vm, const char *name, uint64_t gpa, unsigned int n,
		       unsigned int each)
{
	uint64_t ticks[CHAIN / GROUP], sum = 0;
	unsigned long seen = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		ticks[i] = group(vm, gpa + (uint64_t)i * GROUP * PAGE);
		sum += ticks[i];
		seen += drain();
	}
	/* Others: the driver's own page, when it was changed. */
	if (lost || (reader && (seen < each * n * GROUP || seen > each * n * GROUP + 16)))
		errx(2, "%s: %lu records, %lu lost, wanted %u", name, seen, lost,
		     each * n * GROUP);
	if (strcmp(name, "chain"))
		say(name, ticks, n, GROUP);
	return sum;
}

static void put(struct vm *vm, const uint8_t *program, size_t len)
{
	vm_put(vm, DRIVER(0), program, len);
	/* Run it once on a page of its own, that the first group be like the others. */
	vcpu_start(vm, 0, DRIVER(0), 3 * HUGE, 1, 0);
	if (vcpu_run(vm, 0))
		errx(2, "the guest died");
	drain();
}

#define USE(vm, program) put(vm, program, program##_end - program)

static void new_vm(struct vm *vm, size_t targets)
{
	static unsigned int n;
	void *mem = mmap((void *)(MEM_AT + ((uint64_t)n++ << 30)), MEM_BYTES,
			 PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (mem == MAP_FAILED)
		err(2, "mmap of guest memory");
	/* Before it is used: its pages are small from the start. */
	if (madvise(mem, MEM_BYTES, MADV_NOHUGEPAGE))
		err(2, "MADV_NOHUGEPAGE");
	vm_new_on(vm, 1, mem);
	/* All of it is there: the host's own faults are not what is measured. */
	memset(vm->mem + TARGETS, 0, MEM_BYTES - TARGETS);
	vm_put_targets(vm, 3 * HUGE, 1, 0);
	vm_put_targets(vm, TARGETS, targets, 1);
}

static void attach(struct vm *vm)
{
	uint64_t id;

	if (fz_device_attach(dev, vm->fd, 0, &id, &error))
		errx(2, "attach: %s", error.text);
	drain();
}

/* What no hook can save: the same work, counted alone. */
static void alone(void)
{
	static uint8_t from[PAGE] __attribute__((aligned(4096))), to[PAGE];
	uint64_t copies[GROUPS], digests[GROUPS], start;
	volatile uint64_t sink = 0;
	unsigned int i;

	for (i = 0; i < GROUPS; i++) {
		void *d = to, *s = from;
		size_t n = PAGE / 8;

		start = __rdtsc();
		/* As the compiler puts it into the module. */
		asm volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
		copies[i] = __rdtsc() - start;
		start = __rdtsc();
		sink += XXH64(to, PAGE, 0);
		digests[i] = __rdtsc() - start;
	}
	say("copy", copies, GROUPS, 1);
	say("digest", digests, GROUPS, 1);
	(void)sink;
}

int main(int argc, char **argv)
{
	static struct vm vm, other, chain;
	bool bare = argc == 2 && !strcmp(argv[1], "bare");
	bool watched = argc == 2 && !strcmp(argv[1], "watched");

	if (!bare && !watched && (argc != 2 || strcmp(argv[1], "other")))
		errx(2, "usage: faults bare|other|watched");
	if (!bare && (fz_device_open(&dev, &error) ||
		      (watched && fz_device_reader(dev, false, &reader, &error))))
		errx(2, "%s", error.text);
	new_vm(&vm, GROUP * GROUPS);
	if (!bare && !watched) {
		new_vm(&other, 1);
		attach(&other);
	}
	if (watched)
		attach(&vm);
	USE(&vm, write_pages);
	groups(&vm, "data_fault", DATA_AT, DATAS, 0);
	USE(&vm, call_pages);
	groups(&vm, "exec_first", TARGETS, GROUPS, 1);
	groups(&vm, "steady_state", TARGETS, GROUPS, 0);
	USE(&vm, write_pages);
	groups(&vm, "write_after_exec", TARGETS, GROUPS, 1);
	groups(&vm, "data_fault_late", LATE_AT, DATAS, 0);
	USE(&vm, call_pages);
	groups(&vm, "reexec", TARGETS, GROUPS, 1);
	vm_free(&vm);

	new_vm(&chain, CHAIN);
	if (watched)
		attach(&chain);
	USE(&chain, call_pages);
	printf("chain %.1f\n",
	       groups(&chain, "chain", TARGETS, CHAIN / GROUP, 1) / (double)CHAIN);
	if (bare)
		alone();
	return 0;
}
