/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udax/protocol.h -- the wire between a client of direct mappings and the
 *                    daemon; doc/PROTOCOL.md tells it as a story
 *
 * A Unix SEQPACKET socket: a packet is a message, a message is a header and a
 * fixed body, a MAP reply's runs behind it. Both ends are on one machine: host
 * byte order, and all padding is explicit and zero. The client sends requests,
 * each with an id of its choosing (not 0) that the reply carries; it may have
 * several under way, and replies may come in any order. What the daemon sends
 * of itself (RECALL, DEVICE) has id 0.
 *
 * A request that cannot be understood (length, type, a flag that is unknown,
 * padding that is not zero, a descriptor that nobody asked for) ends the
 * connection. One that is understood and refused gets a reply with a status.
 *
 * Units: bytes; what is mapped, pinned and given back is in whole pages of
 *        4096 bytes. status: 0 or a negative errno.
 */
#ifndef UDAX_PROTOCOL_H
#define UDAX_PROTOCOL_H

#include <linux/ioctl.h>
#include <stdint.h>

#define UDAX_PROTOCOL_MAGIC 0x58414455u /* "UDAX" */
#define UDAX_PROTOCOL_VERSION 1u
#define UDAX_PAGE_BYTES 4096u
#define UDAX_TOKEN_BYTES 16u
#define UDAX_SOCKET_PATH_BYTES 108u
#define UDAX_MESSAGE_BYTES_MAX 65536u
#define UDAX_MESSAGE_FDS_MAX 4u

/* ----------------------------------------------------------------- ioctl */

/*
 * On an open regular file of the mount: a token for one OPEN, within
 * UDAX_TOKEN_MS, by the process that asked. It is worth what mmap(2) of that
 * open file would be. EACCES: this user may not map directly (-o direct=).
 */
struct udax_ioc_token {
	uint8_t token[UDAX_TOKEN_BYTES];
	char socket[UDAX_SOCKET_PATH_BYTES]; /* where to present it */
	uint32_t protocol;		     /* UDAX_PROTOCOL_VERSION */
};

/* On any file or directory of the mount, by anybody: where the socket is;
 * empty with -o direct=off. Also the cheap question "is this udaxfs?". */
struct udax_ioc_socket {
	char socket[UDAX_SOCKET_PATH_BYTES];
	uint32_t protocol;
};

#define UDAX_IOC_TOKEN _IOR('U', 0x80, struct udax_ioc_token)
#define UDAX_IOC_SOCKET _IOR('U', 0x81, struct udax_ioc_socket)
#define UDAX_TOKEN_MS 10000

/* --------------------------------------------------------------- messages */

enum udax_message_type {
	UDAX_HELLO = 1, /* the first, once */
	UDAX_OPEN,	/* token → handle */
	UDAX_CLOSE,	/* handle; its leases live on, as mappings do */
	UDAX_MAP,	/* handle, range → lease, runs, device fd */
	UDAX_UNMAP,	/* "I have unmapped this part of a lease" */
	UDAX_SYNC, /* msync(2): stores of a lease durable, mtime on media */
	UDAX_PIN,  /* part of a lease → pin */
	UDAX_UNPIN,
	UDAX_RETURNED,	  /* answer to RECALL; gets no reply */
	UDAX_RECALL = 64, /* from the daemon */
	UDAX_DEVICE,	  /* from the daemon: a device's state, as news */
};

struct udax_header {
	uint32_t length; /* of the packet */
	uint16_t type;	 /* enum udax_message_type; a reply has its request's */
	uint16_t reply;	 /* 1 in a reply */
	uint64_t id;
	int32_t status; /* replies; 0 in requests */
	uint32_t pad;
};

struct udax_hello {
	struct udax_header header;
	uint32_t magic;
	uint32_t protocol;
};

/*
 * Descriptors, in this order: the sizes page (read-only), the client's own
 * stored page (read-write), and, with UDAX_HELLO_UFFD, /dev/userfaultfd.
 * Sizes page: a table of 64-bit words, one an inode that has handles; OPEN says
 * which. The daemon keeps the file's size there, current before whoever changed
 * it gets an answer.
 * Stored page: a 64-bit word a handle. Who has stored through a writable lease
 * of that handle puts the time there (CLOCK_REALTIME, ns) at persist, msync and
 * unmap; the daemon makes it the file's mtime and ctime (never in the future,
 * never backwards).
 */
#define UDAX_HELLO_UFFD 0x1u
struct udax_hello_reply {
	struct udax_header header;
	uint32_t protocol;
	uint32_t flags;
	uint8_t filesystem[16]; /* UUID */
	uint64_t lineage; /* another number for each mount: after a restart
			     of the daemon handles and leases mean nothing */
	uint32_t sizes_words;
	uint32_t stored_words;
	uint32_t leases_max; /* a client */
	uint32_t pad;
};

struct udax_open {
	struct udax_header header;
	uint8_t token[UDAX_TOKEN_BYTES];
};

#define UDAX_OPEN_READ 0x1u
#define UDAX_OPEN_WRITE 0x2u /* implies READ, as mmap(2) wants it */
#define UDAX_NO_WORD 0xffffffffu
struct udax_open_reply {
	struct udax_header header;
	uint32_t handle; /* < stored_words: its word in the stored page, too */
	uint32_t access;
	uint64_t inode;
	uint64_t generation;
	uint64_t size;
	uint32_t sizes_word; /* UDAX_NO_WORD: none left, ask fstat(2) */
	uint32_t pad;
};

struct udax_close {
	struct udax_header header;
	uint32_t handle;
	uint32_t pad;
};

/*
 * The reply covers a prefix of what was asked: up to EOF's page, the end of
 * what is on one device, or the last run that fits; ask again for the rest.
 * ENODATA: nothing there, beyond EOF. EAGAIN: the range is being changed, ask
 * again in a moment. EBUSY: a program maps it through the kernel and will not
 * leave it alone. ENXIO: the device is going. EACCES, ENOSPC, ENOMEM, EUSERS.
 */
#define UDAX_MAP_WRITABLE 0x1u /* holes get blocks */
struct udax_map {
	struct udax_header header;
	uint32_t handle;
	uint32_t flags;
	uint64_t offset;
	uint64_t length;
};

#define UDAX_RUN_ZERO 0x1u /* a hole: map zeros, read-only */
struct udax_run {
	uint64_t offset; /* in the file; runs are in order, without gaps */
	uint64_t length;
	uint64_t device_offset;
	uint32_t flags;
	uint32_t pad;
};
#define UDAX_RUNS_MAX 2000u

/*
 * granularity: 0 byte, 1 cache line, 2 page: what a store needs to be durable:
 * a fence; write-back of its lines and a fence; msync(2) of the mapping.
 * With UDAX_MAP_FD a descriptor of the device comes along, read-only unless the
 * lease is writable: it is this client's for all its leases of that device and
 * mode until the client closes it (RECALL says when). It carries the lock by
 * which the daemon sees that the client has let go: so it is to be closed in
 * forked children, and not to be handed on.
 */
#define UDAX_MAP_FD 0x1u
#define UDAX_DEVICE_NONE 0xffffffffu /* all of it is zeros */
struct udax_map_reply {
	struct udax_header header;
	uint64_t lease;
	uint64_t offset; /* as asked */
	uint64_t length; /* covered */
	uint32_t device;
	uint32_t granularity;
	uint32_t flags;
	uint32_t run_count;
	struct udax_run runs[];
};

struct udax_range { /* UNMAP, SYNC, PIN */
	struct udax_header header;
	uint64_t lease;
	uint64_t offset; /* in the file */
	uint64_t length;
};

struct udax_pin_reply {
	struct udax_header header;
	uint64_t pin;
};

struct udax_unpin {
	struct udax_header header;
	uint64_t pin;
};

/*
 * Give back. reason CHANGE: these bytes of this lease (lease, offset, length),
 * because the file's blocks are about to change under it: unmap them, send
 * RETURNED, ask for them again when they are touched again. reason REMOVAL: all
 * leases on that device (lease 0): replace them all by memory that raises
 * SIGBUS, close the device's descriptors, send RETURNED. Pinned parts stay
 * until UNPIN and go then, without another RECALL; the descriptors stay with
 * them. deadline_ms: after that the daemon helps itself.
 */
enum udax_recall_reason { UDAX_RECALL_CHANGE = 1, UDAX_RECALL_REMOVAL = 2 };
struct udax_recall {
	struct udax_header header;
	uint64_t recall;
	uint64_t lease;
	uint64_t offset;
	uint64_t length;
	uint32_t device;
	uint32_t reason;
	uint32_t deadline_ms;
	uint32_t pad;
};

struct udax_returned {
	struct udax_header header; /* id 0 is fine: there is no reply */
	uint64_t recall;
	uint64_t lease;
	uint64_t offset;
	uint64_t length;
	uint32_t device;
	uint32_t pad;
};

/* state: 0 live (again: leases may be asked for), 1 blocking, 2 revoking,
 * 3 draining, 4 dead, 5 missing, 6 failed. */
struct udax_device {
	struct udax_header header;
	uint32_t device;
	uint32_t state;
};

_Static_assert(sizeof(struct udax_header) == 24, "wire");
_Static_assert(sizeof(struct udax_hello) == 32, "wire");
_Static_assert(sizeof(struct udax_hello_reply) == 72, "wire");
_Static_assert(sizeof(struct udax_open) == 40, "wire");
_Static_assert(sizeof(struct udax_open_reply) == 64, "wire");
_Static_assert(sizeof(struct udax_close) == 32, "wire");
_Static_assert(sizeof(struct udax_map) == 48, "wire");
_Static_assert(sizeof(struct udax_run) == 32, "wire");
_Static_assert(sizeof(struct udax_map_reply) == 64, "wire");
_Static_assert(sizeof(struct udax_range) == 48, "wire");
_Static_assert(sizeof(struct udax_pin_reply) == 32, "wire");
_Static_assert(sizeof(struct udax_unpin) == 32, "wire");
_Static_assert(sizeof(struct udax_recall) == 72, "wire");
_Static_assert(sizeof(struct udax_returned) == 64, "wire");
_Static_assert(sizeof(struct udax_device) == 32, "wire");
_Static_assert(sizeof(struct udax_map_reply) +
			       UDAX_RUNS_MAX * sizeof(struct udax_run) <=
		       UDAX_MESSAGE_BYTES_MAX,
	       "a full MAP reply is one packet");

#endif
