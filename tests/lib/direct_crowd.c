/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * direct_crowd FILE CLIENTS LEASES: so many connections, each with so many
 * leases of single pages of FILE, asked for one at a time. Says how long that
 * took, then obeys: an empty line on stdin gives a quarter of the leases back,
 * RECALL all of a client's. Ends when every client was asked for the device.
 */
#include "lib/direct_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct member {
	int socket;
	int device_fd;
	uint64_t *leases;
};

static struct member *members;
static unsigned int count, leases_each;
static uint64_t pages;
static struct direct_client client; /* whose turn it is */

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void fail(const char *what, int err)
{
	fprintf(stderr, "direct_crowd: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void begin(const char *path, struct member *member, uint32_t *handle)
{
	struct udax_ioc_token token;
	int fd = open(path, O_RDONLY);
	int err = fd < 0 || ioctl(fd, UDAX_IOC_TOKEN, &token) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (!err)
		err = client_connect(&client, token.socket);
	if (!err)
		err = client_hello(&client);
	if (!err)
		err = client_open(&client, token.token, handle);
	if (err)
		fail("open", err);
	member->socket = client.socket;
	client.socket = -1;
	client_end(&client);
}

static void take_leases(struct member *member, uint32_t handle)
{
	client.socket = member->socket;
	client.device_fd[0] = -1;
	for (unsigned int i = 0; i < leases_each; i++) {
		int err = client_map(&client, handle,
				     i % pages * UDAX_PAGE_BYTES,
				     UDAX_PAGE_BYTES, false);

		if (err)
			fail("map", err);
		member->leases[i] = client.in.map.lease;
	}
	member->device_fd = client.device_fd[0];
	client.device_fd[0] = -1;
}

static void give_some(void)
{
	int64_t began = now_us();

	for (unsigned int i = 0; i < count; i++) {
		client.socket = members[i].socket;
		for (unsigned int j = 0; j < leases_each / 4; j++) {
			int err = client_range(
				&client, UDAX_UNMAP, members[i].leases[j],
				j % pages * UDAX_PAGE_BYTES, UDAX_PAGE_BYTES);

			if (err)
				fail("unmap", err);
		}
	}
	printf("given back in %lld us\n", (long long)(now_us() - began));
	fflush(stdout);
}

static bool obey(struct member *member)
{
	client.socket = member->socket;
	if (client_next(&client, 0))
		fail("recall", -ECONNRESET);
	if (client.in.header.type != UDAX_RECALL)
		return false;
	close(member->device_fd);
	if (client_returned(&client))
		fail("returned", -ECONNRESET);
	return true;
}

static void serve(void)
{
	struct pollfd *wait = calloc(count + 1, sizeof(*wait));
	unsigned int recalled = 0;
	char line[16];

	for (unsigned int i = 0; i < count; i++)
		wait[i] = (struct pollfd){ members[i].socket, POLLIN, 0 };
	wait[count] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	while (recalled < count && poll(wait, count + 1, -1) > 0) {
		for (unsigned int i = 0; i < count; i++)
			if (wait[i].revents)
				recalled += obey(&members[i]);
		if (wait[count].revents && fgets(line, sizeof(line), stdin))
			give_some();
		else if (wait[count].revents)
			break;
	}
	free(wait);
}

int main(int argc, char **argv)
{
	struct rlimit files = { 8192, 8192 };
	uint32_t *handles;
	int64_t began, mapped;
	struct stat st;

	if (argc != 4 || stat(argv[1], &st) < 0)
		return 2;
	setrlimit(RLIMIT_NOFILE, &files);
	setvbuf(stdin, NULL, _IONBF, 0);
	count = (unsigned int)strtoul(argv[2], NULL, 10);
	leases_each = (unsigned int)strtoul(argv[3], NULL, 10);
	pages = (uint64_t)st.st_size / UDAX_PAGE_BYTES;
	members = calloc(count, sizeof(*members));
	handles = calloc(count, sizeof(*handles));
	began = now_us();
	for (unsigned int i = 0; i < count; i++) {
		members[i].leases = calloc(leases_each, sizeof(uint64_t));
		begin(argv[1], &members[i], &handles[i]);
	}
	mapped = now_us();
	for (unsigned int i = 0; i < count; i++)
		take_leases(&members[i], handles[i]);
	free(handles);
	printf("connected in %lld us, mapped in %lld us\n",
	       (long long)(mapped - began), (long long)(now_us() - mapped));
	fflush(stdout);
	serve();
	return 0;
}
