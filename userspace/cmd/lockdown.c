// SPDX-License-Identifier: GPL-2.0-only
/* lockdown.c - between opening what is needed and reading what others wrote */
#include "lockdown.h"
#include "sandbox.h"

int lock_down(const char *user, const struct fz_device *dev, bool detach, int output)
{
	struct fz_sandbox box = { .user = user, .device = -1, .output = output };
	struct fz_error err;

	if (dev) {
		box.device = fz_device_fd(dev);
		box.ioctls = fz_device_calls(detach, &box.nioctls);
	}
#ifdef FZ_NO_LOCKDOWN
	/* Sanitizers and valgrind make system calls of their own. */
	return EXIT_DONE;
#endif
	return fz_sandbox_enter(&box, &err) ? trouble("%s", err.text) : EXIT_DONE;
}
