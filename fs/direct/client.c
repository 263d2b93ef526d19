/* SPDX-License-Identifier: BSD-3-Clause */
/* client.c -- clients are let in, closed, and freed when nothing holds them */
#include "direct/private.h"
#include "util/clock.h"
#include "util/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

#define LOG_WINDOW_NS (10 * NS_PER_S)
#define LOG_LINES 20

/* At most so many lines in a while: a flood of bad clients is no flood of
 * log. */
static void log_client(struct client *client, const char *why)
{
	struct direct *direct = client->direct;
	int64_t now_ns = clock_monotonic_ns();

	if (now_ns - direct->log_since_ns > LOG_WINDOW_NS) {
		if (direct->log_count > LOG_LINES)
			log_warn("direct: %u more were closed",
				 direct->log_count - LOG_LINES);
		direct->log_since_ns = now_ns;
		direct->log_count = 0;
	}
	if (direct->log_count++ < LOG_LINES)
		log_warn("direct: connection of pid %d (%s) closed: %s",
			 client->who.pid, client->lease.command, why);
}

void client_close(struct client *client, const char *why)
{
	struct direct *direct = client->direct;
	struct task *dropped;

	if (client->orphan)
		return;
	if (why)
		log_client(client, why);
	client->orphan = true;
	pthread_mutex_lock(&client->send_lock);
	pthread_mutex_lock(&direct->lock);
	client->closed = true;
	dropped = work_drop_locked(client);
	pthread_mutex_unlock(&direct->lock);
	shutdown(client->fd, SHUT_RDWR);
	send_drop(client);
	if (!client->receiving && !client->polling_out) {
		close(client->fd);
		client->fd = -1;
	}
	pthread_mutex_unlock(&client->send_lock);
	work_free(client, dropped);
	handle_close_all(client);
	takeback_orphaned(client);
	client->look_ns = 0;
	direct_due(direct, 0);
}

/* The ring has let go of it. */
void client_close_socket(struct client *client)
{
	if (!client->orphan || client->receiving || client->polling_out)
		return;
	pthread_mutex_lock(&client->send_lock);
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	pthread_mutex_unlock(&client->send_lock);
}

static void client_free(struct client *client)
{
	struct lease_gone gone;

	/* What a worker was about to send when it went. */
	lease_client_gone(client->direct->fs, &client->lease, LEASE_NO_DEVICE,
			  &gone);
	job_free_all(client);
	handle_free_all(client);
	grant_forget_locked(client, LEASE_NO_DEVICE);
	if (client->stored)
		munmap((void *)client->stored, HANDLES_MAX * sizeof(uint64_t));
	if (client->fd >= 0)
		close(client->fd);
	if (client->pidfd >= 0)
		close(client->pidfd);
	pthread_mutex_destroy(&client->send_lock);
	free(client);
}

static void read_command(struct client *client)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", client->who.pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(client->lease.command, sizeof(client->lease.command), file))
		client->lease.command[strcspn(client->lease.command, "\n")] =
			'\0';
	fclose(file);
}

static struct client *client_new(struct direct *direct, int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (!client)
		return NULL;
	client->direct = direct;
	client->fd = fd;
	client->idle = deadline_in(CLIENT_IDLE_MS);
	client->out_stuck = DEADLINE_NEVER;
	pthread_mutex_init(&client->send_lock, NULL);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0)
		client->who = (struct token_caller){ peer.pid, peer.uid };
	length = sizeof(client->pidfd);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &client->pidfd, &length) <
	    0)
		client->pidfd = pidfd_open(client->who.pid, 0);
	client->lease.pid = client->who.pid;
	read_command(client);
	return client;
}

static int admit(struct client *client)
{
	if (client->who.pid <= 0 || client->pidfd < 0)
		return -ESRCH; /* of a namespace that we do not see into */
	return token_allowed(client->direct->fs, &client->who);
}

int direct_serve(struct direct *direct, int fd)
{
	struct client *client = client_new(direct, fd);
	int err;

	if (!client) {
		close(fd);
		return -ENOMEM;
	}
	err = admit(client);
	if (err) {
		log_client(client, strerror(-err));
		client_free(client);
		return err;
	}
	pthread_mutex_lock(&direct->lock);
	client->next = direct->clients;
	direct->clients = client;
	pthread_mutex_unlock(&direct->lock);
	direct->client_count++;
	loop_arm_receive(client);
	loop_arm_pidfd(client);
	direct_due(direct, client->idle.at_ns);
	return 0;
}

/* Nothing of it is left, nobody has its address. */
static bool is_over(struct client *client)
{
	struct direct *direct = client->direct;
	bool over;

	if (!client->orphan || client->receiving || client->polling_out)
		return false;
	pthread_mutex_lock(&direct->lock);
	over = client->gone && client->todo_count == 0 && !client->in_todo &&
	       !client->jobs;
	pthread_mutex_unlock(&direct->lock);
	if (over)
		loop_disarm_pidfd(client);
	return over && !client->watching;
}

void clients_reap(struct direct *direct)
{
	struct client **at = &direct->clients;

	while (*at) {
		struct client *client = *at;

		if (!is_over(client)) {
			at = &client->next;
			continue;
		}
		pthread_mutex_lock(&direct->lock);
		*at = client->next;
		pthread_mutex_unlock(&direct->lock);
		direct->client_count--;
		client_free(client);
	}
}

void direct_free_clients(struct direct *direct)
{
	while (direct->clients) {
		struct client *client = direct->clients;

		direct->clients = client->next;
		handle_close_all(client);
		work_free(client, work_drop_locked(client));
		client_free(client);
	}
}
