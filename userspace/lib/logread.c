// SPDX-License-Identifier: GPL-2.0-only
/* logread.c - reading the record log; log.h describes the file */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "log.h"

struct reading {
	FILE *f;
	const char *path;
	struct fz_log_state *s;
	fz_sink sink;
	int (*vms)(void *arg, const struct fz_vm_desc *vm, struct fz_error *err);
	void *arg;
	struct fz_log_block b;
	uint8_t *payload;
};

static const char * const faults[] = {
	[FZ_LOG_SOUND]		= "none",
	[FZ_LOG_NO_END]		= "no-end",
	[FZ_LOG_NO_CLOSING]	= "no-closing-seal",
	[FZ_LOG_CUT]		= "cut",
	[FZ_LOG_ZEROS]		= "zeros",
	[FZ_LOG_STREAM]		= "stream-error",
	[FZ_LOG_NO_BLOCK]	= "no-block",
	[FZ_LOG_CHANGED]	= "changed",
	[FZ_LOG_LEFT_OUT]	= "left-out",
	[FZ_LOG_AGAIN]		= "again",
	[FZ_LOG_BAD_SEAL]	= "bad-seal",
	[FZ_LOG_MALFORMED]	= "malformed",
	[FZ_LOG_TRAILING]	= "trailing-data",
};

const char *fz_log_fault_name(enum fz_log_fault fault)
{
	return faults[fault];
}

/* 1 = the good part ends here. */
__attribute__((format(printf, 3, 4)))
static int bad(struct reading *r, enum fz_log_fault fault, const char *fmt, ...)
{
	struct fz_log_state *s = r->s;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->missing, sizeof(s->missing), fmt, ap);
	va_end(ap);
	s->fault = fault;
	s->broken = fault >= FZ_LOG_NO_BLOCK;
	s->bad_block = s->blocks;
	return 1;
}

static int read_header(struct reading *r, struct fz_error *err)
{
	static const uint8_t no_key[FZ_SEAL_PUBLIC];
	struct fz_log_header *h = &r->s->header;
	uint8_t hash[FZ_LOG_HASH];
	size_t n = fread(h, 1, sizeof(*h), r->f);

	if (ferror(r->f))
		return fz_fail(err, -EIO, "cannot read %s: %s", r->path, strerror(errno));
	if (n < sizeof(h->magic) || memcmp(h->magic, FZ_LOG_MAGIC, sizeof(h->magic)))
		return fz_fail(err, -EINVAL, "%s is not a FitzRoy log", r->path);
	if (n >= offsetof(struct fz_log_header, abi) &&
	    (h->version != FZ_LOG_VERSION || h->bytes != sizeof(*h)))
		return fz_fail(err, -EINVAL, "%s has log version %u, this tool reads %u", r->path,
			       h->version, FZ_LOG_VERSION);
	if (n < sizeof(*h))
		return fz_fail(err, -EINVAL, "%s is cut within its header: nothing can be read",
			       r->path);
	if (h->abi != FZ_ABI_VERSION)
		return fz_fail(err, -EINVAL, "%s holds records of ABI %u, this tool reads %u",
			       r->path, h->abi, FZ_ABI_VERSION);
	if (fz_log_hash(NULL, h, sizeof(*h), NULL, 0, hash))
		return fz_fail(err, -ENOMEM, "out of memory");
	if (memcmp(hash, h->hash, sizeof(hash)))
		return fz_fail(err, -EINVAL, "the header of %s was changed: its hash is wrong",
			       r->path);
	h->boot_id[sizeof(h->boot_id) - 1] = 0;
	h->kernel[sizeof(h->kernel) - 1] = 0;
	h->module[sizeof(h->module) - 1] = 0;
	h->host[sizeof(h->host) - 1] = 0;
	h->tool[sizeof(h->tool) - 1] = 0;
	memcpy(r->s->head, hash, sizeof(hash));
	r->s->is_signed = memcmp(h->key, no_key, sizeof(no_key));
	r->s->offset = sizeof(*h);
	return 0;
}

/* Behind the last whole block the file ends. */
static int at_end(struct reading *r)
{
	struct fz_log_state *s = r->s;

	if (s->closed)
		return 1;
	if (s->ended)
		return bad(r, FZ_LOG_NO_CLOSING, "the log ends without a closing seal after block %"
			   PRIu64, s->blocks - 1);
	if (!s->blocks)
		return bad(r, FZ_LOG_NO_END, "no end mark: nothing was recorded");
	return bad(r, FZ_LOG_NO_END, "no end mark after block %" PRIu64
		   ": the recording was cut off", s->blocks - 1);
}

static bool zeros(const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n && !b[n - 1])
		n--;
	return !n;
}

/* Nothing but zeros from here to the end of the file, @n of them: a crash leaves that. */
static bool zeros_follow(struct reading *r, uint64_t *n)
{
	uint8_t buf[4096];
	size_t got;

	for (*n = 0; (got = fread(buf, 1, sizeof(buf), r->f)); *n += got)
		if (!zeros(buf, got))
			return false;
	return !ferror(r->f);
}

/*
 * A bad block's last bytes, and all that follows, are zeros. A sum of records is never 0;
 * elsewhere a single 0 at the end of the file says nothing.
 */
static bool zero_tail(struct reading *r)
{
	const struct fz_log_block *b = &r->b;
	uint64_t more;

	if (r->payload[b->bytes - 1] || !zeros_follow(r, &more))
		return false;
	return more || (b->type == FZ_LOG_RECORDS && b->bytes > 8 &&
			zeros(r->payload + b->bytes - 8, 8));
}

/* The number is wrong: is it what was changed, or are blocks missing, or again there? */
static int wrong_number(struct reading *r, struct fz_error *err)
{
	struct fz_log_state *s = r->s;
	struct fz_log_block as = r->b;
	uint8_t hash[FZ_LOG_HASH];

	if (zeros(r->b.hash, sizeof(r->b.hash)) && zero_tail(r))
		return bad(r, FZ_LOG_ZEROS, "block %" PRIu64 " at byte %" PRIu64
			   " ends in zeros, and so does the file", s->blocks, s->offset);
	as.number = s->blocks;
	if (fz_log_hash(s->head, &as, sizeof(as), r->payload, as.bytes, hash))
		return fz_fail(err, -ENOMEM, "out of memory");
	if (!memcmp(hash, as.hash, sizeof(hash)))
		return bad(r, FZ_LOG_CHANGED, "block %" PRIu64 " at byte %" PRIu64
			   " was changed: its number is wrong", s->blocks, s->offset);
	if (r->b.number > s->blocks + UINT32_MAX)
		return bad(r, FZ_LOG_NO_BLOCK, "block %" PRIu64 " at byte %" PRIu64
			   " is not a block", s->blocks, s->offset);
	if (r->b.number < s->blocks)
		return bad(r, FZ_LOG_AGAIN, "at byte %" PRIu64 " block %" PRIu64
			   " comes where block %" PRIu64 " should be", s->offset,
			   (uint64_t)r->b.number, s->blocks);
	return bad(r, FZ_LOG_LEFT_OUT, "at byte %" PRIu64 " block %" PRIu64
		   " should be, and block %" PRIu64 " is: %" PRIu64 " left out", s->offset,
		   s->blocks, (uint64_t)r->b.number, (uint64_t)r->b.number - s->blocks);
}

/* Get the next block, and the @hash that it should have. */
static int get_block(struct reading *r, uint8_t hash[FZ_LOG_HASH], struct fz_error *err)
{
	struct fz_log_state *s = r->s;
	struct fz_log_block *b = &r->b;
	size_t n = fread(b, 1, sizeof(*b), r->f), got;
	bool plausible;
	uint64_t more;

	if (ferror(r->f))
		return fz_fail(err, -EIO, "cannot read %s: %s", r->path, strerror(errno));
	if (!n)
		return at_end(r);
	if (zeros(b, n) && zeros_follow(r, &more))
		return bad(r, FZ_LOG_ZEROS, "from byte %" PRIu64 " on there are only zeros, after "
			   "%" PRIu64 " blocks", s->offset, s->blocks);
	if (s->closed)
		return bad(r, FZ_LOG_TRAILING, "data after the closing seal, at byte %" PRIu64,
			   s->offset);
	if (n < sizeof(*b))
		return bad(r, n < sizeof(b->magic) || b->magic == FZ_LOG_BLOCK_MAGIC ?
			   FZ_LOG_CUT : FZ_LOG_NO_BLOCK,
			   "the file ends within block %" PRIu64 ", at byte %" PRIu64,
			   s->blocks, s->offset + n);
	plausible = b->magic == FZ_LOG_BLOCK_MAGIC && b->bytes && b->bytes <= FZ_LOG_BLOCK_MAX;
	if (!plausible && zeros(b->hash, sizeof(b->hash)) && zeros_follow(r, &more))
		return bad(r, FZ_LOG_ZEROS, "block %" PRIu64 " at byte %" PRIu64
			   " ends in zeros, and so does the file", s->blocks, s->offset);
	if (!plausible)
		return bad(r, FZ_LOG_NO_BLOCK, "block %" PRIu64 " at byte %" PRIu64
			   " is not a block", s->blocks, s->offset);
	got = fread(r->payload, 1, b->bytes, r->f);
	if (ferror(r->f))
		return fz_fail(err, -EIO, "cannot read %s: %s", r->path, strerror(errno));
	if (got < b->bytes)
		return bad(r, FZ_LOG_CUT, "the file ends within block %" PRIu64 ", at byte %" PRIu64,
			   s->blocks, s->offset + sizeof(*b) + got);
	if (b->number != s->blocks)
		return wrong_number(r, err);
	if (fz_log_hash(s->head, b, sizeof(*b), r->payload, b->bytes, hash))
		return fz_fail(err, -ENOMEM, "out of memory");
	if (!memcmp(hash, b->hash, FZ_LOG_HASH))
		return 0;
	if (zero_tail(r))
		return bad(r, FZ_LOG_ZEROS, "block %" PRIu64 " at byte %" PRIu64
			   " ends in zeros, and so does the file", s->blocks, s->offset);
	return bad(r, FZ_LOG_CHANGED, "block %" PRIu64 " at byte %" PRIu64
		   " was changed: its hash is wrong", s->blocks, s->offset);
}

/* Every record of a block is checked before the first is delivered. */
static int read_records(struct reading *r, struct fz_error *err)
{
	const struct fz_log_block *b = &r->b;
	uint64_t sums = b->count * (uint64_t)sizeof(uint64_t), end = b->bytes - sums;
	struct fz_error why;
	uint32_t at, count = 0;
	int ret;

	if (sums > b->bytes)
		return bad(r, FZ_LOG_MALFORMED, "block %" PRIu64 " names %u records",
			   r->s->blocks, b->count);
	for (at = 0; at < end; count++) {
		const struct fz_rec *rec = (const void *)(r->payload + at);

		if (fz_rec_check(rec, end - at, &why))
			return bad(r, FZ_LOG_MALFORMED, "block %" PRIu64 ": %.200s", r->s->blocks,
				   why.text);
		at += rec->size;
	}
	if (count != b->count)
		return bad(r, FZ_LOG_MALFORMED, "block %" PRIu64 " holds %u records and names %u",
			   r->s->blocks, count, b->count);
	for (at = 0; at < end;) {
		const struct fz_rec *rec = (const void *)(r->payload + at);

		ret = fz_seq_add(&r->s->seq, rec, err);
		if (!ret && r->sink)
			ret = r->sink(r->arg, rec, err);
		if (ret < 0)
			return ret;
		at += rec->size;
	}
	return 0;
}

static int read_vms(struct reading *r, struct fz_error *err)
{
	uint32_t i;
	int ret = 0;

	if (r->b.bytes != r->b.count * (uint64_t)sizeof(struct fz_vm_desc))
		return bad(r, FZ_LOG_MALFORMED, "block %" PRIu64 " holds no list of VMs",
			   r->s->blocks);
	for (i = 0; i < r->b.count && !ret; i++) {
		struct fz_vm_desc *vm = (struct fz_vm_desc *)r->payload + i;

		vm->comm[sizeof(vm->comm) - 1] = 0;
		ret = r->vms ? r->vms(r->arg, vm, err) : 0;
	}
	return ret < 0 ? ret : 0;
}

static int read_end(struct reading *r)
{
	struct fz_log_state *s = r->s;

	if (r->b.bytes != sizeof(s->end))
		return bad(r, FZ_LOG_MALFORMED, "block %" PRIu64 " is no end mark", s->blocks);
	memcpy(&s->end, r->payload, sizeof(s->end));
	if (s->end.records != s->seq.records)
		return bad(r, FZ_LOG_MALFORMED, "the end mark names %" PRIu64
			   " records, the log holds %" PRIu64, s->end.records, s->seq.records);
	s->ended = true;
	return 0;
}

static int read_seal(struct reading *r)
{
	struct fz_log_state *s = r->s;
	struct fz_log_seal seal;

	if (r->b.bytes != sizeof(seal))
		return bad(r, FZ_LOG_BAD_SEAL, "block %" PRIu64 " is no seal", s->blocks);
	memcpy(&seal, r->payload, sizeof(seal));
	if (memcmp(seal.text, FZ_LOG_SEAL_TEXT, sizeof(seal.text)) || seal.number != s->seals ||
	    seal.block != s->blocks || seal.records != s->seq.records || seal.reserved ||
	    seal.closing != s->ended || memcmp(seal.head, s->head, sizeof(seal.head)))
		return bad(r, FZ_LOG_BAD_SEAL, "the seal in block %" PRIu64 " at byte %" PRIu64
			   " is not of what comes before it", s->blocks, s->offset);
	if (s->is_signed && !fz_seal_good(s->header.key, &seal,
					  offsetof(struct fz_log_seal, signature), seal.signature))
		return bad(r, FZ_LOG_BAD_SEAL, "the seal in block %" PRIu64 " at byte %" PRIu64
			   " is not signed by the log's key", s->blocks, s->offset);
	if (seal.mono < s->seal.mono)
		return bad(r, FZ_LOG_BAD_SEAL, "the seal in block %" PRIu64
			   " is older than the one before", s->blocks);
	s->seal = seal;
	s->seals++;
	s->seal_end = s->offset + sizeof(r->b) + r->b.bytes;
	s->closed = seal.closing;
	return 0;
}

static int read_block(struct reading *r, struct fz_error *err)
{
	struct fz_log_state *s = r->s;
	uint8_t hash[FZ_LOG_HASH];
	int ret = get_block(r, hash, err);

	if (ret)
		return ret;
	if (s->ended && r->b.type != FZ_LOG_SEAL)
		return bad(r, FZ_LOG_TRAILING, "data after the end mark, at byte %" PRIu64,
			   s->offset);
	switch (r->b.type) {
	case FZ_LOG_RECORDS:
		ret = read_records(r, err);
		break;
	case FZ_LOG_VMS:
		ret = read_vms(r, err);
		break;
	case FZ_LOG_END:
		ret = read_end(r);
		break;
	case FZ_LOG_SEAL:
		ret = read_seal(r);
		break;
	default:
		return bad(r, FZ_LOG_MALFORMED, "block %" PRIu64 " has the unknown type %u",
			   s->blocks, r->b.type);
	}
	if (ret)
		return ret;
	memcpy(s->head, hash, sizeof(s->head));
	s->blocks++;
	s->offset += sizeof(r->b) + r->b.bytes;
	return 0;
}

int fz_log_open(FILE **f, const char *path, struct fz_error *err)
{
	*f = fopen(path, "rbe");
	return *f ? 0 : fz_fail(err, -errno, "cannot open %s: %s", path, strerror(errno));
}

int fz_log_read_file(FILE *f, const char *path, fz_sink sink,
		     int (*vms)(void *arg, const struct fz_vm_desc *vm, struct fz_error *err),
		     void *arg, struct fz_log_state *s, struct fz_error *err)
{
	struct reading r = { .f = f, .path = path, .s = s, .sink = sink, .vms = vms, .arg = arg };
	struct stat st;
	int ret;

	memset(s, 0, sizeof(*s));
	if (!fstat(fileno(f), &st) && S_ISREG(st.st_mode))
		s->bytes = st.st_size;
	r.payload = malloc(FZ_LOG_BLOCK_MAX);
	ret = r.payload ? read_header(&r, err) : fz_fail(err, -ENOMEM, "out of memory");
	while (!ret)
		ret = read_block(&r, err);
	free(r.payload);
	if (ret > 0 && s->fault == FZ_LOG_SOUND && s->end.reason == FZ_LOG_FAILED)
		bad(&r, FZ_LOG_STREAM, "the recording ended at an error of the record stream");
	s->bad.record = s->seq.records;
	s->bad.offset = s->offset;
	s->whole = s->fault == FZ_LOG_SOUND;
	if (ret > 0)
		ret = s->whole || !s->bytes ? 0 : fz_log_survey(f, s, err);
	if (ret < 0)
		fz_log_state_free(s);
	return ret;
}

int fz_log_read(const char *path, fz_sink sink,
		int (*vms)(void *arg, const struct fz_vm_desc *vm, struct fz_error *err),
		void *arg, struct fz_log_state *s, struct fz_error *err)
{
	FILE *f;
	int ret = fz_log_open(&f, path, err);

	if (ret)
		return ret;
	ret = fz_log_read_file(f, path, sink, vms, arg, s, err);
	fclose(f);
	return ret;
}

void fz_log_state_free(struct fz_log_state *s)
{
	fz_seq_free(&s->seq);
	fz_seq_free(&s->behind.seq);
}

uint64_t fz_log_real(const struct fz_log_header *h, uint64_t mono)
{
	return h->real + (mono - h->mono);
}
