// SPDX-License-Identifier: GPL-2.0-only
/*
 * inject.c - faults on purpose: each parameter is how many are still to come
 */
#include <linux/atomic.h>
#include <linux/module.h>
#include "inject.h"

static atomic_t left[FZ_INJECT_KINDS];

module_param_named(inject_x, left[FZ_INJECT_X].counter, int, 0600);
module_param_named(inject_x_huge, left[FZ_INJECT_X_HUGE].counter, int, 0600);
module_param_named(inject_w, left[FZ_INJECT_W].counter, int, 0600);
module_param_named(inject_zap, left[FZ_INJECT_ZAP].counter, int, 0600);
module_param_named(inject_encrypted, left[FZ_INJECT_ENCRYPTED].counter, int, 0600);
module_param_named(inject_entry, left[FZ_INJECT_ENTRY].counter, int, 0600);
MODULE_INFO(inject, "breaks its promise on purpose: for tests only");

bool fz_inject(enum fz_fault_kind kind)
{
	return atomic_dec_if_positive(&left[kind]) >= 0;
}

bool fz_injecting(enum fz_fault_kind kind)
{
	return atomic_read(&left[kind]) > 0;
}
