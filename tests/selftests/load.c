// SPDX-License-Identifier: GPL-2.0-only
/*
 * load.c - guests that are busy while something else is tested; KVM's statistics
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "vmm.h"

#define LOAD_FLIPS	10	/* rewrites in a round */
#define FIRST		7	/* what the first of the called pages returns */

static unsigned int index_of(const struct vm *vm, const struct vcpu *vcpu)
{
	return vcpu - vm->vcpu;
}

/* One round of vCPU @v; false if the result is not what was written last. */
static bool one_round(struct vm *vm, unsigned int v)
{
	bool flip = vm->load.flip && !(v & 1);
	uint64_t n = vm->load.n, gpa = vm->load.gpa, want = 0;

	if (flip) {
		vcpu_start(vm, v, DRIVER(v), gpa + v * PAGE, LOAD_FLIPS, 0);
	} else {
		want = n * FIRST + n * (n - 1) / 2;
		vcpu_start(vm, v, DRIVER(v), gpa + MAX_VCPUS * PAGE, n, 0);
	}
	return !vcpu_run(vm, v) && vcpu_rax(vm, v) == want;
}

struct busy {
	struct vm *vm;
	struct vcpu *vcpu;
};

static void *busy(void *arg)
{
	struct busy b = *(struct busy *)arg;

	free(arg);
	/* Once at least, however late the thread is: what follows counts on it. */
	do {
		if (!one_round(b.vm, index_of(b.vm, b.vcpu)))
			__atomic_fetch_add(&b.vcpu->wrong, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&b.vcpu->rounds, 1, __ATOMIC_RELAXED);
	} while (!__atomic_load_n(&b.vm->load.stop, __ATOMIC_RELAXED));
	return NULL;
}

void load_start(struct vm *vm, uint64_t gpa, size_t n, bool flip)
{
	struct busy *b;
	unsigned int v;

	vm->load.gpa = gpa;
	vm->load.n = n;
	vm->load.flip = flip;
	vm->load.stop = 0;
	vm->load.nvcpus = vm->nvcpus;
	vm_put_targets(vm, gpa, MAX_VCPUS, 0);
	vm_put_targets(vm, gpa + MAX_VCPUS * PAGE, n, FIRST);
	for (v = 0; v < vm->nvcpus; v++) {
		if (flip && !(v & 1))
			PUT(vm, DRIVER(v), flip_page);
		else
			PUT(vm, DRIVER(v), call_pages);
	}
	for (v = 0; v < vm->load.nvcpus; v++) {
		vm->vcpu[v].rounds = 0;
		vm->vcpu[v].wrong = 0;
		b = malloc(sizeof(*b));
		if (!b)
			err(2, "malloc");
		*b = (struct busy) { vm, &vm->vcpu[v] };
		if (pthread_create(&vm->vcpu[v].thread, NULL, busy, b))
			err(2, "pthread_create");
	}
}

unsigned long load_stop(struct vm *vm)
{
	unsigned long rounds = 0, wrong = 0;
	unsigned int v;

	__atomic_store_n(&vm->load.stop, 1, __ATOMIC_RELAXED);
	for (v = 0; v < vm->load.nvcpus; v++) {
		pthread_join(vm->vcpu[v].thread, NULL);
		rounds += vm->vcpu[v].rounds;
		wrong += vm->vcpu[v].wrong;
	}
	return wrong ? 0 : rounds;
}

uint64_t vm_stat(int fd, const char *name)
{
	int stats = ioctl(fd, KVM_GET_STATS_FD, NULL);
	struct kvm_stats_header h;
	struct kvm_stats_desc *d;
	uint64_t value = ~0ULL;
	size_t size;
	unsigned int i;

	if (stats < 0 || pread(stats, &h, sizeof(h), 0) != sizeof(h))
		err(2, "KVM_GET_STATS_FD");
	size = sizeof(*d) + h.name_size;
	d = malloc(size);
	if (!d)
		err(2, "malloc");
	for (i = 0; i < h.num_desc; i++) {
		if (pread(stats, d, size, h.desc_offset + i * size) != (ssize_t)size)
			err(2, "KVM statistics");
		if (!strcmp(d->name, name) &&
		    pread(stats, &value, sizeof(value), h.data_offset + d->offset) !=
		    sizeof(value))
			err(2, "KVM statistics");
	}
	free(d);
	close(stats);
	if (value == ~0ULL)
		errx(2, "KVM does not count %s", name);
	return value;
}
