// SPDX-License-Identifier: GPL-2.0-only
/* report.c - fitzroy report: what ran */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "device.h"
#include "knowledge.h"
#include "labelling.h"
#include "lockdown.h"
#include "options.h"
#include "report.h"

struct args {
	const char *file, *db, *frames, *user, *generators;
	struct reference *reference;
	int (*format)(const struct fz_report *rep, FILE *out, struct fz_error *err);
	struct labelling labelling;
	bool live;
	size_t max_frames;
	/* what is open */
	struct fz_report_labels labels;
	FILE *log, *frames_out;
	struct fz_device *dev;
	struct fz_log_header now;	/* live */
};

static int write_report(struct fz_report *rep, struct args *a)
{
	struct fz_error err;

	if (a->labels.labels) {
		if (fz_report_label(&a->labels, rep->results, &err))
			return trouble("%s", err.text);
		rep->labels = &a->labels;
	}

	if (a->frames_out) {
		if (fz_report_frames(rep, a->frames_out, &err))
			return trouble("%s", err.text);
		if (fflush(a->frames_out) || ferror(a->frames_out))
			return trouble("cannot write %s: %s", a->frames, strerror(errno));
	}
	if (a->format(rep, stdout, &err))
		return trouble("%s", err.text);
	return finish_stdout(EXIT_DONE);
}

static int report_log(struct args *a, struct fz_identify *id)
{
	struct fz_log_state state;
	struct fz_error err;
	struct fz_report rep = { .results = fz_identify_results(id), .header = &state.header,
				 .seq = &state.seq, .head = state.head };
	int ret;

	if (fz_log_read_file(a->log, a->file, fz_identify_add, fz_identify_vm, id, &state, &err))
		return trouble("%s", err.text);
	if (state.ended)
		rep.lost_pending = state.end.lost_pending;
	if (!state.whole)
		rep.missing = state.missing;
	ret = fz_identify_settle(id, &err) ? trouble("%s", err.text) : write_report(&rep, a);
	fz_log_state_free(&state);
	return ret;
}

static int read_live(struct fz_device *dev, struct fz_identify *id, struct fz_reader *reader,
		     struct fz_error *err)
{
	struct fz_vm_desc *vms;
	size_t n, i;
	int ret;

	ret = fz_device_list(dev, &vms, &n, err);
	if (ret)
		return ret;
	for (i = 0; i < n && !ret; i++)
		ret = fz_identify_vm(id, &vms[i], err);
	free(vms);
	if (!ret && fz_reader_drain(reader, fz_identify_add, id, err) < 0)
		ret = -EIO;
	return ret ? ret : fz_identify_settle(id, err);
}

/* What is in the rings now; they stay as they are. */
static int report_live(struct args *a, struct fz_identify *id, struct fz_reader *reader)
{
	const struct fz_results *r = fz_identify_results(id);
	struct fz_report rep = { .results = r };
	uint64_t captured = 0, have = 0;
	struct fz_counters c;
	struct fz_error err;
	char missing[128];
	size_t i;

	if (read_live(a->dev, id, reader, &err) || fz_device_stat(a->dev, 0, &c, &err))
		return trouble("%s", err.text);
	rep.header = &a->now;
	rep.seq = fz_reader_seq(reader);
	rep.lost_pending = fz_reader_lost_pending(reader);
	captured = c.execs + c.reexecs + c.mixed;
	for (i = 0; i < r->nvms; i++)
		have += r->vms[i].events[FZ_REC_EXEC] + r->vms[i].events[FZ_REC_REEXEC] +
			r->vms[i].events[FZ_REC_MIXED];
	if (captured > have) {
		snprintf(missing, sizeof(missing), "%" PRIu64 " of %" PRIu64 " captures are not "
			 "in the rings: read before, or newer than this report", captured - have,
			 captured);
		rep.missing = missing;
	}
	return write_report(&rep, a);
}

/* All that is needed is open by now. */
static int report(struct args *a, struct fz_identify *id, struct fz_reader *reader)
{
	int ret = lock_down(a->user, a->dev, false, a->frames_out ? fileno(a->frames_out) : -1);

	if (ret)
		return ret;
	return a->live ? report_live(a, id, reader) : report_log(a, id);
}

/*
 * The frames go to a new file beside @a->frames that nobody else can read, which takes
 * its name once it is whole. Who reads the log may rename nothing: it is a child.
 */
static int report_frames(struct args *a, struct fz_identify *id, struct fz_reader *reader)
{
	int fd, status, ret;
	char *temp;
	pid_t pid;

	if (asprintf(&temp, "%s.%d.tmp", a->frames, getpid()) < 0)
		return trouble("out of memory");
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	a->frames_out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!a->frames_out) {
		ret = trouble("cannot create %s: %s", temp, strerror(errno));
		free(temp);
		return ret;
	}
	pid = fork();
	if (!pid)
		exit(report(a, id, reader));
	ret = EXIT_TROUBLE;
	if (pid < 0)
		trouble("cannot start a process: %s", strerror(errno));
	else if (waitpid(pid, &status, 0) != pid || WIFSIGNALED(status))
		trouble("the report was ended by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		ret = WEXITSTATUS(status);
	if (!ret && rename(temp, a->frames))
		ret = trouble("cannot rename %s to %s: %s", temp, a->frames, strerror(errno));
	if (ret)
		unlink(temp);
	fclose(a->frames_out);
	free(temp);
	return ret;
}

static int open_all(struct args *a, struct fz_hashdb **db, struct fz_identify **id,
		    struct fz_reader **reader)
{
	struct fz_error err;

	if (fz_hashdb_open(db, a->db, &err) || fz_identify_new(id, *db, &err))
		return trouble("%s", err.text);
	fz_identify_limit(*id, a->max_frames);
	if (open_labels(&a->labels, &a->labelling, a->db))
		return EXIT_TROUBLE;
	if (a->live ? fz_device_open(&a->dev, &err) ||
		      fz_device_reader(a->dev, true, reader, &err) :
		      fz_log_open(&a->log, a->file, &err))
		return trouble("%s", err.text);
	if (know_generators(*id, a->generators))
		return EXIT_TROUBLE;
	reference_use(a->reference, *id);
	if (a->live)
		fz_log_describe(&a->now, fz_device_info(a->dev));
	return EXIT_DONE;
}

static int set_format(struct args *a, const char *name)
{
	if (!strcmp(name, "text"))
		a->format = fz_report_text;
	else if (!strcmp(name, "json"))
		a->format = fz_report_json;
	else if (!strcmp(name, "frames"))
		a->format = fz_report_frames;
	else
		return usage("report", "no format '%.64s': text, json or frames", name);
	return EXIT_DONE;
}

int cmd_report(int argc, char **argv)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, OPT_FORMAT },
		{ "frames", required_argument, NULL, OPT_FRAMES },
		{ "db", required_argument, NULL, OPT_DB },
		{ "generators", required_argument, NULL, OPT_GENERATORS },
		{ "labels", required_argument, NULL, OPT_LABELS },
		{ "live", no_argument, NULL, OPT_LIVE },
		{ "max-frames", required_argument, NULL, OPT_MAX_FRAMES },
		{ "reference", required_argument, NULL, OPT_REFERENCE },
		{ "release", required_argument, NULL, OPT_RELEASE },
		{ "user", required_argument, NULL, OPT_USER },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	struct args a = { .db = FZ_HASHDB_PATH, .format = fz_report_text,
			  .max_frames = FZ_FRAMES_MAX };
	struct fz_reader *reader = NULL;
	struct fz_identify *id = NULL;
	struct fz_hashdb *db = NULL;
	int c, ret;

	while ((c = next_option(argc, argv, "", options)) != -1) {
		switch (c) {
		case OPT_FORMAT:
			if (set_format(&a, optarg))
				return EXIT_TROUBLE;
			break;
		case OPT_FRAMES:
			a.frames = optarg;
			break;
		case OPT_DB:
			a.db = optarg;
			break;
		case OPT_GENERATORS:
			a.generators = optarg;
			break;
		case OPT_REFERENCE:
			if (reference_add(&a.reference, optarg))
				return EXIT_TROUBLE;
			break;
		case OPT_LABELS:
			a.labelling.file = optarg;
			break;
		case OPT_RELEASE:
			a.labelling.release = optarg;
			break;
		case OPT_MAX_FRAMES:
			if (max_frames_option("report", optarg, &a.max_frames))
				return EXIT_TROUBLE;
			break;
		case OPT_LIVE:
			a.live = true;
			break;
		case OPT_USER:
			a.user = optarg;
			break;
		default:
			return c == 'h' ? EXIT_DONE : EXIT_TROUBLE;
		}
	}
	if (optind < argc)
		a.file = argv[optind++];
	if (optind < argc)
		return usage("report", "one log at a time, not '%.64s' too", argv[optind]);
	if (!a.file == !a.live)
		return usage("report", a.live ? "a log or --live, not both" :
						"name a log, or use --live");
	ret = open_all(&a, &db, &id, &reader);
	if (!ret)
		ret = a.frames ? report_frames(&a, id, reader) : report(&a, id, reader);
	if (a.log)
		fclose(a.log);
	fz_device_close(a.dev);
	fz_report_labels_free(&a.labels);
	fz_labels_close(a.labels.labels);
	fz_identify_free(id);
	fz_hashdb_close(db);
	reference_free(a.reference);
	return ret;
}
