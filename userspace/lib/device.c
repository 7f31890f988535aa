// SPDX-License-Identifier: GPL-2.0-only
/* device.c - /dev/fitzroy */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "device.h"

#define VMS_MAX	(1U << 20)

struct fz_device {
	int fd;
	struct fz_info info;
	void *consumers;
	struct fz_consumer *private;	/* of a reader that only peeks */
	void **rings;
	const struct fz_producer **producers;
	const uint8_t **data;
	struct fz_reader *reader;
};

static int open_failed(int code, struct fz_error *err)
{
	switch (code) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return fz_fail(err, -ENOENT,
			       "no " FZ_DEVICE ": the module is not loaded; load fitzroy.ko");
	case EACCES:
	case EPERM:
		return fz_fail(err, -EACCES,
			       "no permission to open " FZ_DEVICE "; run as root");
	}
	return fz_fail(err, -code, "cannot open " FZ_DEVICE ": %s", strerror(code));
}

int fz_device_open(struct fz_device **out, struct fz_error *err)
{
	struct fz_info info = { .size = sizeof(info) };
	struct fz_device *dev;
	int fd, ret;

	fd = open(FZ_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return open_failed(errno, err);
	if (ioctl(fd, FZ_IOC_INFO, &info)) {
		ret = errno;
		close(fd);
		if (ret == ENOTTY)
			return fz_fail(err, -EPROTO, FZ_DEVICE " is not FitzRoy's device; "
				       "load fitzroy.ko");
		if (ret == EPERM)
			return open_failed(ret, err);
		return fz_fail(err, -ret, FZ_DEVICE " does not answer: %s; load the fitzroy.ko "
			       "that belongs to this tool", strerror(ret));
	}
	if (info.abi != FZ_ABI_VERSION) {
		close(fd);
		return fz_fail(err, -EPROTO, "the loaded module speaks ABI %u, this tool %u; "
			       "load the fitzroy.ko that belongs to this tool", info.abi,
			       FZ_ABI_VERSION);
	}
	info.kernel[sizeof(info.kernel) - 1] = 0;
	dev = calloc(1, sizeof(*dev));
	if (!dev) {
		close(fd);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	dev->fd = fd;
	dev->info = info;
	dev->consumers = MAP_FAILED;
	*out = dev;
	return 0;
}

static size_t ring_length(const struct fz_device *dev)
{
	return FZ_PAGE_SIZE + 2 * dev->info.ring_bytes;
}

static void unmap(struct fz_device *dev)
{
	uint32_t i;

	for (i = 0; dev->rings && i < dev->info.cpus; i++)
		if (dev->rings[i])
			munmap(dev->rings[i], ring_length(dev));
	if (dev->consumers != MAP_FAILED)
		munmap(dev->consumers, dev->info.consumer_bytes);
	dev->consumers = MAP_FAILED;
	free(dev->rings);
	free(dev->producers);
	free(dev->data);
	free(dev->private);
	dev->private = NULL;
	dev->rings = NULL;
	dev->producers = NULL;
	dev->data = NULL;
}

void fz_device_close(struct fz_device *dev)
{
	if (!dev)
		return;
	fz_reader_free(dev->reader);
	unmap(dev);
	close(dev->fd);
	free(dev);
}

const struct fz_info *fz_device_info(const struct fz_device *dev)
{
	return &dev->info;
}

int fz_device_fd(const struct fz_device *dev)
{
	return dev->fd;
}

const unsigned long *fz_device_calls(bool detach, size_t *n)
{
	static const unsigned long calls[] = {
		FZ_IOC_BARRIER, FZ_IOC_LIST, FZ_IOC_STAT, FZ_IOC_DETACH,
	};

	*n = sizeof(calls) / sizeof(calls[0]) - !detach;
	return calls;
}

static const char *refusal(uint32_t bits)
{
	if (bits & FZ_REFUSE_ENCRYPTED)
		return "its memory is encrypted";
	if (bits & FZ_REFUSE_PRIVATE)
		return "it has private memory (guest_memfd)";
	if (bits & FZ_REFUSE_NO_TDP)
		return "it runs on shadow paging; load KVM with ept=1 or npt=1";
	return "this kind of VM is not supported";
}

static int attach(struct fz_device *dev, struct fz_attach *a, struct fz_error *err)
{
	if (!ioctl(dev->fd, FZ_IOC_ATTACH, a))
		return 0;
	switch (errno) {
	case EOPNOTSUPP:
		return fz_fail(err, -EOPNOTSUPP, "the VM cannot be watched: %s",
			       refusal(a->refused));
	case EALREADY:
		return fz_fail(err, -EALREADY, "the VM is attached already");
	case ENOTTY:
	case EBADF:
		return fz_fail(err, -EINVAL, "that is not a KVM virtual machine");
	case ENOSPC:
		return fz_fail(err, -ENOSPC, "%u VMs are attached, which is the limit; "
			       "load the module with a larger max_vms", dev->info.max_vms);
	case ESRCH:
		return fz_fail(err, -ESRCH, "the VM is going away");
	case EPERM:
		return fz_fail(err, -EPERM, "no permission to attach; run as root");
	}
	return fz_fail(err, -errno, "cannot attach the VM: %s", strerror(errno));
}

int fz_device_attach(struct fz_device *dev, int vm_fd, uint32_t flags, uint64_t *id,
		     struct fz_error *err)
{
	struct fz_attach a = { .size = sizeof(a), .flags = flags, .vm_fd = vm_fd };
	int ret = attach(dev, &a, err);

	if (!ret)
		*id = a.id;
	return ret;
}

int fz_device_detach(struct fz_device *dev, uint64_t id, struct fz_error *err)
{
	struct fz_detach d = { .size = sizeof(d), .id = id };

	if (!ioctl(dev->fd, FZ_IOC_DETACH, &d))
		return 0;
	if (errno == ENOENT)
		return fz_fail(err, -ENOENT, "no VM %" PRIu64 " is attached", id);
	return fz_fail(err, -errno, "cannot detach VM %" PRIu64 ": %s", id, strerror(errno));
}

int fz_device_attach_new(struct fz_device *dev, bool on, uint32_t flags, struct fz_error *err)
{
	struct fz_attach a = { .size = sizeof(a), .flags = flags | FZ_ATTACH_NEW, .vm_fd = -1 };
	struct fz_detach d = { .size = sizeof(d), .flags = FZ_ATTACH_NEW };

	if (on)
		return attach(dev, &a, err);
	if (ioctl(dev->fd, FZ_IOC_DETACH, &d))
		return fz_fail(err, -errno, "cannot stop attaching new VMs: %s", strerror(errno));
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct fz_vm_desc *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

int fz_device_list(struct fz_device *dev, struct fz_vm_desc **out, size_t *n, struct fz_error *err)
{
	struct fz_list list = { .size = sizeof(list), .entry_size = sizeof(struct fz_vm_desc) };
	uint32_t room = 16, i;
	struct fz_vm_desc *vms;

	for (;; room = list.count + 16) {
		vms = calloc(room, sizeof(*vms));
		if (!vms)
			return fz_fail(err, -ENOMEM, "out of memory");
		list.count = room;
		list.vms = (uintptr_t)vms;
		if (ioctl(dev->fd, FZ_IOC_LIST, &list)) {
			int ret = errno;

			free(vms);
			return fz_fail(err, -ret, "cannot list the attached VMs: %s",
				       strerror(ret));
		}
		if (list.count <= room)
			break;
		free(vms);
		if (list.count > VMS_MAX)
			return fz_fail(err, -EPROTO, "the module names %u VMs", list.count);
	}
	for (i = 0; i < list.count; i++)
		vms[i].comm[sizeof(vms[i].comm) - 1] = 0;
	qsort(vms, list.count, sizeof(*vms), by_id);
	*out = vms;
	*n = list.count;
	return 0;
}

int fz_device_stat(struct fz_device *dev, uint64_t id, struct fz_counters *c,
		   struct fz_error *err)
{
	struct fz_stat s = { .size = sizeof(s), .id = id };

	if (ioctl(dev->fd, FZ_IOC_STAT, &s)) {
		if (errno == ENOENT)
			return fz_fail(err, -ENOENT, "no VM %" PRIu64 " is attached", id);
		return fz_fail(err, -errno, "cannot read the counters: %s", strerror(errno));
	}
	*c = s.c;
	return 0;
}

int fz_device_audit_found(struct fz_device *dev, uint64_t id, struct fz_audit *audit,
			  struct fz_audit_found *found, uint32_t max, struct fz_error *err)
{
	*audit = (struct fz_audit){ .size = sizeof(*audit), .id = id,
				    .found = (uintptr_t)found, .found_max = max };
	if (!ioctl(dev->fd, FZ_IOC_AUDIT, audit)) {
		if (audit->found_max > max)
			return fz_fail(err, -EPROTO, "the module names more bad entries than fit");
		return 0;
	}
	/* An older module counts them, but cannot name any. */
	if (errno == E2BIG) {
		*audit = (struct fz_audit){ .size = offsetof(struct fz_audit, found), .id = id };
		if (!ioctl(dev->fd, FZ_IOC_AUDIT, audit))
			return 0;
	}
	if (errno == ENOENT)
		return fz_fail(err, -ENOENT, "no VM %" PRIu64 " is attached", id);
	return fz_fail(err, -errno, "cannot audit VM %" PRIu64 ": %s", id, strerror(errno));
}

int fz_device_audit(struct fz_device *dev, uint64_t id, struct fz_audit *audit,
		    struct fz_error *err)
{
	return fz_device_audit_found(dev, id, audit, NULL, 0, err);
}

static int barrier(void *arg, uint64_t *time, struct fz_error *err)
{
	struct fz_barrier b = { .size = sizeof(b) };
	struct fz_device *dev = arg;

	if (ioctl(dev->fd, FZ_IOC_BARRIER, &b))
		return fz_fail(err, -errno, "cannot ask the module how far the rings are "
			       "complete: %s", strerror(errno));
	*time = b.time;
	return 0;
}

static int map_failed(const char *what, struct fz_error *err)
{
	if (errno == EBUSY)
		return fz_fail(err, -EBUSY, "another process reads " FZ_DEVICE
			       "; stop that record, watch or report --live first");
	return fz_fail(err, -errno, "cannot map the %s of " FZ_DEVICE ": %s", what,
		       strerror(errno));
}

int fz_device_reader(struct fz_device *dev, bool peek, struct fz_reader **r,
		     struct fz_error *err)
{
	const struct fz_info *info = &dev->info;
	struct fz_rings rings = { .barrier = barrier, .arg = dev };
	uint32_t i;
	int ret;

	if (!info->cpus || info->cpus > FZ_CPUS_MAX || info->ring_bytes > SIZE_MAX / 4 ||
	    info->ring_stride < ring_length(dev) ||
	    info->consumer_bytes < info->cpus * sizeof(struct fz_consumer))
		return fz_fail(err, -EPROTO, "the module describes impossible rings");
	dev->rings = calloc(info->cpus, sizeof(*dev->rings));
	dev->producers = calloc(info->cpus, sizeof(*dev->producers));
	dev->data = calloc(info->cpus, sizeof(*dev->data));
	if (!dev->rings || !dev->producers || !dev->data) {
		unmap(dev);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	dev->consumers = mmap(NULL, info->consumer_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			      dev->fd, info->consumer_offset);
	if (dev->consumers == MAP_FAILED) {
		ret = map_failed("consumer positions", err);
		unmap(dev);
		return ret;
	}
	for (i = 0; i < info->cpus; i++) {
		uint8_t *p = mmap(NULL, ring_length(dev), PROT_READ, MAP_SHARED, dev->fd,
				  info->ring_offset + i * info->ring_stride);

		if (p == MAP_FAILED) {
			ret = map_failed("rings", err);
			unmap(dev);
			return ret;
		}
		dev->rings[i] = p;
		dev->producers[i] = (const struct fz_producer *)p;
		dev->data[i] = p + FZ_PAGE_SIZE;
	}
	if (peek) {
		size_t bytes = info->cpus * sizeof(*dev->private);

		dev->private = malloc(bytes);
		if (!dev->private) {
			unmap(dev);
			return fz_fail(err, -ENOMEM, "out of memory");
		}
		memcpy(dev->private, dev->consumers, bytes);
	}
	rings.cpus = info->cpus;
	rings.ring_bytes = info->ring_bytes;
	rings.consumers = peek ? dev->private : dev->consumers;
	rings.producers = dev->producers;
	rings.data = dev->data;
	ret = fz_reader_new(&dev->reader, &rings, err);
	if (ret) {
		unmap(dev);
		return ret;
	}
	*r = dev->reader;
	return 0;
}
