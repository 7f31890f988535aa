// SPDX-License-Identifier: GPL-2.0-only
/* stub.c - what a packed program begins with: unpack, make executable, jump */
#include <asm/unistd.h>
#include "packed.h"	/* unsigned char packed[]: pairs of length and byte, disguised */

#define TO	((unsigned char *)0x10000000)
#define SIZE	8192

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long ret;

	asm volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return ret;
}

void _start(void)
{
	unsigned char *to = TO;
	unsigned long i;
	unsigned int n;

	/* read and write; private, anonymous, fixed */
	if (call(__NR_mmap, (long)TO, SIZE, 3, 0x32, -1, 0) != (long)TO)
		call(__NR_exit, 1, 0, 0, 0, 0, 0);
	for (i = 0; i < sizeof(packed); i += 2)
		for (n = packed[i] ^ 0x5a; n; n--)
			*to++ = packed[i + 1] ^ 0x5a;
	/* read and execute */
	call(__NR_mprotect, (long)TO, SIZE, 5, 0, 0, 0);
	((void (*)(void))TO)();
}
