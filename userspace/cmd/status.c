// SPDX-License-Identifier: GPL-2.0-only
/* status.c - fitzroy status: counters, in total and by VM */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include "device.h"
#include "options.h"
#include "report.h"
#include "text.h"

#define COUNTER(field) { #field, offsetof(struct fz_counters, field) }

static const struct {
	const char *name;
	size_t at;
} counters[] = {
	COUNTER(grants), COUNTER(execs), COUNTER(reexecs), COUNTER(mixed), COUNTER(lost_execs),
	COUNTER(late), COUNTER(writes), COUNTER(changed), COUNTER(lost), COUNTER(fetch_faults),
	COUNTER(write_faults), COUNTER(read_faults), COUNTER(zaps), COUNTER(retries),
	COUNTER(held), COUNTER(hold_timeouts), COUNTER(frames), COUNTER(exec_frames),
	COUNTER(memory), COUNTER(violations), COUNTER(errors), COUNTER(verified),
	COUNTER(drifts), COUNTER(host_flushes), COUNTER(mixed_ns),
};

#define NCOUNTERS (sizeof(counters) / sizeof(counters[0]))

_Static_assert(NCOUNTERS * sizeof(uint64_t) == sizeof(struct fz_counters),
	       "every counter is shown");

static uint64_t value(const struct fz_counters *c, size_t i)
{
	return *(const __u64 *)((const char *)c + counters[i].at);
}

static json_t *counters_json(const struct fz_counters *c)
{
	json_t *j = json_object();
	size_t i;

	for (i = 0; i < NCOUNTERS; i++)
		json_object_set_new(j, counters[i].name, json_integer(value(c, i)));
	return j;
}

static int print_json(const struct fz_device *dev, const struct fz_counters *total,
		      const struct fz_vm_desc *vms, const struct fz_counters *c, size_t n)
{
	const struct fz_info *info = fz_device_info(dev);
	json_t *list = json_array(), *j;
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:I, s:o, s:I, s:I, s:I, s:I, s:o}",
			"id", (json_int_t)vms[i].id, "name", fz_report_string(vms[i].comm),
			"pid", (json_int_t)vms[i].pid, "vcpus", (json_int_t)vms[i].vcpus,
			"memory_bytes", (json_int_t)vms[i].pages * FZ_PAGE_SIZE,
			"not_covered", (json_int_t)vms[i].not_covered,
			"counters", counters_json(&c[i])));
	j = json_pack("{s:i, s:{s:I, s:s, s:I, s:I, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o}, s:o, s:o}",
		      "schema", 1,
		      "module", "abi", (json_int_t)info->abi,
		      "vendor", info->vendor == FZ_VENDOR_INTEL ? "intel" : "amd",
		      "cpus", (json_int_t)info->cpus, "ring_bytes", (json_int_t)info->ring_bytes,
		      "lossless", !!(info->policy & FZ_POLICY_LOSSLESS),
		      "attach_new", !!info->attach_new,
		      "mixed_ns", (json_int_t)info->mixed_ns, "hold_ns", (json_int_t)info->hold_ns,
		      "verify_ns", (json_int_t)info->verify_ns,
		      "verify_pass_ns", (json_int_t)info->verify_pass_ns,
		      "verify_pages", (json_int_t)info->verify_pages,
		      "audit_ns", (json_int_t)info->audit_ns, "kernel", fz_report_string(info->kernel),
		      "total", counters_json(total), "vms", list);
	return print_object(j);
}

/* What is looked at again, and how often. */
static void second_line(const struct fz_info *info)
{
	if (info->verify_ns)
		printf("executed frames are compared with their captures every %.1f s, at most %u a "
		       "second; the last round took %.1f s\n", info->verify_ns / 1e9,
		       info->verify_pages, info->verify_pass_ns / 1e9);
	else
		puts("executed frames are not compared with their captures (verify_ms=0)");
	if (info->audit_ns)
		printf("page tables are audited every %.1f s\n", info->audit_ns / 1e9);
}

static int print_text(const struct fz_device *dev, const struct fz_counters *total,
		      const struct fz_vm_desc *vms, const struct fz_counters *c, size_t n)
{
	const struct fz_info *info = fz_device_info(dev);
	char *kernel = fz_text_plain(info->kernel), *name;
	size_t i, k;

	if (!kernel)
		return trouble("out of memory");
	printf("module for %s, %s; rings: %u of %" PRIu64 " KiB; %s; new VMs %s attached\n",
	       kernel, info->vendor == FZ_VENDOR_INTEL ? "EPT" : "NPT", info->cpus,
	       (uint64_t)info->ring_bytes / 1024,
	       info->policy & FZ_POLICY_LOSSLESS ? "lossless" : "losses are logged",
	       info->attach_new ? "are" : "are not");
	free(kernel);
	second_line(info);
	for (i = 0; i < n; i++) {
		name = fz_text_plain(vms[i].comm);
		if (!name)
			return trouble("out of memory");
		printf("VM %" PRIu64 ": %s, pid %u, %u vCPUs, %" PRIu64 " MiB\n",
		       (uint64_t)vms[i].id, name, vms[i].pid, vms[i].vcpus,
		       (uint64_t)vms[i].pages / 256);
		free(name);
	}
	printf("\n%-14s %14s", "", "TOTAL");
	for (i = 0; i < n; i++) {
		char vm[32];

		snprintf(vm, sizeof(vm), "VM %" PRIu64, (uint64_t)vms[i].id);
		printf("  %12s", vm);
	}
	putchar('\n');
	for (k = 0; k < NCOUNTERS; k++) {
		printf("%-14s %14" PRIu64, counters[k].name, value(total, k));
		for (i = 0; i < n; i++)
			printf("  %12" PRIu64, value(&c[i], k));
		putchar('\n');
	}
	return EXIT_DONE;
}

static int status(struct fz_device *dev, bool json)
{
	struct fz_counters total, *c = NULL;
	struct fz_vm_desc *vms = NULL;
	struct fz_error err;
	size_t n = 0, i, k;
	int ret;

	if (fz_device_list(dev, &vms, &n, &err))
		return trouble("%s", err.text);
	c = calloc(n + 1, sizeof(*c));
	if (!c) {
		free(vms);
		return trouble("out of memory");
	}
	for (i = 0, k = 0; i < n; i++) {
		/* It may go between the two calls. */
		if (fz_device_stat(dev, vms[i].id, &c[k], &err))
			continue;
		vms[k++] = vms[i];
	}
	if (fz_device_stat(dev, 0, &total, &err))
		ret = trouble("%s", err.text);
	else
		ret = json ? print_json(dev, &total, vms, c, k) :
			     print_text(dev, &total, vms, c, k);
	free(vms);
	free(c);
	return finish_stdout(ret);
}

int cmd_status(int argc, char **argv)
{
	struct fz_device *dev;
	struct fz_error err;
	bool json = false;
	int ret;

	ret = only_json(argc, argv, &json);
	if (ret >= 0)
		return ret;
	if (fz_device_open(&dev, &err))
		return trouble("%s", err.text);
	ret = status(dev, json);
	fz_device_close(dev);
	return ret;
}
