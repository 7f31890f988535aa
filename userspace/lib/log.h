/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.h - the record log: one hash-chained, append-only file
 *
 * A header, then blocks. Everything is little-endian.
 *
 *	struct fz_log_header
 *	struct fz_log_block, payload of @bytes
 *	struct fz_log_block, payload of @bytes
 *	...
 *
 * The chain: header.hash = SHA-256(header without hash);
 * block.hash = SHA-256(previous hash | block without hash | payload), where
 * previous is the header's for block 0. A change anywhere breaks every later
 * hash, so the last one (the head) stands for the whole file: kept elsewhere,
 * it convicts even a log that was rewritten from the start.
 *
 * A log that was ended cleanly has an END block last. Without it (power cut,
 * kill -9) everything up to the last whole block counts, and the log is
 * incomplete. Documentation/log.rst is the long form.
 */
#ifndef FZ_LOG_H
#define FZ_LOG_H

#include "record.h"

#define FZ_LOG_MAGIC		"\x89" "FZLOG\r\n"
#define FZ_LOG_VERSION		1
#define FZ_LOG_BLOCK_MAGIC	0x4b425a46U	/* "FZBK" */
#define FZ_LOG_BLOCK_MAX	(1U << 20)	/* payload bytes */
#define FZ_LOG_HASH		32

/* @mono and @real were read together: real time = mono time + (real - mono). */
struct fz_log_header {
	char magic[8];
	uint32_t version;
	uint32_t bytes;			/* of this header */
	uint32_t abi;
	uint32_t vendor;
	uint32_t cpus;
	uint32_t policy;
	uint64_t ring_bytes;
	uint64_t mono;			/* CLOCK_MONOTONIC, ns */
	uint64_t real;			/* CLOCK_REALTIME, ns: when it was created */
	char boot_id[40];		/* of the host's boot, NUL-terminated */
	char kernel[64];		/* host kernel release */
	char module[64];		/* kernel release that the module was built for */
	char host[64];			/* host name */
	char tool[24];			/* version of the writer */
	uint8_t hash[FZ_LOG_HASH];
};

enum fz_log_type {
	FZ_LOG_RECORDS	= 1,	/* struct fz_rec, each with its snapshot */
	FZ_LOG_VMS	= 2,	/* struct fz_vm_desc: what was watched at the start */
	FZ_LOG_END	= 3,	/* struct fz_log_end */
};

struct fz_log_block {
	uint32_t magic;
	uint32_t type;			/* enum fz_log_type */
	uint32_t bytes;			/* of the payload */
	uint32_t count;			/* records or VMs in it */
	uint64_t number;		/* 0, 1, 2, ... */
	uint8_t hash[FZ_LOG_HASH];
};

struct fz_log_end {
	uint64_t mono;			/* when */
	uint64_t records;		/* in the whole log */
	uint64_t lost_pending;		/* lost, with no LOST record for them */
	uint32_t reason;		/* enum fz_log_reason */
	uint32_t reserved;
};

enum fz_log_reason {
	FZ_LOG_STOPPED	= 0,	/* by a signal or the caller */
	FZ_LOG_DIED	= 1,	/* the watched VMs are gone */
	FZ_LOG_FAILED	= 2,	/* the stream broke; what came before is here */
};

/* ------------------------------------------------------------------ writing */

struct fz_log_writer;

/* What the log says about its making; NULL info = not from a device. */
int fz_log_create(struct fz_log_writer **w, const char *path, bool replace,
		  const struct fz_info *info, struct fz_error *err);
int fz_log_add_vms(struct fz_log_writer *w, const struct fz_vm_desc *vms, size_t n,
		   struct fz_error *err);
/* A sink; @arg is the writer. */
int fz_log_add(void *arg, const struct fz_rec *rec, struct fz_error *err);
/* Write what is buffered as a block; with @sync wait for the disk too. */
int fz_log_flush(struct fz_log_writer *w, bool sync, struct fz_error *err);
/* Flush, write the END block, sync. */
int fz_log_end(struct fz_log_writer *w, enum fz_log_reason reason, uint64_t lost_pending,
	       struct fz_error *err);
uint64_t fz_log_records(const struct fz_log_writer *w);
/* The hash of the last block written. */
const uint8_t *fz_log_head(const struct fz_log_writer *w);
/* Close without an END block unless fz_log_end() was called. */
void fz_log_close(struct fz_log_writer *w);

/* ------------------------------------------------------------------ reading */

/* What reading the whole file showed. */
struct fz_log_state {
	struct fz_log_header header;
	bool whole;		/* chain unbroken, END block there, nothing after it */
	bool broken;		/* changed or foreign content, not just cut short */
	char missing[256];	/* if not whole: what is wrong, and where */
	uint64_t blocks;	/* good ones */
	uint64_t bad_block;	/* if not whole: the first bad block's number */
	uint64_t offset;	/* file offset where the good part ends */
	uint8_t head[FZ_LOG_HASH];
	bool ended;		/* @end is valid */
	struct fz_log_end end;
	struct fz_seq seq;	/* freed by fz_log_state_free() */
};

/*
 * Read @path from its start: @vms (may be NULL) gets what was watched, @sink
 * (may be NULL) each record of each good block. A log that is cut or changed is
 * no error here: see @state. -EINVAL: not a log; else a negative errno.
 */
int fz_log_read(const char *path, fz_sink sink,
		int (*vms)(void *arg, const struct fz_vm_desc *vm, struct fz_error *err),
		void *arg, struct fz_log_state *state, struct fz_error *err);
void fz_log_state_free(struct fz_log_state *state);

/* CLOCK_REALTIME for a CLOCK_MONOTONIC time of the log. */
uint64_t fz_log_real(const struct fz_log_header *h, uint64_t mono);

/* Fill a header from this host; used by the writer and by live reports. */
void fz_log_describe(struct fz_log_header *h, const struct fz_info *info);

/* The chain. @payload may be NULL for the header (then @block is the header). */
int fz_log_hash(const uint8_t *prev, const void *block, size_t block_bytes,
		const void *payload, size_t bytes, uint8_t hash[FZ_LOG_HASH]);

#endif
