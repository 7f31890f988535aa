// SPDX-License-Identifier: GPL-2.0-only
/* kernel_insn.c - Zydis decodes */
#include <string.h>
#include <Zydis/Zydis.h>
#include "kernel_insn.h"

bool fz_insn(struct fz_insn *out, const uint8_t *p, size_t len)
{
	ZydisDecodedInstruction i;
	ZydisDecoder decoder;

	if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
					   ZYDIS_STACK_WIDTH_64)) ||
	    !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, p, len, &i)))
		return false;
	*out = (struct fz_insn){
		.len = i.length,
		.op = i.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT ? i.opcode : 0x0f,
		.op2 = i.opcode_map == ZYDIS_OPCODE_MAP_0F ? i.opcode : 0,
		.imm_at = i.raw.imm[0].offset, .imm_len = i.raw.imm[0].size / 8,
		.imm = i.raw.imm[0].value.s,
		.disp_at = i.raw.disp.offset, .disp_len = i.raw.disp.size / 8,
		.disp = i.raw.disp.value,
		.rip_relative = i.raw.modrm.offset && i.raw.modrm.mod == 0 && i.raw.modrm.rm == 5,
	};
	return true;
}

bool fz_insn_is_nop(const struct fz_insn *i, const uint8_t *p)
{
	return (i->op == 0x90 && p[0] != 0xf3) || (i->op == 0x0f && i->op2 == 0x1f);
}
