/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/runtime_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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
