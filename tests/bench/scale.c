// SPDX-License-Identifier: GPL-2.0-only
/*
 * scale.c - does a fault's cost grow, how much memory a frame takes, what looking again costs
 *
 *	scale bare|watched	faults by VMs, vCPUs, guest memory; watched: also the memory
 *	scale refresh		a guest that runs on, by how often its frames are compared
 *
 * See count.h for how it counts. Prints "NAME VALUE". All VMs are attached if watched.
 */
#include <unistd.h>
#include "count.h"

#define GROUPS	16
#define VMS_MAX	64
#define GIB	(1UL << 30)
#define HIGH	GIB			/* where the memory of many GiB begins, in the guest */
#define MEM_AT	0x200000000000UL
#define HIGH_AT	0x300000000000UL
#define DATA_BY	(2 * HUGE)		/* from a group's code to its data */
#define PACKED	16384			/* pages that fill regions */
#define ALONE	4096			/* pages in regions of their own */
#define REFRESH_PAGES	8000
#define ROUNDS	500000000UL		/* of spinning, a second */
#define PARAM	"/sys/module/fitzroy/parameters/verify_ms"

#define PUT_ON(vm, v, program) put_on(vm, v, program, program##_end - program)

static struct vm vms[VMS_MAX];
static uint8_t *high;			/* the memory of many GiB */
static uint64_t high_bytes;
static bool watched;

/* Make VM number @n with its pages there. */
static void new_vm(unsigned int n, unsigned int nvcpus)
{
	struct vm *vm = &vms[n];

	vm_new_on(vm, nvcpus, map_at(MEM_AT + n * GIB, MEM_BYTES));
	vm_put_targets(vm, 3 * HUGE, 1, 0);
}

/* Give VM 0 @gib GiB at HIGH, mapped by guest pages of 1 GiB. */
static void add_high(uint64_t gib)
{
	uint64_t *pdpt = (uint64_t *)(vms[0].mem + TABLES + PAGE), i;

	high_bytes = gib * GIB;
	high = map_at(HIGH_AT, high_bytes);
	if (vm_slot(&vms[0], 1, HIGH, high_bytes, high, 0))
		errx(2, "KVM_SET_USER_MEMORY_REGION");
	for (i = 0; i < gib; i++)
		pdpt[1 + i] = (HIGH + i * GIB) | 0xe7;	/* as TABLES' own, and large */
}

static void put_target(uint8_t *at, uint32_t value)
{
	at[0] = 0xb8;			/* mov $value, %eax */
	memcpy(at + 1, &value, sizeof(value));
	at[5] = 0xc3;			/* ret */
}

struct place {
	unsigned int vm, vcpu;
	uint64_t code, data;
};

/* Where group @i of @nvms VMs, @nvcpus vCPUs or @gib GiB is; its pages are there then. */
static struct place place(unsigned int i, unsigned int nvms, unsigned int nvcpus, uint64_t gib)
{
	struct place p = { .vm = i * nvms / GROUPS, .vcpu = i % nvcpus };
	uint8_t *at;
	unsigned int k;

	if (gib) {
		p.code = HIGH + gib * GIB / GROUPS * i;
		p.data = p.code + DATA_BY;
		at = high - HIGH;
	} else {
		p.code = TARGETS + (uint64_t)i * GROUP * PAGE;
		p.data = DATA + (uint64_t)i * GROUP * PAGE;
		at = vms[p.vm].mem;
	}
	for (k = 0; k < GROUP; k++) {
		put_target(at + p.code + k * PAGE, i * GROUP + k);
		at[p.data + k * PAGE] = 1;
	}
	return p;
}

static void use(unsigned int nvms, unsigned int nvcpus, const uint8_t *program, size_t len)
{
	unsigned int n, v;

	for (n = 0; n < nvms; n++)
		for (v = 0; v < nvcpus; v++)
			put_on(&vms[n], v, program, len);
}

/* First executions and faults on data of one configuration. */
static void cost(const char *name, unsigned int nvms, unsigned int nvcpus, uint64_t gib)
{
	uint64_t ticks[GROUPS];
	struct place p[GROUPS];
	unsigned long seen = 0;
	char line[64];
	unsigned int n, i;

	for (n = 0; n < nvms; n++)
		new_vm(n, nvcpus);
	if (gib)
		add_high(gib);
	for (i = 0; i < GROUPS; i++)
		p[i] = place(i, nvms, nvcpus, gib);
	for (n = 0; watched && n < nvms; n++)
		attach(&vms[n]);

	use(nvms, nvcpus, call_pages, call_pages_end - call_pages);
	for (i = 0; i < GROUPS; i++) {
		ticks[i] = group_on(&vms[p[i].vm], p[i].vcpu, p[i].code, GROUP);
		seen += drain();
	}
	check(name, seen, GROUPS, 1);
	snprintf(line, sizeof(line), "%s_exec", name);
	say(line, ticks, GROUPS, GROUP);

	use(nvms, nvcpus, write_pages, write_pages_end - write_pages);
	for (i = 0; i < GROUPS; i++)
		ticks[i] = group_on(&vms[p[i].vm], p[i].vcpu, p[i].data, GROUP);
	drain();
	snprintf(line, sizeof(line), "%s_data", name);
	say(line, ticks, GROUPS, GROUP);

	for (n = 0; n < nvms; n++)
		vm_free(&vms[n]);
	if (gib)
		munmap(high, high_bytes);
}

static struct fz_counters counters(uint64_t id)
{
	struct fz_counters c;

	if (fz_device_stat(dev, id, &c, &error))
		errx(2, "%s", error.text);
	return c;
}

/* What all slabs hold: with the module's own count, what the allocator rounds up. */
static uint64_t slabs(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	unsigned long active, all, size;
	uint64_t sum = 0;
	char line[512];

	if (!f)
		err(2, "/proc/slabinfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %lu %lu %lu", &active, &all, &size) == 3)
			sum += active * size;
	fclose(f);
	return sum;
}

/* Let @n pages, each @step after the one before, run: the memory that a frame takes. */
static void let_run(const char *name, uint64_t id, uint64_t at, unsigned int n, uint64_t step)
{
	struct fz_counters before = { 0 }, now = { 0 };
	uint64_t held, i;

	for (i = 0; i < n; i++)
		put_target(high + at + i * step, i);
	if (watched)
		before = counters(id);
	held = slabs();
	for (i = 0; i < n; i++) {
		group_on(&vms[0], 0, HIGH + at + i * step, 1);
		drain();
	}
	printf("slab_%s %.1f\n", name, (slabs() - held) / (double)n);
	if (!watched)
		return;
	now = counters(id);
	printf("memory_%s %.1f\n", name,
	       (double)(now.memory - before.memory) / (now.frames - before.frames));
}

/* The module's memory: of a VM, by GiB, by frame, packed and alone in its region. */
static void memory(uint64_t gib)
{
	uint64_t id = 0;

	new_vm(0, 1);
	add_high(gib);
	if (watched) {
		id = attach(&vms[0]);
		printf("memory_vm_%llu %llu\n", (unsigned long long)gib,
		       (unsigned long long)counters(id).memory);
	}
	PUT_ON(&vms[0], 0, call_pages);
	if (gib > 1) {
		let_run("packed", id, 0, PACKED, PAGE);
		let_run("alone", id, GIB, ALONE, 4 * HUGE);
	}
	vm_free(&vms[0]);
	munmap(high, high_bytes);
}

static void set_period(unsigned int ms)
{
	FILE *f = fopen(PARAM, "w");

	if (!f || fprintf(f, "%u\n", ms) < 0 || fclose(f))
		err(2, PARAM);
}

/* Two instructions a round. 1: dec %rsi; jnz 1b; out %al, $0x10; hlt */
static const uint8_t spin[] = { 0x48, 0xff, 0xce, 0x75, 0xfb, 0xe6, 0x10, 0xf4 };
#define spin_end (spin + sizeof(spin))

/* What @rounds of spinning cost, for each. */
static double spun(uint64_t rounds)
{
	uint64_t start;

	vcpu_start(&vms[0], 0, DRIVER(0), 0, rounds, 0);
	start = __rdtsc();
	if (vcpu_run(&vms[0], 0))
		errx(2, "the guest died");
	return (double)(__rdtsc() - start) / rounds;
}

static void refresh(void)
{
	static const struct {
		unsigned int ms, seconds;
	} of[] = { { 10000, 10 }, { 5000, 5 }, { 2000, 4 }, { 1000, 4 }, { 500, 3 }, { 200, 2 } };
	struct fz_counters before, now;
	double alone, slow;
	unsigned int i;
	uint64_t id, n;

	set_period(0);
	new_vm(0, 1);
	vm_put_targets(&vms[0], TARGETS, REFRESH_PAGES, 0);
	id = attach(&vms[0]);
	PUT_ON(&vms[0], 0, call_pages);
	for (i = 0; i < REFRESH_PAGES / GROUP; i++) {
		group_on(&vms[0], 0, TARGETS + i * GROUP * PAGE, GROUP);
		drain();
	}
	PUT_ON(&vms[0], 0, spin);
	alone = spun(GIB);
	printf("refresh_frames %llu\n", (unsigned long long)counters(id).exec_frames);
	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		set_period(of[i].ms);
		before = counters(id);
		slow = spun(of[i].seconds * ROUNDS);
		now = counters(id);
		printf("refresh_%u %.4f\n", of[i].ms, (slow - alone) / alone * 100);
		n = now.verified - before.verified;
		printf("refresh_%u_each %.1f\n", of[i].ms,
		       n ? (slow - alone) * of[i].seconds * ROUNDS / n : 0);
		if (now.drifts)
			errx(2, "a frame has changed");
	}
	vm_free(&vms[0]);
}

int main(int argc, char **argv)
{
	static const unsigned int nvms[] = { 1, 8, 64 }, nvcpus[] = { 1, 2, 4 };
	static const unsigned int gib[] = { 1, 8, 64 };
	bool again = argc == 2 && !strcmp(argv[1], "refresh");
	char name[32];
	unsigned int i;

	watched = again || (argc == 2 && !strcmp(argv[1], "watched"));
	if (!watched && (argc != 2 || strcmp(argv[1], "bare")))
		errx(2, "usage: scale bare|watched|refresh");
	if (watched && (fz_device_open(&dev, &error) ||
			fz_device_reader(dev, false, &reader, &error)))
		errx(2, "%s", error.text);
	if (again) {
		refresh();
		return 0;
	}
	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "vms_%u", nvms[i]);
		cost(name, nvms[i], 1, 0);
	}
	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "vcpus_%u", nvcpus[i]);
		cost(name, 1, nvcpus[i], 0);
	}
	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "gib_%u", gib[i]);
		cost(name, 1, 1, gib[i]);
	}
	memory(1);
	memory(64);
	return 0;
}
