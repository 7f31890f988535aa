/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report.h - what ran, for people and for programs
 *
 * The JSON report, key by key ("null" = not known or candidates differ):
 *
 *	schema		1
 *	log.complete	the log has its end mark, no gap, no broken record and no
 *			loss without a LOST record: what is not in it is named in it
 *	log.events	records; log.lost: those that LOST records stand for;
 *	log.lost_execs	of these, executions; log.losses: when, on which CPU
 *	log.lost_pending	lost at the end, without a LOST record yet
 *	log.gaps	sequence numbers that nothing accounts for, by CPU
 *	log.broken	records whose XXH64 is not that of their snapshot
 *	log.missing	why the log is not whole; log.head: its chain's last hash
 *	vms[].coverage	frames = identified + ambiguous + unknown, where a frame is
 *			a distinct (gfn, content, address space) that was captured;
 *			modified: those of the unknown that are a changed page of a
 *			program; patched: those of the identified that are the file's
 *			but for what its system patches as the file tells; generated:
 *			those of the unknown that are beside a program known to generate
 *			code; mixed:
 *			frames that had X and W at once, which were
 *			not covered after their snapshot; changed: CHANGED records,
 *			the host having changed an executed frame, seen in time;
 *			drift: DRIFT records, where it was not seen in time
 *	vms[].mixed	what ran in these frames is not known: windows: how often they
 *			were mixed; ns: for how long, added up; longest_ns; open: how
 *			many are not known to have ended; list[]: the same by frame,
 *			the longest first; share: of the time from first to last
 *	vms[].findings[]	kind: "audit": a page-table entry that breaks the promise;
 *			"drift": an executable frame changed unseen: it held hash at
 *			time, for unseen_ns at most, and may_have_run lists the files
 *			of which that is a page: may, for neither is it known that it
 *			did nor what else the frame held in between; "stays-mixed":
 *			a frame that is mixed for longer than code that patches itself
 *			needs; "stays-mixed-many": the frames of the VM, added up;
 *			"misplaced": a page of a known file (path, page) ran at an
 *			address (in address_space) where the file can't have it;
 *			where the file is, if it is loaded there at all: load_address;
 *			"entered": the first page of a file that ran in the VM is none
 *			where the file can be entered;
 *			"layer": unknown user code in a frame that the same address
 *			space had written to in user mode, from written_from; "foreign":
 *			unknown user code (frames: how much of it; the address is that of
 *			the first) where the known file path has other pages (where:
 *			"text"), or behind the known program path, where its data and
 *			heap are ("heap"). fitzroy dump has the contents, by hash
 *	vms[].events	records by type
 *	vms[].programs[]	pages_seen and pages_total count executable 4 KiB pages
 *			of the file; aliases: other paths of the same content;
 *			candidates: if it is not certain, each file that it can
 *			be, and path names them all, "A | B";
 *			findings: modified pages (kind "modified"; in another version
 *			"another-version")
 *			nearest: what runs is another version of the file, which the
 *			database has not: verdict is ambiguous, version null, nearest
 *			the version that it is most like; of the file's pages that ran
 *			pages_same are as there, pages_differ are not
 *			labels: what advisories and hash lists say of it (without
 *			labels.db there is none): kind: "malicious", "vulnerable",
 *			"possible": in some of the releases that it may be of,
 *			"undetermined", "minor": the distribution gives no advisory,
 *			"listed", "good"; id; fixed: the version, null = none yet;
 *			release; note; source: by name. Of candidates that differ in
 *			package, each has its own; labels_omitted: too many
 *	vms[].programs[].verdict	malicious, else modified, else vulnerable, else known
 *			or ambiguous. One that can be several files is malicious or
 *			vulnerable only if each of them is
 *	vms[].labelled	programs that are malicious, and vulnerable (whatever their verdict)
 *	labels		the sources, and how old they are; null = labels were not asked
 *			patched: frames that are identified (patched). A finding's
 *			blocks: 256-byte blocks that differ; bytes: the same as ranges,
 *			as narrow as known; differences: null if the file's page is
 *			not at hand, else runs of bytes: offset in the page, expected,
 *			found (hex); differing_bytes: how many there are in all
 *	vms[].unknown[]	modified frames are not here; kind: the reason in a word;
 *			beside: programs that ran in the same address space; origin:
 *			of generated code, the program that is known to generate it, and
 *			per_second: frames per second from the first to the last. Kind
 *			"within": it ran while the known program origin did, between
 *			addresses from and to, where no known file is: a library that
 *			the database has not, or injected code
 *	vms[].not_compared	unknown pages that were not kept, so not compared
 *
 * Times are RFC 3339, UTC, from the log's own pair of clocks. Addresses are hex
 * strings. Arrays are sorted: the same log and database give the same bytes.
 */
#ifndef FZ_REPORT_H
#define FZ_REPORT_H

#include <jansson.h>
#include <stdio.h>
#include "identify.h"
#include "log.h"

struct fz_report_labels;

struct fz_report {
	const struct fz_results *results;
	const struct fz_report_labels *labels;	/* NULL = none; report_labels.h */
	const struct fz_log_header *header;
	const struct fz_seq *seq;
	uint64_t lost_pending;
	const char *missing;	/* NULL = the log is whole */
	const uint8_t *head;	/* NULL = live */
};

/* Each writes to @out; -ENOMEM, or -EIO if @out fails. */
int fz_report_json(const struct fz_report *rep, FILE *out, struct fz_error *err);
int fz_report_text(const struct fz_report *rep, FILE *out, struct fz_error *err);
/* One JSON object a line for each captured frame, in order of appearance. */
int fz_report_frames(const struct fz_report *rep, FILE *out, struct fz_error *err);

bool fz_report_complete(const struct fz_report *rep);

/* Parts, for live output. New references; NULL = out of memory. */
json_t *fz_report_program(const struct fz_report *rep, const struct fz_program *p);
json_t *fz_report_unknown(const struct fz_report *rep, const struct fz_unknown *u);
json_t *fz_report_finding(const struct fz_report *rep, const struct fz_frame *f);
json_t *fz_report_event(const struct fz_report *rep, const struct fz_finding *f);
/* Of these, those about one frame. */
json_t *fz_report_found(const struct fz_report *rep, const struct fz_finding *f);
int fz_report_found_text(const struct fz_report *rep, const struct fz_finding *f, FILE *out);
json_t *fz_report_mixed(const struct fz_report *rep, uint32_t vm);
/* The same for people: a sentence without its end; lines. 0 or -ENOMEM. */
int fz_report_event_text(const struct fz_report *rep, const struct fz_finding *f, FILE *out);
int fz_report_mixed_text(const struct fz_report *rep, uint32_t vm, FILE *out);
/* A string made fit for JSON; null for "" and NULL. */
json_t *fz_report_string(const char *s);

/*
 * The files of @classes: of a certain class the one that names it, of an ambiguous
 * one all. Store at most @max. Return how many there are.
 */
size_t fz_report_files(const struct fz_results *r, const uint32_t *classes, uint32_t nclasses,
		       const struct fz_hashdb_file **files, size_t max);

/* Their paths, "A | B | C"; the caller frees. NULL = out of memory. */
char *fz_report_paths(const struct fz_hashdb_file **f, size_t n);
char *fz_report_frame_paths(const struct fz_results *r, const struct fz_frame *f);

/* 64-byte blocks 0-3 and 9 of a page, as byte ranges: "0x000-0x0ff, 0x240-0x27f". */
#define FZ_RANGES_TEXT 512
void fz_report_ranges(uint64_t differ, char buf[FZ_RANGES_TEXT]);

#endif
