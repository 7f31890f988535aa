// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm.c - is the running KVM the one that this module was built for?
 */
#include <linux/cpufeature.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <fitzroy.h>
#include "inject.h"
#include "kvm.h"

#define pr_refuse(fmt, ...)	pr_err("fitzroy: not loaded: " fmt "\n", ##__VA_ARGS__)

u32 fz_kvm_vendor;
static struct file *kvm_file;

/* Read up to @size bytes of a sysfs file; the length or a negative errno. */
static ssize_t read_file(const char *path, void *buf, size_t size)
{
	struct file *file = filp_open(path, O_RDONLY, 0);
	loff_t pos = 0;
	ssize_t n;

	if (IS_ERR(file))
		return PTR_ERR(file);
	n = kernel_read(file, buf, size, &pos);
	filp_close(file, NULL);
	return n;
}

/* Compare a loaded module's build-id (an ELF note: 16 bytes of header) to @want. */
static int check_build_id(const char *module, const char *want)
{
	char path[64], id[41] = "";
	u8 note[16 + 20];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/module/%s/notes/.note.gnu.build-id", module);
	n = read_file(path, note, sizeof(note));
	if (n == -ENOENT) {
		pr_refuse("module %s is not loaded, or /sys is not mounted; load it first",
			  module);
		return -ENODEV;
	}
	if (n != sizeof(note)) {
		pr_refuse("cannot read the build-id of %s from %s", module, path);
		return n < 0 ? n : -EINVAL;
	}
	snprintf(id, sizeof(id), "%20phN", note + 16);
	if (strcmp(id, want)) {
		pr_refuse("the running %s has build-id %s, this module was built for %s; rebuild it for this kernel",
			  module, id, want);
		return -ENOEXEC;
	}
	return 0;
}

static bool param_off(const char *path)
{
	char value = 0;

	return read_file(path, &value, 1) == 1 && (value == 'N' || value == '0');
}

static int check_vendor(void)
{
	int err;

	if (boot_cpu_has(X86_FEATURE_SVM)) {
		fz_kvm_vendor = FZ_VENDOR_AMD;
		err = check_build_id("kvm_amd", FZ_KVM_AMD_BUILD_ID);
		if (err)
			return err;
		if (param_off("/sys/module/kvm_amd/parameters/npt")) {
			pr_refuse("kvm_amd runs without nested paging (npt=0); load it with npt=1");
			return -EOPNOTSUPP;
		}
		return 0;
	}
	if (!boot_cpu_has(X86_FEATURE_VMX)) {
		pr_refuse("this CPU has neither SVM nor VMX");
		return -ENODEV;
	}
	fz_kvm_vendor = FZ_VENDOR_INTEL;
	if (param_off("/sys/module/kvm_intel/parameters/ept")) {
		pr_refuse("kvm_intel runs without EPT (ept=0); load it with ept=1");
		return -EOPNOTSUPP;
	}
	if (param_off("/sys/module/kvm_intel/parameters/unrestricted_guest")) {
		pr_refuse("kvm_intel runs without unrestricted_guest: it would emulate guest code unseen");
		return -EOPNOTSUPP;
	}
	return 0;
}

int fz_kvm_check(void)
{
	int err;

	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		pr_refuse("real-time kernels are not supported: KVM's locks may sleep there");
		return -EOPNOTSUPP;
	}
	/* Open first: what is checked then cannot change. */
	kvm_file = filp_open("/dev/kvm", O_RDWR, 0);
	if (IS_ERR(kvm_file)) {
		err = PTR_ERR(kvm_file);
		pr_refuse("cannot open /dev/kvm (error %d); load kvm_amd or kvm_intel first", err);
		return err;
	}
	err = check_build_id("kvm", FZ_KVM_BUILD_ID);
	if (!err)
		err = check_vendor();
	if (err)
		fz_kvm_release();
	return err;
}

void fz_kvm_release(void)
{
	filp_close(kvm_file, NULL);
}

struct file *fz_kvm_file(void)
{
	return kvm_file;
}

static const struct file_operations *vm_ops;

void fz_kvm_set_vm_ops(const struct file_operations *ops)
{
	vm_ops = ops;
}

bool fz_kvm_is_vm(const struct file *file)
{
	return file->f_op == vm_ops;
}

bool fz_kvm_has_device(struct kvm *kvm)
{
#ifdef FZ_HAS_ASSIGNED_DEVICES
	return atomic_read(&kvm->arch.assigned_device_count);
#else
	struct kvm_device *dev;

	/* What a VMM makes when the first device is assigned. */
	list_for_each_entry_rcu(dev, &kvm->devices, vm_node)
		if (!strcmp(dev->ops->name, "kvm-vfio"))
			return true;
	return false;
#endif
}

/* Is the slot's memory not the VMM's, but KVM's own file? What the VMM maps may be other. */
static bool is_private(const struct kvm_memory_slot *slot)
{
#ifdef KVM_MEM_GUEST_MEMFD
	return slot->flags & KVM_MEM_GUEST_MEMFD;
#else
	return false;
#endif
}

static u32 refusals(struct kvm *kvm)
{
	u32 refuse = 0;

#ifdef FZ_SEV_ACTIVE
	if (fz_kvm_vendor == FZ_VENDOR_AMD &&
	    READ_ONCE(FZ_FIELD(bool, kvm, FZ_SVM_SEV_INFO + FZ_SEV_ACTIVE)))
		refuse |= FZ_REFUSE_ENCRYPTED;
#endif
	if (fz_injecting(FZ_INJECT_ENCRYPTED))
		refuse |= FZ_REFUSE_ENCRYPTED;
#ifdef kvm_arch_has_private_mem
	if (kvm_arch_has_private_mem(kvm))
		refuse |= FZ_REFUSE_PRIVATE;
#endif
	return refuse;
}

bool fz_kvm_refuses(struct kvm *kvm, const struct kvm_memory_slot *slot)
{
	return refusals(kvm) || is_private(slot);
}

u32 fz_kvm_refusals(struct kvm *kvm)
{
	struct kvm_memory_slot *slot;
	u32 refuse = refusals(kvm);
	int as_id, bucket, idx;

	idx = srcu_read_lock(&kvm->srcu);
	for (as_id = 0; as_id < ARRAY_SIZE(kvm->memslots); as_id++)
		kvm_for_each_memslot(slot, bucket, __kvm_memslots(kvm, as_id))
			if (is_private(slot))
				refuse |= FZ_REFUSE_PRIVATE;
	srcu_read_unlock(&kvm->srcu, idx);
	return refuse;
}
