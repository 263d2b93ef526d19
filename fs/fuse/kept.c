/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kept.c -- messages that are answered later, and the threads that serve them
 *
 * A message is kept with the descriptor it was read from: the kernel looks for
 * the request of a reply among those that went out there.
 */
#include "fuse/worker.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct session_kept {
	int fd;
	uint32_t opcode; /* as it came */
	size_t length;
	uint64_t unique;
	_Alignas(struct fuse_in_header) unsigned char message[];
};

struct session_kept *session_keep(void)
{
	const struct worker *worker = worker_self();
	struct session_kept *kept;

	assert(worker != NULL);
	kept = malloc(sizeof(*kept) + worker->length);
	if (!kept)
		return NULL;
	*kept = (struct session_kept){ .fd = worker->fd,
				       .opcode = worker->opcode,
				       .length = worker->length,
				       .unique = session_message()->unique };
	memcpy(kept->message, worker->message, worker->length);
	return kept;
}

struct session_kept *session_message_kept(void)
{
	assert(worker_self() != NULL);
	return worker_self()->kept;
}

uint64_t session_kept_unique(const struct session_kept *kept)
{
	return kept->unique;
}

size_t session_kept_bytes(const struct session_kept *kept)
{
	return kept->length;
}

void session_kept_free(struct session_kept *kept)
{
	free(kept);
}

/* ENOENT: it was given up; ENODEV: the connection has ended. */
void session_kept_refuse(const struct session_kept *kept, int error)
{
	struct fuse_out_header header = { .len = sizeof(header),
					  .error = error,
					  .unique = kept->unique };

	assert(error < 0);
	if (write(kept->fd, &header, sizeof(header)) < 0 && errno != ENOENT &&
	    errno != ENODEV)
		log_error("answer a waiting request: %s", strerror(errno));
}

void session_kept_serve(struct session_kept *kept)
{
	struct worker *worker = worker_self();
	unsigned char *message = worker->message;
	int fd = worker->fd;

	((struct fuse_in_header *)kept->message)->opcode = kept->opcode;
	worker->message = kept->message;
	worker->fd = kept->fd;
	worker->kept = kept;
	worker_serve(worker, kept->length);
	worker->kept = NULL;
	worker->message = message;
	worker->fd = fd;
}

int session_enter(struct session *session)
{
	const struct session_config *config = &session->config;
	struct worker *worker = malloc(sizeof(*worker));
	int err;

	assert(!session_is_serving());
	if (!worker)
		return -ENOMEM;
	err = worker_init(worker, session, false);
	if (err) {
		free(worker);
		return err;
	}
	worker_block_signals(NULL);
	worker_adopt(worker);
	if (config->thread_init)
		err = config->thread_init(config->owner, &worker->state);
	if (err) {
		worker_adopt(NULL);
		worker_fini(worker);
		free(worker);
	}
	return err;
}

void session_leave(void)
{
	struct worker *worker = worker_self();
	const struct session_config *config = &worker->session->config;

	if (config->thread_fini)
		config->thread_fini(config->owner, worker->state);
	worker_adopt(NULL);
	worker_fini(worker);
	free(worker);
}
