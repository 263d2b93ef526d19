/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* What each message looks like: its length and how many descriptors come with
 * it. `least` alone: a table follows (MAP's reply). 0: not from that side. */
struct shape {
	uint32_t request;
	uint32_t reply;
	unsigned int fds; /* of a reply that has status 0, at most */
};

static const struct shape shapes[] = {
	[UDAX_HELLO] = { sizeof(struct udax_hello),
			 sizeof(struct udax_hello_reply), 3 },
	[UDAX_OPEN] = { sizeof(struct udax_open),
			sizeof(struct udax_open_reply), 0 },
	[UDAX_CLOSE] = { sizeof(struct udax_close), sizeof(struct udax_header),
			 0 },
	[UDAX_MAP] = { sizeof(struct udax_map), sizeof(struct udax_map_reply),
		       1 },
	[UDAX_UNMAP] = { sizeof(struct udax_range), sizeof(struct udax_header),
			 0 },
	[UDAX_SYNC] = { sizeof(struct udax_range), sizeof(struct udax_header),
			0 },
	[UDAX_PIN] = { sizeof(struct udax_range), sizeof(struct udax_pin_reply),
		       0 },
	[UDAX_UNPIN] = { sizeof(struct udax_unpin), sizeof(struct udax_header),
			 0 },
	[UDAX_RETURNED] = { sizeof(struct udax_returned), 0, 0 },
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static bool whole_pages(uint64_t offset, uint64_t length)
{
	return !((offset | length) & (UDAX_PAGE_BYTES - 1)) && length > 0 &&
	       offset <= INT64_MAX && length <= INT64_MAX - offset;
}

/* Fields that say nothing must say nothing; flags that nobody knows are wrong;
 * ranges are whole pages. */
static bool request_is_legal(const struct udax_header *header)
{
	const struct udax_close *close_message = (const void *)header;
	const struct udax_map *map = (const void *)header;
	const struct udax_range *range = (const void *)header;
	const struct udax_returned *returned = (const void *)header;

	switch (header->type) {
	case UDAX_CLOSE:
		return close_message->pad == 0;
	case UDAX_MAP:
		return !(map->flags & ~UDAX_MAP_WRITABLE) &&
		       whole_pages(map->offset, map->length);
	case UDAX_UNMAP:
	case UDAX_SYNC:
	case UDAX_PIN:
		return whole_pages(range->offset, range->length);
	case UDAX_RETURNED:
		return returned->pad == 0 &&
		       (returned->lease == 0 ||
			whole_pages(returned->offset, returned->length));
	default:
		return true;
	}
}

static int check_request(const struct udax_header *header, unsigned int fds)
{
	if (header->type >= SHAPES ||
	    header->length != shapes[header->type].request ||
	    !shapes[header->type].request)
		return -EPROTO;
	if (header->status || fds)
		return -EPROTO;
	if (header->id == 0 && header->type != UDAX_RETURNED)
		return -EPROTO;
	return request_is_legal(header) ? 0 : -EPROTO;
}

static bool map_reply_is_legal(const struct udax_map_reply *reply)
{
	uint64_t at = reply->offset;

	if (reply->run_count > UDAX_RUNS_MAX ||
	    reply->header.length !=
		    sizeof(*reply) + reply->run_count * sizeof(struct udax_run))
		return false;
	if (!whole_pages(reply->offset, reply->length))
		return false;
	for (uint32_t i = 0; i < reply->run_count; i++) {
		const struct udax_run *run = &reply->runs[i];

		if (run->offset != at || !whole_pages(at, run->length))
			return false;
		at += run->length;
	}
	return at == reply->offset + reply->length;
}

/* A refusal is a header alone. */
static int check_reply(const struct udax_header *header, unsigned int fds)
{
	const struct shape *shape;

	if (header->type >= SHAPES || !shapes[header->type].reply)
		return -EPROTO;
	shape = &shapes[header->type];
	if (header->status)
		return header->status < 0 && !fds &&
				       header->length == sizeof(*header)
			       ? 0
			       : -EPROTO;
	if (fds > shape->fds || header->length < shape->reply)
		return -EPROTO;
	if (header->type == UDAX_MAP)
		return map_reply_is_legal((const void *)header) ? 0 : -EPROTO;
	return header->length == shape->reply ? 0 : -EPROTO;
}

/* What the daemon sends of itself. */
static int check_news(const struct udax_header *header, unsigned int fds)
{
	if (header->id || header->status || fds)
		return -EPROTO;
	if (header->type == UDAX_RECALL)
		return header->length == sizeof(struct udax_recall) ? 0
								    : -EPROTO;
	if (header->type == UDAX_DEVICE)
		return header->length == sizeof(struct udax_device) ? 0
								    : -EPROTO;
	return -EPROTO;
}

int wire_check(const void *message, size_t length, unsigned int fds,
	       enum wire_from from)
{
	const struct udax_header *header = message;

	if (length < sizeof(*header) || length != header->length ||
	    header->pad || header->reply > 1)
		return -EPROTO;
	if (from == WIRE_CLIENT)
		return header->reply ? -EPROTO : check_request(header, fds);
	return header->reply ? check_reply(header, fds)
			     : check_news(header, fds);
}

/* ---------------------------------------------------------------- packets */

union control {
	struct cmsghdr align;
	/* room for more than are legal, so that too many are seen and closed */
	char bytes[CMSG_SPACE(sizeof(int) * 16)];
};

int wire_send(int socket, const void *message, const struct wire_fds *fds,
	      int flags)
{
	const struct udax_header *header = message;
	struct iovec iov = { (void *)(uintptr_t)message, header->length };
	struct msghdr out = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = { .bytes = { 0 } };
	ssize_t sent;

	if (fds && fds->count) {
		struct cmsghdr *part;

		out.msg_control = control.bytes;
		out.msg_controllen = CMSG_SPACE(sizeof(int) * fds->count);
		part = CMSG_FIRSTHDR(&out);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int) * fds->count);
		memcpy(CMSG_DATA(part), fds->fd, sizeof(int) * fds->count);
	}
	do
		sent = sendmsg(socket, &out, flags | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	return errno == EPIPE || errno == ENOTCONN ? -ECONNRESET : -errno;
}

void wire_close_fds(struct wire_fds *fds)
{
	for (unsigned int i = 0; i < fds->count; i++)
		close(fds->fd[i]);
	fds->count = 0;
}

static bool take_part(struct cmsghdr *part, struct wire_fds *fds)
{
	size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	bool fits = true;

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
		if (fds->count < UDAX_MESSAGE_FDS_MAX) {
			fds->fd[fds->count++] = fd;
		} else {
			close(fd);
			fits = false;
		}
	}
	return fits;
}

int wire_take_fds(struct msghdr *header, struct wire_fds *fds)
{
	struct cmsghdr *part;
	bool fits = !(header->msg_flags & MSG_CTRUNC);

	fds->count = 0;
	for (part = CMSG_FIRSTHDR(header); part;
	     part = CMSG_NXTHDR(header, part))
		if (part->cmsg_level == SOL_SOCKET &&
		    part->cmsg_type == SCM_RIGHTS && !take_part(part, fds))
			fits = false;
	if (fits)
		return 0;
	wire_close_fds(fds);
	return -EPROTO;
}

ssize_t wire_receive(int socket, void *message, size_t room,
		     struct wire_fds *fds, enum wire_from from, int flags)
{
	struct iovec iov = { message, room };
	union control control;
	struct msghdr in = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes) };
	ssize_t length;
	int error;

	do
		length = recvmsg(socket, &in, flags | MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	if (length <= 0)
		return length == 0 ? -ECONNRESET : -errno;
	error = wire_take_fds(&in, fds);
	if (!error && in.msg_flags & MSG_TRUNC)
		error = -EPROTO;
	if (!error)
		error = wire_check(message, (size_t)length, fds->count, from);
	if (!error)
		return length;
	wire_close_fds(fds);
	return error;
}
