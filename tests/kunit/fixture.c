// SPDX-License-Identifier: GPL-2.0-only
/*
 * fixture.c - what the tests share, and stand-ins for what the code under test calls
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "fixture.h"
#include "rings.h"

#define PAGES	(FX_BYTES / PAGE_SIZE)

static struct fz_producer producer;
static struct fz_consumer consumer;
static struct page *pages[2 * PAGES];
struct fz_ring fx_ring;
struct fz_regs fx_regs;
struct hlist_head fz_vm_table[1 << FZ_VM_TABLE_BITS];
unsigned int fx_wakes;
u32 fz_kvm_vendor;

/* The same pages twice in a row, as kmod/rings.c maps them. */
int fx_ring_init(struct kunit *test)
{
	void *data;
	int i;

	for (i = 0; i < PAGES; i++) {
		pages[i] = alloc_page(GFP_KERNEL);
		if (!pages[i])
			goto nomem;
		pages[PAGES + i] = pages[i];
	}
	data = vmap(pages, 2 * PAGES, VM_MAP, PAGE_KERNEL);
	if (!data)
		goto nomem;
	memset(data, 0xa5, FX_BYTES);
	producer = (struct fz_producer) {};
	consumer = (struct fz_consumer) {};
	fx_ring = (struct fz_ring) {
		.producer = &producer, .consumer = &consumer, .data = data,
		.bytes = FX_BYTES, .cpu = 3,
	};
	fz_kvm_vendor = FZ_VENDOR_AMD;
	fx_wakes = 0;
	return 0;
nomem:
	while (i--)
		__free_page(pages[i]);
	return -ENOMEM;
}

void fx_ring_exit(struct kunit *test)
{
	int i;

	if (!fx_ring.data)
		return;
	vunmap(fx_ring.data);
	fx_ring.data = NULL;
	for (i = 0; i < PAGES; i++)
		__free_page(pages[i]);
}

const struct fz_rec *fx_get(void)
{
	if (consumer.pos == producer.pos)
		return NULL;
	return fx_ring.data + (consumer.pos & (FX_BYTES - 1));
}

void fx_consume(const struct fz_rec *rec)
{
	consumer.pos += rec->size;
}

struct fz_vm *fx_vm(struct kunit *test)
{
	struct fz_vm *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vm);
	vm->stats = alloc_percpu(struct fz_counters);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)vm->stats);
	KUNIT_ASSERT_EQ(test, fz_frames_alloc_init(), 0);
	fz_frames_init(&vm->frames);
	vm->info.id = 77;
	vm->armed = true;
	return vm;
}

void fx_vm_put(struct fz_vm *vm)
{
	fz_frames_destroy(&vm->frames);
	fz_frames_alloc_exit();
	free_percpu(vm->stats);
}

struct fz_ring *fz_rings_this(void)
{
	return &fx_ring;
}

void fz_rings_wake(void)
{
	fx_wakes++;
}

void fz_regs_read(struct kvm_vcpu *vcpu, struct fz_regs *regs)
{
	*regs = fx_regs;
}
