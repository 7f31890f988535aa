// SPDX-License-Identifier: GPL-2.0-only
/* db_progress.c - how far "fitzroy db add" is */
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "db_progress.h"

#define COUNT_MAX	(1UL << 20)	/* files; a larger tree has no time left to tell */
#define EVERY_MS	200

static double seconds(const struct timespec *a, const struct timespec *b)
{
	return b->tv_sec - a->tv_sec + (b->tv_nsec - a->tv_nsec) / 1e9;
}

/* Bytes and files of @path. */
static void size_up(const char *path, uint64_t *bytes, uint64_t *files)
{
	char *const paths[] = { (char *)path, NULL };
	struct stat st;
	FTSENT *e;
	FTS *fts;

	*bytes = *files = 0;
	if (stat(path, &st))
		return;
	if (!S_ISDIR(st.st_mode)) {
		*bytes = st.st_size;
		*files = 1;
		return;
	}
	fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_XDEV, NULL);
	while (fts && (e = fts_read(fts)) && *files < COUNT_MAX) {
		if (e->fts_info != FTS_F)
			continue;
		++*files;
		*bytes += e->fts_statp->st_size;
	}
	if (fts)
		fts_close(fts);
}

void db_progress_start(struct db_progress *p, int n, char **paths)
{
	uint64_t bytes, files;

	memset(p, 0, sizeof(*p));
	p->on = isatty(STDERR_FILENO);
	if (!p->on)
		return;
	clock_gettime(CLOCK_MONOTONIC, &p->start);
	while (n--) {
		size_up(*paths++, &bytes, &files);
		p->total += bytes;
	}
}

void db_progress_argument(struct db_progress *p, const char *path)
{
	if (!p->on)
		return;
	p->done += p->current;
	p->current = p->seen = p->files = 0;
	if (path)
		size_up(path, &p->current, &p->files);
}

static void left(const struct db_progress *p, double elapsed, char *to, size_t size)
{
	double part = p->files ? (double)p->seen / p->files : 0;
	double all = p->total ? (p->done + p->current * (part < 1 ? part : 1)) / p->total : 0;
	unsigned int s;

	*to = '\0';
	if (elapsed < 1 || all < 0.01 || all > 1)
		return;
	s = elapsed * (1 - all) / all + 0.5;
	snprintf(to, size, ", %u:%02u left", s / 60, s % 60);
}

void db_progress_show(struct db_progress *p, uint64_t pages, const char *what)
{
	char time_left[32], line[256];
	struct winsize ws;
	struct timespec now;
	double elapsed;
	int width, len;

	if (!p->on)
		return;
	p->seen++;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (seconds(&p->last, &now) * 1000 < EVERY_MS)
		return;
	p->last = now;
	elapsed = seconds(&p->start, &now);
	left(p, elapsed, time_left, sizeof(time_left));
	width = ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) || ws.ws_col < 20 ? 80 : ws.ws_col;
	if (width > (int)sizeof(line))
		width = sizeof(line);
	len = snprintf(line, sizeof(line), "%" PRIu64 " pages, %.0f a second%s  ", pages,
		       elapsed > 0 ? pages / elapsed : 0, time_left);
	/* The end of a path tells more. A path is clean, or is cut at what is not. */
	if (len < width - 8) {
		size_t n = strlen(what), room = width - 1 - len;

		snprintf(line + len, room + 1, "%s", n > room ? what + n - room : what);
	}
	for (len = 0; len < width - 1 && line[len]; len++)
		if ((unsigned char)line[len] < 0x20 || (unsigned char)line[len] >= 0x7f)
			line[len] = '?';
	line[len] = '\0';
	fprintf(stderr, "\r\033[K%s", line);
}

void db_progress_clear(struct db_progress *p)
{
	if (p->on)
		fprintf(stderr, "\r\033[K");
}
