// SPDX-License-Identifier: GPL-2.0-only
/*
 * log.c - fuzz the log's reader, and everything that is made from a log
 *
 * The mutator makes sums, chain and seals right again, so that what is behind them is
 * reached.
 */
#include <openssl/evp.h>
#include "reports.h"

#define RECORDS_MAX	2000	/* that a report is made of; more is only slow */

struct taken {
	struct fz_identify *id;
	uint64_t records, vms, bytes;
};

static int take_rec(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	struct taken *t = arg;

	CHECK(!fz_rec_check(rec, FZ_REC_MAX, err));
	t->bytes += rec->size + sizeof(uint64_t);	/* its sum */
	return t->records++ < RECORDS_MAX && t->id ? fz_identify_add(t->id, rec, err) : 0;
}

static int take_vm(void *arg, const struct fz_vm_desc *vm, struct fz_error *err)
{
	struct taken *t = arg;

	CHECK(memchr(vm->comm, 0, sizeof(vm->comm)));
	return t->vms++ < RECORDS_MAX && t->id ? fz_identify_vm(t->id, vm, err) : 0;
}

static int read_log(const uint8_t *data, size_t size, struct taken *t, struct fz_log_state *s)
{
	struct fz_error err = { "" };
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", as_file(data, size));
	ret = fz_log_read(path, take_rec, take_vm, t, s, &err);
	check_error(ret, &err);
	return ret;
}

/* What is good of a log is good alone: cut behind it, it says the same. */
static void check_cut(const uint8_t *data, const struct taken *all, const struct fz_log_state *s)
{
	struct taken t = { 0 };
	struct fz_log_state cut;

	CHECK(!read_log(data, s->offset, &t, &cut));
	CHECK(cut.blocks == s->blocks && cut.offset == s->offset);
	CHECK(!memcmp(cut.head, s->head, sizeof(cut.head)));
	CHECK(t.records == all->records && cut.seq.records == s->seq.records);
	CHECK(cut.seals == s->seals && cut.closed == s->closed && !cut.broken);
	fz_log_state_free(&cut);
}

/* The records that were delivered fill their blocks. */
static void check_bytes(const uint8_t *data, const struct taken *t, const struct fz_log_state *s)
{
	uint64_t at, bytes = 0;
	struct fz_log_block b;

	for (at = sizeof(struct fz_log_header); at < s->offset; at += sizeof(b) + b.bytes) {
		memcpy(&b, data + at, sizeof(b));
		bytes += b.type == FZ_LOG_RECORDS ? b.bytes : 0;
	}
	CHECK(at == s->offset && bytes == t->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fz_error err = { "" };
	struct fz_log_state s;
	struct taken t = { 0 };
	struct fz_report rep = { .header = &s.header, .seq = &s.seq, .head = s.head };

	fake_files = known_files;
	fake_nfiles = sizeof(known_files) / sizeof(known_files[0]);
	CHECK(!fz_identify_new(&t.id, NULL, &err));
	if (!read_log(data, size, &t, &s)) {
		CHECK(s.offset <= size && s.bad.offset <= size && s.seal_end <= s.offset);
		CHECK(s.whole == !s.missing[0] && s.whole == (s.fault == FZ_LOG_SOUND));
		CHECK(s.broken == (s.fault >= FZ_LOG_NO_BLOCK) && fz_log_fault_name(s.fault)[0]);
		CHECK(!s.whole || (s.ended && s.closed && s.offset == size &&
				   s.end.records == s.seq.records));
		CHECK(s.seq.records == t.records && s.bad.record >= t.records);
		check_cut(data, &t, &s);
		check_bytes(data, &t, &s);
		CHECK(!fz_identify_settle(t.id, &err));
		rep.results = fz_identify_results(t.id);
		rep.lost_pending = s.ended ? s.end.lost_pending : 0;
		rep.missing = s.whole ? NULL : s.missing;
		check_reports(&rep);
		fz_log_state_free(&s);
	}
	fz_identify_free(t.id);
	return 0;
}

/* --------------------------------------------------------------- the mutator */

struct fix {
	unsigned int how;
	uint8_t *data;
	size_t size;
	uint64_t next[4], records, seals, number;
	bool is_signed, ended;
};

static void sign(const void *data, size_t len, uint8_t signature[FZ_SEAL_SIGNATURE],
		 uint8_t public[FZ_SEAL_PUBLIC])
{
	static const uint8_t private[32] = "a key that everybody may know..";
	size_t n = FZ_SEAL_SIGNATURE, np = FZ_SEAL_PUBLIC;
	static EVP_PKEY *key;
	EVP_MD_CTX *ctx;

	if (!key)
		key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private, 32);
	if (public) {
		EVP_PKEY_get_raw_public_key(key, public, &np);
		return;
	}
	ctx = EVP_MD_CTX_new();
	EVP_DigestSignInit(ctx, NULL, NULL, NULL, key);
	EVP_DigestSign(ctx, signature, &n, data, len);
	EVP_MD_CTX_free(ctx);
}

static void fix_record(struct fix *x, uint8_t *p, size_t room)
{
	struct fz_rec rec;

	memcpy(&rec, p, sizeof(rec));
	rec.type = (rec.type - 1) % FZ_REC_DRIFT + 1;
	rec.flags &= FZ_RECF_PAGE | FZ_RECF_LATE | FZ_RECF_NESTED;
	if (rec.type == FZ_REC_EXEC || rec.type == FZ_REC_REEXEC || rec.type == FZ_REC_DRIFT)
		rec.flags |= FZ_RECF_PAGE;
	else if (rec.type != FZ_REC_MIXED)
		rec.flags &= ~FZ_RECF_PAGE;
	if (rec.flags & FZ_RECF_PAGE && room < FZ_REC_MAX) {
		rec.type = FZ_REC_WRITE;
		rec.flags &= ~FZ_RECF_PAGE;
	}
	rec.size = sizeof(rec);
	if (rec.flags & FZ_RECF_PAGE) {
		rec.size += FZ_PAGE_SIZE;
		rec.hash = XXH64(p + sizeof(rec), FZ_PAGE_SIZE, 0);
	}
	rec.cpl &= 3;
	rec.cpu %= 4;
	if (rec.type >= FZ_REC_VM_ATTACH && rec.type <= FZ_REC_VM_DIED)
		rec.u.vm.comm[15] = 0;
	if (rec.type == FZ_REC_LOST) {
		rec.u.lost.first_seq = x->next[rec.cpu];
		rec.u.lost.count = rec.u.lost.count % 1000 + 1;
		rec.seq = rec.u.lost.first_seq + rec.u.lost.count;
	} else if (rec.seq % 8) {
		rec.seq = x->next[rec.cpu];
	}
	x->next[rec.cpu] = rec.seq + 1;
	memcpy(p, &rec, sizeof(rec));
}

/* Records, then their sums; what is left over goes. */
static void fix_records(struct fix *x, struct fz_log_block *b, uint8_t *p)
{
	uint64_t sums[FZ_LOG_BLOCK_MAX / sizeof(struct fz_rec)];
	uint32_t at = 0, n = 0, size, bytes;

	while (b->bytes - at >= sizeof(struct fz_rec) + 8 * (n + 1)) {
		fix_record(x, p + at, b->bytes - at - 8 * (n + 1));
		memcpy(&size, p + at, sizeof(size));
		sums[n++] = XXH64(p + at, size, 0);
		at += size;
	}
	bytes = at + n * 8;
	if (!n)
		return;
	memcpy(p + at, sums, n * 8);
	memmove(p + bytes, p + b->bytes, x->data + x->size - (p + b->bytes));
	x->size -= b->bytes - bytes;
	b->bytes = bytes;
	b->count = n;
	x->records += n;
}

static void fix_seal(struct fix *x, const uint8_t *prev, uint8_t *p)
{
	struct fz_log_seal seal;

	memcpy(&seal, p, sizeof(seal));
	memcpy(seal.text, FZ_LOG_SEAL_TEXT, sizeof(seal.text));
	seal.number = x->seals++;
	seal.block = x->number;
	seal.records = x->records;
	seal.mono = x->seals;
	seal.closing = x->ended;
	seal.reserved = 0;
	memcpy(seal.head, prev, sizeof(seal.head));
	if (x->is_signed)
		sign(&seal, offsetof(struct fz_log_seal, signature), seal.signature, NULL);
	memcpy(p, &seal, sizeof(seal));
}

static void fix_block(struct fix *x, struct fz_log_block *b, const uint8_t *prev, uint8_t *p)
{
	if (x->how >= 2)
		b->type = b->type % 5 ? b->type % 5 : FZ_LOG_RECORDS;
	if (x->how >= 2 && b->bytes == sizeof(struct fz_log_seal))
		b->type = FZ_LOG_SEAL;
	if (x->how >= 2 && b->bytes == sizeof(struct fz_log_end))
		b->type = FZ_LOG_END;
	if (x->how >= 3 && b->type == FZ_LOG_RECORDS)
		fix_records(x, b, p);
	if (x->how >= 2 && b->type == FZ_LOG_VMS)
		b->count = b->bytes / sizeof(struct fz_vm_desc);
	if (x->how >= 2 && b->type == FZ_LOG_SEAL && b->bytes == sizeof(struct fz_log_seal))
		fix_seal(x, prev, p);
	if (b->type == FZ_LOG_END && b->bytes == sizeof(struct fz_log_end)) {
		x->ended = true;
		if (x->how >= 2)
			memcpy(p + offsetof(struct fz_log_end, records), &x->records, 8);
	}
}

/* Fix as much as @how says: 1 the chain, 2 the blocks, 3 the records, too. */
static size_t fix_log(uint8_t *data, size_t size, unsigned int how)
{
	struct fix x = { .how = how, .data = data, .size = size };
	struct fz_log_header h;
	struct fz_log_block b;
	uint8_t *prev, *p;

	if (size < sizeof(h))
		return size;
	memcpy(&h, data, sizeof(h));
	memcpy(h.magic, FZ_LOG_MAGIC, sizeof(h.magic));
	h.version = FZ_LOG_VERSION;
	h.bytes = sizeof(h);
	h.abi = FZ_ABI_VERSION;
	x.is_signed = h.key[0];
	if (x.is_signed)
		sign(NULL, 0, NULL, h.key);
	memcpy(data, &h, sizeof(h));
	fz_log_hash(NULL, data, sizeof(h), NULL, 0, h.hash);
	memcpy(data, &h, sizeof(h));
	prev = data + offsetof(struct fz_log_header, hash);
	for (p = data + sizeof(h); ; p += sizeof(b) + b.bytes) {
		size_t room = data + x.size - p;

		if (room <= sizeof(b))
			break;
		room -= sizeof(b);
		memcpy(&b, p, sizeof(b));
		b.magic = FZ_LOG_BLOCK_MAGIC;
		b.number = x.number;
		if (!b.bytes || b.bytes > room)
			b.bytes = room;
		if (b.bytes > FZ_LOG_BLOCK_MAX)
			break;
		fix_block(&x, &b, prev, p + sizeof(b));
		memcpy(p, &b, sizeof(b));
		fz_log_hash(prev, p, sizeof(b), p + sizeof(b), b.bytes, b.hash);
		memcpy(p, &b, sizeof(b));
		prev = p + offsetof(struct fz_log_block, hash);
		x.number++;
	}
	return x.size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	size_t start = 0;

	/* Mostly behind the header; and sometimes the first of what is there alone. */
	if (seed % 8 && size > sizeof(struct fz_log_header))
		start = sizeof(struct fz_log_header);
	if (seed % 8 > 4 && size - start > 256)
		LLVMFuzzerMutate(data + start, 184, 184);
	else
		size = start + LLVMFuzzerMutate(data + start, size - start, max - start);
	return seed % 32 ? fix_log(data, size, seed / 32 % 4) : size;
}
