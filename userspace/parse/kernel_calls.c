// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel_calls.c - where static calls of a kernel may lead, as far as its image tells
 *
 * A key holds the function that it leads to at first. Some are set as the kernel starts, to
 * what the machine needs: to functions that the image's structures name (the drivers of
 * local APICs), or that only code does, which are named here.
 */
#include <stdio.h>
#include <string.h>
#include "kernel_priv.h"

#define DRIVER	0x140		/* bytes of struct apic, at most */

static const char *const drivers[] = {
	"apic_noop", "apic_flat", "apic_physflat", "apic_x2apic_phys", "apic_x2apic_cluster",
	"apic_x2apic_uv_x", "apic_numachip1", "apic_numachip2", "xen_pv_apic",
};

static const struct {
	const char *key, *callee;
} named[] = {
	{ "pv_sched_clock", "native_sched_clock" }, { "pv_sched_clock", "kvm_sched_clock_read" },
	{ "pv_sched_clock", "xen_sched_clock" }, { "pv_sched_clock", "vmware_sched_clock" },
	{ "pv_sched_clock", "read_hv_sched_clock_tsc" },
	{ "pv_steal_clock", "native_steal_clock" }, { "pv_steal_clock", "kvm_steal_clock" },
	{ "pv_steal_clock", "xen_steal_clock" }, { "pv_steal_clock", "vmware_steal_clock" },
	{ "apic_call_eoi", "kvm_guest_apic_eoi_write" }, { "apic_call_eoi", "hv_apic_eoi_write" },
	{ "x86_idle", "default_idle" }, { "x86_idle", "mwait_idle" },
	{ "x86_idle", "amd_e400_idle" }, { "x86_idle", "tdx_safe_halt" },
	{ "might_resched", "__cond_resched" }, { "cond_resched", "__cond_resched" },
};

static size_t put(const struct fz_kimage *k, uint64_t callees[FZ_CALLEES], size_t n, uint64_t to)
{
	size_t i;

	if (!to || !fz_kexec(k, to, 1))
		return n;
	for (i = 0; i < n; i++)
		if (callees[i] == to)
			return n;
	if (n < FZ_CALLEES)
		callees[n++] = to;
	return n;
}

static bool begins(const struct fz_kimage *k, uint64_t vaddr)
{
	size_t i = fz_ksym_at(k, vaddr);

	return i < k->nsyms && k->syms[i].vaddr == vaddr;
}

/* The functions that the structures of APIC drivers point to. */
static size_t of_drivers(const struct fz_kimage *k, uint64_t callees[FZ_CALLEES], size_t n)
{
	uint64_t at, from, to;
	const uint8_t *p;
	size_t i;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		from = fz_ksym(k, drivers[i]);
		for (at = from; from && at < from + DRIVER; at += 8) {
			/* Up to what comes next. */
			if (at > from && begins(k, at))
				break;
			p = fz_kat(k, at, 8);
			if (!p)
				break;
			memcpy(&to, p, 8);
			if (begins(k, to))
				n = put(k, callees, n, to);
		}
	}
	return n;
}

size_t fz_kernel_callees(const struct fz_kimage *k, uint64_t key, uint64_t callees[FZ_CALLEES])
{
	const uint8_t *p = fz_kat(k, key, 8);
	const char *name = NULL;
	uint64_t first = 0;
	size_t n = 0, i;

	if (p)
		memcpy(&first, p, 8);
	n = put(k, callees, n, first);
	for (i = fz_ksym_at(k, key); i < k->nsyms && k->syms[i].vaddr == key; i++) {
		name = k->names + k->syms[i].name;
		if (*name && !strncmp(name + 1, "__SCK__", 7))
			break;
	}
	if (i == k->nsyms || k->syms[i].vaddr != key)
		return n;
	name += 8;
	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (!strcmp(name, named[i].key))
			n = put(k, callees, n, fz_ksym(k, named[i].callee));
	return strncmp(name, "apic_call_", 10) ? n : of_drivers(k, callees, n);
}
