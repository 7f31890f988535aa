// SPDX-License-Identifier: GPL-2.0-only
/* test_log.c - the record log: written, cut at every place, changed at every place */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include "fake_log.h"

/* Every byte; with a sanitizer, which takes ten times as long, every seventh. */
#ifdef __SANITIZE_ADDRESS__
#define STEP	7
#else
#define STEP	1
#endif

#define SMALL	((struct plan){ .n = 12, .each = 4, .seal = 2, .page = 5, .end = true })

/* @n records in blocks of ten. */
static int write_log(const char *file, uint64_t n, bool end, struct fz_error *err)
{
	struct plan p = { .n = n, .each = 10, .page = 3, .end = end };

	return write_plan(file, &p, err);
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
	ok(s.blocks == 13 && !s.seq.ngaps && s.seq.records == 95, "13 blocks, no gap");
	ok(s.closed && s.seals == 1 && s.seal.records == 95 && !s.is_signed &&
	   s.seal_end == s.bytes, "the closing seal, not signed");
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

/* Blocks of the log at @p that lie wholly before @at. */
static size_t blocks_before(const uint8_t *p, size_t n, size_t at, uint64_t *records)
{
	size_t begin[64], blocks = find_blocks(p, n, begin, 63), i;

	*records = 0;
	for (i = 0; i < blocks && begin[i + 1] <= at; i++) {
		const struct fz_log_block *b = (const void *)(p + begin[i]);

		*records += b->type == FZ_LOG_RECORDS ? b->count : 0;
	}
	return i;
}

enum tail { NOTHING, ZEROS, GARBAGE };

/*
 * Cut at every byte, as the power might be: what is whole before is read, the rest is
 * named; the file may go on with zeros or with what was on the disk before.
 */
static void test_cut(enum tail tail, const char *name)
{
	size_t n, at, errors = 0, wholes = 0, wrong = 0, broken = 0, cuts = 0, i, more, blocks;
	struct plan small = SMALL;
	struct fz_log_state s;
	struct fz_error err;
	uint64_t records;
	uint8_t *p, *q;

	if (write_plan(path, &small, &err))
		abort();
	p = slurp(path, &n);
	q = malloc(n + 65536);
	srandom(1);
	for (at = sizeof(struct fz_log_header); at < n; at += STEP, cuts++) {
		memcpy(q, p, at);
		more = tail == NOTHING ? 0 : 1 + random() % 8192;
		for (i = 0; i < more; i++)
			q[at + i] = tail == GARBAGE ? random() : 0;
		spill(copy, q, at + more);
		if (read_log(copy, &s, &err)) {
			errors++;
			continue;
		}
		/* Zeros may be just what the log had there. */
		for (i = at; tail == ZEROS && i < n && i < at + more && !p[i]; i++)
			;
		blocks = blocks_before(p, n, tail == ZEROS ? i : at, &records);
		wholes += s.whole;
		if (s.broken && tail != GARBAGE && !broken++)
			diag("%zu + %zu: %s", at, more, s.missing);
		if (s.blocks != blocks || s.bad_block != blocks || got_records != records ||
		    s.offset > at + more || !s.missing[0] || s.fault == FZ_LOG_SOUND ||
		    s.bytes != at + more || s.bad.record < records || s.seal_end > s.offset) {
			if (!wrong++)
				diag("%zu + %zu: %zu blocks, not %zu: %s", at, more,
				     (size_t)s.blocks, blocks, s.missing);
		}
		fz_log_state_free(&s);
	}
	ok(cuts > 8000 / STEP && !errors, "%zu cuts, %s: readable", cuts, name);
	ok(!wholes, "%zu cuts, %s: never called whole", cuts, name);
	ok(!wrong, "%zu cuts, %s: whole blocks only, and what is missing", cuts, name);
	if (tail != GARBAGE)
		ok(!broken, "%zu cuts, %s: cut, not changed", cuts, name);
	free(p);
	free(q);
}

static void test_short(void)
{
	struct fz_log_state s;
	struct fz_error err;
	size_t n;
	uint8_t *p;

	write_log(path, 95, true, &err);
	p = slurp(path, &n);
	spill(copy, p, 100);
	ok(read_log(copy, &s, &err) == -EINVAL && strstr(err.text, "header"),
	   "cut within the header");
	spill(copy, p, 0);
	ok(read_log(copy, &s, &err) == -EINVAL, "an empty file");
	free(p);
	write_log(copy, 95, false, &err);
	ok(!read_log(copy, &s, &err) && !s.whole && !s.broken && got_records == 95 &&
	   s.fault == FZ_LOG_NO_END && !s.seals, "no end mark: all records, not whole");
	fz_log_state_free(&s);
}

/* Every bit of some bytes, one bit of every byte. */
static void test_changed(void)
{
	size_t n, at, unseen = 0, changes = 0, late = 0, unnamed = 0, begin[64], blocks, i;
	struct plan small = SMALL;
	struct fz_log_state s;
	struct fz_error err;
	uint8_t *p;
	int bit;

	write_plan(path, &small, &err);
	p = slurp(path, &n);
	blocks = find_blocks(p, n, begin, 63);
	srandom(2);
	for (at = 0; at < n; at += STEP) {
		int only = at % 16 ? random() % 8 : -1;

		for (bit = 0; bit < 8; bit++) {
			if (only >= 0 && bit != only)
				continue;
			changes++;
			p[at] ^= 1 << bit;
			spill(copy, p, n);
			p[at] ^= 1 << bit;
			if (read_log(copy, &s, &err))
				continue;	/* the header: not a log of ours */
			unseen += s.whole;
			/* nothing at or after the change is delivered */
			for (i = 0; i < blocks && begin[i + 1] <= at; i++)
				;
			late += s.offset > at || s.bad_block != i || s.offset != begin[i];
			/* what can only be a change is called one, but at the very end */
			if (!s.broken && i + 1 < blocks && !unnamed++)
				diag("byte %zu bit %d: %s", at, bit, s.missing);
			fz_log_state_free(&s);
		}
	}
	ok(changes > 10000 / STEP && !unseen, "%zu single-bit changes: each is seen", changes);
	ok(!late, "%zu single-bit changes: in the block that was changed", changes);
	ok(!unnamed, "a change before the last block is never called a cut");
	memcpy(p + n, "8 bytes!", 8);
	spill(copy, p, n + 8);
	ok(!read_log(copy, &s, &err) && !s.whole && s.fault == FZ_LOG_TRAILING && got_records == 12,
	   "data after the closing seal");
	fz_log_state_free(&s);
	free(p);
}

/* Change each record: it is named, and so are the numbers that are not proven now. */
static void test_named(void)
{
	struct plan small = { .n = 40, .each = 10, .page = 7, .seal = 1, .end = true };
	size_t n, begin[64], k, at, wrong = 0, i = 0, blocks;
	struct fz_log_state s;
	struct fz_error err;
	uint8_t *p;

	write_plan(path, &small, &err);
	p = slurp(path, &n);
	blocks = find_blocks(p, n, begin, 63);
	for (k = 0; k < blocks; k++) {
		const struct fz_log_block *b = (const void *)(p + begin[k]);
		size_t end = begin[k] + sizeof(*b) + b->bytes - 8 * b->count;

		if (b->type != FZ_LOG_RECORDS)
			continue;
		for (at = begin[k] + sizeof(*b); at < end; i++) {
			const struct fz_rec *rec = (const void *)(p + at);

			p[at + 40] ^= 4;
			spill(copy, p, n);
			p[at + 40] ^= 4;
			if (read_log(copy, &s, &err) || !s.bad.named || s.bad.record != i ||
			    s.bad.seq != i || s.bad.time != 1000 + i || s.bad.offset != at ||
			    s.behind.seq.ngaps != (k > 1 && k < blocks - 4) ||
			    s.behind.blocks != blocks - k - 1 ||
			    (s.behind.seq.ngaps && (s.behind.seq.gaps[0].first_seq != i / 10 * 10 ||
						    s.behind.seq.gaps[0].count != 10)))
				if (!wrong++)
					diag("record %zu: %s; named %zu", i, s.missing,
					     (size_t)s.bad.record);
			fz_log_state_free(&s);
			at += rec->size;
		}
	}
	ok(i == 40 && !wrong, "%zu records changed, one at a time: each named, its block missing", i);
	free(p);
}

/* Leave out, double or swap any block: the chain notices, and says what. */
static void test_blocks(void)
{
	size_t n, m, at[64], blocks, k, size, out = 0, twice = 0, swapped = 0;
	struct plan small = { .n = 40, .each = 10, .page = 3, .seal = 2, .end = true };
	struct fz_log_state s;
	struct fz_error err;
	uint8_t *p, *q;

	write_plan(path, &small, &err);
	p = slurp(path, &n);
	blocks = find_blocks(p, n, at, 63);
	ok(blocks == 9 && at[blocks] == n, "nine blocks");
	q = malloc(2 * n);
	for (k = 0; k < blocks; k++) {
		bool last = k == blocks - 1;

		size = at[k + 1] - at[k];
		memcpy(q, p, at[k]);
		memcpy(q + at[k], p + at[k + 1], n - at[k + 1]);
		spill(copy, q, n - size);
		if (!read_log(copy, &s, &err))
			out += s.fault == (last ? FZ_LOG_NO_CLOSING : FZ_LOG_LEFT_OUT) &&
			       s.bad_block == k && !s.whole;
		fz_log_state_free(&s);

		memcpy(q, p, at[k + 1]);
		memcpy(q + at[k + 1], p + at[k], n - at[k]);
		spill(copy, q, n + size);
		if (!read_log(copy, &s, &err))
			twice += s.fault == (last ? FZ_LOG_TRAILING : FZ_LOG_AGAIN) &&
				 s.bad_block == k + 1 && s.broken;
		fz_log_state_free(&s);

		if (last)
			break;
		m = at[k + 2] - at[k + 1];
		memcpy(q, p, n);
		memcpy(q + at[k], p + at[k + 1], m);
		memcpy(q + at[k] + m, p + at[k], size);
		spill(copy, q, n);
		if (!read_log(copy, &s, &err))
			swapped += s.fault == FZ_LOG_LEFT_OUT && s.bad_block == k;
		fz_log_state_free(&s);
	}
	ok(out == blocks, "each block left out");
	ok(twice == blocks, "each block twice");
	ok(swapped == blocks - 1, "each block swapped with the next");
	memcpy(q, p, at[2]);
	memcpy(q + at[2], p + at[3], n - at[3]);
	spill(copy, q, n - (at[3] - at[2]));
	ok(!read_log(copy, &s, &err) && s.behind.blocks == 6 && s.behind.seq.ngaps == 1 &&
	   s.behind.seq.gaps[0].first_seq == 10 && s.behind.seq.gaps[0].count == 10 &&
	   s.behind.seq.gaps[0].after == 1009 && s.behind.seq.gaps[0].before == 1020,
	   "what is missing: numbers and times");
	fz_log_state_free(&s);
	free(q);
	write_plan(copy, &small, &err);
	q = slurp(copy, &n);
	memcpy(q + at[2], p + at[2], at[3] - at[2]);
	spill(copy, q, n);
	ok(!read_log(copy, &s, &err) && s.fault == FZ_LOG_CHANGED && s.bad_block == 2,
	   "a good block of another log, of the same number");
	fz_log_state_free(&s);
	free(p);
	free(q);
}

/* A forger who computes the chain anew is still held to the numbers and the time. */
static void test_order(void)
{
	struct plan small = { .n = 12, .each = 12, .end = true };
	struct fz_log_state s;
	struct fz_error err;
	size_t n, at;
	uint8_t *p;

	write_plan(path, &small, &err);
	p = slurp(path, &n);
	at = sizeof(struct fz_log_header) + 2 * sizeof(struct fz_log_block) +
	     2 * sizeof(struct fz_vm_desc);
	((struct fz_rec *)(p + at))[5].time = 3;
	rechain(p, n, true);
	spill(copy, p, n);
	ok(!read_log(copy, &s, &err) && s.whole && s.seq.disorder == 1 && s.seq.disordered == 5,
	   "a record out of time is seen, whatever the chain says");
	fz_log_state_free(&s);
	((struct fz_rec *)(p + at))[5].time = 1005;
	((struct fz_rec *)(p + at))[5].seq = 6;
	rechain(p, n, true);
	spill(copy, p, n);
	ok(!read_log(copy, &s, &err) && s.whole && s.seq.ngaps == 2 &&
	   s.seq.gaps[0].after == 1004 && s.seq.gaps[0].before == 1005, "a number left out and one twice, with the time");
	fz_log_state_free(&s);
	free(p);
}

/* A disk that is full in the middle of a block: the file ends behind the last whole one. */
static void test_full(void)
{
	struct rlimit old, limit = { 0 };
	struct fz_log_state s;
	struct fz_error err;
	size_t size, good = 0;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit.rlim_max = old.rlim_max;
	for (size = 5000; size < 40000; size += 501) {
		limit.rlim_cur = size;
		setrlimit(RLIMIT_FSIZE, &limit);
		if (write_log(copy, 95, true, &err) != -EFBIG)
			break;
		setrlimit(RLIMIT_FSIZE, &old);
		if (read_log(copy, &s, &err))
			break;
		good += s.fault == FZ_LOG_NO_END && s.offset == s.bytes && s.bytes <= size;
		fz_log_state_free(&s);
	}
	setrlimit(RLIMIT_FSIZE, &old);
	ok(good == 70, "a full disk at 70 places: whole blocks only (%zu)", good);
}

/* Where the log is written to. */
static void test_file(void)
{
	struct fz_log_writer *w;
	struct fz_error err;
	struct stat st;

	unlink(copy);
	umask(0);
	spill(path, (uint8_t *)"keep", 4);
	ok(!symlink(path, copy) && fz_log_create(&w, copy, true, NULL, &err) == -ELOOP &&
	   fz_log_create(&w, copy, false, NULL, &err) == -EEXIST && !stat(path, &st) &&
	   st.st_size == 4, "a symbolic link is not followed");
	chmod(path, 0666);
	ok(!fz_log_create(&w, path, true, NULL, &err) && !stat(path, &st) &&
	   (st.st_mode & 0777) == 0600, "what is replaced does not leave its mode: 0600");
	fz_log_close(w);
	unlink(copy);
	ok(!link(path, copy) && !write_log(path, 3, true, &err) && !stat(copy, &st) &&
	   st.st_size == sizeof(struct fz_log_header), "nor a second name for the new content");
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

	make_rec((uint8_t *)buf, 0, true);
	forge("a record past its block", FZ_LOG_RECORDS, buf, 1024, 1);
	forge("a wrong count", FZ_LOG_RECORDS, buf, r->size, 2);
	r->size = 0;
	forge("a record of size 0", FZ_LOG_RECORDS, buf, 128, 1);
	forge("an unknown block type", 77, buf, 128, 1);
	forge("VMs that do not fill the block", FZ_LOG_VMS, buf, 128, 1);
	forge("a count of VMs that overflows", FZ_LOG_VMS, buf, 64, 0x40000001);
	forge("an end mark of the wrong size", FZ_LOG_END, buf, 8, 0);
	forge("a seal of the wrong size", FZ_LOG_SEAL, buf, 8, 0);
	forge("a seal of nothing", FZ_LOG_SEAL, buf, sizeof(struct fz_log_seal), 0);
	forge("more sums than bytes", FZ_LOG_RECORDS, buf, 128, 0x20000001);
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
	h.version = 9;
	fz_log_hash(NULL, &h, sizeof(h), NULL, 0, h.hash);
	spill(copy, (uint8_t *)&h, sizeof(h));
	ok(read_log(copy, &s, &err) == -EINVAL && strstr(err.text, "version 9"), "a later version");
	h.version = FZ_LOG_VERSION;
	h.abi = 9;
	fz_log_hash(NULL, &h, sizeof(h), NULL, 0, h.hash);
	spill(copy, (uint8_t *)&h, sizeof(h));
	ok(read_log(copy, &s, &err) == -EINVAL && strstr(err.text, "ABI 9"), "another ABI");
}

int main(void)
{
	plan(11 + 4 + 4 + 3 + 3 + 4 + 1 + 6 + 2 + 1 + 3 + 10 + 5);
	enter();
	test_whole();
	test_cut(NOTHING, "then nothing");
	test_cut(ZEROS, "then zeros");
	test_cut(GARBAGE, "then garbage");
	test_short();
	test_changed();
	test_named();
	test_blocks();
	test_order();
	test_full();
	test_file();
	test_forged();
	test_foreign();
	leave();
	return done();
}
