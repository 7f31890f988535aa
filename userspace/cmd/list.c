// SPDX-License-Identifier: GPL-2.0-only
/* list.c - fitzroy list: the virtual machines of this host */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "device.h"
#include "options.h"
#include "report.h"
#include "text.h"
#include "vms.h"

/*
 * One line. The module knows a VM by the process that made it, and /proc by who
 * holds it: they are matched by PID.
 */
struct line {
	const struct fz_host_vm *host;
	const struct fz_vm_desc *vm;
};

static int print_json(const struct line *l)
{
	const char *comm = l->vm && *l->vm->comm ? l->vm->comm : l->host ? l->host->comm : "";
	json_t *j = json_pack("{s:o, s:o, s:I, s:I, s:o, s:b}",
			      "id", l->vm ? json_integer(l->vm->id) : json_null(),
			      "vmm", fz_report_string(comm),
			      "pid", (json_int_t)(l->vm ? (int)l->vm->pid : l->host->pid),
			      "vcpus", (json_int_t)(l->vm ? l->vm->vcpus : l->host->vcpus),
			      "memory_bytes", l->vm ? json_integer(l->vm->pages * FZ_PAGE_SIZE) :
						      json_null(),
			      "attached", !!l->vm);

	return print_object(j);
}

static int print_text(const struct line *l)
{
	const char *comm = l->vm && *l->vm->comm ? l->vm->comm : l->host ? l->host->comm : "";
	char id[24] = "-", memory[32] = "unknown", *safe = fz_text_plain(comm);

	if (!safe)
		return trouble("out of memory");
	if (l->vm) {
		snprintf(id, sizeof(id), "%" PRIu64, (uint64_t)l->vm->id);
		snprintf(memory, sizeof(memory), "%" PRIu64 " MiB", (uint64_t)l->vm->pages / 256);
	}
	printf("%4s  %-15s  %8d  %5u  %10s  %s\n", id, safe,
	       l->vm ? (int)l->vm->pid : l->host->pid, l->vm ? l->vm->vcpus : l->host->vcpus,
	       memory, l->vm ? "yes" : "no");
	free(safe);
	return EXIT_DONE;
}

static int print(const struct fz_host_vm *host, size_t nhost, const struct fz_vm_desc *vms,
		 size_t nvms, bool json)
{
	bool used[4096] = { false };
	int ret = EXIT_DONE;
	size_t i, k;

	if (!json && (nhost || nvms))
		printf("%4s  %-15s  %8s  %5s  %10s  %s\n", "ID", "VMM", "PID", "VCPUS", "MEMORY",
		       "ATTACHED");
	for (i = 0; i < nhost && !ret; i++) {
		struct line l = { .host = &host[i] };

		for (k = 0; k < nvms && !l.vm; k++) {
			if (k < 4096 && !used[k] && (pid_t)vms[k].pid == host[i].pid) {
				l.vm = &vms[k];
				used[k] = true;
			}
		}
		ret = json ? print_json(&l) : print_text(&l);
	}
	/* Watched, and held by nobody that /proc shows. */
	for (k = 0; k < nvms && !ret; k++) {
		struct line l = { .vm = &vms[k] };

		if (k >= 4096 || !used[k])
			ret = json ? print_json(&l) : print_text(&l);
	}
	if (!json && !nhost && !nvms)
		puts("no virtual machines");
	return ret;
}

int cmd_list(int argc, char **argv)
{
	size_t nhost = 0, nvms = 0, hidden = 0;
	struct fz_host_vm *host = NULL;
	struct fz_device *dev = NULL;
	struct fz_vm_desc *vms = NULL;
	struct fz_error err;
	bool json = false;
	int ret;

	ret = only_json(argc, argv, &json);
	if (ret >= 0)
		return ret;
	if (fz_vms_scan(&host, &nhost, &hidden, &err))
		return trouble("%s", err.text);
	/* Without the module every VM is there all the same, and not attached. */
	if (!fz_device_open(&dev, &err) && fz_device_list(dev, &vms, &nvms, &err))
		ret = trouble("%s", err.text);
	else
		ret = print(host, nhost, vms, nvms, json);
	if (hidden)
		trouble("%zu processes could not be looked into; run as root to see all", hidden);
	fz_device_close(dev);
	free(host);
	free(vms);
	return finish_stdout(ret);
}
