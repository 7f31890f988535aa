/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * programs.S - what the guests run; position-independent, at most a page each
 */
	.section .rodata

	.macro program name
	.globl \name
\name:
	.endm

	.macro done name
	outb	%al, $0x10
	hlt
	.globl \name\()_end
\name\()_end:
	.endm

program call_pages
	xor	%ebx, %ebx
1:	call	*%rdi
	add	%rax, %rbx
	add	$4096, %rdi
	dec	%rsi
	jnz	1b
	mov	%rbx, %rax
done call_pages

/* A target is: mov $imm32, %eax; ret. Its constant is at offset 1. */
program flip_page
	xor	%ebx, %ebx
1:	mov	%esi, 1(%rdi)
	call	*%rdi
	cmp	%esi, %eax
	setne	%al
	movzbl	%al, %eax
	add	%eax, %ebx
	dec	%rsi
	jnz	1b
	mov	%rbx, %rax
done flip_page

program write_pages
1:	incb	4095(%rdi)
	add	$4096, %rdi
	dec	%rsi
	jnz	1b
done write_pages

program write_self
	lea	2f(%rip), %rdi
1:	incl	(%rdi)
	dec	%rsi
	jnz	1b
	mov	(%rdi), %eax
	jmp	3f
	.align	8
2:	.long	0
3:
done write_self

	.section .note.GNU-stack, "", @progbits
