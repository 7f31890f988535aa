/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fake_log.h - small logs for tests, and tools to harm them with
 */
#ifndef FAKE_LOG_H
#define FAKE_LOG_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log.h"
#include "tap.h"

/* In memory: tests write it ten thousand times. */
static char dir[] = "/dev/shm/fz-test-log-XXXXXX";
static char path[64], copy[64];
static uint64_t got_records, got_vms, got_bytes, got_last;

static inline int take(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	(void)arg;
	(void)err;
	got_records++;
	got_last = rec->seq;
	got_bytes += fz_rec_page(rec) ? fz_rec_page(rec)[17] : 0;
	return 0;
}

static inline int take_vm(void *arg, const struct fz_vm_desc *vm, struct fz_error *err)
{
	(void)arg;
	(void)err;
	got_vms += vm->id;
	return 0;
}

static inline int read_log(const char *file, struct fz_log_state *s, struct fz_error *err)
{
	got_records = 0;
	got_vms = 0;
	got_bytes = 0;
	return fz_log_read(file, take, take_vm, NULL, s, err);
}

static inline void make_rec(uint8_t *buf, uint64_t i, bool page)
{
	struct fz_rec *r = (struct fz_rec *)buf;

	memset(r, 0, sizeof(*r));
	r->size = sizeof(*r) + (page ? FZ_PAGE_SIZE : 0);
	r->type = page ? FZ_REC_EXEC : FZ_REC_WRITE;
	r->flags = page ? FZ_RECF_PAGE : 0;
	r->seq = i;
	r->time = 1000 + i;
	r->vm = 7;
	memset(r + 1, 1, FZ_PAGE_SIZE);
}

/* What log to write: @n records in blocks of @each, with a seal after every @seal blocks. */
struct plan {
	uint64_t n, each, seal;
	unsigned int page;	/* one record of so many has a snapshot; 0 = none */
	bool end;
	const struct fz_seal_key *key;
};

static inline int write_plan(const char *file, const struct plan *p, struct fz_error *err)
{
	struct fz_vm_desc vms[2] = { { .id = 3 }, { .id = 4 } };
	uint64_t buf[FZ_REC_MAX / 8];
	struct fz_log_writer *w;
	struct fz_log_header h;
	uint64_t i;
	int ret;

	fz_log_describe(&h, NULL);
	ret = fz_log_create_as(&w, file, true, &h, p->key, err);
	if (ret)
		return ret;
	ret = fz_log_add_vms(w, vms, 2, err);
	for (i = 0; i < p->n && !ret; i++) {
		make_rec((uint8_t *)buf, i, p->page && i % p->page == 0);
		ret = fz_log_add(w, (struct fz_rec *)buf, err);
		if (!ret && i % p->each == p->each - 1)
			ret = fz_log_flush(w, p->seal && i / p->each % p->seal == p->seal - 1, err);
	}
	if (!ret && p->end)
		ret = fz_log_end(w, FZ_LOG_DIED, 5, err);
	else if (!ret)
		ret = fz_log_flush(w, false, err);
	fz_log_close(w);
	return ret;
}

static inline uint8_t *slurp(const char *file, size_t *n)
{
	FILE *f = fopen(file, "rb");
	struct stat st;
	uint8_t *p;

	if (!f || fstat(fileno(f), &st))
		abort();
	/* Room to add to. */
	p = calloc(1, st.st_size + 65536);
	*n = fread(p, 1, st.st_size, f);
	fclose(f);
	return p;
}

static inline void spill(const char *file, const uint8_t *p, size_t n)
{
	FILE *f = fopen(file, "wb");

	if (!f || fwrite(p, 1, n, f) != n || fclose(f))
		abort();
}

/* Where the blocks begin, and the end. Return how many. */
static inline size_t find_blocks(const uint8_t *p, size_t n, size_t *at, size_t max)
{
	size_t pos = sizeof(struct fz_log_header), i = 0;

	while (pos < n && i < max) {
		at[i++] = pos;
		pos += sizeof(struct fz_log_block) + ((struct fz_log_block *)(p + pos))->bytes;
	}
	at[i] = pos;
	return i;
}

/*
 * What a forger without the key can do: number the blocks anew and compute the chain,
 * and either make the seals fit (@fit) or leave them as they were signed.
 */
static inline void rechain(uint8_t *p, size_t n, bool fit)
{
	struct fz_log_header *h = (struct fz_log_header *)p;
	const uint8_t *prev = h->hash;
	size_t at[64], blocks = find_blocks(p, n, at, 63), i, seals = 0, records = 0;

	fz_log_hash(NULL, h, sizeof(*h), NULL, 0, h->hash);
	for (i = 0; i < blocks; i++) {
		struct fz_log_block *b = (struct fz_log_block *)(p + at[i]);

		b->number = i;
		if (b->type == FZ_LOG_SEAL && fit) {
			struct fz_log_seal *s = (struct fz_log_seal *)(b + 1);

			s->block = i;
			s->number = seals++;
			s->records = records;
			memcpy(s->head, prev, sizeof(s->head));
		}
		records += b->type == FZ_LOG_RECORDS ? b->count : 0;
		fz_log_hash(prev, b, sizeof(*b), b + 1, b->bytes, b->hash);
		prev = b->hash;
	}
}

static inline void enter(void)
{
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(copy, sizeof(copy), "%s/copy", dir);
}

static inline void leave(void)
{
	unlink(path);
	unlink(copy);
	rmdir(dir);
}

#endif
