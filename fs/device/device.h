/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device.h -- one persistent-memory source: opened, locked, mapped, stored to
 *
 * The device layer knows where the bytes live and when they are durable, and
 * nothing of what they mean. A device is a devdax character device, a file on
 * an fsdax mount, or an emulated one: a file on tmpfs or any filesystem. All
 * three are mapped with libpmem2, whole, at an address aligned to
 * DEVICE_MAP_ALIGN, so that a device offset and its address agree modulo 2 MiB
 * (PMD entries rest on that).
 *
 *   mkfs, fsck, daemon
 *        |
 *   device.h   open, lock, map  |  copy, set, store, flush, drain  (the seam)
 *   members.h  the devices of one filesystem
 *   guard.h    SIGBUS: a device that vanishes is marked failed, nobody dies
 *        |
 *   libpmem2, mmap, flock and OFD locks
 *
 * Owns:    the file descriptor, the mapping and the locks; they go, the locks
 *          last, in device_close().
 * Units:   bytes; offsets count from the start of the device.
 * Errors:  negative errno; device_open() adds one reason for people. Stores
 *          return nothing: one that meets a vanished device marks it failed,
 *          which device_failed() tells.
 * Locking: none to hold. Open and close of one device are for one thread; the
 *          stores are for any number. None of the stores blocks, device_drain()
 *          at DEVICE_PAGE aside, which may wait for the disk under the file.
 *
 * Durability. Every store to the media goes through device_copy(), _set(),
 * _copy_cached() or _store64(), so that a test sees all of them. What they
 * promise is the same at every granularity:
 *
 *   I1  what this thread copied, set or flushed is durable when device_drain()
 *       on that device returns, and not before
 *   I2  what was stored by _copy_cached() or _store64() needs device_flush()
 *       of its range first; until then it may or may not reach the media
 *   I3  between two drains nothing is ordered
 *   I4  an aligned 8-byte unit is never torn
 *   I5  a drain serves the thread that calls it: hand data to another thread
 *       only when it is drained, or let the storing thread drain
 *
 * What they do:
 *
 *                 copy, set             flush                drain
 *   BYTE          cached below 256 B,   nothing              sfence
 *                 else non-temporal
 *   CACHE_LINE    non-temporal          clwb of the lines    sfence
 *   PAGE          non-temporal,         range remembered     sfence, then msync
 *                 range remembered                           of what this
 *                                                            thread remembers
 *
 * At DEVICE_PAGE libpmem2's own drain does nothing, its copy is one msync a
 * call and it aborts the process when msync fails: that side is done here.
 * Ranges are coalesced, at most PENDING_MAX a thread. A devdax device forced
 * to PAGE (PMEM2_FORCE_GRANULARITY) has no msync and is flushed by cache line.
 * A private copy is never made durable, whatever is called.
 */
#ifndef UDAX_DEVICE_DEVICE_H
#define UDAX_DEVICE_DEVICE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICES_MAX 64
#define DEVICE_MAP_ALIGN (2u << 20)
#define DEVICE_PAGE_BYTES 4096u
#define DEVICE_BYTES_MIN (16ull << 20)
#define DEVICE_WHY_BYTES 256 /* enough for any reason */

enum device_granularity { DEVICE_BYTE, DEVICE_CACHE_LINE, DEVICE_PAGE };
enum device_kind { DEVICE_DEVDAX, DEVICE_FSDAX, DEVICE_EMULATED };

struct device_options {
	bool read_only;	   /* stores fault; no byte is locked for writing */
	bool private_copy; /* copy-on-write: stores never reach the media */
	bool no_lock;	   /* look in beside whoever holds it */
	/*
	 * How long to ask again for one in use: umount(8) returns before the
	 * daemon it has just unmounted has let go, and whoever comes right
	 * after shall not have to know. DEVICE_BUSY_MS suits programs.
	 */
	unsigned busy_ms;
};

#define DEVICE_BUSY_MS 2000

struct device_map; /* libpmem2's part, map.h */

/* All but failed is set by device_open() and does not change. */
struct device {
	char *path;	     /* as given */
	unsigned char *base; /* aligned to DEVICE_MAP_ALIGN */
	uint64_t size_bytes; /* usable: multiple of 4 KiB */
	enum device_granularity granularity;
	enum device_kind kind;
	struct device_options options;
	dev_t file_dev;	   /* st_dev and st_ino of the file or */
	ino_t file_ino;	   /* node: as in /proc/PID/maps, locks */
	dev_t rdev;	   /* of a character device, else 0 */
	int fd;		   /* read-only where the options say so */
	size_t unit_bytes; /* smallest piece that can be remapped */
	struct device_map *map;
	_Atomic bool failed;
	_Atomic uint64_t failed_offset; /* of the first fault */
	_Atomic unsigned int repairs;	/* units replaced by zeros */
	int guard_slot;
};

/*
 * Open, lock and map. On failure nothing is left behind, a negative errno is
 * returned and why says why, without the path: -ENOENT, -EACCES, -ENOTBLK (not
 * a device or file of a kind that can be mapped), -EINVAL (too small,
 * misaligned), -EBUSY (in use; why names the holders), -EROFS, -ENODEV
 * (vanished), -EMFILE (more than DEVICES_MAX).
 */
int device_open(struct device **out, const char *path,
		const struct device_options *options, char *why,
		size_t why_bytes) __attribute__((warn_unused_result));

/* Unmap, then close, which unlocks. Nobody may touch the map any more. */
void device_close(struct device *device);

/*
 * Make an emulated device: a file whose space is allocated now, so that a full
 * filesystem is -ENOSPC here and not SIGBUS later. An existing file is taken
 * only if it is empty or of that very size, which keeps its content; else
 * -EEXIST. What was created is removed again on failure.
 */
int device_create_emulated(const char *path, uint64_t size_bytes, char *why,
			   size_t why_bytes)
	__attribute__((warn_unused_result));

static inline void *device_at(const struct device *device,
			      uint64_t offset_bytes)
{
	assert(offset_bytes <= device->size_bytes);
	return device->base + offset_bytes;
}

static inline uint64_t device_offset(const struct device *device,
				     const void *at)
{
	return (uint64_t)((const unsigned char *)at - device->base);
}

/* ------------------------------------------------------------------ stores */

/* Non-temporal; durable at the next drain of this thread [I1]. */
void device_copy(struct device *device, void *to, const void *from,
		 size_t length_bytes);
void device_set(struct device *device, void *to, int byte, size_t length_bytes);

/* Plain stores, for what is read again soon; need device_flush() [I2]. */
void device_copy_cached(struct device *device, void *to, const void *from,
			size_t length_bytes);

/* One atomic store to an 8-byte aligned word; needs device_flush() [I2]. */
void device_store64(struct device *device, uint64_t *to, uint64_t value);

/* Write lines back; ordered by the next drain. Also for DMA and leases. */
void device_flush(struct device *device, const void *from, size_t length_bytes);

/* The fence [I1]. */
void device_drain(struct device *device);

/* Flush and drain. */
void device_persist(struct device *device, const void *from,
		    size_t length_bytes);

/*
 * Past the platform's write queues as well (pmem2_deep_flush): what fsync and
 * unmount owe to a power loss that the memory controller does not survive.
 */
int device_deep_flush(struct device *device, const void *from,
		      size_t length_bytes) __attribute__((warn_unused_result));

/* Drains that this thread has made since it began, on any device. */
uint64_t device_fences(void);

/*
 * What a crash test hears: each call, after it took effect on the map, in the
 * thread that made it. Install while nobody stores; NULL removes it.
 */
struct device_recorder {
	void (*stored)(struct device *device, const void *to,
		       size_t length_bytes, bool cached);
	void (*flushed)(struct device *device, const void *from,
			size_t length_bytes);
	void (*drained)(struct device *device);
};

void device_set_recorder(const struct device_recorder *recorder);

/* ------------------------------------------------------------------- loss */

/* A fault was caught: contents are not to be believed, start the removal. */
static inline bool device_failed(const struct device *device)
{
	return atomic_load_explicit(&device->failed, memory_order_acquire);
}

/*
 * Does the file still have its size, the node its device? Marks the device
 * failed if not. Finds a loss that no access has met yet; for a slow timer.
 */
bool device_still_there(struct device *device);

/* One bad block that the kernel knows of: losing its content is a fact. */
typedef void device_bad_block_fn(void *arg, uint64_t offset_bytes,
				 uint64_t length_bytes);

/* How many there are, told one by one; found may be NULL. Or negative errno. */
int device_bad_blocks(const struct device *device, device_bad_block_fn *found,
		      void *arg) __attribute__((warn_unused_result));

/* Copy out; -EIO if the device failed, -EINVAL beyond its end. */
int device_read_guarded(const struct device *device, void *to,
			uint64_t offset_bytes, size_t length_bytes)
	__attribute__((warn_unused_result));

/* ------------------------------------------------------------------ locks */

/*
 * From device_open() on the file carries flock(LOCK_EX): nobody else opens it.
 * A daemon calls this: the OFD lock on byte 0 first, exclusive (shared if it
 * opened read-only), then down to LOCK_SH, so that leases can stand beside it.
 */
int device_lock_share(struct device *device)
	__attribute__((warn_unused_result));

/*
 * The fd of one lease: opened separately, LOCK_SH, and an OFD lock on
 * lock_byte (> 0, one a lease). Returns the fd. Once it is mapped every copy
 * of the fd is to be closed: the lock then goes with the last mapping.
 * -EBUSY: the byte is taken.
 */
int device_lease_open(const struct device *device, bool writable,
		      uint64_t lock_byte) __attribute__((warn_unused_result));

/* 1: somebody else still holds the byte, 0: it is free; or negative errno. */
int device_lease_held(const struct device *device, uint64_t lock_byte)
	__attribute__((warn_unused_result));

const char *device_granularity_name(enum device_granularity granularity);
const char *device_kind_name(enum device_kind kind);

#endif
