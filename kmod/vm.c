// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - the watched VMs: birth, attach, detach, death
 *
 * FitzRoy holds no lasting reference on a VM: that would keep it alive after its
 * VMM has gone. A VM leaves the table when KVM destroys it; whoever needs its
 * struct kvm across a sleep pins it for that time.
 */
#include <linux/delay.h>
#include <linux/hashtable.h>
#include <linux/interval_tree.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "capture.h"
#include "compat/kvm.h"
#include "fault.h"
#include "host.h"
#include "mmu.h"
#include "verify.h"
#include "vm.h"

bool fz_attach_new;
unsigned int fz_max_vms = 1024;

DEFINE_HASHTABLE(fz_vm_table, FZ_VM_TABLE_BITS);
static DEFINE_HASHTABLE(mm_table, FZ_VM_TABLE_BITS);
static LIST_HEAD(all);
static LIST_HEAD(leaving);		/* out of the table, not yet in past */
static DEFINE_SPINLOCK(lock);		/* all of these */
static unsigned int nr_vms;
static u64 next_id = 1;
static struct fz_counters past;		/* of VMs that are gone */
static struct workqueue_struct *wq;
static bool no_births;			/* the module goes */

struct fz_vm *fz_vm_find(struct kvm *kvm)
{
	struct fz_vm *vm;

	hash_for_each_possible_rcu(fz_vm_table, vm, node, (unsigned long)kvm,
				   lockdep_is_held(&lock))
		if (vm->kvm == kvm)
			return vm;
	return NULL;
}

struct fz_vm *fz_vm_of_mm(struct mm_struct *mm, struct fz_vm *vm)
{
	struct hlist_head *head;

	if (!vm) {
		if (!READ_ONCE(nr_vms))
			return NULL;
		head = &mm_table[hash_min((unsigned long)mm, FZ_VM_TABLE_BITS)];
		vm = hlist_entry_safe(rcu_dereference_raw(hlist_first_rcu(head)),
				      struct fz_vm, by_mm);
	} else {
		vm = hlist_entry_safe(rcu_dereference_raw(hlist_next_rcu(&vm->by_mm)),
				      struct fz_vm, by_mm);
	}
	hlist_for_each_entry_from_rcu(vm, by_mm)
		if (vm->kvm->mm == mm)
			return vm;
	return NULL;
}

struct fz_vm *fz_vm_get(u64 id)
{
	struct fz_vm *vm;

	rcu_read_lock();
	list_for_each_entry_rcu(vm, &all, list)
		if (vm->info.id == id && kref_get_unless_zero(&vm->ref)) {
			rcu_read_unlock();
			return vm;
		}
	rcu_read_unlock();
	return NULL;
}

struct fz_vm *fz_vm_next(struct fz_vm *vm)
{
	u64 after = vm ? vm->info.id : 0;
	struct fz_vm *next = NULL, *v;

	/* Ids rise along the list, which @vm may have left meanwhile. */
	rcu_read_lock();
	list_for_each_entry_rcu(v, &all, list)
		if (v->info.id > after && kref_get_unless_zero(&v->ref)) {
			next = v;
			break;
		}
	rcu_read_unlock();
	if (vm)
		fz_vm_put(vm);
	return next;
}

/*
 * Has KVM_CREATE_VM come to where it cannot fail? Before, it counts on nobody else
 * to have a reference: on failure it frees the VM regardless.
 */
static bool is_born(struct kvm *kvm)
{
	return READ_ONCE(kvm->vm_list.next);
}

bool fz_vm_pin(struct fz_vm *vm)
{
	bool pinned;

	spin_lock(&vm->pin_lock);
	pinned = !vm->gone && is_born(vm->kvm) && kvm_get_kvm_safe(vm->kvm);
	spin_unlock(&vm->pin_lock);
	return pinned;
}

void fz_vm_unpin(struct fz_vm *vm)
{
	/* May be the last: then KVM destroys the VM here, and fz_vm_died() comes. */
	kvm_put_kvm(vm->kvm);
}

static void sum_stats(struct fz_vm *vm, struct fz_counters *sum)
{
	u64 *to = (u64 *)sum;
	size_t i;
	int cpu;

	for_each_possible_cpu(cpu) {
		const u64 *from = (const u64 *)per_cpu_ptr(vm->stats, cpu);

		for (i = 0; i < sizeof(*sum) / sizeof(u64); i++)
			to[i] += READ_ONCE(from[i]);
	}
}

static void release_work(struct work_struct *work)
{
	struct fz_vm *vm = container_of(to_rcu_work(work), struct fz_vm, release);

	spin_lock(&lock);
	list_del(&vm->leaving);
	sum_stats(vm, &past);
	spin_unlock(&lock);
	fz_host_flush(vm);
	fz_frames_destroy(&vm->frames);
	free_percpu(vm->stats);
	kfree(vm);
}

static void release(struct kref *ref)
{
	struct fz_vm *vm = container_of(ref, struct fz_vm, ref);

	/* After a grace period: a hook may still look at it. */
	INIT_RCU_WORK(&vm->release, release_work);
	queue_rcu_work(wq, &vm->release);
}

void fz_vm_put(struct fz_vm *vm)
{
	kref_put(&vm->ref, release);
}

/*
 * Name the process that made the VM: the attacher need not be it. Once it has
 * ended, or runs another program, pid 0: its VM can run no more.
 */
static void name_owner(struct fz_vm *vm)
{
	struct task_struct *task = current;

	rcu_read_lock();
	if (vm->kvm->mm != current->mm)
		task = rcu_dereference(vm->kvm->mm->owner);
	if (task) {
		vm->info.pid = task_tgid_nr(task);
		get_task_comm(vm->info.comm, task->group_leader);
	}
	rcu_read_unlock();
}

/* Make a VM that is in no table yet. Does not sleep: a birth can't. */
static struct fz_vm *new_vm(struct kvm *kvm, u32 flags)
{
	struct fz_vm *vm = kzalloc(sizeof(*vm), GFP_ATOMIC | __GFP_NOWARN);

	if (!vm)
		return NULL;
	vm->stats = alloc_percpu_gfp(struct fz_counters, GFP_ATOMIC | __GFP_NOWARN);
	if (!vm->stats) {
		kfree(vm);
		return NULL;
	}
	kref_init(&vm->ref);
	spin_lock_init(&vm->pin_lock);
	fz_frames_init(&vm->frames);
	fz_host_init_vm(vm);
	vm->io_patience = jiffies;
	vm->kvm = kvm;
	vm->info.flags = flags;
	vm->info.attached = ktime_get_ns();
	name_owner(vm);
	return vm;
}

/* Put it into the table: from here on the hooks act. */
static int insert(struct fz_vm *vm)
{
	int err = 0;

	spin_lock(&lock);
	if (nr_vms >= fz_max_vms) {
		err = -ENOSPC;
	} else if (fz_vm_find(vm->kvm)) {
		err = -EALREADY;
	} else {
		vm->info.id = next_id++;
		WRITE_ONCE(nr_vms, nr_vms + 1);
		hash_add_rcu(fz_vm_table, &vm->node, (unsigned long)vm->kvm);
		hash_add_rcu(mm_table, &vm->by_mm, (unsigned long)vm->kvm->mm);
		list_add_tail_rcu(&vm->list, &all);
	}
	spin_unlock(&lock);
	if (!err)
		fz_verify_kick();
	return err;
}

static void discard(struct fz_vm *vm)
{
	free_percpu(vm->stats);
	kfree(vm);
}

/*
 * Take it out of the table, and allow no new pins; false if somebody else did.
 * The table's reference is the caller's now.
 */
static bool take_out(struct fz_vm *vm)
{
	bool ours;

	spin_lock(&lock);
	ours = !hlist_unhashed(&vm->node);
	if (ours) {
		WRITE_ONCE(vm->leaves, true);
		hlist_del_init_rcu(&vm->node);
		hlist_del_init_rcu(&vm->by_mm);
		list_del_rcu(&vm->list);
		list_add_tail(&vm->leaving, &leaving);
		WRITE_ONCE(nr_vms, nr_vms - 1);
	}
	spin_unlock(&lock);
	if (ours) {
		spin_lock(&vm->pin_lock);
		vm->gone = true;
		spin_unlock(&vm->pin_lock);
	}
	return ours;
}

/* Pages of the normal address space; the SMM one maps the same again. */
static u64 memory_pages(struct kvm *kvm)
{
	struct kvm_memory_slot *slot;
	u64 pages = 0;
	int bucket, idx;

	idx = srcu_read_lock(&kvm->srcu);
	kvm_for_each_memslot(slot, bucket, __kvm_memslots(kvm, 0))
		pages += slot->npages;
	srcu_read_unlock(&kvm->srcu, idx);
	return pages;
}

u64 fz_vm_gfn(struct fz_vm *vm, unsigned long hva)
{
	struct kvm *kvm = vm->kvm;
	struct interval_tree_node *node;
	struct kvm_memory_slot *slot;
	struct kvm_memslots *slots;
	u64 gfn = FZ_NO_GFN;
	int as_id, idx;

	idx = srcu_read_lock(&kvm->srcu);
	for (as_id = 0; as_id < ARRAY_SIZE(kvm->memslots) && gfn == FZ_NO_GFN; as_id++) {
		slots = __kvm_memslots(kvm, as_id);
		node = interval_tree_iter_first(&slots->hva_tree, hva, hva);
		if (!node)
			continue;
		slot = container_of(node, struct kvm_memory_slot, hva_node[slots->node_idx]);
		gfn = slot->base_gfn + ((hva - slot->userspace_addr) >> PAGE_SHIFT);
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return gfn;
}

void fz_vm_describe(struct fz_vm *vm, struct fz_vm_event *event)
{
	*event = (struct fz_vm_event) {
		.pid = vm->info.pid,
		.vcpus = atomic_read(&vm->kvm->online_vcpus),
		.pages = memory_pages(vm->kvm),
		.reason = READ_ONCE(vm->info.not_covered),
	};
	strscpy(event->comm, vm->info.comm, sizeof(event->comm));
}

static void log_vm(struct fz_vm *vm, enum fz_rec_type type)
{
	struct fz_vm_event event;

	fz_vm_describe(vm, &event);
	fz_log(vm, type, NULL, &event, sizeof(event));
}

/* Return true if that is news. Two at once: neither reason may be lost. */
static bool add_reason(struct fz_vm *vm, u32 why)
{
	u32 old = READ_ONCE(vm->info.not_covered);

	do {
		if ((old & why) == why)
			return false;
	} while (!try_cmpxchg(&vm->info.not_covered, &old, old | why));
	return true;
}

void fz_vm_miss(struct fz_vm *vm, u32 why)
{
	if (add_reason(vm, why))
		log_vm(vm, FZ_REC_COVERAGE);
}

int fz_vm_attach(struct file *file, u32 flags, u64 *id, u32 *refused)
{
	struct kvm *kvm;
	struct fz_vm *vm;
	int err;

	if (!fz_kvm_is_vm(file))
		return -ENOTTY;
	kvm = file->private_data;
	/* A later change is seen by the hooks, and at the latest by the next grant. */
	*refused = fz_kvm_refusals(kvm);
	if (*refused)
		return -EOPNOTSUPP;

	vm = new_vm(kvm, flags);
	if (!vm)
		return -ENOMEM;
	/* Once it is in the table, another caller may detach it. */
	kref_get(&vm->ref);
	err = insert(vm);
	if (err) {
		discard(vm);
		return err;
	}
	/* The open file keeps the VM alive. Entries built before go now. */
	fz_mmu_zap_all(kvm);
	WRITE_ONCE(vm->armed, true);
	log_vm(vm, FZ_REC_VM_ATTACH);
	*id = vm->info.id;
	fz_vm_put(vm);
	return 0;
}

/* Let go of a VM that is out of the table and pinned. */
static void let_go(struct fz_vm *vm)
{
	log_vm(vm, FZ_REC_VM_DETACH);
	/* No hook acts on it any more; then what they denied can come back. */
	synchronize_rcu();
	fz_mmu_zap_all(vm->kvm);
}

int fz_vm_detach(u64 id)
{
	struct fz_vm *vm = fz_vm_get(id);
	int err = -ENOENT;

	if (!vm)
		return -ENOENT;
	if (fz_vm_pin(vm)) {
		if (take_out(vm)) {
			let_go(vm);
			fz_vm_put(vm);
			err = 0;
		}
		fz_vm_unpin(vm);
	}
	fz_vm_put(vm);
	return err;
}

void fz_vm_detach_all(void)
{
	struct fz_vm *vm = NULL;

	/* Not fz_attach_new alone: who writes the parameter now would set it again. */
	WRITE_ONCE(no_births, true);
	WRITE_ONCE(fz_attach_new, false);
	/* A birth that read them otherwise has put its VM into the table after this. */
	synchronize_rcu();
	for (;;) {
		while ((vm = fz_vm_next(vm)))
			fz_vm_detach(vm->info.id);
		if (!READ_ONCE(nr_vms))
			break;
		/* One is being born, or dies: it can't be pinned now. It soon is in
		 * the one state or gone; until then the hooks must see to it.
		 */
		usleep_range(1000, 2000);
	}
}

void fz_vm_born(struct kvm *kvm)
{
	struct fz_vm *vm;
	int err = -ENOMEM;

	if (!READ_ONCE(fz_attach_new) || READ_ONCE(no_births))
		return;
	vm = new_vm(kvm, READ_ONCE(fz_lossless) ? FZ_POLICY_LOSSLESS : 0);
	if (vm) {
		vm->armed = true;
		err = insert(vm);
		if (!err) {
			u32 refused = fz_kvm_refusals(kvm);

			log_vm(vm, FZ_REC_VM_ATTACH);
			if (refused)
				fz_vm_uncovered(kvm, refused);
			return;
		}
		discard(vm);
	}
	pr_err_ratelimited("fitzroy: a new VM of %s (%d) is not watched: error %d\n",
			   current->comm, task_tgid_nr(current), err);
}

void fz_vm_died(struct kvm *kvm)
{
	struct fz_vm *vm;

	rcu_read_lock();
	vm = fz_vm_find(kvm);
	if (vm && take_out(vm)) {
		log_vm(vm, FZ_REC_VM_DIED);
		fz_vm_put(vm);
	}
	rcu_read_unlock();
}

void fz_vm_uncovered(struct kvm *kvm, u32 why)
{
	struct fz_vm *vm;

	rcu_read_lock();
	vm = fz_vm_find(kvm);
	if (vm && take_out(vm)) {
		add_reason(vm, why);
		pr_warn("fitzroy: VM %llu of %s (%u) has encrypted or private memory: not watched\n",
			vm->info.id, vm->info.comm, vm->info.pid);
		log_vm(vm, FZ_REC_VM_DETACH);
		fz_vm_put(vm);
	}
	rcu_read_unlock();
}

static void sum_frames(struct fz_vm *vm, struct fz_counters *sum)
{
	u64 known, exec;

	fz_frames_count(&vm->frames, &known, &exec);
	sum->frames += known;
	sum->exec_frames += exec;
	sum->memory += sizeof(*vm) + atomic64_read(&vm->frames.memory);
}

void fz_vm_counters(struct fz_vm *vm, struct fz_counters *sum)
{
	if (vm) {
		memset(sum, 0, sizeof(*sum));
		sum_stats(vm, sum);
		sum_frames(vm, sum);
		return;
	}
	spin_lock(&lock);
	*sum = past;
	list_for_each_entry(vm, &leaving, leaving)
		sum_stats(vm, sum);
	list_for_each_entry(vm, &all, list) {
		sum_stats(vm, sum);
		sum_frames(vm, sum);
	}
	spin_unlock(&lock);
}

int fz_vm_init(void)
{
	int err = fz_frames_alloc_init();

	if (err)
		return err;
	wq = alloc_workqueue("fitzroy_free", WQ_UNBOUND, 0);
	if (!wq) {
		fz_frames_alloc_exit();
		return -ENOMEM;
	}
	return 0;
}

void fz_vm_exit(void)
{
	/* No VM is left; wait for the grace periods and the frees of the last. */
	rcu_barrier();
	destroy_workqueue(wq);
	fz_frames_alloc_exit();
}
