// SPDX-License-Identifier: GPL-2.0-only
/*
 * attack - one attack, or its clean twin, in the guest of the attack suite
 *
 *	attack STEP [twin]
 *
 * A step does what it is named for, checks that it worked, and says on the console what
 * ran where; the whole account, pages and all, goes to /run/attack/truth. A twin goes the
 * same way without the change. Exit 0: it worked.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "attack.h"

const char *step = "?";
int twin;

static const struct {
	const char *name;
	int (*run)(void);
	const char *module, *mode;
} steps[] = {
	{ "libc-byte", libc_byte, NULL, NULL },
	{ "libc-disk", libc_disk, NULL, NULL },
	{ "libc-disk-caller", libc_disk_caller, NULL, NULL },
	{ "inject", inject, NULL, NULL },
	{ "wx", wx, NULL, NULL },
	{ "memfd", memfd, NULL, NULL },
	{ "deleted", deleted, NULL, NULL },
	{ "packed", packed, NULL, NULL },
	{ "upx", upx, NULL, NULL },
	{ "hollow", hollow, NULL, NULL },
	{ "forged", forged, NULL, NULL },
	{ "bpf", bpf, NULL, NULL },
	{ "static-key", static_key, NULL, NULL },
	{ "hide-ftrace", NULL, "hook.ko", "ftrace" },
	{ "hide-pointer", NULL, "hook.ko", "pointer" },
	{ "hook-inline", NULL, "hook.ko", "inline" },
	{ "hook-site", NULL, "hook.ko", "site" },
	{ "hook-table", NULL, "hook.ko", "table" },
	{ "watcher", NULL, "watcher.ko", "watch" },
};

int main(int argc, char **argv)
{
	char line[256], file[64];
	size_t i;
	int rc = 2;

	twin = argc > 2 && !strcmp(argv[2], "twin");
	for (i = 0; argc > 1 && i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (strcmp(steps[i].name, argv[1]))
			continue;
		step = steps[i].name;
		if (steps[i].run != libc_disk_caller)
			printf("attack: %s%s: begin, pid %d\n", step, twin ? " twin" : "", getpid());
		snprintf(file, sizeof(file), HERE "%s", steps[i].module ? steps[i].module : "");
		rc = steps[i].module ? module(file, steps[i].mode) : steps[i].run();
		break;
	}
	snprintf(line, sizeof(line), "{\"step\": \"%s\", \"twin\": %d, \"role\": \"end\", \"status\": %d}", step,
		 twin, rc);
	account_line(line);
	printf("attack: %s%s: end, %s\n", step, twin ? " twin" : "", rc ? "it did not work" : "it worked");
	return rc;
}
