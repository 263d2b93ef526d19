/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session.h -- one FUSE connection: mounted, negotiated, served by threads
 *
 * The loop is our own, over libfuse's low-level API. libfuse 3.14's loop makes
 * and ends threads all the time, cannot negotiate what the kernel has learnt
 * since, and does not know the opcode TMPFILE; here every message passes
 * through our hands before libfuse sees it and every reply on its way back.
 * Nothing in this module knows what a filesystem is: tests/bench/null_server.c
 * runs on it as well.
 *
 *   session_create     options parsed, nothing touched
 *   session_mount      mounted, INIT answered: session_granted() is known
 *   session_start      threads serve: the mount answers
 *   session_finished_fd   readable when the last thread has left, because
 *                         the connection has ended (unmounted, aborted)
 *   session_stop       make them leave although it has not
 *   session_join, session_unmount, session_destroy
 *
 * Owns:    the /dev/fuse descriptor, the threads, a buffer of 1 MiB each.
 * Errors:  negative errno.
 * Locking: create to destroy are for one thread. What says "in a serving
 *          thread" asserts it.
 * Signals: serving threads block all but the synchronous ones and SIGUSR2,
 *          which session_stop() uses.
 */
#ifndef UDAX_FUSE_SESSION_H
#define UDAX_FUSE_SESSION_H

#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>

#define SESSION_THREADS_MAX 64
#define SESSION_IO_BYTES (1u << 20) /* largest read or write */

/* What libfuse 3.14 cannot ask the kernel for, so that we do. */
#define SESSION_DIRECT_MMAP                                                    \
	0x1u			  /* MAP_SHARED on direct_io files, Linux 6.6  \
				   */
#define SESSION_KILLPRIV_V2 0x2u  /* suid, sgid and capabilities are ours */
#define SESSION_SETXATTR_EXT 0x4u /* SESSION_XATTR_KILL_SGID may be said */

/* Among the flags of SETXATTR: see XATTR_KILL_SGID of core. */
#define SESSION_XATTR_KILL_SGID 0x10000

struct session;
struct session_kept;

struct session_config {
	const struct fuse_lowlevel_ops *ops;
	void *owner;	      /* fuse_req_userdata() of every request */
	unsigned int wanted;  /* SESSION_* */
	unsigned int threads; /* 0: as many as are worth having */
	bool clone_fd;	      /* a descriptor for each thread */
	bool statx;	      /* getattr() answers STATX, too */
	/*
	 * In each serving thread, first and last (both or none). state is
	 * what session_state() answers there.
	 */
	int (*thread_init)(void *owner, void **state);
	void (*thread_fini)(void *owner, void *state);
	/*
	 * In a serving thread: the kernel wants this request back. True: it is
	 * a kept one and will be answered. May be asked twice.
	 */
	bool (*interrupt)(void *owner, uint64_t unique);
};

/* args: libfuse's and the mount's options; those left over are refused. */
int session_create(struct session **out, struct fuse_args *args,
		   const struct session_config *config)
	__attribute__((warn_unused_result));
int session_mount(struct session *session, const char *mountpoint)
	__attribute__((warn_unused_result));
int session_start(struct session *session) __attribute__((warn_unused_result));
int session_finished_fd(const struct session *session);
/* Any thread but a serving one. Requests under way are finished first. */
void session_stop(struct session *session);
void session_join(struct session *session);
/* Take the mount away unless the connection has ended. libfuse goes by the
 * mount's path: not for when something else may be mounted there by now. */
void session_unmount(struct session *session);
/* The connection ends; whoever still uses the mount gets ENOTCONN. */
void session_destroy(struct session *session);

/* Of wanted: what the kernel has and has been told. */
unsigned int session_granted(const struct session *session);
/* For notifications and fuse_session_*() calls. */
struct fuse_session *session_fuse(const struct session *session);
unsigned int session_thread_count(const struct session *session);

/* Is the calling thread a serving one, of any session? */
bool session_is_serving(void);
/* In a serving thread: what thread_init set. */
void *session_state(void);
/*
 * In a serving thread: the message being served as it came, for fields that
 * libfuse does not hand on. TMPFILE is passed to libfuse as CREATE, whose
 * message and reply it shares, and, where wanted, STATX as GETATTR, whose
 * message begins as its own, while its reply is the handler's to make;
 * session_opcode() tells.
 */
#define SESSION_STATX 52 /* <linux/fuse.h> of Linux 6.6 */
const struct fuse_in_header *session_message(void);
uint32_t session_opcode(void);
/*
 * A message kept, for a request that cannot be answered yet: it is copied, the
 * handler ends it by fuse_reply_none(), and some day it is served once more, as
 * if it had just come, or answered by an error. Whoever has it does one of the
 * two, frees it, and does so before session_destroy().
 */
struct session_kept *session_keep(void) __attribute__((warn_unused_result));
/* In a serving thread: what is served is this one; NULL: it has just come. */
struct session_kept *session_message_kept(void);
uint64_t session_kept_unique(const struct session_kept *kept);
size_t session_kept_bytes(const struct session_kept *kept);
void session_kept_free(struct session_kept *kept);
/* error: negative. Any thread, never blocks. */
void session_kept_refuse(const struct session_kept *kept, int error);
/* In a thread that was made a serving one. */
void session_kept_serve(struct session_kept *kept);
/* Makes the calling thread a serving one that receives nothing: from the mount
 * on, until session_leave(), which comes before session_destroy(). */
int session_enter(struct session *session) __attribute__((warn_unused_result));
void session_leave(void);

/*
 * In a serving thread, before the reply to an open or create of a direct_io
 * file: several writers may be in it at a time, each within its size. The
 * kernel goes on to serialise those that extend it, and all once it is mapped.
 */
void session_parallel_writes(struct fuse_file_info *file);

#endif
