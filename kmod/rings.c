// SPDX-License-Identifier: GPL-2.0-only
/*
 * rings.c - the rings of all CPUs, and their memory
 *
 * A ring's data is mapped twice in a row, here and in the reader, so that no
 * record ever wraps. The consumer positions are the only writable pages.
 */
#include <linux/cpu.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include "compat/compat.h"
#include "order.h"
#include "rings.h"

unsigned int fz_ring_kib = 4096;
DECLARE_WAIT_QUEUE_HEAD(fz_rings_wait);

/* mmap offsets; the consumer positions come first. */
#define CONSUMER_OFFSET	0UL

#define RING_MAX_KIB	(1U << 20)

struct cpu_ring {
	struct fz_ring ring;
	struct page **pages;		/* producer page, then data, then data again */
};

static struct cpu_ring *rings;		/* nr_cpu_ids */
static struct page **consumer_pages;
static void *consumers;
static unsigned long nr_consumer_pages, nr_data_pages, ring_stride, ring_offset;

struct fz_ring *fz_rings_this(void)
{
	return &rings[smp_processor_id()].ring;
}

static void wake(struct irq_work *work)
{
	wake_up_interruptible_poll(&fz_rings_wait, EPOLLIN | EPOLLRDNORM);
}

static DEFINE_IRQ_WORK(wake_work, wake);

void fz_rings_wake(void)
{
	/* Not from here: the caller may hold locks that a wake-up must not nest in. */
	if (wq_has_sleeper(&fz_rings_wait))
		irq_work_queue(&wake_work);
}

bool fz_rings_pending(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct fz_ring *ring = &rings[cpu].ring;

		if (READ_ONCE(ring->pos) != fz_load_consumer(&ring->consumer->pos))
			return true;
	}
	return false;
}

static long flush_lost(void *arg)
{
	struct fz_ring *ring = arg;

	/* A producer does not sleep or migrate; this is one. */
	preempt_disable();
	fz_ring_begin(ring);
	fz_ring_flush_lost(ring, ktime_get_ns());
	fz_ring_end(ring);
	preempt_enable();
	fz_rings_wake();
	return 0;
}

void fz_rings_flush_lost(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		if (!READ_ONCE(rings[cpu].ring.lost.count))
			continue;
		cpus_read_lock();
		/* An offline CPU produces nothing, and can't come back meanwhile. */
		if (cpu_online(cpu))
			work_on_cpu(cpu, flush_lost, &rings[cpu].ring);
		else
			flush_lost(&rings[cpu].ring);
		cpus_read_unlock();
	}
}

u64 fz_rings_barrier(void)
{
	u64 time;
	int cpu;

	fz_rings_flush_lost();
	time = ktime_get_ns();
	fz_clock_before_mark();		/* (F) pairs with fz_ring_begin() (E) */
	/* A record that may be older: it is made without preemption. */
	for_each_possible_cpu(cpu)
		fz_ring_wait(&rings[cpu].ring);
	/* One that begins now may have the same time. */
	return time - 1;
}

u64 fz_rings_room(void)
{
	u64 least = ~0ULL;
	int cpu;

	for_each_online_cpu(cpu)
		least = min(least, fz_ring_free(&rings[cpu].ring));
	return div_u64(least, FZ_REC_PAGE_BYTES);
}

void fz_rings_info(struct fz_info *info)
{
	info->cpus = nr_cpu_ids;
	info->ring_bytes = nr_data_pages << PAGE_SHIFT;
	info->consumer_offset = CONSUMER_OFFSET;
	info->consumer_bytes = nr_consumer_pages << PAGE_SHIFT;
	info->ring_offset = ring_offset;
	info->ring_stride = ring_stride;
}

bool fz_rings_is_consumer(const struct vm_area_struct *vma)
{
	return vma->vm_pgoff << PAGE_SHIFT == CONSUMER_OFFSET;
}

unsigned long fz_rings_consumer_pages(void)
{
	return nr_consumer_pages;
}

static int map_pages(struct vm_area_struct *vma, struct page **pages, unsigned long nr)
{
	unsigned long i;
	int err;

	if (vma_pages(vma) != nr)
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		err = vm_insert_page(vma, vma->vm_start + (i << PAGE_SHIFT), pages[i]);
		if (err)
			return err;
	}
	return 0;
}

int fz_rings_map(struct vm_area_struct *vma)
{
	unsigned long offset = vma->vm_pgoff << PAGE_SHIFT;
	unsigned long cpu;

	if (fz_rings_is_consumer(vma))
		return map_pages(vma, consumer_pages, nr_consumer_pages);

	if (offset < ring_offset || (offset - ring_offset) % ring_stride)
		return -EINVAL;
	cpu = (offset - ring_offset) / ring_stride;
	if (cpu >= nr_cpu_ids || !rings[cpu].pages)
		return -EINVAL;
	if (vma->vm_flags & VM_WRITE)
		return -EACCES;
	vm_flags_clear(vma, VM_MAYWRITE);
	return map_pages(vma, rings[cpu].pages, 1 + 2 * nr_data_pages);
}

static void free_pages_of(struct page **pages, unsigned long nr)
{
	while (nr--)
		if (pages[nr])
			__free_page(pages[nr]);
	kvfree(pages);
}

static struct page **alloc_pages_for(unsigned long slots, unsigned long nr, int node)
{
	struct page **pages = kvcalloc(slots, sizeof(*pages), GFP_KERNEL);
	unsigned long i;

	if (!pages)
		return NULL;
	for (i = 0; i < nr; i++) {
		pages[i] = alloc_pages_node(node, GFP_KERNEL | __GFP_ZERO, 0);
		if (!pages[i]) {
			free_pages_of(pages, i);
			return NULL;
		}
	}
	return pages;
}

static void free_ring(struct cpu_ring *r)
{
	if (!r->pages)
		return;
	if (r->ring.data)
		vunmap(r->ring.data);
	free_pages_of(r->pages, 1 + nr_data_pages);
}

static int make_ring(struct cpu_ring *r, int cpu)
{
	r->pages = alloc_pages_for(1 + 2 * nr_data_pages, 1 + nr_data_pages,
				   cpu_to_node(cpu));
	if (!r->pages)
		return -ENOMEM;
	memcpy(r->pages + 1 + nr_data_pages, r->pages + 1,
	       nr_data_pages * sizeof(*r->pages));

	r->ring.data = vmap(r->pages + 1, 2 * nr_data_pages, VM_MAP, PAGE_KERNEL);
	if (!r->ring.data)
		return -ENOMEM;
	r->ring.producer = page_address(r->pages[0]);
	r->ring.consumer = (struct fz_consumer *)consumers + cpu;
	r->ring.bytes = nr_data_pages << PAGE_SHIFT;
	r->ring.cpu = cpu;
	return 0;
}

int fz_rings_init(void)
{
	int cpu, err = -ENOMEM;

	nr_data_pages = roundup_pow_of_two(clamp(fz_ring_kib, FZ_RING_MIN >> 10, RING_MAX_KIB)) >>
			(PAGE_SHIFT - 10);
	nr_consumer_pages = DIV_ROUND_UP(nr_cpu_ids * sizeof(struct fz_consumer), PAGE_SIZE);
	ring_offset = nr_consumer_pages << PAGE_SHIFT;
	ring_stride = (1 + 2 * nr_data_pages) << PAGE_SHIFT;

	rings = kvcalloc(nr_cpu_ids, sizeof(*rings), GFP_KERNEL);
	consumer_pages = alloc_pages_for(nr_consumer_pages, nr_consumer_pages, NUMA_NO_NODE);
	if (!rings || !consumer_pages)
		goto err_free;
	consumers = vmap(consumer_pages, nr_consumer_pages, VM_MAP, PAGE_KERNEL);
	if (!consumers)
		goto err_free;
	for_each_possible_cpu(cpu) {
		err = make_ring(&rings[cpu], cpu);
		if (err)
			goto err_free;
	}
	return 0;

err_free:
	pr_err("fitzroy: not loaded: no memory for %u rings of %lu KiB; give a smaller ring_kib\n",
	       num_possible_cpus(), nr_data_pages << (PAGE_SHIFT - 10));
	fz_rings_exit();
	return err;
}

void fz_rings_exit(void)
{
	unsigned int cpu;

	irq_work_sync(&wake_work);
	for (cpu = 0; rings && cpu < nr_cpu_ids; cpu++)
		free_ring(&rings[cpu]);
	kvfree(rings);
	if (consumers)
		vunmap(consumers);
	if (consumer_pages)
		free_pages_of(consumer_pages, nr_consumer_pages);
	rings = NULL;
	consumers = NULL;
	consumer_pages = NULL;
}
