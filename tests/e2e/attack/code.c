// SPDX-License-Identifier: GPL-2.0-only
/* code.c - attacks on a process's own code: libc's text, writable code, a packed program */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "attack.h"

/* libc's getppid: mov $SYS_getppid, %eax; the byte of the number. */
static uint8_t *the_byte(void)
{
	uint8_t *f = dlsym(RTLD_DEFAULT, "getppid");

	if (!f || f[0] != 0xb8 || f[2] || f[5] != 0x0f || f[6] != 0x05)
		fail("libc's getppid is not what it was");
	return f + 1;
}

/* Change it in memory, so that getppid answers as getpid does. */
int libc_byte(void)
{
	uint8_t *at = the_byte(), *page = (void *)((uintptr_t)at & ~(PAGE - 1));
	uint8_t old = *at, new = twin ? SYS_getppid : SYS_getpid;

	if (getppid() == getpid())
		return 1;
	if (mprotect(page, PAGE, PROT_READ | PROT_WRITE))
		fail("mprotect");
	*at = new;
	if (mprotect(page, PAGE, PROT_READ | PROT_EXEC))
		fail("mprotect");
	if ((getppid() == getpid()) == twin)
		return 1;
	account("ran", getpid(), (uintptr_t)page, 1);
	if (!twin)
		account_changed(getpid(), (uintptr_t)at, old, new);
	return 0;
}

/* The same on disk: a copy of libc that a program is made to load. */
int libc_disk(void)
{
	const char *dir = twin ? HERE "copy" : HERE "patched";
	uint8_t *at = the_byte(), *data;
	char path[64], variable[64];
	struct mapping m;
	size_t size;
	char *argv[] = { "attack", "libc-disk-caller", twin ? "twin" : NULL, NULL };
	char *envp[] = { variable, NULL };

	if (!find_mapping(getpid(), (uintptr_t)at, NULL, 0, &m))
		return 1;
	data = slurp(m.path, &size);
	if (!twin)
		data[m.offset + ((uintptr_t)at - m.start)] = SYS_getpid;
	mkdir(dir, 0755);
	snprintf(path, sizeof(path), "%s/libc.so.6", dir);
	put_file(path, data, size);
	snprintf(variable, sizeof(variable), "LD_LIBRARY_PATH=%s", dir);
	fflush(stdout);
	execve("/proc/self/exe", argv, envp);
	fail("execve");
}

int libc_disk_caller(void)
{
	uint8_t *at = the_byte();
	struct mapping m;

	step = "libc-disk";
	if ((getppid() == getpid()) == twin ||
	    !find_mapping(getpid(), (uintptr_t)at, NULL, 0, &m) ||
	    strncmp(m.path, HERE, strlen(HERE)))
		return 1;
	account("ran", getpid(), (uintptr_t)at, 1);
	if (!twin)
		account_changed(getpid(), (uintptr_t)at, SYS_getppid, *at);
	return 0;
}

/* mov $value, %eax; ret; and the step's name, so that no other step has such a page. */
static void write_code(uint8_t *page, uint32_t value)
{
	memset(page, 0xcc, PAGE);
	page[0] = 0xb8;
	memcpy(page + 1, &value, 4);
	page[5] = 0xc3;
	strcpy((char *)page + 0x800, step);
}

/* Code in memory that is writable and executable; then other code at the same place. */
int wx(void)
{
	const size_t n = 4;
	uint32_t value, i;
	uint8_t *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	for (value = 0x1000; value <= 0x2000; value += 0x1000) {
		for (i = 0; i < n; i++)
			write_code(p + i * PAGE, value + i);
		if (twin)
			continue;
		for (i = 0; i < n; i++)
			if (((uint32_t (*)(void))(uintptr_t)(p + i * PAGE))() != value + i)
				return 1;
		account("ran", getpid(), (uintptr_t)p, n);
	}
	return 0;
}

/*
 * A program that unpacks itself. The twin is this one: it unpacks the same to the same
 * kind of memory and reads it, and that is all.
 */
int packed(void)
{
	struct served s;
	struct mapping m;
	uint8_t *data, *to, sum = 0;
	size_t size, i;

	if (twin) {
		data = slurp(HERE "evil.bin", &size);
		to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (to == MAP_FAILED)
			fail("mmap");
		for (i = 0; i < size; i++)
			to[i] = data[i];
		if (mprotect(to, size, PROT_READ))
			fail("mprotect");
		for (i = 0; i < size; i++)
			sum ^= to[i] ^ data[i];
		return sum;
	}
	serve(&s, -1, HERE "packed");
	if (feed(&s, 'A') != 'a' || !find_mapping(s.pid, 0, "/packed", 1, &m))
		return 1;
	account("ran", s.pid, m.start, 1);
	/* Where the stub puts it. */
	account("ran", s.pid, 0x10000000, 2);
	return served_end(&s);
}

/* Where evil.S is linked to, and so where UPX's stub puts it. */
#define LINKED	0x401000

/*
 * Programs packed by UPX, which write their code and run it, too. The twin is of a package
 * that is known; the other is none.
 */
int upx(void)
{
	struct served s;

	serve(&s, -1, twin ? HERE "upx-good" : HERE "upx-evil");
	if (feed(&s, 'A') != (twin ? 'A' : 'a'))
		return 1;
	account("ran", s.pid, LINKED, 2);
	return served_end(&s);
}
