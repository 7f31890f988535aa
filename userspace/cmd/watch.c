// SPDX-License-Identifier: GPL-2.0-only
/* watch.c - fitzroy watch: follow live */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "knowledge.h"
#include "labelling.h"
#include "options.h"
#include "report.h"
#include "session.h"
#include "table.h"
#include "text.h"

#define PRINTED_MAX	(1U << 20)
#define TICK_MS		250
#define SETTLE_NS	500000000ULL	/* between two looks at what is new */
#define STAGE_BYTES	(64U << 20)	/* what waits for its SHA-256 outside of the rings */
#define SETTLE_SHARE	10		/* at most a tenth of the time is spent on it */

struct watch {
	struct session s;
	struct fz_identify *id;
	struct fz_log_header clock;
	struct fz_report rep;
	struct fz_report_labels labels;
	struct fz_index printed, older;	/* keys of lines that were printed */
	bool json;
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* 1 = @key is new; it is not from here on. */
static int is_new(struct watch *w, uint64_t key, struct fz_error *err)
{
	size_t it = FZ_INDEX_START(key);
	bool old;

	if (fz_index_next(&w->printed, key, &it) != FZ_NONE)
		return 0;
	it = FZ_INDEX_START(key);
	old = fz_index_next(&w->older, key, &it) != FZ_NONE;
	if (fz_index_add(&w->printed, key, 0))
		return fz_fail(err, -ENOMEM, "out of memory");
	return !old;
}

/* All that still is gets asked for by each show_new(): what is not, goes after two rounds. */
static void forget_printed(struct watch *w)
{
	if (w->printed.n < PRINTED_MAX)
		return;
	free(w->older.slot);
	w->older = w->printed;
	w->printed = (struct fz_index){ 0 };
}

/* Frames change their places when others are let go. */
static uint64_t frame_key(const struct watch *w, uint64_t salt, const struct fz_frame *f)
{
	uint64_t key = fz_mix(w->rep.results->contents[f->content].xxh64 + salt);

	return fz_mix(fz_mix(fz_mix(key + f->gfn) + f->cr3) + f->vm);
}

static void time_of(const struct watch *w, uint64_t mono, char buf[FZ_TIME_TEXT])
{
	fz_text_time(fz_log_real(&w->clock, mono), buf);
	if (!w->json)
		buf[19] = 0;
}

/* One line: {"event": ..., "time": ..., "vm": ..., @key: @value}. */
static int line_json(const struct watch *w, const char *event, uint64_t mono, uint64_t vm,
		     const char *key, json_t *value, struct fz_error *err)
{
	char t[FZ_TIME_TEXT];
	json_t *j;

	time_of(w, mono, t);
	j = json_pack("{s:s, s:s, s:I, s:o}", "event", event, "time", t, "vm", (json_int_t)vm, key,
		      value);
	if (!j)
		return fz_fail(err, -ENOMEM, "out of memory");
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
	return 0;
}

static void put(const char *s)
{
	char *t = fz_text_plain(s);

	fputs(t ? t : "?", stdout);
	free(t);
}

static void start_line(const struct watch *w, uint64_t mono, uint64_t vm)
{
	char t[FZ_TIME_TEXT];

	time_of(w, mono, t);
	printf("%s  VM %-3" PRIu64 "  ", t + 11, vm);
}

static int show_program(struct watch *w, const struct fz_program *p, struct fz_error *err)
{
	const struct fz_results *r = w->rep.results;
	const struct fz_hashdb_file *f[64];
	uint64_t vm = r->vms[p->vm].id;
	size_t n, i;

	if (w->json)
		return line_json(w, "program", p->first, vm, "program",
				 fz_report_program(&w->rep, p), err);
	start_line(w, p->first, vm);
	n = fz_report_files(r, p->classes, p->nclasses, f, 64);
	printf("%-10s  ", p->verdict == FZ_VERDICT_VERSION ? "other ver." :
		fz_report_verdict(&w->rep, p));
	for (i = 0; i < n && i < 3; i++) {
		if (i)
			fputs(" or ", stdout);
		put(f[i]->path);
		if (*f[i]->package) {
			fputs(p->verdict == FZ_VERDICT_VERSION ? " (nearest: " : " (", stdout);
			put(f[i]->package);
			putchar(' ');
			put(f[i]->version);
			putchar(')');
		}
	}
	if (n > 3)
		printf(" or %zu more", n - 3);
	if (fz_report_labelled(&w->rep, p) != FZ_LABELS) {
		fputs(": ", stdout);
		if (fz_report_labels_line(&w->rep, p, stdout))
			return fz_fail(err, -ENOMEM, "out of memory");
	}
	putchar('\n');
	return 0;
}

static int show_finding(struct watch *w, const struct fz_frame *f, struct fz_error *err)
{
	const struct fz_results *r = w->rep.results;
	char ranges[FZ_RANGES_TEXT], *paths;

	if (w->json)
		return line_json(w, "finding", f->first, r->vms[f->vm].id, "finding",
				 fz_report_finding(&w->rep, f), err);
	fz_report_ranges(f->differ, ranges);
	start_line(w, f->first, r->vms[f->vm].id);
	fputs("FINDING    ", stdout);
	paths = fz_report_frame_paths(r, f);
	put(paths ? paths : "?");
	free(paths);
	if (f->page == FZ_NO_PAGE)
		puts(" is modified");
	else
		printf(" is modified: page %u, bytes %s\n", f->page, *ranges ? ranges : "?");
	return 0;
}

static int show_unknown(struct watch *w, const struct fz_unknown *u, struct fz_error *err)
{
	const struct fz_results *r = w->rep.results;

	if (w->json)
		return line_json(w, "unknown", u->first, r->vms[u->vm].id, "unknown",
				 fz_report_unknown(&w->rep, u), err);
	start_line(w, u->first, r->vms[u->vm].id);
	printf("unknown    %s at 0x%" PRIx64, fz_why_text(u->why), u->rip);
	if (u->has_space)
		printf(", address space 0x%" PRIx64, u->space);
	if (u->why == FZ_WHY_WITHIN) {
		fputs(" of ", stdout);
		put(r->files[r->classes[u->origin].file].path);
	}
	putchar('\n');
	return 0;
}

static int show_event(struct watch *w, const struct fz_finding *f, struct fz_error *err)
{
	uint64_t vm = w->rep.results->vms[f->vm].id;

	if (w->json)
		return line_json(w, "finding", f->time, vm, "finding",
				 fz_report_event(&w->rep, f), err);
	start_line(w, f->time, vm);
	fputs("FINDING    ", stdout);
	if (fz_report_event_text(&w->rep, f, stdout))
		return fz_fail(err, -ENOMEM, "out of memory");
	putchar('\n');
	return 0;
}

static uint64_t finding_key(const struct watch *w, const struct fz_finding *f)
{
	const struct fz_results *r = w->rep.results;
	uint64_t key = fz_mix(f->kind * 8ULL + 5);

	if (f->kind >= FZ_FINDING_MISPLACED)
		return frame_key(w, key, &r->frames[f->at]);
	if (f->kind == FZ_FINDING_STAYS)
		return fz_mix(key + r->mixed[f->at].gfn) + f->vm;
	return fz_mix(key + ((uint64_t)f->vm << 32) + f->at);
}

/* Settle, and print what was not printed yet. */
static int show_new(struct watch *w, struct fz_error *err)
{
	const struct fz_results *r = w->rep.results;
	int ret = fz_identify_settle(w->id, err);
	uint32_t k;
	size_t i;

	forget_printed(w);
	if (ret >= 0 && w->labels.labels)
		ret = fz_report_label(&w->labels, r, err);
	for (i = 0; ret >= 0 && i < r->nprograms; i++) {
		const struct fz_program *p = &r->programs[i];
		uint64_t key = fz_mix(p->vm * 4ULL + p->verdict + 1);

		for (k = 0; k < p->nclasses; k++)
			key = fz_mix(key + p->classes[k]);
		ret = is_new(w, key, err);
		if (ret > 0)
			ret = show_program(w, p, err);
		for (k = 0; ret >= 0 && k < p->nfindings && p->verdict != FZ_VERDICT_VERSION; k++) {
			ret = is_new(w, frame_key(w, 1, &r->frames[p->findings[k]]), err);
			if (ret > 0)
				ret = show_finding(w, &r->frames[p->findings[k]], err);
		}
	}
	for (i = 0; ret >= 0 && i < r->nfindings; i++) {
		const struct fz_finding *f = &r->findings[i];

		ret = is_new(w, finding_key(w, f), err);
		if (ret > 0)
			ret = show_event(w, f, err);
	}
	for (i = 0; ret >= 0 && i < r->nunknowns; i++) {
		const struct fz_unknown *u = &r->unknowns[i];

		if (u->gone)
			continue;
		/* A mapping may turn out to begin before: tell by the first that ran in it. */
		ret = is_new(w, fz_mix(fz_mix(u->space + 3) + u->vm * 256ULL + u->why) +
			     (u->why == FZ_WHY_WITHIN ? u->rip : 0), err);
		if (ret > 0)
			ret = show_unknown(w, u, err);
	}
	fflush(stdout);
	return ret < 0 ? ret : 0;
}

/* VMs that come and go, and losses, are told as they are read. */
static int take(void *arg, const struct fz_rec *rec, struct fz_error *err)
{
	struct watch *w = arg;
	const char *what = fz_rec_name(rec->type);

	if (rec->type == FZ_REC_LOST) {
		if (w->json)
			return line_json(w, what, rec->time, rec->vm, "count",
					 json_integer(rec->u.lost.count), err);
		start_line(w, rec->time, rec->vm);
		printf("LOST       %" PRIu64 " records, %" PRIu64 " of them executions\n",
		       (uint64_t)rec->u.lost.count, (uint64_t)rec->u.lost.execs);
	} else if (rec->type >= FZ_REC_VM_ATTACH && rec->type <= FZ_REC_VM_DIED) {
		if (w->json) {
			int ret = line_json(w, what, rec->time, rec->vm, "name",
					    fz_report_string(rec->u.vm.comm), err);
			if (ret)
				return ret;
		} else {
			start_line(w, rec->time, rec->vm);
			printf("%-9s  ", what + 3);
			put(rec->u.vm.comm);
			printf(", pid %u\n", rec->u.vm.pid);
		}
	}
	return fz_identify_add(w->id, rec, err);
}

static int follow(struct watch *w, struct fz_error *err)
{
	uint64_t next = 0, start, fresh = 0;
	int64_t n;
	int ret;

	while (!session_stopped() && !ferror(stdout)) {
		n = fz_reader_drain(w->s.reader, take, w, err);
		if (n < 0)
			return n;
		fresh += n;
		start = now();
		if (fresh && start >= next) {
			ret = show_new(w, err);
			if (ret)
				return ret;
			fresh = 0;
			next = now() + (now() - start) * SETTLE_SHARE;
			if (next < start + SETTLE_NS)
				next = start + SETTLE_NS;
		}
		session_wait(&w->s, fz_reader_staged(w->s.reader) ? 0 : TICK_MS);
	}
	session_detach(&w->s);
	do
		n = fz_reader_drain(w->s.reader, take, w, err);
	while (n > 0);
	return n < 0 ? n : show_new(w, err);
}

static int watch(struct watch *w, struct fz_hashdb *db, const char *generators,
		 size_t max_frames, const struct session_args *args)
{
	struct fz_error err;
	struct fz_vm_desc *vms;
	size_t n, i;
	int ret;

	if (fz_identify_new(&w->id, db, &err))
		return trouble("%s", err.text);
	fz_identify_limit(w->id, max_frames);
	ret = know_generators(w->id, generators);
	if (!ret)
		ret = session_open(&w->s, args);
	if (ret)
		return ret;
	fz_log_describe(&w->clock, fz_device_info(w->s.dev));
	w->rep = (struct fz_report){ .results = fz_identify_results(w->id),
				     .header = &w->clock, .seq = fz_reader_seq(w->s.reader),
				     .labels = w->labels.labels ? &w->labels : NULL };
	if (fz_reader_stage(w->s.reader, STAGE_BYTES, &err)) {
		session_detach(&w->s);
		session_close(&w->s);
		return trouble("%s", err.text);
	}
	ret = session_lock(&w->s, -1);
	if (ret) {
		session_close(&w->s);
		return ret;
	}
	ret = fz_device_list(w->s.dev, &vms, &n, &err);
	if (!ret) {
		for (i = 0; i < n && !ret; i++)
			ret = fz_identify_vm(w->id, &vms[i], &err);
		free(vms);
	}
	if (!ret)
		ret = follow(w, &err);
	session_detach(&w->s);
	session_close(&w->s);
	return ret ? trouble("%s", err.text) : finish_stdout(EXIT_DONE);
}

int cmd_watch(int argc, char **argv)
{
	static const struct option options[] = {
		SESSION_OPTIONS,
		{ "db", required_argument, NULL, OPT_DB },
		{ "generators", required_argument, NULL, OPT_GENERATORS },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "labels", required_argument, NULL, OPT_LABELS },
		{ "max-frames", required_argument, NULL, OPT_MAX_FRAMES },
		{ "release", required_argument, NULL, OPT_RELEASE },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	const char *path = FZ_HASHDB_PATH, *generators = NULL;
	struct session_args args = { 0 };
	struct labelling labelling = { 0 };
	struct watch w = { .json = false };
	size_t max_frames = FZ_FRAMES_MAX;
	struct fz_hashdb *db;
	struct fz_error err;
	int c, ret;

	while ((c = next_option(argc, argv, "", options)) != -1) {
		switch (c) {
		case OPT_DB:
			path = optarg;
			break;
		case OPT_GENERATORS:
			generators = optarg;
			break;
		case OPT_JSON:
			w.json = true;
			break;
		case OPT_LABELS:
			labelling.file = optarg;
			break;
		case OPT_MAX_FRAMES:
			if (max_frames_option("watch", optarg, &max_frames))
				return EXIT_TROUBLE;
			break;
		case OPT_RELEASE:
			labelling.release = optarg;
			break;
		default:
			ret = session_option(&args, "watch", c);
			if (ret)
				return ret == 'h' ? EXIT_DONE : ret;
		}
	}
	if (optind < argc)
		return usage("watch", "takes no '%.64s'; name a VM with --vm", argv[optind]);
	if (fz_hashdb_open(&db, path, &err))
		return trouble("%s", err.text);
	ret = open_labels(&w.labels, &labelling, path);
	if (!ret)
		ret = watch(&w, db, generators, max_frames, &args);
	fz_report_labels_free(&w.labels);
	fz_labels_close(w.labels.labels);
	fz_identify_free(w.id);
	free(w.printed.slot);
	free(w.older.slot);
	fz_hashdb_close(db);
	return ret;
}
