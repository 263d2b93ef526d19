/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process has of the file, by /proc: its mappings by device inode and
 * offset, wherever they are, and its descriptors.
 */
#include "direct/zap_private.h"
#include "util/proc_maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

/* A thread's: where the first one has ended, /proc/PID/maps is empty. */
static FILE *open_maps(const struct zap *zap, pid_t tid)
{
	char path[64];
	FILE *maps;
	int fd;

	snprintf(path, sizeof(path), "task/%d/maps", (int)tid);
	fd = openat(zap->proc, path, O_RDONLY | O_CLOEXEC);
	maps = fd < 0 ? NULL : fdopen(fd, "r");

	if (!maps && fd >= 0)
		close(fd);
	return maps;
}

/* ---------------------------------------------------------------- mappings */

/* Neighbours of one protection become one: fewer calls. */
static int add_piece(struct zap *zap, uint64_t start, uint64_t length, int prot)
{
	struct zap_piece *last = zap->piece_count
					 ? &zap->pieces[zap->piece_count - 1]
					 : NULL;
	int err;

	if (last && last->start + last->length == start && last->prot == prot) {
		last->length += length;
		return 0;
	}
	err = zap_grow(&zap->pieces, zap->piece_count, &zap->piece_room,
		       sizeof(*zap->pieces));
	if (err)
		return err;
	zap->pieces[zap->piece_count++] = (struct zap_piece){ start, length,
							      prot };
	return 0;
}

/* The first range that ends behind `offset`: they are in order. */
static size_t first_range(const struct zap *zap, uint64_t offset)
{
	size_t low = 0, high = zap->target.range_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct zap_range *range = &zap->ranges[middle];

		if (range->offset + range->length <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int add_mapping(struct zap *zap, const struct proc_map *map)
{
	uint64_t end = map->offset + (map->end - map->start);
	size_t i;
	int err;

	if (!zap->ranges)
		return add_piece(zap, map->start, map->end - map->start,
				 map->prot);
	for (i = first_range(zap, map->offset); i < zap->target.range_count;
	     i++) {
		const struct zap_range *range = &zap->ranges[i];
		uint64_t from = range->offset, to = from + range->length;

		if (from >= end)
			break;
		from = from < map->offset ? map->offset : from;
		to = to > end ? end : to;
		err = add_piece(zap, map->start + (from - map->offset),
				to - from, map->prot);
		if (err)
			return err;
	}
	return 0;
}

static int look_for_mappings(struct zap *zap, pid_t tid)
{
	FILE *maps = open_maps(zap, tid);
	char *line = NULL;
	size_t room = 0;
	int err = 0;

	zap->piece_count = 0;
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && getline(&line, &room, maps) > 0) {
		struct proc_map map;

		if (proc_map_parse(line, &map) &&
		    map.dev == zap->target.file.map_dev &&
		    map.ino == zap->target.file.map_ino)
			err = add_mapping(zap, &map);
	}
	if (!err && ferror(maps))
		err = -ESRCH;
	free(line);
	fclose(maps);
	return err;
}

/* ------------------------------------------------------------- descriptors */

static int add_fd(struct zap *zap, int fd)
{
	int err = zap_grow(&zap->fds, zap->fd_count, &zap->fd_room,
			   sizeof(*zap->fds));

	if (!err)
		zap->fds[zap->fd_count++] = fd;
	return err;
}

/* Of one thread: it may have a table of its own (unshare(2)). */
static int look_for_fds(struct zap *zap, pid_t tid)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;
	int fd, err = 0;

	zap->fd_count = 0;
	if (!zap->target.close_fds)
		return 0;
	snprintf(path, sizeof(path), "task/%d/fd", (int)tid);
	fd = openat(zap->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		err = errno == ENOENT ? -ESRCH : -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (entry = readdir(dir))) {
		struct statx st;

		/* What the kernel knows already: a file of a mount that does
		 * not answer, our own among them, must not hold us up. */
		if (entry->d_name[0] == '.' ||
		    statx(dirfd(dir), entry->d_name, AT_STATX_DONT_SYNC,
			  STATX_INO, &st) < 0)
			continue;
		if (st.stx_ino == zap->target.file.ino &&
		    makedev(st.stx_dev_major, st.stx_dev_minor) ==
			    zap->target.file.dev)
			err = add_fd(zap, (int)strtol(entry->d_name, NULL, 10));
	}
	closedir(dir);
	return err;
}

int zap_look(struct zap *zap, pid_t tid)
{
	int err = look_for_mappings(zap, tid);

	return err ? err : look_for_fds(zap, tid);
}

/* -------------------------------------------------------------- its syscall */

#define SEARCH_BYTES (256u << 10) /* of one mapping: libc's has one early */

/* The instruction, and a byte that is 0, anywhere in one mapping. */
static bool search_text(const unsigned char *text, size_t bytes, uint64_t start,
			uint64_t *insn, uint64_t *nul)
{
	const unsigned char *zero = memchr(text, 0, bytes);
	size_t i;

	for (i = 0; zero && i + zap_arch_syscall_bytes <= bytes;
	     i += zap_arch_syscall_align) {
		if (memcmp(text + i, zap_arch_syscall,
			   zap_arch_syscall_bytes) != 0)
			continue;
		*insn = start + i;
		*nul = start + (size_t)(zero - text);
		return true;
	}
	return false;
}

static bool search_mapping(pid_t tid, const struct proc_map *map,
			   unsigned char *buffer, uint64_t *insn, uint64_t *nul)
{
	uint64_t bytes = map->end - map->start;
	struct iovec local = { buffer,
			       bytes < SEARCH_BYTES ? bytes : SEARCH_BYTES };
	struct iovec remote = { (void *)(uintptr_t)map->start, local.iov_len };
	ssize_t n = process_vm_readv(tid, &local, 1, &remote, 1, 0);

	return n > 0 && search_text(buffer, (size_t)n, map->start, insn, nul);
}

int zap_find_syscall(struct zap *zap, pid_t tid, uint64_t *insn, uint64_t *nul)
{
	unsigned char *buffer = malloc(SEARCH_BYTES);
	FILE *maps = buffer ? open_maps(zap, tid) : NULL;
	bool found = false, of_vdso = false;
	char *line = NULL;
	size_t room = 0;

	if (!maps) {
		free(buffer);
		return buffer ? -ESRCH : -ENOMEM;
	}
	/* Any text will do; the vDSO's cannot go away. */
	while (!of_vdso && getline(&line, &room, maps) > 0) {
		bool vdso = strstr(line, "[vdso]") != NULL;
		struct proc_map map;

		if (!proc_map_parse(line, &map) || !(map.prot & PROT_EXEC) ||
		    !(map.prot & PROT_READ) || (found && !vdso) ||
		    strstr(line, "[vsyscall]"))
			continue;
		if (search_mapping(tid, &map, buffer, insn, nul)) {
			found = true;
			of_vdso = vdso;
		}
	}
	free(line);
	fclose(maps);
	free(buffer);
	return found ? 0 : -EIO;
}
