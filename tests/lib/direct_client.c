/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/direct_client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int client_connect(struct direct_client *client, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	memset(client, 0, offsetof(struct direct_client, in));
	client->sizes_fd = client->stored_fd = client->uffd = -1;
	client->device_fd[0] = client->device_fd[1] = -1;
	strncpy(at.sun_path, path, sizeof(at.sun_path) - 1);
	client->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (client->socket < 0 ||
	    connect(client->socket, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	return 0;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void client_disconnect(struct direct_client *client)
{
	close_one(&client->socket);
}

void client_end(struct direct_client *client)
{
	client_disconnect(client);
	close_one(&client->sizes_fd);
	close_one(&client->stored_fd);
	close_one(&client->uffd);
	close_one(&client->device_fd[0]);
	close_one(&client->device_fd[1]);
	wire_close_fds(&client->fds);
}

int client_next(struct direct_client *client, int timeout_ms)
{
	struct pollfd wait = { .fd = client->socket, .events = POLLIN };
	ssize_t length;

	if (poll(&wait, 1, timeout_ms) != 1)
		return -ETIMEDOUT;
	wire_close_fds(&client->fds);
	length = wire_receive(client->socket, &client->in, sizeof(client->in),
			      &client->fds, WIRE_DAEMON, 0);
	return length < 0 ? (int)length : 0;
}

static bool is_it(const struct direct_client *client, uint16_t type, int reply)
{
	const struct udax_header *header = &client->in.header;

	return header->type == type && header->reply == reply &&
	       (!reply || header->id == client->id);
}

int client_await(struct direct_client *client, uint16_t type, int reply,
		 int timeout_ms)
{
	int err;

	while (!(err = client_next(client, timeout_ms)) &&
	       !is_it(client, type, reply))
		if (client->other)
			client->other(client);
	return err;
}

int client_send(struct direct_client *client, void *message)
{
	struct udax_header *header = message;

	header->id = ++client->id;
	return wire_send(client->socket, message, NULL, 0);
}

static int ask(struct direct_client *client, void *message)
{
	struct udax_header *header = message;
	int err = client_send(client, message);

	if (!err)
		err = client_await(client, header->type, 1, CLIENT_WAIT_MS);
	return err ? err : client->in.header.status;
}

int client_hello(struct direct_client *client)
{
	struct udax_hello hello = {
		.header = wire_header(UDAX_HELLO, 0, sizeof(hello)),
		.magic = UDAX_PROTOCOL_MAGIC,
		.protocol = UDAX_PROTOCOL_VERSION,
	};
	int err = ask(client, &hello);

	if (err)
		return err;
	memcpy(&client->hello, &client->in, sizeof(client->hello));
	if (client->fds.count < 2)
		return -EPROTO;
	client->sizes_fd = client->fds.fd[0];
	client->stored_fd = client->fds.fd[1];
	if (client->fds.count > 2)
		client->uffd = client->fds.fd[2];
	client->fds.count = 0;
	return 0;
}

int client_open(struct direct_client *client, const uint8_t token[16],
		uint32_t *handle)
{
	struct udax_open message = { .header = wire_header(UDAX_OPEN, 0,
							   sizeof(message)) };
	int err;

	memcpy(message.token, token, sizeof(message.token));
	err = ask(client, &message);
	if (!err)
		*handle = client->in.open.handle;
	return err;
}

int client_close_handle(struct direct_client *client, uint32_t handle)
{
	struct udax_close message = { .header = wire_header(UDAX_CLOSE, 0,
							    sizeof(message)),
				      .handle = handle };

	return ask(client, &message);
}

int client_map(struct direct_client *client, uint32_t handle, uint64_t offset,
	       uint64_t length, bool writable)
{
	struct udax_map message = {
		.header = wire_header(UDAX_MAP, 0, sizeof(message)),
		.handle = handle,
		.flags = writable ? UDAX_MAP_WRITABLE : 0,
		.offset = offset,
		.length = length,
	};
	int err = ask(client, &message);

	if (!err && client->fds.count) {
		close_one(&client->device_fd[writable]);
		client->device_fd[writable] = client->fds.fd[0];
		client->fds.count = 0;
	}
	return err;
}

int client_range(struct direct_client *client, uint16_t type, uint64_t lease,
		 uint64_t offset, uint64_t length)
{
	struct udax_range message = { .header = wire_header(type, 0,
							    sizeof(message)),
				      .lease = lease,
				      .offset = offset,
				      .length = length };

	return ask(client, &message);
}

int client_unpin(struct direct_client *client, uint64_t pin)
{
	struct udax_unpin message = { .header = wire_header(UDAX_UNPIN, 0,
							    sizeof(message)),
				      .pin = pin };

	return ask(client, &message);
}

int client_returned(struct direct_client *client)
{
	const struct udax_recall *recall = &client->in.recall;
	struct udax_returned message = {
		.header = wire_header(UDAX_RETURNED, 0, sizeof(message)),
		.recall = recall->recall,
		.lease = recall->lease,
		.offset = recall->offset,
		.length = recall->length,
		.device = recall->device,
	};

	return wire_send(client->socket, &message, NULL, 0);
}

void *client_memory(struct direct_client *client, bool writable)
{
	const struct udax_map_reply *map = &client->in.map;
	char *at = mmap(NULL, map->length, PROT_READ,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	for (uint32_t i = 0; i < map->run_count; i++) {
		const struct udax_run *run = &map->runs[i];

		if (run->flags & UDAX_RUN_ZERO)
			continue;
		if (mmap(at + (run->offset - map->offset), run->length,
			 PROT_READ | (writable ? PROT_WRITE : 0),
			 MAP_SHARED | MAP_FIXED, client->device_fd[writable],
			 (off_t)run->device_offset) == MAP_FAILED)
			return NULL;
	}
	return at;
}
