/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuse/front.h"
#include "core/lease.h"
#include "core/request.h"
#include "fuse/notify.h"
#include "fuse/op.h"
#include "util/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BACKGROUND 64 /* readahead and writeback under way, for all */

/*
 * A write by somebody without CAP_FSETID takes suid and sgid away here, and
 * the kernel does not hear of it. It must not run such a file by the mode it
 * remembers, so that it asks each time. (It asks for capabilities at every
 * execve anyway.) Nor does it hear of stores through a lease, which move mtime
 * and ctime.
 */
double front_attr_timeout(struct inode *inode, const struct stat *attr)
{
	if (!S_ISREG(attr->st_mode))
		return FRONT_TIMEOUT_S;
	if (attr->st_mode & (S_ISUID | S_ISGID) || lease_writable_on(inode))
		return 0;
	return FRONT_TIMEOUT_S;
}

static void want(struct fuse_conn_info *conn, unsigned int capability)
{
	conn->want |= conn->capable & capability;
}

/*
 * Not wanted: splice (slower, reference is a copy anyway), the writeback cache
 * (durable when answered), data dropped because a timestamp moved (nobody else
 * changes it), KILLPRIV in its first form (SESSION_KILLPRIV_V2 is asked for).
 * The kernel checks by ACLs; a umask is ours to apply, where no default ACL
 * takes its place.
 */
static void op_init(void *owner, struct fuse_conn_info *conn)
{
	conn->want &= ~(
		unsigned int)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
			      FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE |
			      FUSE_CAP_AUTO_INVAL_DATA |
			      FUSE_CAP_HANDLE_KILLPRIV);
	want(conn, FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO |
			   FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_PARALLEL_DIROPS |
			   FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
			   FUSE_CAP_IOCTL_DIR | FUSE_CAP_CACHE_SYMLINKS |
			   FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK);
	conn->max_write = SESSION_IO_BYTES;
	conn->max_background = MAX_BACKGROUND;
	conn->time_gran = 1;
}

static const struct fuse_lowlevel_ops *operations(void)
{
	static struct fuse_lowlevel_ops ops = { .init = op_init };

	ops_attr_install(&ops);
	ops_data_install(&ops);
	ops_dir_install(&ops);
	ops_ioctl_install(&ops);
	ops_name_install(&ops);
	ops_open_install(&ops);
	ops_xattr_install(&ops);
	return &ops;
}

static int thread_init(void *owner, void **state)
{
	struct front *front = owner;
	struct request *request = malloc(sizeof(*request));
	int err;

	if (!request)
		return -ENOMEM;
	err = request_thread_init(front->fs, request);
	if (err)
		free(request);
	else
		*state = request;
	return err;
}

static bool interrupt(void *owner, uint64_t unique)
{
	struct front *front = owner;

	return park_interrupt(front->park, unique);
}

static void thread_fini(void *owner, void *state)
{
	request_thread_fini(state);
	free(state);
}

int front_create(struct front **out, struct fs *fs, struct fuse_args *args,
		 unsigned int threads)
{
	struct session_config config = { .ops = operations(),
					 .wanted = SESSION_KILLPRIV_V2 |
						   SESSION_SETXATTR_EXT,
					 .threads = threads,
					 .statx = true,
					 .thread_init = thread_init,
					 .thread_fini = thread_fini,
					 .interrupt = interrupt };
	const struct park_limits limits = PARK_LIMITS_DEFAULT;
	struct front *front = calloc(1, sizeof(*front));
	int err;

	if (!front)
		return -ENOMEM;
	front->fs = fs;
	front->dax = fs->options.dax;
	if (front->dax != DAX_NEVER)
		config.wanted |= SESSION_DIRECT_MMAP;
	config.owner = front;
	err = session_create(&front->session, args, &config);
	if (err)
		goto out_free;
	err = park_create(&front->park, fs, front->session, &limits);
	if (err)
		goto out_session;
	*out = front;
	return 0;
out_session:
	session_destroy(front->session);
out_free:
	free(front);
	return err;
}

/* Attributes alone (offset -1) wait for nobody. */
static int invalidate(void *arg, uint64_t ino, off_t offset, off_t length)
{
	struct front *front = arg;
	struct park_bar bar;
	int err;

	if (offset < 0)
		return notify_inval_inode(front->session, ino, offset, length);
	park_bar(front->park, &bar, ino, false);
	err = notify_inval_inode(front->session, ino, offset, length);
	park_unbar(front->park, &bar);
	return err;
}

int front_mount(struct front *front, const char *mountpoint)
{
	int err = session_mount(front->session, mountpoint);

	if (err)
		return err;
	if (front->dax != DAX_NEVER &&
	    !(session_granted(front->session) & SESSION_DIRECT_MMAP)) {
		log_warn("%s: dax=never: this kernel cannot map files that "
			 "bypass its cache (Linux 6.6 can)",
			 mountpoint);
		front->dax = DAX_NEVER;
		front->fs->options.dax = DAX_NEVER;
	}
	front->fs->hooks = (struct fs_hooks){ .invalidate = invalidate,
					      .arg = front };
	return 0;
}

int front_start(struct front *front)
{
	int err = park_start(front->park);

	return err ? err : session_start(front->session);
}

void front_stop(struct front *front)
{
	session_stop(front->session);
	park_stop(front->park);
	session_join(front->session);
}

void front_destroy(struct front *front)
{
	front_stop(front);
	front->fs->hooks = (struct fs_hooks){ .invalidate = NULL };
	park_destroy(front->park);
	session_destroy(front->session);
	free(front);
}
