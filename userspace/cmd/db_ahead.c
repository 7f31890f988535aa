// SPDX-License-Identifier: GPL-2.0-only
/* db_ahead.c - packages read by threads, in the background; handed over in order */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "db_ahead.h"
#include "package.h"

#define QUEUE_BYTES	(32UL << 20)	/* of a job; a larger file waits alone */

enum what { FILE_, OTHER, NOTE };

struct item {
	struct item *next;
	enum what what;
	bool skipped;
	size_t size;
	char *path;		/* in the same allocation, as the others */
	char *why;
	uint8_t *data;
};

struct ahead {
	unsigned int threads, running;
	bool (*stop)(void);
};

struct ahead_job {
	struct ahead *a;
	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more, room;
	struct item *first, **last;
	size_t bytes;
	bool done, cancelled;
	int ret;
	struct fz_package package;
	struct fz_error err;
};

struct ahead *ahead_new(unsigned int threads, bool (*stop)(void))
{
	struct ahead *a = calloc(1, sizeof(*a));

	if (a) {
		a->threads = threads;
		a->stop = stop;
	}
	return a;
}

void ahead_free(struct ahead *a)
{
	free(a);
}

bool ahead_room(const struct ahead *a)
{
	return a->running < a->threads;
}

/* ------------------------------------------------------------ in the thread */

static int put(struct ahead_job *j, enum what what, const char *path, const char *why,
	       bool skipped, const void *data, size_t size, struct fz_error *err)
{
	size_t path_len = path ? strlen(path) + 1 : 0, why_len = why ? strlen(why) + 1 : 0;
	struct item *i = malloc(sizeof(*i) + path_len + why_len + size);
	bool go;

	if (!i)
		return fz_fail(err, -ENOMEM, "out of memory");
	*i = (struct item) { .what = what, .skipped = skipped, .size = size };
	i->path = memcpy((char *)(i + 1), path ? path : "", path_len);
	i->why = memcpy(i->path + path_len, why ? why : "", why_len);
	i->data = memcpy(i->why + why_len, size ? data : "", size);
	pthread_mutex_lock(&j->lock);
	while (j->bytes && j->bytes + size > QUEUE_BYTES && !j->cancelled)
		pthread_cond_wait(&j->room, &j->lock);
	go = !j->cancelled;
	if (go) {
		*j->last = i;
		j->last = &i->next;
		j->bytes += size;
		pthread_cond_signal(&j->more);
	}
	pthread_mutex_unlock(&j->lock);
	if (go && !j->a->stop())
		return 0;
	if (!go)
		free(i);
	return fz_fail(err, -EINTR, "interrupted");
}

static int put_file(void *ctx, const struct fz_package *package, const char *path,
		    const void *data, size_t size, struct fz_error *err)
{
	(void)package;	/* the job's own; it is whole before the first file */
	return put(ctx, FILE_, path, NULL, false, data, size, err);
}

static int put_other(void *ctx, struct fz_error *err)
{
	return put(ctx, OTHER, NULL, NULL, false, NULL, 0, err);
}

static void put_note(void *ctx, const char *path, bool skipped, const char *why)
{
	put(ctx, NOTE, path, why, skipped, NULL, 0, NULL);
}

static void *read_package(void *arg)
{
	struct ahead_job *j = arg;
	const struct fz_harvest h = {
		.ctx = j, .file = put_file, .other = put_other, .note = put_note,
	};
	struct fz_error err = { "" };
	int ret = fz_package_read(&j->package, j->fd, &h, &err);

	pthread_mutex_lock(&j->lock);
	j->ret = ret;
	j->err = err;
	j->done = true;
	pthread_cond_signal(&j->more);
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

/* --------------------------------------------------------- in the caller's */

struct ahead_job *ahead_begin(struct ahead *a, int fd)
{
	struct ahead_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->a = a;
	j->fd = fd;
	j->last = &j->first;
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->more, NULL);
	pthread_cond_init(&j->room, NULL);
	if (pthread_create(&j->thread, NULL, read_package, j)) {
		free(j);
		return NULL;
	}
	a->running++;
	return j;
}

static struct item *next(struct ahead_job *j)
{
	struct item *i;

	pthread_mutex_lock(&j->lock);
	while (!j->first && !j->done)
		pthread_cond_wait(&j->more, &j->lock);
	i = j->first;
	if (i) {
		j->first = i->next;
		if (!j->first)
			j->last = &j->first;
		j->bytes -= i->size;
		pthread_cond_signal(&j->room);
	}
	pthread_mutex_unlock(&j->lock);
	return i;
}

int ahead_replay(struct ahead_job *j, struct fz_package *package, const struct fz_harvest *h,
		 struct fz_error *err)
{
	struct item *i;
	int ret = 0;

	while (!ret && (i = next(j))) {
		if (i->what == FILE_)
			ret = h->file(h->ctx, &j->package, i->path, i->data, i->size, err);
		else if (i->what == OTHER)
			ret = h->other(h->ctx, err);
		else
			h->note(h->ctx, i->path, i->skipped, i->why);
		free(i);
	}
	if (ret < 0)
		return ret;
	*package = j->package;
	return j->ret < 0 ? fz_fail(err, j->ret, "%s", j->err.text) : 0;
}

void ahead_end(struct ahead_job *j)
{
	struct item *i;

	if (!j)
		return;
	pthread_mutex_lock(&j->lock);
	j->cancelled = true;
	pthread_cond_signal(&j->room);
	pthread_mutex_unlock(&j->lock);
	pthread_join(j->thread, NULL);
	while ((i = j->first)) {
		j->first = i->next;
		free(i);
	}
	close(j->fd);
	pthread_cond_destroy(&j->more);
	pthread_cond_destroy(&j->room);
	pthread_mutex_destroy(&j->lock);
	j->a->running--;
	free(j);
}
