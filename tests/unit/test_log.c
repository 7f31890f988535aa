// SPDX-License-Identifier: GPL-2.0-only
/* test_log.c - the record log: written, cut at every place, changed at every place */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log.h"
#include "tap.h"

static char dir[] = "/tmp/fz-test-log-XXXXXX";
static char path[64], copy[64];
static uint64_t got_records, got_vms, got_bytes;

static int take(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	(void)arg;
	(void)err;
	got_records++;
	got_bytes += fz_rec_page(rec) ? fz_rec_page(rec)[17] : 0;
	return 0;
}

static int take_vm(void *arg, const struct fz_vm_desc *vm, struct fz_error *err)
{
	(void)arg;
	(void)err;
	got_vms += vm->id;
	return 0;
}

static int read_log(const char *file, struct fz_log_state *s, struct fz_error *err)
{
	got_records = 0;
	got_vms = 0;
	got_bytes = 0;
	return fz_log_read(file, take, take_vm, NULL, s, err);
}

static void make_rec(uint8_t *buf, uint64_t i)
{
	struct fz_rec *r = (struct fz_rec *)buf;
	int page = i % 3 == 0;

	memset(r, 0, sizeof(*r));
	r->size = sizeof(*r) + (page ? FZ_PAGE_SIZE : 0);
	r->type = page ? FZ_REC_EXEC : FZ_REC_WRITE;
	r->flags = page ? FZ_RECF_PAGE : 0;
	r->seq = i;
	r->time = 1000 + i;
	r->vm = 7;
	memset(r + 1, 1, FZ_PAGE_SIZE);
}

/* @n records in blocks of ten; 0 = no end mark. */
static int write_log(const char *file, uint64_t n, bool end, struct fz_error *err)
{
	struct fz_vm_desc vms[2] = { { .id = 3 }, { .id = 4 } };
	uint64_t buf[FZ_REC_MAX / 8];
	struct fz_log_writer *w;
	uint64_t i;
	int ret;

	ret = fz_log_create(&w, file, true, NULL, err);
	if (ret)
		return ret;
	ret = fz_log_add_vms(w, vms, 2, err);
	for (i = 0; i < n && !ret; i++) {
		make_rec((uint8_t *)buf, i);
		ret = fz_log_add(w, (struct fz_rec *)buf, err);
		if (!ret && i % 10 == 9)
			ret = fz_log_flush(w, false, err);
	}
	if (!ret && end)
		ret = fz_log_end(w, FZ_LOG_DIED, 5, err);
	else if (!ret)
		ret = fz_log_flush(w, true, err);
	fz_log_close(w);
	return ret;
}

static uint8_t *slurp(const char *file, size_t *n)
{
	FILE *f = fopen(file, "rb");
	struct stat st;
	uint8_t *p;

	if (!f || fstat(fileno(f), &st))
		abort();
	p = malloc(st.st_size + 1);
	*n = fread(p, 1, st.st_size, f);
	fclose(f);
	return p;
}

static void spill(const char *file, const uint8_t *p, size_t n)
{
	FILE *f = fopen(file, "wb");

	if (!f || fwrite(p, 1, n, f) != n || fclose(f))
		abort();
}

static void test_whole(void)
{
	struct fz_log_writer *w;
	struct fz_log_state s;
	struct fz_error err;

	ok(!write_log(path, 95, true, &err), "write 95 records");
	ok(!read_log(path, &s, &err) && s.whole && !s.broken && !s.missing[0], "read: whole");
	ok(got_records == 95 && got_bytes == 32 && got_vms == 7, "all records, snapshots, VMs");
	ok(s.ended && s.end.records == 95 && s.end.reason == FZ_LOG_DIED &&
	   s.end.lost_pending == 5, "the end mark says how it ended");
	ok(s.blocks == 12 && !s.seq.ngaps && s.seq.records == 95, "12 blocks, no gap");
	ok(s.header.kernel[0] && strlen(s.header.boot_id) == 36 && s.header.real > s.header.mono,
	   "the header names kernel, boot and time");
	ok(fz_log_real(&s.header, s.header.mono + 5) == s.header.real + 5, "times convert");
	fz_log_state_free(&s);
	ok(fz_log_create(&w, path, false, NULL, &err) == -EEXIST, "an existing log is not replaced");
	ok(!write_log(copy, 0, true, &err) && !read_log(copy, &s, &err) && s.whole,
	   "an empty recording is whole");
	fz_log_state_free(&s);
	ok(fz_log_create(&w, "/nonexistent/x", false, NULL, &err) == -ENOENT,
	   "no such folder: an error");
}

/* Cut at every 97th byte: the records of the whole blocks, never "whole", never an error. */
static void test_cut(void)
{
	size_t n, at, errors = 0, wholes = 0, wrong = 0, broken = 0, cuts = 0;
	struct fz_log_state s;
	struct fz_error err;
	uint8_t *p;

	write_log(path, 95, true, &err);
	p = slurp(path, &n);
	for (at = sizeof(struct fz_log_header); at < n; at += 97, cuts++) {
		spill(copy, p, at);
		if (read_log(copy, &s, &err)) {
			errors++;
			continue;
		}
		wholes += s.whole;
		broken += s.broken;
		wrong += got_records % 10 && got_records != 95;
		wrong += s.offset > at || !s.missing[0] || s.bad_block != s.blocks;
		fz_log_state_free(&s);
	}
	ok(cuts > 1000 && !errors, "%zu cuts: readable", cuts);
	ok(!wholes, "%zu cuts: never called whole", cuts);
	ok(!wrong, "%zu cuts: whole blocks only, and what is missing", cuts);
	ok(!broken, "%zu cuts: cut, not changed", cuts);
	spill(copy, p, 100);
	ok(read_log(copy, &s, &err) == -EINVAL && strstr(err.text, "header"),
	   "cut within the header");
	spill(copy, p, 0);
	ok(read_log(copy, &s, &err) == -EINVAL, "an empty file");
	free(p);
	write_log(copy, 95, false, &err);
	ok(!read_log(copy, &s, &err) && !s.whole && !s.broken && got_records == 95 &&
	   strstr(s.missing, "no end mark"), "no end mark: all records, not whole");
	fz_log_state_free(&s);
}

static void test_changed(void)
{
	size_t n, at, unseen = 0, changes = 0, late = 0;
	struct fz_log_state s;
	struct fz_error err;
	uint8_t *p;

	write_log(path, 95, true, &err);
	p = slurp(path, &n);
	for (at = 0; at < n; at += 61, changes++) {
		p[at] ^= 1;
		spill(copy, p, n);
		p[at] ^= 1;
		if (!read_log(copy, &s, &err)) {
			unseen += s.whole;
			/* nothing at or after the change is delivered */
			late += s.offset > at;
			fz_log_state_free(&s);
		}
	}
	ok(!unseen, "%zu single-bit changes: each is seen", changes);
	ok(!late, "%zu single-bit changes: nothing after one is believed", changes);
	p = realloc(p, n + 8);
	memcpy(p + n, "8 bytes!", 8);
	spill(copy, p, n + 8);
	ok(!read_log(copy, &s, &err) && !s.whole && s.broken && got_records == 95,
	   "data after the end mark");
	fz_log_state_free(&s);
	free(p);
}

/* Swap, drop or double a block: the chain notices. */
static void test_blocks(void)
{
	size_t n, at[16], blocks = 0, pos = sizeof(struct fz_log_header), size;
	struct fz_log_state s;
	struct fz_error err;
	uint8_t *p, *q;

	write_log(path, 40, true, &err);
	p = slurp(path, &n);
	while (pos < n && blocks < 15) {
		at[blocks++] = pos;
		pos += sizeof(struct fz_log_block) + ((struct fz_log_block *)(p + pos))->bytes;
	}
	at[blocks] = pos;
	ok(blocks == 6 && pos == n, "six blocks");
	size = at[3] - at[2];
	q = malloc(n + size);
	memcpy(q, p, at[2]);
	memcpy(q + at[2], p + at[3], n - at[3]);
	spill(copy, q, n - size);
	ok(!read_log(copy, &s, &err) && s.broken && s.bad_block == 2, "a block left out");
	fz_log_state_free(&s);
	memcpy(q, p, at[3]);
	memcpy(q + at[3], p + at[2], n - at[2]);
	spill(copy, q, n + size);
	ok(!read_log(copy, &s, &err) && s.broken && s.bad_block == 3, "a block twice");
	fz_log_state_free(&s);
	free(q);
	write_log(copy, 40, true, &err);
	q = slurp(copy, &n);
	memcpy(q + at[2], p + at[2], at[3] - at[2]);
	spill(copy, q, n);
	ok(!read_log(copy, &s, &err) && s.broken && s.bad_block == 2,
	   "a good block of another log, of the same number");
	fz_log_state_free(&s);
	free(p);
	free(q);
}

/* A forger who recomputes the chain is still held to the format. */
static int forge(const char *what, uint32_t type, const void *payload, uint32_t bytes,
		 uint32_t count)
{
	struct fz_log_block b = { .magic = FZ_LOG_BLOCK_MAGIC, .type = type, .bytes = bytes,
				  .count = count };
	struct fz_log_header h;
	struct fz_log_state s;
	struct fz_error err;
	FILE *f;

	fz_log_describe(&h, NULL);
	fz_log_hash(NULL, &h, sizeof(h), NULL, 0, h.hash);
	fz_log_hash(h.hash, &b, sizeof(b), payload, bytes, b.hash);
	f = fopen(copy, "wb");
	fwrite(&h, sizeof(h), 1, f);
	fwrite(&b, sizeof(b), 1, f);
	fwrite(payload, bytes, 1, f);
	fclose(f);
	ok(!read_log(copy, &s, &err) && s.broken && !s.whole && s.bad_block == 0 && !got_records,
	   "forged: %s", what);
	fz_log_state_free(&s);
	return 0;
}

static void test_forged(void)
{
	uint64_t buf[2 * FZ_REC_MAX / 8];
	struct fz_rec *r = (struct fz_rec *)buf;

	make_rec((uint8_t *)buf, 0);
	forge("a record past its block", FZ_LOG_RECORDS, buf, 1024, 1);
	forge("a wrong count", FZ_LOG_RECORDS, buf, r->size, 2);
	r->size = 0;
	forge("a record of size 0", FZ_LOG_RECORDS, buf, 128, 1);
	forge("an unknown block type", 77, buf, 128, 1);
	forge("VMs that do not fill the block", FZ_LOG_VMS, buf, 128, 1);
	forge("a count of VMs that overflows", FZ_LOG_VMS, buf, 64, 0x40000001);
	forge("an end mark of the wrong size", FZ_LOG_END, buf, 8, 0);
}

static void test_foreign(void)
{
	struct fz_log_state s;
	struct fz_log_header h;
	struct fz_error err;

	ok(read_log("/proc/self/exe", &s, &err) == -EINVAL && strstr(err.text, "not a FitzRoy log"),
	   "a program is no log");
	ok(read_log("/nonexistent", &s, &err) == -ENOENT, "no such file");
	ok(read_log("/tmp", &s, &err) < 0, "a folder is no log");
	fz_log_describe(&h, NULL);
	h.version = 2;
	fz_log_hash(NULL, &h, sizeof(h), NULL, 0, h.hash);
	spill(copy, (uint8_t *)&h, sizeof(h));
	ok(read_log(copy, &s, &err) == -EINVAL && strstr(err.text, "version 2"), "a later version");
	h.version = FZ_LOG_VERSION;
	h.abi = 9;
	fz_log_hash(NULL, &h, sizeof(h), NULL, 0, h.hash);
	spill(copy, (uint8_t *)&h, sizeof(h));
	ok(read_log(copy, &s, &err) == -EINVAL && strstr(err.text, "ABI 9"), "another ABI");
}

int main(void)
{
	plan(10 + 7 + 3 + 4 + 7 + 5);
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(copy, sizeof(copy), "%s/copy", dir);
	test_whole();
	test_cut();
	test_changed();
	test_blocks();
	test_forged();
	test_foreign();
	unlink(path);
	unlink(copy);
	rmdir(dir);
	return done();
}
