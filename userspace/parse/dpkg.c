// SPDX-License-Identifier: GPL-2.0-only
/*
 * dpkg.c - what dpkg knows of an installed root
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "control.h"
#include "owners_priv.h"
#include "rpmheader.h"

#define STATUS		"var/lib/dpkg/status"
#define STATUS_MAX	(256UL << 20)
#define LIST_MAX	(64UL << 20)
#define MD5_LEN		16

static int read_info(struct fz_owners *o, const struct fz_package *p, const char *suffix,
		     struct fz_buffer *b, struct fz_error *err)
{
	char name[256];
	int ret;

	snprintf(name, sizeof(name), "var/lib/dpkg/info/%s:%s.%s", p->name, p->arch, suffix);
	ret = o->fs->read(o->fs, name, b, LIST_MAX, err);
	if (ret != -ENOENT)
		return ret;
	snprintf(name, sizeof(name), "var/lib/dpkg/info/%s.%s", p->name, suffix);
	ret = o->fs->read(o->fs, name, b, LIST_MAX, err);
	return ret == -ENOENT ? fz_fail(err, ret, "there is no %s", name) : ret;
}

static int add_package(struct fz_owners *o, const struct fz_package *p, struct fz_buffer *b,
		       struct fz_error *err)
{
	struct fz_error why;
	const char *s, *end;
	int ret;

	ret = read_info(o, p, "list", b, &why);
	if (ret) {
		o->h->note(o->h->ctx, p->name, false, why.text);
		return 0;
	}
	ret = fz_owners_add(o, p, err);
	end = (char *)b->p + b->len;
	for (s = (char *)b->p; !ret && s < end; ) {
		const char *nl = memchr(s, '\n', end - s);
		const char *e = nl ? nl : end;

		ret = fz_owners_entry(o, s, e - s, FZ_OWNERS_UNSURE, NULL, err);
		s = e + 1;
	}
	return ret;
}

/* A line of md5sums: 32 digits, two blanks, the path without its first slash. */
static int add_md5(struct fz_owners *o, uint32_t package, char *line, struct fz_error *err)
{
	struct fz_owners_entry *e;
	uint8_t md5[MD5_LEN];
	char *path;

	if (strlen(line) < 35 || line[32] != ' ')
		return 0;
	line[32] = '\0';
	if (!fz_hex(line, md5, sizeof(md5)))
		return 0;
	line[33] = '/';
	path = fz_owners_place(o, line + 33);
	if (!path)
		return fz_fail(err, -ENOMEM, "out of memory");
	e = fz_owners_first(o, path);
	for (; e && e < o->entries + o->nentries && !strcmp(e->path, path); e++) {
		if (e->package != package)
			continue;
		memcpy(e->digest, md5, MD5_LEN);
		e->algo = FZ_OWNERS_MD5;
	}
	if (path != line + 33)
		free(path);
	return 0;
}

static int add_md5sums(struct fz_owners *o, struct fz_buffer *b, struct fz_error *err)
{
	char *line, *save;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < o->npackages; i++) {
		if (read_info(o, &o->packages[i], "md5sums", b, NULL))
			continue;	/* a package need not have them */
		ret = fz_buffer_room(b, 1, err);
		if (ret)
			return ret;
		b->p[b->len] = '\0';
		for (line = strtok_r((char *)b->p, "\n", &save); !ret && line;
		     line = strtok_r(NULL, "\n", &save))
			ret = add_md5(o, i, line, err);
	}
	return ret;
}

static int read_status(struct fz_owners *o, const struct fz_buffer *status, struct fz_error *err)
{
	const char *s = (char *)status->p, *end = s + status->len, *next, *state;
	struct fz_buffer b = { 0 };
	struct fz_package p;
	size_t len;
	int ret = 0;

	for (; !ret && s < end; s = next) {
		next = fz_control_end(s, end);
		state = fz_control_field(s, next, "Status", &len);
		/* "half-installed", "config-files" and so on vouch for nothing */
		if (state && len > 10 && !memcmp(state + len - 10, " installed", 10)) {
			struct fz_error why;

			if (fz_control_parse(&p, s, next - s, &why))
				o->h->note(o->h->ctx, STATUS, false, why.text);
			else
				ret = add_package(o, &p, &b, err);
		}
		while (next < end && *next == '\n')
			next++;
	}
	fz_owners_sort(o);
	if (!ret)
		ret = add_md5sums(o, &b, err);
	free(b.p);
	return ret;
}

int fz_dpkg_read(struct fz_owners *o, struct fz_error *err)
{
	struct fz_buffer status = { 0 };
	int ret = o->fs->read(o->fs, STATUS, &status, STATUS_MAX, err);

	ret = ret == -ENOENT ? 0 : ret ? ret : read_status(o, &status, err);
	free(status.p);
	return ret;
}
