// SPDX-License-Identifier: GPL-2.0-only
/*
 * truth - what the guest itself knows about its executable pages
 *
 *	truth OUT COMMAND...
 *
 * Runs COMMAND under ptrace with all its descendants. Just before each process
 * leaves its memory (execve, exit), and for every process of the guest at the
 * end, it reads /proc/PID/maps and pagemap and writes to OUT (a file or a raw
 * disk) one line for each present page of an executable file mapping that is new:
 *
 *	P NS PFN PAGE KIND PID COMM PATH
 *
 * NS: CLOCK_MONOTONIC; PFN: hex; PAGE: offset in the file, 4 KiB pages; KIND: f, or a
 * for a private copy; the last line is "# end LINES". The test compares with it;
 * the product never sees it.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096
#define PM_PRESENT	(1ULL << 63)
#define PM_FILE		(1ULL << 61)
#define PM_PFN		((1ULL << 55) - 1)

/* What the last line said about a frame. */
struct seen {
	uint64_t key;		/* of (path, page, kind); 0 = nothing */
};

static struct seen *frames;
static size_t nframes;
static uint64_t lines;
static FILE *out;

static uint64_t key_of(const char *path, uint64_t page, char kind)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 0x100000001b3ULL;
	h = (h ^ page) * 0x100000001b3ULL;
	h = (h ^ (unsigned char)kind) * 0x100000001b3ULL;
	return h ? h : 1;
}

/* Say whether @pfn's binding is new, and remember it. */
static int is_new(uint64_t pfn, uint64_t key)
{
	if (pfn >= nframes) {
		size_t n = pfn + 65536;
		struct seen *p = realloc(frames, n * sizeof(*p));

		if (!p)
			return 1;
		memset(p + nframes, 0, (n - nframes) * sizeof(*p));
		frames = p;
		nframes = n;
	}
	if (frames[pfn].key == key)
		return 0;
	frames[pfn].key = key;
	return 1;
}

static void read_comm(pid_t pid, char *comm, size_t size)
{
	char name[64];
	FILE *f;

	snprintf(comm, size, "?");
	snprintf(name, sizeof(name), "/proc/%d/comm", pid);
	f = fopen(name, "r");
	if (!f)
		return;
	if (fgets(comm, (int)size, f))
		comm[strcspn(comm, "\n")] = 0;
	fclose(f);
	for (; *comm; comm++)
		if (isspace((unsigned char)*comm))
			*comm = '_';
}

static void dump_range(int pm, pid_t pid, const char *comm, uint64_t start,
		       uint64_t end, uint64_t offset, const char *path)
{
	static uint64_t entries[1024];
	struct timespec ts;
	uint64_t at = start;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	while (at < end) {
		size_t want = (end - at) / PAGE;
		ssize_t got;

		if (want > 1024)
			want = 1024;
		got = pread(pm, entries, want * 8, (off_t)(at / PAGE * 8));
		if (got < 8)
			return;
		for (size_t i = 0; i < (size_t)got / 8; i++) {
			uint64_t e = entries[i], pfn = e & PM_PFN;
			uint64_t page = (offset + (at - start)) / PAGE + i;
			char kind = e & PM_FILE ? 'f' : 'a';

			if (!(e & PM_PRESENT) || !pfn)
				continue;
			if (!is_new(pfn, key_of(path, page, kind)))
				continue;
			fprintf(out, "P %" PRIu64 " %" PRIx64 " %" PRIu64 " %c %d %s %s\n",
				(uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec,
				pfn, page, kind, pid, comm, path);
			lines++;
		}
		at += (uint64_t)got / 8 * PAGE;
	}
}

static void dump(pid_t pid)
{
	char name[64], line[4352], comm[64];
	FILE *maps;
	int pm;

	snprintf(name, sizeof(name), "/proc/%d/pagemap", pid);
	pm = open(name, O_RDONLY | O_CLOEXEC);
	if (pm < 0)
		return;
	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	maps = fopen(name, "re");
	if (!maps) {
		close(pm);
		return;
	}
	read_comm(pid, comm, sizeof(comm));
	while (fgets(line, sizeof(line), maps)) {
		uint64_t start, end, offset;
		char perms[5], *path;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64, &start, &end,
			   perms, &offset) != 4 || perms[2] != 'x')
			continue;
		path = strchr(line, '/');
		if (!path)
			continue;
		path[strcspn(path, "\n")] = 0;
		dump_range(pm, pid, comm, start, end, offset, path);
	}
	fclose(maps);
	close(pm);
}

static void dump_all(void)
{
	struct dirent *d;
	DIR *proc = opendir("/proc");

	if (!proc)
		return;
	while ((d = readdir(proc)))
		if (isdigit((unsigned char)d->d_name[0]))
			dump(atoi(d->d_name));
	closedir(proc);
}

/* Stop at execve only: stopping at each system call is slow in emulation. */
static int trace_execve(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static int follow(pid_t child)
{
	int result = 1, status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int sig, event;

		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == child)
				result = WIFEXITED(status) ? WEXITSTATUS(status) :
					 128 + WTERMSIG(status);
			continue;
		}
		if (!WIFSTOPPED(status))
			continue;
		sig = WSTOPSIG(status);
		event = status >> 16;
		if (event == PTRACE_EVENT_EXIT || event == PTRACE_EVENT_SECCOMP)
			dump(pid);
		if (event == PTRACE_EVENT_STOP && (sig == SIGSTOP || sig == SIGTSTP ||
						   sig == SIGTTIN || sig == SIGTTOU)) {
			ptrace(PTRACE_LISTEN, pid, 0, 0);
			continue;
		}
		ptrace(PTRACE_CONT, pid, 0, event ? 0 : sig);
	}
	return result;
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
			     PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESECCOMP |
			     PTRACE_O_EXITKILL;
	int go[2], result;
	pid_t child;
	char byte;

	if (argc < 3) {
		fprintf(stderr, "usage: truth OUT COMMAND...\n");
		return 2;
	}
	out = fopen(argv[1], "r+e");
	if (!out)
		out = fopen(argv[1], "we");
	if (!out || pipe2(go, O_CLOEXEC)) {
		fprintf(stderr, "truth: %s: %s\n", argv[1], strerror(errno));
		return 2;
	}
	setvbuf(out, NULL, _IOFBF, 1 << 20);
	fprintf(out, "# fitzroy-truth 1\n");

	child = fork();
	if (!child) {
		/* The tracer is attached once a byte arrives. */
		if (read(go[0], &byte, 1) != 1 || trace_execve())
			_exit(126);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (child < 0 || ptrace(PTRACE_SEIZE, child, 0, options) || write(go[1], "", 1) != 1) {
		fprintf(stderr, "truth: cannot trace: %s\n", strerror(errno));
		return 2;
	}
	result = follow(child);
	dump_all();
	fprintf(out, "# end %" PRIu64 "\n", lines);
	if (fflush(out) || fsync(fileno(out)))
		return 2;
	return result;
}
