/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work.c -- what may block: OPEN, MAP, SYNC, PIN
 *
 * A small MAP that need not wait for anything, a fault mostly, is answered by
 * the loop itself: that saves a change of threads, twice what the grant takes.
 *
 * Else a few threads. Clients with something to do stand in a queue and are
 * served one request at a time, at most WORKERS_A_CLIENT at once, so that one
 * that waits for the kernel or the log does not stop the rest.
 */
#include "core/attr.h"
#include "core/inode.h"
#include "direct/private.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a lazy fault asks for at a time. */
#define AT_ONCE_BYTES (2u << 20)

struct worker {
	struct direct *direct;
	struct request request;
	struct lease_grant lease;
	union {
		struct udax_map_reply head;
		unsigned char bytes[UDAX_MESSAGE_BYTES_MAX];
	} map_reply;
};

/* -------------------------------------------------------------------- OPEN */

/* What attributes are read under; no device's data is touched. */
static int look_at(struct worker *worker, struct client *client,
		   struct inode *inode, struct udax_open_reply *reply)
{
	struct request *request = &worker->request;
	struct stat st;
	int err = request_begin(request, "direct_open", inode->ino,
				client->lease.pid, false);

	if (err)
		return err == -EIO ? -ENXIO : err;
	attr_get(worker->direct->fs, inode, &st);
	reply->inode = inode->ino;
	reply->generation = inode->media->generation;
	reply->size = (uint64_t)st.st_size;
	reply->sizes_word = lease_sizes_word(worker->direct->fs, inode);
	request_end(request);
	return 0;
}

static void serve_open(struct worker *worker, struct client *client,
		       const struct udax_open *message)
{
	struct udax_open_reply reply = {
		.header = wire_reply(&message->header, 0, sizeof(reply))
	};
	struct inode *inode;
	bool may_write;
	int err = token_redeem(worker->direct->fs, message->token, &client->who,
			       &inode, &may_write);

	if (!err) {
		err = look_at(worker, client, inode, &reply);
		if (err)
			inode_release_hold(worker->direct->fs, inode);
	}
	if (!err)
		err = handle_add(client, inode, may_write, &reply.handle);
	if (err) {
		send_status(client, &message->header, err);
		return;
	}
	reply.access = UDAX_OPEN_READ | (may_write ? UDAX_OPEN_WRITE : 0);
	if (send_message(client, &reply, NULL))
		return; /* it is being closed, and its handles with it */
}

/* --------------------------------------------------------------------- MAP */

static uint32_t granularity_of(const struct fs *fs, unsigned int device)
{
	static const char *const names[] = { "byte", "cache_line", "page" };
	const char *name;

	if (device == LEASE_NO_DEVICE)
		return 0;
	name = fs->devices[device].granularity_name;
	for (uint32_t i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return 2;
}

static void write_map_reply(struct worker *worker, const struct task *task)
{
	const struct lease_grant *lease = &worker->lease;
	struct udax_map_reply *reply = &worker->map_reply.head;
	size_t length = sizeof(*reply) +
			lease->run_count * sizeof(struct udax_run);

	assert(lease->run_count <= UDAX_RUNS_MAX);
	*reply = (struct udax_map_reply){
		.header = wire_reply(&task->message.header, 0, length),
		.lease = lease->id,
		.offset = lease->first * UDAX_PAGE_BYTES,
		.length = (lease->last - lease->first + 1) * UDAX_PAGE_BYTES,
		.device = lease->device,
		.granularity = granularity_of(worker->direct->fs,
					      lease->device),
		.run_count = lease->run_count,
	};
	for (unsigned int i = 0; i < lease->run_count; i++)
		reply->runs[i] = (struct udax_run){
			.offset = lease->runs[i].index * UDAX_PAGE_BYTES,
			.length = lease->runs[i].npages * UDAX_PAGE_BYTES,
			.device_offset = lease->runs[i].device_page *
					 UDAX_PAGE_BYTES,
			.flags = lease->runs[i].zero ? UDAX_RUN_ZERO : 0,
		};
}

/* [publish] */
static int publish(struct worker *worker, struct client *client,
		   const struct task *task, bool writable)
{
	struct wire_fds fds = { .count = 0 };
	struct grant *opened;
	int err, fd;

	write_map_reply(worker, task);
	pthread_mutex_lock(&client->send_lock);
	err = grant_take(client, task, &worker->lease, writable, &fd, &opened);
	if (!err && fd >= 0) {
		worker->map_reply.head.flags |= UDAX_MAP_FD;
		fds.fd[fds.count++] = fd;
	}
	if (!err)
		err = send_locked(client, &worker->map_reply, &fds);
	wire_close_fds(&fds); /* the lock is the client's now */
	if (opened)
		grant_sent(client, opened);
	pthread_mutex_unlock(&client->send_lock);
	return err;
}

static bool has_room(struct client *client)
{
	struct fs *fs = client->direct->fs;
	bool room;

	pthread_mutex_lock(&fs->lease_lock);
	room = client->lease.lease_count < DIRECT_LEASES_MAX;
	pthread_mutex_unlock(&fs->lease_lock);
	return room;
}

static int grant(struct worker *worker, struct task *task, bool nowait)
{
	const struct udax_map *message = &task->message.map;
	struct client *client = task->client;
	struct handle *handle = task->handle;
	struct lease_want want = {
		.first = message->offset / UDAX_PAGE_BYTES,
		.npages = message->length / UDAX_PAGE_BYTES,
		.writable = message->flags & UDAX_MAP_WRITABLE,
		.nowait = nowait,
		.stored_ns = &client->stored[handle->word],
	};

	if (want.writable && !handle->may_write)
		return -EACCES;
	if (!has_room(client))
		return -EUSERS;
	return lease_grant(&worker->request, &client->lease, handle->inode,
			   &want, &worker->lease);
}

/* False: it would have to wait, and nothing was done. */
static bool serve_map(struct worker *worker, struct task *task, bool nowait)
{
	struct client *client = task->client;
	bool writable = task->message.map.flags & UDAX_MAP_WRITABLE;
	int err = grant(worker, task, nowait);
	int64_t returned;

	if (err == -EINPROGRESS)
		return false;
	if (!err) {
		err = publish(worker, client, task, writable);
		if (!err)
			return true;
		/* Nobody has heard of it: nobody can have pinned it. */
		returned = lease_return(worker->direct->fs, &client->lease,
					worker->lease.id, worker->lease.first,
					worker->lease.last);
		assert(returned != -EBUSY);
	}
	send_status(client, &task->message.header, err);
	return true;
}

/* --------------------------------------------------------------- SYNC, PIN */

static void serve_sync(struct worker *worker, struct client *client,
		       const struct udax_range *message)
{
	uint64_t first = message->offset / UDAX_PAGE_BYTES;
	uint64_t count = message->length / UDAX_PAGE_BYTES;

	send_status(client, &message->header,
		    lease_sync(&worker->request, &client->lease, message->lease,
			       first, first + count - 1));
}

static void serve_pin(struct worker *worker, struct client *client,
		      const struct udax_range *message)
{
	struct udax_pin_reply reply = {
		.header = wire_reply(&message->header, 0, sizeof(reply))
	};
	uint64_t first = message->offset / UDAX_PAGE_BYTES;
	uint64_t count = message->length / UDAX_PAGE_BYTES;
	int err = lease_pin(&worker->request, &client->lease, message->lease,
			    first, first + count - 1, &reply.pin);

	if (err)
		send_status(client, &message->header, err);
	else if (send_message(client, &reply, NULL))
		return; /* closed: its pins end with it */
}

/* ------------------------------------------------------------------- queue */

/* direct.lock held. */
static void stand_in_queue(struct client *client)
{
	struct direct *direct = client->direct;

	if (client->in_todo || !client->todo ||
	    client->serving_count >= WORKERS_A_CLIENT)
		return;
	client->in_todo = true;
	client->next_todo = NULL;
	*direct->todo_end = client;
	direct->todo_end = &client->next_todo;
	pthread_cond_signal(&direct->work);
}

void work_queue(struct client *client, struct task *task)
{
	struct direct *direct = client->direct;

	pthread_mutex_lock(&direct->lock);
	if (!client->todo)
		client->todo_end = &client->todo;
	task->next = NULL;
	*client->todo_end = task;
	client->todo_end = &task->next;
	client->todo_count++;
	stand_in_queue(client);
	pthread_mutex_unlock(&direct->lock);
}

struct task *work_drop_locked(struct client *client)
{
	struct task *dropped = client->todo;

	for (struct task *task = dropped; task; task = task->next)
		client->todo_count--;
	client->todo = NULL;
	return dropped;
}

void work_free(struct client *client, struct task *dropped)
{
	while (dropped) {
		struct task *task = dropped;

		dropped = task->next;
		if (task->handle)
			handle_put(client, task->handle);
		free(task);
	}
}

/* direct.lock held: the next task, begun. */
static struct task *begin(struct direct *direct)
{
	struct client *client = direct->todo;
	struct task *task;

	direct->todo = client->next_todo;
	if (!direct->todo)
		direct->todo_end = &direct->todo;
	client->in_todo = false;
	task = client->todo;
	if (!task)
		return NULL; /* dropped meanwhile */
	client->todo = task->next;
	client->serving[client->serving_count++] = task;
	task->gone_seq = client->gone_seq;
	stand_in_queue(client);
	return task;
}

/* direct.lock held. */
static void end(struct task *task)
{
	struct client *client = task->client;
	struct direct *direct = client->direct;
	bool was_full = client->todo_count >= DIRECT_QUEUE_MAX;
	unsigned int i = 0;

	while (client->serving[i] != task)
		i++;
	client->serving[i] = client->serving[--client->serving_count];
	client->todo_count--;
	stand_in_queue(client);
	if (was_full || client->closed)
		direct_wake(direct);
}

static void serve(struct worker *worker, struct task *task)
{
	struct client *client = task->client;

	switch (task->message.header.type) {
	case UDAX_OPEN:
		serve_open(worker, client, &task->message.open);
		break;
	case UDAX_MAP:
		serve_map(worker, task, false);
		break;
	case UDAX_SYNC:
		serve_sync(worker, client, &task->message.range);
		break;
	default:
		serve_pin(worker, client, &task->message.range);
		break;
	}
	if (task->handle)
		handle_put(client, task->handle);
}

static void run(struct worker *worker)
{
	struct direct *direct = worker->direct;
	struct task *task;

	pthread_mutex_lock(&direct->lock);
	for (;;) {
		while (!direct->todo && !direct->stop)
			pthread_cond_wait(&direct->work, &direct->lock);
		if (direct->stop)
			break;
		task = begin(direct);
		if (!task)
			continue;
		pthread_mutex_unlock(&direct->lock);
		serve(worker, task);
		pthread_mutex_lock(&direct->lock);
		end(task);
		free(task);
	}
	pthread_mutex_unlock(&direct->lock);
}

struct worker *worker_create(struct direct *direct)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (!worker || request_thread_init(direct->fs, &worker->request)) {
		log_error("direct: a worker could not start: no memory");
		free(worker);
		return NULL;
	}
	worker->direct = direct;
	return worker;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	request_thread_fini(&worker->request);
	free(worker);
}

bool work_at_once(struct worker *worker, struct task *task)
{
	struct client *client = task->client;
	struct direct *direct = client->direct;
	bool done;

	if (!worker || task->message.header.type != UDAX_MAP ||
	    task->message.map.length > AT_ONCE_BYTES)
		return false;
	pthread_mutex_lock(&direct->lock);
	client->serving[client->serving_count++] = task;
	client->todo_count++;
	task->gone_seq = client->gone_seq;
	pthread_mutex_unlock(&direct->lock);
	done = serve_map(worker, task, true);
	if (done)
		handle_put(client, task->handle);
	pthread_mutex_lock(&direct->lock);
	end(task);
	pthread_mutex_unlock(&direct->lock);
	if (done)
		free(task);
	return done;
}

void *direct_worker(void *arg)
{
	struct worker *worker = worker_create(arg);

	if (!worker)
		return NULL;
	run(worker);
	worker_destroy(worker);
	return NULL;
}
