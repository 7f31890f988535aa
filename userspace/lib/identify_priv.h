/* SPDX-License-Identifier: GPL-2.0-only */
/* identify_priv.h - shared by identify.c, settle.c and programs.c only */
#ifndef FZ_IDENTIFY_PRIV_H
#define FZ_IDENTIFY_PRIV_H

#include "identify.h"
#include "table.h"

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
	size_t kept;
	uint32_t last_vm;
};

/* A file seen at a load address. */
struct fz_place {
	uint32_t vm, class;
	uint64_t cr3, base;
};

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
int fz_unseen_settle(struct fz_identify *id, struct fz_error *err);
void fz_unseen_free(struct fz_identify *id);

/* Group settled frames into programs and unknowns. */
int fz_identify_group(struct fz_identify *id, struct fz_error *err);
void fz_identify_ungroup(struct fz_identify *id);

/* Rule 5 for one unknown frame, against the sorted places of rules 3 and 4. */
struct fz_places {
	struct fz_place *space, *vm;	/* by address space; by VM, with cr3 = 0 */
	size_t n, cap, nvm;
};
int fz_find_modified(struct fz_identify *id, const struct fz_places *p, struct fz_frame *f,
		     struct fz_error *err);
int fz_place_order(const void *a, const void *b);

static inline const struct fz_hashdb_file *class_file(const struct fz_results *r, uint32_t class)
{
	return &r->files[r->classes[class].file];
}

#endif
