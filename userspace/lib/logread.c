// SPDX-License-Identifier: GPL-2.0-only
/* logread.c - reading the record log; log.h describes the file */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"

struct reading {
	FILE *f;
	const char *path;
	struct fz_log_state *s;
	fz_sink sink;
	int (*vms)(void *arg, const struct fz_vm_desc *vm, struct fz_error *err);
	void *arg;
	uint8_t *payload;
};

__attribute__((format(printf, 3, 4)))
static int bad(struct reading *r, bool broken, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->s->missing, sizeof(r->s->missing), fmt, ap);
	va_end(ap);
	r->s->broken = broken;
	r->s->bad_block = r->s->blocks;
	return 1;
}

static int read_header(struct reading *r, struct fz_error *err)
{
	struct fz_log_header *h = &r->s->header;
	uint8_t hash[FZ_LOG_HASH];
	size_t n = fread(h, 1, sizeof(*h), r->f);

	if (ferror(r->f))
		return fz_fail(err, -EIO, "cannot read %s: %s", r->path, strerror(errno));
	if (n < sizeof(h->magic) || memcmp(h->magic, FZ_LOG_MAGIC, sizeof(h->magic)))
		return fz_fail(err, -EINVAL, "%s is not a FitzRoy log", r->path);
	if (n < sizeof(*h))
		return fz_fail(err, -EINVAL, "%s is cut within its header: nothing can be read",
			       r->path);
	if (h->version != FZ_LOG_VERSION || h->bytes != sizeof(*h))
		return fz_fail(err, -EINVAL, "%s has log version %u, this tool reads %u", r->path,
			       h->version, FZ_LOG_VERSION);
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
	r->s->offset = sizeof(*h);
	return 0;
}

/* 1 = the good part ends here, and @s says why. */
static int check_block(struct reading *r, struct fz_log_block *b, struct fz_error *err)
{
	struct fz_log_state *s = r->s;
	uint8_t hash[FZ_LOG_HASH];
	size_t n = fread(b, 1, sizeof(*b), r->f);

	if (!n && feof(r->f)) {
		if (s->ended)
			return 1;
		return bad(r, false, "no end mark after block %" PRId64
			   ": the recording was cut off", (int64_t)s->blocks - 1);
	}
	if (ferror(r->f))
		return fz_fail(err, -EIO, "cannot read %s: %s", r->path, strerror(errno));
	if (s->ended)
		return bad(r, true, "data after the end mark, at byte %" PRIu64, s->offset);
	if (n < sizeof(*b))
		return bad(r, false, "the file ends within block %" PRIu64 ", at byte %" PRIu64,
			   s->blocks, s->offset + n);
	if (b->magic != FZ_LOG_BLOCK_MAGIC || b->bytes > FZ_LOG_BLOCK_MAX ||
	    b->number != s->blocks || !b->bytes)
		return bad(r, true, "block %" PRIu64 " at byte %" PRIu64 " is not a block",
			   s->blocks, s->offset);
	n = fread(r->payload, 1, b->bytes, r->f);
	if (ferror(r->f))
		return fz_fail(err, -EIO, "cannot read %s: %s", r->path, strerror(errno));
	if (n < b->bytes)
		return bad(r, false, "the file ends within block %" PRIu64 ", at byte %" PRIu64,
			   s->blocks, s->offset + sizeof(*b) + n);
	if (fz_log_hash(s->head, b, sizeof(*b), r->payload, b->bytes, hash))
		return fz_fail(err, -ENOMEM, "out of memory");
	if (memcmp(hash, b->hash, sizeof(hash)))
		return bad(r, true, "block %" PRIu64 " at byte %" PRIu64
			   " was changed: its hash is wrong", s->blocks, s->offset);
	memcpy(s->head, hash, sizeof(hash));
	return 0;
}

/* Every record of a block is checked before the first is delivered. */
static int read_records(struct reading *r, const struct fz_log_block *b, struct fz_error *err)
{
	struct fz_error why;
	uint32_t at, count = 0;
	int ret;

	for (at = 0; at < b->bytes; count++) {
		const struct fz_rec *rec = (const void *)(r->payload + at);

		if (fz_rec_check(rec, b->bytes - at, &why))
			return bad(r, true, "block %" PRIu64 ": %.200s", r->s->blocks, why.text);
		at += rec->size;
	}
	if (count != b->count)
		return bad(r, true, "block %" PRIu64 " holds %u records and names %u",
			   r->s->blocks, count, b->count);
	for (at = 0; at < b->bytes;) {
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

static int read_vms(struct reading *r, const struct fz_log_block *b, struct fz_error *err)
{
	uint32_t i;
	int ret = 0;

	if (b->bytes != b->count * (uint64_t)sizeof(struct fz_vm_desc))
		return bad(r, true, "block %" PRIu64 " holds no list of VMs", r->s->blocks);
	for (i = 0; i < b->count && !ret; i++) {
		struct fz_vm_desc *vm = (struct fz_vm_desc *)r->payload + i;

		vm->comm[sizeof(vm->comm) - 1] = 0;
		ret = r->vms ? r->vms(r->arg, vm, err) : 0;
	}
	return ret < 0 ? ret : 0;
}

static int read_block(struct reading *r, struct fz_error *err)
{
	struct fz_log_state *s = r->s;
	struct fz_log_block b;
	int ret = check_block(r, &b, err);

	if (ret)
		return ret;
	switch (b.type) {
	case FZ_LOG_RECORDS:
		ret = read_records(r, &b, err);
		break;
	case FZ_LOG_VMS:
		ret = read_vms(r, &b, err);
		break;
	case FZ_LOG_END:
		if (b.bytes != sizeof(s->end))
			return bad(r, true, "block %" PRIu64 " is no end mark", s->blocks);
		memcpy(&s->end, r->payload, sizeof(s->end));
		s->ended = true;
		break;
	default:
		return bad(r, true, "block %" PRIu64 " has the unknown type %u", s->blocks, b.type);
	}
	if (ret)
		return ret;
	s->blocks++;
	s->offset += sizeof(b) + b.bytes;
	return 0;
}

int fz_log_read(const char *path, fz_sink sink,
		int (*vms)(void *arg, const struct fz_vm_desc *vm, struct fz_error *err),
		void *arg, struct fz_log_state *s, struct fz_error *err)
{
	struct reading r = { .path = path, .s = s, .sink = sink, .vms = vms, .arg = arg };
	int ret;

	memset(s, 0, sizeof(*s));
	r.f = fopen(path, "rbe");
	if (!r.f)
		return fz_fail(err, -errno, "cannot open %s: %s", path, strerror(errno));
	r.payload = malloc(FZ_LOG_BLOCK_MAX);
	ret = r.payload ? read_header(&r, err) : fz_fail(err, -ENOMEM, "out of memory");
	while (!ret)
		ret = read_block(&r, err);
	free(r.payload);
	fclose(r.f);
	if (ret < 0) {
		fz_seq_free(&s->seq);
		return ret;
	}
	s->whole = s->ended && !s->missing[0];
	if (s->whole && s->end.records != s->seq.records) {
		s->whole = false;
		s->broken = true;
		s->bad_block = s->blocks - 1;
		snprintf(s->missing, sizeof(s->missing), "the end mark names %" PRIu64
			 " records, the log holds %" PRIu64, s->end.records, s->seq.records);
	}
	if (s->whole && s->end.reason == FZ_LOG_FAILED) {
		s->whole = false;
		s->bad_block = s->blocks - 1;
		snprintf(s->missing, sizeof(s->missing),
			 "the recording ended at an error of the record stream");
	}
	return 0;
}

void fz_log_state_free(struct fz_log_state *s)
{
	fz_seq_free(&s->seq);
}

uint64_t fz_log_real(const struct fz_log_header *h, uint64_t mono)
{
	return h->real + (mono - h->mono);
}
