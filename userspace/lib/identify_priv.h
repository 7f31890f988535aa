/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * identify_priv.h - shared by those who decide what frames are
 *
 * Some code does not lie in memory as it does in its file: kernels patch theirs,
 * modules, PE programs and firmware are relocated. Oracles know about such kinds.
 * fz_identify_settle() goes, for all frames:
 *
 *	1. rules 1 to 4 of identify.h: known, ambiguous, or unknown with a reason by mode
 *	2. each of fz_oracles[], in order: it looks at all frames and may say of those
 *	   for which fz_is_open() what they are, with one of the fz_say_*() below
 *	3. rule 5, then grouping into programs and unknowns, and counting
 *
 * Everything that step 2 says is forgotten before the next settle, which says it
 * anew; watch settles up to twice a second. So an oracle keeps in its @state what
 * is dear to find (by content, which never changes, and by class).
 *
 * What a test links in place of hashdb.c is tests/unit/fake_db.h: a function of
 * hashdb.h that this directory's ident*.c or settle.c newly calls goes there, too.
 */
#ifndef FZ_IDENTIFY_PRIV_H
#define FZ_IDENTIFY_PRIV_H

#include <openssl/types.h>
#include "identify.h"
#include "table.h"

/* A file seen at a load address. */
struct fz_place {
	uint32_t vm, class;
	uint64_t cr3, base;
};

/* What is kept of programs whose frames were let go: past.c. */
#define FZ_PAST_DIFFERS	(1U << 30)	/* a page that was modified */

struct fz_past {
	uint32_t vm;
	enum fz_verdict verdict;
	uint32_t nclasses, *classes;	/* ascending */
	uint32_t npages, *pages;	/* as struct item of programs.c has them; ascending */
	uint32_t patched, same, differ;
	uint64_t first, last;
};

/* Of unknown frames. */
struct fz_past_why {
	uint64_t frames, first, last, rip;
};

/* Where a file lay: rule 4. */
struct fz_past_place {
	struct fz_place place;		/* .cr3 = 0 */
	uint32_t same, differ, doubted;	/* frames of it, for rules 9 and 11 */
	bool certain, another;
};

struct fz_identify {
	struct fz_hashdb *db;
	struct fz_results r;
	size_t files_cap, classes_cap, contents_cap, frames_cap, vms_cap;
	size_t programs_cap, unknowns_cap;
	uint32_t *file_ids;		/* database's number of each file */
	uint32_t *file_classes;
	size_t file_ids_cap, file_classes_cap;
	struct fz_index by_id, by_sha, by_content, by_frame, by_vm;
	size_t mixed_cap, drifted_cap, audited_cap, findings_cap;
	struct fz_index by_mixed, by_since, by_audited;
	EVP_MD_CTX *sha;
	/* Contents seen lately, of all VMs, told by themselves. */
	struct fz_cached {
		uint64_t xxh64;
		uint8_t *page;		/* NULL = empty */
		uint32_t at;		/* into r.contents */
	} *cached;			/* FZ_CACHE_PAGES, or NULL */
	size_t kept_user, kept_other;
	bool lost;			/* records */
	uint32_t last_vm;
	struct fz_generators *generators;
	struct fz_written {
		uint32_t vm;
		bool user;
		uint64_t gfn, cr3, rip;
	} *written;
	size_t nwritten, written_cap;
	struct fz_index by_written;
	struct fz_version {		/* rule 11: all places, by VM, class, base */
		uint32_t vm, class;
		uint64_t base;
		uint32_t same, differ;	/* pages; of another version, of all its places */
		uint32_t doubted;	/* pages where unknown code ran, but not between others */
		bool another;
	} *versions;
	size_t nversions;
	size_t limit, refused;		/* frames that are kept; not taken since */
	struct fz_past *pasts;
	size_t npasts, pasts_cap;
	struct fz_index by_past;
	struct fz_past_why (*past_whys)[FZ_WHYS];	/* by VM */
	size_t past_vms;
	struct fz_past_place *past_places;	/* in their order */
	size_t npast_places;
	fz_page_source source;
	void *source_arg;
	void *oracle_state[8];		/* FZ_ORACLES at most */
};

struct fz_oracle {
	const char *name;
	/* @state: NULL at first; lives as long as @id. 0 or a negative errno. */
	int (*settle)(struct fz_identify *id, void **state, struct fz_error *err);
	void (*free)(void *state);
};

/* oracles.c: those there are, NULL at the end. */
extern const struct fz_oracle *const fz_oracles[];
extern const struct fz_oracle fz_oracle_pe;
/* ident_moved.c: a BIOS that moves itself. */
extern const struct fz_oracle fz_oracle_moved;
/* ident_carried.c: vDSOs, the real-mode trampoline, setup. */
extern const struct fz_oracle fz_oracle_carried;

/* ident_kernel.c: the Linux kernel. */
extern const struct fz_oracle fz_oracle_kernel;

/* May an oracle decide on @f: unknown so far, its content kept and not broken or forged? */
bool fz_is_open(const struct fz_identify *id, const struct fz_frame *f);

/* The class of the database's file number @file; it is loaded if it was not. */
int fz_identify_file(struct fz_identify *id, uint32_t file, uint32_t *class,
		     struct fz_error *err);

/*
 * @f is page @page of class @class, loaded at @base: added to a virtual address of
 * the file (fz_hashdb_segment.vaddr), it gives the one where the page lies. @patched:
 * identified (patched). An ambiguous class gives an ambiguous frame, as everywhere.
 */
void fz_say_known(struct fz_identify *id, struct fz_frame *f, uint32_t class, uint32_t page,
		  uint64_t base, bool patched);
/* The same, but that it differs: @want is what should be there, 4096 bytes. */
int fz_say_modified(struct fz_identify *id, struct fz_frame *f, uint32_t class, uint32_t page,
		    uint64_t base, const uint8_t *want, struct fz_error *err);
/*
 * The same, where patching allows more than one value: @bytes are those that are none
 * of the allowed (@n, ascending; @expected is one of the allowed values).
 */
int fz_say_modified_bytes(struct fz_identify *id, struct fz_frame *f, uint32_t class,
			  uint32_t page, uint64_t base, const struct fz_byte *bytes, uint32_t n,
			  struct fz_error *err);
/* Of a modified frame, which bytes are not those of @want. */
int fz_set_bytes(struct fz_identify *id, struct fz_frame *f, const uint8_t *want,
		 struct fz_error *err);
/* One of @classes, which have the same page: ambiguous. */
int fz_say_either(struct fz_frame *f, const uint32_t *classes, uint32_t n, uint32_t page,
		  uint64_t base, struct fz_error *err);
/* Unknown, and this is what is known about it. Add to enum fz_why and to the_whys[]. */
void fz_say_why(struct fz_frame *f, enum fz_why why);

/* One place, of one frame that nothing else can be. */
struct fz_certain {
	struct fz_place place;
	uint32_t frame;
};

#define FZ_NEAR_NS	10000000000ULL	/* rule 6: "about then" */

/* misplaced.c. Mark those of @c that are misplaced; it is sorted. */
void fz_find_misplaced(struct fz_identify *id, struct fz_certain *c, size_t n);
/* Is it no place where every process has it that is not randomized? */
bool fz_random_base(uint64_t base);
/* No file that has @f's content can have it there. */
bool fz_nowhere(const struct fz_identify *id, const struct fz_frame *f);

#define FZ_BASES_MAX 8
/* Load addresses at which page @page of @f lies where @rip points; how many. */
size_t fz_place_page(const struct fz_hashdb_file *f, uint32_t page, uint64_t rip,
		     uint64_t bases[FZ_BASES_MAX]);

/* A page that was captured: where it is in the results. */
int fz_identify_content(struct fz_identify *id, const struct fz_rec *rec, uint32_t *at,
			struct fz_error *err);

/* unseen.c: records about what was not seen. @vm: into id->r.vms. */
int fz_unseen_add(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec,
		  struct fz_error *err);
/* Findings are made anew by every settle, then sorted. -ENOMEM. */
int fz_add_finding(struct fz_identify *id, enum fz_finding_kind kind, uint32_t vm, size_t at,
		   uint64_t time);
int fz_unseen_settle(struct fz_identify *id, struct fz_error *err);
void fz_unseen_free(struct fz_identify *id);

/* retire.c: fz_identify_limit(). Make room for a frame: 1, or 0: there is none. */
int fz_retire(struct fz_identify *id, struct fz_error *err);
/* past.c. Keep of those @gone (by frame) what later verdicts rest on, and counts. -ENOMEM. */
int fz_past_keep(struct fz_identify *id, const bool *gone);
/* A frame for which there is no room: only counted. */
int fz_past_uncounted(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec,
		      enum fz_why why, struct fz_error *err);
const struct fz_past_place *fz_past_place(const struct fz_identify *id, uint32_t vm,
					  uint32_t class, uint64_t base);
bool fz_past_doubted(const struct fz_identify *id, uint32_t vm, uint32_t class);
void fz_past_free(struct fz_identify *id);

static inline uint64_t fz_content_hash(const uint8_t sha[32])
{
	uint64_t v;

	memcpy(&v, sha, sizeof(v));
	return v;
}

static inline uint64_t fz_frame_hash(const struct fz_frame *f)
{
	return fz_mix(fz_mix(fz_mix(f->gfn) + f->content) + f->cr3) + f->vm;
}

/* By mode alone. */
enum fz_why fz_why_by_mode(uint32_t mode, uint8_t cpl, uint8_t as_id);

/* Group settled frames into programs and unknowns. */
int fz_identify_group(struct fz_identify *id, struct fz_error *err);
void fz_identify_ungroup(struct fz_identify *id);

/* Rule 5 for one unknown frame, against the sorted places of rules 3 and 4. */
struct fz_places {
	struct fz_place *space, *vm;	/* by address space; by VM, with cr3 = 0 */
	uint32_t *spaces;		/* of each of @vm: address spaces that have it */
	size_t n, cap, nvm;
};

int fz_find_modified(struct fz_identify *id, const struct fz_places *p, struct fz_frame *f,
		     struct fz_error *err);
/* versions.c: rule 11, and rule 9 within the text of files. */
int fz_find_versions(struct fz_identify *id, const struct fz_places *p, struct fz_error *err);
/* What ran where @class lies at @base; NULL: nothing that tells. */
const struct fz_version *fz_version_at(const struct fz_identify *id, uint32_t vm, uint32_t class,
				       uint64_t base);
/* So much of it is unknown that it may be another version of the file. */
bool fz_in_doubt(const struct fz_version *v);
/* Did unknown code run where @class lies, wherever that is? */
bool fz_doubted_anywhere(const struct fz_identify *id, uint32_t vm, uint32_t class);
/* Is @f at a place where @class is another version? */
const struct fz_version *fz_another_version(const struct fz_identify *id, const struct fz_frame *f,
					    uint32_t class);
/* generated.c: rules 8 and 9, once all else is decided. */
int fz_find_generated(struct fz_identify *id, const struct fz_places *p, struct fz_error *err);
void fz_generators_free(struct fz_identify *id);
/* written.c. Was the frame of this execution written by the same process? From where. */
int fz_written_add(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec,
		   struct fz_error *err);
bool fz_written_take(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec, uint64_t *rip);

/* entered.c: rule 10, last. */
int fz_find_entered(struct fz_identify *id, struct fz_error *err);
int fz_place_order(const void *a, const void *b);

static inline const struct fz_hashdb_file *class_file(const struct fz_results *r, uint32_t class)
{
	return &r->files[r->classes[class].file];
}

#endif
