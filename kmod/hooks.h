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
 * task makes into each, and those on @kvm once fz_hooks_prove_vm() has named it. The
 * first fetch from @gfn is denied.
 */
void fz_hooks_prove_begin(void);
void fz_hooks_prove_vm(struct kvm *kvm, u64 gfn);
void fz_hooks_prove_end(void);

/* The name of a hook that has not fired yet, or NULL. */
const char *fz_hooks_silent(void);

/* Did KVM make the entry of that frame so? If not, that is logged. */
bool fz_hooks_prove_entry(void);

/* The address of a function of KVM's, or 0. */
unsigned long fz_hooks_address(const char *name);

#endif
