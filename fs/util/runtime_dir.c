/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/runtime_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DIR_MODE 0711

int runtime_dir(char *path, size_t path_bytes, bool create)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	int n;

	if (geteuid() == 0)
		n = snprintf(path, path_bytes, "/run/udaxfs");
	else if (xdg && xdg[0] == '/')
		n = snprintf(path, path_bytes, "%s/udaxfs", xdg);
	else
		n = snprintf(path, path_bytes, "/tmp/udaxfs-%u", geteuid());
	if (n < 0 || (size_t)n >= path_bytes)
		return -ENAMETOOLONG;
	if (create && mkdir(path, DIR_MODE) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 066))
		return -EPERM;
	/* Whatever the umask, and whoever made it before. */
	if (create && (st.st_mode & 07777) != DIR_MODE &&
	    chmod(path, DIR_MODE) < 0)
		return -errno;
	return 0;
}

/* Nobody gets in before its mode is right: it listens last. */
int runtime_listen(const struct runtime_socket *sock, int *fd, char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char dir[sizeof(at.sun_path)];
	int err, n;

	*fd = -1;
	path[0] = '\0';
	err = runtime_dir(dir, sizeof(dir), true);
	if (err)
		return err;
	n = snprintf(at.sun_path, sizeof(at.sun_path), "%s/%d.%s", dir,
		     getpid(), sock->name);
	if (n < 0 || (size_t)n >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	unlink(at.sun_path); /* of a daemon that had our pid and is dead */
	*fd = socket(AF_UNIX, sock->type | SOCK_CLOEXEC, 0);
	if (*fd < 0 || bind(*fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	memcpy(path, at.sun_path, sizeof(at.sun_path));
	if (sock->group != (gid_t)-1 && chown(path, (uid_t)-1, sock->group) < 0)
		return -errno;
	if (chmod(path, sock->mode) < 0 || listen(*fd, sock->backlog) < 0)
		return -errno;
	return 0;
}
