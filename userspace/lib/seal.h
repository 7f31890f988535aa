/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * seal.h - Ed25519 keys: to sign with, and to check by
 */
#ifndef FZ_SEAL_H
#define FZ_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"

#define FZ_SEAL_PUBLIC		32
#define FZ_SEAL_SIGNATURE	64

struct fz_seal_key;

/*
 * Load a private key, as "openssl genpkey -algorithm ed25519" writes it. -EPERM if
 * another user owns the file or group or others have any right to it; -EINVAL if
 * it is no such key, or needs a passphrase. fz_seal_key_free() wipes it.
 */
int fz_seal_key_load(struct fz_seal_key **key, const char *path, struct fz_error *err);
void fz_seal_key_free(struct fz_seal_key *key);

/* The public half. */
const uint8_t *fz_seal_key_public(const struct fz_seal_key *key);

/* Load a public key, as "openssl pkey -pubout" writes it. -EINVAL. */
int fz_seal_public_load(uint8_t public[FZ_SEAL_PUBLIC], const char *path, struct fz_error *err);

int fz_seal_sign(const struct fz_seal_key *key, const void *data, size_t n,
		 uint8_t signature[FZ_SEAL_SIGNATURE], struct fz_error *err);
bool fz_seal_good(const uint8_t public[FZ_SEAL_PUBLIC], const void *data, size_t n,
		  const uint8_t signature[FZ_SEAL_SIGNATURE]);

/* Make libcrypto load all that digests, signing and checking need: no file is opened later. */
int fz_seal_warm(struct fz_error *err);

#endif
