// SPDX-License-Identifier: GPL-2.0-only
/*
 * selftest.c - exact event counts for exact guest actions
 *
 * Runs on a host with fitzroy.ko loaded and nobody else watching. Prints TAP.
 *
 *	selftest [CASE...]
 *	selftest --spin SECONDS		(a guest only; needs no module)
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include <device.h>
#include "../unit/tap.h"
#include "vmm.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25	/* Linux 6.1 */
#endif

#define N	100	/* pages of a run */
#define FLIPS	50	/* writes to an executed page; 4 vCPUs' fit into 1 MiB of ring */

static struct fz_device *dev;
static struct fz_reader *reader;
static struct fz_error error;

/* What the records since the last look() said of one VM. */
static struct seen {
	__u64 vm;
	unsigned int count[16], late, bad_hash, bad_rip;
	__u64 lost, lost_execs;
	__u64 last_gfn;
	uint8_t last_page[PAGE];
} seen;

static int see(void *arg, const struct fz_rec *rec, struct fz_error *e)
{
	const uint8_t *page = fz_rec_page(rec);

	(void)arg;
	(void)e;
	if (rec->type == FZ_REC_LOST) {
		seen.lost += rec->u.lost.count;
		seen.lost_execs += rec->u.lost.execs;
		return 0;
	}
	if (rec->vm != seen.vm)
		return 0;
	seen.count[rec->type & 15]++;
	seen.late += !!(rec->flags & FZ_RECF_LATE);
	if (page) {
		seen.bad_hash += XXH64(page, PAGE, 0) != rec->hash;
		/* Identity-mapped: RIP lies in the frame that is fetched. */
		seen.bad_rip += rec->rip / PAGE != rec->gfn || rec->cpl != 0 ||
				rec->cr3 != TABLES || !(rec->mode & FZ_MODE_CS_L);
		memcpy(seen.last_page, page, PAGE);
		seen.last_gfn = rec->gfn;
	}
	return 0;
}

static void drain(void)
{
	if (fz_reader_drain(reader, see, NULL, &error) < 0)
		errx(2, "drain: %s", error.text);
}

/* Add what the rings hold to what the last look() began. */
static const struct seen *look_on(void)
{
	drain();
	return &seen;
}

static const struct seen *look(__u64 vm)
{
	memset(&seen, 0, sizeof(seen));
	seen.vm = vm;
	return look_on();
}

static uint64_t attach(struct vm *vm)
{
	uint64_t id;

	if (fz_device_attach(dev, vm->fd, 0, &id, &error))
		errx(2, "attach: %s", error.text);
	return id;
}

static struct fz_counters counters(__u64 id)
{
	struct fz_counters c;

	if (fz_device_stat(dev, id, &c, &error))
		errx(2, "counters: %s", error.text);
	return c;
}

/* The equation that holds in every run. */
static bool adds_up(const struct fz_counters *c)
{
	return c->grants == c->execs + c->reexecs + c->mixed + c->lost_execs;
}

static struct fz_audit audit(__u64 id)
{
	struct fz_audit a;

	if (fz_device_audit(dev, id, &a, &error))
		errx(2, "audit: %s", error.text);
	return a;
}

/* End a case: the counts add up, and the tables are as they should be. */
static void finish(struct vm *vm, __u64 id)
{
	struct fz_counters c = counters(id);
	struct fz_audit a = audit(id);

	ok(adds_up(&c), "grants %llu = logged + lost", c.grants);
	ok(!a.violations && !c.violations && !c.errors, "audit: no violation in %llu"
	   " entries, no internal error", a.leaves_4k + a.leaves_2m);
	if (fz_device_detach(dev, id, &error))
		errx(2, "detach: %s", error.text);
	vm_free(vm);
	look(id);
}

static int call(struct vm *vm, unsigned int v, __u64 gpa, __u64 n)
{
	vcpu_start(vm, v, DRIVER(v), gpa, n, 0);
	return vcpu_run(vm, v);
}

static __u64 sum(__u64 first, __u64 n)
{
	return n * first + n * (n - 1) / 2;
}

/* N pages called once are N first executions; called again, none. */
static void test_once(void)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 7);

	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(7, N), "the guest ran");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == N + 1, "%u pages and their caller: %u first executions",
	   N, s->count[FZ_REC_EXEC]);
	ok(!s->bad_hash && !s->bad_rip, "digest, RIP, CR3, CPL and mode of each are right");
	ok(s->last_gfn == TARGETS / PAGE + N - 1 &&
	   !memcmp(s->last_page, vm.mem + s->last_gfn * PAGE, PAGE), "the last snapshot is the page");
	ok(!s->count[FZ_REC_REEXEC] && !s->count[FZ_REC_WRITE] && !s->count[FZ_REC_MIXED],
	   "and nothing else");

	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(7, N), "again");
	s = look(id);
	ok(!s->count[FZ_REC_EXEC] && !s->count[FZ_REC_REEXEC], "called again: no event");
	finish(&vm, id);
}

/* A write between calls is one write and one re-execution each time. */
static void flips(unsigned int nvcpus)
{
	const struct seen *s;
	unsigned int v;
	struct vm vm;
	uint64_t id, wrong = 0;

	vm_new(&vm, nvcpus);
	id = attach(&vm);
	for (v = 0; v < nvcpus; v++) {
		PUT(&vm, DRIVER(v), flip_page);
		vm_put_targets(&vm, TARGETS + v * PAGE, 1, 0);
		vcpu_start(&vm, v, DRIVER(v), TARGETS + v * PAGE, FLIPS + 1, 0);
	}
	look(id);
	ok(!vm_run_all(&vm, drain), "%u vCPUs rewrite and call a page each, %u times", nvcpus, FLIPS);
	for (v = 0; v < nvcpus; v++)
		wrong += vcpu_rax(&vm, v);
	ok(!wrong, "each call ran what was written last");
	s = look_on();
	ok(s->count[FZ_REC_EXEC] == 2 * nvcpus, "%u first executions", s->count[FZ_REC_EXEC]);
	ok(s->count[FZ_REC_WRITE] == nvcpus * FLIPS, "%u writes", s->count[FZ_REC_WRITE]);
	ok(s->count[FZ_REC_REEXEC] == nvcpus * FLIPS, "%u re-executions",
	   s->count[FZ_REC_REEXEC]);
	ok(!s->bad_hash && !s->bad_rip && !s->count[FZ_REC_MIXED], "all as they should be");
	finish(&vm, id);
}

static void test_flip_1(void) { flips(1); }
static void test_flip_2(void) { flips(2); }
static void test_flip_4(void) { flips(4); }

/* Pages shared by all vCPUs: the first to fetch is logged, once. */
static void test_shared(void)
{
	const struct seen *s;
	unsigned int v;
	struct vm vm;
	uint64_t id;
	bool right = true;

	vm_new(&vm, 4);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 7);
	for (v = 0; v < 4; v++)
		vcpu_start(&vm, v, DRIVER(0), TARGETS, N, 0);
	look(id);
	ok(!vm_run_all(&vm, drain), "4 vCPUs call the same pages");
	for (v = 0; v < 4; v++)
		right = right && vcpu_rax(&vm, v) == sum(7, N);
	ok(right, "with the right result");
	s = look_on();
	ok(s->count[FZ_REC_EXEC] == N + 1, "%u first executions", s->count[FZ_REC_EXEC]);
	ok(!s->count[FZ_REC_REEXEC] && !s->count[FZ_REC_MIXED], "and nothing else");
	finish(&vm, id);
}

/* A page that writes to itself ends, as mixed, and the guest goes on. */
static void test_self(void)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	id = attach(&vm);
	PUT(&vm, TARGETS, write_self);
	vcpu_start(&vm, 0, TARGETS, 0, 1000, 0);
	ok(!vcpu_run(&vm, 0) && vcpu_rax(&vm, 0) == 1000, "a page that writes to itself ends");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == 1 && s->count[FZ_REC_MIXED] >= 1,
	   "one first execution, %u mixed", s->count[FZ_REC_MIXED]);
	ok(s->count[FZ_REC_REEXEC] == 0, "no re-execution before it");

	/* Its time up, it is captured anew, and then behaves. */
	usleep(200000);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS + PAGE, 1, 5);
	ok(!call(&vm, 0, TARGETS + PAGE, 1) && vcpu_rax(&vm, 0) == 5, "the guest goes on");
	ok(!audit(id).violations, "X and W are apart again");
	finish(&vm, id);
}

/* Does KVM keep small what it split for an executable page, until its own recovery? */
static bool nx_huge_pages(void)
{
	char value = 'N';
	int fd = open("/sys/module/kvm/parameters/nx_huge_pages", O_RDONLY);

	if (fd >= 0) {
		if (read(fd, &value, 1) != 1)
			value = 'N';
		close(fd);
	}
	return value == 'Y' || value == 'f';
}

/* Regions that hold only data stay huge, and one whose code is gone becomes so again. */
static void test_huge(void)
{
	__u64 pages = (MEM_BYTES - DATA) / PAGE, regions = (MEM_BYTES - DATA) / HUGE;
	struct fz_audit a;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	/* All of it is there, as 2 MiB pages, before the guest looks. */
	memset(vm.mem + TARGETS, 0, MEM_BYTES - TARGETS);
	id = attach(&vm);
	/* The stack and the code have their entries before the count. */
	PUT(&vm, DRIVER(1), call_pages);
	vm_put_targets(&vm, TARGETS, 1, 1);
	vcpu_start(&vm, 0, DRIVER(1), TARGETS, 1, 0);
	ok(!vcpu_run(&vm, 0), "the guest runs code elsewhere");
	PUT(&vm, DRIVER(0), write_pages);
	ok(!call(&vm, 0, DATA, pages), "the guest writes to %llu MiB of data",
	   regions * 2);
	a = audit(id);
	ok(a.leaves_2m >= regions, "%llu of %llu regions are 2 MiB entries",
	   a.leaves_2m, regions);

	vm_put_targets(&vm, DATA, N, 1);
	vcpu_start(&vm, 0, DRIVER(1), DATA, N, 0);
	ok(!vcpu_run(&vm, 0), "then runs code in one of them");
	ok(audit(id).leaves_2m == a.leaves_2m - 1, "which alone is split");

	ok(!call(&vm, 0, DATA, N), "the code is overwritten");
	sleep(4);
	/* What khugepaged does to the VMM's memory in its own time. */
	if (madvise(vm.mem + DATA, HUGE, MADV_COLLAPSE))
		diag("MADV_COLLAPSE: %s", strerror(errno));
	ok(!call(&vm, 0, DATA, 512), "and after a while the region is used again");
	if (nx_huge_pages())
		ok(audit(id).leaves_2m == a.leaves_2m - 1, "left small to KVM's NX recovery");
	else
		ok(audit(id).leaves_2m == a.leaves_2m, "as a 2 MiB entry");
	finish(&vm, id);
}

/* One frame behind two addresses has one state. */
static void test_alias(void)
{
	__u64 alias = 1UL << 30;
	const struct seen *s;
	struct vm vm;
	uint64_t id, *pdpt;

	vm_new(&vm, 1);
	id = attach(&vm);
	/* The second GiB of the guest maps the first again, through a second slot. */
	pdpt = (uint64_t *)(vm.mem + TABLES + PAGE);
	pdpt[1] = (TABLES + 3 * PAGE) | 0x67;
	memset(vm.mem + TABLES + 3 * PAGE, 0, PAGE);
	((uint64_t *)(vm.mem + TABLES + 3 * PAGE))[TARGETS / HUGE] = (alias + TARGETS) | 0xe7;
	if (vm_slot(&vm, 1, alias + TARGETS, HUGE, vm.mem + TARGETS, 0))
		err(2, "alias slot");

	PUT(&vm, DRIVER(0), call_pages);
	PUT(&vm, DRIVER(1), write_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N), "pages run through one slot");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == N + 1 && s->count[FZ_REC_MEMSLOT] == 1,
	   "%u first executions, a slot change", s->count[FZ_REC_EXEC]);
	vcpu_start(&vm, 0, DRIVER(1), alias + TARGETS, N, 0);
	ok(!vcpu_run(&vm, 0), "are written through the other");
	s = look(id);
	ok(s->count[FZ_REC_WRITE] == N, "%u writes", s->count[FZ_REC_WRITE]);
	ok(!call(&vm, 0, TARGETS, N), "and run again");
	s = look(id);
	ok(s->count[FZ_REC_REEXEC] == N, "%u re-executions", s->count[FZ_REC_REEXEC]);
	finish(&vm, id);
}

/* A slot that goes takes what is known of its frames with it. */
static void test_slot(void)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;
	int i;

	vm_new(&vm, 1);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N), "pages run");
	look(id);
	for (i = 0; i < 3; i++) {
		if (vm_slot(&vm, 0, 0, 0, vm.mem, 0))
			err(2, "delete slot");
		/* While it is gone its owner changes it, seen by nobody. */
		vm_put_targets(&vm, TARGETS, N, 100 + i);
		if (vm_slot(&vm, 0, 0, MEM_BYTES, vm.mem, 0))
			err(2, "add slot");
		ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(100 + i, N),
		   "run again after their slot was removed, changed and added");
		s = look(id);
		ok(s->count[FZ_REC_REEXEC] == N + 1 && s->count[FZ_REC_MEMSLOT] == 2,
		   "%u re-executions, %u slot changes", s->count[FZ_REC_REEXEC],
		   s->count[FZ_REC_MEMSLOT]);
	}
	finish(&vm, id);
}

/* The host takes the memory away: what comes back is captured anew. */
static void test_discard(void)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N), "pages run");
	look(id);
	if (madvise(vm.mem + TARGETS, N * PAGE, MADV_DONTNEED))
		err(2, "MADV_DONTNEED");
	s = look(id);
	ok(s->count[FZ_REC_CHANGED] == N, "MADV_DONTNEED: %u changed", s->count[FZ_REC_CHANGED]);
	vm_put_targets(&vm, TARGETS, N, 9);
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(9, N), "run again, new");
	s = look(id);
	ok(s->count[FZ_REC_REEXEC] == N, "%u re-executions", s->count[FZ_REC_REEXEC]);
	finish(&vm, id);
}

/* KVM's own write to an executed frame. */
static void test_kvm_write(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { { .nmsrs = 1 }, { .index = 0x11, .data = TARGETS + 2048 } };
	const struct seen *s;
	struct vm vm;
	uint64_t id;

	vm_new(&vm, 1);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, 1, 3);
	ok(!call(&vm, 0, TARGETS, 1), "a page runs");
	look(id);
	ok(ioctl(vm.vcpu[0].fd, KVM_SET_MSRS, &msrs) == 1, "KVM writes the wall clock into it");
	usleep(100000);
	ok(!call(&vm, 0, TARGETS, 1), "it runs again");
	s = look(id);
	ok(s->count[FZ_REC_CHANGED] >= 1 && s->count[FZ_REC_REEXEC] == 1,
	   "%u changed, %u re-execution", s->count[FZ_REC_CHANGED], s->count[FZ_REC_REEXEC]);
	ok(!memcmp(s->last_page, vm.mem + TARGETS, PAGE), "of what KVM wrote");
	finish(&vm, id);
}

/*
 * The VMM rewrites executed pages through its own mapping, small or huge, and the
 * kernel does so for it: each write is seen before the guest runs a byte of it.
 */
static void host_writes(bool huge)
{
	const struct seen *s;
	struct vm vm;
	uint64_t id;
	int i, pipes[2];

	vm_new(&vm, 1);
	if (!huge && madvise(vm.mem, MEM_BYTES, MADV_NOHUGEPAGE))
		err(2, "MADV_NOHUGEPAGE");
	memset(vm.mem + TARGETS, 0, HUGE);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(3, N), "pages run");
	s = look(id);
	ok(s->count[FZ_REC_EXEC] == N + 1, "%u first executions", s->count[FZ_REC_EXEC]);
	for (i = 0; i < 3; i++) {
		vm_put_targets(&vm, TARGETS, N, 1000 * i);
		s = look(id);
		ok(s->count[FZ_REC_CHANGED] == N, "the VMM rewrites them: %u changed",
		   s->count[FZ_REC_CHANGED]);
		vm_put_targets(&vm, TARGETS, N, 1000 * i + 5);
		ok(!look(id)->count[FZ_REC_CHANGED], "again, before they run: no event");
		ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(1000 * i + 5, N),
		   "they run, as written last");
		s = look(id);
		ok(s->count[FZ_REC_REEXEC] == N && !s->bad_hash &&
		   !memcmp(s->last_page, vm.mem + s->last_gfn * PAGE, PAGE),
		   "%u re-executions, of what the VMM wrote", s->count[FZ_REC_REEXEC]);
	}

	/* As a device model does it: read(2) into guest memory. */
	if (pipe(pipes) || write(pipes[1], "\xb8\x2a\0\0\0\xc3", 6) != 6 ||
	    read(pipes[0], vm.mem + TARGETS, 6) != 6)
		err(2, "pipe");
	close(pipes[0]);
	close(pipes[1]);
	ok(look(id)->count[FZ_REC_CHANGED] == 1, "read(2) into one: 1 changed");
	ok(!call(&vm, 0, TARGETS, 1) && vcpu_rax(&vm, 0) == 42, "it runs");
	ok(look(id)->count[FZ_REC_REEXEC] == 1, "and is captured anew");
	finish(&vm, id);
}

static void test_host_small(void) { host_writes(false); }
static void test_host_huge(void) { host_writes(true); }

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

/* A full ring: nothing is lost silently, and what was lost is logged later. */
static void test_full(void)
{
	__u64 room = fz_device_info(dev)->ring_bytes / (sizeof(struct fz_rec) + PAGE);
	__u64 n = room + 50, lost, execs, late;
	const struct seen *s;
	struct fz_counters c;
	cpu_set_t all, one;
	struct vm vm;
	uint64_t id;

	if ((TARGETS + n * PAGE) > DATA + HUGE * 8) {
		skip("the ring is too large: load the module with ring_kib=1024 or less");
		return;
	}
	/* One CPU, one ring: else the other takes what this one has no room for. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_getaffinity(0, sizeof(all), &all) || sched_setaffinity(0, sizeof(one), &one))
		err(2, "sched_setaffinity");
	vm_new(&vm, 1);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, n, 3);
	ok(!call(&vm, 0, TARGETS, n) && vcpu_rax(&vm, 0) == sum(3, n),
	   "%llu pages run, with room for %llu", n, room);
	c = counters(id);
	ok(c.grants == n + 1 && c.lost_execs >= 50 && adds_up(&c),
	   "%llu grants, %llu lost", c.grants, c.lost_execs);

	s = look(id);
	usleep(300000);
	ok(!call(&vm, 0, TARGETS, n), "they run again when there is room");
	s = look_on();
	lost = s->lost;
	late = s->late;
	execs = s->count[FZ_REC_EXEC] - late;
	ok(s->lost_execs == c.lost_execs && lost == c.lost, "LOST says %llu of %llu"
	   " records were executions", s->lost_execs, lost);
	ok(execs + late == n + 1, "%llu logged at first, %llu late: all", execs, late);
	ok(!fz_reader_seq(reader)->ngaps, "and no number is missing");
	finish(&vm, id);
	sched_setaffinity(0, sizeof(all), &all);
}

/* A captured frame can be read back; one that is not, not. */
static void test_read(void)
{
	static uint8_t buf[PAGE];
	struct fz_read r = { .size = sizeof(r), .gfn = TARGETS / PAGE, .buf = (uintptr_t)buf };
	int fd = fz_device_fd(dev);
	struct vm vm;

	vm_new(&vm, 1);
	r.id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, 2, 3);
	ok(!call(&vm, 0, TARGETS, 1), "a page runs");
	ok(!ioctl(fd, FZ_IOC_READ, &r) && !memcmp(buf, vm.mem + TARGETS, PAGE) &&
	   r.hash == XXH64(buf, PAGE, 0), "it is read back, with its digest");
	r.gfn++;
	ok(ioctl(fd, FZ_IOC_READ, &r) && errno == ENODATA, "one that did not run: ENODATA");
	r.gfn = 1ULL << 40;
	ok(ioctl(fd, FZ_IOC_READ, &r) && errno == ENODATA, "one that does not exist: ENODATA");
	r.gfn = TARGETS / PAGE;
	r.buf = 8;
	ok(ioctl(fd, FZ_IOC_READ, &r) && errno == EFAULT, "a bad buffer: EFAULT");
	vm.mem[TARGETS + 100]++;
	r.buf = (uintptr_t)buf;
	ok((ioctl(fd, FZ_IOC_READ, &r) && (errno == ESTALE || errno == ENODATA)),
	   "one that its VMM changed meanwhile: not returned as captured");
	finish(&vm, r.id);
}

/* What the contract says of bad input. */
static void test_abi(void)
{
	struct { struct fz_barrier b; __u64 more; } big = { .b.size = sizeof(big) };
	struct fz_barrier barrier = { .size = sizeof(barrier) };
	struct fz_attach a = { .size = sizeof(a), .vm_fd = -1 };
	struct fz_stat stat = { .size = sizeof(stat), .id = 1ULL << 40 };
	int fd = fz_device_fd(dev), other, null;
	struct vm vm;
	uint64_t id;
	void *map;
	pid_t pid;

	ok(!ioctl(fd, FZ_IOC_BARRIER, &barrier) && barrier.time, "barrier");
	ok(!ioctl(fd, FZ_IOC_BARRIER, &big), "a larger structure, zero at the end, is taken");
	big.more = 1;
	ok(ioctl(fd, FZ_IOC_BARRIER, &big) && errno == E2BIG, "not zero: E2BIG");
	barrier.flags = 1;
	ok(ioctl(fd, FZ_IOC_BARRIER, &barrier) && errno == EINVAL, "an unknown flag: EINVAL");
	barrier.size = 4;
	ok(ioctl(fd, FZ_IOC_BARRIER, &barrier) && errno == EINVAL, "too small: EINVAL");
	ok(ioctl(fd, FZ_IOC_BARRIER, NULL) && errno == EFAULT, "no pointer: EFAULT");
	ok(ioctl(fd, _IO(FZ_IOC_MAGIC, 99), &barrier) && errno == ENOTTY, "no such ioctl: ENOTTY");

	ok(ioctl(fd, FZ_IOC_ATTACH, &a) && errno == EBADF, "attach of no file: EBADF");
	null = open("/dev/null", O_RDWR);
	a.vm_fd = null;
	ok(ioctl(fd, FZ_IOC_ATTACH, &a) && errno == ENOTTY, "of /dev/null: ENOTTY");
	a.flags = 1U << 30;
	ok(ioctl(fd, FZ_IOC_ATTACH, &a) && errno == EINVAL, "with an unknown flag: EINVAL");
	close(null);
	vm_new(&vm, 1);
	id = attach(&vm);
	ok(fz_device_attach(dev, vm.fd, 0, &id, &error) == -EALREADY, "twice: EALREADY");
	ok(ioctl(fd, FZ_IOC_STAT, &stat) && errno == ENOENT, "counters of no VM: ENOENT");

	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   fz_device_info(dev)->ring_offset);
	ok(map == MAP_FAILED && (errno == EACCES || errno == EINVAL),
	   "a ring cannot be mapped for writing");
	other = open(FZ_DEVICE, O_RDWR);
	map = mmap(NULL, fz_device_info(dev)->consumer_bytes, PROT_READ | PROT_WRITE,
		   MAP_SHARED, other, 0);
	ok(map == MAP_FAILED && errno == EBUSY, "a second reader: EBUSY");
	close(other);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (setuid(65534))
			_exit(9);
		_exit(open(FZ_DEVICE, O_RDWR) < 0 && errno == EACCES ? 0 : 1);
	}
	waitpid(pid, &null, 0);
	ok(WIFEXITED(null) && !WEXITSTATUS(null), "another user cannot open the device");
	finish(&vm, id);
}

/* A reader that lies about its position loses records, and does no other harm. */
static void test_hostile(void)
{
	const struct fz_info *info = fz_device_info(dev);
	struct fz_consumer *consumers;
	__u64 saved, before;
	struct vm vm;
	uint64_t id;

	consumers = mmap(NULL, info->consumer_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fz_device_fd(dev), info->consumer_offset);
	if (consumers == MAP_FAILED)
		err(2, "mmap");
	vm_new(&vm, 1);
	id = attach(&vm);
	look(id);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	before = counters(0).lost;
	saved = consumers[0].pos;
	for (unsigned int cpu = 0; cpu < info->cpus; cpu++)
		consumers[cpu].pos += 1ULL << 40;
	ok(!call(&vm, 0, TARGETS, N), "the guest runs while the reader lies");
	for (unsigned int cpu = 0; cpu < info->cpus; cpu++)
		consumers[cpu].pos -= 1ULL << 40;
	ok(consumers[0].pos == saved && counters(0).lost - before >= N, "all is counted as lost");
	usleep(300000);
	ok(!call(&vm, 0, TARGETS, N), "and it runs again");
	ok(look(id)->late == N + 1, "which is logged late");
	munmap(consumers, info->consumer_bytes);
	finish(&vm, id);
}

static const struct test {
	const char *name;
	void (*fn)(void);
} tests[] = {
	{ "once", test_once },		{ "flip-1", test_flip_1 },
	{ "flip-2", test_flip_2 },	{ "flip-4", test_flip_4 },
	{ "shared", test_shared },	{ "self", test_self },
	{ "huge", test_huge },		{ "alias", test_alias },
	{ "slot", test_slot },		{ "discard", test_discard },
	{ "kvm-write", test_kvm_write }, { "detach", test_detach },
	{ "birth", test_birth },	{ "full", test_full },
	{ "read", test_read },		{ "abi", test_abi },
	{ "hostile", test_hostile },	{ "host-small", test_host_small },
	{ "host-huge", test_host_huge }, { "encrypt", test_encrypt },
};

static bool selected(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc == 1;
}

static void nap(void)
{
	usleep(1000);
}

/* A guest that runs and rewrites code for a while, whatever becomes of the module. */
static int spin(int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned long rounds = 0;
	struct vm vm;
	unsigned int v;

	vm_new(&vm, 2);
	do {
		for (v = 0; v < 2; v++) {
			PUT(&vm, DRIVER(v), flip_page);
			vm_put_targets(&vm, TARGETS + v * PAGE, 1, 0);
			vcpu_start(&vm, v, DRIVER(v), TARGETS + v * PAGE, 100, 0);
		}
		if (vm_run_all(&vm, nap))
			errx(1, "the guest died");
		if (vcpu_rax(&vm, 0) || vcpu_rax(&vm, 1))
			errx(1, "the guest ran what was not written last");
		rounds++;
	} while (time(NULL) < end);
	vm_free(&vm);
	printf("# %lu rounds\n", rounds);
	return 0;
}

int main(int argc, char **argv)
{
	static struct vm idle;
	size_t i;

	if (argc == 3 && !strcmp(argv[1], "--spin"))
		return spin(atoi(argv[2]));
	if (fz_device_open(&dev, &error) || fz_device_reader(dev, false, &reader, &error))
		errx(2, "%s", error.text);
	look(0);
	/*
	 * As long as there is a VM, KVM's static keys stay as they are: emulators
	 * with a thread per CPU may trip over code that is patched under load.
	 */
	vm_new(&idle, 1);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!selected(tests[i].name, argc, argv))
			continue;
		diag("%s", tests[i].name);
		tests[i].fn();
	}
	vm_free(&idle);
	fz_device_close(dev);
	return done();
}
