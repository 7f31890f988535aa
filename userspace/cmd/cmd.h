/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd.h - what the subcommands share
 *
 * A command gets argv[0] = its own name and returns an exit code.
 */
#ifndef FZ_CMD_H
#define FZ_CMD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "error.h"

#define EXIT_DONE	0
#define EXIT_FINDING	1
#define EXIT_TROUBLE	2	/* usage or environment */

int cmd_list(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_db(int argc, char **argv);

/* Print "fitzroy: ..." on stderr; return EXIT_TROUBLE. */
int trouble(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for wrong arguments; @name's usage line follows. */
int usage(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Print @name's help on stdout; return EXIT_DONE. */
int help(const char *name);
/* Print @object on a line and free it; EXIT_TROUBLE if it is NULL: out of memory. */
int print_object(json_t *object);
/* Flush stdout; EXIT_TROUBLE if that or an earlier write failed, else @code. */
int finish_stdout(int code);

#endif
