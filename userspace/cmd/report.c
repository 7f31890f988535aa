// SPDX-License-Identifier: GPL-2.0-only
/* report.c - fitzroy report: what ran */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "device.h"
#include "options.h"
#include "report.h"

struct args {
	const char *file, *db, *frames;
	int (*format)(const struct fz_report *rep, FILE *out, struct fz_error *err);
	bool live;
};

/* Write to a file beside @path, then rename: nothing half-written. */
static int write_frames(const struct fz_report *rep, const char *path, struct fz_error *err)
{
	char *temp;
	FILE *f;
	int ret;

	if (asprintf(&temp, "%s.%d.tmp", path, getpid()) < 0)
		return fz_fail(err, -ENOMEM, "out of memory");
	f = fopen(temp, "wxe");
	if (!f) {
		ret = fz_fail(err, -errno, "cannot create %s: %s", temp, strerror(errno));
		free(temp);
		return ret;
	}
	ret = fz_report_frames(rep, f, err);
	if (fclose(f) && !ret)
		ret = fz_fail(err, -errno, "cannot write %s: %s", temp, strerror(errno));
	if (!ret && rename(temp, path))
		ret = fz_fail(err, -errno, "cannot rename %s to %s: %s", temp, path,
			      strerror(errno));
	if (ret)
		unlink(temp);
	free(temp);
	return ret;
}

static int write_report(const struct fz_report *rep, const struct args *a)
{
	struct fz_error err;

	if ((a->frames && write_frames(rep, a->frames, &err)) ||
	    a->format(rep, stdout, &err))
		return trouble("%s", err.text);
	return finish_stdout(EXIT_DONE);
}

static int report_log(const struct args *a, struct fz_identify *id)
{
	struct fz_log_state state;
	struct fz_error err;
	struct fz_report rep = { .results = fz_identify_results(id), .header = &state.header,
				 .seq = &state.seq, .head = state.head };
	int ret;

	if (fz_log_read(a->file, fz_identify_add, fz_identify_vm, id, &state, &err))
		return trouble("%s", err.text);
	if (state.ended)
		rep.lost_pending = state.end.lost_pending;
	if (!state.whole)
		rep.missing = state.missing;
	ret = fz_identify_settle(id, &err) ? trouble("%s", err.text) : write_report(&rep, a);
	fz_log_state_free(&state);
	return ret;
}

static int read_live(struct fz_device *dev, struct fz_identify *id, struct fz_reader **reader,
		     struct fz_error *err)
{
	struct fz_vm_desc *vms;
	size_t n, i;
	int ret;

	ret = fz_device_reader(dev, true, reader, err);
	if (!ret)
		ret = fz_device_list(dev, &vms, &n, err);
	if (ret)
		return ret;
	for (i = 0; i < n && !ret; i++)
		ret = fz_identify_vm(id, &vms[i], err);
	free(vms);
	if (!ret && fz_reader_drain(*reader, fz_identify_add, id, err) < 0)
		ret = -EIO;
	return ret ? ret : fz_identify_settle(id, err);
}

/* What is in the rings now; they stay as they are. */
static int report_live(const struct args *a, struct fz_identify *id)
{
	const struct fz_results *r = fz_identify_results(id);
	struct fz_report rep = { .results = r };
	uint64_t captured = 0, have = 0;
	struct fz_log_header header;
	struct fz_reader *reader;
	struct fz_counters c;
	struct fz_device *dev;
	struct fz_error err;
	char missing[128];
	size_t i;
	int ret;

	if (fz_device_open(&dev, &err))
		return trouble("%s", err.text);
	fz_log_describe(&header, fz_device_info(dev));
	if (read_live(dev, id, &reader, &err) || fz_device_stat(dev, 0, &c, &err)) {
		fz_device_close(dev);
		return trouble("%s", err.text);
	}
	rep.header = &header;
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
	ret = write_report(&rep, a);
	fz_device_close(dev);
	return ret;
}

static int report(const struct args *a)
{
	struct fz_identify *id;
	struct fz_hashdb *db;
	struct fz_error err;
	int ret;

	if (fz_hashdb_open(&db, a->db, &err))
		return trouble("%s", err.text);
	if (fz_identify_new(&id, db, &err)) {
		fz_hashdb_close(db);
		return trouble("%s", err.text);
	}
	ret = a->live ? report_live(a, id) : report_log(a, id);
	fz_identify_free(id);
	fz_hashdb_close(db);
	return ret;
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
		{ "live", no_argument, NULL, OPT_LIVE },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	struct args a = { .db = FZ_HASHDB_PATH, .format = fz_report_text };
	int c;

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
		case OPT_LIVE:
			a.live = true;
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
	return report(&a);
}
