// SPDX-License-Identifier: GPL-2.0-only
/*
 * profile.c - count the instructions of an emulated kernel one by one, between marks
 *
 * A plugin of QEMU's (its API, version 1; there is no package with the header). A mark is
 * an instruction that does nothing, nopl 0x5a5a33NN(%rax): from NN to the next mark all is
 * counted under NN; 0 counts nowhere. Writes "ADDRESS NN COUNT" lines when the emulator ends.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARKS	32
#define BUCKETS	(1U << 18)

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
						  void (*cb)(plugin_id, struct qemu_plugin_tb *));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
						   void (*cb)(unsigned int, void *), int flags,
						   void *data);
extern void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op,
						       void *ptr, uint64_t imm);
extern void qemu_plugin_register_atexit_cb(plugin_id id, void (*cb)(plugin_id, void *), void *data);

int qemu_plugin_version = 1;

/* One instruction of the kernel's: how often it ran, and of that since and before the mark. */
struct site {
	uint64_t address, count, since;
	uint64_t under[MARKS];
	struct site *next, *all;
};

static struct site *buckets[BUCKETS], *all, elsewhere;
static unsigned int mark;
static const char *out;

static struct site *site(uint64_t address)
{
	struct site **bucket = &buckets[(address * 0x9e3779b97f4a7c15ULL) >> 46], *s;

	for (s = *bucket; s; s = s->next)
		if (s->address == address)
			return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->address = address;
	s->next = *bucket;
	*bucket = s;
	s->all = all;
	all = s;
	return s;
}

static void at_mark(unsigned int cpu, void *data)
{
	struct site *s;

	(void)cpu;
	for (s = all; s; s = s->all) {
		s->under[mark] += s->count - s->since;
		s->since = s->count;
	}
	mark = (uintptr_t)data;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	static const uint8_t nop[] = { 0x0f, 0x1f, 0x80 }, key[] = { 0x33, 0x5a, 0x5a };
	size_t i;

	(void)id;
	for (i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		const uint8_t *bytes = qemu_plugin_insn_data(insn);
		struct site *s = address >> 63 ? site(address) : &elsewhere;

		if (qemu_plugin_insn_size(insn) == 7 && !memcmp(bytes, nop, 3) &&
		    !memcmp(bytes + 4, key, 3))
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, at_mark, 0, (void *)(uintptr_t)(bytes[3] % MARKS));
		qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &s->count, 1);
	}
}

static void at_exit(plugin_id id, void *data)
{
	FILE *f = out ? fopen(out, "w") : NULL;
	struct site *s;
	unsigned int i;

	(void)id;
	(void)data;
	if (!f)
		return;
	for (s = all; s; s = s->all)
		for (i = 1; i < MARKS; i++)
			if (s->under[i])
				fprintf(f, "%llx %u %llu\n", (unsigned long long)s->address, i,
					(unsigned long long)s->under[i]);
	fclose(f);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
