// SPDX-License-Identifier: GPL-2.0-only
/* test_seal.c - keys, and what a log that is sealed with one holds out against */
#include <errno.h>
#include <openssl/pem.h>
#include "fake_log.h"

static char key_path[64], public_path[64];
static struct fz_seal_key *key, *other;

static void make_key(int type, const char *passphrase)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(type, NULL);
	EVP_PKEY *pkey = NULL;
	FILE *f;

	if (!ctx || EVP_PKEY_keygen_init(ctx) <= 0 || EVP_PKEY_keygen(ctx, &pkey) <= 0)
		abort();
	unlink(key_path);
	f = fopen(key_path, "w");
	if (!PEM_write_PrivateKey(f, pkey, passphrase ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
				  (void *)passphrase))
		abort();
	fclose(f);
	chmod(key_path, 0600);
	f = fopen(public_path, "w");
	if (!PEM_write_PUBKEY(f, pkey))
		abort();
	fclose(f);
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(ctx);
}

static void test_keys(void)
{
	uint8_t public[FZ_SEAL_PUBLIC], signature[FZ_SEAL_SIGNATURE];
	static const int modes[] = { 0640, 0604, 0660, 0620, 0610, 0601 };
	struct fz_seal_key *no = NULL;
	struct fz_error err;
	size_t i, bad = 0;

	ok(!fz_seal_warm(&err), "libcrypto has what is needed");
	make_key(EVP_PKEY_ED25519, NULL);
	ok(!fz_seal_key_load(&other, key_path, &err), "a private key");
	make_key(EVP_PKEY_ED25519, NULL);
	ok(!fz_seal_key_load(&key, key_path, &err) &&
	   !fz_seal_public_load(public, public_path, &err) &&
	   !memcmp(public, fz_seal_key_public(key), sizeof(public)), "and its public half");
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		chmod(key_path, modes[i]);
		bad += fz_seal_key_load(&no, key_path, &err) != -EPERM ||
		       !strstr(err.text, "open to others");
	}
	ok(!bad, "a key that others have a right to is refused");
	chmod(key_path, 0400);
	ok(!fz_seal_key_load(&no, key_path, &err), "one that only its owner can read is not");
	fz_seal_key_free(no);
	if (geteuid()) {
		skip("needs root to give a key away");
	} else {
		chmod(key_path, 0600);
		ok(!chown(key_path, 1, 1) && fz_seal_key_load(&no, key_path, &err) == -EPERM &&
		   strstr(err.text, "belongs to user 1"), "a key of another user is refused");
	}
	ok(fz_seal_key_load(&no, "/nonexistent", &err) == -ENOENT, "no such key");
	ok(fz_seal_public_load(public, key_path, &err) == -EINVAL, "a private key is no public one");
	chmod(public_path, 0600);
	ok(fz_seal_key_load(&no, public_path, &err) == -EINVAL, "nor the other way round");
	make_key(EVP_PKEY_X25519, NULL);
	ok(fz_seal_key_load(&no, key_path, &err) == -EINVAL &&
	   fz_seal_public_load(public, public_path, &err) == -EINVAL, "a key of another kind");
	make_key(EVP_PKEY_ED25519, "secret");
	ok(fz_seal_key_load(&no, key_path, &err) == -EINVAL && strstr(err.text, "passphrase"),
	   "one with a passphrase");
	spill(key_path, (uint8_t *)"-----BEGIN PRIVATE KEY-----\nAAAA\n", 34);
	ok(fz_seal_key_load(&no, key_path, &err) == -EINVAL, "one that is cut");

	ok(!fz_seal_sign(key, "evidence", 8, signature, &err) &&
	   fz_seal_good(fz_seal_key_public(key), "evidence", 8, signature), "sign and check");
	ok(!fz_seal_good(fz_seal_key_public(key), "evidencE", 8, signature) &&
	   !fz_seal_good(fz_seal_key_public(other), "evidence", 8, signature),
	   "other data, another key");
	signature[40] ^= 1;
	ok(!fz_seal_good(fz_seal_key_public(key), "evidence", 8, signature), "another signature");
}

/* Blocks: 0 VMS, 1 R, 2 R, 3 SEAL, 4 R, 5 R, 6 SEAL, 7 END, 8 SEAL. */
static struct plan sealed(void)
{
	return (struct plan){ .n = 20, .each = 5, .seal = 2, .page = 9, .end = true, .key = key };
}

static uint8_t *sealed_log(size_t *n, size_t *at)
{
	struct plan plan = sealed();
	struct fz_error err;
	uint8_t *p;

	if (write_plan(path, &plan, &err))
		abort();
	p = slurp(path, n);
	if (find_blocks(p, *n, at, 63) != 9)
		abort();
	return p;
}

/* Is the log at @p found out, as @fault in @block, with the seals before it good? */
static bool found(const uint8_t *p, size_t n, enum fz_log_fault fault, uint64_t block,
		  uint64_t seals)
{
	struct fz_log_state s;
	struct fz_error err;
	bool is;

	spill(copy, p, n);
	if (read_log(copy, &s, &err)) {
		diag("%s", err.text);
		return false;
	}
	is = !s.whole && s.fault == fault && s.bad_block == block && s.seals == seals &&
	     s.is_signed;
	if (!is)
		diag("%s: %s; block %zu, %zu seals", fz_log_fault_name(s.fault), s.missing,
		     (size_t)s.bad_block, (size_t)s.seals);
	fz_log_state_free(&s);
	return is;
}

static void test_sealed(void)
{
	struct fz_log_state s;
	struct fz_error err;
	size_t n, at[64];
	uint8_t *p = sealed_log(&n, at);

	ok(!read_log(path, &s, &err) && s.whole && s.is_signed && s.seals == 3 && s.closed &&
	   !memcmp(s.header.key, fz_seal_key_public(key), sizeof(s.header.key)) &&
	   s.seal.records == 20 && s.seal_end == n, "a sealed log");
	fz_log_state_free(&s);
	/* At a seal's end nothing shows but that the closing one is not there. */
	ok(found(p, at[7], FZ_LOG_NO_END, 7, 2), "cut behind a seal: no end");
	ok(found(p, at[8], FZ_LOG_NO_CLOSING, 8, 2), "cut behind the end mark: no closing seal");
	spill(copy, p, at[6]);
	ok(!read_log(copy, &s, &err) && s.seal.records == 10 && s.seq.records == 20 &&
	   s.seal_end == at[4] && s.offset == at[6],
	   "cut before a seal: ten records are sealed, ten are a tail");
	fz_log_state_free(&s);
	free(p);
}

/* Whoever has no key can compute the chain, and cannot make the next seal. */
static void test_forged(void)
{
	size_t n, m, at[64], to[64], k, missed = 0, i, changes = 0;
	struct plan plan = sealed();
	struct fz_log_state s;
	struct fz_error err;
	uint8_t *p = sealed_log(&n, at), *q, *r;
	uint64_t seals;

	/* Each byte of a record block, of VMs and of the end mark, with a new chain. */
	r = malloc(2 * n);
	for (i = at[0] + sizeof(struct fz_log_block); i < n; i += 7) {
		for (k = 0; at[k + 1] <= i; k++)
			;
		if (i < at[k] + sizeof(struct fz_log_block) || k == 3 || k == 6 || k == 8)
			continue;
		memcpy(r, p, n);
		r[i] ^= 0x10;
		rechain(r, n, i & 1);
		spill(copy, r, n);
		if (read_log(copy, &s, &err)) {
			missed++;
			continue;
		}
		seals = (k > 3) + (k > 6);
		changes++;
		missed += s.whole || !s.broken || s.seals != seals || s.seal.records > got_records;
		fz_log_state_free(&s);
	}
	ok(changes > 500 && !missed, "%zu changes with a new chain: no seal behind one is good",
	   changes);

	memcpy(r, p, at[1]);
	memcpy(r + at[1], p + at[2], n - at[2]);
	m = n - (at[2] - at[1]);
	rechain(r, m, true);
	ok(found(r, m, FZ_LOG_BAD_SEAL, 2, 0), "a block left out, with a new chain");
	memcpy(r, p, n);
	memset(r + at[0] + sizeof(struct fz_log_block), 0, 8);
	rechain(r, n, false);
	ok(found(r, n, FZ_LOG_BAD_SEAL, 3, 0), "a VM changed, with a new chain and the old seals");
	memcpy(r, p, n);
	memcpy(r + at[4], p + at[4], n - at[4]);
	m = at[4] - at[3];
	memmove(r + at[3], p + at[4], n - at[4]);
	rechain(r, n - m, true);
	ok(found(r, n - m, FZ_LOG_BAD_SEAL, 5, 0), "a seal left out, with a new chain");
	/* Forge a tail: new records behind the last seal. */
	memcpy(r, p, at[7]);
	memcpy(r + at[7], p + at[5], at[6] - at[5]);
	m = at[7] + at[6] - at[5];
	rechain(r, m, true);
	ok(found(r, m, FZ_LOG_NO_END, 8, 2), "records added behind a seal: not sealed, no end");
	/* ... and an end. */
	memcpy(r + m, p + at[7], n - at[7]);
	m += n - at[7];
	rechain(r, m, true);
	ok(found(r, m, FZ_LOG_MALFORMED, 8, 2) || found(r, m, FZ_LOG_BAD_SEAL, 9, 2),
	   "... and an end of another count");

	if (write_plan(copy, &plan, &err))
		abort();
	q = slurp(copy, &m);
	find_blocks(q, m, to, 63);
	memcpy(r, p, at[4]);
	memcpy(r + at[4], q + to[4], m - to[4]);
	ok(found(r, at[4] + m - to[4], FZ_LOG_CHANGED, 4, 1), "two logs of one key spliced");
	rechain(r, at[4] + m - to[4], false);
	ok(found(r, at[4] + m - to[4], FZ_LOG_BAD_SEAL, 6, 1), "... with a new chain");
	rechain(r, at[4] + m - to[4], true);
	ok(found(r, at[4] + m - to[4], FZ_LOG_BAD_SEAL, 6, 1), "... and new seals");
	memcpy(r, p, n);
	memcpy(r + at[3], q + to[3], at[4] - at[3]);
	ok(found(r, n, FZ_LOG_CHANGED, 3, 0), "a seal of another log of the same key");
	rechain(r, n, false);
	ok(found(r, n, FZ_LOG_BAD_SEAL, 3, 0), "... with a new chain");
	free(q);
	/* The forger's own key, and the first log's name for it. */
	plan.key = other;
	write_plan(copy, &plan, &err);
	q = slurp(copy, &m);
	memcpy(((struct fz_log_header *)q)->key, fz_seal_key_public(key), FZ_SEAL_PUBLIC);
	rechain(q, m, true);
	ok(found(q, m, FZ_LOG_BAD_SEAL, 3, 0), "a log by another key that names this one");
	free(q);
	free(p);
	free(r);
}

/* A record that was in a sealed log cannot be moved to another time or place. */
static void test_seal_fields(void)
{
	size_t n, at[64], i, good = 0, fields = 0;
	uint8_t *p = sealed_log(&n, at), *r = malloc(n);

	for (i = 0; i < sizeof(struct fz_log_seal); i++, fields++) {
		memcpy(r, p, n);
		r[at[3] + sizeof(struct fz_log_block) + i] ^= 1;
		fz_log_hash(((struct fz_log_block *)(r + at[2]))->hash, r + at[3],
			    sizeof(struct fz_log_block), r + at[3] + sizeof(struct fz_log_block),
			    sizeof(struct fz_log_seal), ((struct fz_log_block *)(r + at[3]))->hash);
		good += found(r, n, FZ_LOG_BAD_SEAL, 3, 0);
	}
	ok(good == fields, "each of a seal's %zu bytes changed, with a new hash", fields);
	free(p);
	free(r);
}

int main(void)
{
	plan(15 + 4 + 12 + 1);
	enter();
	snprintf(key_path, sizeof(key_path), "%s/key", dir);
	snprintf(public_path, sizeof(public_path), "%s/public", dir);
	test_keys();
	test_sealed();
	test_forged();
	test_seal_fields();
	fz_seal_key_free(key);
	fz_seal_key_free(other);
	unlink(key_path);
	unlink(public_path);
	leave();
	return done();
}
