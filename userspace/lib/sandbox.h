/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sandbox.h - give up what reading a hostile guest's records does not need
 */
#ifndef FZ_SANDBOX_H
#define FZ_SANDBOX_H

#include <stddef.h>
#include "error.h"

#define FZ_SANDBOX_USER	"_fitzroy"	/* whom root becomes, if there is one */

struct fz_sandbox {
	const char *user;		/* become this one; NULL = FZ_SANDBOX_USER or nobody else */
	int device;			/* the one file for @ioctls, or -1 */
	const unsigned long *ioctls;
	size_t nioctls;
	int output;			/* may be written, synced and cut, as 1 and 2 may; or -1 */
};

/*
 * For good: no capability, no new privileges, no core dump, no debugger; and from
 * here on no system call but reading and writing what is open, waiting, memory that
 * is not executable, and the ioctls named. Any other ends the process by SIGSYS.
 * -EPERM: only root can become another user; -ENOENT: no such user; -ENOSYS: the
 * kernel has no seccomp.
 */
int fz_sandbox_enter(const struct fz_sandbox *box, struct fz_error *err);

#endif
