// SPDX-License-Identifier: GPL-2.0-only
/* test_labels.c - what advisories and lists mean for a package version; importing, damage */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "advisory.h"
#include "labels_write.h"
#include "release.h"
#include "tap.h"

static char dir[] = "/tmp/fz-labels-XXXXXX", path[64];
static struct fz_error err;

/* ------------------------------------------------------------------ importing */

static int statement(void *ctx, const char *distro, const char *package, const char *id,
		     const struct fz_statement *s, struct fz_error *e)
{
	return fz_labels_write_statement(ctx, distro, package, id, s, e);
}

static int hash(void *ctx, const uint8_t sha256[32], enum fz_label_kind kind, const char *name,
		struct fz_error *e)
{
	return fz_labels_write_hash(ctx, sha256, kind, name, e);
}

static int from_memory(const void *data, size_t size)
{
	int fd = memfd_create("advisory", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		exit(2);
	return fd;
}

static struct fz_advisory_read got;

/* Import @text as source @name; what fz_advisory_read() or begin says. */
static int import_bytes(const char *name, const void *text, size_t size, enum fz_label_kind as)
{
	struct fz_labels_writer *w;
	struct fz_advice to = { .statement = statement, .hash = hash, .as = as };
	uint8_t digest[32] = { 0 };
	int fd = from_memory(text, size), ret;
	size_t i;

	for (i = 0; i < size; i++)
		digest[i % 32] = digest[i % 32] * 31 + ((const uint8_t *)text)[i];
	got = (struct fz_advisory_read){ 0 };
	if (fz_labels_write_open(&w, path, &err))
		exit(2);
	to.ctx = w;
	ret = fz_labels_write_begin(w, name, digest, &err);
	if (ret > 0) {
		ret = fz_advisory_read(fd, &to, &got, &err);
		if (ret)
			fz_labels_write_undo(w);
		else
			fz_labels_write_end(w, got.format, 1700000000, got.skipped);
		if (!ret && fz_labels_write_publish(w, &err))
			exit(2);
		ret = ret ? ret : 1;
	}
	fz_labels_write_close(w);
	close(fd);
	return ret;
}

static int import(const char *name, const char *text)
{
	return import_bytes(name, text, strlen(text), FZ_LABELS);
}

/* -------------------------------------------------------------------- asking */

static const char *const deb = "amd64";

static const char *of;	/* the release by the database, if it says it */

/* The labels of a package version, "KIND ID FIXED; ...", in @buf. */
static const char *ask(const char *release, const char *arch, const char *package,
		       const char *version, const char *source_version)
{
	static char buf[4096];
	struct fz_hashdb_file f = { .path = "/x", .package = (char *)package,
		.source = (char *)package, .version = (char *)version,
		.source_version = (char *)source_version, .arch = (char *)arch, .release = of ? (char *)of : "",
		.build_id = "" };
	struct fz_labelled out;
	struct fz_labels *l;
	size_t i, used = 0;

	buf[0] = '\0';
	if (fz_labels_open(&l, path, &err) ||
	    (release && fz_labels_set_release(l, release, &err)) ||
	    fz_labels_of(l, &f, &out, &err)) {
		snprintf(buf, sizeof(buf), "error: %s", err.text);
		return buf;
	}
	for (i = 0; i < out.npackage && used < sizeof(buf); i++)
		used += snprintf(buf + used, sizeof(buf) - used, "%s%s %s %s [%s]", used ? "; " : "",
				 fz_label_name(out.package[i].kind), out.package[i].id,
				 *out.package[i].fixed ? out.package[i].fixed : "-",
				 out.package[i].release);
	fz_labels_close(l);
	return buf;
}

static void is(const char *have, const char *want, const char *name)
{
	if (!ok(!strcmp(have, want), "%s", name))
		diag("have %s, want %s", have, want);
}

#define REPO(r, v) "\"repositories\":{\"" r "\":\"" v "\"}"
#define FIXED(r, v, f) "\"" r "\":{\"status\":\"resolved\"," REPO(r, v) ",\"fixed_version\":\"" f \
	"\",\"urgency\":\"not yet assigned\"}"

static const char tracker[] = "{"
	"\"glibc\": {\"CVE-2023-4911\": {\"scope\": \"local\", \"releases\": {"
		FIXED("bookworm", "2.36-9+deb12u10", "2.36-9+deb12u3") ","
		FIXED("bullseye", "2.31-13+deb11u11", "2.31-13+deb11u7") ","
		FIXED("sid", "2.41-12", "2.37-12") "," FIXED("trixie", "2.41-12", "2.37-12") "}},"
	"\"CVE-2023-6246\": {\"releases\": {"
		FIXED("bookworm", "2.36-9+deb12u10", "2.36-9+deb12u4") ","
		FIXED("bullseye", "2.31-13+deb11u11", "0") ","
		FIXED("sid", "2.41-12", "2.37-15") "}}},\n"
	"\"xz-utils\": {\"CVE-2024-3094\": {\"releases\": {" FIXED("bookworm", "5.4.1-1", "0") ","
		FIXED("sid", "5.8.1-1", "5.6.1+really5.4.5-1") ","
		FIXED("trixie", "5.8.1-1", "5.6.1+really5.4.5-1") "}}},"
	"\"bash\": {\"TEMP-0841856-B18BAF\": {\"releases\": {"
		"\"bookworm\":{\"status\":\"open\"," REPO("bookworm", "5.2.15-2") ",\"urgency\":\"unimportant\"},"
		"\"sid\":{\"status\":\"open\"," REPO("sid", "5.2.37-2") ",\"urgency\":\"unimportant\"}}}},"
	"\"coreutils\": {\"CVE-2016-2781\": {\"releases\": {"
		"\"bookworm\":{\"status\":\"open\"," REPO("bookworm", "9.1-1") ",\"urgency\":\"low\","
		"\"nodsa\":\"Minor issue\",\"nodsa_reason\":\"ignored\"},"
		FIXED("sid", "9.7-3", "9.5-1") "}}},"
	"\"nginx\": {\"CVE-2025-0001\": {\"releases\": {"
		"\"bookworm\":{\"status\":\"open\"," REPO("bookworm", "1.22.1-9+deb12u1") ",\"urgency\":\"high\"}}},"
	"\"CVE-2025-0002\": {\"releases\": {"
		"\"bookworm\":{\"status\":\"undetermined\"," REPO("bookworm", "1.22.1-9+deb12u1") "}}},"
	"\"CVE-2025-0003\": {\"releases\": {"
		"\"bookworm\":{\"status\":\"open\"," REPO("bookworm", "1.22.1-9+deb12u1") ",\"urgency\":\"end-of-life\"}}}}"
	"}";

static void test_tracker(void)
{
	ok(import("data.json", tracker) == 1 && !strcmp(got.format, "Debian security tracker") &&
	   got.documents == 8 && !got.skipped, "the tracker's JSON is imported");
	is(ask(NULL, deb, "glibc", "2.36-9+deb12u1", ""),
	   "vulnerable CVE-2023-4911 2.36-9+deb12u3 [bookworm]; "
	   "vulnerable CVE-2023-6246 2.36-9+deb12u4 [bookworm]", "before the fix of its release");
	is(ask(NULL, deb, "glibc", "2.36-9+deb12u3", ""),
	   "vulnerable CVE-2023-6246 2.36-9+deb12u4 [bookworm]", "the fixed version is not");
	is(ask(NULL, deb, "glibc", "2.36-9+deb12u10", ""), "", "nor a later one");
	is(ask(NULL, deb, "glibc", "2.31-13+deb11u6", ""),
	   "vulnerable CVE-2023-4911 2.31-13+deb11u7 [bullseye]",
	   "another release has another fix; what it never had is not said");
	is(ask(NULL, deb, "glibc", "2.36-9", ""),
	   "vulnerable CVE-2023-4911 2.36-9+deb12u3 [bookworm, sid, trixie]; "
	   "possible CVE-2023-6246 2.36-9+deb12u4 [bookworm, sid]",
	   "of one of three releases: what all say; trixie says nothing of the second");
	is(ask(NULL, deb, "glibc", "2.31-13", ""),
	   "vulnerable CVE-2023-4911 2.36-9+deb12u3 [bookworm, bullseye, sid, trixie]; "
	   "possible CVE-2023-6246 2.36-9+deb12u4 [bookworm, sid]", "releases that disagree");
	is(ask("bullseye", deb, "glibc", "2.31-13", ""),
	   "vulnerable CVE-2023-4911 2.31-13+deb11u7 [bullseye]", "unless the operator says which");
	is(ask("Debian:12", deb, "glibc", "2.31-13+deb11u6", ""),
	   "vulnerable CVE-2023-4911 2.31-13+deb11u7 [bullseye]", "the version's own mark is stronger");
	is(ask(NULL, deb, "glibc", "2.41-13", ""), "", "later than any release's: nothing is claimed");
	is(ask(NULL, deb, "xz-utils", "5.4.1-1", ""), "", "the release that has just this version");
	is(ask(NULL, deb, "xz-utils", "5.6.0-0.2", ""),
	   "vulnerable CVE-2024-3094 5.6.1+really5.4.5-1 [sid, trixie]", "an older one of others");
	is(ask(NULL, deb, "bash", "5.2.15-2+b13", "5.2.15-2"),
	   "minor TEMP-0841856-B18BAF - [bookworm]", "a rebuild has the source's version");
	is(ask(NULL, deb, "bash", "5.2.15-2+b13", ""),
	   "minor TEMP-0841856-B18BAF - [bookworm]", "also where the package does not say it");
	is(ask(NULL, deb, "coreutils", "9.1-1", ""), "minor CVE-2016-2781 - [bookworm]", "no-dsa");
	is(ask(NULL, deb, "nginx", "1.22.1-9+deb12u1", ""),
	   "vulnerable CVE-2025-0001 - [bookworm]; undetermined CVE-2025-0002 - [bookworm]; "
	   "minor CVE-2025-0003 - [bookworm]", "no fix yet, undetermined, end-of-life");
	is(ask(NULL, deb, "glibc", "2.35-0ubuntu3.1", ""), "", "Ubuntu's is not Debian's");
	is(ask(NULL, deb, "glibc", "2.36-9~bpo11+1", ""), "", "nor a backport its release's");
	is(ask(NULL, deb, "glibc", "2.36-9+rpi1+deb12u1", ""), "", "nor a derivative's");
	is(ask("bookworm", deb, "glibc", "2.36-9+pve1", ""), "", "whatever the operator says");
	is(ask(NULL, "x86_64", "glibc", "2.36-9", ""), "", "nor an rpm");
	is(ask(NULL, deb, "glib", "2.36-9", ""), "", "a package whose name another's begins with");
}

static const char epochs[] = "{"
	"\"openssh\": {\"CVE-1\": {\"releases\": {"
		FIXED("bookworm", "1:9.2p1-2+deb12u5", "1:9.2p1-2+deb12u3") ","
		FIXED("trixie", "1:10.0p1-7", "1:9.2p1-1") "}},"
	"\"CVE-2\": {\"releases\": {"
		FIXED("bookworm", "1:9.2p1-2+deb12u5", "1:9.2p1-2~deb12u1") ","
		FIXED("trixie", "1:10.0p1-7", "1:9.2p1-3") "}},"
	"\"CVE-3\": {\"releases\": {"
		FIXED("bookworm", "1:9.2p1-2+deb12u5", "2:0.1-1") ","
		FIXED("trixie", "1:10.0p1-7", "9.9-9") "}}}}";

static const char *ask_of(const char *release, const char *version)
{
	const char *said;

	of = release;
	said = ask(NULL, deb, "openssh", version, "");
	of = NULL;
	return said;
}

/* One version; of each CVE another release has the answer. */
static void test_release(void)
{
	ok(import("epochs", epochs) == 1 && got.documents == 3, "fixes with epochs and marks");
	is(ask_of("Debian:bookworm", "1:9.2p1-2"),
	   "vulnerable CVE-1 1:9.2p1-2+deb12u3 [bookworm]; vulnerable CVE-3 2:0.1-1 [bookworm]",
	   "as of bookworm");
	is(ask_of("Debian:trixie", "1:9.2p1-2"), "vulnerable CVE-2 1:9.2p1-3 [trixie]", "as of trixie");
	is(ask_of("Debian:bookworm,Debian:trixie", "1:9.2p1-2"),
	   "possible CVE-1 1:9.2p1-2+deb12u3 [bookworm]; possible CVE-2 1:9.2p1-3 [trixie]; "
	   "possible CVE-3 2:0.1-1 [bookworm]", "of both: what only one says is possible");
	is(ask_of("", "1:9.2p1-2"),
	   "possible CVE-1 1:9.2p1-2+deb12u3 [bookworm]; possible CVE-2 1:9.2p1-3 [trixie]; "
	   "possible CVE-3 2:0.1-1 [bookworm]", "of none that is known: either");
	is(ask_of("Debian:trixie", "1:9.2p1-2+deb12u1"),
	   "vulnerable CVE-1 1:9.2p1-2+deb12u3 [bookworm]; vulnerable CVE-3 2:0.1-1 [bookworm]",
	   "its own mark is stronger");
	is(ask_of("Debian:trixie", "1:9.2p1-2ubuntu1"), "", "nor is Ubuntu's Debian's");
	is(ask_of("Ubuntu:24.04", "1:9.2p1-2"), "", "in Ubuntu's root it is none of Debian's");
	is(ask_of("kali:2026.1", "1:9.2p1-2"), "", "nor in Kali's");
	is(ask_of("Debian:trixie,Ubuntu:24.04", "1:9.2p1-2"), "", "of two distributions: nothing");
	of = "Debian:trixie";
	is(ask("bookworm", deb, "openssh", "1:9.2p1-2", ""), "vulnerable CVE-2 1:9.2p1-3 [trixie]",
	   "what the database says goes before what the report is told");
	of = NULL;
}

static void os_is(const char *text, const char *want)
{
	char name[FZ_RELEASE_TEXT];

	fz_release_of_os(text, strlen(text), name);
	is(name, want, *want ? want : "an os-release that does not say it");
}

static void test_names(void)
{
	static const char *const bad[] = { "", "woodworm", "Debian:", "Debian:99", ":x", "x:", "a:b,c:d",
					   "a:b\nc", "a:\\" };
	char name[FZ_RELEASE_TEXT], large[200];
	size_t i, refused = 0;

	ok(!fz_release_name("12", name, &err) && !strcmp(name, "Debian:bookworm") &&
	   !fz_release_name("Debian:trixie", name, &err) && !strcmp(name, "Debian:trixie") &&
	   !fz_release_name("Alpine:v3.18", name, &err) && !strcmp(name, "Alpine:v3.18"), "names");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused += fz_release_name(bad[i], name, &err) == -EINVAL;
	memset(large, 'x', sizeof(large));
	memcpy(large, "a:", 2);
	large[199] = '\0';
	ok(refused == i && fz_release_name(large, name, &err) == -EINVAL, "none");
	ok(fz_release_valid("a:b") && fz_release_valid("a:b,c:d e") && !fz_release_valid("a:b,") &&
	   !fz_release_valid("") && !fz_release_valid(",a:b") && !fz_release_valid("a"), "lists of names");
	os_is("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n"
	      "VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n", "Debian:bookworm");
	os_is("VERSION_CODENAME=forky\nID=debian\n", "");
	os_is("VERSION_ID=\"13\"\nVERSION_CODENAME=bookworm\nID=debian\n", "");
	os_is("ID=debian\nVERSION_ID=\"99\"\nVERSION_CODENAME=nonesuch", "");
	os_is("NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.18.4\n", "Alpine:v3.18");
	os_is("ID=alpine\nVERSION_ID=3.23_alpha20250707\n", "Alpine:edge");
	os_is("ID=\"rocky\"\r\nVERSION_ID=\"9.3\"\r\n", "Rocky Linux:9");
	os_is("ID=ubuntu\nVERSION_ID='22.04'\nVERSION_CODENAME=jammy", "Ubuntu:22.04");
	os_is("ID=\"rhel\"\nVERSION_ID=\"9.4\"", "Red Hat:enterprise_linux:9");
	os_is("ID=\"opensuse-leap\"\nVERSION_ID=\"15.5\"", "openSUSE:Leap 15.5");
	os_is("ID=kali\nVERSION_ID=\"2026.1\"\nVERSION_CODENAME=kali-rolling", "kali:2026.1");
	os_is("ID=arch", "arch:-");
	os_is("ID=debian\nID=ubuntu\nVERSION_ID=22.04\n", "Ubuntu:22.04");
	os_is("ID=a,b\nVERSION_ID=1", "");
	os_is("ID=de\"bian\nVERSION_ID=1", "");
	os_is("NOT_ID=debian", "");
	os_is("ID=", "");
	os_is("", "");
}

/* ------------------------------------------------------------------------ OSV */

#define RANGE(events) "\"ranges\":[{\"type\":\"ECOSYSTEM\",\"events\":[" events "]}]"
#define DOC(id, eco, name, rest) "{\"schema_version\":\"1.6.0\",\"id\":\"" id "\",\"affected\":[" \
	"{\"package\":{\"ecosystem\":\"" eco "\",\"name\":\"" name "\"}," rest "}]}"

static const char osv[] = "[\n"
	DOC("DEBIAN-CVE-2023-38545", "Debian:12", "curl",
	    RANGE("{\"introduced\":\"0\"},{\"fixed\":\"7.88.1-10+deb12u4\"}")) ","
	DOC("DSA-1-1", "Debian:12", "curl", RANGE("{\"fixed\":\"7.86-1\"},{\"introduced\":\"7.84-1\"},"
	    "{\"introduced\":\"7.88-1\"},{\"last_affected\":\"7.88.1-9\"}")) ","
	DOC("DSA-2-1", "Debian:12", "curl", RANGE("{\"introduced\":\"0\"},{\"fixed\":\"7.0-1\"}")
	    ",\"versions\":[\"6.0-1\",\"7.50-1\"]") ","
	DOC("ALPINE-CVE-2024-6119", "Alpine:v3.18", "openssl",
	    RANGE("{\"introduced\":\"0\"},{\"fixed\":\"3.1.7-r0\"}")) ","
	DOC("RHSA-2024:6783", "Red Hat:enterprise_linux:9::baseos", "openssl-libs",
	    RANGE("{\"introduced\":\"0\"},{\"fixed\":\"1:3.0.7-28.el9_4\"}")) ","
	DOC("GHSA-1", "PyPI", "curl", RANGE("{\"introduced\":\"0\"}")) ","
	DOC("DSA-3-1", "Debian:12", "curl", RANGE("{\"introduced\":\"nonsense\"}")) ","
	"{\"id\":\"DSA-4-1\",\"withdrawn\":\"2023-01-02T00:00:00Z\",\"affected\":[{\"package\":"
	"{\"ecosystem\":\"Debian:12\",\"name\":\"curl\"}," RANGE("{\"introduced\":\"0\"}") "}]}"
	"\n]";

static void test_osv(void)
{
	ok(import("osv", osv) == 1 && !strcmp(got.format, "OSV") && got.documents == 8 &&
	   got.withdrawn == 1 && got.foreign == 1 && got.skipped == 1,
	   "an array of OSV documents: one withdrawn, one of no distribution, one without sense");
	is(ask("bookworm", deb, "curl", "7.85-1", ""),
	   "vulnerable CVE-2023-38545 7.88.1-10+deb12u4 [bookworm]; vulnerable DSA-1-1 7.86-1 [bookworm];"
	   " undetermined DSA-3-1 - [bookworm]", "events in any order make two ranges: the first");
	is(ask("bookworm", deb, "curl", "7.87-1", ""),
	   "vulnerable CVE-2023-38545 7.88.1-10+deb12u4 [bookworm]; undetermined DSA-3-1 - [bookworm]",
	   "between them");
	is(ask("bookworm", deb, "curl", "7.88.1-9", ""),
	   "vulnerable CVE-2023-38545 7.88.1-10+deb12u4 [bookworm]; vulnerable DSA-1-1 - [bookworm];"
	   " undetermined DSA-3-1 - [bookworm]", "the last affected");
	is(ask("bookworm", deb, "curl", "7.88.1-10+deb12u4", ""), "undetermined DSA-3-1 - [bookworm]",
	   "past all");
	is(ask("bookworm", deb, "curl", "7.50-1", ""),
	   "vulnerable CVE-2023-38545 7.88.1-10+deb12u4 [bookworm]; vulnerable DSA-2-1 - [bookworm];"
	   " undetermined DSA-3-1 - [bookworm]", "a version listed beside the ranges");
	is(ask("Alpine:v3.18", "x86_64", "openssl", "3.1.6-r2", ""),
	   "vulnerable CVE-2024-6119 3.1.7-r0 [v3.18]", "Alpine's order");
	is(ask("Alpine:v3.18", "x86_64", "openssl", "3.1.7-r0", ""), "", "fixed there");
	is(ask("Alpine:v3.1", "x86_64", "openssl", "3.1.6-r2", ""), "", "of another release");
	is(ask(NULL, "x86_64", "openssl", "3.1.6-r2", ""), "", "of none that is known");
	is(ask("Red Hat:enterprise_linux:9", "x86_64", "openssl-libs", "1:3.0.7-27.el9", ""),
	   "vulnerable RHSA-2024:6783 1:3.0.7-28.el9_4 [enterprise_linux:9]", "rpm's order");
	is(ask("Red Hat:enterprise_linux:9", "x86_64", "openssl-libs", "1:3.0.7-28.el9_4", ""), "",
	   "fixed there, too");
}

/* -------------------------------------------------------------------- hashes */

static const char *ask_hash(int first)
{
	static char buf[1024];
	struct fz_hashdb_file f = { .path = "/x", .package = "", .source = "", .version = "",
				    .source_version = "", .arch = "", .release = "",
				    .build_id = "" };
	struct fz_labelled out;
	struct fz_labels *l;
	size_t i, used = 0;

	buf[0] = '\0';
	memset(f.sha256, 0x11, 32);
	f.sha256[0] = first;
	if (fz_labels_open(&l, path, &err) || fz_labels_of(l, &f, &out, &err))
		return err.text;
	for (i = 0; i < out.ncontent; i++)
		used += snprintf(buf + used, sizeof(buf) - used, "%s%s %s", used ? "; " : "",
				 fz_label_name(out.content[i].kind), out.content[i].id);
	fz_labels_close(l);
	return buf;
}

#define REST "11111111111111111111111111111111111111111111111111111111111111"

static void test_hashes(void)
{
	static const char sums[] = "03" REST " */bin/true\n";

	ok(import("list", "# a list\n\n01" REST "  malicious  Mirai.A\n02" REST "\tgood\n"
		  "01" REST " good the same again\r\n") == 1 && got.documents == 3 &&
	   !strcmp(got.format, "hash list"), "a list of hashes");
	is(ask_hash(1), "malicious Mirai.A", "malicious stands, whatever else a list says");
	is(ask_hash(2), "good ", "good");
	is(ask_hash(3), "", "not listed");
	ok(import("sums", sums) == -EINVAL && strstr(err.text, "line 1 says neither"),
	   "a line without a kind is refused");
	ok(import_bytes("sums", sums, sizeof(sums) - 1, FZ_LABEL_GOOD) == 1,
	   "but for all of one kind, as sha256sum prints them");
	is(ask_hash(3), "good /bin/true", "with what it names");
	ok(import("other", "01" REST " vulnerable CVE-1\n") == 1, "a second list");
	is(ask_hash(1), "malicious Mirai.A; vulnerable CVE-1", "both lists speak");
}

/* -------------------------------------------------------------- the file, time */

static void test_again(void)
{
	struct fz_labels_writer *w;
	struct stat a, b;
	struct fz_labels *l;

	stat(path, &a);
	ok(import("data.json", tracker) == 0 && !stat(path, &b) && a.st_ino == b.st_ino,
	   "the same again: nothing is written");
	ok(import("data.json", "{\"glibc\": {\"CVE-2023-4911\": {\"releases\": {"
		  FIXED("bookworm", "2.36-9+deb12u10", "2.36-9+deb12u3") "}}}}") == 1,
	   "newer data under the same name");
	is(ask(NULL, deb, "glibc", "2.36-9+deb12u1", ""),
	   "vulnerable CVE-2023-4911 2.36-9+deb12u3 [bookworm]", "replaces the old");
	is(ask("Alpine:v3.18", "x86_64", "openssl", "3.1.6-r2", ""),
	   "vulnerable CVE-2024-6119 3.1.7-r0 [v3.18]", "and leaves the others");
	if (fz_labels_write_open(&w, path, &err))
		exit(2);
	ok(fz_labels_write_remove(w, "nobody", &err) == -ENOENT &&
	   !fz_labels_write_remove(w, "osv", &err) && !fz_labels_write_publish(w, &err), "remove one");
	fz_labels_write_close(w);
	is(ask("Alpine:v3.18", "x86_64", "openssl", "3.1.6-r2", ""), "", "it says nothing any more");
	ok(!fz_labels_open(&l, path, &err) && !fz_labels_check(l, &err), "every record is sound");
	fz_labels_close(l);
}

static void test_damage(void)
{
	uint8_t *data;
	struct fz_labels *l = NULL;
	struct stat st;
	off_t at;
	int fd = open(path, O_RDWR), wrong = 0;

	fstat(fd, &st);
	data = malloc(st.st_size);
	if (!data || pread(fd, data, st.st_size, 0) != st.st_size)
		exit(2);
	for (at = 0; at < st.st_size; at += 509) {
		uint8_t was = data[at], flipped = was ^ 0x40;

		/* The trailer's padding is not covered. */
		if (at >= st.st_size - 4096 + 48)
			break;
		if (pwrite(fd, &flipped, 1, at) != 1 || fz_labels_open(&l, path, &err) != -EBADMSG)
			wrong += !strstr(err.text, "schema");
		if (pwrite(fd, &was, 1, at) != 1)
			exit(2);
	}
	ok(!wrong, "a flipped bit anywhere is found");
	wrong = 0;
	for (at = 0; at < st.st_size; at += 1021) {
		if (ftruncate(fd, at) ||
		    fz_labels_open(&l, path, &err) != (at ? -EBADMSG : -EINVAL))
			wrong++;
		if (pwrite(fd, data, st.st_size, 0) != st.st_size)
			exit(2);
	}
	ok(!wrong, "and a cut");
	fchmod(fd, 0664);
	ok(fz_labels_open(&l, path, &err) == -EPERM, "one that its group may write is refused");
	fchmod(fd, 0644);
	ok(!fz_labels_open(&l, path, &err), "whole again, it opens");
	fz_labels_close(l);
	free(data);
	close(fd);
}

static void refuse(const char *text, size_t size, const char *name)
{
	int ret = import_bytes("bad", text, size, FZ_LABELS);

	if (!ok(ret == -EINVAL || ret == -E2BIG, "refused: %s", name))
		diag("%d", ret);
	else
		diag("%s", err.text);
}

static void test_hostile(void)
{
	size_t big = FZ_ADVISORY_VALUE + (1 << 20), i;
	char *text = malloc(big + 64), cut[sizeof(tracker)];

	refuse("", 0, "nothing");
	refuse("hello\n", 6, "a text");
	refuse("{}", 2, "an empty object");
	refuse("{\"a\": 1}", 8, "another JSON");
	refuse("[1]", 3, "an array of something else");
	for (i = 1; i < sizeof(tracker) - 1; i += 97) {
		int ret;

		memcpy(cut, tracker, i);
		ret = import_bytes("bad", cut, i, FZ_LABELS);
		if (ret != -EINVAL) {
			diag("cut to %zu: %d", i, ret);
			break;
		}
	}
	ok(i >= sizeof(tracker) - 1, "the tracker's JSON, cut anywhere, is refused");
	memset(text, '[', 1 << 20);
	refuse(text, 1 << 20, "a million open brackets");
	strcpy(text, "{\"bash\": {\"CVE-1\": {\"x\": \"");
	memset(text + strlen(text), 'x', big - 30);
	refuse(text, big, "a value without end");
	ok(!!strstr(err.text, "has more than 16 MiB"), "before all of it was read");
	memset(text, '[', 1 << 20);
	memcpy(text, "{\"id\":", 6);
	refuse(text, 1 << 20, "a document of open brackets");
	refuse("{\"id\": \"A\", \"id\": \"B\"}", 22, "a key that comes twice");
	refuse("SQLite format 3\0 and nothing", 29, "what only begins as SQLite");
	refuse("PK\3\4 and nothing", 16, "what only begins as zip");
	ok(import("odd", "{\"bash\": {\"CVE-1\": {\"releases\": 5}, \"CVE-2\": {\"releases\": {\"bookworm\": "
		  "{\"status\": \"odd\"}, \"sid\": 7, \"trixie\": {\"status\": \"resolved\", \"fixed_version\":"
		  " \"no version\", \"repositories\": {\"trixie\": [1]}}}}}}") == 1 && got.skipped == 5,
	   "what makes no sense within is skipped, and counted");
	is(ask("trixie", deb, "bash", "5-1", ""), "undetermined CVE-2 - [trixie]",
	   "a fix that is no version leaves it undetermined");
	memset(text, 0, 600);
	strcpy(text, "{\"bash\": {\"CVE-1\": {\"releases\": {\"");
	memset(text + strlen(text), 'r', 2000);
	strcpy(text + 2034, "\": {\"status\": \"open\"}}}}}");
	ok(import("long", text) == 1 && got.skipped == 1, "a release's name of 2000 letters is, too");
	free(text);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 2;
	snprintf(path, sizeof(path), "%s/labels.db", dir);
	test_tracker();
	test_release();
	test_names();
	test_osv();
	test_hashes();
	test_again();
	test_damage();
	test_hostile();
	unlink(path);
	rmdir(dir);
	return done();
}
