/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/fork.h"
#include "client/conn.h"
#include "client/io.h"
#include "client/section.h"
#include "client/sys.h"

#include <string.h>

static __thread bool locked;

/* In a signal handler that interrupted us the locks may be our own: then the
 * child gets things as they are, and still closes what it finds. */
static void before(void)
{
	locked = !client_inside();
	if (!locked)
		return;
	pthread_mutex_lock(&client.connecting);
	client_lock();
}

static void in_parent(void)
{
	if (!locked)
		return;
	client_unlock();
	pthread_mutex_unlock(&client.connecting);
}

static void close_one(int fd)
{
	if (fd >= 0)
		sys_close(fd);
}

/* What is left in memory is lost: the parent's threads may have been anywhere.
 */
static void in_child(void)
{
	static const struct client fresh = {
		.connecting = PTHREAD_MUTEX_INITIALIZER,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.wake_fd = -1,
		.poison_fd = -1,
		.fault_fd = -1,
		.offered_fd = -1,
	};
	uint64_t turn = atomic_load(&client.turn);
	struct conn *conn;

	for (conn = client.conns; conn; conn = conn->next) {
		close_one(conn->socket);
		for (uint32_t i = 0; i < CONN_DEVICES_MAX; i++) {
			close_one(conn->device[i].fd[0]);
			close_one(conn->device[i].fd[1]);
		}
	}
	close_one(client.wake_fd);
	close_one(client.poison_fd);
	close_one(client.fault_fd);
	close_one(client.offered_fd);
	memcpy(&client, &fresh, sizeof(client));
	atomic_store(&client.turn,
		     turn + 1); /* what threads remember is past */
	section_after_fork();
	io_after_fork();
}

int fork_prepare_once(void)
{
	static bool done; /* a child's child has the handlers, too */

	if (!done && pthread_atfork(before, in_parent, in_child) != 0)
		return -ENOMEM;
	done = true;
	return 0;
}
