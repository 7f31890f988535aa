// SPDX-License-Identifier: GPL-2.0-only
/* fzd.c - a daemon; each SIGUSR1 makes it run a page of its code that it did not run before */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* upgrade/pages.py */
extern int fzd_stage0(int), fzd_stage1(int), fzd_stage2(int), fzd_stage3(int);

static int (*const stages[])(int) = { fzd_stage0, fzd_stage1, fzd_stage2, fzd_stage3 };

/* Whole or not at all, for who reads it. */
static void say(int stage)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%d %d\n", VERSION, stages[stage](stage));
	int fd = open("/run/fzd.new", O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (write(fd, text, n) != n || rename("/run/fzd.new", "/run/fzd"))
		_exit(1);
	close(fd);
}

int main(int argc, char **argv)
{
	sigset_t set;
	int stage, sig;

	if (argc > 1 && !strcmp(argv[1], "--once")) {
		printf("%d %d\n", VERSION, stages[0](0));
		return 0;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (stage = 0; stage < 4; stage++) {
		say(stage);
		sigwait(&set, &sig);
	}
	return 0;
}
