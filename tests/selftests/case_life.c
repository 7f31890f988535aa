// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_life.c - VMs come and go
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "log.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25	/* Linux 6.1 */
#endif

/* Detached, nothing is logged; attached again, everything is. */
static void test_detach(void)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id, again;

	vm_new(&vm, 1);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N), "pages run before the attach");
	id = attach(&vm);
	ok(look(id)->count[FZ_REC_VM_ATTACH] == 1, "attached");
	ok(!call(&vm, 0, TARGETS, N), "and run again");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == N + 1, "%u first executions", s->count[FZ_REC_EXEC]);
	ok(!fz_device_detach(dev, id, &error), "detached");
	ok(look(id)->count[FZ_REC_VM_DETACH] == 1, "which is logged");
	ok(!call(&vm, 0, TARGETS, N), "the guest runs on");
	ok(!look(id)->count[FZ_REC_EXEC], "unseen");
	ok(fz_device_detach(dev, id, &error) == -ENOENT, "a second detach is ENOENT");
	again = attach(&vm);
	ok(again != id, "a second attach has a new id");
	ok(!call(&vm, 0, TARGETS, N), "and sees");
	s = look(again);
	ok(s->count[FZ_REC_EXEC] == N + 1, "%u first executions", s->count[FZ_REC_EXEC]);
	finish(&vm, again);
}

/* A VM is watched from its birth, and its death is logged. */
static void test_birth(void)
{
	struct fz_vm_desc *vms;
	struct vm vm;
	uint64_t id;
	size_t n;

	if (fz_device_attach_new(dev, true, 0, &error))
		errx(2, "attach_new: %s", error.text);
	vm_new(&vm, 1);
	if (fz_device_attach_new(dev, false, 0, &error))
		errx(2, "attach_new: %s", error.text);
	if (fz_device_list(dev, &vms, &n, &error))
		errx(2, "list: %s", error.text);
	ok(n == 1 && vms[0].pid == (uint32_t)getpid() && vms[0].vcpus == 1 &&
	   vms[0].pages == MEM_BYTES / PAGE, "a new VM is watched: pid, vCPUs, memory");
	id = vms[0].id;
	free(vms);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N), "it runs");
	ok(look(id)->count[FZ_REC_EXEC] == N + 1, "and is seen from its first instruction");
	vm_free(&vm);
	usleep(100000);
	ok(look(id)->count[FZ_REC_VM_DIED] == 1, "its death is logged");
	ok(!fz_device_list(dev, &vms, &n, &error) && n == 0, "and it is gone");
	free(vms);
}

/* Asking for encryption where there is none does not shake off the watch. */
static void test_encrypt(void)
{
	uint64_t command[4] = { 0 };
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	id = attach(&vm);
	ok(ioctl(vm.fd, KVM_MEMORY_ENCRYPT_OP, command) < 0, "SEV is refused by KVM");
	usleep(200000);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N), "the guest runs");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == N + 1 && !s->count[FZ_REC_VM_DETACH], "and is still watched");
	finish(&vm, id);
}

/* Let the VMM's memory be huge again, as khugepaged does in its own time. */
static void collapse(struct vm *vm)
{
	if (madvise(vm->mem + HUGE, HUGE, MADV_COLLAPSE) ||
	    madvise(vm->mem + TARGETS, HUGE, MADV_COLLAPSE))
		diag("MADV_COLLAPSE: %s", strerror(errno));
}

/* Faults that KVM takes while a page is rewritten and called, and what is huge then. */
static uint64_t flip_faults(struct vm *vm, uint64_t *huge)
{
	uint64_t before;

	PUT(vm, DRIVER(1), write_pages);
	PUT(vm, DRIVER(0), flip_page);
	vm_put_targets(vm, TARGETS, 1, 0);
	/* Once for what has to be mapped again. */
	ok(!call(vm, 0, TARGETS, 2) && !vcpu_rax(vm, 0), "the guest rewrites and calls a page");
	vcpu_start(vm, 0, DRIVER(1), DATA, (MEM_BYTES - DATA) / PAGE, 0);
	ok(!vcpu_run(vm, 0), "and writes to data");
	before = vm_stat(vm->vcpu[0].fd, "pf_taken");
	ok(!call(vm, 0, TARGETS, FLIPS) && !vcpu_rax(vm, 0), "and %u times more", FLIPS);
	*huge = vm_stat(vm->fd, "pages_2m");
	return vm_stat(vm->vcpu[0].fd, "pf_taken") - before;
}

/* Detached, a guest has its X, its W and its huge pages again: as KVM counts them. */
static void test_back(void)
{
	uint64_t huge[3], faults[3], id;
	struct vm vm;

	vm_new(&vm, 1);
	memset(vm.mem + HUGE, 0, MEM_BYTES - HUGE);
	faults[0] = flip_faults(&vm, &huge[0]);
	ok(!faults[0] && huge[0] >= MEM_BYTES / HUGE - DATA / HUGE + 3,
	   "before: no faults, %lu huge pages", huge[0]);
	id = attach(&vm);
	faults[1] = flip_faults(&vm, &huge[1]);
	ok(faults[1] >= 2 * FLIPS - 1 && huge[1] == huge[0] - 2,
	   "watched: %lu faults, %lu huge pages", faults[1], huge[1]);
	ok(!fz_device_detach(dev, id, &error), "detached");
	ok(!vm_stat(vm.fd, "pages_4k") && !vm_stat(vm.fd, "pages_2m"),
	   "KVM builds its tables anew");
	collapse(&vm);
	faults[2] = flip_faults(&vm, &huge[2]);
	ok(!faults[2] && huge[2] == huge[0], "after: %lu faults, %lu huge pages", faults[2],
	   huge[2]);
	vm_free(&vm);
}

/* Two VMs are watched. A third is not, and does not notice. */
static void test_third(void)
{
	uint64_t id[2], huge, before, faults;
	const struct log *log;
	struct vm vm[3];
	unsigned int i;
	size_t r;

	for (i = 0; i < 3; i++) {
		vm_new(&vm[i], 2);
		memset(vm[i].mem + HUGE, 0, MEM_BYTES - HUGE);
		/* All that will run is mapped: the third has nothing to fault for. */
		load_start(&vm[i], TARGETS, N, true);
		usleep(20000);
		ok(load_stop(&vm[i]) > 0, "VM %u runs", i);
	}
	before = vm_stat(vm[2].vcpu[0].fd, "pf_taken") + vm_stat(vm[2].vcpu[1].fd, "pf_taken");
	huge = vm_stat(vm[2].fd, "pages_2m");
	id[0] = attach(&vm[0]);
	id[1] = attach(&vm[1]);
	log_clear();
	for (i = 0; i < 3; i++)
		load_start(&vm[i], TARGETS, N, true);
	for (i = 0; i < 100; i++) {
		usleep(3000);
		log_read();
	}
	for (i = 0; i < 3; i++)
		ok(load_stop(&vm[i]) > 0, "VM %u runs, and right, as the others do", i);
	log = log_read();
	for (r = i = 0; r < log->n; r++)
		i += log->rec[r].type != FZ_REC_LOST && log->rec[r].vm != id[0] &&
		     log->rec[r].vm != id[1];
	ok(!i && log->n > 2 * (N + 4), "%zu records, none of the third", log->n);
	faults = vm_stat(vm[2].vcpu[0].fd, "pf_taken") + vm_stat(vm[2].vcpu[1].fd, "pf_taken");
	/* load_start() wrote its code anew, through entries of the VMM alone. */
	ok(faults == before, "the third took no fault: %lu, %lu before", faults, before);
	ok(vm_stat(vm[2].fd, "pages_2m") == huge, "and has its %lu huge pages", huge);
	finish(&vm[0], id[0]);
	finish(&vm[1], id[1]);
	vm_free(&vm[2]);
}

#define MANY		64
#define MANY_PAGES	20
#define STEP		2	/* pages in turn: 64 VMs' fit into 1 MiB of ring */

struct many {
	struct vm vm;
	uint64_t id, sum, rip, gpa;
	int error;
	pthread_t thread;
};

static int running;

static void *many_run(void *arg)
{
	struct many *m = arg;

	vcpu_start(&m->vm, 0, m->rip, m->gpa, STEP, 0);
	m->error |= vcpu_run(&m->vm, 0);
	m->sum += vcpu_rax(&m->vm, 0);
	__atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Run the same in all of them at once. */
static void many_step(struct many *m, uint64_t rip, uint64_t gpa)
{
	unsigned int i;

	running = MANY;
	for (i = 0; i < MANY; i++) {
		m[i].rip = rip;
		m[i].gpa = gpa;
		if (pthread_create(&m[i].thread, NULL, many_run, &m[i]))
			err(2, "pthread_create");
	}
	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE)) {
		log_read();
		usleep(500);
	}
	for (i = 0; i < MANY; i++)
		pthread_join(m[i].thread, NULL);
	log_read();
}

/* Many VMs at once: each has its own counts, exactly. */
static void test_many(void)
{
	struct many *m = calloc(MANY, sizeof(*m));
	unsigned int i, right = 0, whole = 0, clean = 0;
	struct fz_vm_desc *vms;
	struct fz_counters c;
	size_t n;

	if (!m)
		err(2, "calloc");
	for (i = 0; i < MANY; i++) {
		vm_new(&m[i].vm, 1);
		vm_small_pages(&m[i].vm);
		PUT(&m[i].vm, DRIVER(0), call_pages);
		PUT(&m[i].vm, DRIVER(1), flip_page);
		vm_put_targets(&m[i].vm, TARGETS, MANY_PAGES, i);
		m[i].id = attach(&m[i].vm);
	}
	ok(!fz_device_list(dev, &vms, &n, &error) && n == MANY, "%zu VMs are watched", n);
	free(vms);
	log_clear();
	for (i = 0; i < MANY_PAGES; i += STEP)
		many_step(m, DRIVER(0), TARGETS + i * PAGE);
	many_step(m, DRIVER(1), TARGETS);
	for (i = 0; i < MANY; i++)
		right += !m[i].error && m[i].sum == sum(i, MANY_PAGES);
	ok(right == MANY, "%u guests ran, and right", right);
	ok(!log_read()->lost && !log_read()->bad_hash, "%zu records", log_read()->n);
	for (i = 0; i < MANY; i++) {
		c = counters(m[i].id);
		whole += log_count(m[i].id, FZ_REC_EXEC) == MANY_PAGES + 2 &&
			 log_count(m[i].id, FZ_REC_WRITE) == STEP &&
			 log_count(m[i].id, FZ_REC_REEXEC) == STEP && adds_up(&c) && !c.errors;
		clean += !audit(m[i].id).violations;
	}
	ok(whole == MANY, "%u have their exact counts", whole);
	ok(clean == MANY, "%u have clean tables", clean);
	for (i = 0; i < MANY; i++) {
		if (i & 1 && fz_device_detach(dev, m[i].id, &error))
			errx(2, "detach: %s", error.text);
		vm_free(&m[i].vm);
	}
	for (i = 0; i < 100 && log_count(0, FZ_REC_VM_DIED) < MANY / 2; i++) {
		usleep(20000);
		log_read();
	}
	ok(log_count(0, FZ_REC_VM_DIED) == MANY / 2 && log_count(0, FZ_REC_VM_DETACH) == MANY / 2,
	   "%u were detached, %u died", log_count(0, FZ_REC_VM_DETACH),
	   log_count(0, FZ_REC_VM_DIED));
	free(m);
}

const struct test life_tests[] = {
	{ "detach", test_detach },
	{ "birth", test_birth },
	{ "encrypt", test_encrypt },
	{ "back", test_back },
	{ "third", test_third },
	{ "many", test_many },
	{ NULL, NULL }
};
