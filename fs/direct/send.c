/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * send.c -- what clients are told, in order
 *
 * Whoever has something to say sends it, without waiting. For a client that
 * does not read it is kept, up to a bound, and sent by the loop when there is
 * room; past the bound, or 10 s without a move, the client is dropped.
 */
#include "direct/private.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void drop(struct client *client)
{
	pthread_mutex_lock(&client->direct->lock);
	client->drop = true;
	pthread_mutex_unlock(&client->direct->lock);
	direct_wake(client->direct);
}

static void out_free(struct out *out)
{
	wire_close_fds(&out->fds);
	free(out);
}

static struct out *out_new(const void *message, const struct wire_fds *fds)
{
	const struct udax_header *header = message;
	struct out *out = calloc(1, sizeof(*out) + header->length);

	if (!out)
		return NULL;
	out->length = header->length;
	memcpy(out->bytes, message, header->length);
	for (unsigned int i = 0; fds && i < fds->count; i++) {
		int fd = fcntl(fds->fd[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			out_free(out);
			return NULL;
		}
		out->fds.fd[out->fds.count++] = fd;
	}
	return out;
}

static int keep(struct client *client, const void *message,
		const struct wire_fds *fds)
{
	struct out *out;

	if (client->out_count >= OUT_MAX || client->out_bytes >= OUT_BYTES_MAX)
		return -ENOBUFS;
	out = out_new(message, fds);
	if (!out)
		return -ENOMEM;
	if (!client->out) {
		client->out_end = &client->out;
		client->out_stuck = deadline_in(CLIENT_IDLE_MS);
	}
	*client->out_end = out;
	client->out_end = &out->next;
	client->out_bytes += out->length;
	client->out_count++;
	direct_wake(client->direct); /* to wait until it can be written to */
	return 0;
}

int send_locked(struct client *client, const void *message,
		const struct wire_fds *fds)
{
	int err = -EAGAIN;

	if (client->fd < 0)
		return -ECONNRESET;
	if (!client->out)
		err = wire_send(client->fd, message, fds, MSG_DONTWAIT);
	if (err == -EAGAIN)
		err = keep(client, message, fds);
	if (err)
		drop(client);
	return err;
}

int send_message(struct client *client, const void *message,
		 const struct wire_fds *fds)
{
	int err;

	pthread_mutex_lock(&client->send_lock);
	err = send_locked(client, message, fds);
	pthread_mutex_unlock(&client->send_lock);
	return err;
}

void send_status(struct client *client, const struct udax_header *request,
		 int status)
{
	struct udax_header reply = wire_reply(request, status,
					      sizeof(struct udax_header));

	if (send_message(client, &reply, NULL))
		return; /* it is being closed */
}

static int send_first(struct client *client)
{
	struct out *out = client->out;
	int err = wire_send(client->fd, out->bytes, &out->fds, MSG_DONTWAIT);

	if (err)
		return err;
	client->out = out->next;
	client->out_bytes -= out->length;
	client->out_count--;
	client->out_stuck = deadline_in(CLIENT_IDLE_MS);
	out_free(out);
	return 0;
}

bool send_more(struct client *client)
{
	int err = 0;

	pthread_mutex_lock(&client->send_lock);
	while (!err && client->out && client->fd >= 0)
		err = send_first(client);
	pthread_mutex_unlock(&client->send_lock);
	return !err || err == -EAGAIN;
}

void send_drop(struct client *client)
{
	while (client->out) {
		struct out *out = client->out;

		client->out = out->next;
		out_free(out);
	}
	client->out_count = 0;
	client->out_bytes = 0;
}
