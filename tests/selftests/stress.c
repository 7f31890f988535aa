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
#include "again.h"
#include "stress.h"

struct fz_device *dev;
struct fz_reader *reader;
struct fz_error error;

struct run {
	const struct stress_case *test;
	unsigned int seconds, nvcpus;
	uint64_t flips, seed;
};

static void run(const void *arg)
{
	const struct run *r = arg;

	stress_run(r->test, r->flips, r->seconds, r->nvcpus, r->seed);
}

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
	struct run r = { .seconds = 60, .nvcpus = MAX_VCPUS, .flips = 2000, .seed = 1 };
	static struct vm idle;
	bool bare = false;
	int c, i;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		uint64_t n = optarg ? strtoull(optarg, NULL, 0) : c == 'b';

		if (!n)
			errx(2, "usage: stress [--flips N] [--seconds N] [--vcpus N] [--seed N] "
			     "[--bare] [CASE...]");
		switch (c) {
		case 'f': r.flips = n; break;
		case 's': r.seconds = n; break;
		case 'v': r.nvcpus = n; break;
		case 'r': r.seed = n; break;
		case 'b': bare = true; break;
		}
	}
	/* A power of two: the guest draws one of the SMM handlers. */
	if (r.nvcpus != 1 && r.nvcpus != 2 && r.nvcpus != 4)
		errx(2, "--vcpus: 1, 2 or 4");
	if (!bare && (fz_device_open(&dev, &error) ||
		      fz_device_reader(dev, false, &reader, &error)))
		errx(2, "%s", error.text);
	/* See selftest.c: KVM's static keys stay as they are while there is a VM. */
	vm_new(&idle, 1);
	if (optind == argc)
		for (r.test = stress_cases; r.test->name; r.test++)
			again_run(run, &r);
	for (i = optind; i < argc; i++) {
		r.test = find(argv[i]);
		again_run(run, &r);
	}
	vm_free(&idle);
	fz_device_close(dev);
	return done();
}
