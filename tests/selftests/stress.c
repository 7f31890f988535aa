// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress.c - no execution without capture, under all that a host may do
 *
 * Runs on a host with fitzroy.ko loaded and nobody else watching. Prints TAP.
 *
 *	stress [--flips N] [--seconds N] [--vcpus N] [--seed N] [--bare] [CASE...]
 *
 * Each case runs until the guest has executed N changes (default 2000), or the
 * seconds (default 60) are over. With --bare nobody watches and N calls are enough:
 * a guest that dies then, died of KVM or of what emulates its host.
 */
#include <err.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "stress.h"

struct fz_device *dev;
struct fz_reader *reader;
struct fz_error error;

static const struct stress_case *find(const char *name)
{
	const struct stress_case *test;

	for (test = stress_cases; test->name; test++)
		if (!strcmp(test->name, name))
			return test;
	errx(2, "no case %s", name);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "flips", required_argument, NULL, 'f' },
		{ "seconds", required_argument, NULL, 's' },
		{ "vcpus", required_argument, NULL, 'v' },
		{ "seed", required_argument, NULL, 'r' },
		{ "bare", no_argument, NULL, 'b' },
		{}
	};
	unsigned int seconds = 60, nvcpus = MAX_VCPUS;
	uint64_t flips = 2000, seed = 1;
	const struct stress_case *test;
	static struct vm idle;
	bool bare = false;
	int c, i;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		uint64_t n = optarg ? strtoull(optarg, NULL, 0) : c == 'b';

		if (!n)
			errx(2, "usage: stress [--flips N] [--seconds N] [--vcpus N] [--seed N] [--bare] [CASE...]");
		switch (c) {
		case 'f': flips = n; break;
		case 's': seconds = n; break;
		case 'v': nvcpus = n; break;
		case 'r': seed = n; break;
		case 'b': bare = true; break;
		}
	}
	/* A power of two: the guest draws one of the SMM handlers. */
	if (nvcpus != 1 && nvcpus != 2 && nvcpus != 4)
		errx(2, "--vcpus: 1, 2 or 4");
	if (!bare && (fz_device_open(&dev, &error) || fz_device_reader(dev, false, &reader, &error)))
		errx(2, "%s", error.text);
	/* See selftest.c: KVM's static keys stay as they are while there is a VM. */
	vm_new(&idle, 1);
	if (optind == argc)
		for (test = stress_cases; test->name; test++)
			stress_run(test, flips, seconds, nvcpus, seed);
	for (i = optind; i < argc; i++)
		stress_run(find(argv[i]), flips, seconds, nvcpus, seed);
	vm_free(&idle);
	fz_device_close(dev);
	return done();
}
