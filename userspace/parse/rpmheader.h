/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rpmheader.h - rpm's headers, as packages and the installed database have them
 *
 * Big-endian: number of index entries, bytes of data, the entries (tag, type,
 * offset, count), the data. librpm was rejected: it reads this machine's
 * configuration and opens a root's database for writing.
 */
#ifndef FZ_RPMHEADER_H
#define FZ_RPMHEADER_H

#include "harvest.h"

#define FZ_RPM_HEADER_MAX	(256UL << 20)	/* bytes, as rpm */

enum {
	FZ_RPM_SIG_SHA256	= 273,		/* in the signature: of the header, in hex */
	FZ_RPM_SIG_MD5		= 1004,		/* of header and payload */
	FZ_RPM_NAME		= 1000,
	FZ_RPM_VERSION		= 1001,
	FZ_RPM_RELEASE		= 1002,
	FZ_RPM_EPOCH		= 1003,
	FZ_RPM_ARCH		= 1022,
	FZ_RPM_FILEMODES	= 1030,
	FZ_RPM_FILEDIGESTS	= 1035,		/* "" for what is no regular file */
	FZ_RPM_SOURCERPM	= 1044,
	FZ_RPM_DIRINDEXES	= 1116,
	FZ_RPM_BASENAMES	= 1117,
	FZ_RPM_DIRNAMES		= 1118,
	FZ_RPM_PAYLOADFORMAT	= 1124,
	FZ_RPM_FILEDIGESTALGO	= 5011,		/* OpenPGP's number; none: MD5 */
	FZ_RPM_PAYLOADDIGEST	= 5092,		/* SHA-256, in hex */
	FZ_RPM_PAYLOADALGO	= 5093,
};

struct fz_rpmheader {
	const uint8_t *index, *data;
	uint32_t entries, bytes;
};

/* A string of an array; start from the first, fz_rpm_next() goes on. */
struct fz_rpmstrings {
	const char *s, *end;
	uint32_t left;
};

/* Parse the @size bytes at @p, which must last. -EINVAL: it is none. */
int fz_rpmheader_parse(struct fz_rpmheader *h, const void *p, size_t size, struct fz_error *err);

/* The first string of @tag, or NULL. */
const char *fz_rpm_string(const struct fz_rpmheader *h, uint32_t tag);

/* The strings of @tag; none if it is not there. */
struct fz_rpmstrings fz_rpm_strings(const struct fz_rpmheader *h, uint32_t tag);
const char *fz_rpm_next(struct fz_rpmstrings *s);

/* Number @i of the 32-bit integers of @tag; false if there is none. */
bool fz_rpm_u32(const struct fz_rpmheader *h, uint32_t tag, uint32_t i, uint32_t *value);

/* The bytes of @tag, or NULL. */
const uint8_t *fz_rpm_bytes(const struct fz_rpmheader *h, uint32_t tag, uint32_t *len);

/* Name, version and so on. -EINVAL: they make no sense. */
int fz_rpm_package(const struct fz_rpmheader *h, struct fz_package *p, struct fz_error *err);

/* Bytes from @hex; false if it is not @len bytes in lower-case hex. */
bool fz_hex(const char *hex, uint8_t *to, size_t len);

#endif
