/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm.h - a tiny VMM: 64-bit guests whose every instruction the test chose
 *
 * Guest memory is one slot at 0, identity-mapped by 2 MiB guest pages whose
 * accessed and dirty bits are set, so the hardware writes nothing that the test
 * did not ask for.
 */
#ifndef VMM_H
#define VMM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

#define PAGE		4096UL
#define HUGE		(2UL << 20)
#define MEM_BYTES	(64UL << 20)
#define TABLES		0x1000UL	/* three pages of guest page tables */
#define DRIVER(v)	(HUGE + (v) * PAGE)	/* the code that vCPU v starts in */
#define STACKS		(2 * HUGE)	/* a page a vCPU, growing down */
#define TARGETS		(4 * HUGE)	/* pages to be called */
#define DATA		(16 * HUGE)	/* data only, to the end of memory */
#define MAX_VCPUS	4

struct vm {
	int kvm, fd;
	uint8_t *mem;
	unsigned int nvcpus;
	struct {
		uint64_t gpa;
		size_t n;
		unsigned int nvcpus;	/* that are busy */
		bool flip;
		int stop;
	} load;
	struct vcpu {
		int fd;
		struct kvm_run *run;
		struct kvm_regs regs;
		int status;		/* of the last run: 0, or a negative errno */
		int done;
		pthread_t thread;
		unsigned long rounds, wrong;	/* of the load */
	} vcpu[MAX_VCPUS];
};

/* Make a VM; dies with a message on any failure: the test bed is broken then. */
void vm_new(struct vm *vm, unsigned int nvcpus);

/* The same, with MEM_BYTES at @mem, aligned to HUGE, as its memory. */
void vm_new_on(struct vm *vm, unsigned int nvcpus, void *mem);
void vm_free(struct vm *vm);

/*
 * Keep it in small pages: what khugepaged collapses is unmapped, so CHANGED, and this
 * may come at any time. For cases that count everything.
 */
void vm_small_pages(struct vm *vm);

/* Add a vCPU, also while others run. */
void vm_add_vcpu(struct vm *vm);

/* mmap(2) MEM_BYTES, aligned to HUGE; dies on failure. */
void *vm_map(int flags, int fd);

/* Have the kernel write to our own memory, by get_user_pages(), as for a device. */
void write_by_kernel(void *to, const void *from, size_t n);

/* Set or remove (@bytes 0) memory slot @slot. Return 0 or a negative errno. */
int vm_slot(struct vm *vm, unsigned int slot, uint64_t gpa, uint64_t bytes, void *mem,
	    unsigned int flags);

/* Make vCPU @v start at @rip with these arguments in rdi, rsi, rdx. */
void vcpu_start(struct vm *vm, unsigned int v, uint64_t rip, uint64_t rdi, uint64_t rsi,
		uint64_t rdx);

/* Run it until it says it is done (OUT to port 0x10): 0, or a negative errno. */
int vcpu_run(struct vm *vm, unsigned int v);

/*
 * Start all vCPUs that were set up at once, each in a thread, and call @meanwhile
 * again and again until they are done; 0 if all came through.
 */
int vm_run_all(struct vm *vm, void (*meanwhile)(void));

/* KVM's own count @name, as its binary statistics have it, of a VM's or vCPU's @fd. */
uint64_t vm_stat(int fd, const char *name);

/*
 * Keep vCPUs busy from now on: even ones rewrite and call a page of their own at
 * @gpa + vCPU if @flip, else all call @n pages from @gpa on, again and again.
 */
void load_start(struct vm *vm, uint64_t gpa, size_t n, bool flip);

/* End that. Rounds that were run, or 0 if a vCPU died or a result was wrong. */
unsigned long load_stop(struct vm *vm);

/* rax as vCPU @v left it. */
uint64_t vcpu_rax(struct vm *vm, unsigned int v);

/*
 * The programs. Each is copied to where the test wants it and ends with OUT, HLT.
 * call_pages:	call rsi pages from rdi on, one after another; rax = their sum
 * call_and_stop: the same, but says it is done after each; the sum so far is in rax
 * flip_page:	rsi times: write a new constant into the page at rdi, call it;
 *		rax counts the answers that were not the constant written last
 * write_pages:	write a byte at the end of rsi pages from rdi on
 * write_self:	rsi times: write to its own page
 */
extern const uint8_t call_pages[], call_pages_end[];
extern const uint8_t call_and_stop[], call_and_stop_end[];
extern const uint8_t flip_page[], flip_page_end[];
extern const uint8_t write_pages[], write_pages_end[];
extern const uint8_t write_self[], write_self_end[];

#define PUT(vm, gpa, program) vm_put(vm, gpa, program, program##_end - program)
void vm_put(struct vm *vm, uint64_t gpa, const void *code, size_t len);

/* Fill @n pages from @gpa on with functions: page i returns @first + i. */
void vm_put_targets(struct vm *vm, uint64_t gpa, size_t n, uint32_t first);

#endif
