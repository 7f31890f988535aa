/* SPDX-License-Identifier: GPL-2.0-only */
/* kernel_insn.h - as much of an x86-64 instruction as the kernel's patching looks at */
#ifndef FZ_KERNEL_INSN_H
#define FZ_KERNEL_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fz_insn {
	unsigned int len;
	uint8_t op, op2;	/* first opcode byte; the second, if the first is 0x0f */
	unsigned int imm_at, imm_len, disp_at, disp_len;
	int64_t imm, disp;
	bool rip_relative;
};

/* Decode what is at @p. False: it is no instruction. */
bool fz_insn(struct fz_insn *insn, const uint8_t *p, size_t len);
bool fz_insn_is_nop(const struct fz_insn *insn, const uint8_t *p);

static inline bool fz_insn_is_jcc32(const struct fz_insn *i)
{
	return i->op == 0x0f && (i->op2 & 0xf0) == 0x80;
}

#endif
