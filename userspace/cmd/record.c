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
#define SYNC_S		1.0	/* --sync */
#define IDLE_NS		60000000000ULL	/* a seal of a quiet time: until then there was no more */

struct args {
	struct session_args session;
	const char *out, *key;
	bool force, exit_when_died;
	double timeout, sync;
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

struct pump {
	struct session *s;
	struct fz_log_writer *log;
};

/* A block that was written makes room in the rings, so that it need not wait for the others. */
static int take(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	const struct pump *p = arg;
	uint64_t written = fz_log_written(p->log);
	int ret = fz_log_add(p->log, rec, err);

	/* The block ends before @rec, which is not delivered yet and so not released. */
	if (!ret && fz_log_written(p->log) != written)
		fz_reader_release(p->s->reader);
	return ret;
}

/* Records leave the rings when they are in the file: killed, this loses none. */
static int64_t drain(struct session *s, struct fz_log_writer *log, struct fz_error *err)
{
	struct pump p = { s, log };
	int64_t n = fz_reader_drain(s->reader, take, &p, err);
	int ret = n > 0 ? fz_log_flush(log, false, err) : 0;

	if (ret)
		return ret;
	if (n > 0)
		fz_reader_release(s->reader);
	return n;
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
		n = drain(s, log, err);
		if (n < 0)
			return n;
		if (died) {
			*why = FZ_LOG_DIED;
			return 0;
		}
		if (a->timeout > 0 && now() - start >= a->timeout * 1e9)
			return 0;
		if (now() - flushed >= (fz_log_dirty(log) ? a->sync * 1e9 : IDLE_NS)) {
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
		n = drain(s, log, err);
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

/* The VMs that are watched by now. */
static int add_vms(struct session *s, struct fz_log_writer *log, struct fz_error *err)
{
	struct fz_vm_desc *vms;
	size_t n;
	int ret;

	ret = fz_device_list(s->dev, &vms, &n, err);
	if (ret)
		return ret;
	ret = fz_log_add_vms(log, vms, n, err);
	free(vms);
	return ret ? ret : fz_log_flush(log, true, err);
}

static int record(struct session *s, const struct args *a, const struct fz_seal_key *key)
{
	enum fz_log_reason why = FZ_LOG_STOPPED;
	char hex[2 * FZ_LOG_HASH + 1];
	struct fz_log_writer *log;
	struct fz_log_header h;
	const struct fz_seq *seq;
	struct fz_error err;
	int ret;

	fz_log_describe(&h, fz_device_info(s->dev));
	if (fz_log_create_as(&log, a->out, a->force, &h, key, &err)) {
		session_detach(s);
		return trouble("%s", err.text);
	}
	fz_reader_keep(s->reader, true);
	ret = session_lock(s, fz_log_fd(log));
	if (ret) {
		fz_log_close(log);
		return ret;
	}
	ret = add_vms(s, log, &err);
	if (!ret)
		ret = follow(s, log, a, &why, &err);
	ret = finish(s, log, ret, why, &err);
	progress(log, true);
	if (ret) {
		ret = trouble("%s", err.text);
	} else {
		seq = fz_reader_seq(s->reader);
		fz_text_hex(fz_log_head(log), FZ_LOG_HASH, hex);
		printf("%" PRIu64 " records, %" PRIu64 " lost, %" PRIu64 " gaps; chain head %s\n",
		       fz_log_records(log), seq->lost, seq->ngaps, hex);
		if (key) {
			fz_text_hex(fz_seal_key_public(key), FZ_SEAL_PUBLIC, hex);
			printf("sealed by key %s\n", hex);
		}
		ret = finish_stdout(EXIT_DONE);
	}
	fz_log_close(log);
	return ret;
}

static int seconds(const char *option, double *value)
{
	char *end;

	*value = strtod(optarg, &end);
	if (*end || !(*value > 0) || *value > 1e9)
		return usage("record", "%s %.64s is not a number of seconds", option, optarg);
	return EXIT_DONE;
}

int cmd_record(int argc, char **argv)
{
	static const struct option options[] = {
		SESSION_OPTIONS,
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, OPT_FORCE },
		{ "exit-when-died", no_argument, NULL, OPT_DIED },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		{ "key", required_argument, NULL, OPT_KEY },
		{ "sync", required_argument, NULL, OPT_SYNC },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	struct args a = { .sync = SYNC_S };
	struct fz_seal_key *key = NULL;
	struct fz_error err;
	struct session s;
	int c, ret;

	while ((c = next_option(argc, argv, "o:", options)) != -1) {
		switch (c) {
		case OPT_FORCE:
			a.force = true;
			break;
		case OPT_DIED:
			a.exit_when_died = true;
			break;
		case OPT_TIMEOUT:
			if (seconds("--timeout", &a.timeout))
				return EXIT_TROUBLE;
			break;
		case OPT_SYNC:
			if (seconds("--sync", &a.sync))
				return EXIT_TROUBLE;
			break;
		case OPT_KEY:
			a.key = optarg;
			break;
		case 'o':
			a.out = optarg;
			break;
		default:
			ret = session_option(&a.session, "record", c);
			if (ret)
				return ret == 'h' ? EXIT_DONE : ret;
		}
	}
	if (optind < argc)
		return usage("record", "takes no '%.64s'; name the log with -o", argv[optind]);
	if (!a.out)
		return usage("record", "name the log with -o FILE");
	/* Before anything is attached: an existing log stays. */
	if (!a.force && !access(a.out, F_OK))
		return trouble("%s exists; name another file or use --force", a.out);
	if (a.key && fz_seal_key_load(&key, a.key, &err))
		return trouble("%s", err.text);
	ret = session_open(&s, &a.session);
	if (!ret) {
		ret = record(&s, &a, key);
		session_close(&s);
	}
	fz_seal_key_free(key);
	return ret;
}
