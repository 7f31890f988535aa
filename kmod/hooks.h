/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hooks.h - where FitzRoy attaches to KVM
 */
#ifndef FZ_HOOKS_H
#define FZ_HOOKS_H

#include <linux/types.h>

struct kvm;

/* Attach all hooks. They act on watched VMs only. 0 or a negative errno, logged. */
int fz_hooks_init(void);

/* Detach all, and wait until no CPU is in one. */
void fz_hooks_exit(void);

/*
 * Prove that hooks fire: between begin and end, count the calls that the current
 * task makes into each, and those on @kvm once fz_hooks_prove_vm() has named it.
 */
void fz_hooks_prove_begin(void);
void fz_hooks_prove_vm(struct kvm *kvm);
void fz_hooks_prove_end(void);

/* The name of a hook that has not fired yet, or NULL. */
const char *fz_hooks_silent(void);

/* The address of the function whose entry the split hook edits. */
unsigned long fz_hooks_split_address(void);

#endif
