/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * proc_maps.h -- one line of /proc/PID/maps
 *
 * "start-end perms offset major:minor inode path". dev and ino are 0 for what
 * is no file's. dev is the superblock's: on btrfs and overlayfs not what
 * stat(2) says.
 */
#ifndef UDAX_UTIL_PROC_MAPS_H
#define UDAX_UTIL_PROC_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_map {
	uint64_t start, end; /* addresses */
	uint64_t offset;     /* bytes in the file */
	dev_t dev;
	ino_t ino;
	int prot; /* PROT_READ | PROT_WRITE | PROT_EXEC */
	bool shared;
};

bool proc_map_parse(const char *line, struct proc_map *out);

#endif
