// SPDX-License-Identifier: GPL-2.0-only
/*
 * case_fds.c - a VM's file in other hands: dup, fork, exec, SCM_RIGHTS
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "log.h"

/* A process with a VM of its own, which does as told: a byte each, and one in reply. */
struct vmm {
	pid_t pid;
	int socket;
	int vm_fd;		/* the VM, as it came through the socket */
};

static void send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(socket, &msg, 0) != 1)
		err(2, "sendmsg");
}

static int receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(socket, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		err(2, "recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* What KVM and FitzRoy say in a process that has the fd, but not the memory. */
static char forked(struct vm *vm)
{
	struct fz_attach a = { .size = sizeof(a), .vm_fd = vm->fd };
	int fd = open(FZ_DEVICE, O_RDWR), status;
	pid_t pid = fork();

	if (!pid)
		_exit((ioctl(vm->fd, KVM_CHECK_EXTENSION, 0) >= 0 || errno != EIO) |
		      (!ioctl(fd, FZ_IOC_ATTACH, &a) || errno != EALREADY) << 1);
	waitpid(pid, &status, 0);
	close(fd);
	return WIFEXITED(status) ? '0' + WEXITSTATUS(status) : '?';
}

static void serve(int socket)
{
	struct fz_attach a = { .size = sizeof(a) };
	char command, reply;
	struct vm vm;
	int fd;

	vm_new(&vm, 1);
	vm_small_pages(&vm);
	PUT(&vm, DRIVER(0), call_pages);
	vm_put_targets(&vm, TARGETS, N, 3);
	send_fd(socket, vm.fd);
	while (read(socket, &command, 1) == 1) {
		reply = '?';
		switch (command) {
		case 'r':	/* run */
			reply = !call(&vm, 0, TARGETS, N) && vcpu_rax(&vm, 0) == sum(3, N) ?
				'y' : 'n';
			break;
		case 'w':	/* rewrite, as it was */
			vm_put_targets(&vm, TARGETS, N, 3);
			reply = 'y';
			break;
		case 'a':	/* attach itself */
			a.vm_fd = vm.fd;
			fd = open(FZ_DEVICE, O_RDWR);
			reply = ioctl(fd, FZ_IOC_ATTACH, &a) && errno == EALREADY ? 'y' : 'n';
			close(fd);
			break;
		case 'f':	/* fork */
			reply = forked(&vm);
			break;
		case 'k':	/* keep the VM's file across exec */
			fcntl(vm.fd, F_SETFD, 0);
			reply = 'y';
			break;
		case 'x':	/* exec */
			fcntl(socket, F_SETFD, 0);
			dup2(socket, STDIN_FILENO);
			execl("/proc/self/exe", "selftest", "--hold", NULL);
			break;
		}
		if (write(socket, &reply, 1) != 1)
			break;
	}
	_exit(0);
}

static void vmm_start(struct vmm *v)
{
	int pair[2];

	fflush(stdout);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		err(2, "socketpair");
	v->pid = fork();
	if (v->pid < 0)
		err(2, "fork");
	if (!v->pid) {
		close(pair[0]);
		serve(pair[1]);
	}
	close(pair[1]);
	v->socket = pair[0];
	v->vm_fd = receive_fd(v->socket);
}

static char tell(struct vmm *v, char command)
{
	char reply = '!';

	if (write(v->socket, &command, 1) != 1 || read(v->socket, &reply, 1) != 1)
		return '!';
	return reply;
}

static void vmm_end(struct vmm *v)
{
	kill(v->pid, SIGKILL);
	waitpid(v->pid, NULL, 0);
	close(v->socket);
}

/* The VM's line in the list; true if it is there. */
static bool listed(uint64_t id, struct fz_vm_desc *desc)
{
	struct fz_vm_desc *vms;
	bool found = false;
	size_t n;

	if (fz_device_list(dev, &vms, &n, &error))
		errx(2, "list: %s", error.text);
	while (n--)
		if (vms[n].id == id) {
			*desc = vms[n];
			found = true;
		}
	free(vms);
	return found;
}

static bool died(uint64_t id)
{
	int i;

	for (i = 0; i < 200; i++) {
		log_read();
		if (log_count(id, FZ_REC_VM_DIED))
			return true;
		usleep(10000);
	}
	return false;
}

static uint64_t attach_fd(int fd)
{
	uint64_t id;

	if (fz_device_attach(dev, fd, 0, &id, &error))
		errx(2, "attach: %s", error.text);
	return id;
}

/* Who attaches by a passed file watches the maker's memory, whoever else has the file. */
static void test_fds(void)
{
	struct fz_read r = { .size = sizeof(r), .gfn = TARGETS / PAGE };
	static uint8_t buf[PAGE];
	struct fz_vm_desc d;
	struct vmm v;
	uint64_t id, again;
	int copy;

	vmm_start(&v);
	copy = dup(v.vm_fd);
	id = attach_fd(v.vm_fd);
	log_clear();
	ok(fz_device_attach(dev, copy, 0, &again, &error) == -EALREADY, "by a dup: EALREADY");
	ok(tell(&v, 'a') == 'y', "by its maker: EALREADY");
	ok(listed(id, &d) && d.pid == (uint32_t)v.pid && d.vcpus == 1, "listed as its maker's");
	close(copy);
	ok(tell(&v, 'r') == 'y', "it runs in its maker");
	log_read();
	ok(log_count(id, FZ_REC_EXEC) == N + 1, "%u first executions", log_count(id, FZ_REC_EXEC));
	ok(tell(&v, 'w') == 'y', "its maker writes to the memory");
	log_read();
	ok(log_count(id, FZ_REC_CHANGED) == N, "%u changed", log_count(id, FZ_REC_CHANGED));
	ok(tell(&v, 'f') == '0', "a fork: to KVM a stranger, to FitzRoy the same VM");
	ok(tell(&v, 'r') == 'y', "it runs");
	log_read();
	/* A fork takes W from all of the maker's memory, so the caller had to go as well. */
	ok(log_count(id, FZ_REC_REEXEC) == N + 1, "%u re-executions",
	   log_count(id, FZ_REC_REEXEC));
	ok(!audit(id).violations, "clean");
	ok(tell(&v, 'w') == 'y', "written by a process that has forked");
	log_read();
	ok(log_count(id, FZ_REC_CHANGED) == 2 * N + 1, "%u changed", log_count(id, FZ_REC_CHANGED));

	vmm_end(&v);
	ok(listed(id, &d) && d.pid == (uint32_t)v.pid, "its maker is gone, the file keeps it");
	r.id = id;
	r.buf = (uintptr_t)buf;
	ok(ioctl(fz_device_fd(dev), FZ_IOC_READ, &r) && errno == ENODATA,
	   "its memory is not: ENODATA");
	ok(!audit(id).violations, "its tables are clean");
	ok(!fz_device_detach(dev, id, &error), "detached");
	again = attach_fd(v.vm_fd);
	ok(listed(again, &d) && d.pid == 0, "attached again: nobody's");
	ok(!audit(again).violations, "clean");
	close(v.vm_fd);
	ok(died(again), "and dies with the last file");
}

/* exec closes the VM, unless its file was made to stay: then it is, without memory. */
static void test_exec(void)
{
	struct fz_vm_desc d;
	struct vmm v;
	uint64_t id;
	int keep;

	for (keep = 0; keep < 2; keep++) {
		vmm_start(&v);
		id = attach_fd(v.vm_fd);
		close(v.vm_fd);
		log_clear();
		ok(tell(&v, 'r') == 'y', "it runs");
		if (keep)
			tell(&v, 'k');
		ok(tell(&v, 'x') == 'h', "its process runs another program");
		if (keep) {
			ok(listed(id, &d) && !log_count(id, FZ_REC_VM_DIED),
			   "with the file inherited: it is there");
			ok(!audit(id).violations, "clean");
			ok(log_count(id, FZ_REC_CHANGED) <= N + 1, "its frames went: %u changed",
			   log_count(id, FZ_REC_CHANGED));
		} else {
			ok(died(id), "with the file closed on exec: it died");
		}
		vmm_end(&v);
		ok(died(id) && !listed(id, &d), "and is gone");
	}
}

const struct test fds_tests[] = {
	{ "fds", test_fds },
	{ "exec", test_exec },
	{ NULL, NULL }
};
