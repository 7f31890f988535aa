// SPDX-License-Identifier: GPL-2.0-only
/* main.c - the fitzroy command: a table of subcommands */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "cmd.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
	const char *does;
} commands[] = {
	{ "list", cmd_list, "[--json]", "the virtual machines of this host" },
	{ "watch", cmd_watch,
	  "[--vm ID|PID]... [--all] [--db FILE] [--labels FILE] [--release NAME] [--json]\n"
	  "                      [--keep] [--lossless] [--generators FILE] [--max-frames N]\n"
	  "                      [--user NAME]",
	  "attach and follow: each program first seen, each finding" },
	{ "record", cmd_record,
	  "[--vm ID|PID]... [--all] -o FILE [--force] [--exit-when-died] [--timeout S]\n"
	  "                      [--keep] [--lossless] [--key FILE] [--sync S] [--user NAME]",
	  "attach and write every event to a hash-chained, sealed log" },
	{ "report", cmd_report,
	  "FILE|--live [--format text|json|frames] [--frames OUT] [--db FILE]\n"
	  "                      [--labels FILE] [--release NAME] [--reference PATH]...\n"
	  "                      [--generators FILE] [--max-frames N] [--user NAME]",
	  "what ran: programs, packages, versions, coverage" },
	{ "dump", cmd_dump, "FILE -o DIR [--db FILE] [--generators FILE] [--user NAME]",
	  "the contents of frames that were not identified, into a new directory" },
	{ "verify", cmd_verify, "FILE [--pubkey FILE] [--json] [--user NAME]",
	  "is a log whole, unbroken and sealed; what was lost" },
	{ "status", cmd_status, "[--json]", "counters, in total and by VM" },
	{ "audit", cmd_audit, "[--vm ID] [--json]", "walk the page tables now" },
	{ "db", cmd_db, "add|info|list|check|cve ...", "the database of known binaries, and what advisories say of them" },
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < NCOMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int vtrouble(const char *fmt, va_list ap)
{
	fflush(stdout);
	fputs("fitzroy: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	return EXIT_TROUBLE;
}

int trouble(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vtrouble(fmt, ap);
	va_end(ap);
	return EXIT_TROUBLE;
}

int usage(const char *name, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return trouble("%s: %s; see fitzroy %s --help", name, what, name);
}

int help(const char *name)
{
	const struct command *c = find(name);

	printf("usage: fitzroy %s %s\n%s\n", c->name, c->usage, c->does);
	return finish_stdout(EXIT_DONE);
}

int finish_stdout(int code)
{
	if (fflush(stdout) || ferror(stdout))
		return trouble("cannot write to standard output");
	return code;
}

int print_object(json_t *object)
{
	if (!object)
		return trouble("out of memory");
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
	return EXIT_DONE;
}

static int overview(void)
{
	size_t i;

	puts("fitzroy - which programs does a virtual machine run?\n");
	for (i = 0; i < NCOMMANDS; i++)
		printf("  fitzroy %-7s %s\n                  %s\n", commands[i].name,
		       commands[i].usage, commands[i].does);
	puts("\nExit codes: 0 done, 1 a finding, 2 usage or environment.");
	return finish_stdout(EXIT_DONE);
}

int main(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2)
		return trouble("no command; see fitzroy --help");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return overview();
	if (!strcmp(argv[1], "--version")) {
		puts("fitzroy " FZ_VERSION);
		return finish_stdout(EXIT_DONE);
	}
	c = find(argv[1]);
	if (!c)
		return trouble("no command '%.64s'; see fitzroy --help", argv[1]);
	return c->run(argc - 1, argv + 1);
}
