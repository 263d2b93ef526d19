/* SPDX-License-Identifier: BSD-3-Clause */
#include "direct/direct.h"

#include "direct/private.h"
#include "util/log.h"
#include "util/runtime_dir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RING_ENTRIES 512
#define RING_COMPLETIONS (4 * DIRECT_CLIENTS_MAX) /* never more under way */
#define FILES_WANTED (4 * DIRECT_CLIENTS_MAX)
#define REVOKE_WAIT_MS 20

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) ==
		       UDAX_SOCKET_PATH_BYTES,
	       "a path of the socket fits wherever it goes");

void direct_wake(struct direct *direct)
{
	uint64_t one = 1;

	if (write(direct->event_fd, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

/* ------------------------------------------------------------- the devices */

/* The metadata's device takes the others along. */
static bool concerns(const struct fs *fs, unsigned int removal,
		     unsigned int device)
{
	return removal == device || removal == fs->metadata_device;
}

void direct_device_changed(struct direct *direct, unsigned int device,
			   enum removal_state state)
{
	struct fs *fs;

	if (!direct)
		return;
	fs = direct->fs;
	pthread_mutex_lock(&direct->lock);
	direct->revocations[device].state = state;
	for (unsigned int i = 0; i < fs->device_count; i++) {
		struct revocation *revocation = &direct->revocations[i];

		if (revocation->active && revocation->removal == device &&
		    (state == DEVICE_LIVE || state >= DEVICE_DEAD))
			revocation->active = false;
	}
	pthread_mutex_unlock(&direct->lock);
	direct_wake(direct);
}

/* direct.lock held. True if it had been begun before. */
static bool begin_locked(struct direct *direct, unsigned int device,
			 enum removal_mode mode,
			 const struct removal_limits *limits)
{
	struct fs *fs = direct->fs;
	bool before = true;

	for (unsigned int i = 0; i < fs->device_count; i++) {
		struct revocation *revocation = &direct->revocations[i];

		if (!concerns(fs, device, i) || revocation->active)
			continue;
		revocation->active = true;
		revocation->begun = false;
		revocation->clear = false;
		revocation->removal = device;
		revocation->mode = mode;
		revocation->limits = *limits;
		before = false;
	}
	return before;
}

/* direct.lock held. Looked at since, and nobody left but for pins? */
static bool clear_locked(const struct direct *direct, unsigned int device,
			 uint64_t looks)
{
	const struct fs *fs = direct->fs;

	if (direct->looks == looks)
		return false;
	for (unsigned int i = 0; i < fs->device_count; i++) {
		const struct revocation *revocation = &direct->revocations[i];

		if (concerns(fs, device, i) && !revocation->clear)
			return false;
	}
	return true;
}

int direct_revoke_device(struct direct *direct, unsigned int device,
			 enum removal_mode mode,
			 const struct removal_limits *limits)
{
	struct deadline deadline = deadline_in(REVOKE_WAIT_MS);
	uint64_t looks;
	bool clear;

	if (!direct)
		return 0;
	pthread_mutex_lock(&direct->lock);
	if (!begin_locked(direct, device, mode, limits)) {
		clear = !direct->clients;
		pthread_mutex_unlock(&direct->lock);
		direct_wake(direct);
		return clear ? 0 : -EAGAIN;
	}
	looks = direct->looks;
	direct_wake(direct);
	while (!(clear = clear_locked(direct, device, looks)) &&
	       deadline_wait(deadline, &direct->evaluated, &direct->lock) == 0)
		;
	pthread_mutex_unlock(&direct->lock);
	return clear ? 0 : -EAGAIN;
}

bool direct_device_reachable(struct direct *direct, unsigned int device)
{
	const struct client *client;
	bool any = false;

	if (!direct)
		return false;
	pthread_mutex_lock(&direct->lock);
	for (client = direct->clients; client && !any; client = client->next)
		any = grant_any_locked(client, device);
	pthread_mutex_unlock(&direct->lock);
	return any;
}

/* ------------------------------------------------------------------ socket */

static mode_t socket_mode(const struct fs *fs)
{
	switch (fs->options.direct) {
	case DIRECT_ANY:
		return 0666;
	case DIRECT_GROUP:
		return 0660;
	default:
		return 0600;
	}
}

static int listen_at(struct direct *direct)
{
	const struct fs_options *options = &direct->fs->options;
	const struct runtime_socket sock = {
		.name = "direct",
		.type = SOCK_SEQPACKET,
		.mode = socket_mode(direct->fs),
		.group = options->direct == DIRECT_GROUP ? options->direct_group
							 : (gid_t)-1,
		.backlog = SOCKET_BACKLOG,
	};

	return runtime_listen(&sock, &direct->listen_fd, direct->socket_path);
}

/* Two descriptors a client: the usual limit is for 500 of them. */
static void want_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 ||
	    files.rlim_cur >= FILES_WANTED)
		return;
	files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max
						       : FILES_WANTED;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_warn("direct: descriptors are limited: %s",
			 strerror(errno));
}

/* The page of sizes, in a form in which nobody can change it. */
static int open_sizes(struct direct *direct)
{
	char self[64];
	struct stat st;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", direct->fs->sizes_fd);
	direct->sizes_fd = open(self, O_RDONLY | O_CLOEXEC);
	if (direct->sizes_fd < 0 || fstat(direct->sizes_fd, &st) < 0)
		return -errno;
	direct->sizes_words = (uint32_t)((uint64_t)st.st_size / 8);
	return 0;
}

/* ----------------------------------------------------------- start and stop */

static struct direct *direct_new(struct fs *fs)
{
	struct direct *direct = calloc(1, sizeof(*direct));
	pthread_condattr_t monotonic;

	if (!direct)
		return NULL;
	direct->fs = fs;
	direct->listen_fd = direct->event_fd = direct->sizes_fd = -1;
	direct->todo_end = &direct->todo;
	direct->fresh_end = &direct->fresh;
	direct->forced_end = &direct->forced;
	direct->next_job = 1;
	direct->next_lock_byte = 1;
	pthread_mutex_init(&direct->lock, NULL);
	pthread_cond_init(&direct->work, NULL);
	pthread_cond_init(&direct->force, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&direct->evaluated, &monotonic);
	pthread_condattr_destroy(&monotonic);
	for (unsigned int i = 0; i < fs->device_count; i++) {
		struct revocation *revocation = &direct->revocations[i];

		direct->probes[i] = -1;
		revocation->state = DEVICE_LIVE;
		if (fs->devices[i].removal)
			revocation->state =
				removal_state(fs->devices[i].removal);
		else if (!fs->devices[i].pgmap)
			revocation->state = DEVICE_MISSING;
		revocation->told = revocation->state;
	}
	direct->uffd = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	return direct;
}

static void direct_free(struct direct *direct)
{
	int fds[] = { direct->listen_fd, direct->event_fd, direct->sizes_fd,
		      direct->uffd };

	for (unsigned int i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (direct->socket_path[0])
		unlink(direct->socket_path);
	pthread_mutex_destroy(&direct->lock);
	pthread_cond_destroy(&direct->work);
	pthread_cond_destroy(&direct->force);
	pthread_cond_destroy(&direct->evaluated);
	free(direct);
}

static void stop_threads(struct direct *direct)
{
	pthread_mutex_lock(&direct->lock);
	direct->stop = true;
	pthread_cond_broadcast(&direct->work);
	pthread_cond_broadcast(&direct->force);
	pthread_mutex_unlock(&direct->lock);
	direct_wake(direct);
	if (direct->looping)
		pthread_join(direct->loop, NULL);
	for (unsigned int i = 0; i < direct->worker_count; i++)
		pthread_join(direct->workers[i], NULL);
	for (unsigned int i = 0; i < direct->force_count; i++)
		pthread_join(direct->forces[i], NULL);
}

static int start_threads(struct direct *direct)
{
	int err = 0;

	while (!err && direct->worker_count < WORKERS) {
		err = pthread_create(&direct->workers[direct->worker_count],
				     NULL, direct_worker, direct);
		if (!err)
			direct->worker_count++;
	}
	while (!err && direct->force_count < FORCES) {
		err = pthread_create(&direct->forces[direct->force_count], NULL,
				     direct_force, direct);
		if (!err)
			direct->force_count++;
	}
	if (!err)
		err = pthread_create(&direct->loop, NULL, direct_loop, direct);
	direct->looping = !err;
	return -err;
}

static int start_ring(struct direct *direct)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE,
					  .cq_entries = RING_COMPLETIONS };

	return io_uring_queue_init_params(RING_ENTRIES, &direct->ring, &params);
}

static int prepare(struct direct *direct, char *why, size_t why_bytes)
{
	int err;

	direct->event_fd = eventfd(0, EFD_CLOEXEC);
	if (direct->event_fd < 0 ||
	    getrandom(&direct->lineage, sizeof(direct->lineage), 0) < 0)
		err = -errno;
	else
		err = open_sizes(direct);
	if (err) {
		snprintf(why, why_bytes, "%s", strerror(-err));
		return err;
	}
	err = listen_at(direct);
	if (err)
		snprintf(why, why_bytes, "socket: %s", strerror(-err));
	return err;
}

int direct_start(struct direct **out, struct fs *fs, char *why,
		 size_t why_bytes)
{
	struct direct *direct;
	int err;

	*out = NULL;
	if (fs->options.direct == DIRECT_OFF)
		return 0;
	direct = direct_new(fs);
	if (!direct)
		return -ENOMEM;
	want_files();
	err = prepare(direct, why, why_bytes);
	if (err)
		goto out_free;
	err = start_ring(direct);
	if (err) {
		snprintf(why, why_bytes, "ring: %s", strerror(-err));
		goto out_free;
	}
	lease_set_ops(fs, &takeback_ops, direct);
	err = start_threads(direct);
	if (err) {
		snprintf(why, why_bytes, "thread: %s", strerror(-err));
		goto out_threads;
	}
	memcpy(fs->direct_socket, direct->socket_path,
	       sizeof(fs->direct_socket));
	*out = direct;
	return 0;

out_threads:
	stop_threads(direct);
	lease_set_ops(fs, NULL, NULL);
	io_uring_queue_exit(&direct->ring);
out_free:
	direct_free(direct);
	return err;
}

void direct_stop(struct direct *direct)
{
	if (!direct)
		return;
	/* Nothing is asked for any more; what was, ends with the threads. */
	lease_set_ops(direct->fs, NULL, NULL);
	stop_threads(direct);
	io_uring_queue_exit(&direct->ring);
	direct_free_clients(direct);
	direct_free(direct);
}
