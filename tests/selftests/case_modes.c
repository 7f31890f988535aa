// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_modes.c - exact counts in every operating mode
 */
#include <err.h>
#include <string.h>
#include <sys/ioctl.h>
#include "log.h"
#include "vmm_modes.h"

#define TIMES	10	/* rewrites of a page */

/* Do all records of a guest's own doing say what mode @m is? */
static bool fields_right(const struct log *log, uint64_t id, const struct mode *m)
{
	const struct fz_rec *r;
	bool right = true;
	uint64_t rip;

	for (r = log->rec; r < log->rec + log->n; r++) {
		if (r->vm != id || (r->type != FZ_REC_EXEC && r->type != FZ_REC_REEXEC &&
				    r->type != FZ_REC_WRITE))
			continue;
		rip = r->rip / PAGE * PAGE - m->linear;
		if (r->mode == m->is && r->cpl == (m->user ? 3 : 0) &&
		    r->cr3 == mode_cr3(m) && !r->as_id && !r->flags == (r->type == FZ_REC_WRITE) &&
		    rip == (r->type == FZ_REC_WRITE ? m->window + FLIPPER : r->gfn * PAGE))
			continue;
		diag("type %u gfn %llx rip %llx cr3 %llx mode %x cpl %u as %u flags %x", r->type,
		     r->gfn, r->rip, r->cr3, r->mode, r->cpl, r->as_id, r->flags);
		right = false;
	}
	return right;
}

static void one_mode(const struct mode *m)
{
	const struct log *log;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	if (!mode_supported(&vm, m)) {
		skip("%s: this host's guests do not have it", m->name);
		vm_free(&vm);
		return;
	}
	vm_small_pages(&vm);
	mode_set(&vm, m, 7);
	id = attach(&vm);
	log_clear();
	ok(!mode_run(&vm, m, CALLER, NCALLED) && mode_result(&vm, m) == sum(7, NCALLED),
	   "%s: %u pages run", m->name, NCALLED);
	log = log_read();
	ok(log_count(id, FZ_REC_EXEC) == NCALLED + 1 && log->n == NCALLED + 1,
	   "%s: with their caller %u first executions, and nothing else", m->name,
	   log_count(id, FZ_REC_EXEC));
	ok(!mode_run(&vm, m, CALLER, NCALLED) && mode_result(&vm, m) == sum(7, NCALLED) &&
	   log_read()->n == NCALLED + 1, "%s: again: no event", m->name);
	ok(!mode_run(&vm, m, FLIPPER, TIMES) && !mode_result(&vm, m),
	   "%s: one is rewritten and called, %u times", m->name, TIMES);
	log_read();
	ok(log_count(id, FZ_REC_EXEC) == NCALLED + 2 &&
	   log_count(id, FZ_REC_WRITE) == TIMES && log_count(id, FZ_REC_REEXEC) == TIMES &&
	   log->n == NCALLED + 2 + 2 * TIMES, "%s: %u writes, %u re-executions", m->name,
	   log_count(id, FZ_REC_WRITE), log_count(id, FZ_REC_REEXEC));
	ok(!log->bad_hash && fields_right(log, id, m),
	   "%s: digest, RIP, CR3, CPL and mode of each are right", m->name);
	finish(&vm, id);
}

static void test_modes(void)
{
	const struct mode *m;

	for (m = modes; m->name; m++)
		one_mode(m);
}

#define SMBASE		0x30000UL
#define SMRAM_BYTES	0x10000UL
#define SMM_HANDLER	0x8000UL
#define SMM_PAGES	7		/* that the handler calls, from SMBASE + PAGE on */
#define SMM_SLOT	(1U << 16)	/* slots of address space 1 */

/* mov $first + i, %al; ret: the same in any mode. */
static void put_short(uint8_t *mem, unsigned int n, uint8_t first)
{
	unsigned int i;

	for (i = 0; i < n; i++, mem += PAGE) {
		mem[0] = 0xb0;
		mem[1] = first + i;
		mem[2] = 0xc3;
	}
}

static void add_slot(struct vm *vm, unsigned int slot, uint64_t gpa, uint64_t bytes, void *mem)
{
	if (vm_slot(vm, slot, gpa, bytes, mem, 0))
		err(2, "slot 0x%x", slot);
}

/* Send an SMI: the handler runs, is looked at, and returns to a program that ends. */
static void smi(struct vm *vm, uint8_t first)
{
	bool ran, back;

	vcpu_start(vm, 0, DRIVER(0), TARGETS, 1, 0);
	if (ioctl(vm->vcpu[0].fd, KVM_SMI))
		err(2, "KVM_SMI");
	ran = !vcpu_run(vm, 0) && (uint16_t)vcpu_rax(vm, 0) == sum(first, SMM_PAGES);
	back = !vcpu_run(vm, 0) && vcpu_rax(vm, 0) == 3;
	ok(ran && back, "an SMI's handler runs %u pages, and the guest goes on", SMM_PAGES);
}

/* What the last smi() logged: @smm of @type in SMM, @plain in 64-bit mode, nothing else. */
static void smi_logged(uint64_t id, enum fz_rec_type type, unsigned int smm, unsigned int plain)
{
	const struct log *log = log_read();
	unsigned int in = 0, out = 0;
	const struct fz_rec *r;

	for (r = log->rec; r < log->rec + log->n; r++) {
		if (r->vm != id || r->rip / PAGE != r->gfn || r->cpl || r->cr3 != TABLES)
			continue;
		in += r->type == type && r->as_id == 1 && r->mode == FZ_MODE_SMM;
		out += r->type == FZ_REC_EXEC && !r->as_id && (r->mode & FZ_MODE_CS_L) &&
		       !(r->mode & FZ_MODE_SMM);
	}
	ok(in == smm && out == plain && log->n == in + out,
	   "%u in SMM, address space 1; %u in 64-bit mode; nothing else", in, out);
	if (log->n != in + out)
		for (r = log->rec; r < log->rec + log->n; r++)
			diag("type %u gfn %llx rip %llx cr3 %llx mode %x as %u", r->type,
			     r->gfn, r->rip, r->cr3, r->mode, r->as_id);
}

/* SMM code: in memory that both address spaces map, or that only SMM does. */
static void smm(bool shared)
{
	static uint8_t other[SMRAM_BYTES] __attribute__((aligned(4096)));
	const struct log *log;
	unsigned int i, tagged;
	uint8_t *smram;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	vm_small_pages(&vm);
	id = attach(&vm);
	log_clear();
	if (shared) {
		smram = vm.mem + SMBASE;
		add_slot(&vm, SMM_SLOT, 0, MEM_BYTES, vm.mem);
	} else {
		smram = other;
		memset(other, 0, sizeof(other));
		add_slot(&vm, SMM_SLOT, 0, SMBASE, vm.mem);
		add_slot(&vm, SMM_SLOT + 1, SMBASE, SMRAM_BYTES, other);
		add_slot(&vm, SMM_SLOT + 2, SMBASE + SMRAM_BYTES,
			 MEM_BYTES - SMBASE - SMRAM_BYTES, vm.mem + SMBASE + SMRAM_BYTES);
	}
	log = log_read();
	for (i = tagged = 0; i < log->n; i++)
		tagged += log->rec[i].type == FZ_REC_MEMSLOT && log->rec[i].as_id == 1;
	ok(tagged == (shared ? 1 : 3), "its slots are logged as of address space 1");
	memcpy(smram + SMM_HANDLER, smm_call, smm_call_end - smm_call);
	put_short(smram + PAGE, SMM_PAGES, 1);
	PUT(&vm, DRIVER(0), call_pages);
	PUT(&vm, DRIVER(1), write_pages);
	vm_put_targets(&vm, TARGETS, 1, 3);

	log_clear();
	smi(&vm, 1);
	smi_logged(id, FZ_REC_EXEC, SMM_PAGES + 1, 2);
	log_clear();
	smi(&vm, 1);
	smi_logged(id, FZ_REC_EXEC, 0, 0);

	if (!shared)
		put_short(vm.mem + SMBASE + PAGE, SMM_PAGES, 100);
	log_clear();
	ok(!call(&vm, 0, SMBASE + PAGE, SMM_PAGES) &&
	   vcpu_rax(&vm, 0) == sum(shared ? 1 : 100, SMM_PAGES),
	   "64-bit code calls what it sees there");
	smi_logged(id, FZ_REC_EXEC, 0, shared ? 0 : SMM_PAGES);
	vcpu_start(&vm, 0, DRIVER(1), SMBASE + PAGE, SMM_PAGES, 0);
	log_clear();
	ok(!vcpu_run(&vm, 0), "and writes there");
	log_read();
	ok(log_count(id, FZ_REC_WRITE) == SMM_PAGES, "%u writes", log_count(id, FZ_REC_WRITE));
	log_clear();
	smi(&vm, 1);
	smi_logged(id, FZ_REC_REEXEC, shared ? SMM_PAGES : 0, 0);
	finish(&vm, id);
}

static void test_smm(void) { smm(true); }
static void test_smram(void) { smm(false); }

const struct test modes_tests[] = {
	{ "modes", test_modes },
	{ "smm", test_smm },
	{ "smram", test_smram },
	{ NULL, NULL }
};
