// SPDX-License-Identifier: GPL-2.0-only
/*
 * faults.c - what a guest's faults cost, in instructions
 *
 *	faults bare|other|watched
 *
 * See count.h for how it counts. Prints "NAME VALUE".
 *
 * bare: the module is not loaded; other: it is, and watches another VM; watched: it
 * watches this one, and somebody reads the rings between the groups.
 */
#include <xxhash.h>
#include "count.h"

#define GROUPS	32
#define CHAIN	10000		/* pages, as in Patagonix's measurement */
#define DATA_AT	(TARGETS + (uint64_t)GROUP * GROUPS * PAGE)
#define DATAS	8		/* groups of data pages, behind the code; twice */
#define LATE_AT	(DATA_AT + (uint64_t)GROUP * DATAS * PAGE)

/* Each guest has a GiB of its own, always the same: what lies near it may cost. */
#define MEM_AT	0x200000000000UL

static unsigned int mode;	/* bare, other, watched */

/* For profile.c: one of its marks, nopl 0x5a5a33NN(%rax), and a ret. */
static void mark(unsigned int n)
{
	static uint8_t *code;
	const uint8_t bytes[] = { 0x0f, 0x1f, 0x80, n, 0x33, 0x5a, 0x5a, 0xc3 };

	if (!code)
		code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED)
		err(2, "mmap of a mark");
	memcpy(code + 16 * n, bytes, sizeof(bytes));
	((void (*)(void))(code + 16 * n))();
}

/* The mark of a figure, as profile.py has it; 0: none. */
static unsigned int mark_of(const char *name)
{
	static const char *const names[] = { "exec_first", "reexec", "write_after_exec",
					     "data_fault", "data_fault_late" };
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return 1 + 8 * mode + i;
	return 0;
}

/* @program on @n groups from @gpa on. Each page is worth @each records if it is watched. */
static uint64_t groups(struct vm *vm, const char *name, uint64_t gpa, unsigned int n,
		       unsigned int each)
{
	uint64_t ticks[CHAIN / GROUP], sum = 0;
	unsigned long seen = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		mark(mark_of(name));
		ticks[i] = group_on(vm, 0, gpa + (uint64_t)i * GROUP * PAGE, GROUP);
		mark(0);
		sum += ticks[i];
		seen += drain();
	}
	check(name, seen, n, each);
	if (strcmp(name, "chain"))
		say(name, ticks, n, GROUP);
	return sum;
}

#define USE(vm, program) put_on(vm, 0, program, program##_end - program)

static void new_vm(struct vm *vm, size_t targets)
{
	static unsigned int n;

	vm_new_on(vm, 1, map_at(MEM_AT + ((uint64_t)n++ << 30), MEM_BYTES));
	/* All of it is there: the host's own faults are not what is measured. */
	memset(vm->mem + TARGETS, 0, MEM_BYTES - TARGETS);
	vm_put_targets(vm, 3 * HUGE, 1, 0);
	vm_put_targets(vm, TARGETS, targets, 1);
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
	mode = watched ? 2 : !bare;
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
