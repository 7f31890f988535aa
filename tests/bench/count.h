/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * count.h - what the counting programs share: the module's device, and groups of pages
 *
 * For a host under QEMU's -icount shift=0: there the TSC counts instructions. The guest
 * does one thing to each of many pages in small groups; the figure is that of the median
 * group, so the host's timer ticks are in none, and the cost of entering KVM_RUN, shared by
 * a group's pages, is the same in every mode.
 */
#ifndef COUNT_H
#define COUNT_H

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>
#include "../selftests/vmm.h"
#include "device.h"
#include "reader.h"

#define GROUP	250		/* pages */

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

/* After all groups of @name: each page is worth @each records if it is watched. */
static void check(const char *name, unsigned long seen, unsigned int n, unsigned int each)
{
	/* Others: the driver's own page, when it was changed. */
	if (lost || (reader && (seen < each * n * GROUP || seen > each * n * GROUP + 16)))
		errx(2, "%s: %lu records, %lu lost, wanted %u", name, seen, lost,
		     each * n * GROUP);
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

/* One group, of @n pages: instructions from KVM_RUN to its end. */
static uint64_t group_on(struct vm *vm, unsigned int v, uint64_t gpa, unsigned int n)
{
	uint64_t start;

	vcpu_start(vm, v, DRIVER(v), gpa, n, 0);
	start = __rdtsc();
	if (vcpu_run(vm, v))
		errx(2, "the guest died");
	return __rdtsc() - start;
}

static void put_on(struct vm *vm, unsigned int v, const uint8_t *program, size_t len)
{
	vm_put(vm, DRIVER(v), program, len);
	/* Run it once on a page of its own, that the first group be like the others. */
	group_on(vm, v, 3 * HUGE, 1);
	drain();
}

/* Guest memory of @bytes at @at, always the same place: what lies near it may cost. */
static uint8_t *map_at(uint64_t at, uint64_t bytes)
{
	uint8_t *mem = mmap((void *)at, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			    -1, 0);

	if (mem == MAP_FAILED)
		err(2, "mmap of guest memory");
	/* Before it is used: its pages are small from the start. */
	if (madvise(mem, bytes, MADV_NOHUGEPAGE))
		err(2, "MADV_NOHUGEPAGE");
	return mem;
}

static uint64_t attach(struct vm *vm)
{
	uint64_t id;

	if (fz_device_attach(dev, vm->fd, 0, &id, &error))
		errx(2, "attach: %s", error.text);
	drain();
	return id;
}

#endif
