// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_audit.c - the audit finds what was planted, all of it and nothing else
 *
 * Needs a module built with INJECT=1, which breaks its promise as often as it is told, and
 * takes VMs for encrypted ones.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "selftest.h"

#define PLANTED	10
#define EXEC_STATE	2	/* uapi: struct fz_audit_event */
#define DIRTY_STATE	3

/* What is to be found. */
static struct {
	__u64 first, last;	/* frames */
	__u32 level, state;
	unsigned int right, wrong;
} want;

static void watch(const struct fz_rec *rec)
{
	if (rec->type != FZ_REC_AUDIT)
		return;
	if (rec->gfn >= want.first && rec->gfn <= want.last && rec->u.audit.spte &&
	    rec->u.audit.level == want.level && rec->u.audit.state == want.state)
		want.right++;
	else
		want.wrong++;
}

/* fitzroy audit --vm ID: its exit code, and its lines about bad entries. */
static int tool_audit(uint64_t id, unsigned int *lines)
{
	char command[600], line[256];
	unsigned int level;
	uint64_t gfn, spte;
	FILE *f;
	int rc;

	snprintf(command, sizeof(command), "'%s' audit --vm %" PRIu64, tool(), id);
	f = popen(command, "r");
	if (!f)
		err(2, "popen");
	*lines = 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "  gfn 0x%" SCNx64 " level %u entry 0x%" SCNx64, &gfn, &level,
			   &spte) == 3)
			*lines += gfn >= want.first && gfn <= want.last &&
				  level == want.level && spte;
	rc = pclose(f);
	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static void begin(struct vm *vm, uint64_t *id, bool huge)
{
	vm_new(vm, 1);
	if (!huge && madvise(vm->mem, MEM_BYTES, MADV_NOHUGEPAGE))
		err(2, "MADV_NOHUGEPAGE");
	memset(vm->mem + TARGETS, 0, MEM_BYTES - TARGETS);
	*id = attach(vm);
	PUT(vm, DRIVER(0), call_pages);
	PUT(vm, DRIVER(1), write_pages);
	vm_put_targets(vm, TARGETS, N, 3);
	/* What the programs themselves need is mapped before anything is planted. */
	if (call(vm, 0, TARGETS + N / 2 * PAGE, 1) || call(vm, 0, TARGETS + N / 2 * PAGE, 1))
		errx(2, "the guest does not run");
	vcpu_start(vm, 0, DRIVER(1), MEM_BYTES - HUGE, 1, 0);
	if (vcpu_run(vm, 0))
		errx(2, "the guest does not run");
	ok(!audit(*id).violations, "nothing planted, nothing found");
	look(*id);
	memset(&want, 0, sizeof(want));
	each = watch;
}

static void end(struct vm *vm, uint64_t id, const char *name, unsigned int planted,
		__u64 gpa, __u64 bytes, __u32 level, __u32 state)
{
	struct fz_audit a;
	unsigned int lines;
	int rc;

	ok(param(name, 0) == 0, "%s: %u planted", name, planted);
	want.first = gpa / PAGE;
	want.last = (gpa + bytes - 1) / PAGE;
	want.level = level;
	want.state = state;
	a = audit(id);
	look(id);
	ok(a.violations == planted && want.right == planted && !want.wrong,
	   "found: %llu, logged with frame, level %u, entry and state: %u, others: %u",
	   a.violations, level, want.right, want.wrong);
	rc = tool_audit(id, &lines);
	ok(rc == 1 && lines == planted, "fitzroy audit says so, in %u lines, exit %d", lines, rc);
	ok(counters(id).violations == 2 * planted, "counted each time");

	want.right = want.wrong = 0;
	param("audit_ms", 50);
	usleep(400000);
	param("audit_ms", 0);
	usleep(100000);
	look(id);
	ok(want.right >= 2 * planted && want.right % planted == 0 && !want.wrong,
	   "and unasked, with audit_ms=50: %u records", want.right);
	each = NULL;
	if (fz_device_detach(dev, id, &error))
		errx(2, "detach: %s", error.text);
	vm_free(vm);
}

static void test_x(void)
{
	struct vm vm;
	uint64_t id;

	begin(&vm, &id, false);
	param("inject_x", PLANTED);
	vcpu_start(&vm, 0, DRIVER(1), DATA, PLANTED, 0);
	ok(!vcpu_run(&vm, 0), "data is written, in entries that keep X");
	end(&vm, id, "inject_x", PLANTED, DATA, HUGE, 1, 0);
}

static void test_x_huge(void)
{
	struct vm vm;
	uint64_t id;
	int i;

	begin(&vm, &id, true);
	param("inject_x_huge", 3);
	for (i = 0; i < 3; i++) {
		vcpu_start(&vm, 0, DRIVER(1), DATA + i * HUGE, 1, 0);
		if (vcpu_run(&vm, 0))
			break;
	}
	ok(i == 3, "data is written, in 2 MiB entries that keep X");
	end(&vm, id, "inject_x_huge", 3, DATA, 3 * HUGE, 2, 0);
}

static void test_w(void)
{
	struct vm vm;
	uint64_t id;

	begin(&vm, &id, false);
	param("inject_w", PLANTED);
	ok(!call(&vm, 0, TARGETS, PLANTED), "pages run, in entries that keep W");
	end(&vm, id, "inject_w", PLANTED, TARGETS, PLANTED * PAGE, 1, EXEC_STATE);
}

static void test_zap(void)
{
	struct vm vm;
	uint64_t id;

	begin(&vm, &id, false);
	ok(!call(&vm, 0, TARGETS, PLANTED), "pages run");
	look(id);
	param("inject_zap", PLANTED);
	vm_put_targets(&vm, TARGETS, PLANTED, 7);
	end(&vm, id, "inject_zap", PLANTED, TARGETS, PLANTED * PAGE, 1, DIRTY_STATE);
}

/* A large entry with W, of a second slot, outlives the first fetch through the first. */
static void test_zap_huge(void)
{
	__u64 alias = 1UL << 30;
	uint64_t id, *pdpt;
	struct vm vm;

	begin(&vm, &id, true);
	pdpt = (uint64_t *)(vm.mem + TABLES + PAGE);
	pdpt[1] = (TABLES + 3 * PAGE) | 0x67;
	memset(vm.mem + TABLES + 3 * PAGE, 0, PAGE);
	((uint64_t *)(vm.mem + TABLES + 3 * PAGE))[DATA / HUGE] = (alias + DATA) | 0xe7;
	if (vm_slot(&vm, 1, alias + DATA, HUGE, vm.mem + DATA, 0))
		err(2, "alias slot");
	vm_put_targets(&vm, DATA, 1, 3);
	vcpu_start(&vm, 0, DRIVER(1), alias + DATA, 1, 0);
	ok(!vcpu_run(&vm, 0), "data is written through one slot");
	look(id);
	param("inject_zap", 1);
	ok(!call(&vm, 0, DATA, 1), "and run through another");
	end(&vm, id, "inject_zap", 1, alias + DATA, HUGE, 2, EXEC_STATE);
}

const struct test audit_tests[] = {
	{ "audit-x", test_x },
	{ "audit-x-huge", test_x_huge },
	{ "audit-w", test_w },
	{ "audit-zap", test_zap },
	{ "audit-zap-huge", test_zap_huge },
	{ "encrypted", test_encrypted },
	{ NULL, NULL }
};
