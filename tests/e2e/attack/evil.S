/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * evil.S - answers each byte of stdin with one: two pages of code that run anywhere
 *
 * KEY: what a byte is changed with; SEED: of what the rest of the pages is, for a page of
 * next to no content proves nothing.
 */
	.macro	fill from
	.set	x, SEED
	.rept	(4096 - \from) / 8
	.set	x, x * 6364136223846793005 + 1442695040888963407
	.quad	x
	.endr
	.endm

	.text
	.globl	_start
_start:
	sub	$64, %rsp
1:	xor	%eax, %eax		/* read */
	xor	%edi, %edi
	mov	%rsp, %rsi
	mov	$1, %edx
	syscall
	cmp	$1, %rax
	jne	2f
	mov	(%rsp), %al
	call	change
	mov	%al, (%rsp)
	mov	$1, %eax		/* write */
	mov	$1, %edi
	mov	%rsp, %rsi
	mov	$1, %edx
	syscall
	jmp	1b
2:	mov	$60, %eax		/* exit */
	xor	%edi, %edi
	syscall
	.balign	128, 0xcc
	fill	128
change:
	xor	$KEY, %al
	ret
	.balign	64, 0xcc
	fill	64
	.section .note.GNU-stack, "", @progbits
