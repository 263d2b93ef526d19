/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/probe.h"
#include "client/sys.h"

#include <string.h>
#include <sys/vfs.h>

#define FUSE_MAGIC 0x65735546

int probe_socket(int fd, char *path)
{
	struct udax_ioc_socket at = { .protocol = 0 };
	struct statfs fs;
	int err;

	/* the ioctl's number may mean something to others */
	if (fstatfs(fd, &fs) != 0 || fs.f_type != FUSE_MAGIC)
		return -ENOTSUP;
	err = sys_ioctl(fd, UDAX_IOC_SOCKET, &at);
	if (err)
		return err == -ENOTCONN || err == -EBADF ? err : -ENOTSUP;
	at.socket[sizeof(at.socket) - 1] = '\0';
	if (!at.socket[0] || at.protocol != UDAX_PROTOCOL_VERSION)
		return -ENOTSUP;
	if (path)
		memcpy(path, at.socket, sizeof(at.socket));
	return 0;
}

int probe_token(int fd, struct udax_ioc_token *token)
{
	int err = sys_ioctl(fd, UDAX_IOC_TOKEN, token);

	return err == -ENOTTY || err == -ENOSYS || err == -EINVAL ? -ENOTSUP
								  : err;
}
