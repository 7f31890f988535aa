// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress_cases.c - what the host does to a guest's frames meanwhile
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "stress.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25	/* Linux 6.1 */
#endif

#define NX	"/sys/module/kvm/parameters/nx_huge_pages"
#define KSM	"/sys/kernel/mm/ksm/"

static void put_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		err(2, "%s", path);
	close(fd);
}

/* The number in a file, or behind @key in it. */
static uint64_t get_file(const char *path, const char *key)
{
	char text[32768], *at = text;
	int fd = open(path, O_RDONLY);
	ssize_t n, len = 0;

	if (fd < 0)
		err(2, "%s", path);
	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	close(fd);
	text[len] = 0;
	if (key) {
		at = strstr(text, key);
		at = at ? at + strlen(key) : text + len;
	}
	return strtoull(at, NULL, 10);
}

static unsigned int some_frame(struct stress *s)
{
	return rnd(s) % FRAMES;
}

/* Now and then the VMM writes as well: what the kernel remapped may have W for it. */
static void sometimes_write(struct stress *s, unsigned int f)
{
	if (rnd(s) % 4 == 0)
		put_frame(s, frame_mem(s, f), f, false);
}

/* Huge pages of the host come and go, and pages move. */
static void thp(struct stress *s)
{
	uint8_t *region = s->vm.mem + TARGETS + rnd(s) % FRAME_REGIONS * HUGE;

	switch (rnd(s) % 4) {
	case 0:
		if (madvise(region, HUGE, MADV_HUGEPAGE))
			err(2, "MADV_HUGEPAGE");
		break;
	case 1:
		if (madvise(region, HUGE, MADV_NOHUGEPAGE))
			err(2, "MADV_NOHUGEPAGE");
		break;
	case 2:
		if (!madvise(region, HUGE, MADV_COLLAPSE))
			s->disturbed++;
		break;
	case 3:
		if (rnd(s) % 16 == 0)
			put_file("/proc/sys/vm/compact_memory", "1");
	}
	sometimes_write(s, some_frame(s));
	usleep(2000);
}

static void nx_save(struct stress *s)
{
	int fd = open(NX, O_RDONLY);

	if (fd < 0 || read(fd, s->saved, sizeof(s->saved) - 1) < 0)
		err(2, NX);
	close(fd);
}

static void nx_on(struct stress *s)
{
	nx_save(s);
	put_file(NX, "Y");
}

static void nx_off(struct stress *s)
{
	nx_save(s);
	put_file(NX, "N");
}

static void nx_toggle(struct stress *s)
{
	put_file(NX, s->disturbed++ & 1 ? "N" : "Y");
	usleep(20000);
}

static void nx_restore(struct stress *s)
{
	put_file(NX, s->saved[0] == 'Y' ? "Y" : "N");
}

static void dirty_manual(struct stress *s, uint64_t how)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args[0] = how,
	};

	if (ioctl(s->vm.fd, KVM_ENABLE_CAP, &cap))
		err(2, "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
}

static void dirty_2(struct stress *s)
{
	dirty_manual(s, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
}

static void dirty_2_set(struct stress *s)
{
	dirty_manual(s, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
}

/* The dirty log of all memory: on, read, cleared, off. */
static void dirty(struct stress *s)
{
	static uint64_t bitmap[MEM_BYTES / PAGE / 64];
	struct kvm_dirty_log log = { .dirty_bitmap = bitmap };
	struct kvm_clear_dirty_log clear = {
		.num_pages = MEM_BYTES / PAGE, .dirty_bitmap = bitmap,
	};
	int i;

	if (vm_slot(&s->vm, 0, 0, MEM_BYTES, s->vm.mem, KVM_MEM_LOG_DIRTY_PAGES))
		err(2, "dirty log on");
	for (i = 0; i < 3 && !s->stop; i++) {
		usleep(3000);
		if (ioctl(s->vm.fd, KVM_GET_DIRTY_LOG, &log))
			err(2, "KVM_GET_DIRTY_LOG");
		if (s->test->prepare && ioctl(s->vm.fd, KVM_CLEAR_DIRTY_LOG, &clear))
			err(2, "KVM_CLEAR_DIRTY_LOG");
	}
	if (vm_slot(&s->vm, 0, 0, MEM_BYTES, s->vm.mem, 0))
		err(2, "dirty log off");
	s->disturbed++;
	usleep(3000);
}

static void set_frame_slot(struct stress *s, bool there)
{
	if (vm_slot(&s->vm, 2, TARGETS, there ? FRAME_REGIONS * HUGE : 0,
		    s->vm.mem + TARGETS, 0))
		err(2, "the frames' slot");
}

/* The frames get a slot of their own. */
static void slot_split(struct stress *s)
{
	uint64_t behind = TARGETS + FRAME_REGIONS * HUGE;

	if (vm_slot(&s->vm, 0, 0, 0, s->vm.mem, 0) ||
	    vm_slot(&s->vm, 0, 0, TARGETS, s->vm.mem, 0) ||
	    vm_slot(&s->vm, 3, behind, MEM_BYTES - behind, s->vm.mem + behind, 0))
		err(2, "slots");
	set_frame_slot(s, true);
}

/* It goes and comes back while the guest uses it; the VMM writes meanwhile, or not. */
static void slot(struct stress *s)
{
	set_frame_slot(s, false);
	if (s->disturbed++ & 1)
		put_frame(s, frame_mem(s, 0), 0, false);
	if (rnd(s) & 1)
		usleep(200);
	set_frame_slot(s, true);
	usleep(3000);
}

static void alias(struct stress *s)
{
	if (vm_slot(&s->vm, 1, ALIAS, FRAME_REGIONS * HUGE, s->vm.mem + TARGETS, 0))
		err(2, "alias slot");
}

/* SMM sees the same memory through a slot of its own address space. */
static void smm(struct stress *s)
{
	if (vm_slot(&s->vm, 1 << 16, 0, MEM_BYTES, s->vm.mem, 0))
		err(2, "SMM slot");
}

static void ksm_on(struct stress *s)
{
	unsigned int i;

	s->twin = mmap(NULL, FRAMES * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->twin == MAP_FAILED || madvise(s->twin, FRAMES * PAGE, MADV_MERGEABLE))
		err(2, "MADV_MERGEABLE");
	/* Nothing else is to be merged, so that it can be told that frames are. */
	for (i = 0; i < FRAME_REGIONS; i++)
		if (madvise(frame_mem(s, i), FRAMES / FRAME_REGIONS * PAGE, MADV_MERGEABLE))
			err(2, "MADV_MERGEABLE");
	put_file(KSM "sleep_millisecs", "1");
	put_file(KSM "pages_to_scan", "2000");
	put_file(KSM "run", "1");
}

/* Pages that are the same as frames, for KSM to merge. */
static void ksm(struct stress *s)
{
	unsigned int f = some_frame(s);

	memcpy(s->twin + f * PAGE, frame_mem(s, f), PAGE);
	s->disturbed += get_file(KSM "pages_sharing", NULL);
	sometimes_write(s, f);
	usleep(2000);
}

static void ksm_off(struct stress *s)
{
	put_file(KSM "run", "2");
	put_file(KSM "run", "0");
	munmap(s->twin, FRAMES * PAGE);
}

static void swap_prepare(struct stress *s)
{
	snprintf(s->saved, sizeof(s->saved), "%llu",
		 (unsigned long long)get_file("/proc/vmstat", "\npswpout "));
}

static void swap(struct stress *s)
{
	unsigned int f = some_frame(s);

	if (madvise(frame_mem(s, f), PAGE, MADV_PAGEOUT))
		err(2, "MADV_PAGEOUT");
	sometimes_write(s, f);
	usleep(500);
}

static void swap_end(struct stress *s)
{
	s->disturbed = get_file("/proc/vmstat", "\npswpout ") - strtoull(s->saved, NULL, 10);
}

/* A balloon: frames are given up, and the VMM fills them with new code. */
static void balloon(struct stress *s)
{
	unsigned int f = some_frame(s);

	if (madvise(frame_mem(s, f), PAGE, rnd(s) & 1 ? MADV_DONTNEED : MADV_FREE))
		err(2, "madvise");
	if (rnd(s) & 1)
		usleep(100);
	put_frame(s, frame_mem(s, f), f, true);
	s->disturbed++;
	usleep(500);
}

static void host(struct stress *s)
{
	unsigned int f = some_frame(s);
	uint64_t page[PAGE / 8];

	if (rnd(s) & 1) {
		put_frame(s, frame_mem(s, f), f, false);
	} else {
		/* As a device does it: the kernel writes for us. A label at a time. */
		put_frame(s, page, f, true);
		write_by_kernel(frame_mem(s, f) + 8, page + 1, 8);
	}
	s->disturbed++;
	if (rnd(s) % 4 == 0)
		usleep(300);
}

/* Answer the faults that the kernel hands to us. */
static void *uffd_handler(void *arg)
{
	static uint8_t page[PAGE] __attribute__((aligned(4096)));
	struct stress *s = arg;
	struct uffd_msg msg;

	while (read(s->uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		unsigned long hva = msg.arg.pagefault.address & ~(PAGE - 1);
		int f = frame_of(TARGETS + (hva - (unsigned long)(s->vm.mem + TARGETS)));

		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
			struct uffdio_writeprotect wp = { .range = { hva, PAGE } };

			ioctl(s->uffd, UFFDIO_WRITEPROTECT, &wp);
		} else {
			struct uffdio_copy copy = {
				.dst = hva, .src = (unsigned long)page, .len = PAGE,
			};

			memset(page, 0, PAGE);
			if (f >= 0)
				put_frame(s, page, f, true);
			ioctl(s->uffd, UFFDIO_COPY, &copy);
		}
		s->disturbed++;
	}
	return NULL;
}

static void uffd_on(struct stress *s, uint64_t mode)
{
	struct uffdio_register reg = {
		.range = { (unsigned long)(s->vm.mem + TARGETS), FRAME_REGIONS * HUGE },
		.mode = mode,
	};
	struct uffdio_api api = { .api = UFFD_API };

	s->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (s->uffd < 0 || ioctl(s->uffd, UFFDIO_API, &api) ||
	    ioctl(s->uffd, UFFDIO_REGISTER, &reg))
		err(2, "userfaultfd");
	if (pthread_create(&s->handler, NULL, uffd_handler, s))
		err(2, "pthread_create");
}

static void uffd_missing_on(struct stress *s)
{
	uffd_on(s, UFFDIO_REGISTER_MODE_MISSING);
}

static void uffd_missing(struct stress *s)
{
	if (madvise(frame_mem(s, some_frame(s)), PAGE, MADV_DONTNEED))
		err(2, "MADV_DONTNEED");
	usleep(500);
}

static void uffd_wp_on(struct stress *s)
{
	uffd_on(s, UFFDIO_REGISTER_MODE_WP);
}

static void uffd_wp(struct stress *s)
{
	struct uffdio_writeprotect wp = {
		.range = { (unsigned long)frame_mem(s, some_frame(s)), PAGE },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	if (ioctl(s->uffd, UFFDIO_WRITEPROTECT, &wp))
		err(2, "UFFDIO_WRITEPROTECT");
	/* The VMM writes too, and so takes a fault of its own. */
	if (rnd(s) & 1) {
		unsigned int f = some_frame(s);

		put_frame(s, frame_mem(s, f), f, false);
	}
	usleep(200);
}

static void uffd_off(struct stress *s)
{
	struct uffdio_range range = {
		(unsigned long)(s->vm.mem + TARGETS), FRAME_REGIONS * HUGE,
	};

	ioctl(s->uffd, UFFDIO_UNREGISTER, &range);
	pthread_cancel(s->handler);
	pthread_join(s->handler, NULL);
	close(s->uffd);
}

const struct stress_case stress_cases[] = {
	{ "small", .huge = false },
	{ "huge", .huge = true },
	{ "thp", .huge = true, .disturb = thp },
	{ "nx-on", .huge = true, .prepare = nx_on, .end = nx_restore },
	{ "nx-off", .huge = true, .prepare = nx_off, .end = nx_restore },
	{ "nx-toggle", .huge = true, .prepare = nx_save, .disturb = nx_toggle,
	  .end = nx_restore },
	{ "dirty", .huge = true, .disturb = dirty },
	{ "dirty-2", .huge = true, .prepare = dirty_2, .disturb = dirty },
	{ "dirty-2-set", .huge = true, .prepare = dirty_2_set, .disturb = dirty },
	{ "slot", .huge = true, .holes = true, .prepare = slot_split, .disturb = slot },
	{ "alias", .prepare = alias },
	{ "smm", .smm = true, .ops = 8, .prepare = smm },
	{ "ksm", .ksm = true, .ops = 8, .writes = 16, .pace_us = 10000, .prepare = ksm_on, .disturb = ksm,
	  .end = ksm_off },
	{ "swap", .prepare = swap_prepare, .disturb = swap, .end = swap_end },
	{ "balloon", .holes = true, .disturb = balloon },
	{ "uffd-missing", .prepare = uffd_missing_on, .disturb = uffd_missing, .end = uffd_off },
	{ "uffd-wp", .prepare = uffd_wp_on, .disturb = uffd_wp, .end = uffd_off },
	{ "host", .disturb = host },
	{ "host-huge", .huge = true, .disturb = host },
	{ "mixed", .mixed = true },
	{ .name = NULL }
};
