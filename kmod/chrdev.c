// SPDX-License-Identifier: GPL-2.0-only
/*
 * chrdev.c - /dev/fitzroy: ioctl table, mmap, poll
 *
 * The errors are those that uapi/fitzroy.h promises.
 */
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/xxhash.h>
#include <generated/utsrelease.h>
#include <fitzroy.h>
#include "chrdev.h"
#include "compat/compat.h"
#include "compat/kvm.h"
#include "fault.h"
#include "mmu.h"
#include "rings.h"
#include "verify.h"
#include "vm.h"

static struct file *reader;		/* who has the consumer positions mapped */

static_assert(sizeof(struct fz_rec) == 128);
static_assert(sizeof(struct fz_consumer) == 64);
static_assert(sizeof(struct fz_info) == 184);
static_assert(sizeof(struct fz_vm_desc) == 56);
static_assert(sizeof(struct fz_stat) == 16 + 25 * 8);
static_assert(sizeof(struct fz_audit) == 72);

static int do_info(void *arg)
{
	struct fz_info *info = arg;

	info->abi = FZ_ABI_VERSION;
	info->vendor = fz_kvm_vendor;
	info->policy = READ_ONCE(fz_lossless) ? FZ_POLICY_LOSSLESS : 0;
	info->attach_new = READ_ONCE(fz_attach_new);
	info->mixed_ns = fz_mixed_ms * (u64)NSEC_PER_MSEC;
	info->hold_ns = fz_hold_ms * (u64)NSEC_PER_MSEC;
	info->max_vms = fz_max_vms;
	strscpy(info->kernel, UTS_RELEASE, sizeof(info->kernel));
	fz_rings_info(info);
	fz_verify_info(info);
	return 0;
}

static int do_attach(void *arg)
{
	struct fz_attach *a = arg;
	struct file *file;
	int err;

	a->refused = 0;
	/* The open file is enough to read and to let go, not to watch more. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (a->flags & ~(FZ_POLICY_LOSSLESS | FZ_ATTACH_NEW))
		return -EINVAL;
	if (a->flags & FZ_ATTACH_NEW) {
		if (a->vm_fd != -1)
			return -EINVAL;
		WRITE_ONCE(fz_lossless, !!(a->flags & FZ_POLICY_LOSSLESS));
		WRITE_ONCE(fz_attach_new, true);
		return 0;
	}
	file = fget(a->vm_fd);
	if (!file)
		return -EBADF;
	err = fz_vm_attach(file, a->flags, &a->id, &a->refused);
	fput(file);
	return err;
}

static int do_detach(void *arg)
{
	struct fz_detach *d = arg;

	if (d->flags & ~FZ_ATTACH_NEW)
		return -EINVAL;
	if (!(d->flags & FZ_ATTACH_NEW))
		return fz_vm_detach(d->id);
	if (d->id)
		return -EINVAL;
	WRITE_ONCE(fz_attach_new, false);
	return 0;
}

static int do_list(void *arg)
{
	struct fz_list *list = arg;
	struct fz_vm *vm = NULL;
	u32 n = 0;

	if (list->flags || list->entry_size != sizeof(struct fz_vm_desc))
		return -EINVAL;
	while ((vm = fz_vm_next(vm))) {
		struct fz_vm_desc desc = {
			.id = vm->info.id,
			.attached = vm->info.attached,
			.flags = vm->info.flags,
		};
		struct fz_vm_event event;

		if (!fz_vm_pin(vm))
			continue;
		fz_vm_describe(vm, &event);
		fz_vm_unpin(vm);
		desc.pid = event.pid;
		desc.vcpus = event.vcpus;
		desc.pages = event.pages;
		desc.not_covered = event.reason;
		memcpy(desc.comm, event.comm, sizeof(desc.comm));
		if (n < list->count &&
		    copy_to_user((struct fz_vm_desc __user *)u64_to_user_ptr(list->vms) + n,
				 &desc, sizeof(desc))) {
			fz_vm_put(vm);
			return -EFAULT;
		}
		n++;
	}
	list->count = n;
	return 0;
}

static int do_stat(void *arg)
{
	struct fz_stat *stat = arg;
	struct fz_vm *vm = NULL;

	if (stat->flags)
		return -EINVAL;
	if (stat->id) {
		vm = fz_vm_get(stat->id);
		if (!vm)
			return -ENOENT;
	}
	fz_vm_counters(vm, &stat->c);
	if (vm)
		fz_vm_put(vm);
	return 0;
}

/* The frame of @gfn and its captured digest, if it is captured now. */
static int captured(struct fz_vm *vm, u64 gfn, unsigned long *hva, u64 *hash)
{
	struct kvm *kvm = vm->kvm;
	struct kvm_memory_slot *slot;
	struct fz_region *region;
	struct fz_frame *frame;
	int idx, err = -ENODATA;

	idx = srcu_read_lock(&kvm->srcu);
	rcu_read_lock();
	slot = __gfn_to_memslot(kvm_memslots(kvm), gfn);
	if (slot) {
		*hva = fz_slot_hva(slot, gfn);
		region = fz_frames_region(&vm->frames, *hva);
		frame = region ? fz_region_frame(region, *hva) : NULL;
		if (frame) {
			spin_lock(&region->lock);
			if (frame->state == FZ_EXEC) {
				*hash = frame->hash;
				err = 0;
			}
			spin_unlock(&region->lock);
		}
	}
	rcu_read_unlock();
	srcu_read_unlock(&kvm->srcu, idx);
	return err;
}

/* Copy one page out of the VMM's memory; read only, nothing of it changes. */
static int copy_frame(struct kvm *kvm, unsigned long hva, void *buf)
{
	struct page *page;
	void *from;
	long n;

	if (!mmget_not_zero(kvm->mm))
		return -ENODATA;
	mmap_read_lock(kvm->mm);
	n = fz_get_user_page(kvm->mm, hva, 0, &page);
	mmap_read_unlock(kvm->mm);
	mmput(kvm->mm);
	if (n != 1)
		return -ENODATA;
	from = kmap_local_page(page);
	memcpy(buf, from, FZ_PAGE_SIZE);
	kunmap_local(from);
	put_page(page);
	return 0;
}

static int do_read(void *arg)
{
	struct fz_read *r = arg;
	unsigned long hva;
	struct fz_vm *vm;
	u64 hash;
	void *buf;
	int err;

	if (r->flags)
		return -EINVAL;
	vm = fz_vm_get(r->id);
	if (!vm)
		return -ENOENT;
	buf = kmalloc(FZ_PAGE_SIZE, GFP_KERNEL);
	if (!buf) {
		err = -ENOMEM;
		goto put_vm;
	}
	if (!fz_vm_pin(vm)) {
		err = -ENOENT;
		goto free_buf;
	}
	err = captured(vm, r->gfn, &hva, &hash);
	if (!err)
		err = copy_frame(vm->kvm, hva, buf);
	fz_vm_unpin(vm);
	if (err)
		goto free_buf;
	r->hash = xxh64(buf, FZ_PAGE_SIZE, 0);
	if (r->hash != hash)
		err = -ESTALE;
	else if (copy_to_user(u64_to_user_ptr(r->buf), buf, FZ_PAGE_SIZE))
		err = -EFAULT;
free_buf:
	kfree(buf);
put_vm:
	fz_vm_put(vm);
	return err;
}

static int do_barrier(void *arg)
{
	struct fz_barrier *b = arg;

	if (b->flags)
		return -EINVAL;
	b->time = fz_rings_barrier();
	return 0;
}

static int do_audit(void *arg)
{
	struct fz_audit *audit = arg;
	u32 max = audit->found ? min_t(u32, audit->found_max, FZ_AUDIT_FOUND_MAX) : 0;
	struct fz_audit_found *found = NULL;
	struct fz_vm *vm;
	int err = -ENOENT;

	if (audit->flags || audit->reserved)
		return -EINVAL;
	vm = fz_vm_get(audit->id);
	if (!vm)
		return -ENOENT;
	if (max) {
		found = kvcalloc(max, sizeof(*found), GFP_KERNEL);
		if (!found) {
			err = -ENOMEM;
			goto put_vm;
		}
	}
	if (fz_vm_pin(vm)) {
		err = fz_mmu_audit(vm, audit, found, max);
		fz_vm_unpin(vm);
	}
	if (!err && copy_to_user(u64_to_user_ptr(audit->found), found,
				 audit->found_max * sizeof(*found)))
		err = -EFAULT;
	kvfree(found);
put_vm:
	fz_vm_put(vm);
	return err;
}

/* @size: now; @min: in the first version, to the first member that came later. */
static const struct ioctl {
	int (*fn)(void *arg);
	u32 size, min;
} ioctls[] = {
#define GREW(cmd, function, type, later) \
	[_IOC_NR(cmd)] = { (function), sizeof(type), offsetof(type, later) }
#define IOCTL(cmd, function, type) \
	[_IOC_NR(cmd)] = { (function), sizeof(type), sizeof(type) }
	GREW(FZ_IOC_INFO, do_info, struct fz_info, verify_ns),
	IOCTL(FZ_IOC_ATTACH, do_attach, struct fz_attach),
	IOCTL(FZ_IOC_DETACH, do_detach, struct fz_detach),
	IOCTL(FZ_IOC_LIST, do_list, struct fz_list),
	GREW(FZ_IOC_STAT, do_stat, struct fz_stat, c.verified),
	IOCTL(FZ_IOC_READ, do_read, struct fz_read),
	IOCTL(FZ_IOC_BARRIER, do_barrier, struct fz_barrier),
	GREW(FZ_IOC_AUDIT, do_audit, struct fz_audit, found),
#undef IOCTL
#undef GREW
};

static long fz_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	void __user *user = (void __user *)uarg;
	union {
		u32 size;
		struct fz_info info;
		struct fz_attach attach;
		struct fz_detach detach;
		struct fz_list list;
		struct fz_stat stat;
		struct fz_read read;
		struct fz_barrier barrier;
		struct fz_audit audit;
	} arg;
	const struct ioctl *io;
	u32 size;
	int err;

	if (_IOC_TYPE(cmd) != FZ_IOC_MAGIC || _IOC_NR(cmd) >= ARRAY_SIZE(ioctls) ||
	    cmd != _IO(FZ_IOC_MAGIC, _IOC_NR(cmd)))
		return -ENOTTY;
	io = &ioctls[_IOC_NR(cmd)];

	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < io->min || size > PAGE_SIZE)
		return -EINVAL;
	memset(&arg, 0, sizeof(arg));
	err = copy_struct_from_user(&arg, io->size, user, size);
	if (err)
		return err;
	arg.size = size;

	err = io->fn(&arg);
	if (err && err != -EOPNOTSUPP)
		return err;
	if (copy_to_user(user, &arg, min(size, io->size)))
		return -EFAULT;
	return err;
}

static int fz_open(struct inode *inode, struct file *file)
{
	return capable(CAP_SYS_ADMIN) ? stream_open(inode, file) : -EPERM;
}

static int fz_release(struct inode *inode, struct file *file)
{
	/* A mapping holds the file, so the positions are unmapped by now. */
	cmpxchg(&reader, file, NULL);
	return 0;
}

static int fz_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (fz_rings_is_consumer(vma)) {
		struct file *old;

		/* Who asks for what there is not shuts nobody out. */
		if (vma_pages(vma) != fz_rings_consumer_pages())
			return -EINVAL;
		old = cmpxchg(&reader, NULL, file);

		if (old && old != file)
			return -EBUSY;
	}
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY);
	return fz_rings_map(vma);
}

static __poll_t fz_poll(struct file *file, poll_table *wait)
{
	poll_wait(file, &fz_rings_wait, wait);
	return fz_rings_pending() ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = fz_open,
	.release = fz_release,
	.unlocked_ioctl = fz_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = fz_mmap,
	.poll = fz_poll,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "fitzroy",
	.fops = &fops,
	.mode = 0600,
};

int fz_chrdev_init(void)
{
	return misc_register(&device);
}

void fz_chrdev_exit(void)
{
	misc_deregister(&device);
}
