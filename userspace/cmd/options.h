/* SPDX-License-Identifier: GPL-2.0-only */
/* options.h - getopt_long with one error style */
#ifndef FZ_OPTIONS_H
#define FZ_OPTIONS_H

#include <getopt.h>
#include "cmd.h"

/* Long options without a letter. */
enum {
	OPT_ALL = 256,
	OPT_AS,
	OPT_DB,
	OPT_DIED,
	OPT_FORCE,
	OPT_FORMAT,
	OPT_FRAMES,
	OPT_GENERATORS,
	OPT_JSON,
	OPT_KEEP,
	OPT_KEY,
	OPT_LABELS,
	OPT_LIVE,
	OPT_LOSSLESS,
	OPT_MAX_FRAMES,
	OPT_NAME,
	OPT_PUBKEY,
	OPT_REFERENCE,
	OPT_RELEASE,
	OPT_SYNC,
	OPT_TIMEOUT,
	OPT_USER,
	OPT_VM,
};

/*
 * The next option's value, -1 at the end. After a wrong option, '?': the line is
 * printed. After --help, 'h': the help is printed.
 */
int next_option(int argc, char **argv, const char *letters, const struct option *options);

/* For a command whose one option is --json: -1 = go on, else the exit code. */
int only_json(int argc, char **argv, bool *json);

#endif
