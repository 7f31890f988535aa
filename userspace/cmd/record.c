// SPDX-License-Identifier: GPL-2.0-only
/* record.c - fitzroy record: write every event to a log */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "log.h"
#include "options.h"
#include "session.h"
#include "text.h"

#define TICK_MS		250
#define FLUSH_NS	1000000000ULL

struct args {
	struct session_args session;
	const char *out;
	bool force, exit_when_died;
	double timeout;
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void progress(const struct fz_log_writer *log, bool last)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%" PRIu64 " records%s", fz_log_records(log), last ? "\n" : "");
}

/* Drain until told to stop. The reason is stored; negative = the stream or the disk failed. */
static int follow(struct session *s, struct fz_log_writer *log, const struct args *a,
		  enum fz_log_reason *why, struct fz_error *err)
{
	uint64_t start = now(), flushed = start;
	int64_t n;

	while (!session_stopped()) {
		bool died = a->exit_when_died && session_died(s);

		/* What died before the drain is in the rings by then. */
		n = fz_reader_drain(s->reader, fz_log_add, log, err);
		if (n < 0)
			return n;
		if (died) {
			*why = FZ_LOG_DIED;
			return 0;
		}
		if (a->timeout > 0 && now() - start >= a->timeout * 1e9)
			return 0;
		if (now() - flushed >= FLUSH_NS) {
			n = fz_log_flush(log, true, err);
			if (n)
				return n;
			flushed = now();
			progress(log, false);
		}
		session_wait(s, TICK_MS);
	}
	return 0;
}

/* The log ends well only if the stream did. */
static int finish(struct session *s, struct fz_log_writer *log, int ret, enum fz_log_reason why,
		  struct fz_error *err)
{
	struct fz_error second;
	int64_t n;

	session_detach(s);
	while (!ret) {
		n = fz_reader_drain(s->reader, fz_log_add, log, err);
		if (n < 0)
			ret = n;
		if (n <= 0)
			break;
	}
	if (fz_log_end(log, ret ? FZ_LOG_FAILED : why, fz_reader_lost_pending(s->reader),
		       ret ? &second : err))
		ret = ret ? ret : -1;
	return ret;
}

static int record(struct session *s, const struct args *a)
{
	enum fz_log_reason why = FZ_LOG_STOPPED;
	char head[2 * FZ_LOG_HASH + 1];
	struct fz_log_writer *log;
	const struct fz_seq *seq;
	struct fz_error err;
	struct fz_vm_desc *vms;
	size_t n;
	int ret;

	if (fz_log_create(&log, a->out, a->force, fz_device_info(s->dev), &err)) {
		session_detach(s);
		return trouble("%s", err.text);
	}
	ret = fz_device_list(s->dev, &vms, &n, &err);
	if (!ret) {
		ret = fz_log_add_vms(log, vms, n, &err);
		free(vms);
	}
	if (!ret)
		ret = fz_log_flush(log, true, &err);
	if (!ret)
		ret = follow(s, log, a, &why, &err);
	ret = finish(s, log, ret, why, &err);
	progress(log, true);
	if (ret) {
		ret = trouble("%s", err.text);
	} else {
		seq = fz_reader_seq(s->reader);
		fz_text_hex(fz_log_head(log), FZ_LOG_HASH, head);
		printf("%" PRIu64 " records, %" PRIu64 " lost, %" PRIu64 " gaps; chain head %s\n",
		       fz_log_records(log), seq->lost, seq->ngaps, head);
		ret = finish_stdout(EXIT_DONE);
	}
	fz_log_close(log);
	return ret;
}

int cmd_record(int argc, char **argv)
{
	static const struct option options[] = {
		{ "vm", required_argument, NULL, OPT_VM },
		{ "all", no_argument, NULL, OPT_ALL },
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, OPT_FORCE },
		{ "exit-when-died", no_argument, NULL, OPT_DIED },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		{ "keep", no_argument, NULL, OPT_KEEP },
		{ "lossless", no_argument, NULL, OPT_LOSSLESS },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	struct args a = { 0 };
	struct session s;
	char *end;
	int c, ret;

	while ((c = next_option(argc, argv, "o:", options)) != -1) {
		switch (c) {
		case OPT_VM:
			if (a.session.nvms == SESSION_VMS_MAX)
				return usage("record", "more than %d --vm; use --all",
					     SESSION_VMS_MAX);
			a.session.vm[a.session.nvms++] = optarg;
			break;
		case OPT_ALL:
			a.session.all = true;
			break;
		case OPT_KEEP:
			a.session.keep = true;
			break;
		case OPT_LOSSLESS:
			a.session.lossless = true;
			break;
		case OPT_FORCE:
			a.force = true;
			break;
		case OPT_DIED:
			a.exit_when_died = true;
			break;
		case OPT_TIMEOUT:
			a.timeout = strtod(optarg, &end);
			if (*end || !(a.timeout > 0) || a.timeout > 1e9)
				return usage("record", "--timeout %.64s is not a number of seconds",
					     optarg);
			break;
		case 'o':
			a.out = optarg;
			break;
		default:
			return c == 'h' ? EXIT_DONE : EXIT_TROUBLE;
		}
	}
	if (optind < argc)
		return usage("record", "takes no '%.64s'; name the log with -o", argv[optind]);
	if (!a.out)
		return usage("record", "name the log with -o FILE");
	/* Before anything is attached: an existing log stays. */
	if (!a.force && !access(a.out, F_OK))
		return trouble("%s exists; name another file or use --force", a.out);
	ret = session_open(&s, &a.session);
	if (ret)
		return ret;
	ret = record(&s, &a);
	session_close(&s);
	return ret;
}
