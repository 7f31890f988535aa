// SPDX-License-Identifier: GPL-2.0-only
/* verify.c - fitzroy verify: is a log whole, unbroken and sealed */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lockdown.h"
#include "log.h"
#include "options.h"
#include "report.h"
#include "text.h"

#define SHOWN_MAX	64	/* CPUs, in text */

struct verified {
	struct fz_log_state s;
	const char *path;
	bool wanted;		/* a public key was given, */
	bool sealed;		/* and the log's seals are by it */
	uint8_t key[FZ_SEAL_PUBLIC];
	char head[2 * FZ_LOG_HASH + 1], by[2 * FZ_SEAL_PUBLIC + 1];
};

/* Records and bytes that no good seal covers. */
static uint64_t tail_records(const struct fz_log_state *s)
{
	return s->seq.records - s->seal.records;
}

static uint64_t tail_bytes(const struct fz_log_state *s)
{
	return s->offset - (s->seals ? s->seal_end : sizeof(s->header));
}

static uint64_t bytes_behind(const struct fz_log_state *s)
{
	return s->bytes > s->offset ? s->bytes - s->offset : 0;
}

static bool finding(const struct verified *v)
{
	return !v->s.whole || v->s.seq.ngaps || v->s.seq.disorder || (v->wanted && !v->sealed);
}

/* --------------------------------------------------------------------- text */

static const char *text_time(const struct fz_log_state *s, uint64_t mono, char buf[FZ_TIME_TEXT])
{
	fz_text_time(fz_log_real(&s->header, mono), buf);
	return buf;
}

static void print_seals(const struct verified *v)
{
	const struct fz_log_state *s = &v->s;
	char t[FZ_TIME_TEXT];

	if (s->is_signed)
		printf("sealed by key %s, %s\n", v->by, !v->wanted ?
		       "which nothing was compared with: see --pubkey" : v->sealed ?
		       "the given one" : "NOT THE GIVEN ONE: it proves nothing");
	else if (v->wanted)
		puts("NOT SEALED with a key: whoever could write the file could make it");
	if (!s->seals)
		printf("no seal: nothing is known to have been on the disk\n");
	else
		printf("%s up to record %" PRIu64 ", %s, by seal %" PRIu64 "%s\n",
		       s->is_signed ? "sealed" : "synced", s->seal.records,
		       text_time(s, s->seal.mono, t), (uint64_t)s->seal.number,
		       s->closed ? ", which closes the log" : "");
	if (!s->closed)
		printf("the log ends without a closing seal\n"
		       "%s tail: %" PRIu64 " records in %" PRIu64 " bytes behind the last seal\n",
		       s->is_signed ? "unsealed" : "unsynced", tail_records(s), tail_bytes(s));
	if (bytes_behind(s))
		printf("%" PRIu64 " bytes behind byte %" PRIu64 " are not believed\n",
		       bytes_behind(s), s->offset);
}

static void print_gaps(const struct fz_log_state *s, const struct fz_seq *q, const char *what)
{
	char a[FZ_TIME_TEXT] = "the start", b[FZ_TIME_TEXT];
	uint64_t i;

	for (i = 0; i < q->ngaps && i < FZ_NOTED_MAX; i++) {
		const struct fz_gap *g = &q->gaps[i];

		if (g->after)
			text_time(s, g->after, a);
		printf("%s: CPU %u, %" PRIu64 " records from number %" PRIu64 "%s, between %s and %s\n",
		       what, g->cpu, g->count, g->first_seq, g->repeated ? " came twice" : "", a,
		       text_time(s, g->before, b));
	}
	if (q->ngaps > FZ_NOTED_MAX)
		printf("%s: %" PRIu64 " times in all\n", what, q->ngaps);
}

static void print_bad(const struct fz_log_state *s)
{
	char t[FZ_TIME_TEXT];

	printf("first bad block: %" PRIu64 "; %s\n", s->bad_block, s->missing);
	if (!bytes_behind(s))
		return;
	printf("first bad record: %" PRIu64 ", at byte %" PRIu64, s->bad.record, s->bad.offset);
	if (s->bad.named)
		printf(" (it says: CPU %u, number %" PRIu64 ", %s)", s->bad.cpu, s->bad.seq,
		       text_time(s, s->bad.time, t));
	putchar('\n');
	if (s->behind.blocks)
		printf("behind it %" PRIu64 " blocks with %" PRIu64 " records look intact\n",
		       s->behind.blocks, s->behind.seq.records);
	print_gaps(s, &s->behind.seq, "missing");
}

static void print_cpus(const struct fz_log_state *s)
{
	size_t i, shown = 0;

	for (i = 0; i < s->seq.ncpus; i++) {
		const struct fz_seq_cpu *c = &s->seq.cpu[i];

		if (!c->started || shown++ >= SHOWN_MAX)
			continue;
		printf("CPU %zu: numbers %" PRIu64 " to %" PRIu64 "%s\n", i, c->first, c->next - 1,
		       s->whole ? "" : "; what came after is missing");
	}
	if (shown > SHOWN_MAX)
		printf("%zu CPUs in all\n", shown);
}

static void print_text(const struct verified *v)
{
	const struct fz_log_state *s = &v->s;
	const struct fz_seq *q = &s->seq;
	char a[FZ_TIME_TEXT], b[FZ_TIME_TEXT];
	uint64_t i;

	printf("%s: %" PRIu64 " blocks, %" PRIu64 " records, %s\n", v->path, s->blocks, q->records,
	       s->whole ? "whole and unbroken" : s->broken ? "BROKEN" : "CUT SHORT");
	printf("head %s\n", v->head);
	print_seals(v);
	if (!s->whole)
		print_bad(s);
	print_cpus(s);
	print_gaps(s, q, "gap");
	if (q->disorder)
		printf("disorder: %" PRIu64 " records are earlier than the one before, the first is "
		       "%" PRIu64 "\n", q->disorder, q->disordered);
	for (i = 0; i < q->nlosses && i < FZ_NOTED_MAX; i++) {
		const struct fz_lost *l = &q->losses[i].lost;

		printf("lost: CPU %u, %" PRIu64 " records (%" PRIu64 " executions), %s to %s\n",
		       q->losses[i].cpu, (uint64_t)l->count, (uint64_t)l->execs,
		       text_time(s, l->first_time, a), text_time(s, l->last_time, b));
	}
	if (q->nlosses > FZ_NOTED_MAX)
		printf("lost: %" PRIu64 " times in all\n", q->nlosses);
	if (s->ended && s->end.lost_pending)
		printf("lost: %" PRIu64 " records at the end\n", s->end.lost_pending);
}

/* --------------------------------------------------------------------- JSON */

static json_t *when(const struct fz_log_state *s, uint64_t mono)
{
	char t[FZ_TIME_TEXT];

	return mono ? json_string(text_time(s, mono, t)) : json_null();
}

static json_t *gaps(const struct fz_log_state *s, const struct fz_seq *q)
{
	json_t *list = json_array();
	uint64_t i;

	for (i = 0; i < q->ngaps && i < FZ_NOTED_MAX; i++) {
		const struct fz_gap *g = &q->gaps[i];

		json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:b, s:o, s:o}",
			"cpu", (json_int_t)g->cpu, "first_seq", (json_int_t)g->first_seq,
			"count", (json_int_t)g->count, "repeated", g->repeated,
			"after", when(s, g->after), "before", when(s, g->before)));
	}
	return list;
}

static json_t *cpus(const struct fz_log_state *s)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < s->seq.ncpus; i++)
		if (s->seq.cpu[i].started)
			json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:o}",
				"cpu", (json_int_t)i, "first_seq", (json_int_t)s->seq.cpu[i].first,
				"last_seq", (json_int_t)(s->seq.cpu[i].next - 1),
				"last_time", when(s, s->seq.cpu[i].time)));
	return list;
}

static json_t *seals(const struct verified *v)
{
	const struct fz_log_state *s = &v->s;

	return json_pack("{s:o, s:o, s:I, s:I, s:o, s:b, s:I, s:I}",
			 "key", s->is_signed ? json_string(v->by) : json_null(),
			 "key_is_given", v->wanted ? json_boolean(v->sealed) : json_null(),
			 "seals", (json_int_t)s->seals, "records", (json_int_t)s->seal.records,
			 "time", when(s, s->seal.mono), "closed", s->closed,
			 "tail_records", (json_int_t)tail_records(s),
			 "tail_bytes", (json_int_t)tail_bytes(s));
}

static json_t *first_bad(const struct fz_log_state *s)
{
	if (s->whole || !bytes_behind(s))
		return json_null();
	return json_pack("{s:I, s:I, s:o, s:o, s:o}", "record", (json_int_t)s->bad.record,
			 "offset", (json_int_t)s->bad.offset,
			 "cpu", s->bad.named ? json_integer(s->bad.cpu) : json_null(),
			 "seq", s->bad.named ? json_integer(s->bad.seq) : json_null(),
			 "time", s->bad.named ? when(s, s->bad.time) : json_null());
}

static int print_json(const struct verified *v)
{
	const struct fz_log_state *s = &v->s;

	return print_object(json_pack(
		"{s:o, s:b, s:b, s:s, s:I, s:I, s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I,"
		" s:o, s:o, s:o, s:o, s:o, s:I, s:I}",
		"file", fz_report_string(v->path), "whole", s->whole, "broken", s->broken,
		"fault", fz_log_fault_name(s->fault),
		"blocks", (json_int_t)s->blocks, "records", (json_int_t)s->seq.records,
		"bad_block", s->whole ? json_null() : json_integer(s->bad_block),
		"missing", fz_report_string(s->missing), "head", v->head,
		"lost", (json_int_t)s->seq.lost, "gaps", (json_int_t)s->seq.ngaps,
		"lost_pending", (json_int_t)(s->ended ? s->end.lost_pending : 0),
		"disorder", (json_int_t)s->seq.disorder,
		"good_bytes", (json_int_t)s->offset, "bytes_behind", (json_int_t)bytes_behind(s),
		"sealed", seals(v), "first_bad", first_bad(s), "cpus", cpus(s),
		"gap_list", gaps(s, &s->seq), "missing_numbers", gaps(s, &s->behind.seq),
		"behind_blocks", (json_int_t)s->behind.blocks,
		"behind_records", (json_int_t)s->behind.seq.records));
}

/* ---------------------------------------------------------------------- all */

static int verify(struct verified *v, FILE *f, const char *user, bool json)
{
	struct fz_error err;
	int ret = lock_down(user, NULL, false, -1);

	if (ret)
		return ret;
	if (fz_log_read_file(f, v->path, NULL, NULL, NULL, &v->s, &err))
		return trouble("%s", err.text);
	v->sealed = v->s.is_signed && !memcmp(v->key, v->s.header.key, sizeof(v->key));
	fz_text_hex(v->s.head, FZ_LOG_HASH, v->head);
	fz_text_hex(v->s.header.key, FZ_SEAL_PUBLIC, v->by);
	if (json)
		ret = print_json(v);
	else
		print_text(v);
	if (!ret && finding(v))
		ret = EXIT_FINDING;
	fz_log_state_free(&v->s);
	return finish_stdout(ret);
}

int cmd_verify(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pubkey", required_argument, NULL, OPT_PUBKEY },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "user", required_argument, NULL, OPT_USER },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	const char *pubkey = NULL, *user = NULL;
	struct verified v = { 0 };
	struct fz_error err;
	bool json = false;
	int c, ret;
	FILE *f;

	while ((c = next_option(argc, argv, "", options)) != -1) {
		switch (c) {
		case OPT_PUBKEY:
			pubkey = optarg;
			break;
		case OPT_JSON:
			json = true;
			break;
		case OPT_USER:
			user = optarg;
			break;
		default:
			return c == 'h' ? EXIT_DONE : EXIT_TROUBLE;
		}
	}
	if (argc - optind != 1)
		return usage("verify", "name one log");
	v.path = argv[optind];
	v.wanted = pubkey;
	if ((pubkey && fz_seal_public_load(v.key, pubkey, &err)) ||
	    fz_log_open(&f, v.path, &err))
		return trouble("%s", err.text);
	ret = verify(&v, f, user, json);
	fclose(f);
	return ret;
}
