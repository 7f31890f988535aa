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

program call_and_stop
	xor	%ebx, %ebx
1:	call	*%rdi
	add	%rax, %rbx
	mov	%rbx, %rax
	add	$4096, %rdi
	outb	%al, $0x10
	dec	%rsi
	jnz	1b
done call_and_stop

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

/* rdi = VMCB, rsi and rdx = rdi and rsi of the nested guest; rax = its rbx */
program svm_run
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	vmrun	%rax
	mov	%rbx, %rax
done svm_run

/*
 * rdi = the VMXON region's address, the VMCS's, 16 bytes of 0, a count, and as many
 * field and value pairs; rsi and rdx as above; r9 = the reason of the exit
 */
program vmx_run
	vmxon	(%rdi)
	mov	$2, %eax
	invept	16(%rdi), %rax
	vmclear	8(%rdi)
	vmptrld	8(%rdi)
	mov	32(%rdi), %rcx
	lea	40(%rdi), %r8
1:	mov	(%r8), %rax
	vmwrite	8(%r8), %rax
	add	$16, %r8
	dec	%rcx
	jnz	1b
	mov	$0x6c14, %eax		/* host RSP, RIP */
	vmwrite	%rsp, %rax
	mov	$0x6c16, %eax
	lea	2f(%rip), %rbx
	vmwrite	%rbx, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	vmlaunch
	mov	$0x4400, %eax		/* error of the instruction */
	vmread	%rax, %rbx
	mov	$-1, %r9
	jmp	3f
2:	mov	$0x4402, %eax		/* reason of the exit */
	vmread	%rax, %r9
3:	vmxoff
	mov	%rbx, %rax
done vmx_run

program poke
	mov	%rsi, (%rdi)
done poke

/*
 * The same in other operand sizes, see vmm_modes.h: di = target, dx = the same for
 * a data segment that may be another one, si = count.
 */
	.code16
program call_16
	xor	%bx, %bx
1:	call	*%di
	add	%ax, %bx
	add	$4096, %di
	dec	%si
	jnz	1b
	mov	%bx, %ax
done call_16

program flip_16
	xor	%bx, %bx
1:	movw	%si, 1(%edx)
	call	*%di
	cmp	%si, %ax
	je	2f
	inc	%bx
2:	dec	%si
	jnz	1b
	mov	%bx, %ax
done flip_16

/* At SMBASE + 0x8000: calls the seven pages from SMBASE + 0x1000 on, then the test looks. */
program smm_call
	mov	$0x1000, %di
	mov	$7, %si
	xor	%bx, %bx
1:	call	*%di
	add	%ax, %bx
	add	$4096, %di
	dec	%si
	jnz	1b
	mov	%bx, %ax
	outb	%al, $0x10
	rsm
done smm_call

	.code32
program call_32
	xor	%ebx, %ebx
1:	call	*%edi
	add	%eax, %ebx
	add	$4096, %edi
	dec	%esi
	jnz	1b
	mov	%ebx, %eax
done call_32

program flip_32
	xor	%ebx, %ebx
1:	mov	%esi, 1(%edx)
	call	*%edi
	cmp	%esi, %eax
	je	2f
	inc	%ebx
2:	dec	%esi
	jnz	1b
	mov	%ebx, %eax
done flip_32

	.code64
	.section .note.GNU-stack, "", @progbits
