// SPDX-License-Identifier: GPL-2.0-only
/* sandbox.c - give up what reading a hostile guest's records does not need */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <linux/capability.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "sandbox.h"
#include "seal.h"

/* Any file, any argument: what is not open by now will never be. */
static const int plain[] = {
	SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fstat),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(restart_syscall),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
	SCMP_SYS(sysinfo), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(exit), SCMP_SYS(exit_group),
};

static int add(scmp_filter_ctx f, int call, unsigned int n, const struct scmp_arg_cmp *args)
{
	return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, n, args);
}

/* @call on file @fd. */
static int on(scmp_filter_ctx f, int call, int fd)
{
	const struct scmp_arg_cmp arg = SCMP_A0(SCMP_CMP_EQ, (unsigned int)fd);

	return fd < 0 ? 0 : add(f, call, 1, &arg);
}

static int fill(scmp_filter_ctx f, const struct fz_sandbox *box)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	/* How the C library asks for fstat(). */
	const struct scmp_arg_cmp by_fd = SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH);
	const struct scmp_arg_cmp tty = SCMP_A1(SCMP_CMP_EQ, TCGETS);
	const int files[] = { STDOUT_FILENO, STDERR_FILENO, box->output };
	size_t i;
	int ret = 0;

	for (i = 0; i < sizeof(plain) / sizeof(plain[0]) && !ret; i++)
		ret = add(f, plain[i], 0, NULL);
	for (i = 0; i < sizeof(files) / sizeof(files[0]) && !ret; i++) {
		ret = on(f, SCMP_SYS(write), files[i]);
		if (!ret)
			ret = on(f, SCMP_SYS(writev), files[i]);
	}
	if (!ret)
		ret = on(f, SCMP_SYS(fdatasync), box->output);
	if (!ret)
		ret = on(f, SCMP_SYS(ftruncate), box->output);
	if (!ret)
		ret = add(f, SCMP_SYS(mmap), 1, &no_exec);
	if (!ret)
		ret = add(f, SCMP_SYS(mprotect), 1, &no_exec);
	if (!ret)
		ret = add(f, SCMP_SYS(newfstatat), 1, &by_fd);
	if (!ret)
		ret = add(f, SCMP_SYS(ioctl), 1, &tty);
	for (i = 0; i < box->nioctls && !ret; i++) {
		const struct scmp_arg_cmp args[] = {
			SCMP_A0(SCMP_CMP_EQ, (unsigned int)box->device),
			SCMP_A1(SCMP_CMP_EQ, box->ioctls[i]),
		};

		ret = add(f, SCMP_SYS(ioctl), 2, args);
	}
	return ret;
}

static int filter(const struct fz_sandbox *box, struct fz_error *err)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret = f ? seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) : -ENOMEM;

	if (!ret)
		ret = fill(f, box);
	if (!ret)
		ret = seccomp_load(f);
	seccomp_release(f);
	if (!ret)
		return 0;
	return fz_fail(err, ret == -ENOMEM ? ret : -ENOSYS, "this kernel does not filter system "
		       "calls (seccomp): %s", strerror(-ret));
}

static int compare(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}

/* Libraries that open a file when first used do it now. */
static int warm(struct fz_error *err)
{
	char big[4096] = { 0 };

	tzset();
	json_object_seed(0);
	qsort(big, sizeof(big), 1, compare);
	return fz_seal_warm(err);
}

static int become(const char *name, struct fz_error *err)
{
	struct passwd *pw = getpwnam(name ? name : FZ_SANDBOX_USER);

	if (!pw)
		return name ? fz_fail(err, -ENOENT, "there is no user %s", name) : 0;
	if (geteuid() == pw->pw_uid && getuid() == pw->pw_uid)
		return 0;
	if (geteuid())
		return name ? fz_fail(err, -EPERM, "only root can become user %s", name) : 0;
	if (setgroups(0, NULL) || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid))
		return fz_fail(err, -errno, "cannot become user %s: %s", pw->pw_name,
			       strerror(errno));
	return 0;
}

int fz_sandbox_enter(const struct fz_sandbox *box, struct fz_error *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	const struct rlimit no_core = { 0, 0 };
	int ret = warm(err);

	if (!ret)
		ret = become(box->user, err);
	if (ret)
		return ret;
	/* A core dump, or a debugger of the same user, has the guest's memory and the key. */
	if (setrlimit(RLIMIT_CORE, &no_core) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    syscall(SYS_capset, &head, none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fz_fail(err, -errno, "cannot give up privileges: %s", strerror(errno));
	return filter(box, err);
}
