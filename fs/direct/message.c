/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * message.c -- one packet of a client, in the loop
 *
 * What gives back (RETURNED, UNMAP, UNPIN, CLOSE) is done here and now: whoever
 * waits for a lease must not wait behind those who ask for more. The rest may
 * block and goes to the workers.
 */
#include "direct/private.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STORED_BYTES (HANDLES_MAX * sizeof(uint64_t))

/* The client's stored page, mapped by us; nobody can change its size. */
static int make_stored(struct client *client, int *fd)
{
	void *page = MAP_FAILED;

	*fd = memfd_create("udaxfs-stored", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return -errno;
	if (ftruncate(*fd, STORED_BYTES) == 0 &&
	    fcntl(*fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		page = mmap(NULL, STORED_BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED, *fd, 0);
	if (page == MAP_FAILED) {
		int err = -errno;

		close(*fd);
		return err;
	}
	client->stored = page;
	return 0;
}

static int answer_hello(struct client *client, const struct udax_hello *hello)
{
	struct direct *direct = client->direct;
	struct udax_hello_reply reply = {
		.header = wire_reply(&hello->header, 0, sizeof(reply)),
		.protocol = UDAX_PROTOCOL_VERSION,
		.lineage = direct->lineage,
		.sizes_words = direct->sizes_words,
		.stored_words = HANDLES_MAX,
		.leases_max = DIRECT_LEASES_MAX,
	};
	struct wire_fds fds = { .count = 2, .fd = { direct->sizes_fd } };
	int err, fd;

	err = make_stored(client, &fd);
	if (err) {
		send_status(client, &hello->header, err);
		return 0;
	}
	memcpy(reply.filesystem,
	       direct->fs->devices[direct->fs->metadata_device].sb.fs_uuid,
	       sizeof(reply.filesystem));
	fds.fd[1] = fd;
	if (direct->uffd >= 0) {
		reply.flags |= UDAX_HELLO_UFFD;
		fds.fd[fds.count++] = direct->uffd;
	}
	client->said_hello = true;
	client->idle = DEADLINE_NEVER;
	err = send_message(client, &reply, &fds);
	close(fd);
	return err;
}

/* What is not live, the client learns at once. */
static int tell_states(struct client *client)
{
	struct direct *direct = client->direct;
	struct udax_device news = { .header = wire_header(UDAX_DEVICE, 0,
							  sizeof(news)) };
	int err = 0;

	for (unsigned int i = 0; !err && i < direct->fs->device_count; i++) {
		news.device = i;
		news.state = direct->revocations[i].told; /* ours, the loop's */
		if (news.state != DEVICE_LIVE)
			err = send_message(client, &news, NULL);
	}
	return err;
}

static int hello(struct client *client, const struct udax_hello *message)
{
	int err;

	if (client->said_hello || message->magic != UDAX_PROTOCOL_MAGIC)
		return -EPROTO;
	if (message->protocol != UDAX_PROTOCOL_VERSION) {
		send_status(client, &message->header, -EPROTONOSUPPORT);
		return 0;
	}
	err = answer_hello(client, message);
	if (!err && client->said_hello)
		err = tell_states(client);
	return err ? -EPROTO : 0;
}

static void unmap(struct client *client, const struct udax_range *message)
{
	uint64_t first = message->offset / UDAX_PAGE_BYTES;
	uint64_t count = message->length / UDAX_PAGE_BYTES;
	int64_t done = lease_return(client->direct->fs, &client->lease,
				    message->lease, first, first + count - 1);

	send_status(client, &message->header, done < 0 ? (int)done : 0);
}

static void unpin(struct client *client, const struct udax_unpin *message)
{
	int err = lease_unpin(client->direct->fs, &client->lease, message->pin);

	send_status(client, &message->header, err);
	if (!err)
		takeback_unpinned(client);
}

static size_t length_of(uint16_t type)
{
	switch (type) {
	case UDAX_OPEN:
		return sizeof(struct udax_open);
	case UDAX_MAP:
		return sizeof(struct udax_map);
	default:
		return sizeof(struct udax_range);
	}
}

static int hand_on(struct client *client, const struct udax_header *header)
{
	struct task *task = calloc(1, sizeof(*task));

	if (!task) {
		send_status(client, header, -ENOMEM);
		return 0;
	}
	task->client = client;
	memcpy(&task->message, header, length_of(header->type));
	if (header->type == UDAX_MAP) {
		task->handle = handle_get(client, task->message.map.handle);
		if (!task->handle) {
			send_status(client, header, -EBADF);
			free(task);
			return 0;
		}
	}
	if (!work_at_once(client->direct->worker, task))
		work_queue(client, task);
	return 0;
}

int message_handle(struct client *client, const struct udax_header *header)
{
	const struct udax_close *close_message = (const void *)header;

	if (!client->said_hello && header->type != UDAX_HELLO)
		return -EPROTO;
	switch (header->type) {
	case UDAX_HELLO:
		return hello(client, (const void *)header);
	case UDAX_RETURNED:
		takeback_returned(client, (const void *)header);
		return 0;
	case UDAX_UNMAP:
		unmap(client, (const void *)header);
		return 0;
	case UDAX_UNPIN:
		unpin(client, (const void *)header);
		return 0;
	case UDAX_CLOSE:
		send_status(client, header,
			    handle_close(client, close_message->handle));
		return 0;
	default:
		return hand_on(client, header);
	}
}
