/* SPDX-License-Identifier: GPL-2.0-only */
/* db.h - the subcommands of "fitzroy db" */
#ifndef FZ_CMD_DB_H
#define FZ_CMD_DB_H

/* Add @n paths to the database at @db; return the exit code. */
int db_add(const char *db, int n, char **paths);

/* "db cve": argv[0] is its own name. */
int db_cve(int argc, char **argv);

#endif
