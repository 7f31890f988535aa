// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress_run.c - one case: a VM, its vCPUs, who disturbs them, and the verdict
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "again.h"
#include "stress.h"

#define HANG_SECONDS	60
#define FLIPS_LEAST	50	/* whatever the time it takes, or nothing is shown */
#define IA32_SMBASE	0x9e

/* The clock of the records. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static double now(void)
{
	return now_ns() / 1e9;
}

uint64_t rnd(struct stress *s)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return s->rng >> 16;
}

uint64_t frame_gpa(unsigned int f)
{
	if (f >= FRAMES)
		return SMBASE(f - FRAMES) + 0x8000;
	/* In turn from each region; neighbours in it, which KVM may map at once. */
	return TARGETS + f % FRAME_REGIONS * HUGE + f / FRAME_REGIONS * PAGE;
}

uint8_t *frame_mem(struct stress *s, unsigned int f)
{
	return s->vm.mem + frame_gpa(f);
}

int frame_of(uint64_t gpa)
{
	unsigned int f;

	if (gpa >= ALIAS)
		gpa = gpa - ALIAS + TARGETS;
	for (f = 0; f < FRAMES + SMM_FRAMES; f++)
		if (frame_gpa(f) == (gpa & ~(PAGE - 1)))
			return f;
	return -1;
}

static void put_smm(struct stress *s, void *page)
{
	unsigned int b;

	for (b = 0; b < BLOCKS; b++) {
		_Atomic uint64_t *word = (void *)((uint8_t *)page + b * BLOCK);

		/* mov $LABEL, %eax; addr32 stos %eax, (%edi); jmp, or rsm */
		atomic_store(&word[0], 0x666700000000b866 | ((rnd(s) & 0xffffffff) | 1) << 16);
		atomic_store(&word[1], b == BLOCKS - 1 ? 0xaa0fab : 0x00f4e9ab);
	}
}

void put_frame(struct stress *s, void *page, unsigned int f, bool whole)
{
	unsigned int i, b = rnd(s) % BLOCKS, n = whole ? BLOCKS : 1 + rnd(s) % BLOCKS;
	_Atomic uint64_t *word;

	/* The tail: ret, or mov %rax, the label of block 14; ret. */
	word = (void *)((uint8_t *)page + (BLOCKS - 1) * BLOCK + 32);
	if (whole)
		atomic_store(&word[0], s->test->mixed && f < 2 ? 0xc3fffffee1058948 : 0xc3);
	for (i = 0; i < n; i++, b = (b + 1) % BLOCKS) {
		word = (void *)((uint8_t *)page + b * BLOCK);
		atomic_store(&word[0], 0xb8480000441f0f66);
		atomic_store(&word[1], (rnd(s) << 16 | 1ULL << 63) & ~(1ULL << 62));
		atomic_store(&word[2], b == BLOCKS - 1 ? 0x0cebab48 : 0xe9e9ab48);
	}
}

/* Exceptions end a call: every vector leads to stress_fault. */
static void put_descriptors(struct vm *vm, unsigned int v)
{
	uint64_t at = DRIVER(0) + (stress_fault - stress_guest);
	uint64_t *idt = (uint64_t *)(vm->mem + IDT), *gdt = (uint64_t *)(vm->mem + GDT);
	struct kvm_sregs sregs;
	int i;

	for (i = 0; i < 32; i++) {
		idt[2 * i] = (at & 0xffff) | 8ULL << 16 | 0x8eULL << 40 | (at >> 16 & 0xffff) << 48;
		idt[2 * i + 1] = at >> 32;
	}
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	if (ioctl(vm->vcpu[v].fd, KVM_GET_SREGS, &sregs))
		err(2, "KVM_GET_SREGS");
	sregs.idt.base = IDT;
	sregs.idt.limit = 32 * 16 - 1;
	sregs.gdt.base = GDT;
	sregs.gdt.limit = 23;
	if (ioctl(vm->vcpu[v].fd, KVM_SET_SREGS, &sregs))
		err(2, "KVM_SET_SREGS");
}

/* The second GiB shows the frames' regions again; a slot of its own makes it so. */
static void put_alias_tables(struct vm *vm)
{
	uint64_t *pdpt = (uint64_t *)(vm->mem + TABLES + PAGE);
	uint64_t *pd = (uint64_t *)(vm->mem + TABLES + 3 * PAGE);
	unsigned int i;

	pdpt[1] = (TABLES + 3 * PAGE) | 0x67;
	memset(pd, 0, PAGE);
	for (i = 0; i < FRAME_REGIONS; i++)
		pd[i] = (ALIAS + i * HUGE) | 0xe7;
}

static void setup_smm(struct stress *s, unsigned int v)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { { .nmsrs = 1 }, { .index = IA32_SMBASE, .data = SMBASE(v) } };

	if (ioctl(s->vm.vcpu[v].fd, KVM_SET_MSRS, &msrs) != 1)
		err(2, "MSR_IA32_SMBASE");
	put_smm(s, frame_mem(s, FRAMES + v));
}

static void setup_vcpu(struct stress *s, unsigned int v)
{
	/* Who writes seldom stays in the guest for long, and keeps what its TLB holds. */
	static const uint8_t writes[MAX_VCPUS] = { 2, 96, 32, 160 };
	const struct stress_case *t = s->test;
	struct stress_params *p = (void *)(s->vm.mem + PARAMS(v));
	bool alias = !strcmp(t->name, "alias") && (v & 1);
	unsigned int f;

	*p = (struct stress_params) {
		.mask = FRAMES - 1,
		.writes = t->writes ?: writes[v],
		.ops = t->ops ?: 32,
		.log = LOG(v),
		.smm_log = SMM_LOG(v),
		.smm = t->smm ? frame_gpa(FRAMES) : 0,
		.smm_mask = s->vm.nvcpus - 1,
	};
	for (f = 0; f < FRAMES; f++)
		p->frame[f] = alias ? frame_gpa(f) - TARGETS + ALIAS : frame_gpa(f);
	if (t->smm)
		setup_smm(s, v);
	put_descriptors(&s->vm, v);
	vcpu_start(&s->vm, v, DRIVER(0), PARAMS(v), s->seed * 4 + v + 1, 0);
	if (ioctl(s->vm.vcpu[v].fd, KVM_SET_REGS, &s->vm.vcpu[v].regs))
		err(2, "KVM_SET_REGS");
	s->side[v].queue = calloc(QUEUE, sizeof(struct ran));
	if (!s->side[v].queue)
		err(2, "calloc");
}

static void push(struct vcpu_side *side, const struct ran *ran)
{
	unsigned int head = atomic_load(&side->head);

	while (head - atomic_load(&side->tail) == QUEUE) {
		if (side->s->stop)
			return;
		usleep(200);
	}
	side->queue[head % QUEUE] = *ran;
	atomic_store(&side->head, head + 1);
}

/* Take a batch's calls out of the guest's log; false if it makes no sense. */
static bool take_log(struct vcpu_side *side)
{
	struct stress *s = side->s;
	const struct stress_params *p = (void *)(s->vm.mem + PARAMS(side->v));
	const struct stress_call *call = (void *)(s->vm.mem + LOG(side->v));
	uint64_t n = (p->end - p->log) / sizeof(*call), i;

	if (n > MAX_CALLS)
		return false;
	for (i = 0; i < n; i++, call++) {
		uint64_t at = LOG(side->v) + i * sizeof(*call) + 8;
		struct ran ran = {
			.n = (call->end - at) / 8, .fault = call->fault, .since = side->since,
		};
		int f = frame_of(call->gpa);

		if (f < 0 || call->end < at || call->end > at + 8 * BLOCKS || call->fault > 1 ||
		    (!call->fault && ran.n != BLOCKS))
			return false;
		ran.frame = f;
		memcpy(ran.label, call->label, sizeof(ran.label));
		push(side, &ran);
	}
	return true;
}

/* What the SMM handler of this vCPU logged; then the next SMI. */
static bool turn_smm(struct vcpu_side *side)
{
	volatile uint32_t *log = (void *)(side->s->vm.mem + SMM_LOG(side->v));
	struct ran ran = { .frame = FRAMES + side->v, .since = side->since };

	for (ran.n = 0; ran.n < BLOCKS && log[ran.n]; ran.n++) {
		ran.label[ran.n] = log[ran.n];
		log[ran.n] = 0;
	}
	if (ran.n)
		push(side, &ran);
	/* The first time there was none. */
	if (ran.n != BLOCKS && side->batches)
		return false;
	return !ioctl(side->s->vm.vcpu[side->v].fd, KVM_SMI, 0);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu_side *side = arg;
	struct stress *s = side->s;
	struct kvm_run *run = s->vm.vcpu[side->v].run;

	while (!s->stop && !side->status) {
		if (ioctl(s->vm.vcpu[side->v].fd, KVM_RUN, 0)) {
			if (errno != EINTR && errno != EAGAIN)
				side->status = -errno;
			continue;
		}
		if (run->exit_reason == KVM_EXIT_IO && run->io.port == 0x10) {
			if (!take_log(side) || (s->test->smm && !turn_smm(side)))
				side->status = -EBADMSG;
			side->batches++;
			side->since = now_ns();
			if (s->test->pace_us)
				usleep(s->test->pace_us);
		} else if (s->test->holes && (run->exit_reason == KVM_EXIT_MMIO ||
			   (run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
			    run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION))) {
			/* The slot is gone; the guest takes it as an exception, or not at all. */
			side->mmio++;
		} else {
			if (run->exit_reason == KVM_EXIT_SHUTDOWN)
				again_shutdown();
			diag("vCPU %u: exit %u, error %u", side->v, run->exit_reason,
			     run->exit_reason == KVM_EXIT_INTERNAL_ERROR ?
			     run->internal.suberror : 0);
			side->status = -EPROTO;
		}
	}
	side->ended = true;
	return NULL;
}

static void *disturber(void *arg)
{
	struct stress *s = arg;

	while (!s->stop)
		s->test->disturb(s);
	return NULL;
}

static void wake(int sig)
{
	(void)sig;
}

/* Wait for the vCPUs' ends; false if one does not come. */
static bool join(struct stress *s)
{
	double end = now() + HANG_SECONDS;
	bool all = true;
	unsigned int v;

	s->stop = true;
	for (v = 0; v < s->vm.nvcpus; v++) {
		while (!s->side[v].ended && now() < end) {
			pthread_kill(s->side[v].thread, SIGUSR1);
			usleep(10000);
		}
		if (s->side[v].ended)
			pthread_join(s->side[v].thread, NULL);
		else
			all = false;
	}
	return all;
}

static uint64_t audit(struct stress *s)
{
	struct fz_audit a;

	if (!dev)
		return 0;
	if (fz_device_audit(dev, s->id, &a, &error))
		errx(2, "audit: %s", error.text);
	return a.violations;
}

/* Not before each vCPU has shown something, however slow the machine. */
static bool is_over(struct stress *s, uint64_t flips, double seconds, double end)
{
	uint64_t n = s->count[FZ_REC_REEXEC];
	unsigned int v;
	bool all = true;

	for (v = 0; v < s->vm.nvcpus; v++) {
		all = all && s->side[v].calls;
		n += dev ? 0 : s->side[v].calls;
	}
	return (all && (n >= flips || (seconds > end && n >= FLIPS_LEAST))) ||
	       seconds > end + HANG_SECONDS;
}

/* Until so many flips, or so many seconds, or a vCPU is in trouble. */
static bool go_on(struct stress *s, uint64_t flips, unsigned int seconds)
{
	uint64_t seen[MAX_VCPUS] = {}, violations = 0;
	double begin = now(), moved[MAX_VCPUS], checked = begin;
	unsigned int v;

	for (v = 0; v < s->vm.nvcpus; v++)
		moved[v] = begin;
	while (!is_over(s, flips, now() - begin, seconds) && !violations) {
		stress_check(s);
		if (s->missed > 1000)
			return true;
		for (v = 0; v < s->vm.nvcpus; v++) {
			uint64_t batches = s->side[v].batches;

			if (s->side[v].ended)
				return true;
			if (batches != seen[v])
				moved[v] = now();
			seen[v] = batches;
			if (now() > moved[v] + HANG_SECONDS) {
				diag("vCPU %u hangs", v);
				return false;
			}
		}
		if (now() > checked + 0.5) {
			violations += audit(s);
			checked = now();
		}
		usleep(1000);
	}
	return !violations;
}

static void start(struct stress *s, unsigned int nvcpus)
{
	unsigned int f, v;

	vm_new(&s->vm, nvcpus);
	if (!s->test->huge && madvise(s->vm.mem + TARGETS, 4 * HUGE, MADV_NOHUGEPAGE))
		err(2, "MADV_NOHUGEPAGE");
	memset(s->vm.mem + TARGETS, 0, FRAME_REGIONS * HUGE);
	memset(s->vm.mem + LOG(0), 0, HUGE);
	put_alias_tables(&s->vm);
	vm_put(&s->vm, DRIVER(0), stress_guest, stress_guest_end - stress_guest);
	for (f = 0; f < FRAMES; f++)
		put_frame(s, frame_mem(s, f), f, true);
	for (v = 0; v < nvcpus; v++) {
		s->side[v].s = s;
		s->side[v].v = v;
		setup_vcpu(s, v);
	}
	if (dev && fz_device_attach(dev, s->vm.fd, 0, &s->id, &error))
		errx(2, "attach: %s", error.text);
	if (s->test->prepare)
		s->test->prepare(s);
}

static void verdict(struct stress *s, bool ran, double seconds)
{
	uint64_t calls = 0, faults = 0, mmio = 0;
	const char *name = s->test->name;
	struct fz_counters c;
	bool alive = ran;
	unsigned int v;

	for (v = 0; v < s->vm.nvcpus; v++) {
		calls += s->side[v].calls;
		faults += s->side[v].faults;
		mmio += s->side[v].mmio;
		if (s->side[v].status)
			diag("vCPU %u: %s", v, strerror(-s->side[v].status));
		alive = alive && !s->side[v].status && s->side[v].calls;
	}
	if (!dev) {
		ok(alive && (s->test->holes || !faults), "%s, not watched: all vCPUs came through %llu calls, disturbed %llu times",
		   name, (unsigned long long)calls, (unsigned long long)s->disturbed);
		return;
	}
	if (fz_device_stat(dev, s->id, &c, &error))
		errx(2, "counters: %s", error.text);
	diag("%s: %u vCPUs, %.1f s, flips %llu (%.0f/s), calls %llu, labels %llu, exceptions %llu, MMIO %llu, mixed %llu, changed %llu, retries %llu, disturbed %llu",
	     name, s->vm.nvcpus, seconds, (unsigned long long)s->count[FZ_REC_REEXEC],
	     s->count[FZ_REC_REEXEC] / seconds, (unsigned long long)calls,
	     (unsigned long long)s->labels, (unsigned long long)faults, (unsigned long long)mmio,
	     (unsigned long long)s->count[FZ_REC_MIXED],
	     (unsigned long long)s->count[FZ_REC_CHANGED], c.retries,
	     (unsigned long long)s->disturbed);
	ok(alive && (s->test->holes || !faults) && s->count[FZ_REC_REEXEC] >= FLIPS_LEAST,
	   "%s: all vCPUs came through %llu flips", name,
	   (unsigned long long)s->count[FZ_REC_REEXEC]);
	ok(!s->missed && s->labels && !s->bad_code && !s->bad_hash,
	   "%s: %llu labels ran, %llu not captured; %llu, %llu bad snapshots", name,
	   (unsigned long long)s->labels, (unsigned long long)s->missed,
	   (unsigned long long)s->bad_code, (unsigned long long)s->bad_hash);
	if (s->test->mixed)
		ok(s->count[FZ_REC_MIXED] && s->in_mixed, "%s: %llu mixed, %llu labels in them",
		   name, (unsigned long long)s->count[FZ_REC_MIXED],
		   (unsigned long long)s->in_mixed);
	else
		/*
		 * Never for how the guest writes. Who holds a page and is preempted for
		 * longer than the module waits can't be told from I/O: ksmd, or a vCPU in
		 * a fault on the same huge page.
		 */
		ok(!s->mixed_why[FZ_MIXED_GUEST] && s->count[FZ_REC_MIXED] <=
		   (s->test->huge || s->test->ksm ? s->count[FZ_REC_REEXEC] / 50 : 0),
		   "%s: %llu mixed; by the guest %llu, for I/O %llu", name,
		   (unsigned long long)s->count[FZ_REC_MIXED],
		   (unsigned long long)s->mixed_why[FZ_MIXED_GUEST],
		   (unsigned long long)s->mixed_why[FZ_MIXED_IO]);
	ok(c.grants == c.execs + c.reexecs + c.mixed + c.lost_execs && !c.errors && !s->lost &&
	   !s->late && !c.lost, "%s: grants add up, nothing lost, no internal error", name);
	ok(!c.violations && !audit(s), "%s: audits, while it ran too: no violation", name);
	if (s->test->disturb)
		ok(s->disturbed, "%s: disturbed %llu times", name,
		   (unsigned long long)s->disturbed);
}

void stress_run(const struct stress_case *test, uint64_t flips, unsigned int seconds,
		unsigned int nvcpus, uint64_t seed)
{
	struct stress *s = calloc(1, sizeof(*s));
	pthread_t disturb;
	unsigned int f, v;
	double begin;
	bool ran;

	if (!s)
		err(2, "calloc");
	/* Without SA_RESTART: it ends KVM_RUN. */
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = wake }, NULL);
	s->test = test;
	s->seed = s->rng = seed;
	start(s, nvcpus);
	begin = now();
	for (v = 0; v < nvcpus; v++)
		if (pthread_create(&s->side[v].thread, NULL, vcpu_thread, &s->side[v]))
			err(2, "pthread_create");
	if (test->disturb && pthread_create(&disturb, NULL, disturber, s))
		err(2, "pthread_create");
	ran = go_on(s, flips, seconds);
	if (!join(s)) {
		/* Nothing that the vCPU may still use can be freed. */
		ok(false, "%s: a vCPU hangs", test->name);
		exit(1);
	}
	if (test->disturb)
		pthread_join(disturb, NULL);
	begin = now() - begin;
	stress_check(s);
	if (test->end)
		test->end(s);
	verdict(s, ran, begin);

	if (dev && fz_device_detach(dev, s->id, &error))
		errx(2, "detach: %s", error.text);
	vm_free(&s->vm);
	stress_check(s);
	for (v = 0; v < nvcpus; v++)
		free(s->side[v].queue);
	for (f = 0; f < FRAMES + SMM_FRAMES; f++)
		free(s->history[f].snap);
	free(s);
}
