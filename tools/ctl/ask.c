/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/ctl/ctl.h"

#include "util/deadline.h"
#include "util/mount_table.h"
#include "util/runtime_dir.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PROBE_MS 2000 /* a daemon answers "list" in microseconds */

static int send_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = send(fd, text, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

static bool is_readable(int fd, struct deadline deadline)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	int64_t left_ms;
	int n;

	do {
		left_ms = deadline_remaining_ms(deadline);
		n = poll(&wait, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Everything until the daemon closes, or the deadline. */
static char *receive_all(int fd, size_t *length, struct deadline deadline)
{
	size_t room = 64 << 10, used = 0;
	char *text = malloc(room);

	while (text && is_readable(fd, deadline)) {
		ssize_t n = recv(fd, text + used, room - used - 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
		if (used == room - 1) {
			char *more = realloc(text, room *= 2);

			if (!more)
				free(text);
			text = more;
		}
	}
	if (text)
		text[used] = '\0';
	*length = used;
	return text;
}

/* limit_ms: < 0 for as long as it takes. -ETIMEDOUT: no answer by then. */
static int ask_socket(const char *path, struct json_object *request,
		      int64_t limit_ms, struct json_object **reply)
{
	struct deadline deadline = deadline_in(limit_ms);
	/* connect() waits, too, for a daemon that does not accept */
	struct timeval limit = { .tv_sec = limit_ms < 0 ? 0 : limit_ms / 1000 };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const char *line =
		json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	size_t length;
	char *text;
	int err = 0, fd;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		err = errno == EAGAIN ? -ETIMEDOUT : -errno;
		goto out_close;
	}
	err = send_all(fd, line, strlen(line));
	if (!err)
		err = send_all(fd, "\n", 1);
	if (err)
		goto out_close;
	text = receive_all(fd, &length, deadline);
	*reply = text && length ? json_tokener_parse(text) : NULL;
	free(text);
	if (!*reply)
		err = deadline_passed(deadline) ? -ETIMEDOUT : -EPROTO;
out_close:
	close(fd);
	return err;
}

/* Where daemons that we may ask keep their sockets: ours, and for root
 * everybody's. */
static int find_sockets(glob_t *found)
{
	char pattern[512];
	int flags = 0;

	memset(found, 0, sizeof(*found));
	if (runtime_dir(pattern, sizeof(pattern) - 16, false) == 0) {
		strcat(pattern, "/*.control");
		glob(pattern, flags, NULL, found);
		flags = GLOB_APPEND;
	}
	if (geteuid() == 0) {
		glob("/run/user/*/udaxfs/*.control", flags, NULL, found);
		glob("/tmp/udaxfs-*/*.control", GLOB_APPEND, NULL, found);
	}
	return 0;
}

static struct json_object *field(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

/* The mounts of one reply to "list". */
static struct json_object *mounts_of(struct json_object *reply)
{
	return field(field(reply, "answer"), "mounts");
}

/* A question to whoever is there: one that does not answer was left by a killed
 * daemon; one that keeps us waiting is named, and does not stop the others. */
static int probe(const char *path, struct json_object *request,
		 struct json_object **reply)
{
	int err = ask_socket(path, request, PROBE_MS, reply);

	if (err == -ETIMEDOUT)
		fprintf(stderr,
			"udaxctl: %s: no answer in %d s: its daemon is stopped "
			"or stuck\n",
			path, PROBE_MS / 1000);
	return err;
}

int ask_all(struct json_object *request, struct json_object **replies)
{
	glob_t sockets;
	size_t i;

	*replies = json_object_new_array();
	find_sockets(&sockets);
	for (i = 0; i < sockets.gl_pathc; i++) {
		struct json_object *reply;

		if (probe(sockets.gl_pathv[i], request, &reply) == 0)
			json_object_array_add(*replies, reply);
	}
	globfree(&sockets);
	return 0;
}

static bool serves(const char *socket, const char *mount)
{
	struct json_object *list = json_object_new_object();
	struct json_object *reply = NULL, *mounts;
	bool does = false;

	json_object_object_add(list, "verb", json_object_new_string("list"));
	if (probe(socket, list, &reply) == 0) {
		mounts = mounts_of(reply);
		does = mounts && json_object_array_length(mounts) > 0 &&
		       strcmp(json_object_get_string(field(
				      json_object_array_get_idx(mounts, 0),
				      "mount")),
			      mount) == 0;
		json_object_put(reply);
	}
	json_object_put(list);
	return does;
}

int ask_mount(const struct options *options, struct json_object **reply)
{
	glob_t sockets;
	int err = -ENOENT;
	size_t i;

	find_sockets(&sockets);
	for (i = 0; err == -ENOENT && i < sockets.gl_pathc; i++) {
		if (serves(sockets.gl_pathv[i], options->mount))
			err = ask_socket(sockets.gl_pathv[i], options->request,
					 -1, reply);
	}
	globfree(&sockets);
	return err;
}

int locate(const char *path, char *mount, size_t mount_bytes,
	   unsigned long long *ino)
{
	struct mount_entry entry;
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (mount_table_of(st.st_dev, &entry) || !entry.udaxfs)
		return -ENOTSUP;
	if (strlen(entry.target) >= mount_bytes)
		return -ENAMETOOLONG;
	strcpy(mount, entry.target);
	*ino = st.st_ino;
	return 0;
}
