// SPDX-License-Identifier: GPL-2.0-only
/*
 * count.c - what a command costs, by the time-stamp counter
 *
 *	count NAME COMMAND [ARG]...	prints "count: NAME TICKS IDLE STATUS"
 *	count churn MIB SECONDS		writes and drops memory, 64 MiB at a time
 *
 * Under QEMU's -icount shift=0 the TSC counts instructions, of the guest and of the host
 * beneath it alike. IDLE is for how long the kernel had nothing to run, in ns, which is
 * the same unit there; TICKS has it in it. The output of the command goes nowhere.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define PART	(64UL << 20)

static unsigned long long idle(void)
{
	FILE *f = fopen("/proc/timer_list", "r");
	unsigned long long sum = 0, one;
	char line[256];

	if (!f)
		err(2, "/proc/timer_list");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " .idle_sleeptime : %llu", &one) == 1)
			sum += one;
	fclose(f);
	return sum;
}

static int churn(unsigned long mib, unsigned int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned long rounds = 0, i;
	char *part[64] = { NULL };
	unsigned int parts = mib / (PART >> 20);

	if (!parts || parts > 64)
		errx(2, "churn: from 64 to 4096 MiB");
	for (; time(NULL) < end; rounds++) {
		char **p = &part[rounds % parts];

		if (*p)
			munmap(*p, PART);
		*p = mmap(NULL, PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (*p == MAP_FAILED)
			err(2, "mmap");
		for (i = 0; i < PART; i += 4096)
			(*p)[i] = rounds;
	}
	printf("count: churned %lu MiB\n", rounds * (PART >> 20));
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long long slept, start, ticks;
	int status = -1, null;
	pid_t pid;

	if (argc == 4 && !strcmp(argv[1], "churn"))
		return churn(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
	if (argc < 3)
		errx(2, "usage: count NAME COMMAND [ARG]... | count churn MIB SECONDS");
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0)
		err(2, "/dev/null");
	slept = idle();
	start = __rdtsc();
	pid = fork();
	if (!pid) {
		dup2(null, 1);
		execvp(argv[2], argv + 2);
		err(127, "%s", argv[2]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		err(2, "%s", argv[2]);
	ticks = __rdtsc() - start;
	printf("count: %s %llu %llu %d\n", argv[1], ticks, idle() - slept, status);
	return 0;
}
