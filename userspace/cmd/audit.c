// SPDX-License-Identifier: GPL-2.0-only
/* audit.c - fitzroy audit: walk the page tables now */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "device.h"
#include "options.h"
#include "report.h"

#define FOUND_MAX 256	/* bad entries named, per VM */

static json_t *found_json(const struct fz_audit_found *f, uint32_t n)
{
	json_t *a = json_array();
	uint32_t i;

	for (i = 0; a && i < n; i++)
		json_array_append_new(a, json_pack("{s:o, s:i, s:o, s:s}",
			"gfn", json_sprintf("0x%" PRIx64, (uint64_t)f[i].gfn),
			"level", (int)f[i].level,
			"entry", json_sprintf("0x%" PRIx64, (uint64_t)f[i].spte),
			"state", fz_state_name(f[i].state)));
	return a;
}

static json_t *to_json(const struct fz_audit *a, const struct fz_audit_found *f)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "id", (json_int_t)a->id,
			 "leaves_4k", (json_int_t)a->leaves_4k, "leaves_2m",
			 (json_int_t)a->leaves_2m, "leaves_1g", (json_int_t)a->leaves_1g,
			 "exec", (json_int_t)a->exec, "violations", (json_int_t)a->violations,
			 "entries", found_json(f, a->found_max));
}

static void to_text(const struct fz_audit *a, const struct fz_audit_found *f)
{
	uint32_t i;

	printf("VM %" PRIu64 ": %" PRIu64 " entries of 4 KiB, %" PRIu64 " of 2 MiB, %" PRIu64
	       " of 1 GiB; %" PRIu64 " executable; %" PRIu64 " violation%s\n", (uint64_t)a->id,
	       (uint64_t)a->leaves_4k, (uint64_t)a->leaves_2m, (uint64_t)a->leaves_1g,
	       (uint64_t)a->exec, (uint64_t)a->violations, a->violations == 1 ? "" : "s");
	for (i = 0; i < a->found_max; i++)
		printf("  gfn 0x%" PRIx64 " level %u entry 0x%" PRIx64 " is not allowed: the frame is %s\n",
		       (uint64_t)f[i].gfn, f[i].level, (uint64_t)f[i].spte,
		       fz_state_name(f[i].state));
	if (a->violations > a->found_max)
		printf("  and %" PRIu64 " more\n", (uint64_t)a->violations - a->found_max);
}

/* @only = 0: all VMs, and one that goes meanwhile is no error. */
static int audit(struct fz_device *dev, uint64_t only, bool json)
{
	static struct fz_audit_found found[FOUND_MAX];
	json_t *list = json_array(), *j;
	uint64_t violations = 0;
	struct fz_vm_desc *vms;
	struct fz_error err;
	size_t n, i, seen = 0;
	int ret;

	if (fz_device_list(dev, &vms, &n, &err)) {
		json_decref(list);
		return trouble("%s", err.text);
	}
	for (i = 0; i < n; i++) {
		struct fz_audit a;

		if (only && vms[i].id != only)
			continue;
		ret = fz_device_audit_found(dev, vms[i].id, &a, found, FOUND_MAX, &err);
		if (ret == -ENOENT)
			continue;
		if (ret) {
			free(vms);
			json_decref(list);
			return trouble("%s", err.text);
		}
		seen++;
		violations += a.violations;
		if (json)
			json_array_append_new(list, to_json(&a, found));
		else
			to_text(&a, found);
	}
	free(vms);
	if (only && !seen) {
		json_decref(list);
		return trouble("no VM %" PRIu64 " is attached; see fitzroy list", only);
	}
	if (json) {
		j = json_pack("{s:i, s:I, s:o}", "schema", 1, "violations",
			      (json_int_t)violations, "vms", list);
		if (print_object(j))
			return EXIT_TROUBLE;
	} else {
		json_decref(list);
		if (!seen)
			puts("no VM is attached");
	}
	return finish_stdout(violations ? EXIT_FINDING : EXIT_DONE);
}

int cmd_audit(int argc, char **argv)
{
	static const struct option options[] = {
		{ "vm", required_argument, NULL, OPT_VM },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	struct fz_device *dev;
	struct fz_error err;
	bool json = false;
	uint64_t only = 0;
	const char *digits;
	char *end;
	int c, ret;

	while ((c = next_option(argc, argv, "", options)) != -1) {
		switch (c) {
		case OPT_VM:
			digits = strncmp(optarg, "id:", 3) ? optarg : optarg + 3;
			only = strtoull(digits, &end, 10);
			if (*digits < '0' || *digits > '9' || *end || !only)
				return usage("audit", "--vm %.64s is not a VM's id", optarg);
			break;
		case OPT_JSON:
			json = true;
			break;
		default:
			return c == 'h' ? EXIT_DONE : EXIT_TROUBLE;
		}
	}
	if (optind < argc)
		return usage("audit", "takes no '%.64s'", argv[optind]);
	if (fz_device_open(&dev, &err))
		return trouble("%s", err.text);
	ret = audit(dev, only, json);
	fz_device_close(dev);
	return ret;
}
