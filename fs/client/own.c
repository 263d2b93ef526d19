/* SPDX-License-Identifier: BSD-3-Clause */
/* udax_owns(), udax_on_revoke(): small things of the interface. */
#include "client/conn.h"
#include "client/sys.h"

static bool conn_owns(const struct conn *conn, int fd)
{
	if (conn->socket == fd)
		return true;
	for (uint32_t i = 0; i < CONN_DEVICES_MAX; i++)
		if (conn->device[i].fd[0] == fd || conn->device[i].fd[1] == fd)
			return true;
	return false;
}

int udax_owns(int fd)
{
	const struct conn *conn;
	bool entered, owns;

	if (fd < 0)
		return 0;
	entered = client_enter();
	if (entered)
		client_lock();
	owns = fd == client.wake_fd || fd == client.poison_fd ||
	       fd == client.fault_fd;
	for (conn = client.conns; conn && !owns; conn = conn->next)
		owns = conn_owns(conn, fd);
	if (entered) {
		client_unlock();
		client_leave();
	}
	return owns;
}

int udax_on_revoke(void (*fn)(void *addr, size_t length, void *arg), void *arg)
{
	bool entered = client_enter();

	if (!entered)
		return client_result(-EDEADLK);
	client_lock();
	client.revoked = fn;
	client.revoked_arg = arg;
	client_unlock();
	client_leave();
	return 0;
}
