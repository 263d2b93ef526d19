/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/client.h"
#include "client/fork.h"
#include "client/lazy.h"
#include "client/sys.h"
#include "client/thread.h"

#include <sys/eventfd.h>
#include <sys/resource.h>

#define HIGH_FD 512

struct client client = {
	.connecting = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.turn = 1,
	.wake_fd = -1,
	.poison_fd = -1,
	.fault_fd = -1,
	.offered_fd = -1,
};

static __thread bool inside;

bool client_enter(void)
{
	if (inside)
		return false;
	inside = true;
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

void client_leave(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	inside = false;
}

bool client_inside(void)
{
	return inside;
}

void client_lock(void)
{
	pthread_mutex_lock(&client.lock);
	atomic_fetch_add(&client.turn, 1);
}

void client_unlock(void)
{
	pthread_mutex_unlock(&client.lock);
}

void client_kick(void)
{
	uint64_t one = 1;
	int fd = client.wake_fd;

	if (fd >= 0)
		(void)sys_write(fd, &one, sizeof(one));
}

int client_result(int err)
{
	if (err >= 0)
		return err;
	errno = -err;
	return -1;
}

int client_high_fd(int fd)
{
	struct rlimit limit;
	int high;

	if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur < HIGH_FD + HIGH_FD / 2)
		return fd;
	high = sys_fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
	if (high < 0)
		return fd;
	sys_close(fd);
	return high;
}

static int open_poison(void)
{
	int fd = client_high_fd((int)SYS_CALL(SYS_memfd_create, "udax-revoked",
					      MFD_CLOEXEC | MFD_ALLOW_SEALING));

	if (fd >= 0) /* nobody makes it larger: a touch is always SIGBUS */
		(void)sys_fcntl(fd, F_ADD_SEALS,
				F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	return fd;
}

int client_start_locked(void)
{
	int err;

	if (client.started)
		return 0;
	client.poison_fd = open_poison();
	if (client.poison_fd < 0)
		return client.poison_fd;
	client.wake_fd = client_high_fd(
		(int)SYS_CALL(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
	err = client.wake_fd < 0 ? client.wake_fd : fork_prepare_once();
	if (!err)
		err = thread_start_locked();
	if (err) {
		sys_close(client.poison_fd);
		if (client.wake_fd >= 0)
			sys_close(client.wake_fd);
		client.poison_fd = client.wake_fd = -1;
		return err;
	}
	client.started = true;
	return 0;
}
