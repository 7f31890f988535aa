/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lockdown.h - between opening what is needed and reading what others wrote
 */
#ifndef FZ_LOCKDOWN_H
#define FZ_LOCKDOWN_H

#include "cmd.h"
#include "device.h"

/*
 * Give up what is not needed any more; sandbox.h says what. Only @dev (may be NULL)
 * and @output (may be -1) can be used, and with @detach VMs can be let go. @user
 * is --user, or NULL. 0, or an exit code with the line printed.
 */
int lock_down(const char *user, const struct fz_device *dev, bool detach, int output);

#endif
