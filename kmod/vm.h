/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm.h - the watched VMs
 */
#ifndef FZ_VM_H
#define FZ_VM_H

#include <linux/hashtable.h>
#include <linux/kref.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <fitzroy.h>
#include "frames.h"

/**
 * struct fz_vm - a watched VM
 * @node: in the table by struct kvm *, while watched; under RCU
 * @by_mm: in the table by the VMM's mm, the same
 * @split: splits the VMM's huge page at @split_hva
 * @list: in the list of all, the same
 * @leaving: in the list of those whose counters are not yet added up
 * @ref: the table's, and one for whoever uses the VM across a sleep
 * @release: frees it after a grace period
 * @kvm: valid while in the table, or while pinned by fz_vm_pin()
 * @pin_lock: guards the end of @kvm
 * @armed: every entry that KVM has was made under the hooks' eyes
 * @leaves: on its way out of the table; set before the hooks look away
 * @gone: out of the table; no new pins
 * @suspect: a frame of it is marked so
 * @files: some of its memory is a file's: others may come to share it
 * @recheck: it may have turned to memory that can't be read
 * @tlb_batch: what reclaim had unmapped, not flushed, when we flushed last
 * @io_patience: jiffies from which on to wait again for I/O in flight to end
 * @hold_vain: a vCPU waited for room in the ring in vain, and there was none since
 * @info: what FZ_IOC_LIST says
 * @frames: the state of its frames
 * @stats: struct fz_counters per CPU
 */
struct fz_vm {
	struct hlist_node node;
	struct list_head list;
	struct list_head leaving;
	struct kref ref;
	struct hlist_node by_mm;
	struct rcu_work release;
	struct work_struct split;
	unsigned long split_hva;
	struct kvm *kvm;
	spinlock_t pin_lock;
	bool armed;
	bool leaves;
	bool gone;
	bool suspect;
	bool files;
	bool recheck;
	int tlb_batch;
	unsigned long io_patience;
	bool hold_vain;
	struct fz_vm_info {
		u64 id;
		u64 attached;
		u32 pid;
		u32 flags;
		u32 not_covered;
		char comm[16];
	} info;
	struct fz_frames frames;
	struct fz_counters __percpu *stats;
};

/* Count an event of one VM. */
#define fz_count(vm, what)	this_cpu_inc((vm)->stats->what)

extern bool fz_attach_new;	/* attach every VM at its birth */
extern unsigned int fz_max_vms;

#define FZ_VM_TABLE_BITS	8
extern struct hlist_head fz_vm_table[1 << FZ_VM_TABLE_BITS];

/* Where @kvm is if it is watched: nearly always nothing else is. */
static inline struct hlist_head *fz_vm_bucket(const struct kvm *kvm)
{
	return &fz_vm_table[hash_min((unsigned long)kvm, FZ_VM_TABLE_BITS)];
}

/* The VM of @kvm, or NULL. Must be under RCU. */
struct fz_vm *fz_vm_find(struct kvm *kvm);

/* The first VM of a process, or the next after @vm. Must be under RCU. */
struct fz_vm *fz_vm_of_mm(struct mm_struct *mm, struct fz_vm *vm);

#define fz_vm_for_each_mm(vm, mm)						\
	for ((vm) = fz_vm_of_mm(mm, NULL); (vm); (vm) = fz_vm_of_mm(mm, vm))

/* Note that some of the VM is not covered, @why: FZ_MISS_*; logged once. */
void fz_vm_miss(struct fz_vm *vm, u32 why);

/* The VM of @id with a reference, or NULL. Put it with fz_vm_put(). */
struct fz_vm *fz_vm_get(u64 id);
void fz_vm_put(struct fz_vm *vm);

/* The VM after @vm (NULL: the first) with a reference; drops the one on @vm. */
struct fz_vm *fz_vm_next(struct fz_vm *vm);

/* Keep @vm->kvm alive: true, and fz_vm_unpin() is due; false if it is dying. */
bool fz_vm_pin(struct fz_vm *vm);
void fz_vm_unpin(struct fz_vm *vm);

/* Attach the VM of an open file. May sleep. Errors as FZ_IOC_ATTACH. */
int fz_vm_attach(struct file *file, u32 flags, u64 *id, u32 *refused);

/* Detach: X and huge pages come back. May sleep. -ENOENT. */
int fz_vm_detach(u64 id);

/* The same for all VMs, and attach none that is born from now on. May sleep. */
void fz_vm_detach_all(void);

/* From the hooks: a VM is born, dies, or turns out not to be coverable. */
void fz_vm_born(struct kvm *kvm);
void fz_vm_died(struct kvm *kvm);
void fz_vm_uncovered(struct kvm *kvm, u32 why);

/*
 * The guest frame that its VMM maps at @hva, or FZ_NO_GFN. Of several, as aliased
 * slots have, one. @vm must be pinned.
 */
u64 fz_vm_gfn(struct fz_vm *vm, unsigned long hva);

/* Describe it; @vm->kvm must be valid (in the table, under RCU). */
void fz_vm_describe(struct fz_vm *vm, struct fz_vm_event *event);

/* Add up counters: of @vm, or of all that were ever watched for NULL. */
void fz_vm_counters(struct fz_vm *vm, struct fz_counters *sum);

int fz_vm_init(void);
void fz_vm_exit(void);

#endif
