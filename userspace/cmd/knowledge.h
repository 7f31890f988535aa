/* SPDX-License-Identifier: GPL-2.0-only */
/* knowledge.h - what the operator knows and the database doesn't */
#ifndef FZ_KNOWLEDGE_H
#define FZ_KNOWLEDGE_H

#include "identify.h"

#define GENERATORS	"/etc/fitzroy/generators"

/*
 * Tell @id of the programs that @path names, one shell pattern a line, # begins a
 * comment. NULL is GENERATORS, if it is there. 0, or an exit code with the line printed.
 */
int know_generators(struct fz_identify *id, const char *path);

/* The value of --max-frames; 0 is no limit. 0, or an exit code with the line printed. */
int max_frames_option(const char *cmd, const char *value, size_t *frames);

/* Originals of pages, from packages, directories and programs. */
struct reference;

/* Read @path to @ref, which is made if it is NULL. As above. */
int reference_add(struct reference **ref, const char *path);
/* @id asks @ref from here on; NULL is fine. */
void reference_use(struct reference *ref, struct fz_identify *id);
void reference_free(struct reference *ref);

#endif
