/* SPDX-License-Identifier: GPL-2.0-only */
/* db.h - the subcommands of "fitzroy db" */
#ifndef FZ_CMD_DB_H
#define FZ_CMD_DB_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Add @n paths to the database at @db, packages as of @release (release.h, or "") unless the
 * root that they are in says another; return the exit code.
 */
int db_add(const char *db, const char *release, int n, char **paths);

/* What is in it, by kind and architecture. */
int db_info(const char *db, bool json);

/* "db cve": argv[0] is its own name. */
int db_cve(int argc, char **argv);

/* Print @object, which is freed, on a line. An exit code. */
int db_print_json(json_t *object);

/* Of enum fz_hashdb_kind, one word. */
const char *db_kind_name(unsigned int kind);

#endif
