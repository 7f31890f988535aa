// SPDX-License-Identifier: GPL-2.0-only
/* vms.c - the KVM virtual machines of this host, found under /proc */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "vms.h"

#define VM_LINK		"anon_inode:kvm-vm"
#define VCPU_LINK	"anon_inode:kvm-vcpu"

struct found {
	struct fz_host_vm *vms;
	size_t n, hidden;
};

/* /proc shows the name of an anonymous inode with or without brackets. */
static bool is_link(const char *link, const char *name)
{
	return !strncmp(link, name, strlen(name));
}

static void read_comm(pid_t pid, char comm[16])
{
	char path[64];
	ssize_t n;
	int fd;

	comm[0] = 0;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, comm, 15);
	close(fd);
	comm[n > 0 ? n : 0] = 0;
	comm[strcspn(comm, "\n")] = 0;
}

static bool same_file(const struct fz_host_vm *a, const struct fz_host_vm *b)
{
	return !syscall(SYS_kcmp, a->pid, b->pid, KCMP_FILE, (long)a->fd, (long)b->fd);
}

static int add(struct found *f, const struct fz_host_vm *vm, struct fz_error *err)
{
	struct fz_host_vm *p;
	size_t i;

	for (i = 0; i < f->n; i++)
		if (same_file(&f->vms[i], vm))
			return 0;
	p = reallocarray(f->vms, f->n + 1, sizeof(*p));
	if (!p)
		return fz_fail(err, -ENOMEM, "out of memory");
	f->vms = p;
	f->vms[f->n++] = *vm;
	return 0;
}

static int scan_process(struct found *f, pid_t pid, struct fz_error *err)
{
	struct fz_host_vm vm = { .pid = pid };
	size_t first = f->n, i;
	uint32_t vcpus = 0;
	struct dirent *e;
	char path[64];
	int ret = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	if (!d) {
		f->hidden += errno == EACCES || errno == EPERM;
		return 0;
	}
	while (!ret && (e = readdir(d))) {
		char link[64];
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = 0;
		if (is_link(link, VCPU_LINK)) {
			vcpus++;
		} else if (is_link(link, VM_LINK)) {
			vm.fd = atoi(e->d_name);
			read_comm(pid, vm.comm);
			ret = add(f, &vm, err);
		}
	}
	closedir(d);
	for (i = first; i < f->n; i++)
		f->vms[i].vcpus = vcpus;
	return ret;
}

static int by_pid(const void *a, const void *b)
{
	const struct fz_host_vm *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->fd < y->fd ? -1 : x->fd > y->fd;
}

int fz_vms_scan(struct fz_host_vm **vms, size_t *n, size_t *hidden, struct fz_error *err)
{
	struct found f = { 0 };
	struct dirent *e;
	int ret = 0;
	DIR *d;

	d = opendir("/proc");
	if (!d)
		return fz_fail(err, -errno, "cannot read /proc: %s; mount it", strerror(errno));
	while (!ret && (e = readdir(d))) {
		char *end;
		long pid = strtol(e->d_name, &end, 10);

		if (end != e->d_name && !*end && pid > 0)
			ret = scan_process(&f, pid, err);
	}
	closedir(d);
	if (ret) {
		free(f.vms);
		return ret;
	}
	if (f.n)
		qsort(f.vms, f.n, sizeof(*f.vms), by_pid);
	*vms = f.vms;
	*n = f.n;
	*hidden = f.hidden;
	return 0;
}

int fz_vms_take(const struct fz_host_vm *vm, struct fz_error *err)
{
	int pidfd, fd, code;

	pidfd = syscall(SYS_pidfd_open, vm->pid, 0);
	if (pidfd < 0)
		return fz_fail(err, -errno, "cannot open process %d: %s", vm->pid,
			       strerror(errno));
	fd = syscall(SYS_pidfd_getfd, pidfd, vm->fd, 0);
	code = errno;
	close(pidfd);
	if (fd < 0)
		return fz_fail(err, -code, "cannot take file %d of process %d: %s%s", vm->fd,
			       vm->pid, strerror(code), code == EPERM ? "; run as root" : "");
	return fd;
}
