// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - init and exit order
 */
#include <linux/module.h>
#include <fitzroy.h>
#include <generated/utsrelease.h>
#include "chrdev.h"
#include "compat/kvm.h"
#include "coverage.h"
#include "fault.h"
#include "hooks.h"
#include "host.h"
#include "prove.h"
#include "rings.h"
#include "sweep.h"
#include "verify.h"
#include "vm.h"

module_param_named(ring_kib, fz_ring_kib, uint, 0444);
MODULE_PARM_DESC(ring_kib, "KiB of ring per CPU, rounded up to a power of two (default 4096, at least 16)");
module_param_named(attach_new, fz_attach_new, bool, 0644);
MODULE_PARM_DESC(attach_new, "watch every new VM from before its first instruction (default N)");
module_param_named(lossless, fz_lossless, bool, 0644);
MODULE_PARM_DESC(lossless, "hold a new VM's vCPU rather than lose a record (default N)");
module_param_named(hold_ms, fz_hold_ms, uint, 0644);
MODULE_PARM_DESC(hold_ms, "longest hold in lossless mode, ms (default 100)");
module_param_named(mixed_ms, fz_mixed_ms, uint, 0644);
MODULE_PARM_DESC(mixed_ms, "how long a frame may be written while it executes, ms (default 10)");
module_param_named(held_ms, fz_held_ms, uint, 0644);
MODULE_PARM_DESC(held_ms, "how long a vCPU waits for a page that another vCPU may hold, or I/O, ms (default 50)");
module_param_named(flip_cap, fz_flip_cap, uint, 0644);
MODULE_PARM_DESC(flip_cap, "re-executions of a frame per second before it is mixed (default 10000)");
module_param_named(trap_hugetlb, fz_trap_hugetlb, bool, 0644);
MODULE_PARM_DESC(trap_hugetlb, "trap the VMM's writes to 2 MiB hugetlb pages; N: name them as unseen (default Y)");
module_param_cb(verify_ms, &fz_verify_ops, &fz_verify_ms, 0644);
MODULE_PARM_DESC(verify_ms, "how often each executable frame is compared with its capture, ms; 0 = never (default 10000)");
module_param_named(verify_pages, fz_verify_pages, uint, 0644);
MODULE_PARM_DESC(verify_pages, "frames compared per second at most (default 20000)");
module_param_cb(audit_ms, &fz_verify_ops, &fz_audit_ms, 0644);
MODULE_PARM_DESC(audit_ms, "how often the page tables are audited unasked, ms; 0 = never (default 0)");
module_param_named(max_vms, fz_max_vms, uint, 0644);
MODULE_PARM_DESC(max_vms, "VMs that can be watched at once (default 1024)");

static int __init fz_init(void)
{
	bool attach_new = fz_attach_new;
	int err;

	/* Not the VM that proves the hooks. */
	fz_attach_new = false;
	err = fz_kvm_check();
	if (err)
		goto err;
	err = fz_rings_init();
	if (err)
		goto err_kvm;
	err = fz_vm_init();
	if (err)
		goto err_rings;
	err = fz_sweep_init();
	if (err)
		goto err_vm;
	err = fz_verify_init();
	if (err)
		goto err_sweep;
	fz_host_init();
	err = fz_hooks_init();
	if (err)
		goto err_verify;
	err = fz_prove_hooks();
	if (err)
		goto err_hooks;
	err = fz_chrdev_init();
	if (err)
		goto err_hooks;
	fz_attach_new = attach_new;
	pr_info("fitzroy: loaded for %s, %s\n", UTS_RELEASE,
		fz_kvm_vendor == FZ_VENDOR_AMD ? "NPT" : "EPT");
	return 0;

err_hooks:
	fz_vm_detach_all();
	fz_hooks_exit();
err_verify:
	fz_host_exit();
	fz_verify_exit();
err_sweep:
	fz_sweep_exit();
err_vm:
	fz_vm_exit();
err_rings:
	fz_rings_exit();
err_kvm:
	fz_kvm_release();
err:
	fz_coverage_end();
	return err;
}

static void __exit fz_exit(void)
{
	fz_chrdev_exit();
	fz_vm_detach_all();
	fz_hooks_exit();
	fz_host_exit();
	fz_verify_exit();
	fz_sweep_exit();
	fz_vm_exit();
	fz_rings_exit();
	fz_kvm_release();
	fz_coverage_end();
}

module_init(fz_init);
module_exit(fz_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The FitzRoy authors");
MODULE_DESCRIPTION("First executions of KVM guest pages");
MODULE_VERSION("1");
