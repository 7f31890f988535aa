// SPDX-License-Identifier: GPL-2.0-only
/* upx.c - programs packed by UPX */
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include "elffile.h"
#include "upx.h"

#define HEAD	512		/* ELF header, 8 program headers, UPX's own */

bool fz_upx_magic(const void *data, size_t size)
{
	const uint8_t *p = data;

	return fz_elf_magic(data, size) && size > 52 &&
	       memmem(p + 52, (size < HEAD ? size : HEAD) - 52, "UPX!", 4);
}

/*
 * Behind the code, if its last page has room, the stub puts what it leaves through when it
 * unmaps itself: syscall; pop %rdx; ret.
 */
static const uint8_t hatch[] = { 0x0f, 0x05, 0x5a, 0xc3 };

static void keep(uint8_t *image, const uint8_t *data, size_t size, const GElf_Phdr *ph, bool amd64)
{
	size_t end;

	if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X) || ph->p_offset > size ||
	    ph->p_filesz > size - ph->p_offset)
		return;
	end = ph->p_offset + ph->p_filesz;
	memcpy(image + ph->p_offset, data + ph->p_offset, ph->p_filesz);
	if (amd64 && ph->p_filesz == ph->p_memsz && (-end & 4095) >= sizeof(hatch) &&
	    size - end >= sizeof(hatch))
		memcpy(image + end, hatch, sizeof(hatch));
}

int fz_upx_image(void *data, size_t size, struct fz_error *err)
{
	uint8_t *image = calloc(1, size + !size);
	Elf *e = image && elf_version(EV_CURRENT) ? elf_memory(data, size) : NULL;
	GElf_Ehdr eh;
	GElf_Phdr ph;
	size_t n, i;

	if (!e || !gelf_getehdr(e, &eh) || elf_getphdrnum(e, &n)) {
		elf_end(e);
		free(image);
		return fz_fail(err, -ENOMEM, "out of memory");
	}
	for (i = 0; i < n; i++)
		if (gelf_getphdr(e, i, &ph))
			keep(image, data, size, &ph, eh.e_machine == EM_X86_64);
	elf_end(e);
	memcpy(data, image, size);
	free(image);
	return 0;
}
