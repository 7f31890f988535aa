// SPDX-License-Identifier: GPL-2.0-only
/*
 * dump.c - fitzroy dump: the contents of what was not identified
 *
 * A child reads the log, locked down, and sends pages, then the index, down a pipe. The
 * parent never sees the log: it names each page by a SHA-256 of its own and writes what
 * it is sent to new files in a new directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <jansson.h>
#include <openssl/evp.h>
#include "knowledge.h"
#include "lockdown.h"
#include "log.h"
#include "options.h"
#include "report.h"
#include "text.h"

#define PAGES_MAX	(2 * FZ_KEPT_MAX)
#define INDEX_MAX	(1UL << 30)

/* ------------------------------------------------------- the child: reads the log */

static bool wanted(const struct fz_frame *f)
{
	return f->verdict == FZ_VERDICT_UNKNOWN || f->verdict == FZ_VERDICT_MODIFIED;
}

static json_t *index_frame(const struct fz_results *r, const struct fz_log_header *h,
			   const struct fz_frame *f)
{
	const struct fz_content *c = &r->contents[f->content];
	char sha[65], t[FZ_TIME_TEXT], *paths = NULL;
	bool modified = f->verdict == FZ_VERDICT_MODIFIED;
	json_t *j;

	fz_text_hex(c->sha, sizeof(c->sha), sha);
	fz_text_time(fz_log_real(h, f->first), t);
	if (modified)
		paths = fz_report_frame_paths(r, f);
	j = json_pack("{s:o, s:o, s:s, s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:o}",
		      "sha256", json_string(sha),
		      "file", c->page ? json_sprintf("%s.page", sha) : json_null(),
		      "verdict", fz_verdict_name(f->verdict),
		      "kind", modified ? "modified" : fz_why_name(f->why),
		      "reason", modified ? "a changed page of a known file" : fz_why_text(f->why),
		      "time", t, "cpl", f->cpl,
		      "vm", json_integer(r->vms[f->vm].id),
		      "gfn", json_sprintf("0x%" PRIx64, f->gfn),
		      "address_space", json_sprintf("0x%" PRIx64, f->cr3),
		      "rip", json_sprintf("0x%" PRIx64, f->rip));
	if (j) {
		json_object_set_new(j, "xxh64", json_sprintf("%016" PRIx64, c->xxh64));
		json_object_set_new(j, "path", fz_report_string(paths));
		json_object_set_new(j, "page", modified && f->page != FZ_NO_PAGE ?
					       json_integer(f->page) : json_null());
	}
	free(paths);
	return j;
}

/* Each page once, behind a 1; then a 0 and the index. */
static int send_all(const struct fz_results *r, const struct fz_log_header *h, FILE *out)
{
	uint8_t *sent = calloc(r->ncontents + 1, 1);
	uint64_t lost = r->not_compared;
	bool first = true;
	size_t i;

	if (!sent)
		return trouble("out of memory");
	for (i = 0; i < r->nframes; i++) {
		const struct fz_frame *f = &r->frames[i];
		const struct fz_content *c = &r->contents[f->content];

		if (!wanted(f) || !c->page || sent[f->content])
			continue;
		sent[f->content] = 1;
		fputc(1, out);
		fwrite(c->page, 1, FZ_PAGE_SIZE, out);
	}
	free(sent);
	fputc(0, out);
	fputs("{\"schema\": 1, \"frames\": [", out);
	for (i = 0; i < r->nframes; i++) {
		json_t *j;

		if (!wanted(&r->frames[i]))
			continue;
		j = index_frame(r, h, &r->frames[i]);
		if (!j)
			return trouble("out of memory");
		fputs(first ? "\n" : ",\n", out);
		first = false;
		json_dumpf(j, out, JSON_COMPACT);
		json_decref(j);
	}
	for (i = 0; i < r->nvms; i++)
		lost += r->vms[i].let_go.unknown;
	fprintf(out, "\n], \"not_kept\": %" PRIu64 "}\n", lost);
	return fflush(out) || ferror(out) ? trouble("cannot send what was found") : EXIT_DONE;
}

static int read_log(FILE *log, const char *name, struct fz_identify *id, const char *user,
		    FILE *out)
{
	struct fz_log_state state;
	struct fz_error err;
	int ret = lock_down(user, NULL, false, fileno(out));

	if (ret)
		return ret;
	if (fz_log_read_file(log, name, fz_identify_add, fz_identify_vm, id, &state, &err) ||
	    fz_identify_settle(id, &err))
		return trouble("%s", err.text);
	if (!state.whole)
		trouble("%s: the log is not whole: %s", name, state.missing);
	return send_all(fz_identify_results(id), &state.header, out);
}

/* --------------------------------------------------- the parent: writes the files */

static int create(int dir, const char *name)
{
	return openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int write_page(int dir, const uint8_t *page)
{
	uint8_t sha256[32];
	char name[80];
	ssize_t n;
	int fd;

	if (!EVP_Digest(page, FZ_PAGE_SIZE, sha256, NULL, EVP_sha256(), NULL))
		return trouble("SHA-256 is not available");
	fz_text_hex(sha256, sizeof(sha256), name);
	strcat(name, ".page");
	fd = create(dir, name);
	if (fd < 0)
		return trouble("cannot create %s: %s", name, strerror(errno));
	n = write(fd, page, FZ_PAGE_SIZE);
	if (close(fd) || n != FZ_PAGE_SIZE)
		return trouble("cannot write %s: %s", name, n < 0 ? strerror(errno) : "disk full");
	return EXIT_DONE;
}

static int write_index(int dir, FILE *in)
{
	int fd = create(dir, "index.json"), ret = EXIT_DONE;
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	size_t n, all = 0;
	char buf[65536];

	if (!out)
		return trouble("cannot create index.json: %s", strerror(errno));
	while (!ret && (n = fread(buf, 1, sizeof(buf), in))) {
		all += n;
		if (all > INDEX_MAX || fwrite(buf, 1, n, out) != n)
			ret = trouble("cannot write index.json");
	}
	if (fclose(out) && !ret)
		ret = trouble("cannot write index.json: %s", strerror(errno));
	return ret;
}

static int receive(int dir, FILE *in)
{
	uint8_t page[FZ_PAGE_SIZE];
	size_t n;
	int c, ret;

	for (n = 0; (c = getc(in)) == 1; n++) {
		if (n == PAGES_MAX || fread(page, 1, sizeof(page), in) != sizeof(page))
			return trouble("what the reader of the log sent makes no sense");
		ret = write_page(dir, page);
		if (ret)
			return ret;
	}
	/* It has said why. */
	if (c != 0)
		return EXIT_TROUBLE;
	ret = write_index(dir, in);
	if (!ret)
		printf("%zu pages\n", n);
	return ret;
}

static int dump(FILE *log, const char *name, struct fz_identify *id, const char *user, int dir)
{
	int pipe_fd[2], status, ret;
	FILE *in, *out;
	pid_t pid;

	if (pipe2(pipe_fd, O_CLOEXEC))
		return trouble("no pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return trouble("cannot start a process: %s", strerror(errno));
	if (!pid) {
		close(pipe_fd[0]);
		close(dir);
		out = fdopen(pipe_fd[1], "w");
		exit(out ? read_log(log, name, id, user, out) : EXIT_TROUBLE);
	}
	close(pipe_fd[1]);
	in = fdopen(pipe_fd[0], "r");
	ret = in ? receive(dir, in) : trouble("out of memory");
	if (in)
		fclose(in);
	if (waitpid(pid, &status, 0) != pid || WIFSIGNALED(status))
		return trouble("the reader of the log was ended by signal %d (%s)",
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	return ret ? ret : WEXITSTATUS(status);
}

static int open_dir(const char *path)
{
	int dir;

	if (mkdir(path, 0700)) {
		trouble("cannot make the directory %s: %s", path, strerror(errno));
		return -1;
	}
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		trouble("cannot open %s: %s", path, strerror(errno));
	return dir;
}

int cmd_dump(int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "db", required_argument, NULL, OPT_DB },
		{ "generators", required_argument, NULL, OPT_GENERATORS },
		{ "user", required_argument, NULL, OPT_USER },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	const char *path = FZ_HASHDB_PATH, *to = NULL, *user = NULL, *generators = NULL;
	struct fz_identify *id = NULL;
	struct fz_hashdb *db = NULL;
	struct fz_error err;
	FILE *log = NULL;
	int c, dir, ret;

	while ((c = next_option(argc, argv, "o:", options)) != -1) {
		switch (c) {
		case 'o':
			to = optarg;
			break;
		case OPT_DB:
			path = optarg;
			break;
		case OPT_GENERATORS:
			generators = optarg;
			break;
		case OPT_USER:
			user = optarg;
			break;
		default:
			return c == 'h' ? EXIT_DONE : EXIT_TROUBLE;
		}
	}
	if (optind + 1 != argc || !to)
		return usage("dump", "name a log, and with -o a directory to make");
	if (fz_hashdb_open(&db, path, &err) || fz_identify_new(&id, db, &err) ||
	    fz_log_open(&log, argv[optind], &err)) {
		ret = trouble("%s", err.text);
	} else if (know_generators(id, generators)) {
		ret = EXIT_TROUBLE;
	} else {
		dir = open_dir(to);
		ret = dir < 0 ? EXIT_TROUBLE : dump(log, argv[optind], id, user, dir);
		if (dir >= 0)
			close(dir);
	}
	if (log)
		fclose(log);
	fz_identify_free(id);
	fz_hashdb_close(db);
	return ret ? ret : finish_stdout(EXIT_DONE);
}
