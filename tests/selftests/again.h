/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * again.h - cases that a fault of the emulator has spoiled
 *
 * QEMU's software CPU, with a thread per CPU, shuts down a guest now and then: seen
 * with stress --bare, too, on a stock kernel without the module (Documentation/testing.rst
 * has the figures). A case in which that happened says nothing, so it runs again.
 * On real hardware, and on hosts with one CPU, no shutdown is forgiven.
 */
#ifndef AGAIN_H
#define AGAIN_H

#include <stdbool.h>

#define AGAIN_MAX	4	/* times a case */

/* A vCPU was shut down (KVM_EXIT_SHUTDOWN): count it. */
void again_shutdown(void);

/* Can that be the emulator's fault? */
bool again_excused(void);

/*
 * Run @fn(@arg), a case whose tests are counted by ok(). If some fail and a guest was
 * shut down, and it can be the emulator's fault, drop its output, say so, and run it again.
 */
void again_run(void (*fn)(const void *arg), const void *arg);

#endif
