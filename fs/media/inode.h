/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inode.h -- the 512-byte inode
 *
 * Inodes live in the inode file (ino 0), whose own inode is at
 * superblock.inode_root; inode N is at byte N * 512 of it. A slot with mode 0
 * is free and keeps its generation; one that was never taken is all zeros and
 * passes the check, too. The last 344 bytes, `area`, hold by
 * `format`: the file's bytes (small files, symlinks), or the root node of its
 * tree (media/node.h): extents of a file, entries of a directory, owners of
 * shared blocks (INO_SHARED alone).
 *
 * pending_start/end: a hole punch under way ([start, end) in bytes; end 0 =
 * none). It is set in the first transaction of the chain (truncate and zero
 * range set it too), cleared in the last, and resumed at mount.
 */
#ifndef UDAX_MEDIA_INODE_H
#define UDAX_MEDIA_INODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define INODE_BYTES 512
#define INODE_AREA_BYTES 344
#define INODE_MAGIC 0x4e49
#define INODE_CHUNK 512				      /* inodes a chunk */
#define INODE_CHUNK_BYTES (INODE_CHUNK * INODE_BYTES) /* 256 KiB */

#define INODE_MODE_BITS (S_IFMT | 07777u) /* that may be set */
#define INODE_SYMLINK_BYTES_MAX 4095

#define INO_INODE_FILE 0
#define INO_ROOT 1
#define INO_SHARED 2 /* with the feature SHARED; else a file as any other */
#define INO_FIRST 2  /* that may be free */

enum inode_format {
	INODE_NOTHING = 0, /* device nodes, FIFOs, sockets */
	INODE_INLINE = 1,  /* area: the bytes themselves */
	INODE_EXTENTS = 2, /* area: root node, TREE_EXTENTS */
	INODE_ENTRIES = 3, /* area: root node, TREE_ENTRIES */
	INODE_SHARED = 4,  /* area: root node, TREE_SHARED */
};

typedef struct __attribute__((packed)) {
	uint32_t crc; /* CRC-32C of the 512 bytes, this field as 0 */
	uint16_t magic;
	uint8_t format; /* enum inode_format */
	uint8_t pad0;
	uint64_t ino;
	uint32_t generation; /* +1 each time the slot is taken */
	uint32_t mode;	     /* as st_mode; 0 = free slot */
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;	 /* 0 and mode != 0: orphan, freed at mount */
	uint32_t rdev;	 /* as st_rdev, new_encode_dev */
	uint64_t size;	 /* bytes; directories: number of entries */
	uint64_t blocks; /* 4 KiB blocks: data, tree nodes, xattr nodes */
	int64_t atime_s;
	int64_t mtime_s;
	int64_t ctime_s;
	int64_t btime_s;
	uint32_t atime_ns;
	uint32_t mtime_ns;
	uint32_t ctime_ns;
	uint32_t btime_ns;
	uint64_t parent_ino; /* one of its names, for messages: the directory */
	uint64_t parent_key; /* ... and the entry's key there; 0, 0 unknown */
	uint32_t flags;	     /* FS_*_FL of FS_IOC_GETFLAGS */
	uint32_t xflags;     /* FS_XFLAG_* beyond those: FS_XFLAG_DAX */
	uint64_t pending_start;
	uint64_t pending_end;
	uint64_t xattr_root;  /* address of the root node block, TREE_XATTRS */
	uint16_t home_device; /* where its data goes while there is room */
	uint16_t pad1;
	uint32_t pad2;
	uint64_t pad3;
	uint8_t area[INODE_AREA_BYTES];
} inode_media;

_Static_assert(sizeof(inode_media) == INODE_BYTES, "inode");

void inode_media_seal(inode_media *inode);

/* 0 or -EUCLEAN: magic, checksum, number, format against mode, ranges. */
int inode_media_check(const inode_media *inode, uint64_t ino)
	__attribute__((warn_unused_result));

/* Part of that: whether a file, a directory and so on is kept so. The tree of
 * owners (INO_SHARED) is neither. */
bool inode_format_fits(const inode_media *inode);

/* Part of that: what reads or writes `area` by `size` asks again. */
static inline bool inode_inline_fits(const inode_media *inode)
{
	return inode->format != INODE_INLINE || inode->size <= INODE_AREA_BYTES;
}

#endif
