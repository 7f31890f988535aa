// SPDX-License-Identifier: GPL-2.0-only
/* verify.c - fitzroy verify: is a log whole and unbroken */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "log.h"
#include "options.h"
#include "report.h"
#include "text.h"

static void text_time(const struct fz_log_state *s, uint64_t mono, char buf[FZ_TIME_TEXT])
{
	fz_text_time(fz_log_real(&s->header, mono), buf);
}

static void print_text(const struct fz_log_state *s, const char *path, const char *head)
{
	const struct fz_seq *q = &s->seq;
	char a[FZ_TIME_TEXT], b[FZ_TIME_TEXT];
	uint64_t i;

	printf("%s: %" PRIu64 " blocks, %" PRIu64 " records, %s\n", path, s->blocks, q->records,
	       s->whole ? "whole and unbroken" : s->broken ? "BROKEN" : "CUT SHORT");
	printf("head %s\n", head);
	if (!s->whole)
		printf("first bad block: %" PRIu64 "; %s\n", s->bad_block, s->missing);
	for (i = 0; i < q->ngaps && i < FZ_NOTED_MAX; i++) {
		text_time(s, q->gaps[i].before, a);
		printf("gap: CPU %u, %" PRIu64 " records from number %" PRIu64 "%s, before %s\n",
		       q->gaps[i].cpu, q->gaps[i].count, q->gaps[i].first_seq,
		       q->gaps[i].repeated ? " came twice" : "", a);
	}
	for (i = 0; i < q->nlosses && i < FZ_NOTED_MAX; i++) {
		const struct fz_lost *l = &q->losses[i].lost;

		text_time(s, l->first_time, a);
		text_time(s, l->last_time, b);
		printf("lost: CPU %u, %" PRIu64 " records (%" PRIu64 " executions), %s to %s\n",
		       q->losses[i].cpu, (uint64_t)l->count, (uint64_t)l->execs, a, b);
	}
	if (q->ngaps > FZ_NOTED_MAX || q->nlosses > FZ_NOTED_MAX)
		printf("%" PRIu64 " gaps and %" PRIu64 " losses in all\n", q->ngaps, q->nlosses);
	if (s->ended && s->end.lost_pending)
		printf("lost: %" PRIu64 " records at the end\n", s->end.lost_pending);
}

static int print_json(const struct fz_log_state *s, const char *path, const char *head)
{
	json_t *j = json_pack("{s:o, s:b, s:b, s:I, s:I, s:o, s:o, s:s, s:I, s:I, s:I}",
			      "file", fz_report_string(path), "whole", s->whole, "broken",
			      s->broken, "blocks", (json_int_t)s->blocks, "records",
			      (json_int_t)s->seq.records, "bad_block",
			      s->whole ? json_null() : json_integer(s->bad_block), "missing",
			      fz_report_string(s->missing), "head", head, "lost",
			      (json_int_t)s->seq.lost, "gaps", (json_int_t)s->seq.ngaps,
			      "lost_pending",
			      (json_int_t)(s->ended ? s->end.lost_pending : 0));

	if (!j)
		return trouble("out of memory");
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
	return EXIT_DONE;
}

int cmd_verify(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	char head[2 * FZ_LOG_HASH + 1];
	struct fz_log_state s;
	struct fz_error err;
	bool json = false;
	int c, ret = EXIT_DONE;

	while ((c = next_option(argc, argv, "", options)) != -1) {
		if (c != OPT_JSON)
			return c == 'h' ? EXIT_DONE : EXIT_TROUBLE;
		json = true;
	}
	if (argc - optind != 1)
		return usage("verify", "name one log");
	if (fz_log_read(argv[optind], NULL, NULL, NULL, &s, &err))
		return trouble("%s", err.text);
	fz_text_hex(s.head, FZ_LOG_HASH, head);
	if (json)
		ret = print_json(&s, argv[optind], head);
	else
		print_text(&s, argv[optind], head);
	if (!ret && (!s.whole || s.seq.ngaps))
		ret = EXIT_FINDING;
	fz_log_state_free(&s);
	return finish_stdout(ret);
}
