// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_vm.c - VMs that are made, watched, run, changed and ended
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "again.h"
#include "fuzz.h"

void end_vm(struct my_vm *m)
{
	int size = ioctl(m->vm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	unsigned int v;

	for (v = 0; v < m->vm.nvcpus; v++) {
		munmap(m->vm.vcpu[v].run, size);
		close(m->vm.vcpu[v].fd);
	}
	close(m->vm.fd);
	close(m->vm.kvm);
	madvise(m->mem, MEM_BYTES, MADV_DONTNEED);
	m->alive = m->slot = false;
	m->id = 0;
}

static void run_vm(struct thread *t, struct my_vm *m)
{
	uint64_t n = 1 + pick(t, N), first = pick(t, 1000);
	bool flip = pick(t, 2);
	int ret;

	if (flip) {
		PUT(&m->vm, DRIVER(0), flip_page);
		vm_put_targets(&m->vm, TARGETS, 1, 0);
		vcpu_start(&m->vm, 0, DRIVER(0), TARGETS, n, 0);
	} else {
		PUT(&m->vm, DRIVER(0), call_pages);
		vm_put_targets(&m->vm, TARGETS, n, first);
		vcpu_start(&m->vm, 0, DRIVER(0), TARGETS, n, 0);
	}
	ret = vcpu_run(&m->vm, 0);
	if (ret == -EPROTO && m->vm.vcpu[0].run->exit_reason == KVM_EXIT_SHUTDOWN &&
	    again_excused()) {
		count(&totals->shutdowns, 1);
		end_vm(m);
		return;
	}
	if (ret)
		broken("a vCPU died: %s", strerror(-ret));
	if (vcpu_rax(&m->vm, 0) != (flip ? 0 : n * first + n * (n - 1) / 2))
		broken("a guest ran what it was not given");
	count(&totals->runs, 1);
}

static void attach_vm(struct thread *t, struct my_vm *m)
{
	struct fz_attach a = {
		.size = sizeof(a), .vm_fd = m->vm.fd, .flags = pick(t, 4) ? 0 : FZ_POLICY_LOSSLESS,
	};

	if (!ioctl(t->dev, FZ_IOC_ATTACH, &a)) {
		m->id = a.id;
		ONE_OF(t, t->process->ids) = a.id;
	} else if (errno != EALREADY && errno != ENOSPC) {
		broken("attach: %s", strerror(errno));
	}
}

static void detach_vm(struct thread *t, struct my_vm *m)
{
	struct fz_detach d = { .size = sizeof(d), .id = m->id };

	if (ioctl(t->dev, FZ_IOC_DETACH, &d) && errno != ENOENT)
		broken("detach: %s", strerror(errno));
	m->id = 0;
}

void fuzz_vm(struct thread *t)
{
	struct my_vm *m = &t->vms[pick(t, VMS)];

	if (!m->alive) {
		vm_new_on(&m->vm, 1 + pick(t, 2), m->mem);
		m->alive = true;
		count(&totals->vms, 1);
		return;
	}
	switch (pick(t, 16)) {
	case 0:
		end_vm(m);
		break;
	case 1:
	case 2:
	case 3:
		if (!bare)
			attach_vm(t, m);
		break;
	case 4:
		if (!bare)
			detach_vm(t, m);
		break;
	case 5:		/* the same memory once more */
		vm_slot(&m->vm, 1, 2 * MEM_BYTES, m->slot ? 0 : MEM_BYTES / 2, m->mem, 0);
		m->slot = !m->slot;
		break;
	case 6:
		madvise(m->mem + TARGETS, 8 * HUGE, MADV_DONTNEED);
		break;
	case 7:
		m->mem[TARGETS + pick(t, N) * PAGE + 4000]++;
		break;
	case 8:
		if (m->vm.nvcpus < MAX_VCPUS)
			vm_add_vcpu(&m->vm);
		break;
	default:
		run_vm(t, m);
	}
}
