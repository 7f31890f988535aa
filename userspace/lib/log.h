/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.h - the record log: one hash-chained, sealed, append-only file
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
 * Seals: a SEAL block is written before each wait for the disk. With a key it is
 * signed, and so is the chain up to it: nobody without the key can make another.
 * Without one it says how far the log was meant to be on the disk.
 *
 * A log that was ended cleanly has an END block and then a closing SEAL last.
 * Without them (power cut, kill -9) everything up to the last whole block counts,
 * and the log is incomplete. Documentation/log.rst is the long form.
 */
#ifndef FZ_LOG_H
#define FZ_LOG_H

#include <stdio.h>
#include "record.h"
#include "seal.h"

#define FZ_LOG_MAGIC		"\x89" "FZLOG\r\n"
#define FZ_LOG_VERSION		2
#define FZ_LOG_BLOCK_MAGIC	0x4b425a46U	/* "FZBK" */
#ifndef FZ_LOG_BLOCK_MAX		/* the fuzzers have a smaller limit */
#define FZ_LOG_BLOCK_MAX	(1U << 20)	/* payload bytes */
#endif
#define FZ_LOG_HASH		32
#define FZ_LOG_SEAL_BYTES	(16U << 20)	/* at most this much between two seals */

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
	uint8_t key[FZ_SEAL_PUBLIC];	/* that checks the seals; zeros = they are not signed */
	uint8_t hash[FZ_LOG_HASH];
};

enum fz_log_type {
	/*
	 * struct fz_rec, each with its snapshot, then a 64-bit XXH64 of each: they prove
	 * nothing, and tell which record of a changed block is the first changed one.
	 */
	FZ_LOG_RECORDS	= 1,
	FZ_LOG_VMS	= 2,	/* struct fz_vm_desc: what was watched at the start */
	FZ_LOG_END	= 3,	/* struct fz_log_end */
	FZ_LOG_SEAL	= 4,	/* struct fz_log_seal */
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

/* Signed are FZ_LOG_SEAL_TEXT and all before the signature. */
#define FZ_LOG_SEAL_TEXT	"FitzRoy log seal"

struct fz_log_seal {
	char text[16];
	uint64_t number;		/* 0, 1, 2, ... */
	uint64_t block;			/* number of the block that holds it */
	uint64_t records;		/* in the log up to here */
	uint64_t mono;			/* when */
	uint32_t closing;		/* 1: the last, behind END */
	uint32_t reserved;
	uint8_t head[FZ_LOG_HASH];	/* hash of what comes before, so of all of it */
	uint8_t signature[FZ_SEAL_SIGNATURE];	/* Ed25519, or zeros */
};

/* ------------------------------------------------------------------ writing */

struct fz_log_writer;

/*
 * Make a file of mode 0600 and write @h, which fz_log_describe() filled; with @key
 * (may be NULL) the seals are signed, and it must outlive the writer. With @replace
 * a file that exists is removed before. -EEXIST; -ELOOP: @path is a symbolic link.
 */
int fz_log_create_as(struct fz_log_writer **w, const char *path, bool replace,
		     const struct fz_log_header *h, const struct fz_seal_key *key,
		     struct fz_error *err);
/* The same without a key, described now; NULL info = not from a device. */
int fz_log_create(struct fz_log_writer **w, const char *path, bool replace,
		  const struct fz_info *info, struct fz_error *err);
int fz_log_add_vms(struct fz_log_writer *w, const struct fz_vm_desc *vms, size_t n,
		   struct fz_error *err);
/* A sink; @arg is the writer. */
int fz_log_add(void *arg, const struct fz_rec *rec, struct fz_error *err);
/* Write what is buffered as a block; with @sync a seal too, and wait for the disk. */
int fz_log_flush(struct fz_log_writer *w, bool sync, struct fz_error *err);
/* Flush, write the END block and the closing seal, sync. */
int fz_log_end(struct fz_log_writer *w, enum fz_log_reason reason, uint64_t lost_pending,
	       struct fz_error *err);
uint64_t fz_log_records(const struct fz_log_writer *w);
/* Of these, how many have been written to the file. */
uint64_t fz_log_written(const struct fz_log_writer *w);
/* Something was added since the last seal. */
bool fz_log_dirty(const struct fz_log_writer *w);
/* The file's descriptor. */
int fz_log_fd(const struct fz_log_writer *w);
/* The hash of the last block written. */
const uint8_t *fz_log_head(const struct fz_log_writer *w);
/* Close without an END block unless fz_log_end() was called. */
void fz_log_close(struct fz_log_writer *w);

/* ------------------------------------------------------------------ reading */

enum fz_log_fault {
	FZ_LOG_SOUND,		/* none */
	FZ_LOG_NO_END,		/* ends behind a whole block, without END */
	FZ_LOG_NO_CLOSING,	/* ... behind END, without the closing seal */
	FZ_LOG_CUT,		/* ends within a block */
	FZ_LOG_ZEROS,		/* nothing but zeros behind the good part */
	FZ_LOG_STREAM,		/* whole, but the recording ended at an error */
	/* from here on it is broken: not just cut short */
	FZ_LOG_NO_BLOCK,	/* something else where a block should be */
	FZ_LOG_CHANGED,		/* a block's hash is wrong */
	FZ_LOG_LEFT_OUT,	/* blocks are missing */
	FZ_LOG_AGAIN,		/* an earlier block comes again */
	FZ_LOG_BAD_SEAL,	/* a seal's signature or content is wrong */
	FZ_LOG_MALFORMED,	/* a good hash over what no writer writes */
	FZ_LOG_TRAILING,	/* data behind the last block */
};

/* What reading the whole file showed. */
struct fz_log_state {
	struct fz_log_header header;
	bool whole;		/* chain unbroken, END and closing seal there, nothing after */
	bool broken;		/* changed or foreign content, not just cut short */
	enum fz_log_fault fault;
	char missing[256];	/* if not whole: what is wrong, and where */
	uint64_t blocks;	/* good ones */
	uint64_t bad_block;	/* if not whole: the first bad block's number */
	uint64_t offset;	/* file offset where the good part ends */
	uint64_t bytes;		/* of the file; 0 = a pipe: not known */
	uint8_t head[FZ_LOG_HASH];
	bool is_signed;		/* header.key is set; every good seal is signed by it */
	bool ended;		/* @end is valid */
	bool closed;		/* the closing seal is there */
	struct fz_log_end end;
	uint64_t seals;		/* good ones */
	struct fz_log_seal seal;	/* the last of them */
	uint64_t seal_end;	/* file offset behind it */
	struct fz_seq seq;	/* of the good part; freed by fz_log_state_free() */

	/*
	 * The first record that is not good, as the damaged bytes have it: neither
	 * proven nor believed. @record counts from 0; @cpu, @seq and @time if @named.
	 */
	struct {
		uint64_t record, offset;
		bool named;
		uint32_t cpu;
		uint64_t seq, time;
	} bad;
	/* What looks intact behind the damage, not believed; its gaps are what is missing. */
	struct {
		uint64_t blocks;
		struct fz_seq seq;
	} behind;
};

/*
 * Read @path from its start: @vms (may be NULL) gets what was watched, @sink
 * (may be NULL) each record of each good block. A log that is cut or changed is
 * no error here: see @state. -EINVAL: not a log; else a negative errno.
 */
int fz_log_read(const char *path, fz_sink sink,
		int (*vms)(void *arg, const struct fz_vm_desc *vm, struct fz_error *err),
		void *arg, struct fz_log_state *state, struct fz_error *err);
/* The same from an open file, which is named @path in messages and stays open. */
int fz_log_read_file(FILE *f, const char *path, fz_sink sink,
		     int (*vms)(void *arg, const struct fz_vm_desc *vm, struct fz_error *err),
		     void *arg, struct fz_log_state *state, struct fz_error *err);
int fz_log_open(FILE **f, const char *path, struct fz_error *err);
void fz_log_state_free(struct fz_log_state *state);

/* Look behind the damage that @state tells of, from its offset on: fill @bad and @behind. */
int fz_log_survey(FILE *f, struct fz_log_state *state, struct fz_error *err);

/* "cut", "changed", ... */
const char *fz_log_fault_name(enum fz_log_fault fault);

/* CLOCK_REALTIME for a CLOCK_MONOTONIC time of the log. */
uint64_t fz_log_real(const struct fz_log_header *h, uint64_t mono);

/* Fill a header from this host; used by the writer and by live reports. */
void fz_log_describe(struct fz_log_header *h, const struct fz_info *info);

/* The chain. @payload may be NULL for the header (then @block is the header). */
int fz_log_hash(const uint8_t *prev, const void *block, size_t block_bytes,
		const void *payload, size_t bytes, uint8_t hash[FZ_LOG_HASH]);

#endif
