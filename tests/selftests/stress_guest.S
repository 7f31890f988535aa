/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stress_guest.S - what a vCPU of the stress test runs; position-independent
 *
 * It rewrites or calls random frames, with one operation after another drawn from
 * a generator of its own. A frame is 16 blocks of 256 bytes:
 *
 *	+0	nopw 0(%rax,%rax); movabs $LABEL, %rax		the label at +8
 *	+16	stos %rax, (%rdi); jmp to the next block
 *
 * The last goes on at +32 with what the host put there: a return, or a write to
 * the frame itself. Every store into a frame is of 8 aligned bytes, and all but
 * the labels are always the same: so the code stays whole while others rewrite it.
 * A call leaves the labels that it ran in the log, block by block. Frames that
 * the host has emptied run as zeros, which fault: labels are no canonical
 * addresses. See struct stress_params and struct stress_call in stress.h.
 *
 *	r8, r9	code of a block		r13	cursor of the log
 *	r10	1 in a call		r14	state of the generator
 *	r12	the parameters		r15	stack, for after a fault
 */
	.section .rodata

	.set	P_MASK, 0
	.set	P_WRITES, 8
	.set	P_OPS, 16
	.set	P_LOG, 24
	.set	P_END, 32
	.set	P_SMM_LOG, 40
	.set	P_SMM, 48
	.set	P_SMM_MASK, 56
	.set	P_FRAMES, 64

	.globl	stress_guest, stress_fault, stress_guest_end
stress_guest:
	mov	%rdi, %r12
	mov	%rsi, %r14
	mov	%rsp, %r15
	xor	%r10d, %r10d
	movabs	$0xb8480000441f0f66, %r8
	movabs	$0x00000000e9e9ab48, %r9
batch:
	mov	P_LOG(%r12), %r13
	mov	P_OPS(%r12), %rbp
	cmpq	$0, P_SMM(%r12)
	je	op
	call	write_smm
op:
	call	random
	mov	%rax, %rcx
	shr	$16, %rcx
	and	P_MASK(%r12), %rcx
	mov	P_FRAMES(%r12,%rcx,8), %rbx
	movzbl	%al, %ecx
	cmp	P_WRITES(%r12), %rcx
	jb	write

	mov	%rbx, (%r13)
	lea	8(%r13), %rdi
	movq	$0, 144(%r13)
	movabs	$0x8000000000000000, %rax
	mov	$1, %r10d
	call	*%rbx
logged:
	xor	%r10d, %r10d
	mov	%rdi, 136(%r13)
	add	$160, %r13
next:
	dec	%rbp
	jnz	op
	mov	%r13, P_END(%r12)
	mov	P_SMM_LOG(%r12), %rdi
	outb	%al, $0x10
	jmp	batch

	/* Every exception: the call, or the write, is over. */
stress_fault:
	mov	%r15, %rsp
	test	%r10d, %r10d
	jz	next
	movq	$1, 144(%r13)
	jmp	logged

	/* 1 to 16 blocks of the frame at rbx get a new label. */
write:
	shr	$8, %eax
	mov	%eax, %esi
	and	$15, %esi
	shr	$4, %eax
	and	$15, %eax
	mov	%eax, %edx
1:	call	random
	bts	$63, %rax
	btr	$62, %rax
	mov	%edx, %ecx
	shl	$8, %ecx
	add	%rbx, %rcx
	mov	%r8, (%rcx)
	mov	%rax, 8(%rcx)
	mov	%r9, %rdi
	cmp	$15, %edx
	jne	2f
	movabs	$0x000000000cebab48, %rdi
2:	mov	%rdi, 16(%rcx)
	inc	%edx
	and	$15, %edx
	dec	%esi
	jns	1b
	jmp	next

	/*
	 * A block of a vCPU's SMM handler gets a new label: mov $LABEL, %eax; the
	 * prefixes of stos. What follows never changes.
	 */
write_smm:
	call	random
	mov	%eax, %ecx
	and	P_SMM_MASK(%r12), %rcx
	shl	$16, %ecx
	mov	%eax, %edx
	shr	$4, %edx
	and	$0xf00, %edx
	add	%edx, %ecx
	add	P_SMM(%r12), %rcx
	shr	$32, %rax
	or	$1, %eax
	shl	$16, %rax
	movabs	$0x666700000000b866, %rdx
	or	%rdx, %rax
	mov	%rax, (%rcx)
	ret

random:
	mov	%r14, %rax
	shl	$13, %rax
	xor	%rax, %r14
	mov	%r14, %rax
	shr	$7, %rax
	xor	%rax, %r14
	mov	%r14, %rax
	shl	$17, %rax
	xor	%r14, %rax
	mov	%rax, %r14
	/* The low bits of a plain xorshift are poor. */
	rol	$29, %rax
	ret
stress_guest_end:

	.section .note.GNU-stack, "", @progbits
