/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/handle.h"
#include "client/probe.h"
#include "client/sys.h"
#include "wire/wire.h"

#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int handle_file_of(int fd, struct handle_file *out)
{
	struct statx st;
	int flags = sys_fcntl(fd, F_GETFL, 0);
	long err;

	if (flags < 0)
		return flags;
	/* what it is, not how large: no question to the daemon */
	err = SYS_CALL(SYS_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		       STATX_TYPE | STATX_INO, &st);
	if (err)
		return (int)err;
	*out = (struct handle_file){
		.dev = makedev(st.stx_dev_major, st.stx_dev_minor),
		.inode = st.stx_ino,
		.regular = S_ISREG(st.stx_mode),
		.append = flags & O_APPEND,
	};
	if (flags & O_PATH)
		return -EBADF;
	if ((flags & O_ACCMODE) == O_RDWR)
		out->access = UDAX_OPEN_READ | UDAX_OPEN_WRITE;
	else if ((flags & O_ACCMODE) == O_RDONLY)
		out->access = UDAX_OPEN_READ;
	return 0;
}

static struct handle *find(struct conn *conn, const struct handle_file *file)
{
	struct handle *handle;

	for (handle = conn->handles; handle; handle = handle->next)
		if (handle->inode == file->inode &&
		    (handle->access & file->access) == file->access)
			return handle;
	return NULL;
}

static int redeem(struct conn *conn, const uint8_t *token,
		  struct udax_open_reply *reply)
{
	struct udax_open message = { .header = wire_header(UDAX_OPEN, 0,
							   sizeof(message)) };
	struct call *call = call_create(conn);
	int err;

	if (!call)
		return -ENOMEM;
	memcpy(message.token, token, sizeof(message.token));
	err = call_start(conn, call, &message);
	if (!err) {
		err = call_wait(call);
		if (err == -ETIMEDOUT)
			return err;
	}
	*reply = call->reply.open;
	call_free(call);
	return err;
}

static int open_new(struct conn *conn, int fd, struct handle **out)
{
	struct udax_ioc_token token = { .protocol = 0 };
	struct udax_open_reply reply;
	struct handle *handle;
	int err = probe_token(fd, &token);

	if (err)
		return err;
	err = redeem(conn, token.token, &reply);
	if (err)
		return err;
	handle = calloc(1, sizeof(*handle));
	client_lock();
	if (!handle || reply.handle >= conn->stored_words) {
		conn_send_close_locked(conn, reply.handle);
		client_unlock();
		free(handle);
		return handle ? -EPROTO : -ENOMEM;
	}
	handle->conn = conn;
	handle->refs = 1;
	handle->number = reply.handle;
	handle->access = reply.access;
	handle->inode = reply.inode;
	handle->generation = reply.generation;
	handle->stored = &conn->stored[reply.handle];
	if (reply.sizes_word < conn->sizes_words)
		handle->size = &conn->sizes[reply.sizes_word];
	handle->next = conn->handles;
	conn->handles = handle;
	client_unlock();
	*out = handle;
	return 0;
}

int handle_open(int fd, const struct handle_file *file, struct handle **out)
{
	struct conn *conn;
	int err = conn_for(fd, file->dev, &conn);

	if (err)
		return err;
	client_lock();
	*out = find(conn, file);
	if (*out)
		(*out)->refs++;
	client_unlock();
	return *out ? 0 : open_new(conn, fd, out);
}

void handle_hold_locked(struct handle *handle)
{
	handle->refs++;
}

void handle_put_locked(struct handle *handle)
{
	struct handle **at;

	if (--handle->refs)
		return;
	for (at = &handle->conn->handles; *at != handle; at = &(*at)->next)
		;
	*at = handle->next;
	conn_send_close_locked(handle->conn, handle->number);
	free(handle);
}

void handle_stored(struct handle *handle)
{
	struct timespec now;

	/* as coarse as the kernel's own file times, and as cheap */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	atomic_store_explicit(handle->stored,
			      (uint64_t)now.tv_sec * 1000000000u +
				      (uint64_t)now.tv_nsec,
			      memory_order_release);
}
