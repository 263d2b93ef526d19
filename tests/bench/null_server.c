/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * null_server: what FUSE itself costs. Eight files, f0 to f7, whose bytes come
 * from and go to nowhere (or to one shared memory file, -F), and whatever else
 * is made (null_files.h), in plain memory; served by the session module or,
 * with -l, by libfuse's own loop. A peer in benchmarks.
 */
#include "null_files.h"

#include "fuse/session.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 8
#define FILE_BYTES (UINT64_C(256) << 20)
#define FOREVER 3600.0

static struct {
	const char *backing;
	unsigned int threads;
	bool clone;
	bool cached;
	bool libfuse_loop;
	bool parallel;
	unsigned char *bytes; /* FILE_BYTES with backing, else one reply's */
} server;

/* One of the eight. */
static bool is_fixed(fuse_ino_t ino)
{
	return ino > FUSE_ROOT_ID && ino <= FUSE_ROOT_ID + FILES;
}

static struct stat attr_of(fuse_ino_t ino)
{
	return (struct stat){ .st_ino = ino,
			      .st_mode = S_IFREG | 0644,
			      .st_nlink = 1,
			      .st_size = (off_t)FILE_BYTES,
			      .st_blksize = 4096,
			      .st_blocks = (blkcnt_t)(FILE_BYTES / 512) };
}

static void null_init(void *owner, struct fuse_conn_info *conn)
{
	conn->max_write = SESSION_IO_BYTES;
	conn->max_readahead = SESSION_IO_BYTES;
	conn->want &= ~(
		unsigned int)(FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_SPLICE_READ |
			      FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
	/* So that it asks for them as often. */
	conn->want |= conn->capable & FUSE_CAP_POSIX_ACL;
}

static void null_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .attr_timeout = FOREVER,
					  .entry_timeout = FOREVER };

	if (parent != FUSE_ROOT_ID || name[0] != 'f' || name[1] < '0' ||
	    name[1] >= '0' + FILES || name[2] != '\0') {
		null_files_lookup(req, parent, name);
		return;
	}
	entry.ino = FUSE_ROOT_ID + 1 + (fuse_ino_t)(name[1] - '0');
	entry.attr = attr_of(entry.ino);
	fuse_reply_entry(req, &entry);
}

static void null_getattr(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_file_info *file)
{
	struct stat attr = attr_of(ino);

	if (is_fixed(ino))
		fuse_reply_attr(req, &attr, FOREVER);
	else
		null_files_getattr(req, ino);
}

static void null_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *change,
			 int mask, struct fuse_file_info *file)
{
	if (is_fixed(ino))
		null_getattr(req, ino, file);
	else
		null_files_setattr(req, ino, change, mask);
}

static void set_open(struct fuse_file_info *file)
{
	file->direct_io = !server.cached;
	file->keep_cache = 1;
	file->noflush = 1;
	if (server.parallel)
		session_parallel_writes(file);
}

static void null_open(fuse_req_t req, fuse_ino_t ino,
		      struct fuse_file_info *file)
{
	set_open(file);
	fuse_reply_open(req, file);
}

static void null_create(fuse_req_t req, fuse_ino_t parent, const char *name,
			mode_t mode, struct fuse_file_info *file)
{
	struct fuse_entry_param entry;
	int err = null_files_create(req, parent, name, mode, &entry);

	if (err) {
		fuse_reply_err(req, err);
		return;
	}
	set_open(file);
	fuse_reply_create(req, &entry, file);
}

static void null_release(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_file_info *file)
{
	fuse_reply_err(req, 0);
}

static void null_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		       struct fuse_file_info *file)
{
	fuse_reply_err(req, 0);
}

static void null_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		      struct fuse_file_info *file)
{
	struct iovec iov = { server.bytes, size };

	if (!is_fixed(ino)) {
		null_files_read(req, ino, size, offset);
		return;
	}
	if ((uint64_t)offset >= FILE_BYTES)
		iov.iov_len = 0;
	else if (size > FILE_BYTES - (uint64_t)offset)
		iov.iov_len = FILE_BYTES - (uint64_t)offset;
	if (server.backing)
		iov.iov_base = server.bytes + offset;
	fuse_reply_iov(req, &iov, 1);
}

static void null_write(fuse_req_t req, fuse_ino_t ino, const char *bytes,
		       size_t size, off_t offset, struct fuse_file_info *file)
{
	if (!is_fixed(ino)) {
		null_files_write(req, ino, bytes, size, offset);
		return;
	}
	if ((uint64_t)offset >= FILE_BYTES ||
	    size > FILE_BYTES - (uint64_t)offset) {
		fuse_reply_err(req, ENOSPC);
		return;
	}
	if (server.backing)
		memcpy(server.bytes + offset, bytes, size);
	fuse_reply_write(req, size);
}

/* Nobody has any; without this the kernel would not ask again. */
static void null_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			  size_t size)
{
	fuse_reply_err(req, ENODATA);
}

static struct fuse_lowlevel_ops null_ops = {
	.init = null_init,
	.lookup = null_lookup,
	.getattr = null_getattr,
	.setattr = null_setattr,
	.open = null_open,
	.create = null_create,
	.release = null_release,
	.fsync = null_fsync,
	.read = null_read,
	.write = null_write,
	.getxattr = null_getxattr,
};

static int prepare_bytes(void)
{
	size_t length = server.backing ? FILE_BYTES : SESSION_IO_BYTES;
	int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE;
	int fd = -1;

	if (server.backing) {
		fd = open(server.backing, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || ftruncate(fd, (off_t)FILE_BYTES) != 0)
			return -errno;
		flags = MAP_SHARED | MAP_POPULATE;
	}
	server.bytes = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd, 0);
	return server.bytes == MAP_FAILED ? -errno : 0;
}

static int serve_by_libfuse(struct fuse_args *args, const char *mountpoint)
{
	struct fuse_session *fuse = fuse_session_new(args, &null_ops,
						     sizeof(null_ops), NULL);
	struct fuse_loop_config *config = fuse_loop_cfg_create();

	if (!fuse || fuse_set_signal_handlers(fuse) != 0 ||
	    fuse_session_mount(fuse, mountpoint) != 0)
		return -EIO;
	fuse_loop_cfg_set_clone_fd(config, server.clone);
	if (server.threads) {
		fuse_loop_cfg_set_max_threads(config, server.threads);
		fuse_loop_cfg_set_idle_threads(config, server.threads);
	}
	fuse_session_loop_mt(fuse, config);
	fuse_session_unmount(fuse);
	fuse_session_destroy(fuse);
	return 0;
}

static int serve(struct fuse_args *args, const char *mountpoint)
{
	const struct session_config config = { .ops = &null_ops,
					       .wanted = SESSION_DIRECT_MMAP |
							 SESSION_KILLPRIV_V2,
					       .threads = server.threads,
					       .clone_fd = server.clone };
	struct session *session;
	uint64_t count;
	int err;

	err = session_create(&session, args, &config);
	if (err)
		return err;
	err = session_mount(session, mountpoint);
	if (!err)
		err = session_start(session);
	if (!err &&
	    read(session_finished_fd(session), &count, sizeof(count)) < 0)
		err = -errno;
	session_join(session);
	session_unmount(session);
	session_destroy(session);
	return err;
}

static int usage(void)
{
	fprintf(stderr, "usage: null_server [-c] [-l] [-k] [-p] [-t THREADS] "
			"[-F FILE] MOUNTPOINT\n"
			"  -c a descriptor for each thread, -l libfuse's loop, "
			"-k the kernel caches pages,\n"
			"  -p parallel direct writes (not with -l)\n");
	return 1;
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int option;
	int err;

	log_set_program("null_server");
	while ((option = getopt(argc, argv, "clkpt:F:")) != -1) {
		switch (option) {
		case 'c':
			server.clone = true;
			break;
		case 'l':
			server.libfuse_loop = true;
			break;
		case 'k':
			server.cached = true;
			break;
		case 'p':
			server.parallel = true;
			break;
		case 't':
			server.threads = (unsigned int)atoi(optarg);
			break;
		case 'F':
			server.backing = optarg;
			break;
		default:
			return usage();
		}
	}
	if (optind != argc - 1 || (server.libfuse_loop && server.parallel) ||
	    server.threads > SESSION_THREADS_MAX)
		return usage();
	null_files_install(&null_ops);
	err = prepare_bytes();
	if (err) {
		log_error("memory: %s", strerror(-err));
		return 2;
	}
	fuse_opt_add_arg(&args, argv[0]);
	/* As udaxfs: after a change of a folder the kernel asks for its
	 * attributes, to check permissions. */
	fuse_opt_add_arg(&args, "-ofsname=null,subtype=null,allow_other,"
				"default_permissions");
	err = server.libfuse_loop ? serve_by_libfuse(&args, argv[optind])
				  : serve(&args, argv[optind]);
	fuse_opt_free_args(&args);
	if (err)
		log_error("%s: %s", argv[optind], strerror(-err));
	return err ? 2 : 0;
}
