/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/conn.h"
#include "client/lazy.h"
#include "client/probe.h"
#include "client/sys.h"
#include "wire/wire.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#define HELLO_MS 10000

struct conn *conn_find_locked(dev_t dev)
{
	struct conn *conn;

	for (conn = client.conns; conn; conn = conn->next)
		if (conn->dev == dev && !conn->lost)
			return conn;
	return NULL;
}

/* ---------------------------------------------------------------- devices */

static ino_t inode_of(int fd)
{
	struct statx st;

	if (SYS_CALL(SYS_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		     STATX_INO, &st))
		return 0;
	return (ino_t)st.stx_ino;
}

void conn_know_device(struct conn *conn, uint32_t device, bool writable)
{
	conn->device[device].ino[writable] =
		inode_of(conn->device[device].fd[writable]);
}

void conn_close_device(struct conn *conn, uint32_t device, bool writable)
{
	struct conn_device *at = &conn->device[device];

	if (at->fd[writable] < 0)
		return;
	if (inode_of(at->fd[writable]) == at->ino[writable])
		sys_close(at->fd[writable]);
	at->fd[writable] = -1;
}

/* ------------------------------------------------------------------- begin */

static int connect_to(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = HELLO_MS / 1000 };
	int fd, err;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	fd = client_high_fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	do
		err = connect(fd, (void *)&to, sizeof(to)) ? -errno : 0;
	while (err == -EINTR);
	if (!err)
		return fd;
	sys_close(fd);
	return err == -EACCES || err == -EPERM ? -EACCES : -ENOTCONN;
}

static void *map_words(int fd, uint32_t words, int prot)
{
	size_t length = ((size_t)words * 8 + SYS_PAGE - 1) & ~(SYS_PAGE - 1);
	long at = sys_mmap(0, length, prot, MAP_SHARED, fd, 0);

	if (SYS_IS_ERROR(at))
		return NULL;
	(void)sys_madvise((uintptr_t)at, length, MADV_DONTFORK);
	return (void *)at;
}

/* The pages stay mapped for the life of the process: someone may be about to
 * store a time into a word while the connection is lost. */
static int take_hello(struct conn *conn, const struct udax_hello_reply *reply,
		      const struct wire_fds *fds)
{
	if (reply->header.type != UDAX_HELLO || !reply->header.reply)
		return -EPROTO;
	if (reply->header.status)
		return reply->header.status;
	if (fds->count < 2 || !reply->sizes_words || !reply->stored_words)
		return -EPROTO;
	conn->sizes = map_words(fds->fd[0], reply->sizes_words, PROT_READ);
	conn->stored = map_words(fds->fd[1], reply->stored_words,
				 PROT_READ | PROT_WRITE);
	if (!conn->sizes || !conn->stored)
		return -ENOMEM;
	conn->sizes_words = reply->sizes_words;
	conn->stored_words = reply->stored_words;
	memcpy(conn->filesystem, reply->filesystem, sizeof(conn->filesystem));
	conn->lineage = reply->lineage;
	if (fds->count > 2)
		lazy_offer(fds->fd[2]);
	return 0;
}

static int hello(struct conn *conn)
{
	struct udax_hello message = { .header = wire_header(UDAX_HELLO, 1,
							    sizeof(message)),
				      .magic = UDAX_PROTOCOL_MAGIC,
				      .protocol = UDAX_PROTOCOL_VERSION };
	union {
		struct udax_hello_reply hello;
		char bytes[1024];
	} reply;
	struct wire_fds fds;
	ssize_t length;
	int err;

	err = wire_send(conn->socket, &message, NULL, 0);
	if (err)
		return -ENOTCONN;
	length = wire_receive(conn->socket, &reply, sizeof(reply), &fds,
			      WIRE_DAEMON, 0);
	if (length < 0)
		return length == -EAGAIN ? -ETIMEDOUT : -ENOTCONN;
	err = take_hello(conn, &reply.hello, &fds);
	for (unsigned int i = 0; i < fds.count; i++)
		sys_close(fds.fd[i]);
	return err;
}

static int make(int fd, dev_t dev, struct conn **out)
{
	char path[UDAX_SOCKET_PATH_BYTES];
	struct conn *conn;
	int err;

	err = probe_socket(fd, path);
	if (err)
		return err;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return -ENOMEM;
	conn->dev = dev;
	conn->last_id = 1;
	for (unsigned int i = 0; i < CONN_DEVICES_MAX; i++)
		conn->device[i].fd[0] = conn->device[i].fd[1] = -1;
	conn->socket = connect_to(path);
	err = conn->socket < 0 ? conn->socket : hello(conn);
	client_lock();
	if (!err)
		err = client_start_locked();
	if (!err) {
		lazy_start_locked();
		conn->next = client.conns;
		client.conns = conn;
	}
	client_unlock();
	if (err) {
		if (conn->socket >= 0)
			sys_close(conn->socket);
		free(conn);
		return err;
	}
	client_kick();
	*out = conn;
	return 0;
}

int conn_for(int fd, dev_t dev, struct conn **out)
{
	int err = 0;

	client_lock();
	*out = conn_find_locked(dev);
	client_unlock();
	if (*out)
		return 0;
	pthread_mutex_lock(&client.connecting);
	client_lock();
	*out = conn_find_locked(dev);
	client_unlock();
	if (!*out)
		err = make(fd, dev, out);
	pthread_mutex_unlock(&client.connecting);
	return err;
}
