// SPDX-License-Identifier: GPL-2.0-only
/* session.c - attach, read until told to stop, detach */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lockdown.h"
#include "options.h"
#include "session.h"
#include "vms.h"

static volatile sig_atomic_t stop;
static sigset_t outside;	/* the signal mask while waiting */

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* The signals are taken only while waiting: none is missed before a wait. */
static void catch_signals(void)
{
	static const int sig[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t block;
	size_t i;

	sigemptyset(&block);
	for (i = 0; i < sizeof(sig) / sizeof(sig[0]); i++) {
		sigaction(sig[i], &sa, NULL);
		sigaddset(&block, sig[i]);
	}
	sigprocmask(SIG_BLOCK, &block, &outside);
	for (i = 0; i < sizeof(sig) / sizeof(sig[0]); i++)
		sigdelset(&outside, sig[i]);
	signal(SIGPIPE, SIG_IGN);
}

int session_option(struct session_args *args, const char *name, int c)
{
	switch (c) {
	case OPT_VM:
		if (args->nvms == SESSION_VMS_MAX)
			return usage(name, "more than %d --vm; use --all", SESSION_VMS_MAX);
		args->vm[args->nvms++] = optarg;
		break;
	case OPT_ALL:
		args->all = true;
		break;
	case OPT_KEEP:
		args->keep = true;
		break;
	case OPT_LOSSLESS:
		args->lossless = true;
		break;
	case OPT_USER:
		args->user = optarg;
		break;
	default:
		return c == 'h' ? c : EXIT_TROUBLE;
	}
	return EXIT_DONE;
}

bool session_stopped(void)
{
	struct timespec now = { 0 };

	ppoll(NULL, 0, &now, &outside);
	return stop;
}

void session_wait(struct session *s, int ms)
{
	struct pollfd p = { .fd = fz_device_fd(s->dev), .events = POLLIN };
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	ppoll(&p, 1, &ts, &outside);
}

static int remember(struct session *s, uint64_t id, struct fz_error *err)
{
	uint64_t *p = reallocarray(s->ours, s->nours + 1, sizeof(*p));

	if (!p)
		return fz_fail(err, -ENOMEM, "out of memory");
	s->ours = p;
	s->ours[s->nours++] = id;
	return 0;
}

/* The module's own policy, or a stricter one. */
static uint32_t policy(const struct session *s)
{
	uint32_t now = fz_device_info(s->dev)->policy & FZ_POLICY_LOSSLESS;

	return s->args->lossless ? FZ_POLICY_LOSSLESS : now;
}

static int attach(struct session *s, const struct fz_host_vm *vm, struct fz_error *err)
{
	uint64_t id;
	int fd, ret;

	fd = fz_vms_take(vm, err);
	if (fd < 0)
		return fd;
	ret = fz_device_attach(s->dev, fd, policy(s), &id, err);
	close(fd);
	if (ret == -EALREADY) {
		s->seen = true;
		return 0;
	}
	if (ret)
		return ret;
	s->seen = true;
	return remember(s, id, err);
}

static bool watched(const struct session *s, uint64_t id)
{
	size_t i;

	for (i = 0; i < s->nbefore; i++)
		if (s->before[i].id == id)
			return true;
	return false;
}

/* "N" is a PID or the id of an attached VM; "pid:N" and "id:N" say which. */
static int attach_named(struct session *s, const char *name, const struct fz_host_vm *vms,
			size_t n)
{
	bool pid_ok = strncmp(name, "id:", 3), id_ok = strncmp(name, "pid:", 4), is_id;
	const char *digits = !pid_ok ? name + 3 : !id_ok ? name + 4 : name;
	size_t i, hits = 0;
	struct fz_error err;
	uint64_t number;
	char *end;

	errno = 0;
	number = strtoull(digits, &end, 10);
	if (*digits < '0' || *digits > '9' || *end || errno)
		return trouble("--vm %s: not a number, id:NUMBER or pid:NUMBER", name);
	for (i = 0; i < n && pid_ok; i++)
		hits += (uint64_t)vms[i].pid == number;
	is_id = id_ok && watched(s, number);
	if (hits && is_id)
		return trouble("--vm %s: both a PID and a VM's id; say pid:%s or id:%s", name, name,
			       name);
	if (!hits && !is_id)
		return trouble("--vm %s: no process with a KVM virtual machine%s; see fitzroy list",
			       name, id_ok ? " and no attached VM has that number" : " has that PID");
	s->seen |= is_id;
	for (i = 0; i < n && hits; i++)
		if ((uint64_t)vms[i].pid == number && attach(s, &vms[i], &err))
			return trouble("VM of process %d: %s", vms[i].pid, err.text);
	return EXIT_DONE;
}

static int attach_all(struct session *s, const struct fz_host_vm *vms, size_t n)
{
	struct fz_error err;
	size_t i;
	int ret;

	if (!fz_device_info(s->dev)->attach_new) {
		ret = fz_device_attach_new(s->dev, true, policy(s), &err);
		if (ret && ret != -EALREADY)
			return trouble("%s", err.text);
		s->new_on = !ret;
	}
	/* One VM that cannot be watched is no reason to leave the others. */
	for (i = 0; i < n; i++)
		if (attach(s, &vms[i], &err))
			trouble("VM of process %d is not watched: %s", vms[i].pid, err.text);
	return EXIT_DONE;
}

static int attach_wanted(struct session *s)
{
	struct fz_host_vm *vms = NULL;
	size_t n = 0, hidden, i;
	struct fz_error err;
	int ret = EXIT_DONE;

	if (!s->args->all && !s->args->nvms) {
		if (s->nbefore || fz_device_info(s->dev)->attach_new)
			return EXIT_DONE;
		return trouble("no VM is attached; name one with --vm, or use --all");
	}
	if (fz_vms_scan(&vms, &n, &hidden, &err))
		return trouble("%s", err.text);
	for (i = 0; i < s->args->nvms && !ret; i++)
		ret = attach_named(s, s->args->vm[i], vms, n);
	if (!ret && s->args->all)
		ret = attach_all(s, vms, n);
	free(vms);
	return ret;
}

int session_open(struct session *s, const struct session_args *args)
{
	struct fz_error err;
	int ret;

	*s = (struct session){ .args = args };
	catch_signals();
	if (fz_device_open(&s->dev, &err))
		return trouble("%s", err.text);
	/* Read first: an attach that nobody can read is worth nothing. */
	if (fz_device_reader(s->dev, false, &s->reader, &err) ||
	    fz_device_list(s->dev, &s->before, &s->nbefore, &err)) {
		ret = trouble("%s", err.text);
		session_close(s);
		return ret;
	}
	s->seen = s->nbefore;
	ret = attach_wanted(s);
	if (ret) {
		session_detach(s);
		session_close(s);
	}
	return ret;
}

int session_lock(struct session *s, int output)
{
	int ret = lock_down(s->args->user, s->dev, !s->args->keep, output);

	if (ret)
		session_detach(s);
	return ret;
}

bool session_died(struct session *s)
{
	struct fz_error err;
	struct fz_vm_desc *vms;
	size_t n;

	if (fz_device_list(s->dev, &vms, &n, &err))
		return false;
	free(vms);
	if (!n && !s->seen) {
		/* One may have come and gone between two looks. */
		struct fz_counters c;

		s->seen = fz_reader_seq(s->reader)->records &&
			  !fz_device_stat(s->dev, 0, &c, &err) && c.grants;
	}
	s->seen |= n > 0;
	return s->seen && !n;
}

void session_detach(struct session *s)
{
	struct fz_error err;
	struct fz_vm_desc *vms;
	size_t n, i;

	if (s->args->keep)
		return;
	if (s->new_on && fz_device_attach_new(s->dev, false, 0, &err))
		trouble("%s", err.text);
	for (i = 0; i < s->nours; i++)
		fz_device_detach(s->dev, s->ours[i], &err);	/* -ENOENT: it is gone */
	if (s->new_on && !fz_device_list(s->dev, &vms, &n, &err)) {
		for (i = 0; i < n; i++)
			if (!watched(s, vms[i].id))
				fz_device_detach(s->dev, vms[i].id, &err);
		free(vms);
	}
	s->new_on = false;
	s->nours = 0;
}

void session_close(struct session *s)
{
	fz_device_close(s->dev);
	free(s->before);
	free(s->ours);
	*s = (struct session){ 0 };
}
