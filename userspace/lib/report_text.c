// SPDX-License-Identifier: GPL-2.0-only
/* report_text.c - the report for people */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "report.h"
#include "report_labels.h"
#include "text.h"

#define BYTES_SHOWN	8
#define SHOWN_MAX	20	/* unknown groups, gaps, losses: the rest is counted */

struct printer {
	const struct fz_report *rep;
	FILE *out;
	bool no_memory;
};

/* Print a foreign string, padded to @width. */
static void put(struct printer *p, const char *s, int width)
{
	char *t = fz_text_plain(s);

	p->no_memory |= !t;
	fprintf(p->out, "%-*s", width, t ? t : "");
	free(t);
}

static const char *clock_of(struct printer *p, uint64_t mono, char buf[FZ_TIME_TEXT])
{
	fz_text_time(fz_log_real(p->rep->header, mono), buf);
	buf[19] = 0;
	return buf + 11;
}

static const char *s_of(uint64_t n)
{
	return n == 1 ? "" : "s";
}

void fz_report_ranges(uint64_t differ, char buf[FZ_RANGES_TEXT])
{
	unsigned int i, from;
	size_t used = 0;

	buf[0] = 0;
	for (i = 0; i < 64; i++) {
		if (!(differ & 1ULL << i))
			continue;
		for (from = i; i + 1 < 64 && differ & 1ULL << (i + 1);)
			i++;
		used += snprintf(buf + used, FZ_RANGES_TEXT - used, "%s0x%03x-0x%03x",
				 used ? ", " : "", from * 64, (i + 1) * 64 - 1);
	}
}

static void header(struct printer *p)
{
	const struct fz_report *rep = p->rep;
	char t[FZ_TIME_TEXT];

	fz_text_time(rep->header->real, t);
	t[19] = 0;
	t[10] = ' ';
	fprintf(p->out, "FitzRoy report: %s host ", rep->head ? "recorded on" : "live on");
	put(p, rep->header->host, 0);
	fputs(" (kernel ", p->out);
	put(p, rep->header->kernel, 0);
	fprintf(p->out, ") from %s UTC\n%" PRIu64 " event%s, %s\n", t, rep->seq->records,
		s_of(rep->seq->records),
		fz_report_complete(rep) ? "none missing" : "INCOMPLETE, see the end");
}

static void vm_heading(struct printer *p, const struct fz_results_vm *v)
{
	double share = v->frames ? 100.0 * v->known / v->frames : 0;
	char t[FZ_TIME_TEXT];

	fprintf(p->out, "\nVM %" PRIu64, v->id);
	if (*v->comm) {
		fputs("  ", p->out);
		put(p, v->comm, 0);
	}
	if (v->pid)
		fprintf(p->out, "  pid %u", v->pid);
	if (v->vcpus)
		fprintf(p->out, "  %u vCPU%s", v->vcpus, s_of(v->vcpus));
	if (v->pages)
		fprintf(p->out, "  %" PRIu64 " MiB", v->pages / 256);
	if (v->attached)
		fprintf(p->out, "  from %s", clock_of(p, v->attached, t));
	if (v->gone)
		fprintf(p->out, "  %s %s", v->died ? "ended" : "detached", clock_of(p, v->gone, t));
	fprintf(p->out, "\n  %" PRIu64 " frame%s ran: %" PRIu64 " identified (%.1f %%), %" PRIu64
		" ambiguous, %" PRIu64 " unknown\n", v->frames, s_of(v->frames), v->known, share,
		v->ambiguous, v->unknown);
}

/* Programs of a VM by package; the results are by path. */
struct row {
	const struct fz_program *p;
	const char *package, *version;
	char *path;
};

static int by_package(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int c = (x->p->verdict == FZ_VERDICT_AMBIGUOUS) - (y->p->verdict == FZ_VERDICT_AMBIGUOUS);

	if (!c)
		c = strcmp(x->package, y->package);
	if (!c)
		c = strcmp(x->version, y->version);
	return c ? c : (x->p < y->p ? -1 : x->p > y->p);
}

static void fill_row(struct printer *p, const struct fz_program *prog, struct row *row)
{
	const struct fz_hashdb_file *f[64];
	size_t n = fz_report_files(p->rep->results, prog->classes, prog->nclasses, f, 64), i;
	size_t have = n < 64 ? n : 64;
	bool package = true, version = true;

	for (i = 1; i < have; i++) {
		package &= !strcmp(f[i]->package, f[0]->package);
		version &= !strcmp(f[i]->version, f[0]->version);
	}
	row->p = prog;
	row->package = !package ? "?" : *f[0]->package ? f[0]->package : "-";
	row->version = !version || !package ? "?" : *f[0]->version ? f[0]->version : "-";
	row->path = fz_report_paths(f, have);
	p->no_memory |= !row->path;
}

static int widest(int width, const char *s)
{
	int n = strlen(s);

	return n > width ? n : width;
}

/* What asks for action is in capitals. */
static const char *loud(const char *verdict)
{
	static const char *const words[] = { "MODIFIED", "VULNERABLE", "MALICIOUS" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(words[i], verdict))
			return words[i];
	return verdict;
}

static void programs(struct printer *p, uint32_t vm)
{
	const struct fz_results *r = p->rep->results;
	int w_package = 7, w_version = 7;
	const char *last = "", *last_version = "";
	struct row *rows;
	size_t i, n = 0;

	rows = calloc(r->nprograms + 1, sizeof(*rows));
	if (!rows) {
		p->no_memory = true;
		return;
	}
	for (i = 0; i < r->nprograms; i++)
		if (r->programs[i].vm == vm)
			fill_row(p, &r->programs[i], &rows[n++]);
	qsort(rows, n, sizeof(*rows), by_package);
	for (i = 0; i < n && !p->no_memory; i++) {
		w_package = widest(w_package, rows[i].package);
		w_version = widest(w_version, rows[i].version);
	}
	w_package = w_package > 30 ? 30 : w_package;
	w_version = w_version > 26 ? 26 : w_version;
	if (n)
		fprintf(p->out, "\n  %-*s  %-*s  %9s  %-10s  %s\n", w_package, "PACKAGE",
			w_version, "VERSION", "PAGES", "VERDICT", "PROGRAM");
	for (i = 0; i < n && !p->no_memory; i++) {
		const struct fz_program *prog = rows[i].p;
		bool again = !strcmp(last, rows[i].package) &&
			     !strcmp(last_version, rows[i].version);
		char pages[32];

		if (prog->nclasses == 1)
			snprintf(pages, sizeof(pages), "%u/%u", prog->pages_seen, prog->pages_total);
		else
			snprintf(pages, sizeof(pages), "%u", prog->pages_seen);
		fputs("  ", p->out);
		put(p, again ? "" : rows[i].package, w_package);
		fputs("  ", p->out);
		put(p, again ? "" : rows[i].version, w_version);
		fprintf(p->out, "  %9s  %-10s  ", pages, prog->verdict == FZ_VERDICT_VERSION ?
			"other ver." : loud(fz_report_verdict(p->rep, prog)));
		put(p, rows[i].path, 0);
		fputc('\n', p->out);
		last = rows[i].package;
		last_version = rows[i].version;
	}
	for (i = 0; i < n; i++)
		free(rows[i].path);
	free(rows);
}

/* The first bytes that differ, where they are known. */
static void bytes(struct printer *p, const struct fz_frame *f)
{
	uint32_t i, n = f->nbytes < BYTES_SHOWN ? f->nbytes : BYTES_SHOWN;

	for (i = 0; i < n; i++)
		fprintf(p->out, "%s0x%03x: %02x, not %02x", i ? "; " : "      at ", f->bytes[i].at,
			f->bytes[i].found, f->bytes[i].expected);
	if (f->ndiffer > n && n)
		fprintf(p->out, "; and %u more", f->ndiffer - n);
	if (n)
		fputc('\n', p->out);
}

static void finding(struct printer *p, const struct fz_frame *f)
{
	char *paths = fz_report_frame_paths(p->rep->results, f);
	char ranges[FZ_RANGES_TEXT], t[FZ_TIME_TEXT];

	if (!paths) {
		p->no_memory = true;
		return;
	}
	fz_report_ranges(f->differ, ranges);
	fputs("    ", p->out);
	put(p, paths, 0);
	fputs(" is modified: ", p->out);
	if (f->page != FZ_NO_PAGE)
		fprintf(p->out, "page %u (file offset 0x%" PRIx64 "), bytes %s differ", f->page,
			(uint64_t)f->page * FZ_PAGE_SIZE, *ranges ? ranges : "somewhere");
	else
		fputs("one of its pages", p->out);
	fprintf(p->out, "\n      ran at %s at 0x%" PRIx64 " in address space 0x%" PRIx64 "\n",
		clock_of(p, f->first, t), f->rip, f->cr3);
	bytes(p, f);
	free(paths);
}

static void another_version(struct printer *p, const struct fz_program *prog)
{
	struct row row;

	fill_row(p, prog, &row);
	fputs("    unknown version of ", p->out);
	put(p, row.path ? row.path : "", 0);
	fputs(" (nearest: ", p->out);
	if (*row.package != '-' && *row.package != '?') {
		put(p, row.package, 0);
		fputc(' ', p->out);
	}
	put(p, *row.version == '-' ? "that of the database" : row.version, 0);
	fprintf(p->out, "): of its pages that ran, %u %s as in that, %u %s not\n", prog->same,
		prog->same == 1 ? "is" : "are", prog->differ, prog->differ == 1 ? "is" : "are");
	free(row.path);
}

static void findings(struct printer *p, uint32_t vm)
{
	const struct fz_results *r = p->rep->results;
	size_t i, shown = 0;
	bool any = false;
	uint32_t k;
	int ret;

	for (i = 0; i < r->nfindings; i++) {
		if (r->findings[i].vm != vm)
			continue;
		if (shown++ == SHOWN_MAX)
			continue;
		fputs(any ? "    " : "\n  Findings\n    ", p->out);
		any = true;
		p->no_memory |= fz_report_event_text(p->rep, &r->findings[i], p->out) != 0;
		fputc('\n', p->out);
	}
	if (shown > SHOWN_MAX)
		fprintf(p->out, "    and %zu more such (--format json)\n", shown - SHOWN_MAX);
	ret = fz_report_labels_text(p->rep, vm, any ? "" : "\n  Findings\n", p->out);
	p->no_memory |= ret < 0;
	any |= ret > 0;
	for (i = 0; i < r->nprograms; i++) {
		if (r->programs[i].vm == vm && r->programs[i].verdict == FZ_VERDICT_VERSION) {
			fputs(any ? "" : "\n  Findings\n", p->out);
			any = true;
			another_version(p, &r->programs[i]);
			continue;
		}
		for (k = 0; r->programs[i].vm == vm && k < r->programs[i].nfindings; k++) {
			const struct fz_frame *f = &r->frames[r->programs[i].findings[k]];

			if (!any)
				fputs("\n  Findings\n", p->out);
			any = true;
			finding(p, f);
		}
	}
}

static void unknowns(struct printer *p, uint32_t vm)
{
	const struct fz_results *r = p->rep->results;
	uint64_t shown = 0, more = 0, more_frames = 0;
	char t[FZ_TIME_TEXT];
	size_t i;
	uint32_t k;

	for (i = 0; i < r->nunknowns; i++) {
		const struct fz_unknown *u = &r->unknowns[i];

		if (u->vm != vm)
			continue;
		if (shown == SHOWN_MAX) {
			more++;
			more_frames += u->frames;
			continue;
		}
		if (!shown++)
			fprintf(p->out, "\n  Unknown\n    %6s  %-8s  %-18s  %s\n", "FRAMES", "FIRST",
				"AT", "WHERE");
		fprintf(p->out, "    %6" PRIu64 "  %-8s  0x%-16" PRIx64 "  %s", u->frames,
			clock_of(p, u->first, t), u->rip, fz_why_text(u->why));
		if (u->has_space)
			fprintf(p->out, ", address space 0x%" PRIx64, u->space);
		if (u->gone)
			fputs(", no longer kept in detail", p->out);
		if (u->why == FZ_WHY_WITHIN && !u->gone) {
			fprintf(p->out, ", 0x%" PRIx64 "-0x%" PRIx64 " of ", u->from, u->to);
			put(p, r->files[r->classes[u->origin].file].path, 0);
		}
		for (k = 0; k < u->nbeside && u->why != FZ_WHY_WITHIN; k++) {
			const struct fz_program *prog = &r->programs[u->beside[k]];

			fputs(k ? ", " : ", beside ", p->out);
			put(p, r->files[r->classes[prog->classes[0]].file].path, 0);
		}
		fputc('\n', p->out);
	}
	if (more)
		fprintf(p->out, "    %6" PRIu64 "  in %" PRIu64 " more place%s (--format json)\n",
			more_frames, more, s_of(more));
}

static void not_covered(struct printer *p, uint32_t vm)
{
	const struct fz_results_vm *v = &p->rep->results->vms[vm];
	static const struct { uint32_t bit; const char *text; } why[] = {
		{ FZ_REFUSE_ENCRYPTED, "encrypted memory" },
		{ FZ_REFUSE_PRIVATE, "private memory" },
		{ FZ_REFUSE_NO_TDP, "shadow paging" },
		{ FZ_MISS_VFIO, "writes by a passed-through device" },
		{ FZ_MISS_SHARED, "writes by others who share its memory" },
		{ FZ_MISS_HOST_WRITES, "writes by its VMM to memory of devices or huge pages" },
	};
	size_t i;

	if (!v->not_covered && !v->mixed && !v->mixed_ns && !v->events[FZ_REC_DRIFT] &&
	    !v->let_go.frames && !v->let_go.findings)
		return;
	fputs("\n  Not covered\n", p->out);
	for (i = 0; i < sizeof(why) / sizeof(why[0]); i++)
		if (v->not_covered & why[i].bit)
			fprintf(p->out, "    %s\n", why[i].text);
	if (v->events[FZ_REC_DRIFT])
		fprintf(p->out, "    what %" PRIu64 " frame%s that changed unseen ran until then\n",
			v->events[FZ_REC_DRIFT], s_of(v->events[FZ_REC_DRIFT]));
	p->no_memory |= fz_report_mixed_text(p->rep, vm, p->out) != 0;
	if (v->let_go.frames)
		fprintf(p->out, "    the details of %" PRIu64 " frame%s, too many to keep (--max-frames): %"
			PRIu64 " identified, %" PRIu64 " ambiguous, %" PRIu64 " unknown\n",
			v->let_go.frames, s_of(v->let_go.frames), v->let_go.known,
			v->let_go.ambiguous, v->let_go.unknown);
	if (v->let_go.findings)
		fprintf(p->out, "    the details of %" PRIu64 " more finding%s\n", v->let_go.findings,
			s_of(v->let_go.findings));
}

static void missing(struct printer *p)
{
	const struct fz_seq *s = p->rep->seq;
	char a[FZ_TIME_TEXT], b[FZ_TIME_TEXT];
	uint64_t i;

	if (fz_report_complete(p->rep) && !s->lost && !p->rep->results->not_compared)
		return;
	fputs("\nMissing\n", p->out);
	if (p->rep->missing)
		fprintf(p->out, "  the log is not whole: %s\n", p->rep->missing);
	for (i = 0; i < s->ngaps && i < SHOWN_MAX; i++)
		fprintf(p->out, "  CPU %u: %" PRIu64 " record%s from number %" PRIu64
			" %s, before %s\n", s->gaps[i].cpu, s->gaps[i].count,
			s_of(s->gaps[i].count), s->gaps[i].first_seq, s->gaps[i].repeated ?
			"came twice" : "are nowhere accounted for", clock_of(p, s->gaps[i].before, a));
	for (i = 0; i < s->nlosses && i < SHOWN_MAX; i++) {
		const struct fz_lost *l = &s->losses[i].lost;

		fprintf(p->out, "  CPU %u: %" PRIu64 " record%s lost (%" PRIu64
			" execution%s) from %s to %s\n", s->losses[i].cpu, (uint64_t)l->count,
			s_of(l->count), (uint64_t)l->execs, s_of(l->execs),
			clock_of(p, l->first_time, a), clock_of(p, l->last_time, b));
		if (l->held)
			fprintf(p->out, "    %" PRIu64 " of them after a vCPU was held for room, in vain "
				"(hold_ms)\n", (uint64_t)l->held);
	}
	if (s->disorder)
		fprintf(p->out, "  %" PRIu64 " record%s earlier than the one before\n", s->disorder,
			s->disorder == 1 ? " is" : "s are");
	if (s->ngaps > SHOWN_MAX || s->nlosses > SHOWN_MAX)
		fprintf(p->out, "  %" PRIu64 " gaps and %" PRIu64 " losses in all\n", s->ngaps,
			s->nlosses);
	if (p->rep->lost_pending)
		fprintf(p->out, "  %" PRIu64 " record%s lost at the end\n", p->rep->lost_pending,
			s_of(p->rep->lost_pending));
	if (p->rep->results->broken)
		fprintf(p->out, "  %" PRIu64 " record%s with a hash that is not that of the "
			"snapshot\n", p->rep->results->broken, s_of(p->rep->results->broken));
	if (p->rep->results->not_compared)
		fprintf(p->out, "  %" PRIu64 " unknown page%s not searched for modifications: too "
			"many\n", p->rep->results->not_compared,
			s_of(p->rep->results->not_compared));
}

int fz_report_text(const struct fz_report *rep, FILE *out, struct fz_error *err)
{
	struct printer p = { .rep = rep, .out = out };
	uint32_t i;

	header(&p);
	if (!rep->results->nvms)
		fputs("\nNo VM was watched.\n", out);
	for (i = 0; i < rep->results->nvms; i++) {
		vm_heading(&p, &rep->results->vms[i]);
		programs(&p, i);
		findings(&p, i);
		unknowns(&p, i);
		not_covered(&p, i);
	}
	missing(&p);
	if (p.no_memory)
		return fz_fail(err, -ENOMEM, "out of memory");
	if (ferror(out))
		return fz_fail(err, -EIO, "cannot write the report");
	return 0;
}
