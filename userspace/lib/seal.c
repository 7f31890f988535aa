// SPDX-License-Identifier: GPL-2.0-only
/* seal.c - Ed25519 keys: to sign with, and to check by */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "seal.h"

struct fz_seal_key {
	EVP_PKEY *pkey;
	uint8_t public[FZ_SEAL_PUBLIC];
};

/* A key that needs a passphrase is refused: nobody may be there to type it. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

/* Whoever can read a signing key can make any log. */
static int check_mode(int fd, const char *path, struct fz_error *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return fz_fail(err, -errno, "cannot look at %s: %s", path, strerror(errno));
	if (st.st_uid && st.st_uid != geteuid())
		return fz_fail(err, -EPERM, "the key %s belongs to user %u, who can sign with it; "
			       "chown it", path, st.st_uid);
	if (st.st_mode & 077)
		return fz_fail(err, -EPERM, "the key %s is open to others (mode %03o); "
			       "chmod 600 it, and make a new one if others had access", path,
			       st.st_mode & 0777);
	return 0;
}

static int load(EVP_PKEY **out, uint8_t public[FZ_SEAL_PUBLIC], const char *path, bool private,
		struct fz_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), ret;
	size_t n = FZ_SEAL_PUBLIC;
	EVP_PKEY *pkey;
	FILE *f;

	if (fd < 0)
		return fz_fail(err, -errno, "cannot open the key %s: %s", path, strerror(errno));
	ret = private ? check_mode(fd, path, err) : 0;
	f = ret ? NULL : fdopen(fd, "r");
	if (!f) {
		close(fd);
		return ret ? ret : fz_fail(err, -ENOMEM, "out of memory");
	}
	/* What is left in the buffer is the key. */
	setvbuf(f, NULL, _IONBF, 0);
	pkey = private ? PEM_read_PrivateKey(f, NULL, no_passphrase, NULL) :
			 PEM_read_PUBKEY(f, NULL, no_passphrase, NULL);
	fclose(f);
	if (!pkey || EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519 ||
	    !EVP_PKEY_get_raw_public_key(pkey, public, &n) || n != FZ_SEAL_PUBLIC) {
		EVP_PKEY_free(pkey);
		if (private)
			return fz_fail(err, -EINVAL, "%s is not an Ed25519 private key without a "
				       "passphrase; make one: openssl genpkey -algorithm ed25519",
				       path);
		return fz_fail(err, -EINVAL, "%s is not an Ed25519 public key; get it from the "
			       "private one: openssl pkey -pubout", path);
	}
	*out = pkey;
	return 0;
}

int fz_seal_key_load(struct fz_seal_key **out, const char *path, struct fz_error *err)
{
	struct fz_seal_key *key = calloc(1, sizeof(*key));
	int ret;

	if (!key)
		return fz_fail(err, -ENOMEM, "out of memory");
	ret = load(&key->pkey, key->public, path, true, err);
	if (ret) {
		free(key);
		return ret;
	}
	*out = key;
	return 0;
}

void fz_seal_key_free(struct fz_seal_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

const uint8_t *fz_seal_key_public(const struct fz_seal_key *key)
{
	return key->public;
}

int fz_seal_public_load(uint8_t public[FZ_SEAL_PUBLIC], const char *path, struct fz_error *err)
{
	EVP_PKEY *pkey;
	int ret = load(&pkey, public, path, false, err);

	if (!ret)
		EVP_PKEY_free(pkey);
	return ret;
}

int fz_seal_sign(const struct fz_seal_key *key, const void *data, size_t n,
		 uint8_t signature[FZ_SEAL_SIGNATURE], struct fz_error *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t length = FZ_SEAL_SIGNATURE;
	bool ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) > 0 &&
		  EVP_DigestSign(ctx, signature, &length, data, n) > 0 &&
		  length == FZ_SEAL_SIGNATURE;

	EVP_MD_CTX_free(ctx);
	return ok ? 0 : fz_fail(err, -EIO, "libcrypto cannot sign with Ed25519");
}

bool fz_seal_good(const uint8_t public[FZ_SEAL_PUBLIC], const void *data, size_t n,
		  const uint8_t signature[FZ_SEAL_SIGNATURE])
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public,
						     FZ_SEAL_PUBLIC);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) > 0 &&
		  EVP_DigestVerify(ctx, signature, FZ_SEAL_SIGNATURE, data, n) > 0;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ok;
}

int fz_seal_warm(struct fz_error *err)
{
	static const uint8_t private[32] = { 1 };
	struct fz_seal_key key = { 0 };
	uint8_t signature[FZ_SEAL_SIGNATURE], digest[EVP_MAX_MD_SIZE];
	size_t n = FZ_SEAL_PUBLIC;
	int ret = -EIO;

	key.pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private, sizeof(private));
	if (key.pkey && EVP_PKEY_get_raw_public_key(key.pkey, key.public, &n) &&
	    !fz_seal_sign(&key, private, sizeof(private), signature, err) &&
	    fz_seal_good(key.public, private, sizeof(private), signature) &&
	    EVP_Digest(private, sizeof(private), digest, NULL, EVP_sha256(), NULL))
		ret = 0;
	EVP_PKEY_free(key.pkey);
	return ret ? fz_fail(err, ret, "libcrypto has no Ed25519 or no SHA-256") : 0;
}
