// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_life.c - VMs come and go
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "selftest.h"

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

const struct test life_tests[] = {
	{ "detach", test_detach },
	{ "birth", test_birth },
	{ "encrypt", test_encrypt },
	{ NULL, NULL }
};
