/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * device.h - /dev/fitzroy
 */
#ifndef FZ_DEVICE_H
#define FZ_DEVICE_H

#include <fitzroy.h>
#include "error.h"
#include "reader.h"

struct fz_device;

/* Open the device and check its ABI. -ENOENT (no module), -EACCES, -EPROTO (other ABI). */
int fz_device_open(struct fz_device **dev, struct fz_error *err);
void fz_device_close(struct fz_device *dev);

const struct fz_info *fz_device_info(const struct fz_device *dev);
int fz_device_fd(const struct fz_device *dev);
/* The ioctls that a reader makes once it reads; with @detach, FZ_IOC_DETACH too. */
const unsigned long *fz_device_calls(bool detach, size_t *n);

/* Watch the VM behind @vm_fd (@flags: FZ_POLICY_*). -EALREADY if it is watched. */
int fz_device_attach(struct fz_device *dev, int vm_fd, uint32_t flags, uint64_t *id,
		     struct fz_error *err);
int fz_device_detach(struct fz_device *dev, uint64_t id, struct fz_error *err);
/* Attach all VMs to come, or stop doing so. */
int fz_device_attach_new(struct fz_device *dev, bool on, uint32_t flags, struct fz_error *err);

/* Store the watched VMs, ordered by id, at @vms (the caller frees) and @n. */
int fz_device_list(struct fz_device *dev, struct fz_vm_desc **vms, size_t *n, struct fz_error *err);

/* Counters of VM @id; 0 = the sum of all. -ENOENT. */
int fz_device_stat(struct fz_device *dev, uint64_t id, struct fz_counters *c,
		   struct fz_error *err);
/*
 * Audit VM @id; the entries that should not exist are counted, and up to @max of them
 * stored at @found, which audit->found_max then counts. -ENOENT.
 */
int fz_device_audit_found(struct fz_device *dev, uint64_t id, struct fz_audit *audit,
			  struct fz_audit_found *found, uint32_t max, struct fz_error *err);
int fz_device_audit(struct fz_device *dev, uint64_t id, struct fz_audit *audit,
		    struct fz_error *err);

/*
 * Map the rings and make a reader, which lives until fz_device_close(). With
 * @peek the records stay in the rings. -EBUSY if another process reads.
 */
int fz_device_reader(struct fz_device *dev, bool peek, struct fz_reader **r,
		     struct fz_error *err);

#endif
