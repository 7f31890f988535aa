/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * identify.h - from captured pages to programs, or to "unknown"
 *
 * Feed records with fz_identify_add(), then fz_identify_settle(), then read the
 * results, which stay valid until the next add or settle. Same records and same
 * database give the same results in the same order.
 *
 * A frame here is a distinct (VM, gfn, content, address space): a capture that
 * repeats all four is counted as another event of the same frame.
 *
 * The rules, in order:
 *  1. A page is a known one only if XXH64 and SHA-256 of its snapshot are in the
 *     database. A record whose XXH64 is not that of its snapshot is broken.
 *  2. Files of equal SHA-256 are one. Members of different packages or versions
 *     stay ambiguous; members without a package go with the packaged ones.
 *  3. A page that one file alone has is that file's. RIP's page minus the file's
 *     virtual address of the page is the load address of the file.
 *  4. A page that several files share goes to the one that rule 3 found at just
 *     that load address in the same address space; for position-independent files
 *     also anywhere in the VM (forks). It stays ambiguous if two qualify, or if
 *     another candidate was seen at its own fitting load address in the VM.
 *  5. An unknown page where a file that is loaded in that address space, or may be
 *     (rule 4 left it open), has an executable page with at least FZ_SIMILAR of
 *     FZ_SKETCH blocks equal, is a modified page of that file, or of one of those
 *     that are equally like it. Where the file's page is at hand, most of its 64-byte
 *     blocks must be equal instead, and each byte that differs is told. Its frame
 *     stays unknown; the program is modified.
 *  6. A page in user mode where no file that has it can have it is misplaced: not at
 *     the address of a file that is linked to one, or where the file would begin below
 *     zero. So is one whose load address makes its file overlap with itself, where most
 *     of the file's pages in that address space agree, about then; but only if load
 *     addresses are random, else the next process with the same CR3 looks like this.
 *     The frame stays unknown, and is a finding; but none in a file of which so much is
 *     unknown that it may be another version, with that page elsewhere.
 *  7. A page with next to no content (fewer than FZ_WEAK blocks of 64 bytes that are no
 *     pattern) is known only by rule 4, in the place that others prove. Else it is
 *     ambiguous; with no content at all, unknown.
 *  8. Unknown user code in an address space where a program ran that is known to
 *     generate code (generated.c has the list) is generated code: unknown still, but
 *     counted apart.
 *  9. Other unknown user code is a finding if the same address space wrote to its frame
 *     in user mode before it ran there (layer: packers, droppers; only seen in frames
 *     that had been executed before). It is one (foreign) at a random load address
 *	- where a known file has a page, if it ran between two of the file's pages, and
 *	  nearly all that ran at the file's addresses is the file's: at least
 *	  FZ_ANOTHER_PAGES pages, and more than FZ_ANOTHER_SHARE - 1 for each that is not.
 *	  With fewer it may as well be another version of the file, of which some pages
 *	  are as they were;
 *	- behind such a program (not a library), where its data and heap are and Linux
 *	  maps no library, if it ran between two of the program's pages.
 *     What runs between two pages of a known program, elsewhere, may be injected or a
 *     library that the database has not. From outside these look the same: it is no
 *     finding, but FZ_WHY_WITHIN, grouped by mapping, with the program named; as long
 *     as the program is loaded at just that address nowhere else in the VM (forks).
 *     A program that is unknown from its first page on is just unknown.
 * 10. The first page of a file that runs in a VM is one on which execution of the file
 *     can begin (entries.h). If it is not, that is a finding: whoever runs that page came
 *     there by another way. Only where nothing can have been missed: the VM was watched
 *     from its first instruction, no record is lost, none of the file's pages is modified
 *     or misplaced, no unknown code ran at the file's own addresses (another version may
 *     have that page, too). The page is identified all the same.
 *
 * 11. A file is another version, which nobody knows, where at least FZ_ANOTHER_PAGES of its
 *     pages that ran differ, and at least one in FZ_ANOTHER_SHARE. A page differs if it is
 *     modified (rule 5); or if, at a random load address, what ran at its address between
 *     two of the file's own pages (in time) is unknown and not a layer, or a page of a file
 *     of the same path. Each load address is judged alone if FZ_ANOTHER_ALONE pages ran
 *     there, else all of the VM together, each page of the file once. Less than that is a
 *     modified file, or a known one. Frames stay what they were: no page that differs is
 *     identified. But the program is not known, and its modified pages are no sign by
 *     themselves that somebody changed them. Unknown code there is not foreign (rule 9).
 *
 * Files can differ and still have the same code (ls, dir and vdir do): what they
 * run is ambiguous, though file page, load address and package may be certain.
 *
 * A frame is logged once per content, by whoever runs it first: a program may
 * show fewer address spaces and pages than ran it, never more.
 */
#ifndef FZ_IDENTIFY_H
#define FZ_IDENTIFY_H

#include "hashdb.h"
#include "record.h"

#define FZ_SIMILAR	12
#define FZ_WEAK		4	/* pages with fewer blocks of content prove little */
#define FZ_ANOTHER_PAGES 4	/* rule 11: so many differ, at least, ... */
#define FZ_ANOTHER_SHARE 4	/* ... and one in so many */
#define FZ_ANOTHER_ALONE 8	/* pages that ran at a place, for it to be judged alone */
#define FZ_REFS_MAX	256		/* candidates kept for a page */
#define FZ_KEPT_MAX	32768	/* unknown snapshots kept, of user mode and of all else */
#define FZ_BYTES_MAX	64		/* differing bytes kept for a frame */
#define FZ_CACHE_PAGES	16384		/* contents by which a page is decided without a digest */
#define FZ_FRAMES_MAX	1000000		/* frames kept in detail; see fz_identify_limit() */
#define FZ_PINNED_MAX	1024		/* findings of a kind that are kept, of each VM */
#define FZ_UNSEEN_MAX	65536		/* drifted frames, and entries that an audit found, kept */
#define FZ_NO_PAGE	UINT32_MAX
#define FZ_NO_CLASS	UINT32_MAX

enum fz_verdict {
	FZ_VERDICT_UNKNOWN,
	FZ_VERDICT_KNOWN,
	FZ_VERDICT_AMBIGUOUS,
	FZ_VERDICT_MODIFIED,
	FZ_VERDICT_VERSION,	/* of programs: rule 11 */
};

enum fz_why {		/* why a frame is unknown */
	FZ_WHY_USER,
	FZ_WHY_KERNEL,
	FZ_WHY_NOPAGING,
	FZ_WHY_REAL,
	FZ_WHY_SMM,
	FZ_WHY_FORGED,
	FZ_WHY_BROKEN,
	/* from here on said by those who know better than the mode tells */
	FZ_WHY_VDSO,
	FZ_WHY_BPF,
	FZ_WHY_TRAMPOLINE,
	FZ_WHY_KPROBE,
	FZ_WHY_KERNEL_INIT,
	FZ_WHY_FIRMWARE,
	FZ_WHY_LOADER,
	FZ_WHY_DATA,
	FZ_WHY_ITSELF,
	FZ_WHY_PADDING,
	FZ_WHY_MISPLACED,
	FZ_WHY_GENERATED,
	FZ_WHY_MODULES,
	FZ_WHY_WITHIN,
	FZ_WHY_CALLS,
	FZ_WHY_SYMBOLS,
	FZ_WHYS,
};

/* A byte of a page that is not the file's. */
struct fz_byte {
	uint16_t at;		/* in the page */
	uint8_t expected, found;
};

/* Unknown code where a known file or program has no other's (rule 9). */
enum fz_foreign {
	FZ_FOREIGN_NOT,
	FZ_FOREIGN_TEXT,	/* where a known file has a page, among pages of that */
	FZ_FOREIGN_HEAP,	/* behind a known program, where Linux maps no library */
};

struct fz_candidate {
	uint32_t class;		/* into fz_results.classes */
	uint32_t page;
};

/* A captured content. */
struct fz_content {
	uint64_t xxh64;
	uint8_t sha[32];
	bool broken, forged;
	bool uncounted;		/* more candidates exist than are kept */
	bool of_user;		/* @page was kept for user mode */
	uint8_t weight;		/* of a known page: what fz_hashdb_content() says */
	uint32_t ncandidates;	/* by class, page; 0 = unknown */
	struct fz_candidate *candidates;
	uint8_t *page;		/* unknown content, while there is room */
};

struct fz_frame {
	uint64_t gfn, cr3, rip;
	uint64_t first, last;	/* CLOCK_MONOTONIC, ns */
	uint32_t vm;		/* into fz_results.vms */
	uint32_t content;	/* into fz_results.contents */
	uint32_t events;
	uint32_t mode;
	uint8_t cpl, as_id;
	bool mixed, late;
	/* set by fz_identify_settle() */
	uint8_t verdict, why;
	bool placed;		/* @base is known */
	bool written;		/* by its own address space, in user mode, before it ran ... */
	uint64_t writer;	/* ... from there */
	uint8_t foreign;	/* rule 9: enum fz_foreign */
	uint64_t region;	/* FZ_WHY_WITHIN: the lowest page of its mapping that ran */
	bool another;		/* it is, or lies in, a file that rule 11 is about */
	uint32_t origin;	/* class of the file of rules 8 and 9, or FZ_NO_CLASS */
	bool misplaced;		/* rule 6; @base, if set, is where its file is */
	bool patched;		/* known, but for bytes that its system patches as the file tells */
	uint64_t differ;	/* modified: bit i = 64-byte block i differs, or may */
	uint32_t ndiffer;	/* modified, the file's page being at hand: bytes that differ ... */
	uint32_t nbytes;	/* ... and the first of them, at most FZ_BYTES_MAX */
	struct fz_byte *bytes;
	uint32_t class;		/* known, modified, or FZ_NO_CLASS */
	uint32_t page;		/* of the file, or FZ_NO_PAGE: one of several */
	uint64_t base;		/* load address */
	uint32_t nlike, *like;	/* modified, and no one class: the classes it is like */
};

/* Files of one content. */
struct fz_class {
	uint32_t file;		/* the one that names it */
	uint32_t nmembers;
	uint32_t *members;	/* into fz_results.files, by path, package, version */
	bool ambiguous;		/* members of different packages or versions */
};

/*
 * A frame that was MIXED: what ran in it meanwhile, beyond its snapshots, is not known.
 *
 * Code that patches itself is mixed for moments. A frame that is so for more than
 * FZ_STAY_NS, and FZ_STAY_PERCENT of the time on top, in any stretch of time, stays
 * mixed: as code would that hides there. So does a VM whose frames, added up, are
 * twice as much. (Boots of Debian guests, in an emulator: 23 times and 0.5 s for the
 * most mixed frame, the kernel's own code that patches code; 37 times in all.)
 */
#define FZ_STAY_NS	1000000000ULL
#define FZ_STAY_PERCENT	5

struct fz_stay {
	uint64_t level, at;	/* what is over the share, ns, as of when */
	uint64_t since;		/* when it was first too much; 0 = never was */
};

struct fz_mixed_frame {
	uint32_t vm;		/* into fz_results.vms */
	uint32_t windows;	/* times */
	uint64_t gfn, rip, cr3;	/* of the last time */
	uint8_t cpl;
	uint64_t ns, longest;	/* of those that ended */
	uint64_t first, last;	/* of their records, CLOCK_MONOTONIC, ns */
	uint64_t open;		/* since when it is, 0 = it is not */
	struct fz_stay stay;
};

/* A DRIFT record. What the frame held then, or in between, may have run. */
struct fz_drifted {
	uint32_t vm;
	uint32_t content;	/* into fz_results.contents */
	uint64_t gfn, time, unseen_ns, captured;
};

/* AUDIT records of one entry. */
struct fz_audited {
	uint32_t vm, level, state, times;
	uint64_t gfn, spte, first, last;
};

/* What a VM is to be asked about, beside modified programs. */
enum fz_finding_kind {
	FZ_FINDING_AUDIT,	/* @at: into fz_results.audited */
	FZ_FINDING_DRIFT,	/* .drifted */
	FZ_FINDING_STAYS,	/* .mixed: a frame stays mixed */
	FZ_FINDING_STAYS_MANY,	/* the VM's frames, added up, do; @at is nothing */
	FZ_FINDING_MISPLACED,	/* .frames: rule 6 */
	FZ_FINDING_ENTERED,	/* .frames: rule 10 */
	FZ_FINDING_LAYER,	/* .frames: rule 9, written by itself */
	FZ_FINDING_FOREIGN,	/* .frames, the first of @count: rule 9, fz_frame.foreign */
};

struct fz_finding {
	enum fz_finding_kind kind;
	uint32_t vm, at;
	uint64_t time;
	uint64_t count;
};

/* Frames that were let go, by what they were: see fz_identify_limit(). */
struct fz_gone {
	uint64_t frames, known, ambiguous, unknown, modified, mixed, patched, generated;
	uint64_t findings;
	uint64_t mixed_frames, windows, ns, longest;	/* struct fz_mixed_frame's */
};

struct fz_results_vm {
	uint64_t id, pages, not_covered;
	uint64_t attached, gone;	/* CLOCK_MONOTONIC, ns; 0 = not seen */
	uint32_t pid, vcpus;
	bool died;
	char comm[16];
	uint64_t events[FZ_REC_MIXED_END + 1];	/* by type */
	uint64_t late;
	uint64_t blind;			/* MIXED records without a snapshot */
	uint64_t mixed_ns;		/* how long frames were MIXED, added up */
	uint64_t mixed_open;		/* those that are not known to have ended */
	struct fz_stay stay;
	uint64_t last;			/* time of its last record */
	struct fz_gone let_go;		/* counted in what follows, too */
	bool unplaced;			/* where files lay is no longer known, all of it */
	/* of frames */
	uint64_t frames, known, ambiguous, unknown, modified, mixed;
	uint64_t patched;		/* of the known */
	uint64_t generated;		/* of the unknown: rule 8 */
	uint64_t not_compared;		/* unknown pages that were not kept */
	bool any, born;			/* a frame was captured; the first ran in real mode */
};

struct fz_program {
	uint32_t vm;
	enum fz_verdict verdict;
	uint32_t nclasses;	/* 1, or the candidates */
	uint32_t *classes;
	uint32_t pages_seen, pages_total;
	uint32_t patched;	/* frames of it that are known (patched) */
	uint32_t same, differ;	/* another version: pages that are the file's, and not */
	uint64_t first, last;
	uint32_t nspaces;
	uint64_t *spaces;	/* ascending */
	uint32_t nfindings;
	uint32_t *findings;	/* modified frames, in order of time; those that are kept */
};

struct fz_unknown {
	uint32_t vm;
	enum fz_why why;
	bool has_space;
	bool gone;		/* all such frames of the VM that were let go */
	uint64_t space, frames, first, last, rip;
	uint32_t origin;	/* generated, within: the program's class, else FZ_NO_CLASS */
	uint64_t from, to;	/* within: pages of the mapping that ran */
	uint32_t nbeside;
	uint32_t beside[4];	/* programs of that address space */
};

struct fz_results {
	struct fz_hashdb_file *files;
	struct fz_class *classes;
	struct fz_content *contents;
	struct fz_frame *frames;	/* in order of first appearance */
	struct fz_results_vm *vms;
	struct fz_program *programs;	/* by VM, first path, package, version, verdict */
	struct fz_unknown *unknowns;	/* by VM, reason, first appearance */
	struct fz_mixed_frame *mixed;	/* in order of first appearance */
	struct fz_drifted *drifted;	/* in order of time */
	struct fz_audited *audited;	/* in order of first appearance */
	struct fz_finding *findings;	/* by VM, kind, time */
	size_t nfiles, nclasses, ncontents, nframes, nvms, nprograms, nunknowns;
	size_t nmixed, ndrifted, naudited, nfindings;
	uint64_t records, broken, not_compared;
};

struct fz_identify;

int fz_identify_new(struct fz_identify **id, struct fz_hashdb *db, struct fz_error *err);
void fz_identify_free(struct fz_identify *id);
/*
 * Where to get the original of a page that the database has without its contents: copy
 * page @page of the file of this SHA-256 to @buf (4096 bytes, zero-filled past its
 * end). 1, or 0 if it is not at hand. What comes is checked against the database.
 */
typedef int (*fz_page_source)(void *arg, const uint8_t sha256[32], uint32_t page, uint8_t *buf);
void fz_identify_reference(struct fz_identify *id, fz_page_source source, void *arg);

/* Rule 8: another program, a shell pattern of its path or of the last part of it. */
int fz_identify_generator(struct fz_identify *id, const char *pattern, struct fz_error *err);

/*
 * Keep about @frames frames in detail (FZ_FRAMES_MAX unless told; 0: all). When there are
 * more, they are settled, and some are let go, down to half, of the VMs that have most:
 * first unknown ones, and pages of the kernel that ran at the same place before, the oldest
 * first; then all that is known of the address spaces in which nothing ran for longest.
 *
 * They stay in all counts, programs keep their pages (not their address spaces), and each
 * reason its number of frames. Kept are the first FZ_PINNED_MAX findings of each kind, with
 * the address spaces they are about, and what the kernel and the firmware ran and is
 * known; if that alone is too much, what is new is only counted, as unknown.
 *
 * What a verdict rests on is kept in short: where files lay, and which of their pages ran.
 * So no frame is said to be of a file that would not be else; one may be ambiguous or
 * unknown that would be known, or known that would be misplaced (rule 6) beside what was
 * let go. One that was let go and is captured again is counted again.
 */
void fz_identify_limit(struct fz_identify *id, size_t frames);

/* A sink; @arg is the identifier. */
int fz_identify_add(void *arg, const struct fz_rec *rec, struct fz_error *err);
/* A VM that is watched without an attach record. */
int fz_identify_vm(void *arg, const struct fz_vm_desc *vm, struct fz_error *err);
int fz_identify_settle(struct fz_identify *id, struct fz_error *err);
const struct fz_results *fz_identify_results(const struct fz_identify *id);

/* The classes that @f can be, none if it is unknown. Return how many. */
uint32_t fz_frame_classes(const struct fz_results *r, const struct fz_frame *f,
			  uint32_t classes[FZ_REFS_MAX]);

/*
 * The classes that content @c can be of; at most FZ_REFS_MAX, and none if it is not
 * known. Unlike fz_frame_classes() this asks for no proof that it ran there.
 */
uint32_t fz_content_classes(const struct fz_content *c, uint32_t classes[FZ_REFS_MAX]);

/* Names for people and JSON. */
const char *fz_verdict_name(enum fz_verdict v);
const char *fz_why_text(enum fz_why why);
const char *fz_why_name(enum fz_why why);	/* one word, for scripts */

#endif
