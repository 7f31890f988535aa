// SPDX-License-Identifier: GPL-2.0-only
/* logwrite.c - writing the record log; log.h describes the file */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include "log.h"

#define BUFFER	(256U << 10)	/* a block is written when this is full */
#define RECORDS	(BUFFER / sizeof(struct fz_rec))

_Static_assert(BUFFER + RECORDS * sizeof(uint64_t) <= FZ_LOG_BLOCK_MAX, "a block holds all");
_Static_assert(BUFFER >= FZ_REC_MAX, "a block holds a record");
_Static_assert(sizeof(struct fz_log_block) == 24 + FZ_LOG_HASH, "no padding in a block");
_Static_assert(sizeof(struct fz_log_header) == 376, "no padding in the header");
_Static_assert(sizeof(struct fz_log_seal) == 56 + FZ_LOG_HASH + FZ_SEAL_SIGNATURE,
	       "no padding in a seal");

struct fz_log_writer {
	int fd;
	bool regular;		/* a file that can be cut */
	bool ended, failed;
	uint64_t number;	/* of the next block */
	uint64_t records;	/* added */
	uint64_t written;	/* of these, in blocks */
	uint64_t bytes;		/* of the file, whole blocks */
	uint64_t sealed;	/* of these, before the last seal's end */
	uint64_t seals;
	const struct fz_seal_key *key;
	uint8_t head[FZ_LOG_HASH];
	uint32_t used, count;
	char *path;
	uint64_t sums[RECORDS];
	uint8_t buf[BUFFER + RECORDS * sizeof(uint64_t)];
};

int fz_log_hash(const uint8_t *prev, const void *block, size_t block_bytes,
		const void *payload, size_t bytes, uint8_t hash[FZ_LOG_HASH])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
		 (!prev || EVP_DigestUpdate(ctx, prev, FZ_LOG_HASH)) &&
		 EVP_DigestUpdate(ctx, block, block_bytes - FZ_LOG_HASH) &&
		 EVP_DigestUpdate(ctx, payload, bytes) && EVP_DigestFinal_ex(ctx, hash, NULL);

	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -ENOMEM;
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void fz_log_describe(struct fz_log_header *h, const struct fz_info *info)
{
	struct utsname u;
	int fd;

	memset(h, 0, sizeof(*h));
	memcpy(h->magic, FZ_LOG_MAGIC, sizeof(h->magic));
	h->version = FZ_LOG_VERSION;
	h->bytes = sizeof(*h);
	h->abi = FZ_ABI_VERSION;
	if (info) {
		h->abi = info->abi;
		h->vendor = info->vendor;
		h->cpus = info->cpus;
		h->policy = info->policy;
		h->ring_bytes = info->ring_bytes;
		snprintf(h->module, sizeof(h->module), "%.63s", info->kernel);
	}
	h->mono = clock_ns(CLOCK_MONOTONIC);
	h->real = clock_ns(CLOCK_REALTIME);
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, h->boot_id, 36) != 36)
			h->boot_id[0] = 0;
		close(fd);
	}
	if (!uname(&u)) {
		snprintf(h->kernel, sizeof(h->kernel), "%.63s", u.release);
		snprintf(h->host, sizeof(h->host), "%.63s", u.nodename);
	}
	snprintf(h->tool, sizeof(h->tool), "fitzroy %s", FZ_VERSION);
}

static int write_all(struct fz_log_writer *w, const void *data, size_t n, struct fz_error *err)
{
	const uint8_t *p = data;

	while (n) {
		ssize_t done = write(w->fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return fz_fail(err, -errno, "cannot write %s: %s", w->path,
				       strerror(errno));
		p += done;
		n -= done;
	}
	return 0;
}

/* A new file of our own; or, to replace what is there, a pipe or device that is. */
static int create(const char *path, bool replace)
{
	struct stat st;

	if (replace && !lstat(path, &st)) {
		if (S_ISLNK(st.st_mode)) {
			errno = ELOOP;
			return -1;
		}
		if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
			return open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
		if (S_ISREG(st.st_mode) && unlink(path))
			return -1;
	}
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND | O_CLOEXEC, 0600);
}

static int create_failed(const char *path, struct fz_error *err)
{
	int code = errno;

	switch (code) {
	case EEXIST:
		return fz_fail(err, -code, "%s exists; name another file or use --force", path);
	case ELOOP:
		return fz_fail(err, -code, "%s is a symbolic link; name the file itself", path);
	}
	return fz_fail(err, -code, "cannot create %s: %s", path, strerror(code));
}

/* The name is on the disk before the first record is. */
static void sync_folder(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

int fz_log_create_as(struct fz_log_writer **out, const char *path, bool replace,
		     const struct fz_log_header *as, const struct fz_seal_key *key,
		     struct fz_error *err)
{
	struct fz_log_header h = *as;
	struct fz_log_writer *w;
	struct stat st;
	int ret;

	w = calloc(1, sizeof(*w));
	if (!w)
		return fz_fail(err, -ENOMEM, "out of memory");
	w->fd = -1;
	w->key = key;
	w->path = strdup(path);
	if (key)
		memcpy(h.key, fz_seal_key_public(key), sizeof(h.key));
	ret = fz_log_hash(NULL, &h, sizeof(h), NULL, 0, h.hash);
	if (!w->path || ret) {
		fz_log_close(w);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	w->fd = create(path, replace);
	if (w->fd < 0) {
		ret = create_failed(path, err);
		fz_log_close(w);
		return ret;
	}
	w->regular = !fstat(w->fd, &st) && S_ISREG(st.st_mode);
	if (w->regular)
		sync_folder(path);
	memcpy(w->head, h.hash, sizeof(w->head));
	ret = write_all(w, &h, sizeof(h), err);
	if (ret) {
		fz_log_close(w);
		return ret;
	}
	w->bytes = sizeof(h);
	*out = w;
	return 0;
}

int fz_log_create(struct fz_log_writer **out, const char *path, bool replace,
		  const struct fz_info *info, struct fz_error *err)
{
	struct fz_log_header h;

	fz_log_describe(&h, info);
	return fz_log_create_as(out, path, replace, &h, NULL, err);
}

/*
 * A block goes in whole or not at all: after a full disk or a bad write the file is
 * cut back to the last whole one, and nothing more is written.
 */
static int write_block(struct fz_log_writer *w, enum fz_log_type type, const void *payload,
		       uint32_t bytes, uint32_t count, struct fz_error *err)
{
	struct fz_log_block b = { .magic = FZ_LOG_BLOCK_MAGIC, .type = type, .bytes = bytes,
				  .count = count, .number = w->number };
	int ret;

	if (w->failed)
		return fz_fail(err, -EIO, "an earlier write to %s failed", w->path);
	if (fz_log_hash(w->head, &b, sizeof(b), payload, bytes, b.hash))
		return fz_fail(err, -ENOMEM, "out of memory");
	ret = write_all(w, &b, sizeof(b), err);
	if (!ret)
		ret = write_all(w, payload, bytes, err);
	if (ret) {
		w->failed = true;
		if (w->regular && ftruncate(w->fd, w->bytes))
			return ret;	/* what is left of the block shows as a cut */
		return ret;
	}
	memcpy(w->head, b.hash, sizeof(w->head));
	w->bytes += sizeof(b) + bytes;
	w->number++;
	return 0;
}

static int write_seal(struct fz_log_writer *w, bool closing, struct fz_error *err)
{
	struct fz_log_seal s = { .text = FZ_LOG_SEAL_TEXT, .number = w->seals,
				 .block = w->number, .records = w->written,
				 .mono = clock_ns(CLOCK_MONOTONIC), .closing = closing };
	int ret;

	memcpy(s.head, w->head, sizeof(s.head));
	if (w->key) {
		ret = fz_seal_sign(w->key, &s, offsetof(struct fz_log_seal, signature),
				   s.signature, err);
		if (ret)
			return ret;
	}
	ret = write_block(w, FZ_LOG_SEAL, &s, sizeof(s), 0, err);
	if (ret)
		return ret;
	w->seals++;
	w->sealed = w->bytes;
	/* EINVAL, EROFS: a pipe or a device, which has nothing to sync */
	if (fdatasync(w->fd) && errno != EINVAL && errno != EROFS)
		return fz_fail(err, -errno, "cannot sync %s: %s", w->path, strerror(errno));
	return 0;
}

int fz_log_add_vms(struct fz_log_writer *w, const struct fz_vm_desc *vms, size_t n,
		   struct fz_error *err)
{
	size_t most = FZ_LOG_BLOCK_MAX / sizeof(*vms), i;
	int ret = fz_log_flush(w, false, err);

	for (i = 0; !ret && i < n; i += most) {
		size_t now = n - i < most ? n - i : most;

		ret = write_block(w, FZ_LOG_VMS, vms + i, now * sizeof(*vms), now, err);
	}
	return ret;
}

/* Records, then their sums. */
static int write_records(struct fz_log_writer *w, struct fz_error *err)
{
	uint32_t sums = w->count * sizeof(w->sums[0]);
	int ret;

	memcpy(w->buf + w->used, w->sums, sums);
	ret = write_block(w, FZ_LOG_RECORDS, w->buf, w->used + sums, w->count, err);
	if (ret)
		return ret;
	w->written += w->count;
	w->used = 0;
	w->count = 0;
	return 0;
}

int fz_log_flush(struct fz_log_writer *w, bool sync, struct fz_error *err)
{
	int ret = w->count ? write_records(w, err) : 0;

	if (!ret && (sync || w->bytes - w->sealed >= FZ_LOG_SEAL_BYTES))
		ret = write_seal(w, false, err);
	return ret;
}

int fz_log_add(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	struct fz_log_writer *w = arg;
	int ret;

	if (w->ended)
		return fz_fail(err, -EINVAL, "%s is ended", w->path);
	if (rec->size > BUFFER - w->used) {
		ret = fz_log_flush(w, false, err);
		if (ret)
			return ret;
	}
	memcpy(w->buf + w->used, rec, rec->size);
	w->sums[w->count++] = XXH64(rec, rec->size, 0);
	w->used += rec->size;
	w->records++;
	return 0;
}

int fz_log_end(struct fz_log_writer *w, enum fz_log_reason reason, uint64_t lost_pending,
	       struct fz_error *err)
{
	struct fz_log_end end = { .mono = clock_ns(CLOCK_MONOTONIC), .records = w->records,
				  .lost_pending = lost_pending, .reason = reason };
	int ret = fz_log_flush(w, false, err);

	if (!ret)
		ret = write_block(w, FZ_LOG_END, &end, sizeof(end), 0, err);
	if (!ret)
		ret = write_seal(w, true, err);
	w->ended = !ret;
	return ret;
}

uint64_t fz_log_records(const struct fz_log_writer *w)
{
	return w->records;
}

uint64_t fz_log_written(const struct fz_log_writer *w)
{
	return w->written;
}

bool fz_log_dirty(const struct fz_log_writer *w)
{
	return w->count || w->bytes > w->sealed;
}

int fz_log_fd(const struct fz_log_writer *w)
{
	return w->fd;
}

const uint8_t *fz_log_head(const struct fz_log_writer *w)
{
	return w->head;
}

void fz_log_close(struct fz_log_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	free(w->path);
	free(w);
}
