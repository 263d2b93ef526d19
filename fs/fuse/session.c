/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuse/session.h"
#include "fuse/worker.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define INIT_TIMEOUT_MS 10000
#define WAKE_SIGNAL SIGUSR2
#define WAKE_INTERVAL_NS 10000000

static void libfuse_says(enum fuse_log_level level, const char *format,
			 va_list args)
{
	char line[512];
	size_t length;

	vsnprintf(line, sizeof(line), format, args);
	length = strlen(line);
	if (length > 0 && line[length - 1] == '\n')
		line[length - 1] = '\0';
	if (level <= FUSE_LOG_ERR)
		log_error("%s", line);
	else
		log_debug("%s", line);
}

/*
 * A request mostly is a copy of memory, so more threads than processors only
 * help those that wait: for a lock, for a client, for the disk under a device
 * of page granularity. Idle ones cost their buffer's address space.
 */
static unsigned int default_threads(void)
{
	int threads = 2 * get_nprocs();

	if (threads < 4)
		return 4;
	return threads < SESSION_THREADS_MAX ? (unsigned int)threads
					     : SESSION_THREADS_MAX;
}

int session_create(struct session **out, struct fuse_args *args,
		   const struct session_config *config)
{
	struct session *session = calloc(1, sizeof(*session));
	int err = -ENOMEM;

	if (!session)
		return -ENOMEM;
	session->config = *config;
	session->fd = -1;
	session->worker_count = config->threads ? config->threads
						: default_threads();
	assert(session->worker_count <= SESSION_THREADS_MAX);
	session->finished = eventfd(0, EFD_CLOEXEC);
	if (session->finished < 0) {
		err = -errno;
		goto out_free;
	}
	fuse_set_log_func(libfuse_says);
	session->fuse = fuse_session_new(args, config->ops,
					 sizeof(*config->ops), config->owner);
	if (!session->fuse) {
		err = -EINVAL;
		goto out_close;
	}
	*out = session;
	return 0;
out_close:
	close(session->finished);
out_free:
	free(session);
	return err;
}

/* The kernel's first message is INIT; everybody else waits for its answer. */
static int handshake(struct session *session)
{
	struct pollfd ready = { .fd = session->fd, .events = POLLIN };
	struct worker worker;
	ssize_t length;
	int err;

	if (poll(&ready, 1, INIT_TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	err = worker_init(&worker, session, false);
	if (err)
		return err;
	worker_adopt(&worker);
	length = worker_receive(&worker);
	err = -EPROTO;
	if (length > 0 && session_message()->opcode == FUSE_INIT) {
		negotiate_seen(session, session_message());
		worker_serve(&worker, (size_t)length);
		if (!fuse_session_exited(session->fuse))
			err = 0;
	}
	worker_adopt(NULL);
	worker_fini(&worker);
	return err;
}

int session_mount(struct session *session, const char *mountpoint)
{
	int err;

	if (fuse_session_mount(session->fuse, mountpoint) != 0)
		return -EIO; /* libfuse has said why */
	session->mounted = true;
	session->fd = fuse_session_fd(session->fuse);
	err = fuse_session_custom_io(session->fuse, &worker_io, session->fd);
	if (!err)
		err = handshake(session);
	if (err)
		session_unmount(session);
	return err;
}

static void wake(int number)
{
}

void worker_block_signals(sigset_t *before)
{
	static const int heard[] = { SIGBUS, SIGSEGV, SIGFPE,
				     SIGILL, SIGABRT, WAKE_SIGNAL };
	struct sigaction action = { .sa_handler = wake }; /* no SA_RESTART */
	sigset_t blocked;

	sigemptyset(&action.sa_mask);
	sigaction(WAKE_SIGNAL, &action, NULL);
	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++)
		sigdelset(&blocked, heard[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, before);
}

int session_start(struct session *session)
{
	unsigned int wanted = session->worker_count;
	sigset_t before;
	int err = 0;

	session->worker_count = 0;
	atomic_store(&session->running, wanted);
	worker_block_signals(&before);
	for (unsigned int i = 0; i < wanted; i++) {
		struct worker *worker = &session->workers[i];

		err = worker_init(worker, session,
				  i > 0 && session->config.clone_fd);
		if (err)
			break;
		err = -pthread_create(&worker->thread, NULL, worker_main,
				      worker);
		if (err) {
			worker_fini(worker);
			break;
		}
		session->worker_count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		atomic_fetch_sub(&session->running,
				 wanted - session->worker_count);
		session_stop(session);
		session_join(session);
	}
	return err;
}

int session_finished_fd(const struct session *session)
{
	return session->finished;
}

/*
 * The signal interrupts a read that waits. One that is about to wait misses
 * it, so it is sent until all have left.
 */
void session_stop(struct session *session)
{
	const struct timespec interval = { .tv_nsec = WAKE_INTERVAL_NS };

	assert(!session_is_serving());
	atomic_store(&session->stopping, true);
	while (session->worker_count > 0 && atomic_load(&session->running)) {
		for (unsigned int i = 0; i < session->worker_count; i++)
			pthread_kill(session->workers[i].thread, WAKE_SIGNAL);
		nanosleep(&interval, NULL);
	}
}

void session_join(struct session *session)
{
	for (unsigned int i = 0; i < session->worker_count; i++) {
		pthread_join(session->workers[i].thread, NULL);
		worker_fini(&session->workers[i]);
	}
	session->worker_count = 0;
}

void session_unmount(struct session *session)
{
	if (!session->mounted)
		return;
	fuse_session_unmount(session->fuse); /* closes the descriptor */
	session->mounted = false;
	session->fd = -1;
}

/* libfuse then lets go of its own, and finds that nothing is to be unmounted.
 */
static bool has_ended(const struct session *session)
{
	struct pollfd state = { .fd = session->fd };

	return poll(&state, 1, 0) == 1 && (state.revents & POLLERR);
}

void session_destroy(struct session *session)
{
	if (session->mounted && has_ended(session))
		session_unmount(session);
	fuse_session_destroy(session->fuse);
	close(session->finished);
	free(session);
}

unsigned int session_granted(const struct session *session)
{
	return session->granted;
}

struct fuse_session *session_fuse(const struct session *session)
{
	return session->fuse;
}

unsigned int session_thread_count(const struct session *session)
{
	return session->worker_count;
}
