/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - what differs between kernels, other than KVM's private layout
 */
#ifndef FZ_COMPAT_H
#define FZ_COMPAT_H

#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* Get one page of another process: 1, 0 or a negative errno. Must hold mmap_lock. */
static inline long fz_get_user_page(struct mm_struct *mm, unsigned long addr,
				    unsigned int flags, struct page **page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL, NULL);
#else
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL);
#endif
}

#endif
