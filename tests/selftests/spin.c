// SPDX-License-Identifier: GPL-2.0-only
/*
 * spin.c - a guest that runs and rewrites code, whatever becomes of the module
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "selftest.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25	/* Linux 6.1 */
#endif

static volatile sig_atomic_t report, watch;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		report = 1;
	else
		watch = 1;
}

static void nap(void)
{
	usleep(1000);
}

/* Each vCPU rewrites and calls a page of its own. */
static void one_round(struct vm *vm)
{
	unsigned int v;

	for (v = 0; v < vm->nvcpus; v++) {
		PUT(vm, DRIVER(v), flip_page);
		vm_put_targets(vm, TARGETS + v * PAGE, 1, 0);
		vcpu_start(vm, v, DRIVER(v), TARGETS + v * PAGE, 100, 0);
	}
	if (vm_run_all(vm, nap))
		errx(1, "the guest died");
	for (v = 0; v < vm->nvcpus; v++)
		if (vcpu_rax(vm, v))
			errx(1, "the guest ran what was not written last");
}

static uint64_t faults(struct vm *vm)
{
	return vm_stat(vm->vcpu[0].fd, "pf_taken") + vm_stat(vm->vcpu[1].fd, "pf_taken");
}

static void do_report(struct vm *vm)
{
	uint64_t before;

	/* What khugepaged does to the VMM's memory in its own time; not under a watch. */
	if (madvise(vm->mem + HUGE, HUGE, MADV_COLLAPSE) ||
	    madvise(vm->mem + TARGETS, HUGE, MADV_COLLAPSE))
		fprintf(stderr, "# MADV_COLLAPSE: %s\n", strerror(errno));
	PUT(vm, DRIVER(2), write_pages);
	vcpu_start(vm, 0, DRIVER(2), DATA, (MEM_BYTES - DATA) / PAGE, 0);
	if (vcpu_run(vm, 0))
		errx(1, "the guest died");
	one_round(vm);
	before = faults(vm);
	one_round(vm);
	printf("pages_2m %lu faults %lu\n", vm_stat(vm->fd, "pages_2m"), faults(vm) - before);
	fflush(stdout);
	report = 0;
}

static void do_watch(struct vm *vm)
{
	struct fz_attach a = { .size = sizeof(a), .vm_fd = vm->fd };
	int fd = open(FZ_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, FZ_IOC_ATTACH, &a))
		err(1, "attach");
	close(fd);
	printf("attached\n");
	fflush(stdout);
	watch = 0;
}

int spin(int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned long rounds = 0;
	struct vm vm;

	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	vm_new(&vm, 2);
	memset(vm.mem + HUGE, 0, MEM_BYTES - HUGE);
	do {
		one_round(&vm);
		if (watch)
			do_watch(&vm);
		if (report)
			do_report(&vm);
		rounds++;
	} while (time(NULL) < end);
	vm_free(&vm);
	printf("# %lu rounds\n", rounds);
	return 0;
}
