// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_host_io.c - I/O in flight into a page that the guest executes meanwhile
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <endian.h>
#include <linux/fs.h>
#include <linux/nbd.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "selftest.h"

#define DISK		"/dev/nbd0"
#define DISK_BYTES	(1UL << 20)
#define SLOW		(512UL << 10)	/* reads from here wait until they are let go */

/* A disk that this process serves: it says when a read ends. */
static struct disk {
	int fd, kernel, server;
	int asked[2], go[2];		/* pipes: a slow read has come; let it end */
	pthread_t driver, serving;
} disk;

static void *drive(void *arg)
{
	(void)arg;
	/* Ends with the connection. */
	if (ioctl(disk.fd, NBD_DO_IT) && errno != EPIPE && errno != ECONNRESET)
		warn("NBD_DO_IT");
	return NULL;
}

static void all(ssize_t n, size_t size, const char *what)
{
	if (n != (ssize_t)size)
		err(2, "%s", what);
}

/* What the disk holds: a function that returns 42, in every page. */
static void *serve(void *arg)
{
	static uint8_t data[DISK_BYTES];
	struct nbd_request request;
	struct nbd_reply reply = { .magic = htobe32(NBD_REPLY_MAGIC) };
	size_t i, len;
	char c;

	(void)arg;
	for (i = 0; i < DISK_BYTES; i += PAGE)
		memcpy(data + i, "\xb8\x2a\0\0\0\xc3", 6);
	while (recv(disk.server, &request, sizeof(request), MSG_WAITALL) == sizeof(request)) {
		if (be32toh(request.type) == NBD_CMD_DISC)
			break;
		len = be32toh(request.len);
		if (be64toh(request.from) >= SLOW) {
			all(write(disk.asked[1], "", 1), 1, "asked");
			all(read(disk.go[0], &c, 1), 1, "go");
		}
		memcpy(&reply.handle, &request.handle, sizeof(reply.handle));
		all(send(disk.server, &reply, sizeof(reply), 0), sizeof(reply), "reply");
		all(send(disk.server, data, len, 0), len, "data");
	}
	shutdown(disk.server, SHUT_RDWR);
	return NULL;
}

/* Frames that were mixed for I/O, and frames that ran. */
static unsigned int for_io;
static struct {
	__u64 gfn[2 * N];
	unsigned int n;
} ran;

static void note(const struct fz_rec *rec)
{
	unsigned int i;

	for_io += rec->type == FZ_REC_MIXED && rec->u.mixed.why == FZ_MIXED_IO;
	if (rec->type != FZ_REC_MIXED && rec->type != FZ_REC_EXEC)
		return;
	for (i = 0; i < ran.n; i++)
		if (ran.gfn[i] == rec->gfn)
			return;
	if (ran.n < 2 * N)
		ran.gfn[ran.n++] = rec->gfn;
}

static const struct seen *look_for_io(uint64_t id)
{
	const struct seen *s;

	for_io = 0;
	ran.n = 0;
	each = note;
	s = look(id);
	each = NULL;
	return s;
}

static void disk_open(void)
{
	__u64 bytes = 0;
	int pair[2], tries;

	if (pipe(disk.asked) || pipe(disk.go) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		err(2, "socketpair");
	disk.kernel = pair[0];
	disk.server = pair[1];
	disk.fd = open(DISK, O_RDWR | O_CLOEXEC);
	if (disk.fd < 0 || ioctl(disk.fd, NBD_SET_BLKSIZE, PAGE) ||
	    ioctl(disk.fd, NBD_SET_SIZE, DISK_BYTES) ||
	    ioctl(disk.fd, NBD_SET_SOCK, disk.kernel))
		err(2, DISK);
	if (pthread_create(&disk.serving, NULL, serve, NULL) ||
	    pthread_create(&disk.driver, NULL, drive, NULL))
		err(2, "pthread_create");
	for (tries = 0; tries < 5000 && bytes != DISK_BYTES; tries++) {
		usleep(1000);
		if (ioctl(disk.fd, BLKGETSIZE64, &bytes))
			err(2, "BLKGETSIZE64");
	}
	if (bytes != DISK_BYTES)
		errx(2, DISK " has %llu bytes", bytes);
}

static void disk_close(void)
{
	ioctl(disk.fd, NBD_DISCONNECT);
	pthread_join(disk.driver, NULL);
	ioctl(disk.fd, NBD_CLEAR_SOCK);
	pthread_join(disk.serving, NULL);
	close(disk.fd);
	close(disk.kernel);
	close(disk.server);
	close(disk.asked[0]);
	close(disk.asked[1]);
	close(disk.go[0]);
	close(disk.go[1]);
}

/* A device model's O_DIRECT read(2) into guest memory. */
static void *read_direct(void *into)
{
	int fd = open(DISK, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		err(2, DISK);
	all(pread(fd, into, PAGE, SLOW), PAGE, "pread");
	close(fd);
	return NULL;
}

/*
 * The guest runs a page that a read is under way into, for how long nobody knows.
 * @alone: its page is small, so no other frame is concerned.
 */
static void in_flight(void *mem, bool alone)
{
	const struct seen *s;
	pthread_t reader;
	struct vm vm;
	uint64_t id;
	char c;

	vm_new_on(&vm, 1, mem);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	disk_open();
	if (pthread_create(&reader, NULL, read_direct, vm.mem + TARGETS))
		err(2, "pthread_create");
	all(read(disk.asked[0], &c, 1), 1, "asked");

	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(3, N), "pages run");
	s = look_for_io(id);
	ok(s->count[FZ_REC_MIXED] == for_io && (alone ? for_io == 1 : for_io >= 1),
	   "a read into one is in flight: %u mixed", for_io);
	/* On a slow host a page may be mixed twice before its vCPU gets on. */
	ok(ran.n == N + 1, "%u frames ran first, %u of them captured for good", ran.n,
	   s->count[FZ_REC_EXEC]);
	usleep(100000);
	ok(!call(&vm, 0, TARGETS, 1) && vcpu_rax(&vm, 0) == 3, "the page runs on");
	s = look(id);
	ok(s->count[FZ_REC_MIXED] && !s->count[FZ_REC_REEXEC], "mixed again: %u times",
	   s->count[FZ_REC_MIXED]);

	all(write(disk.go[1], "", 1), 1, "go");
	pthread_join(reader, NULL);
	usleep(100000);
	look(id);
	ok(!call(&vm, 0, TARGETS, 1) && vcpu_rax(&vm, 0) == 42, "the read ends; what it read runs");
	s = look(id);
	ok(s->count[FZ_REC_MIXED] == 0 && s->count[FZ_REC_REEXEC] + s->count[FZ_REC_EXEC] == 1 &&
	   !memcmp(s->last_page, vm.mem + TARGETS, PAGE), "and is captured, and not mixed");
	disk_close();
	finish(&vm, id);
}

static void test_direct(void)
{
	void *mem = vm_map(MAP_PRIVATE | MAP_ANONYMOUS, -1);

	madvise(mem, MEM_BYTES, MADV_NOHUGEPAGE);
	in_flight(mem, true);
}

static void test_direct_huge(void)
{
	uint8_t *mem = vm_map(MAP_PRIVATE | MAP_ANONYMOUS, -1);

	madvise(mem, MEM_BYTES, MADV_HUGEPAGE);
	memset(mem + TARGETS, 0, HUGE);
	in_flight(mem, false);
}

static void test_direct_shmem(void)
{
	in_flight(vm_map(MAP_SHARED | MAP_ANONYMOUS, -1), true);
}

/* A plain reference on any kernel, until the pipe is read. */
static void test_vmsplice(void)
{
	void *mem = vm_map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	static uint8_t copy[PAGE];
	const struct seen *s;
	struct iovec iov;
	struct vm vm;
	uint64_t id;
	int pipes[2];

	madvise(mem, MEM_BYTES, MADV_NOHUGEPAGE);
	vm_new_on(&vm, 1, mem);
	id = attach(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	iov = (struct iovec){ vm.mem + TARGETS, PAGE };
	if (pipe(pipes) || vmsplice(pipes[1], &iov, 1, 0) != (ssize_t)PAGE)
		err(2, "vmsplice");
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(3, N), "pages run");
	s = look_for_io(id);
	ok(s->count[FZ_REC_MIXED] == 1 && for_io == 1 && s->count[FZ_REC_EXEC] == N,
	   "one is held by a pipe: %u mixed", for_io);
	all(read(pipes[0], copy, PAGE), PAGE, "pipe");
	usleep(100000);
	look(id);
	ok(!call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(3, N), "no more: they run again");
	s = look(id);
	ok(!s->count[FZ_REC_MIXED] && s->count[FZ_REC_REEXEC] == 1, "none mixed");
	close(pipes[0]);
	close(pipes[1]);
	finish(&vm, id);
}

const struct test host_io_tests[] = {
	{ "io-direct", test_direct },
	{ "io-direct-huge", test_direct_huge },
	{ "io-direct-shmem", test_direct_shmem },
	{ "io-vmsplice", test_vmsplice },
	{ NULL, NULL }
};
