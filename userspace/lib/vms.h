/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vms.h - the KVM virtual machines of this host, found under /proc
 */
#ifndef FZ_VMS_H
#define FZ_VMS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "error.h"

struct fz_host_vm {
	pid_t pid;		/* who holds it */
	int fd;			/* its number there */
	uint32_t vcpus;		/* vCPU files of that process */
	char comm[16];
};

/*
 * Store the VMs, by PID, at @vms (the caller frees) and @n. @hidden is how many
 * processes could not be looked into (no permission).
 */
int fz_vms_scan(struct fz_host_vm **vms, size_t *n, size_t *hidden, struct fz_error *err);

/* A file descriptor of our own for @vm, or a negative errno. */
int fz_vms_take(const struct fz_host_vm *vm, struct fz_error *err);

#endif
