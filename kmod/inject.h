/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inject.h - faults on purpose, so that the audit can be seen to find them; VMs that no
 * emulator has
 *
 * Only in a module built with INJECT=1; in the product nothing of it is left.
 */
#ifndef FZ_INJECT_H
#define FZ_INJECT_H

#include <linux/types.h>

enum fz_fault_kind {
	FZ_INJECT_X,		/* an entry of a frame that never ran keeps X */
	FZ_INJECT_X_HUGE,	/* so does a large one */
	FZ_INJECT_W,		/* an entry of an executable frame keeps W */
	FZ_INJECT_ZAP,		/* entries are not dropped */
	FZ_INJECT_ENCRYPTED,	/* while it is not 0 all VMs look encrypted */
	FZ_INJECT_ENTRY,	/* at load: KVM makes an entry with other access than it is told */
	FZ_INJECT_KINDS,
};

#ifdef FZ_INJECT
/* Shall there be such a fault now? Takes one of those that were asked for. */
bool fz_inject(enum fz_fault_kind kind);
/* Was any asked for that did not come yet? */
bool fz_injecting(enum fz_fault_kind kind);
#else
static inline bool fz_inject(enum fz_fault_kind kind) { return false; }
static inline bool fz_injecting(enum fz_fault_kind kind) { return false; }
#endif

#endif
