// SPDX-License-Identifier: GPL-2.0-only
/* options.c - getopt_long with one error style */
#include <stdio.h>
#include "options.h"

int next_option(int argc, char **argv, const char *letters, const struct option *options)
{
	char text[64];
	int c, at = optind;

	opterr = 0;
	snprintf(text, sizeof(text), ":h%s", letters);
	c = getopt_long(argc, argv, text, options, NULL);
	if (c == 'h')
		help(argv[0]);
	else if (c == ':')
		usage(argv[0], "%.64s needs a value", argv[at ? at : 1]);
	else if (c == '?')
		usage(argv[0], "unknown option %.64s", argv[at ? at : 1]);
	return c == ':' ? '?' : c;
}

int only_json(int argc, char **argv, bool *json)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	int c;

	while ((c = next_option(argc, argv, "", options)) != -1) {
		if (c != OPT_JSON)
			return c == 'h' ? EXIT_DONE : EXIT_TROUBLE;
		*json = true;
	}
	if (optind < argc)
		return usage(argv[0], "takes no '%.64s'", argv[optind]);
	return -1;
}
