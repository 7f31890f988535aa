// SPDX-License-Identifier: GPL-2.0-only
/* injected.c - the library that inject() has another process load; its constructor runs */
#include <asm/unistd.h>

volatile long injected;

__attribute__((constructor)) static void begin(void)
{
	long pid;

	asm volatile("syscall" : "=a"(pid) : "a"(__NR_getpid) : "rcx", "r11", "memory");
	injected = pid;
}
