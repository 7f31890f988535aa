// SPDX-License-Identifier: GPL-2.0-only
/* labelling.c - open the labels that report and watch use */
#include <errno.h>
#include <stdlib.h>
#include "labelling.h"

int open_labels(struct fz_report_labels *out, const struct labelling *o, const char *db)
{
	char *beside = o->file ? NULL : fz_labels_beside(db);
	struct fz_error err;
	int ret;

	if (!o->file && !beside)
		return trouble("out of memory");
	ret = fz_labels_open(&out->labels, o->file ? o->file : beside, &err);
	free(beside);
	/* Nobody asked for any. */
	if (ret == -ENOENT && !o->file)
		return o->release ? trouble("--release: %s", err.text) : EXIT_DONE;
	if (!ret && o->release)
		ret = fz_labels_set_release(out->labels, o->release, &err);
	return ret ? trouble("%s", err.text) : EXIT_DONE;
}
