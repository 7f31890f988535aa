/* SPDX-License-Identifier: GPL-2.0-only */
/* labelling.h - the labels that report and watch use */
#ifndef FZ_CMD_LABELLING_H
#define FZ_CMD_LABELLING_H

#include "cmd.h"
#include "report_labels.h"

struct labelling {
	const char *file;	/* --labels; NULL = labels.db beside the database, if it is there */
	const char *release;	/* --release */
};

/* Open what @o asks for; @out->labels stays NULL if there is none. Return an exit code. */
int open_labels(struct fz_report_labels *out, const struct labelling *o, const char *db);

#endif
