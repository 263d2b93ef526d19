/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire.h -- messages of udax/protocol.h, sent, received and checked
 *
 * What daemon and client library have in common. Nothing here believes a byte
 * that it has not checked: wire_check() accepts exactly what protocol.h says a
 * request (or a reply, or the daemon's own message) looks like.
 *
 * Errors:  -EPROTO not understood: end the connection; -ECONNRESET the other
 *          end is gone; -EAGAIN (MSG_DONTWAIT) would block.
 * Owns:    nothing. Descriptors received are the caller's, close-on-exec.
 */
#ifndef UDAX_WIRE_WIRE_H
#define UDAX_WIRE_WIRE_H

#include "udax/protocol.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum wire_from { WIRE_CLIENT, WIRE_DAEMON };

struct wire_fds {
	unsigned int count;
	int fd[UDAX_MESSAGE_FDS_MAX];
};

/* Is it a whole, legal message from that side? 0, -EPROTO. */
int wire_check(const void *message, size_t length, unsigned int fds,
	       enum wire_from from) __attribute__((warn_unused_result));

/* One packet; fds may be NULL. 0 or an error. flags: MSG_DONTWAIT or 0. */
int wire_send(int socket, const void *message, const struct wire_fds *fds,
	      int flags) __attribute__((warn_unused_result));
/* Length of the packet, or an error. It has been checked. */
ssize_t wire_receive(int socket, void *message, size_t room,
		     struct wire_fds *fds, enum wire_from from, int flags)
	__attribute__((warn_unused_result));

/* For who receives by io_uring: the descriptors of a received msghdr. Those
 * that do not fit are closed and make it -EPROTO. */
int wire_take_fds(struct msghdr *header, struct wire_fds *fds)
	__attribute__((warn_unused_result));
void wire_close_fds(struct wire_fds *fds);

static inline struct udax_header wire_header(uint16_t type, uint64_t id,
					     size_t length)
{
	return (struct udax_header){ .length = (uint32_t)length,
				     .type = type,
				     .id = id };
}

static inline struct udax_header wire_reply(const struct udax_header *request,
					    int status, size_t length)
{
	return (struct udax_header){ .length = (uint32_t)length,
				     .type = request->type,
				     .reply = 1,
				     .id = request->id,
				     .status = status };
}

#endif
