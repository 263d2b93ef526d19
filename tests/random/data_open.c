/* SPDX-License-Identifier: BSD-3-Clause */
#include "data.h"
#include "udax/udax.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
	const char *name;
	int flags;
} ways[WAYS] = {
	[PLAIN] = { "plain", O_RDWR },
	[DIRECT] = { "direct", O_RDWR | O_DIRECT },
	[APPEND] = { "append", O_WRONLY | O_APPEND },
	[READER] = { "reader", O_RDONLY },
	[DSYNC] = { "dsync", O_RDWR | O_DSYNC },
	[CLIENT] = { "client", O_RDWR },
};

int descriptor(struct file *file, enum way way)
{
	int flags = ways[way].flags | O_CREAT | O_CLOEXEC;

	if (world.aligned)
		flags &= ~O_DIRECT;
	if (file->fd[way] < 0) {
		note_more(" (opens %s)", ways[way].name);
		file->fd[way] = open(file->path, flags, 0644);
		if (file->fd[way] < 0)
			fail_errno("open");
	}
	return file->fd[way];
}

void close_way(struct file *file, enum way way)
{
	if (file->fd[way] < 0)
		return;
	if ((way == CLIENT ? udax_close : close)(file->fd[way]) != 0)
		fail_errno("close");
	file->fd[way] = -1;
}

void close_everything(void)
{
	for (int i = 0; i < FILES; i++) {
		struct file *file = &world.files[i];

		for (int j = 0; j < MAPS; j++) {
			struct map *map = &file->maps[j];

			if (map->at && (map->lease ? udax_munmap : munmap)(
					       map->at, map->length) != 0)
				fail_errno("munmap");
			map->at = NULL;
		}
		for (int way = 0; way < WAYS; way++)
			close_way(file, (enum way)way);
	}
}

void step_reopen(void)
{
	struct file *file = any_file();
	enum way way = (enum way)chance(WAYS);

	if (one_in(10)) {
		note("close everything");
		close_everything();
		return;
	}
	note("close %c %s", letter(file), ways[way].name);
	close_way(file, way);
	if (way == CLIENT && !world.leases)
		return;
	if (alone() && one_in(6)) {
		int fd = open(file->path, O_RDWR | O_TRUNC | O_CLOEXEC);

		note_more(", O_TRUNC");
		if (fd < 0)
			fail_errno("open");
		close(fd);
		model_resize(file, 0);
	}
	descriptor(file, way);
}

/* Opens from now on; there is no such attribute on others' filesystems. */
void step_flag_dax(void)
{
	struct file *file = any_file();
	int fd = descriptor(file, PLAIN);
	struct fsxattr attr;

	note("dax attribute of %c", letter(file));
	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) != 0)
		return;
	attr.fsx_xflags ^= FS_XFLAG_DAX;
	if (ioctl(fd, FS_IOC_FSSETXATTR, &attr) != 0 && errno != EOPNOTSUPP &&
	    errno != EINVAL)
		fail_errno("FS_IOC_FSSETXATTR");
	close_way(file, PLAIN);
}
