/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * fitzroy.h - the contract between fitzroy.ko and its readers
 *
 * The module logs every first execution of a guest frame, and every first
 * execution after a change, into one ring per possible CPU. A reader maps the
 * rings through /dev/fitzroy, waits with poll(2) and drains them.
 *
 * The map (offsets are those of struct fz_info):
 *
 *	consumer_offset			read-write; one struct fz_consumer per CPU
 *	ring_offset + cpu * ring_stride	read-only; one struct fz_producer (a page),
 *					then ring_bytes of records, then the same
 *					ring_bytes once more, so that no record wraps
 *
 * Positions are free-running byte counts; the record at position p lies at
 * data + (p & (ring_bytes - 1)). The producer owns [consumer, producer):
 *
 *	producer (module)			consumer (reader)
 *
 *	load-acquire consumer.pos  (A)		load-acquire producer.pos  (C)
 *	write the record			read the records
 *	store-release producer.pos (B)		store-release consumer.pos (D)
 *
 *	B pairs with C, D pairs with A.
 *
 * A consumer position outside [producer - ring_bytes, producer] is treated as
 * a full ring: a hostile or broken reader can lose records, never memory.
 *
 * Sequence numbers count every record that a CPU had to say, kept or lost.
 * A LOST record stands for the numbers it names; so a reader that sees, per
 * CPU, each number once, in order, in a record or covered by a LOST record,
 * has proven its view complete.
 *
 * Every structure passed to an ioctl starts with its own size in bytes as the
 * caller knows it. The module accepts a larger one when the bytes it does not
 * know are zero (else E2BIG), fills up a smaller one from zeros, and refuses
 * one that is smaller than the first version (EINVAL).
 *
 * Errors, all ioctls:
 *	EINVAL		a size, flag or reserved field that this version refuses
 *	E2BIG		unknown trailing bytes are not zero
 *	EFAULT		a pointer that cannot be read or written
 *	ENOTTY		no such ioctl
 *	EPERM		(open, attach) the caller lacks CAP_SYS_ADMIN. All else is for
 *			who holds the open file: a reader needs no privilege
 * Attach:
 *	EBADF		vm_fd is not open
 *	ENOTTY		vm_fd is not a KVM virtual machine
 *	EALREADY	the VM is attached
 *	EOPNOTSUPP	a kind of VM that cannot be watched; see FZ_REFUSE_*
 *	ENOSPC		max_vms are attached
 *	ENOMEM		out of memory; nothing was changed
 *	ESRCH		the VM is being destroyed
 * Detach, counters, audit, read:
 *	ENOENT		no VM of that id
 *	ENODATA		(read) the frame is not captured now
 *	ESTALE		(read) the frame changed while it was read
 * mmap:
 *	EBUSY		another file has the consumer page mapped
 *	EACCES		a writable map of a ring
 */
#ifndef _UAPI_FITZROY_H
#define _UAPI_FITZROY_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define FZ_ABI_VERSION		1
#define FZ_DEVICE		"/dev/fitzroy"
#define FZ_PAGE_SIZE		4096
#define FZ_NO_VCPU		0xffffffffU
#define FZ_NO_GFN		(~0ULL)

/* ------------------------------------------------------------------ records */

/**
 * enum fz_rec_type - what a record says
 * @FZ_REC_EXEC: first execution of a frame; a snapshot follows
 * @FZ_REC_REEXEC: first execution after a change; a snapshot follows
 * @FZ_REC_WRITE: the guest wrote to an executed frame, which lost X before
 * @FZ_REC_MIXED: the frame has X and W at once for a bounded time; what it runs
 *	after this snapshot is not covered until it is captured again
 * @FZ_REC_LOST: records that found no room; see struct fz_lost
 * @FZ_REC_VM_ATTACH: a VM is watched from here on; see struct fz_vm_event
 * @FZ_REC_VM_DETACH: it is no longer watched
 * @FZ_REC_VM_DIED: it was destroyed
 * @FZ_REC_MEMSLOT: guest memory was mapped, moved or removed; see struct fz_slot
 * @FZ_REC_CHANGED: the host changed an executed frame (remap, I/O, KVM's own
 *	write), which lost X before the change could run
 * @FZ_REC_COVERAGE: of a watched VM more is not covered than was said before; see
 *	struct fz_vm_event
 * @FZ_REC_AUDIT: the page tables break the promise; see struct fz_audit_event
 * @FZ_REC_DRIFT: an executable frame is not as it was captured, and no change was
 *	seen; it lost X; see struct fz_drift; a snapshot of what it is now follows
 * @FZ_REC_MIXED_END: a MIXED frame lost X; see struct fz_mixed_end
 */
enum fz_rec_type {
	FZ_REC_EXEC		= 1,
	FZ_REC_REEXEC		= 2,
	FZ_REC_WRITE		= 3,
	FZ_REC_MIXED		= 4,
	FZ_REC_LOST		= 5,
	FZ_REC_VM_ATTACH	= 6,
	FZ_REC_VM_DETACH	= 7,
	FZ_REC_VM_DIED		= 8,
	FZ_REC_MEMSLOT		= 9,
	FZ_REC_CHANGED		= 10,
	FZ_REC_AUDIT		= 11,
	FZ_REC_COVERAGE		= 12,
	FZ_REC_DRIFT		= 13,
	FZ_REC_MIXED_END	= 14,
};

/* fz_rec.flags */
#define FZ_RECF_PAGE		(1U << 0)	/* FZ_PAGE_SIZE bytes of snapshot follow */
#define FZ_RECF_LATE		(1U << 1)	/* granted before, when the ring was full */
#define FZ_RECF_NESTED		(1U << 2)	/* the vCPU ran a nested guest (L2) */

/* fz_rec.mode: the vCPU's operating mode at the fault */
#define FZ_MODE_PE		(1U << 0)	/* CR0.PE */
#define FZ_MODE_PG		(1U << 1)	/* CR0.PG */
#define FZ_MODE_PAE		(1U << 2)	/* CR4.PAE */
#define FZ_MODE_LA57		(1U << 3)	/* CR4.LA57 */
#define FZ_MODE_LMA		(1U << 4)	/* EFER.LMA */
#define FZ_MODE_CS_L		(1U << 5)	/* 64-bit code segment */
#define FZ_MODE_CS_D		(1U << 6)	/* 32-bit code segment */
#define FZ_MODE_SMM		(1U << 7)	/* system-management mode */
#define FZ_MODE_GUEST		(1U << 8)	/* in a nested guest */

/**
 * struct fz_lost - FZ_REC_LOST: a run of records that found no room
 * @first_seq: sequence number of the first of them, on this CPU
 * @count: how many; the LOST record's own number is @first_seq + @count
 * @first_time: when the first was lost, CLOCK_MONOTONIC, ns
 * @last_time: when the last was lost
 * @execs: how many of them were executions (logged later, with FZ_RECF_LATE,
 *	if the frame is still executable when there is room)
 * @held: how many of these were lost although lossless mode was asked for: a vCPU
 *	had been held for fz_info.hold_ns, in vain
 */
struct fz_lost {
	__u64 first_seq;
	__u64 count;
	__u64 first_time;
	__u64 last_time;
	__u64 execs;
	__u64 held;
};

/**
 * struct fz_vm_event - FZ_REC_VM_*: which VM
 * @pid: process (thread group) that made the VM, in the initial namespace; 0 = it
 *	had ended, or executed another program, before the attach
 * @vcpus: virtual CPUs now
 * @pages: guest memory now, 4 KiB pages
 * @comm: the process's name, NUL-terminated
 * @reason: FZ_REFUSE_*, FZ_MISS_*: what is not covered; 0 = everything is
 */
struct fz_vm_event {
	__u32 pid;
	__u32 vcpus;
	__u64 pages;
	char comm[16];
	__u64 reason;
};

/**
 * struct fz_slot - FZ_REC_MEMSLOT: guest memory appears, moves or goes
 * @npages: its size, 4 KiB pages; fz_rec.gfn is its first frame
 * @hva: where the VMM maps it
 * @id: KVM's slot number
 * @flags: KVM_MEM_*
 * @op: 0 created, 1 deleted, 2 moved, 3 flags changed
 */
struct fz_slot {
	__u64 npages;
	__u64 hva;
	__u32 id;
	__u32 flags;
	__u32 op;
	__u32 reserved;
};

/**
 * struct fz_mixed - FZ_REC_MIXED: why a frame may be written while it runs
 * @flips: fetch and write faults that it took in turn
 * @max_ns: X is withdrawn after this time; a sweep may take as long again to come
 * @why: FZ_MIXED_*
 * @reserved: 0
 */
struct fz_mixed {
	__u64 flips;
	__u64 max_ns;
	__u32 why;
	__u32 reserved;
};

#define FZ_MIXED_GUEST		1	/* the guest needs W and X at once, or flips too often */
#define FZ_MIXED_IO		2	/* host I/O into it or its huge page is in flight */
#define FZ_MIXED_DEVICE		3	/* it is no memory that can be read */

/**
 * struct fz_mixed_end - FZ_REC_MIXED_END: for how long a frame was MIXED
 * @since: the time of its MIXED record
 * @ns: until X was gone, flushed
 */
struct fz_mixed_end {
	__u64 since;
	__u64 ns;
};

/**
 * struct fz_audit_event - FZ_REC_AUDIT: an entry that should not exist
 * @spte: the entry
 * @level: its level: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB
 * @state: the frame's state: 0 never ran, 1 being captured, 2 executable, 3 written
 *	since, 4 mixed; for a larger entry 2 if a frame below it is executable, else 0
 */
struct fz_audit_event {
	__u64 spte;
	__u32 level;
	__u32 state;
};

/**
 * struct fz_drift - FZ_REC_DRIFT: a change that nobody saw
 * @captured: XXH64, seed 0, of the frame as captured last; fz_rec.hash is of now
 * @unseen_ns: the longest time for which other content than the captured may have
 *	executed: since the capture or the last comparison, whichever is later
 */
struct fz_drift {
	__u64 captured;
	__u64 unseen_ns;
};

/**
 * struct fz_rec - a record's first 128 bytes
 * @size: of the whole record, in bytes, a multiple of 64
 * @type: enum fz_rec_type
 * @flags: FZ_RECF_*
 * @seq: number of this record on its CPU
 * @time: CLOCK_MONOTONIC, ns
 * @vm: the VM's id; never used twice while the module is loaded; 0 = none
 * @gfn: guest frame number, or FZ_NO_GFN
 * @rip: linear address of the instruction at the fault. An instruction that
 *	spans two pages faults on the second with RIP on the first.
 * @cr3: the guest's page-table root (address bits only)
 * @hash: XXH64, seed 0, of the frame as captured; 0 where nothing was captured
 * @cpu: host CPU
 * @vcpu: vCPU id, or FZ_NO_VCPU
 * @mode: FZ_MODE_*
 * @cpl: privilege level, 0 to 3
 * @as_id: KVM address space: 0, or 1 for SMM
 * @reserved: 0
 * @u: by type
 */
struct fz_rec {
	__u32 size;
	__u16 type;
	__u16 flags;
	__u64 seq;
	__u64 time;
	__u64 vm;
	__u64 gfn;
	__u64 rip;
	__u64 cr3;
	__u64 hash;
	__u32 cpu;
	__u32 vcpu;
	__u32 mode;
	__u8 cpl;
	__u8 as_id;
	__u16 reserved;
	union {
		struct fz_lost lost;
		struct fz_vm_event vm;
		struct fz_slot slot;
		struct fz_mixed mixed;
		struct fz_audit_event audit;
		struct fz_drift drift;
		struct fz_mixed_end mixed_end;
		__u64 pad[6];
	} u;
};

/* --------------------------------------------------------------------- ring */

/**
 * struct fz_producer - the module's side of a ring; read-only to the reader
 * @pos: bytes produced
 * @lost: records lost since the module was loaded
 */
struct fz_producer {
	__u64 pos;
	__u64 lost;
};

/**
 * struct fz_consumer - the reader's side, a cache line per CPU
 * @pos: bytes consumed
 */
struct fz_consumer {
	__u64 pos;
	__u64 reserved[7];
};

/* ------------------------------------------------------------------- ioctls */

/* fz_info.vendor */
#define FZ_VENDOR_INTEL		1
#define FZ_VENDOR_AMD		2

/**
 * struct fz_info - FZ_IOC_INFO: what the module is and how to map it
 * @size: in: of this structure
 * @abi: FZ_ABI_VERSION of the module
 * @vendor: FZ_VENDOR_*
 * @cpus: rings
 * @ring_bytes: data bytes of a ring, a power of two
 * @consumer_offset: mmap offset of the consumer positions
 * @consumer_bytes: their size
 * @ring_offset: mmap offset of CPU 0's ring
 * @ring_stride: distance from one ring's offset to the next, >= 4096 + 2 * ring_bytes
 * @policy: FZ_POLICY_*
 * @attach_new: 1 if every new VM is attached before its first instruction
 * @mixed_ns: how long a mixed frame keeps X and W
 * @hold_ns: how long a vCPU is held for room in lossless mode
 * @max_vms: how many VMs can be attached at once
 * @reserved: 0
 * @kernel: the kernel release that the module was built for
 * @verify_ns: how often each executable frame is to be compared with its capture;
 *	0 = never
 * @verify_pass_ns: how long the last round of comparisons took; 0 = none is done
 * @audit_ns: how often the page tables are audited unasked; 0 = never
 * @verify_pages: how many frames are compared in a second at most
 * @reserved2: 0
 */
struct fz_info {
	__u32 size;
	__u32 abi;
	__u32 vendor;
	__u32 cpus;
	__u64 ring_bytes;
	__u64 consumer_offset;
	__u64 consumer_bytes;
	__u64 ring_offset;
	__u64 ring_stride;
	__u32 policy;
	__u32 attach_new;
	__u64 mixed_ns;
	__u64 hold_ns;
	__u32 max_vms;
	__u32 reserved;
	char kernel[64];
	__u64 verify_ns;
	__u64 verify_pass_ns;
	__u64 audit_ns;
	__u32 verify_pages;
	__u32 reserved2;
};

/* fz_attach.flags, fz_info.policy */
#define FZ_POLICY_LOSSLESS	(1U << 0)	/* hold the vCPU rather than lose a record */

/* fz_attach.flags, fz_detach.flags */
#define FZ_ATTACH_NEW		(1U << 16)	/* all VMs to come; vm_fd or id must be unset */

/* Why a VM is refused, or what of it is not covered */
#define FZ_REFUSE_ENCRYPTED	(1U << 0)	/* SEV, TDX: its memory can't be read */
#define FZ_REFUSE_PRIVATE	(1U << 1)	/* guest_memfd: its memory can't be read */
#define FZ_REFUSE_NO_TDP	(1U << 2)	/* shadow paging */
#define FZ_MISS_VFIO		(1U << 4)	/* a device writes its memory unseen */
#define FZ_MISS_SHARED		(1U << 5)	/* others share its memory and write unseen */
#define FZ_MISS_HOST_WRITES	(1U << 6)	/* its own VMM may: device memory, some hugetlb */

/**
 * struct fz_attach - FZ_IOC_ATTACH: watch a VM, or all VMs to come
 * @size: in: of this structure
 * @flags: in: FZ_POLICY_*, FZ_ATTACH_NEW
 * @vm_fd: in: the VM's file descriptor (take it with pidfd_getfd(2)); -1 with
 *	FZ_ATTACH_NEW
 * @refused: out: FZ_REFUSE_* on EOPNOTSUPP
 * @id: out: the VM's id
 */
struct fz_attach {
	__u32 size;
	__u32 flags;
	__s32 vm_fd;
	__u32 refused;
	__u64 id;
};

/**
 * struct fz_detach - FZ_IOC_DETACH: let a VM go; its X and huge pages come back
 * @size: in: of this structure
 * @flags: in: 0, or FZ_ATTACH_NEW to stop attaching VMs to come
 * @id: in: the VM's id; 0 with FZ_ATTACH_NEW
 */
struct fz_detach {
	__u32 size;
	__u32 flags;
	__u64 id;
};

/**
 * struct fz_vm_desc - a watched VM, as listed
 * @id: its id
 * @pid: process (thread group), initial namespace; 0 = it ended before the attach
 * @vcpus: virtual CPUs
 * @pages: guest memory, 4 KiB pages
 * @attached: when, CLOCK_MONOTONIC, ns
 * @flags: FZ_POLICY_*
 * @not_covered: FZ_REFUSE_*, FZ_MISS_*
 * @comm: the process's name
 */
struct fz_vm_desc {
	__u64 id;
	__u32 pid;
	__u32 vcpus;
	__u64 pages;
	__u64 attached;
	__u32 flags;
	__u32 not_covered;
	char comm[16];
};

/**
 * struct fz_list - FZ_IOC_LIST: the watched VMs
 * @size: in: of this structure
 * @flags: in: 0
 * @count: in: entries that fit at @vms; out: VMs there are, written or not
 * @entry_size: in: sizeof(struct fz_vm_desc)
 * @vms: in: user address of struct fz_vm_desc[]
 */
struct fz_list {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 entry_size;
	__u64 vms;
};

/**
 * struct fz_counters - what was counted since attach (a VM) or load (all)
 * @grants: times that a frame was made executable
 * @execs: EXEC records logged
 * @reexecs: REEXEC records logged
 * @mixed: MIXED records logged
 * @lost_execs: grants whose record found no room;
 *	grants = execs + reexecs + mixed + lost_execs, always
 * @late: execs and reexecs that stand for an earlier lost one
 * @writes: WRITE records logged
 * @changed: CHANGED records logged
 * @lost: records of any type lost
 * @fetch_faults: guest fetches that reached KVM's slow path
 * @write_faults: guest writes that reached it
 * @read_faults: guest reads that reached it
 * @zaps: frames whose entries were dropped and flushed
 * @retries: grants put off (capture not possible just then)
 * @held: times that a vCPU waited for room
 * @hold_timeouts: times that it waited in vain
 * @frames: frames with a state now (not NONE)
 * @exec_frames: of these, executable now
 * @memory: bytes of module memory in use for this VM
 * @violations: bad entries found by audits
 * @errors: internal failures, each of which left a frame without X or is
 *	in the kernel log
 * @verified: executable frames compared with their capture by the sweep
 * @drifts: of these, those that had changed unseen
 * @host_flushes: times that the CPUs which run the VMM had to flush their TLBs,
 *	because its mapping of a frame lost W
 * @mixed_ns: how long frames were MIXED, added up; those that are now not included
 */
struct fz_counters {
	__u64 grants;
	__u64 execs;
	__u64 reexecs;
	__u64 mixed;
	__u64 lost_execs;
	__u64 late;
	__u64 writes;
	__u64 changed;
	__u64 lost;
	__u64 fetch_faults;
	__u64 write_faults;
	__u64 read_faults;
	__u64 zaps;
	__u64 retries;
	__u64 held;
	__u64 hold_timeouts;
	__u64 frames;
	__u64 exec_frames;
	__u64 memory;
	__u64 violations;
	__u64 errors;
	__u64 verified;
	__u64 drifts;
	__u64 host_flushes;
	__u64 mixed_ns;
};

/**
 * struct fz_stat - FZ_IOC_STAT: counters of one VM, or the sum of all
 * @size: in: of this structure
 * @flags: in: 0
 * @id: in: the VM's id, or 0 for all, those that are gone included
 * @c: out: the counters
 */
struct fz_stat {
	__u32 size;
	__u32 flags;
	__u64 id;
	struct fz_counters c;
};

/**
 * struct fz_read - FZ_IOC_READ: content of a frame that is captured now
 * @size: in: of this structure
 * @flags: in: 0
 * @id: in: the VM's id
 * @gfn: in: guest frame number, of address space 0
 * @buf: in: user address of FZ_PAGE_SIZE bytes
 * @hash: out: XXH64 of the content
 */
struct fz_read {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u64 gfn;
	__u64 buf;
	__u64 hash;
};

/**
 * struct fz_barrier - FZ_IOC_BARRIER: how far the rings are complete
 * @size: in: of this structure
 * @flags: in: 0
 * @time: out: every record with a time up to this one is in its ring
 */
struct fz_barrier {
	__u32 size;
	__u32 flags;
	__u64 time;
};

/**
 * struct fz_audit_found - an entry that should not exist, as an audit finds it
 * @gfn: guest frame number
 * @spte: the entry
 * @level: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB
 * @state: as in struct fz_audit_event
 */
struct fz_audit_found {
	__u64 gfn;
	__u64 spte;
	__u32 level;
	__u32 state;
};

#define FZ_AUDIT_FOUND_MAX	1024

/**
 * struct fz_audit - FZ_IOC_AUDIT: walk a VM's page tables
 * @size: in: of this structure
 * @flags: in: 0
 * @id: in: the VM's id
 * @leaves_4k: out: leaf entries of 4 KiB
 * @leaves_2m: out: of 2 MiB
 * @leaves_1g: out: of 1 GiB
 * @exec: out: of all, executable
 * @violations: out: executable without a capture, or executable and writable
 *	outside MIXED
 * @found: in: user address of struct fz_audit_found[], or 0
 * @found_max: in: entries that fit there, at most FZ_AUDIT_FOUND_MAX are written;
 *	out: written
 * @reserved: 0
 */
struct fz_audit {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u64 leaves_4k;
	__u64 leaves_2m;
	__u64 leaves_1g;
	__u64 exec;
	__u64 violations;
	__u64 found;
	__u32 found_max;
	__u32 reserved;
};

/* No size in the number: a structure may grow. Argument: pointer to struct fz_*. */
#define FZ_IOC_MAGIC	0xF2
#define FZ_IOC_INFO	_IO(FZ_IOC_MAGIC, 0)
#define FZ_IOC_ATTACH	_IO(FZ_IOC_MAGIC, 1)
#define FZ_IOC_DETACH	_IO(FZ_IOC_MAGIC, 2)
#define FZ_IOC_LIST	_IO(FZ_IOC_MAGIC, 3)
#define FZ_IOC_STAT	_IO(FZ_IOC_MAGIC, 4)
#define FZ_IOC_READ	_IO(FZ_IOC_MAGIC, 5)
#define FZ_IOC_BARRIER	_IO(FZ_IOC_MAGIC, 6)
#define FZ_IOC_AUDIT	_IO(FZ_IOC_MAGIC, 7)

#endif /* _UAPI_FITZROY_H */
