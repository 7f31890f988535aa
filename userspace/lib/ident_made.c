// SPDX-License-Identifier: GPL-2.0-only
/*
 * ident_made.c - code that a kernel makes as it runs: named by its looks, never identified
 *
 * An ftrace trampoline is a copy of the kernel's own ftrace_caller or ftrace_regs_caller,
 * but for the call in it, the reference to its struct ftrace_ops, and its end
 * (create_trampoline() of 6.1 and 6.12). So it is compared with the kernel's file.
 *
 * A BPF program lies in a chunk of its own: its size, a multiple of 64, at a multiple of 64;
 * int3 up to a random place; then what the JIT compiler begins each program with
 * (bpf_jit_binary_pack_alloc(), emit_prologue()). Who can write kernel code can write
 * that, too: it says what the code looks like, not who made it.
 */
#include "ident_made.h"

#define INT3		0xcc
#define CHUNK		64U
#define HEADER		8U	/* struct bpf_binary_header, to where the program may begin */
#define PROGRAM_MAX	(1U << 20)
#define CALL		5U
#define OP		7U	/* mov function_trace_op(%rip), %rdx */
#define KERNEL_HALF	0xffff800000000000ULL

static bool has(const uint8_t *p, unsigned int at, const void *bytes, unsigned int len)
{
	return at + len <= FZ_PAGE_SIZE && !memcmp(p + at, bytes, len);
}

static int32_t s32(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* Does a BPF program begin at @at? */
static bool prologue(const uint8_t *p, unsigned int at)
{
	static const uint8_t endbr[4] = { 0xf3, 0x0f, 0x1e, 0xfa };
	static const uint8_t nop5[5] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
	static const uint8_t frame[4] = { 0x55, 0x48, 0x89, 0xe5 };
	static const struct { uint8_t len, bytes[3]; } tail_calls[] = {
		{ 2, { 0x31, 0xc0 } }, { 2, { 0x66, 0x90 } },
		{ 3, { 0x48, 0x31, 0xc0 } }, { 3, { 0x0f, 0x1f, 0x00 } },
	};
	size_t i;

	if (has(p, at, endbr, sizeof(endbr)))
		at += sizeof(endbr);
	/* a trampoline's call, or none */
	if (!has(p, at, nop5, sizeof(nop5)) && !has(p, at, "\xe8", 1))
		return false;
	at += sizeof(nop5);
	for (i = 0; i < sizeof(tail_calls) / sizeof(tail_calls[0]); i++) {
		if (has(p, at, tail_calls[i].bytes, tail_calls[i].len)) {
			at += tail_calls[i].len;
			break;
		}
	}
	return has(p, at, frame, sizeof(frame));
}

bool fz_made_bpf(const uint8_t *page, unsigned int at, unsigned int *end)
{
	unsigned int chunk, start;
	uint32_t size;

	for (chunk = 0; chunk + HEADER < FZ_PAGE_SIZE && chunk + HEADER <= at; chunk += CHUNK) {
		memcpy(&size, page + chunk, sizeof(size));
		if (!size || size % CHUNK || size > PROGRAM_MAX || chunk + size <= at)
			continue;
		for (start = chunk + 4; start < FZ_PAGE_SIZE && page[start] == INT3; start++)
			;
		if (start < chunk + HEADER || start > at || !prologue(page, start))
			continue;
		*end = chunk + size;
		return true;
	}
	return false;
}

/* ------------------------------------------------------------------ trampolines */

/*
 * Put what @have has of the template into @page, which is page @pageno of the kernel; where
 * a trampoline differs from it, leave what is there.
 */
static void overlay(const struct fz_ftrace *t, const uint8_t *have, uint32_t pageno, uint8_t *page)
{
	uint32_t at;

	for (at = t->start; at < t->end; at++) {
		if (at / FZ_PAGE_SIZE != pageno || (at >= t->call && at < t->call + CALL) ||
		    (at >= t->op && at < t->op + OP) ||
		    (t->jmp && at >= t->jmp && at < t->jmp + 2))
			continue;
		page[at % FZ_PAGE_SIZE] = have[at - t->start];
	}
}

int fz_made_trampoline(const struct fz_ftrace *t, const uint8_t *have, const struct fz_template *k,
		       struct fz_error *err)
{
	static const uint8_t load[3] = { 0x48, 0x8b, 0x15 }, nop2[2] = { 0x66, 0x90 };
	uint32_t size = t->end - t->start, at, pageno;
	uint8_t page[FZ_PAGE_SIZE];
	uint64_t ops;
	int ret;

	if (t->start >= t->end || size + CALL + 8 > FZ_PAGE_SIZE || t->op < t->start ||
	    t->op + OP > t->end || t->call < t->start || t->call + CALL > t->end ||
	    (t->jmp && (t->jmp < t->start || t->jmp + 2 > t->end)))
		return 0;
	if (memcmp(have + (t->op - t->start), load, sizeof(load)) ||
	    have[t->call - t->start] != 0xe8 ||
	    (t->jmp && memcmp(have + (t->jmp - t->start), nop2, sizeof(nop2))))
		return 0;
	/* It returns, and has its ops behind that. */
	if (have[size] != 0xc3 && have[size] != 0xe9)
		return 0;
	if (have[size] == 0xe9 && !k->function(k->ctx, size + CALL + s32(have + size + 1)))
		return 0;
	at = t->op - t->start + OP + s32(have + (t->op - t->start) + 3);
	if (at <= size || at > size + CALL)
		return 0;
	memcpy(&ops, have + at, sizeof(ops));
	if (ops < KERNEL_HALF)
		return 0;
	for (pageno = t->start / FZ_PAGE_SIZE; pageno <= (t->end - 1) / FZ_PAGE_SIZE; pageno++) {
		ret = k->page(k->ctx, pageno, page, err);
		if (ret <= 0)
			return ret;
		overlay(t, have, pageno, page);
		ret = k->confirm(k->ctx, pageno, page, err);
		if (ret <= 0)
			return ret;
	}
	return 1;
}

/* ----------------------------------------------------------------------- naming */

struct program {
	uint32_t vm;
	uint64_t from, to;
};

static bool concerns(const struct fz_identify *id, const struct fz_frame *f)
{
	return fz_is_open(id, f) && f->cpl != 3 && f->mode & FZ_MODE_LMA &&
	       f->why == FZ_WHY_KERNEL && f->rip >= FZ_MODULES && f->rip < FZ_MODULES_END;
}

int fz_made_name(struct fz_identify *id, struct fz_error *err)
{
	struct program *p = NULL;
	size_t i, k, n = 0, cap = 0;
	unsigned int end;

	for (i = 0; i < id->r.nframes; i++) {
		struct fz_frame *f = &id->r.frames[i];
		uint64_t page = f->rip & ~(uint64_t)(FZ_PAGE_SIZE - 1);

		if (!concerns(id, f) || !fz_made_bpf(id->r.contents[f->content].page,
						     f->rip % FZ_PAGE_SIZE, &end))
			continue;
		fz_say_why(f, FZ_WHY_BPF);
		if (end <= FZ_PAGE_SIZE)
			continue;
		if (FZ_GROW(p, n, cap)) {
			free(p);
			return fz_fail(err, -ENOMEM, "out of memory");
		}
		p[n++] = (struct program){ f->vm, page, page + end };
	}
	for (i = 0; i < id->r.nframes; i++) {
		struct fz_frame *f = &id->r.frames[i];

		if (!concerns(id, f))
			continue;
		/* Where a large program goes on, or one knows no more. */
		for (k = 0; k < n; k++)
			if (p[k].vm == f->vm && f->rip >= p[k].from && f->rip < p[k].to)
				break;
		fz_say_why(f, k < n ? FZ_WHY_BPF : FZ_WHY_MODULES);
	}
	free(p);
	return 0;
}
