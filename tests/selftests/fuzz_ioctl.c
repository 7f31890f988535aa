// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_ioctl.c - ioctls with arguments that are almost right, and what may come of each
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xxhash.h>
#include "fuzz.h"

/* A set of outcomes; bit 0 is success. */
enum {
	GOOD = 1, INVAL = 2, TOOBIG = 4, FAULT = 8, NOTTY = 16, PERM = 32, BADF = 64,
	ALREADY = 128, OPNOTSUPP = 256, NOSPC = 512, NOMEM = 1024, SRCH = 2048, NOENT = 4096,
	NODATA = 8192, STALE = 16384, OTHER = 1 << 30,
};

static unsigned int outcome(int ret)
{
	static const struct { int error; unsigned int bit; } bits[] = {
		{ EINVAL, INVAL }, { E2BIG, TOOBIG }, { EFAULT, FAULT }, { ENOTTY, NOTTY },
		{ EPERM, PERM }, { EBADF, BADF }, { EALREADY, ALREADY }, { EOPNOTSUPP, OPNOTSUPP },
		{ ENOSPC, NOSPC }, { ENOMEM, NOMEM }, { ESRCH, SRCH }, { ENOENT, NOENT },
		{ ENODATA, NODATA }, { ESTALE, STALE },
	};
	size_t i;

	if (!ret)
		return GOOD;
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (bits[i].error == errno)
			return bits[i].bit;
	return OTHER;
}

union arg {
	uint32_t size;
	struct fz_info info;
	struct fz_attach attach;
	struct fz_detach detach;
	struct fz_list list;
	struct fz_stat stat;
	struct fz_read read;
	struct fz_barrier barrier;
	struct fz_audit audit;
	uint8_t bytes[PAGE];
};

static const struct {
	const char *name;
	uint32_t size;
	unsigned int may;	/* with an argument that is right */
	uint32_t min;		/* in the contract's first version, if it grew since */
} ioctls[] = {
	[_IOC_NR(FZ_IOC_INFO)] = { "INFO", sizeof(struct fz_info), GOOD,
		offsetof(struct fz_info, verify_ns) },
	[_IOC_NR(FZ_IOC_ATTACH)] = { "ATTACH", sizeof(struct fz_attach),
		GOOD | BADF | NOTTY | ALREADY | OPNOTSUPP | NOSPC | NOMEM | SRCH },
	[_IOC_NR(FZ_IOC_DETACH)] = { "DETACH", sizeof(struct fz_detach), GOOD | NOENT },
	[_IOC_NR(FZ_IOC_LIST)] = { "LIST", sizeof(struct fz_list), GOOD | FAULT },
	[_IOC_NR(FZ_IOC_STAT)] = { "STAT", sizeof(struct fz_stat), GOOD | NOENT,
		offsetof(struct fz_stat, c.verified) },
	[_IOC_NR(FZ_IOC_READ)] = { "READ", sizeof(struct fz_read),
		GOOD | NOENT | NODATA | STALE | FAULT | NOMEM },
	[_IOC_NR(FZ_IOC_BARRIER)] = { "BARRIER", sizeof(struct fz_barrier), GOOD },
	[_IOC_NR(FZ_IOC_AUDIT)] = { "AUDIT", sizeof(struct fz_audit), GOOD | NOENT,
		offsetof(struct fz_audit, found) },
};

#define IOCTLS	(sizeof(ioctls) / sizeof(ioctls[0]))

static uint64_t some_number(struct thread *t)
{
	static const uint64_t numbers[] = {
		0, 1, 2, 3, 7, PAGE - 1, PAGE, TARGETS / PAGE, TARGETS / PAGE + 1, 1ULL << 31,
		INT_MAX, UINT_MAX, 1ULL << 32, 1ULL << 40, 1ULL << 52, 1ULL << 63, ~0ULL, ~1ULL,
	};

	return pick(t, 4) ? ONE_OF(t, numbers) : rnd(t);
}

static uint64_t some_id(struct thread *t)
{
	switch (pick(t, 4)) {
	case 0:
		return t->vms[pick(t, VMS)].id;
	case 1:
		return some_number(t);
	default:
		return ONE_OF(t, t->process->ids);
	}
}

/* A file: our VMs mostly, or their vCPUs, the device, none. */
static int some_fd(struct thread *t)
{
	struct my_vm *m = &t->vms[pick(t, VMS)];

	switch (pick(t, 8)) {
	case 0:
		return ONE_OF(t, t->process->fds);
	case 1:
		return some_number(t);
	case 2:
		return m->alive ? m->vm.vcpu[0].fd : -1;
	case 3:
		return m->alive ? m->vm.kvm : 0;
	default:
		return m->alive ? m->vm.fd : -1;
	}
}

static uint32_t some_flags(struct thread *t)
{
	static const uint32_t flags[] = {
		0, 0, 0, 0, FZ_POLICY_LOSSLESS, FZ_ATTACH_NEW, FZ_ATTACH_NEW | FZ_POLICY_LOSSLESS,
		2, 1U << 31, ~0U,
	};

	return ONE_OF(t, flags);
}

/* A user address of a buffer: right, read-only, half there, not there. */
static uint64_t some_buffer(struct thread *t)
{
	switch (pick(t, 8)) {
	case 0:
		return (uintptr_t)t->room_ro;
	case 1:
		return (uintptr_t)t->room + 2 * PAGE - 64;
	case 2:
		return some_number(t);
	case 3:
		return 0xffff888000000000ULL + pick(t, 1 << 30);
	default:
		return (uintptr_t)t->room + PAGE;
	}
}

/* Fill @a for ioctl @nr; what may come of it? */
static unsigned int fill(struct thread *t, unsigned int nr, union arg *a)
{
	unsigned int may = ioctls[nr].may;
	uint32_t flags = some_flags(t);

	memset(a, 0, sizeof(*a));
	switch (_IO(FZ_IOC_MAGIC, nr)) {
	case FZ_IOC_INFO:
		break;
	case FZ_IOC_ATTACH:
		a->attach.flags = flags;
		a->attach.vm_fd = flags & FZ_ATTACH_NEW && pick(t, 4) ? -1 : some_fd(t);
		if (flags & ~(FZ_POLICY_LOSSLESS | FZ_ATTACH_NEW))
			return INVAL;
		if (flags & FZ_ATTACH_NEW)
			return a->attach.vm_fd == -1 ? GOOD : INVAL;
		break;
	case FZ_IOC_DETACH:
		a->detach.flags = flags;
		a->detach.id = flags & FZ_ATTACH_NEW && pick(t, 4) ? 0 : some_id(t);
		if (flags & ~FZ_ATTACH_NEW)
			return INVAL;
		if (flags & FZ_ATTACH_NEW)
			return a->detach.id ? INVAL : GOOD;
		break;
	case FZ_IOC_LIST:
		a->list.flags = pick(t, 8) ? 0 : flags;
		a->list.count = pick(t, 2) ? pick(t, 40) : some_number(t);
		a->list.entry_size = pick(t, 8) ? sizeof(struct fz_vm_desc) : some_number(t);
		a->list.vms = some_buffer(t);
		if (a->list.flags || a->list.entry_size != sizeof(struct fz_vm_desc))
			return INVAL;
		break;
	case FZ_IOC_STAT:
		a->stat.flags = pick(t, 8) ? 0 : flags;
		a->stat.id = some_id(t);
		if (a->stat.flags)
			return INVAL;
		if (!a->stat.id)
			return GOOD;
		break;
	case FZ_IOC_READ:
		a->read.flags = pick(t, 8) ? 0 : flags;
		a->read.id = some_id(t);
		a->read.gfn = pick(t, 4) ? TARGETS / PAGE + pick(t, 32) : some_number(t);
		a->read.buf = some_buffer(t);
		if (a->read.flags)
			return INVAL;
		break;
	case FZ_IOC_BARRIER:
		a->barrier.flags = pick(t, 8) ? 0 : flags;
		if (a->barrier.flags)
			return INVAL;
		break;
	case FZ_IOC_AUDIT:
		a->audit.flags = pick(t, 8) ? 0 : flags;
		a->audit.id = some_id(t);
		if (a->audit.flags)
			return INVAL;
		break;
	}
	return may;
}

static void check_result(struct thread *t, unsigned int nr, const union arg *a,
			 const union arg *was)
{
	const struct fz_counters *c = &a->stat.c;
	int64_t off;

	switch (_IO(FZ_IOC_MAGIC, nr)) {
	case FZ_IOC_INFO:
		if (a->info.abi != FZ_ABI_VERSION || a->info.cpus != t->process->info.cpus ||
		    a->info.ring_stride != t->process->info.ring_stride)
			broken("INFO says another thing each time");
		break;
	case FZ_IOC_ATTACH:
		if (!(was->attach.flags & FZ_ATTACH_NEW)) {
			if (!a->attach.id || a->attach.refused)
				broken("ATTACH gives id %llu", a->attach.id);
			ONE_OF(t, t->process->ids) = a->attach.id;
		}
		break;
	case FZ_IOC_STAT:
		/* Off by what is being granted just now, on a few CPUs. */
		off = c->grants - c->execs - c->reexecs - c->mixed - c->lost_execs;
		if (off > 64 || off < -64 || c->violations || c->errors)
			broken("STAT of %llu: %lld off, %llu violations, %llu errors", was->stat.id,
			       (long long)off, c->violations, c->errors);
		break;
	case FZ_IOC_READ:
		TOUCH(if (was->read.buf == (uintptr_t)t->room + PAGE &&
			  XXH64(t->room + PAGE, PAGE, 0) != a->read.hash)
			broken("READ gives a page of another hash"));
		break;
	case FZ_IOC_BARRIER:
		if (a->barrier.time < t->time)
			broken("BARRIER goes back in time");
		t->time = a->barrier.time;
		break;
	case FZ_IOC_AUDIT:
		if (a->audit.violations)
			broken("AUDIT of %llu: %llu violations", was->audit.id, a->audit.violations);
		break;
	}
}

/* Where the argument lies. */
enum place { FITS, EDGE, CROSSES, READ_ONLY, NOWHERE };

static uint8_t *put(struct thread *t, enum place place, const union arg *a, uint32_t size)
{
	static const uint64_t nowhere[] = { 0, 8, 1ULL << 47, 0xffff888000001000ULL, ~0ULL - 63 };
	uint8_t *end = t->room + 2 * PAGE;

	switch (place) {
	case FITS:
		return memcpy(t->room + pick(t, 64), a, size);
	case EDGE:
		return memcpy(end - size, a, size);
	case CROSSES:
		return memcpy(end - 8, a, 8);
	case READ_ONLY:
		memcpy(t->room, a, size);
		return t->room_ro;
	case NOWHERE:
		break;
	}
	return (uint8_t *)(uintptr_t)ONE_OF(t, nowhere);
}

void fuzz_ioctl(struct thread *t)
{
	static const enum place places[] = {
		FITS, FITS, FITS, FITS, FITS, FITS, EDGE, EDGE, CROSSES, READ_ONLY, NOWHERE,
	};
	static const uint32_t sizes[] = { 0, 1, 4, 8, 12, PAGE, PAGE + 1, INT_MAX, UINT_MAX };
	unsigned int nr = pick(t, IOCTLS), may, got;
	unsigned long cmd = _IO(FZ_IOC_MAGIC, nr);
	enum place place = ONE_OF(t, places);
	static __thread union arg a, back;
	uint32_t size, room;
	bool spoilt = false;
	uint8_t *at;
	int ret;

	may = fill(t, nr, &a);
	size = ioctls[nr].size;
	if (!pick(t, 4))
		size += pick(t, 2) ? pick(t, 32) * 8 : -(uint32_t)pick(t, 16);
	else if (!pick(t, 8))
		size = ONE_OF(t, sizes);
	/* Bytes that the module does not know. */
	if (size > ioctls[nr].size && size <= PAGE && !pick(t, 2)) {
		a.bytes[ioctls[nr].size + pick(t, size - ioctls[nr].size)] = 1;
		spoilt = true;
	}
	a.size = size;
	room = size <= PAGE && size >= 4 ? size : ioctls[nr].size;

	if (spoilt)
		may = TOOBIG;
	if (place == CROSSES && room > 8)
		may = FAULT;
	if (size < (ioctls[nr].min ?: ioctls[nr].size) || size > PAGE)
		may = INVAL;
	if (place == READ_ONLY && may & (GOOD | OPNOTSUPP))
		may = (may & ~(GOOD | OPNOTSUPP)) | FAULT;
	if (place == NOWHERE)
		may = FAULT;
	if (!pick(t, 32)) {
		cmd = pick(t, 2) ? _IO(FZ_IOC_MAGIC, IOCTLS + pick(t, 256 - IOCTLS)) :
				   _IOWR(FZ_IOC_MAGIC, nr, struct fz_info);
		may = NOTTY;
	}

	memset(t->room, 0x5a, 2 * PAGE);
	at = put(t, place, &a, room);
	ret = ioctl(t->dev, cmd, at);
	got = outcome(ret);
	t->calls++;
	t->done += got == GOOD;
	if (!(got & may))
		broken("%s(%#lx), %u bytes, place %d, flags %#x: %d (%s), not in %#x",
		       ioctls[nr].name, cmd, size, place, a.detach.flags, ret,
		       ret ? strerror(errno) : "good", may);
	if (place != FITS && place != EDGE)
		return;
	memcpy(&back, at, room);
	if (got != GOOD && got != OPNOTSUPP && nr != _IOC_NR(FZ_IOC_READ) &&
	    nr != _IOC_NR(FZ_IOC_LIST) && memcmp(&back, &a, room))
		broken("%s failed and changed its argument", ioctls[nr].name);
	if (place == FITS && at[room] != 0x5a && nr != _IOC_NR(FZ_IOC_READ) &&
	    nr != _IOC_NR(FZ_IOC_LIST))
		broken("%s wrote behind its argument", ioctls[nr].name);
	/* A page that READ wrote where its argument lies is no longer whole. */
	if (got == GOOD && (nr != _IOC_NR(FZ_IOC_READ) || at + room <= t->room + PAGE))
		check_result(t, nr, &back, &a);
}
