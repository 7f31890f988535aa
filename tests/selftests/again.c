// SPDX-License-Identifier: GPL-2.0-only
/* again.c - cases that a fault of the emulator has spoiled; again.h says which */
#include <cpuid.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../unit/tap.h"
#include "again.h"

static unsigned int shutdowns;
static FILE *out;	/* the real one, while a case's output is held back */
static char *held;
static size_t held_len;

void again_shutdown(void)
{
	__atomic_fetch_add(&shutdowns, 1, __ATOMIC_RELAXED);
}

bool again_excused(void)
{
	unsigned int eax, name[3];

	/* The hypervisor's signature: QEMU's documentation, "TCG". */
	__cpuid(0x40000000, eax, name[0], name[1], name[2]);
	return !memcmp(name, "TCGTCGTCGTCG", sizeof(name)) && sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

static void hold_back(void)
{
	fflush(stdout);
	out = stdout;
	stdout = open_memstream(&held, &held_len);
	if (!stdout)
		err(2, "open_memstream");
}

static void let_go(bool print)
{
	fclose(stdout);
	stdout = out;
	out = NULL;
	if (print)
		fwrite(held, 1, held_len, stdout);
	free(held);
	fflush(stdout);
}

/* The program ends in the middle of a case. */
static void at_exit(void)
{
	if (out)
		let_go(true);
}

void again_run(void (*fn)(const void *arg), const void *arg)
{
	static bool registered;
	int run = tap.run, failed = tap.failed, i;

	if (!again_excused()) {
		fn(arg);
		return;
	}
	if (!registered && atexit(at_exit))
		err(2, "atexit");
	registered = true;
	for (i = 1; ; i++) {
		shutdowns = 0;
		hold_back();
		fn(arg);
		if (tap.failed == failed || !shutdowns || i == AGAIN_MAX)
			break;
		let_go(false);
		diag("again: a guest was shut down, which the emulator does, too");
		tap.run = run;
		tap.failed = failed;
	}
	let_go(true);
}
