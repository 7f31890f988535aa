// SPDX-License-Identifier: GPL-2.0-only
/* test_vercmp.c - the orders of versions; tests/e2e/labels.sh asks dpkg itself */
#include <errno.h>
#include "tap.h"
#include "vercmp.h"

struct pair {
	const char *a, *b;
	int want;
};

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static void pairs(const char *name, enum fz_order order, const struct pair *p, size_t n)
{
	size_t i, wrong = 0;
	int x = 9, y = 9;

	for (i = 0; i < n; i++) {
		if (fz_version_compare(order, p[i].a, p[i].b, &x) ||
		    fz_version_compare(order, p[i].b, p[i].a, &y) || sign(x) != p[i].want ||
		    sign(y) != -p[i].want) {
			printf("# %s %s: %d, %d\n", p[i].a, p[i].b, x, y);
			wrong++;
		}
	}
	ok(!wrong, "%s: %zu pairs, both ways", name, n);
}

/* Ascending, each with each. */
static void row(const char *name, enum fz_order order, const char *const *v, size_t n)
{
	size_t i, k, wrong = 0;
	int cmp;

	for (i = 0; i < n; i++) {
		for (k = 0; k < n; k++) {
			if (fz_version_compare(order, v[i], v[k], &cmp) ||
			    sign(cmp) != (i > k) - (i < k)) {
				printf("# %s %s: %d\n", v[i], v[k], cmp);
				wrong++;
			}
		}
	}
	ok(!wrong, "%s: %zu in a row, each with each", name, n);
}

static void none(const char *name, enum fz_order order, const char *const *v, size_t n)
{
	size_t i, wrong = 0;
	int cmp;

	for (i = 0; i < n; i++) {
		if (fz_version_valid(order, v[i]) ||
		    fz_version_compare(order, v[i], "1", &cmp) != -EINVAL ||
		    fz_version_compare(order, "1", v[i], &cmp) != -EINVAL) {
			printf("# %s\n", v[i]);
			wrong++;
		}
	}
	ok(!wrong, "%s: %zu that are none", name, n);
}

#define N(a) (a), sizeof(a) / sizeof((a)[0])

int main(void)
{
	static const struct pair deb[] = {
		{ "1.0", "1.0-0", 0 }, { "1.0", "1.00", 0 }, { "0:1", "1", 0 },
		{ "1.0-1", "1.0-1", 0 }, { "1:0.5", "2.0", 1 }, { "00001:1", "1:1", 0 },
		{ "1.2.3-1~deb12u1", "1.2.3-1", -1 }, { "1.2.3-1+deb12u1", "1.2.3-1", 1 },
		{ "3.0.11-1~deb12u2", "3.0.13-1~deb12u1", -1 },
		{ "7.88.1-10+deb12u4", "7.88.1-10+deb12u12", -1 },
		{ "5.6.1+really5.4.5-1", "5.6.1-1", 1 }, { "5.6.0-0.2", "5.6.1+really5.4.5-1", -1 },
		{ "9.1-1", "9.1-1+b1", -1 }, { "1.0a", "1.0+", -1 }, { "1.0a", "1.0.", -1 },
		{ "1.0~~", "1.0~", -1 }, { "1.0~", "1.0", -1 }, { "1.0~rc1", "1.0~rc10", -1 },
		{ "1-2-3", "1-2-4", -1 }, { "1.99999999999999999999", "1.100000000000000000000", -1 },
		{ "2:1.0-1", "10:0.1-1", -1 }, { "1a", "1A", 1 }, { "1.0-1", "1.0-1.1", -1 },
	};
	static const char *const deb_row[] = {
		"1.0~~", "1.0~~a", "1.0~", "1.0~beta1", "1.0~rc1", "1.0", "1.0-0.1", "1.0-1~bpo12+1",
		"1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1.0-1.1", "1.0-2", "1.0a-1", "1.0+dfsg-1",
		"1.0.1-1", "1.1", "1:0.1",
	};
	static const char *const no_deb[] = {
		"", "a1", ":1", "x:1", "1:", "-1", "1-", "1.0-1_2", "1 2", "1.0/2", "99999999999:1",
		"1.0-\xc3\xa9", "~1",
	};
	/* From rpm's own tests (rpmvercmp.at). */
	static const struct pair rpm[] = {
		{ "1.0", "1.0", 0 }, { "1.0", "2.0", -1 }, { "2.0.1", "2.0.1a", -1 },
		{ "5.5p1", "5.5p2", -1 }, { "5.5p10", "5.5p1", 1 }, { "10xyz", "10.1xyz", -1 },
		{ "xyz10", "xyz10.1", -1 }, { "xyz.4", "8", -1 }, { "xyz.4", "2", -1 },
		{ "5.5p2", "5.6p1", -1 }, { "6.0.rc1", "6.0", 1 }, { "10b2", "10a1", 1 },
		{ "1.0aa", "1.0a", 1 }, { "10.0001", "10.0039", -1 }, { "4.999.9", "5.0", -1 },
		{ "20101121", "20101122", -1 }, { "2_0", "2.0", 0 }, { "1.0~rc1", "1.0", -1 },
		{ "1.0~rc1", "1.0~rc2", -1 }, { "1.0~rc1~git123", "1.0~rc1", -1 }, { "1.0^", "1.0", 1 },
		{ "1.0^git1", "1.0^git2", -1 }, { "1.0^git1", "1.01", -1 }, { "1.0^20160101", "1.0.1", -1 },
		{ "1.0~rc1^git1", "1.0~rc1", 1 }, { "1.0^git1~pre", "1.0^git1", -1 },
		{ "1:3.0.7-27.el9", "1:3.0.7-28.el9_4", -1 }, { "3.0.7-28.el9", "1:3.0.7-27.el9", -1 },
		{ "1:3.0.7-28.el9_4", "1:3.0.7-28.el9", 1 }, { "1.0", "1.0-5.el9", 0 },
	};
	static const char *const no_rpm[] = { "", ":1", "x:1", "1-", "1.0-", "1 2", "1/2" };
	/* From apk's own tests (version.data). */
	static const struct pair apk[] = {
		{ "2.34", "0.1.0_alpha", 1 }, { "1.0.4", "1.0.4", 0 }, { "1.0", "1.0.1", -1 },
		{ "1.0_pre1", "1.0", -1 }, { "1.0_p1", "1.0", 1 }, { "1.0-r0", "1.0-r1", -1 },
		{ "3.1.6-r2", "3.1.7-r0", -1 }, { "1.0_alpha1", "1.0_beta1", -1 },
		{ "1.0_rc2", "1.0_rc10", -1 }, { "1.01", "1.1", -1 }, { "2.3a", "2.3", 1 },
		{ "2.3a", "2.3b", -1 }, { "6.5_p20250503-r0", "6.5_p20250504-r0", -1 },
		{ "1.36.1-r2", "1.36.1-r19", -1 }, { "1.0_git20200101", "1.0", 1 },
		{ "1.0_alpha", "1.0-r1", -1 }, { "1.0-r1", "1.0.1", -1 }, { "010", "10", 0 },
	};
	static const char *const no_apk[] = { "", "a", "1.", "1_foo", "1.0-", "1.0-r", "1.0-1", "1 2",
					      "1.0_rc1-x", "1.0-r1.2" };

	pairs("deb", FZ_ORDER_DEB, N(deb));
	row("deb", FZ_ORDER_DEB, N(deb_row));
	none("deb", FZ_ORDER_DEB, N(no_deb));
	pairs("rpm", FZ_ORDER_RPM, N(rpm));
	none("rpm", FZ_ORDER_RPM, N(no_rpm));
	pairs("apk", FZ_ORDER_APK, N(apk));
	none("apk", FZ_ORDER_APK, N(no_apk));
	return done();
}
