// SPDX-License-Identifier: GPL-2.0-only
/*
 * fakedev.c - /dev/fitzroy for a machine without the module: LD_PRELOAD=fakedev.so
 *
 * One VM that ran the pages of FAKE_FILE. FAKE = abi, busy, perm, violation, dies,
 * flip (one byte of a page is changed), stream (more at each barrier) or escape (once
 * it is read, it opens a file: what a hostile record might make the reader do) says
 * how it misbehaves. FAKE = old is a module of the first layout, whose structures were
 * shorter; FAKE = later one that no longer takes the sizes of now.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include <fitzroy.h>

#define RING	(1U << 20)
#define STRIDE	(FZ_PAGE_SIZE + 2 * RING)

static int device = -1;
static uint8_t *map;
static uint64_t seq;
static int lists;

static int fake(const char *what)
{
	const char *is = getenv("FAKE");

	return is && !strcmp(is, what);
}

static void put(struct fz_rec *rec)
{
	struct fz_producer *producer = (void *)(map + FZ_PAGE_SIZE);
	uint8_t *data = map + 2 * FZ_PAGE_SIZE + producer->pos;

	rec->seq = seq++;
	rec->time = 1000 + seq;
	rec->vm = 1;
	memcpy(data, rec, rec->size);
	memcpy(data + RING, rec, rec->size);
	producer->pos += rec->size;
}

static void fill(void)
{
	static struct {
		struct fz_rec rec;
		uint8_t page[FZ_PAGE_SIZE];
	} x;
	FILE *f = fopen(getenv("FAKE_FILE"), "rb");
	int i;

	x.rec.size = sizeof(x.rec);
	x.rec.type = FZ_REC_VM_ATTACH;
	strcpy(x.rec.u.vm.comm, "vmm");
	put(&x.rec);
	memset(&x, 0, sizeof(x));
	x.rec.size = sizeof(x);
	x.rec.type = FZ_REC_EXEC;
	x.rec.flags = FZ_RECF_PAGE;
	x.rec.mode = FZ_MODE_PE | FZ_MODE_PG;
	x.rec.cpl = 3;
	x.rec.cr3 = 0x1000;
	for (i = 0; f && i < 64 && fread(x.page, 1, FZ_PAGE_SIZE, f) == FZ_PAGE_SIZE; i++) {
		if (i == 5 && fake("flip"))
			x.page[7] ^= 1;
		x.rec.gfn = i;
		x.rec.rip = 0x555500000000ULL + i * FZ_PAGE_SIZE;
		x.rec.hash = XXH64(x.page, FZ_PAGE_SIZE, 0);
		put(&x.rec);
	}
}

int open(const char *path, int flags, ...)
{
	int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	if (strcmp(path, FZ_DEVICE))
		return real(path, flags, mode);
	if (fake("perm")) {
		errno = EACCES;
		return -1;
	}
	device = memfd_create("fitzroy", 0);
	if (device < 0 || ftruncate(device, FZ_PAGE_SIZE + STRIDE))
		abort();
	map = mmap(NULL, FZ_PAGE_SIZE + STRIDE, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
	fill();
	return device;
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

static int list(struct fz_list *l)
{
	struct fz_vm_desc vm = { .id = 1, .pid = 99, .vcpus = 2, .pages = 131072, .comm = "vmm" };
	uint32_t room = l->count;

	l->count = !(fake("dies") && ++lists > 3);
	if (l->count && room)
		memcpy((void *)(uintptr_t)l->vms, &vm, sizeof(vm));
	return 0;
}

static int info(struct fz_info *i)
{
	i->abi = FZ_ABI_VERSION + fake("abi");
	i->vendor = FZ_VENDOR_AMD;
	i->cpus = 1;
	i->ring_bytes = RING;
	i->consumer_bytes = FZ_PAGE_SIZE;
	i->ring_offset = FZ_PAGE_SIZE;
	i->ring_stride = STRIDE;
	return 0;
}

static int barrier(struct fz_barrier *b)
{
	struct fz_rec rec = { .size = sizeof(rec), .type = FZ_REC_WRITE };
	static struct timespec last;
	static int calls;
	struct timespec now;

	if (fake("escape") && ++calls > 1)
		syscall(SYS_open, "/etc/passwd", O_RDONLY);
	/* Some a second: the ring's end is not reached, nothing has to wrap. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (fake("stream") && now.tv_sec * 200 + now.tv_nsec / 5000000 !=
			      last.tv_sec * 200 + last.tv_nsec / 5000000 && seq < 4000) {
		last = now;
		put(&rec);
	}
	b->time = ~0ULL;
	return 0;
}

static void audit(struct fz_audit *a)
{
	struct fz_audit_found bad = { .gfn = 0x1234, .spte = 0xabc007, .level = 2, .state = 2 };

	a->violations = fake("violation");
	if (a->violations && a->found_max)
		memcpy((void *)(uintptr_t)a->found, &bad, sizeof(bad));
	if (!fake("old"))
		a->found_max = a->violations && a->found_max;
}

/* What the structures were in the first layout: tests/uapi/v1-first.layout. */
static size_t first_size(unsigned long number)
{
	return number == FZ_IOC_INFO ? 152 : number == FZ_IOC_STAT ? 184 :
	       number == FZ_IOC_AUDIT ? 56 : 4096;
}

/* What is longer than the module knows must end in zeros, as uapi/fitzroy.h says. */
static int refuse_size(unsigned long number, const uint8_t *arg)
{
	uint32_t size, i;

	memcpy(&size, arg, sizeof(size));
	if (fake("later") && number == FZ_IOC_INFO)
		return EINVAL;
	for (i = first_size(number); fake("old") && i < size; i++)
		if (arg[i])
			return E2BIG;
	return 0;
}

int ioctl(int fd, unsigned long number, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, number);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd != device)
		number = 0;
	if (number && refuse_size(number, arg)) {
		errno = refuse_size(number, arg);
		return -1;
	}
	switch (number) {
	case FZ_IOC_INFO:
		return info(arg);
	case FZ_IOC_LIST:
		return list(arg);
	case FZ_IOC_BARRIER:
		return barrier(arg);
	case FZ_IOC_AUDIT:
		audit(arg);
		return 0;
	case FZ_IOC_ATTACH:
		if (getenv("FAKE_CALLS"))
			fprintf(stderr, "attach %x\n", ((struct fz_attach *)arg)->flags);
		return 0;
	case FZ_IOC_DETACH:
		if (getenv("FAKE_CALLS"))
			fprintf(stderr, "detach %x\n", ((struct fz_detach *)arg)->flags);
		return 0;
	case FZ_IOC_STAT:
		return 0;
	}
	errno = ENOTTY;
	return -1;
}

void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	void *(*real)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, "mmap");

	if (map && fd == device && !offset && fake("busy")) {
		errno = EBUSY;
		return MAP_FAILED;
	}
	return real(addr, length, prot, flags, fd, offset);
}
