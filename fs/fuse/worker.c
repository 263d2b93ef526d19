/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuse/worker.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define WRITE_HEAD_BYTES                                                       \
	(sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))
/* One page of headers and names around the largest write. */
#define MESSAGE_BYTES (SESSION_IO_BYTES + PAGE_BYTES)
#define MAP_BYTES (MESSAGE_BYTES + PAGE_BYTES)

/* <linux/fuse.h> of Linux 6.2. */
#define OPCODE_TMPFILE 51

_Static_assert(WRITE_HEAD_BYTES < PAGE_BYTES, "fits before the aligned bytes");

static __thread struct worker *self;

bool session_is_serving(void)
{
	return self != NULL;
}

void *session_state(void)
{
	assert(self != NULL);
	return self->state;
}

const struct fuse_in_header *session_message(void)
{
	assert(self != NULL);
	return (const struct fuse_in_header *)self->message;
}

uint32_t session_opcode(void)
{
	assert(self != NULL);
	return self->opcode;
}

void session_parallel_writes(struct fuse_file_info *file)
{
	assert(self != NULL);
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 15)
	file->parallel_direct_writes = 1;
#else
	self->open_flags = FOPEN_PARALLEL_DIRECT_WRITES;
#endif
}

void worker_adopt(struct worker *worker)
{
	self = worker;
}

struct worker *worker_self(void)
{
	return self;
}

static int clone_fd(int session_fd)
{
	uint32_t source = (uint32_t)session_fd;
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, FUSE_DEV_IOC_CLONE, &source) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int worker_init(struct worker *worker, struct session *session, bool clone)
{
	void *map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	*worker = (struct worker){ .session = session,
				   .fd = session->fd,
				   .map = map };
	worker->message = worker->map + PAGE_BYTES - WRITE_HEAD_BYTES;
	if (clone) {
		worker->fd = clone_fd(session->fd);
		if (worker->fd < 0) {
			munmap(map, MAP_BYTES);
			return worker->fd;
		}
		worker->cloned = true;
	}
	return 0;
}

void worker_fini(struct worker *worker)
{
	if (worker->cloned)
		close(worker->fd);
	munmap(worker->map, MAP_BYTES);
}

ssize_t worker_receive(struct worker *worker)
{
	ssize_t length = read(worker->fd, worker->message, MESSAGE_BYTES);

	if (length >= (ssize_t)sizeof(struct fuse_in_header))
		return length;
	/* ENOENT: the request was interrupted before we had it. */
	if (length < 0 &&
	    (errno == EINTR || errno == EAGAIN || errno == ENOENT))
		return 0;
	if (length >= 0 || errno != ENODEV)
		log_error("receive request: %s",
			  length < 0 ? strerror(errno) : "cut short");
	return -ENODEV;
}

/*
 * libfuse knows nothing of requests that are kept. One may be while libfuse
 * looks for it: then it either finds it, and whoever keeps it sees the mark
 * (fuse_req_interrupted), or we do, looking once more.
 */
static void serve_interrupt(struct worker *worker, struct fuse_buf *buf)
{
	const struct session_config *config = &worker->session->config;
	const struct fuse_in_header *in = (const void *)worker->message;
	const struct fuse_interrupt_in *interrupt = (const void *)(in + 1);
	uint64_t unique = 0;

	if (config->interrupt && buf->size >= sizeof(*in) + sizeof(*interrupt))
		unique = interrupt->unique;
	if (unique && config->interrupt(config->owner, unique))
		return;
	fuse_session_process_buf(worker->session->fuse, buf);
	if (unique)
		config->interrupt(config->owner, unique);
}

/*
 * The longer form of SETXATTR, which libfuse 3.14 cannot read, as the shorter
 * one: what it says more goes into a bit that no caller of setxattr(2) can set.
 */
static size_t shorten_setxattr(struct fuse_in_header *in, size_t length)
{
	struct fuse_setxattr_in *head = (void *)(in + 1);
	unsigned char *rest = (unsigned char *)(head + 1);
	size_t cut = sizeof(*head) - FUSE_COMPAT_SETXATTR_IN_SIZE;

	if (length < sizeof(*in) + sizeof(*head))
		return length;
	if (head->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID)
		head->flags |= SESSION_XATTR_KILL_SGID;
	memmove(rest - cut, rest, length - sizeof(*in) - sizeof(*head));
	in->len -= (uint32_t)cut;
	return length - cut;
}

void worker_serve(struct worker *worker, size_t length)
{
	struct fuse_in_header *in = (struct fuse_in_header *)worker->message;
	struct fuse_buf buf = { .mem = in, .size = length };

	worker->length = length;
	worker->opcode = in->opcode;
	worker->open_flags = 0;
	if (in->opcode == FUSE_INTERRUPT) {
		serve_interrupt(worker, &buf);
		return;
	}
	if (in->opcode == OPCODE_TMPFILE)
		in->opcode = FUSE_CREATE;
	if (in->opcode == SESSION_STATX && worker->session->config.statx)
		in->opcode = FUSE_GETATTR;
	if (in->opcode == FUSE_SETXATTR &&
	    worker->session->granted & SESSION_SETXATTR_EXT)
		buf.size = shorten_setxattr(in, length);
	fuse_session_process_buf(worker->session->fuse, &buf);
}

static void leave(struct session *session)
{
	uint64_t one = 1;

	if (atomic_fetch_sub(&session->running, 1) == 1 &&
	    write(session->finished, &one, sizeof(one)) < 0)
		log_error("end of session: eventfd: %s", strerror(errno));
}

void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct session *session = worker->session;
	const struct session_config *config = &session->config;
	int err = 0;

	worker_adopt(worker);
	if (config->thread_init)
		err = config->thread_init(config->owner, &worker->state);
	if (err) {
		log_error("start serving thread: %s", strerror(-err));
		leave(session);
		return NULL;
	}
	while (!atomic_load(&session->stopping)) {
		ssize_t length = worker_receive(worker);

		if (length < 0)
			break;
		if (length > 0)
			worker_serve(worker, (size_t)length);
	}
	if (config->thread_fini)
		config->thread_fini(config->owner, worker->state);
	leave(session);
	return NULL;
}

/* Replies to OPEN and CREATE end in a struct fuse_open_out. */
static ssize_t write_open(struct worker *worker, struct iovec *iov)
{
	unsigned char reply[sizeof(struct fuse_entry_out) +
			    sizeof(struct fuse_open_out)];
	struct iovec changed[2] = { iov[0], { reply, iov[1].iov_len } };
	struct fuse_open_out *out;

	assert(iov[1].iov_len >= sizeof(*out) &&
	       iov[1].iov_len <= sizeof(reply));
	memcpy(reply, iov[1].iov_base, iov[1].iov_len);
	out = (struct fuse_open_out *)(reply + iov[1].iov_len - sizeof(*out));
	out->open_flags |= worker->open_flags;
	return writev(worker->fd, changed, 2);
}

/*
 * Replies go to the descriptor their request was read from, notifications
 * (from no worker) to the session's. When the kernel cannot take a reply's
 * bytes, because the device under them vanished, it ends that request with
 * EIO itself; the caller of fuse_reply_iov() learns EFAULT.
 */
static ssize_t io_writev(int fd, struct iovec *iov, int count, void *owner)
{
	struct fuse_out_header *header = iov[0].iov_base;
	struct fuse_init_out init;

	if (!self)
		return writev(fd, iov, count);
	if (self->session->init_unique &&
	    negotiate_reply(self->session, iov, count, &init)) {
		struct iovec changed[2] = { iov[0], { &init, sizeof(init) } };

		header->len = sizeof(*header) + sizeof(init);
		return writev(self->fd, changed, 2);
	}
	if (self->open_flags && count == 2 && header->error == 0)
		return write_open(self, iov);
	return writev(self->fd, iov, count);
}

/* libfuse wants one; worker_receive() is what reads. */
static ssize_t io_read(int fd, void *bytes, size_t length, void *owner)
{
	return read(fd, bytes, length);
}

const struct fuse_custom_io worker_io = { .writev = io_writev,
					  .read = io_read };
