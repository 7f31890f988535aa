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

const struct test modes_tests[] = {
	{ "modes", test_modes },
	{ NULL, NULL }
};
