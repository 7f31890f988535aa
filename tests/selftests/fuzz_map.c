// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_map.c - maps of the device, whatever can be done to them, and to its files
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fuzz.h"

static uint64_t some_length(struct thread *t)
{
	const struct fz_info *info = &t->process->info;
	const uint64_t lengths[] = {
		info->consumer_bytes, info->consumer_bytes, PAGE + 2 * info->ring_bytes,
		PAGE + 2 * info->ring_bytes, PAGE + info->ring_bytes, PAGE, 2 * PAGE, 1,
		info->ring_stride + PAGE, 2 * info->ring_stride, 0, 1ULL << 40,
	};

	return ONE_OF(t, lengths);
}

static uint64_t some_offset(struct thread *t)
{
	const struct fz_info *info = &t->process->info;
	const uint64_t offsets[] = {
		info->consumer_offset, info->consumer_offset, info->ring_offset,
		info->ring_offset + pick(t, 2 * info->cpus) * info->ring_stride,
		info->ring_offset + pick(t, info->cpus) * info->ring_stride,
		info->ring_offset + PAGE, info->ring_offset - PAGE, PAGE, 1ULL << 40,
		(1ULL << 63) - PAGE, ~0ULL - PAGE + 1, info->ring_offset + (1ULL << 32), 7,
	};

	return ONE_OF(t, offsets);
}

static uint64_t up(uint64_t n)
{
	return (n + PAGE - 1) & ~(PAGE - 1);
}

/* May such a map be made? */
static bool may_map(const struct fz_info *info, uint64_t offset, uint64_t length, int prot,
		    int flags)
{
	uint64_t ring = offset - info->ring_offset;

	if ((flags & MAP_TYPE) == MAP_PRIVATE)
		return false;
	if (offset == info->consumer_offset)
		return up(length) == info->consumer_bytes;
	return offset >= info->ring_offset && !(ring % info->ring_stride) &&
	       ring / info->ring_stride < info->cpus &&
	       up(length) == PAGE + 2 * info->ring_bytes && !(prot & PROT_WRITE);
}

static void make(struct thread *t, struct map *m)
{
	static const int prots[] = {
		PROT_READ, PROT_READ, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
		PROT_NONE, PROT_WRITE, PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC,
	};
	static const int flags[] = {
		MAP_SHARED, MAP_SHARED, MAP_SHARED, MAP_SHARED | MAP_POPULATE, MAP_PRIVATE,
		MAP_SHARED | MAP_LOCKED, MAP_SHARED_VALIDATE, MAP_SHARED | MAP_NONBLOCK,
	};
	uint64_t offset = some_offset(t), length = some_length(t);
	int prot = ONE_OF(t, prots), flag = ONE_OF(t, flags);
	int fd = pick(t, 4) ? t->dev : ONE_OF(t, t->process->fds);
	void *p;

	p = mmap(NULL, length, prot, flag, fd, offset);
	t->calls++;
	if (fd != t->dev) {
		/* Another thread may have made it another file meanwhile: no judgement. */
		if (p != MAP_FAILED)
			munmap(p, length);
		return;
	}
	if (p == MAP_FAILED) {
		/* /dev may be mounted noexec: EPERM. */
		if (errno != EINVAL && errno != EACCES && errno != EBUSY && errno != ENOMEM &&
		    errno != EOVERFLOW && errno != EAGAIN && !(errno == EPERM && prot & PROT_EXEC))
			broken("mmap of %#lx at %#lx: %s", length, offset, strerror(errno));
		return;
	}
	t->done++;
	if (!may_map(&t->process->info, offset, length, prot, flag))
		broken("mmap of %#lx at %#lx, prot %d, flags %#x was allowed", length, offset, prot, flag);
	*m = (struct map) { p, up(length), offset != t->process->info.consumer_offset };
}

/* Read somewhere; in the positions, write. Through us and through the kernel. */
static void use(struct thread *t, struct map *m)
{
	uint64_t at = pick(t, m->len / 8) * 8, v = pick(t, 4) ? rnd(t) : pick(t, 1 << 20) * 64;
	volatile uint64_t *p = (uint64_t *)(m->p + at);
	struct iovec here = { &v, sizeof(v) }, there = { m->p + at, sizeof(v) };
	ssize_t n = 0;

	TOUCH((void)*p);
	process_vm_readv(getpid(), &here, 1, &there, 1, 0);
	if (!m->ring) {
		TOUCH(*p = v);
		return;
	}
	/* No way may lead to a ring that is written. */
	n = process_vm_writev(getpid(), &here, 1, &there, 1, 0);
	if (n > 0)
		broken("process_vm_writev wrote to a ring");
	if (ONE_OF(t, t->process->fds) >= 0 && !pick(t, 8)) {
		int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

		n = mem < 0 ? 0 : pwrite(mem, &v, sizeof(v), (uintptr_t)m->p + at);
		if (n > 0)
			broken("/proc/self/mem wrote to a ring");
		if (mem >= 0)
			close(mem);
	}
}

static void protect(struct thread *t, struct map *m)
{
	static const int prots[] = {
		PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE, PROT_NONE, PROT_EXEC | PROT_READ,
	};
	int prot = ONE_OF(t, prots);
	size_t at = pick(t, m->len / PAGE) * PAGE;

	if (!mprotect(m->p + at, PAGE, prot) && m->ring && prot & PROT_WRITE)
		broken("mprotect made a ring writable");
}

static void advise(struct thread *t, struct map *m)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_DONTFORK, MADV_DOFORK, MADV_REMOVE, MADV_MERGEABLE,
		MADV_HUGEPAGE, MADV_COLD, MADV_PAGEOUT, MADV_FREE, MADV_WIPEONFORK, MADV_DODUMP,
		MADV_WILLNEED, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
	};
	size_t at = pick(t, m->len / PAGE) * PAGE;

	madvise(m->p + at, pick(t, 2) ? PAGE : m->len - at, ONE_OF(t, advice));
}

static void move(struct thread *t, struct map *m)
{
	size_t to = pick(t, 2) ? some_length(t) : m->len, from = pick(t, 8) ? m->len : 0;
	void *p;

	p = mremap(m->p, from, to, pick(t, 4) ? MREMAP_MAYMOVE : 0);
	if (p == MAP_FAILED)
		return;
	if (up(to) > m->len || !from)
		broken("mremap made %#zx bytes of a map of %#zx", to, m->len);
	m->p = p;
	m->len = up(to);
}

static void unmap(struct thread *t, struct map *m)
{
	size_t at = pick(t, m->len / PAGE) * PAGE;

	if (pick(t, 2)) {
		munmap(m->p, m->len);
		m->p = NULL;
		return;
	}
	/* A hole; what is before it is the map from now on. */
	munmap(m->p + at, m->len - at);
	m->len = at;
	if (!at)
		m->p = NULL;
}

void fuzz_map(struct thread *t)
{
	struct map *m = &t->maps[pick(t, MAPS)];

	if (!m->p) {
		make(t, m);
		return;
	}
	switch (pick(t, 16)) {
	case 0:
		protect(t, m);
		break;
	case 1:
		advise(t, m);
		break;
	case 2:
		move(t, m);
		break;
	case 3:
	case 4:
		unmap(t, m);
		break;
	default:
		use(t, m);
	}
}

/* -------------------------------------------------------------------- files */

static void wait_for(struct thread *t, int fd)
{
	struct pollfd p = { .fd = fd, .events = rnd(t) };
	struct epoll_event e = { .events = rnd(t) };
	int ep;

	poll(&p, 1, pick(t, 3));
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		return;
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	epoll_wait(ep, &e, 1, pick(t, 2));
	close(ep);
}

static void transfer(struct thread *t, int fd)
{
	static const off_t offsets[] = { 0, 1, PAGE, -1, 1LL << 40 };
	char buf[64] = "";
	ssize_t n = 0;

	switch (pick(t, 6)) {
	case 0:
		n = read(fd, buf, sizeof(buf));
		break;
	case 1:
		n = write(fd, buf, sizeof(buf));
		break;
	case 2:
		n = pread(fd, buf, sizeof(buf), ONE_OF(t, offsets));
		break;
	case 3:
		lseek(fd, ONE_OF(t, offsets), pick(t, 5));
		break;
	case 4:
		n = sendfile(t->dev, fd, NULL, 100);
		break;
	case 5:
		if (!ftruncate(fd, ONE_OF(t, offsets)) && fd == t->dev)
			broken("the device was truncated");
		fcntl(fd, F_SETFL, rnd(t) & (O_NONBLOCK | O_APPEND | O_ASYNC));
		break;
	}
	if (fd == t->dev && n > 0)
		broken("read or write of the device: %zd bytes", n);
}

/* A child has our files, and of our maps what we let it have. */
static void fork_here(struct thread *t)
{
	pid_t pid = fork();
	int i;

	if (pid < 0)
		return;
	if (!pid) {
		for (i = pick(t, 30); i; i--) {
			fuzz_ioctl(t);
			fuzz_map(t);
		}
		_exit(0);
	}
	if (waitpid(pid, &i, 0) == pid && WIFEXITED(i) && WEXITSTATUS(i) == 1)
		_exit(1);
}

void fuzz_fds(struct thread *t)
{
	static const int modes[] = { O_RDWR, O_RDONLY, O_WRONLY, O_RDWR | O_NONBLOCK, O_PATH };
	int *fd = &ONE_OF(t, t->process->fds), old;

	switch (pick(t, 8)) {
	case 0:
	case 1:
		/* Others may be using it just now. */
		old = pick(t, 4) ? open(FZ_DEVICE, ONE_OF(t, modes) | O_CLOEXEC) : dup(t->dev);
		old = __atomic_exchange_n(fd, old, __ATOMIC_RELAXED);
		if (old >= 0)
			close(old);
		break;
	case 2:
		wait_for(t, pick(t, 2) ? t->dev : *fd);
		break;
	case 3:
	case 4:
	case 5:
		transfer(t, pick(t, 2) ? t->dev : *fd);
		break;
	case 6:
		if (!pick(t, 16))
			fork_here(t);
		break;
	case 7:
		/* With the file its being the reader goes, once the maps are gone, too. */
		old = open(FZ_DEVICE, O_RDWR | O_CLOEXEC);
		if (old < 0)
			broken("open: %s", strerror(errno));
		close(t->dev);
		t->dev = old;
		break;
	}
}
