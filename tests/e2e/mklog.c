// SPDX-License-Identifier: GPL-2.0-only
/*
 * mklog.c - make a record log by hand, out of the pages of real files
 *
 * mklog OUT [EACH [KEY]] < SCRIPT, one record a line (addresses in hex), in blocks of
 * EACH records (16), sealed with KEY. The same script gives the same records.
 *
 *	vm ID NAME PID			the VM that the following records are of
 *	exec CR3 RIP FILE PAGE [FLIP]	page PAGE of FILE runs; bit 6 of byte FLIP is changed
 *	kernel RIP FILE PAGE		the same at privilege level 0
 *	badhash CR3 RIP FILE PAGE	... with a hash that is not its
 *	lost COUNT			COUNT records lost
 *	gap COUNT			COUNT numbers missing
 *	died
 *	seal				a seal here
 *	noend				no end mark
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "log.h"

static struct {
	struct fz_rec rec;
	uint8_t page[FZ_PAGE_SIZE];
} out;
static struct fz_log_writer *log_writer;
static uint64_t seq, vm, gfn = 0x100000, base_time;
static char name[16];
static unsigned int pid;

static void die(const char *what, const char *line)
{
	fprintf(stderr, "mklog: %s: %s\n", what, line);
	exit(2);
}

static void start(uint16_t type)
{
	memset(&out, 0, sizeof(out));
	out.rec.size = sizeof(out.rec);
	out.rec.type = type;
	out.rec.seq = seq;
	out.rec.time = base_time + seq * 1000000;
	out.rec.vm = vm;
	out.rec.vcpu = FZ_NO_VCPU;
	out.rec.gfn = FZ_NO_GFN;
	seq++;
}

static void put(const char *line)
{
	struct fz_error err;

	if (fz_log_add(log_writer, &out.rec, &err))
		die(err.text, line);
}

static void add_vm(uint16_t type, const char *line)
{
	start(type);
	memcpy(out.rec.u.vm.comm, name, sizeof(name));
	out.rec.u.vm.pid = pid;
	out.rec.u.vm.vcpus = 2;
	out.rec.u.vm.pages = 131072;
	put(line);
}

static void exec(const char *line, uint64_t cr3, uint64_t rip, const char *file, long page,
		 long flip, int cpl, int bad_hash)
{
	FILE *f = fopen(file, "rb");

	start(FZ_REC_EXEC);
	if (!f || fseek(f, page * FZ_PAGE_SIZE, SEEK_SET) || !fread(out.page, 1, FZ_PAGE_SIZE, f))
		die("cannot read the page", line);
	fclose(f);
	if (flip >= 0)
		out.page[flip % FZ_PAGE_SIZE] ^= 0x40;
	out.rec.size = sizeof(out);
	out.rec.flags = FZ_RECF_PAGE;
	out.rec.gfn = gfn++;
	out.rec.cr3 = cr3;
	out.rec.rip = rip;
	out.rec.cpl = cpl;
	out.rec.vcpu = 0;
	out.rec.mode = FZ_MODE_PE | FZ_MODE_PG | FZ_MODE_PAE | FZ_MODE_LMA | FZ_MODE_CS_L;
	out.rec.hash = XXH64(out.page, FZ_PAGE_SIZE, 0) ^ !!bad_hash;
	put(line);
}

int main(int argc, char **argv)
{
	char line[4096], word[16], file[2048];
	uint64_t cr3, rip, count = 0, each = 16;
	struct fz_seal_key *key = NULL;
	struct fz_log_header h;
	struct fz_error err;
	bool end = true;
	long page, flip;

	if (argc < 2)
		die("usage: mklog OUT [EACH [KEY]] < SCRIPT", "");
	if (argc > 2)
		each = strtoull(argv[2], NULL, 10);
	if (argc > 3 && fz_seal_key_load(&key, argv[3], &err))
		die(err.text, argv[3]);
	fz_log_describe(&h, NULL);
	h.mono = base_time = 1000000000000ULL;
	h.real = 1764000000123456789ULL;
	if (fz_log_create_as(&log_writer, argv[1], true, &h, key, &err))
		die(err.text, argv[1]);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%15s", word) != 1)
			continue;
		flip = -1;
		if (!strcmp(word, "vm")) {
			if (sscanf(line, "vm %" SCNu64 " %15s %u", &vm, name, &pid) != 3)
				die("bad line", line);
			add_vm(FZ_REC_VM_ATTACH, line);
		} else if (!strcmp(word, "died")) {
			add_vm(FZ_REC_VM_DIED, line);
		} else if (!strcmp(word, "exec") || !strcmp(word, "badhash")) {
			if (sscanf(line, "%*s %" SCNx64 " %" SCNx64 " %2047s %li %li",
				   &cr3, &rip, file, &page, &flip) < 4)
				die("bad line", line);
			exec(line, cr3, rip, file, page, flip, 3, word[0] == 'b');
		} else if (!strcmp(word, "kernel")) {
			if (sscanf(line, "kernel %" SCNx64 " %2047s %li", &rip, file,
				   &page) != 3)
				die("bad line", line);
			exec(line, 0x1000, rip, file, page, -1, 0, 0);
		} else if (sscanf(line, "lost %" SCNu64, &count) == 1) {
			start(FZ_REC_LOST);
			out.rec.u.lost = (struct fz_lost){ .first_seq = seq - 1, .count = count,
				.first_time = out.rec.time, .last_time = out.rec.time,
				.execs = count };
			seq += count;
			out.rec.seq = seq - 1;
			out.rec.vm = 0;
			put(line);
		} else if (sscanf(line, "gap %" SCNu64, &count) == 1) {
			seq += count;
		} else if (!strcmp(word, "seal")) {
			if (fz_log_flush(log_writer, true, &err))
				die(err.text, argv[1]);
		} else if (!strcmp(word, "noend")) {
			end = false;
		} else {
			die("bad line", line);
		}
		/* Blocks small enough to cut between. */
		if (seq % each == 0 && fz_log_flush(log_writer, false, &err))
			die(err.text, argv[1]);
	}
	if (end ? fz_log_end(log_writer, FZ_LOG_DIED, 0, &err) :
		  fz_log_flush(log_writer, false, &err))
		die(err.text, argv[1]);
	fz_log_close(log_writer);
	fz_seal_key_free(key);
	return 0;
}
