/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * session.h - attach, read until told to stop, detach: watch and record
 */
#ifndef FZ_SESSION_H
#define FZ_SESSION_H

#include "cmd.h"
#include "device.h"

#define SESSION_VMS_MAX 64

struct session_args {
	const char *vm[SESSION_VMS_MAX];	/* --vm */
	size_t nvms;
	bool all, keep, lossless;
	const char *user;			/* --user */
};

/* The options that watch and record share. */
#define SESSION_OPTIONS \
	{ "vm", required_argument, NULL, OPT_VM }, \
	{ "all", no_argument, NULL, OPT_ALL }, \
	{ "keep", no_argument, NULL, OPT_KEEP }, \
	{ "lossless", no_argument, NULL, OPT_LOSSLESS }, \
	{ "user", required_argument, NULL, OPT_USER }

struct session {
	struct fz_device *dev;
	struct fz_reader *reader;
	const struct session_args *args;
	struct fz_vm_desc *before;		/* VMs that were watched before */
	size_t nbefore;
	uint64_t *ours;			/* VMs that this session attached */
	size_t nours;
	bool new_on;			/* this session attaches new VMs */
	bool seen;			/* some VM was watched during the session */
};

/* Take option @c of command @name; EXIT_TROUBLE if it is wrong, or 'h' after --help. */
int session_option(struct session_args *args, const char *name, int c);

/* Open the device, become its reader, attach. 0, or an exit code with the line printed. */
int session_open(struct session *s, const struct session_args *args);
/* Before the first record is read; @output as for lock_down(). Detach if it fails. */
int session_lock(struct session *s, int output);
/* Wait for records or a signal, at most @ms. */
void session_wait(struct session *s, int ms);
/* SIGINT, SIGTERM or SIGHUP came. */
bool session_stopped(void);
/* Some VM was watched, and none is now. */
bool session_died(struct session *s);
/* Let go what the session attached, unless --keep. Its records can still be read. */
void session_detach(struct session *s);
void session_close(struct session *s);

#endif
