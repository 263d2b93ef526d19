/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * direct_client.h -- a client of direct mappings that does what a test tells
 *                    it, also what no library would do
 *
 * Speaks the protocol packet by packet, blocking, with a deadline: -ETIMEDOUT
 * when nothing comes. Errors are negative; nothing is asserted.
 */
#ifndef UDAX_TESTS_DIRECT_CLIENT_H
#define UDAX_TESTS_DIRECT_CLIENT_H

#include "udax/protocol.h"
#include "wire/wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CLIENT_WAIT_MS 10000

struct direct_client {
	int socket;
	uint64_t id; /* of the last request */
	struct udax_hello_reply hello;
	int sizes_fd, stored_fd, uffd; /* -1: not come */
	int device_fd[2];	       /* read-only, writable; of one device */
	struct wire_fds fds;	       /* of the last packet, not taken yet */
	/* Is shown, in `in`, what client_await() does not wait for. */
	void (*other)(struct direct_client *client);
	union {
		struct udax_header header;
		struct udax_open_reply open;
		struct udax_map_reply map;
		struct udax_pin_reply pin;
		struct udax_recall recall;
		struct udax_device device;
		unsigned char bytes[UDAX_MESSAGE_BYTES_MAX];
	} in;
};

int client_connect(struct direct_client *client, const char *path);
/* Closes the socket alone: mappings and descriptors of devices stay. */
void client_disconnect(struct direct_client *client);
void client_end(struct direct_client *client);

/* The next packet, whatever it is, into `in`: 0, -ETIMEDOUT, -ECONNRESET. */
int client_next(struct direct_client *client, int timeout_ms);
/* The next of that type; others on the way go to other(). reply: 0 or 1. */
int client_await(struct direct_client *client, uint16_t type, int reply,
		 int timeout_ms);
int client_send(struct direct_client *client, void *message);

int client_hello(struct direct_client *client);
/* Each answers the reply's status; the reply stays in `in`. */
int client_open(struct direct_client *client, const uint8_t token[16],
		uint32_t *handle);
int client_close_handle(struct direct_client *client, uint32_t handle);
int client_map(struct direct_client *client, uint32_t handle, uint64_t offset,
	       uint64_t length, bool writable);
int client_range(struct direct_client *client, uint16_t type, uint64_t lease,
		 uint64_t offset, uint64_t length);
int client_unpin(struct direct_client *client, uint64_t pin);
/* As RECALL in `in` wants it. */
int client_returned(struct direct_client *client);

/* The lease in `in` as memory, runs one after the other; NULL on failure. */
void *client_memory(struct direct_client *client, bool writable);

#endif
