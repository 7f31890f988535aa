/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * selftest.h - what the cases share: one device, one reader, and what was seen
 *
 * Every function here dies with a message where the test bed itself is broken.
 */
#ifndef SELFTEST_H
#define SELFTEST_H

#include <device.h>
#include "../unit/tap.h"
#include "vmm.h"

#define N	100	/* pages of a run */
#define FLIPS	50	/* writes to an executed page; 4 vCPUs' fit into 1 MiB of ring */

extern struct fz_device *dev;
extern struct fz_reader *reader;
extern struct fz_error error;

/* What the records since the last look() said of one VM. */
struct seen {
	__u64 vm;
	unsigned int count[16], late, bad_hash, bad_rip;
	__u64 lost, lost_execs;
	__u64 last_gfn;
	uint8_t last_page[PAGE];
};

/* Empty the rings: what they said of @vm since the last look(). */
const struct seen *look(__u64 vm);

/* Add what the rings hold to what the last look() began. */
const struct seen *look_on(void);

/* Empty the rings into the same; for vm_run_all(). */
void drain(void);

/* If set, called with each record of the VM that is looked at. */
extern void (*each)(const struct fz_rec *rec);

/* How many DRIFT events finish() is to find. */
extern __u64 drifts_wanted;

/* The fitzroy tool: FZ_TOOL, or that of this build. */
const char *tool(void);

/* Set a parameter of the module; return what it was. */
unsigned long param(const char *name, unsigned long value);
bool has_param(const char *name);

uint64_t attach(struct vm *vm);
struct fz_counters counters(__u64 id);
struct fz_audit audit(__u64 id);

/* The equation that holds in every run. */
bool adds_up(const struct fz_counters *c);

/* End a case: the counts add up, the tables are as they should be; detach and free. */
void finish(struct vm *vm, __u64 id);

/* Run vCPU @v: DRIVER(v) with @gpa and @n as its arguments. 0 or a negative errno. */
int call(struct vm *vm, unsigned int v, __u64 gpa, __u64 n);

/* first + (first + 1) + ...: @n numbers, as call_pages adds up its targets' answers. */
__u64 sum(__u64 first, __u64 n);

/*
 * selftest --spin: a guest that runs and rewrites code for a while, whatever becomes
 * of the module. On SIGUSR1 it prints "pages_2m N faults N": KVM's huge pages, and
 * the faults that rewriting and calling a page a few times takes. On SIGUSR2 it has
 * itself attached.
 */
int spin(int seconds);

/* Write @value to a file of the kernel's. */
void put(const char *path, const char *value);

/* What of the VM is said not to be covered: FZ_MISS_*. */
__u32 not_covered(__u64 id);

/* VMs that the module is told to take for encrypted ones; case_kinds.c */
void test_encrypted(void);

struct test {
	const char *name;
	void (*fn)(void);
};

/* Each ends with an empty entry. */
extern const struct test wx_tests[], merge_tests[], host_tests[], host_mem_tests[],
			 host_path_tests[], host_io_tests[], life_tests[], device_tests[],
			 change_tests[], fds_tests[], storm_tests[], modes_tests[], nested_tests[],
			 kinds_tests[];
extern const struct test bed_tests[], host_numa_tests[];	/* by name only */
extern const struct test verify_tests[], mixed_tests[], loss_tests[], audit_tests[];

#endif
