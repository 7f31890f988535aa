// SPDX-License-Identifier: GPL-2.0-only
/*
 * labels_release.c - of which release is a package?
 *
 * A package seldom says, but the same version is seldom in two. Where it may be of
 * several, all of them are asked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "labels_judge.h"
#include "release.h"

int fz_labels_set_release(struct fz_labels *l, const char *release, struct fz_error *err)
{
	char name[FZ_RELEASE_TEXT];
	int ret = fz_release_name(release, name, err);

	if (ret)
		return ret;
	l->release = strdup(name);
	return l->release ? 0 : fz_fail(err, -ENOMEM, "out of memory");
}

/* ------------------------------------------------------------ which release */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "...+deb12u3", "...~deb12u1": 12. 0 = it says nothing; -1 = of something that is not Debian. */
static int debian_number(const char *version)
{
	static const char *const words[] = { "deb", "u", "b", "nmu", "exp", "dfsg", "ds", "really",
					     "rc" };
	const char *p = strrchr(version, '-'), *word;
	size_t i, n;
	int number = 0;

	/* Others mark what they built in the revision: 1ubuntu2, 1+rpi1, 1~bpo12+1, 1+pve1. */
	for (p = p ? p + 1 : strpbrk(version, "+~"); p && *p; p += n) {
		n = 1;
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')))
			continue;
		for (n = 0; (p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z'); n++)
			;
		word = p;
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strlen(words[i]) == n && !memcmp(words[i], word, n))
				break;
		if (i == sizeof(words) / sizeof(words[0]))
			return -1;
		if (!i && is_digit(p[3]) && is_digit(p[4]) && p[5] == 'u')
			number = (p[3] - '0') * 10 + p[4] - '0';
		else if (!i)
			return -1;
	}
	return number;
}

static bool is_debian_arch(const char *arch)
{
	static const char *const archs[] = { "amd64", "i386", "all", "arm64", "armhf", "armel",
					     "ppc64el", "s390x", "riscv64", "mips64el", "mipsel", "x32" };
	size_t i;

	for (i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		if (!strcmp(arch, archs[i]))
			return true;
	return false;
}

static bool is_apk_version(const char *v)
{
	const char *p = strrchr(v, '-');

	return p && p[1] == 'r' && p[2] && !p[2 + strspn(p + 2, "0123456789")];
}

static void forget_releases(struct fz_lab_subject *s)
{
	while (s->n)
		free(s->releases[--s->n]);
}

static int add_release(struct fz_lab_subject *s, const char *release)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (!strcmp(s->releases[i], release))
			return 0;
	if (s->n == FZ_RELEASES_MAX)
		return -E2BIG;
	s->releases[s->n] = strdup(release);
	if (!s->releases[s->n])
		return -ENOMEM;
	s->n++;
	return 0;
}

/* The records about a package, in order. */
int fz_lab_walk_open(struct fz_lab_walk *w, struct fz_labels *l, const char *distro,
		     const char *package, struct fz_error *err)
{
	size_t a = strlen(distro) + 1, b = strlen(package) + 1;
	int rc;

	*w = (struct fz_lab_walk){ .l = l };
	if (a > FZ_LAB_DISTRO || b > FZ_LAB_PACKAGE)
		return 0;
	memcpy(w->prefix, distro, a);
	memcpy(w->prefix + a, package, b);
	w->len = a + b;
	rc = mdb_cursor_open(l->store.txn, l->store.dbi[FZ_LAB_ADVISORIES], &w->c);
	return rc ? fz_lab_mdb(err, l->store.path, rc) : 0;
}

/* 1, 0 at the end. */
int fz_lab_walk_next(struct fz_lab_walk *w, struct fz_error *err)
{
	const char *strings[3];
	bool first = !w->key.mv_size;
	uint32_t id;
	int rc;

	if (!w->c)
		return 0;
	if (first) {
		w->key.mv_size = w->len;
		w->key.mv_data = w->prefix;
	}
	rc = mdb_cursor_get(w->c, &w->key, &w->val, first ? MDB_SET_RANGE : MDB_NEXT);
	if (rc && rc != MDB_NOTFOUND)
		return fz_lab_mdb(err, w->l->store.path, rc);
	if (rc || w->key.mv_size < w->len || memcmp(w->key.mv_data, w->prefix, w->len))
		return 0;
	if (!fz_lab_key(&w->key, strings, &id))
		return fz_lab_broken(err, w->l->store.path, "an advisory's key");
	w->id = strings[2];
	for (w->source = 0; w->source < w->l->info.nsources; w->source++)
		if (w->l->sources[w->source].id == id)
			return 1;
	return fz_lab_broken(err, w->l->store.path, "an advisory of no source");
}

void fz_lab_walk_close(struct fz_lab_walk *w)
{
	if (w->c)
		mdb_cursor_close(w->c);
}

/*
 * The releases that a Debian package without a mark may be of: those that have just this
 * version now; else those that have a later one, for they may have had it; and where
 * nothing is known of what releases have, all that any advisory names.
 */
static int find_releases(struct fz_labels *l, struct fz_lab_subject *s, struct fz_error *err)
{
	struct fz_lab_subject equal = { .n = 0 }, later = { .n = 0 }, named = { .n = 0 };
	struct fz_lab_subject *use;
	bool suites = false;
	struct fz_lab_walk w;
	size_t i;
	int ret, cmp;

	ret = fz_lab_walk_open(&w, l, s->distro, s->package, err);
	while (!ret && (ret = fz_lab_walk_next(&w, err)) > 0) {
		const uint8_t *p = w.val.mv_data, *end = p + w.val.mv_size;
		struct fz_statement st;

		while ((ret = fz_lab_next(&p, end, &st)) > 0) {
			if (st.kind != FZ_SAYS_SUITE) {
				ret = *st.release ? add_release(&named, st.release) : 0;
			} else {
				suites = true;
				if (fz_version_compare(s->order, s->version, st.fixed, &cmp) ||
				    cmp > 0)
					continue;
				ret = add_release(cmp ? &later : &equal, st.release);
			}
			if (ret)
				break;
		}
		if (ret)
			ret = ret == -1 ? fz_lab_broken(err, l->store.path, "an advisory") :
					  fz_fail(err, ret, "out of memory");
	}
	fz_lab_walk_close(&w);
	use = equal.n ? &equal : suites ? &later : &named;
	if (!ret) {
		memcpy(s->releases, use->releases, sizeof(s->releases));
		s->n = use->n;
		use->n = 0;
	}
	for (i = 0; i < equal.n; i++)
		free(equal.releases[i]);
	for (i = 0; i < later.n; i++)
		free(later.releases[i]);
	for (i = 0; i < named.n; i++)
		free(named.releases[i]);
	/* Of so many that nothing can be claimed. */
	return ret == -E2BIG ? 0 : ret;
}

/* A binary-only rebuild has the source's version. */
static char *without_rebuild(const char *version)
{
	char *s = strdup(version), *p = s ? strrchr(s, '+') : NULL;

	if (p && p[1] == 'b' && is_digit(p[2]) && !p[2 + strspn(p + 2, "0123456789")])
		*p = '\0';
	return s;
}

/*
 * The releases of @names, all of one distribution: else nothing can be claimed, for names and
 * versions mean something else in another. @distro: room for its name.
 */
static int named_releases(struct fz_lab_subject *s, const char *names, char distro[FZ_RELEASE_TEXT])
{
	char name[FZ_RELEASE_TEXT], *colon;
	size_t len;
	int ret = 0;

	for (; !ret && *names; names += len + (names[len] == ',')) {
		len = strcspn(names, ",");
		if (len >= sizeof(name))
			return -E2BIG;
		memcpy(name, names, len);
		name[len] = '\0';
		colon = strchr(name, ':');
		if (!colon)
			return -E2BIG;
		*colon = '\0';
		if (*distro && strcmp(distro, name))
			return -E2BIG;
		strcpy(distro, name);
		ret = add_release(s, colon + 1);
	}
	return ret;
}

/* Of its own releases, which a mark in its version overrules. */
static int deb_subject(struct fz_labels *l, struct fz_lab_subject *s, struct fz_error *err)
{
	bool is_debian = !*s->distro || !strcmp(s->distro, "Debian");
	int number = debian_number(s->version), ret = 0;
	char text[16];

	if (!is_debian)
		return 0;
	strcpy(s->distro, "Debian");
	if (!number && !s->n)
		return find_releases(l, s, err);
	if (number)
		forget_releases(s);
	if (number > 0) {
		snprintf(text, sizeof(text), "%d", number);
		if (fz_debian_codename(text))
			ret = add_release(s, fz_debian_codename(text));
	}
	return ret ? fz_fail(err, ret, "out of memory") : 0;
}

int fz_lab_subject(struct fz_labels *l, const struct fz_hashdb_file *f, struct fz_lab_subject *s,
		   struct fz_error *err)
{
	const char *release = *f->release ? f->release : l->release ? l->release : "";
	bool apk = is_apk_version(f->version), deb = !apk && is_debian_arch(f->arch);
	int ret;

	*s = (struct fz_lab_subject){ .order = deb ? FZ_ORDER_DEB : apk ? FZ_ORDER_APK :
				      FZ_ORDER_RPM, .package = f->source };
	if (!*f->package || !*f->version || (!deb && !*release))
		return 0;
	if ((deb || apk) && *f->source_version)
		s->version = strdup(f->source_version);
	else
		s->version = deb ? without_rebuild(f->version) : strdup(f->version);
	ret = s->version ? named_releases(s, release, s->distro) : -ENOMEM;
	if (ret == -E2BIG) {
		forget_releases(s);
		return 0;
	}
	if (ret)
		return fz_fail(err, ret, "out of memory");
	if (deb)
		return deb_subject(l, s, err);
	/* Debian's and Alpine's advisories name sources; those of others, binary packages. */
	if (!apk || !*f->source)
		s->package = f->package;
	return 0;
}

void fz_lab_subject_free(struct fz_lab_subject *s)
{
	forget_releases(s);
	free(s->version);
}
