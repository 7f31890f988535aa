/* SPDX-License-Identifier: GPL-2.0-only */
/* attack.h - what the parts of the attack suite's guest program share */
#ifndef ATTACK_H
#define ATTACK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE	4096UL
#define HERE	"/run/attack/"

/* The step that runs, and whether it is the clean twin of an attack. */
extern const char *step;
extern int twin;

/*
 * account.c: the guest's own record, a line of JSON each, behind HERE "truth".
 *
 * @role: "ran": these pages have run; "mapped": some of them may have.
 */
void account(const char *role, pid_t pid, uintptr_t addr, size_t pages);
/* Every executable mapping of @pid whose path ends with @name. Return how many pages. */
size_t account_mapped(pid_t pid, const char *name);
/* One byte at @addr of process @pid is no longer what its file has there. */
void account_changed(pid_t pid, uintptr_t addr, uint8_t old, uint8_t new);
/* A line as it is. */
void account_line(const char *text);

/* A mapping of a process. */
struct mapping {
	uintptr_t start, end;
	uint64_t offset;
	int exec;
	char path[256];
};

/* Of @pid: the one that holds @addr, or (@addr = 0) the first whose path ends with @name. */
int find_mapping(pid_t pid, uintptr_t addr, const char *name, int exec, struct mapping *m);
/* Read or write all of it, or end the program. */
void peek(pid_t pid, uintptr_t addr, void *to, size_t size);
void poke(pid_t pid, uintptr_t addr, const void *from, size_t size);

void fail(const char *what) __attribute__((noreturn));
/* Read a whole file; its size in *@size. */
uint8_t *slurp(const char *path, size_t *size);
void put_file(const char *path, const void *data, size_t size);

/* The steps; 0 = it did what it should. */
int libc_byte(void);
int libc_disk(void);
int libc_disk_caller(void);
int wx(void);
int packed(void);
int upx(void);
int memfd(void);
int deleted(void);
int forged(void);
int hollow(void);
int inject(void);
int bpf(void);
int static_key(void);
int module(const char *file, const char *mode);

/* serve.c: a program that answers each byte with one byte. */
struct served {
	pid_t pid;
	int in, out;
};

void serve(struct served *s, int fd, const char *path);
int feed(struct served *s, int byte);
int served_end(struct served *s);

#endif
