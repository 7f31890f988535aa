/* SPDX-License-Identifier: GPL-2.0-only */
/* labels_writer.h - a writer's inside: labels_write.c collects, labels_publish.c writes */
#ifndef FZ_LABELS_WRITER_H
#define FZ_LABELS_WRITER_H

#include "labels_format.h"
#include "labels_write.h"

/* A record: its key at @at of the writer's data, its value behind. */
struct fz_lab_rec {
	size_t at;
	uint32_t key_len, val_len;
	enum fz_lab_table table;
};

struct fz_labels_writer {
	struct fz_store_writer out;
	struct fz_labels *old;		/* NULL = there is none */
	uint8_t *data;
	struct fz_lab_rec *recs;
	size_t len, cap, nrecs, recs_cap;
	size_t kept_len, kept_recs;
	size_t limit;
	struct fz_labels_source current;	/* its name is NULL between sources */
	struct fz_labels_source *sources;	/* that the new file will have */
	size_t nsources, sources_cap;
	uint32_t last_id;
	bool changed, failed;
};

#endif
