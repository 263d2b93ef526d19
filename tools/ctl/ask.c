/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/ctl/ctl.h"

#include "util/mount_table.h"
#include "util/runtime_dir.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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

/* Everything until the daemon closes. */
static char *receive_all(int fd, size_t *length)
{
	size_t room = 64 << 10, used = 0;
	char *text = malloc(room);

	while (text) {
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

static int ask_socket(const char *path, struct json_object *request,
		      struct json_object **reply)
{
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
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		err = -errno;
		goto out_close;
	}
	err = send_all(fd, line, strlen(line));
	if (!err)
		err = send_all(fd, "\n", 1);
	if (err)
		goto out_close;
	text = receive_all(fd, &length);
	*reply = text && length ? json_tokener_parse(text) : NULL;
	free(text);
	if (!*reply)
		err = -EPROTO;
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

int ask_all(struct json_object *request, struct json_object **replies)
{
	glob_t sockets;
	size_t i;

	*replies = json_object_new_array();
	find_sockets(&sockets);
	for (i = 0; i < sockets.gl_pathc; i++) {
		struct json_object *reply;

		/* One that does not answer was left by a killed daemon. */
		if (ask_socket(sockets.gl_pathv[i], request, &reply) == 0)
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
	if (ask_socket(socket, list, &reply) == 0) {
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
					 reply);
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
