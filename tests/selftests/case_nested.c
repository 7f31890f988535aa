// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_nested.c - exact counts for guests of a guest
 */
#include <string.h>
#include "log.h"
#include "vmm_nested.h"

#define LONG	(FZ_MODE_PE | FZ_MODE_PG | FZ_MODE_PAE | FZ_MODE_LMA | FZ_MODE_CS_L)

/* How many records of @type are right in all fields, of L2 (@l2) or of L1? */
static unsigned int right(uint64_t id, enum nested_kind kind, enum fz_rec_type type, bool l2)
{
	const struct log *log = log_read();
	const struct fz_rec *r;
	unsigned int n = 0;
	uint64_t at;

	for (r = log->rec; r < log->rec + log->n; r++) {
		if (r->vm != id || r->type != type || !(r->flags & FZ_RECF_NESTED) == l2)
			continue;
		/* Data and code that L2 sees where L1 does not. */
		at = r->gfn * PAGE + (l2 && r->gfn >= TARGETS / PAGE ? L2_SHIFT : 0);
		if (type == FZ_REC_WRITE)
			at = l2 ? L2_FLIP : L1_WRITE;
		n += r->mode == (l2 ? LONG | FZ_MODE_GUEST : LONG) && !r->cpl && !r->as_id &&
		     r->cr3 == (l2 ? nested_cr3(kind) : TABLES) && r->rip / PAGE == at / PAGE;
	}
	return n;
}

/* @l1 and @l2 records of @type since log_clear(), all right, and nothing else. */
static void logged(uint64_t id, enum nested_kind kind, enum fz_rec_type type, unsigned int l1,
		   unsigned int l2, const char *what)
{
	unsigned int n1 = right(id, kind, type, false), n2 = right(id, kind, type, true);
	const struct log *log = log_read();
	const struct fz_rec *r;

	if (!ok(n1 == l1 && n2 == l2 && log->n == l1 + l2 && !log->bad_hash,
		"%s: %u records of L1, %u of L2", what, n1, n2))
		for (r = log->rec; r < log->rec + log->n; r++)
			diag("type %u flags %x gfn %llx rip %llx cr3 %llx mode %x cpl %u", r->type,
			     r->flags, r->gfn, r->rip, r->cr3, r->mode, r->cpl);
	log_clear();
}

static bool l1(struct vm *vm, uint64_t rip, uint64_t rdi, uint64_t rsi)
{
	vcpu_start(vm, 0, rip, rdi, rsi, 0);
	return !vcpu_run(vm, 0);
}

/* L1 shows L2 another frame behind the same address. */
static void remap(struct vm *vm, uint64_t id)
{
	uint64_t other = TARGETS + 2 * N * PAGE;

	vm_put_targets(vm, other, 1, 77);
	ok(l1(vm, L1_POKE, nested_entry(), nested_leaf(other)) &&
	   !nested_run(vm, L2_CALL, TARGETS + L2_SHIFT, 1) && vcpu_rax(vm, 0) == 77,
	   "L1 remaps a page, and L2 runs what is there now");
	log_read();
	ok(log_count(id, FZ_REC_EXEC) == 2, "the program that remaps, and the frame that L2 got");
	log_clear();
	ok(l1(vm, L1_POKE, nested_entry(), nested_leaf(TARGETS)) &&
	   !nested_run(vm, L2_CALL, TARGETS + L2_SHIFT, 1) && vcpu_rax(vm, 0) == 900,
	   "and back");
	logged(id, NESTED_SMALL, FZ_REC_EXEC, 0, 0, "which is known");
	ok(l1(vm, L1_POKE, nested_entry(), nested_leaf(TABLES + 2 * PAGE)) &&
	   l1(vm, L1_POKE, nested_entry(), nested_leaf(TARGETS)),
	   "L1 maps a page table to L2 and takes it back");
	log_clear();
}

static void nested(enum nested_kind kind)
{
	struct vm vm;
	uint64_t id;

	if (!nested_new(&vm, kind)) {
		skip("this host's guests cannot nest (parameter nested of kvm_amd, kvm_intel)");
		return;
	}
	id = attach(&vm);
	vm_put_targets(&vm, TARGETS, N, 7);
	log_clear();
	ok(!nested_run(&vm, L2_CALL, TARGETS + L2_SHIFT, N) && vcpu_rax(&vm, 0) == sum(7, N),
	   "a nested guest runs %u pages", N);
	logged(id, kind, FZ_REC_EXEC, 1, N + 1, "first executions");
	ok(!nested_run(&vm, L2_CALL, TARGETS + L2_SHIFT, N), "again");
	logged(id, kind, FZ_REC_EXEC, 0, 0, "no event");
	ok(l1(&vm, L1_CALL, TARGETS, N) && vcpu_rax(&vm, 0) == sum(7, N), "L1 runs them too");
	logged(id, kind, FZ_REC_EXEC, 1, 0, "its own caller is new, they are not");
	ok(l1(&vm, L1_WRITE, TARGETS, N), "L1 writes to them");
	log_read();
	ok(log_count(id, FZ_REC_EXEC) == 1, "by a new program");
	ok(right(id, kind, FZ_REC_WRITE, false) == N, "%u writes", N);
	log_clear();
	ok(!nested_run(&vm, L2_CALL, TARGETS + L2_SHIFT, N) && vcpu_rax(&vm, 0) == sum(7, N),
	   "and L2 runs them");
	logged(id, kind, FZ_REC_REEXEC, 0, N, "re-executions");

	ok(!nested_run(&vm, L2_FLIP, TARGETS + L2_SHIFT, FLIPS) && !vcpu_rax(&vm, 0),
	   "L2 rewrites and calls one, %u times", FLIPS);
	ok(right(id, kind, FZ_REC_WRITE, true) == FLIPS &&
	   right(id, kind, FZ_REC_REEXEC, true) == FLIPS && log_count(id, FZ_REC_EXEC) == 1 &&
	   log_read()->n == 2 * FLIPS + 1, "%u writes, as many re-executions", FLIPS);
	log_clear();

	vm_put_targets(&vm, TARGETS, N, 900);
	log_read();
	ok(log_count(id, FZ_REC_CHANGED) == N, "the VMM rewrites them: %u changed",
	   log_count(id, FZ_REC_CHANGED));
	log_clear();
	ok(!nested_run(&vm, L2_CALL, TARGETS + L2_SHIFT, N) && vcpu_rax(&vm, 0) == sum(900, N),
	   "L2 runs what the VMM wrote");
	logged(id, kind, FZ_REC_REEXEC, 0, N, "re-executions");
	if (kind == NESTED_SMALL)
		remap(&vm, id);
	finish(&vm, id);
}

static void test_shadow(void) { nested(NESTED_SHADOW); }
static void test_large(void) { nested(NESTED_LARGE); }
static void test_small(void) { nested(NESTED_SMALL); }

const struct test nested_tests[] = {
	{ "nested-shadow", test_shadow },
	{ "nested-large", test_large },
	{ "nested-small", test_small },
	{ NULL, NULL }
};
