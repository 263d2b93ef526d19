/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cp.h -- udax-cp: copy between device memory and files, by DMA where the other
 *         side can
 *
 * A file of a udaxfs mount is mapped through libudax, lazily; the kernel moves
 * the other side's data from or into that mapping (io_uring). Window after
 * window is pinned, transferred, made durable, unpinned. So what is done is
 * always a prefix, of which every byte is durable: it is what --resume needs to
 * know. Holes of the source stay holes.
 *
 *   main.c      options, signals
 *   side.c      the two files
 *   copy.c      the whole: segments of data, windows, the end
 *   transfer.c  one window, by the ring or by the CPU
 *   saved.c     how far it got, beside the destination, for --resume
 *   report.c    progress and the last word
 *
 * Errors: 0 or a negative errno; who finds one logs it (operation, object,
 *         reason). -ECANCELED: stopped; copy.c says why, once.
 */
#ifndef UDAX_TOOLS_CP_H
#define UDAX_TOOLS_CP_H

#include <liburing.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define PAGE_BYTES UINT64_C(4096)
#define DEPTH_DEFAULT 32
#define DEPTH_MAX 1024
#define BLOCK_DEFAULT (UINT64_C(1) << 20)
#define BLOCK_MAX (UINT64_C(64) << 20)
#define WINDOW_MIN (UINT64_C(4) << 20)
#define WINDOW_MAX (UINT64_C(256) << 20)

struct cp_options {
	bool quiet, verbose, progress, resume, json;
	unsigned int depth;
	uint64_t block_bytes;
};

struct side {
	const char *path;
	int fd;
	int direct_fd;	 /* O_DIRECT; -1 */
	bool direct_off; /* it was refused */
	bool udax;
	bool created;
	struct stat st;
	char *map; /* udax: the whole file */
	uint64_t map_bytes;
};

/* One transfer under way: of a block, or what is left of it. */
struct op {
	struct op *next; /* free ones */
	uint64_t offset;
	uint32_t length;
	bool direct;
};

struct cp {
	struct cp_options options;
	struct side source, destination;
	uint64_t size;

	struct io_uring ring;
	bool has_ring;
	struct op *ops, *free_ops;
	bool registered;   /* the window's memory, with the ring */
	bool register_off; /* it was refused */

	uint64_t done;	     /* a durable prefix */
	uint64_t resumed;    /* of it: by an earlier run */
	uint64_t moved_done; /* of `moved` */
	uint64_t moved;	     /* by this run, so far */
	int64_t saved_ns;
	int saved_err;
	bool has_saved; /* there is something to go on from */
	int64_t started_ns, shown_ns;
	bool shown;
	const char *why; /* what -ECANCELED means */
};

/* Set by a signal, or by the library when a range was taken back. */
extern volatile sig_atomic_t cp_signal;
extern atomic_bool cp_revoked;

static inline bool cp_stopping(void)
{
	return cp_signal ||
	       atomic_load_explicit(&cp_revoked, memory_order_relaxed);
}

static inline uint64_t page_down(uint64_t bytes)
{
	return bytes & ~(PAGE_BYTES - 1);
}

static inline uint64_t page_up(uint64_t bytes)
{
	return page_down(bytes + PAGE_BYTES - 1);
}

/* side.c */
int side_open(struct cp *cp) __attribute__((warn_unused_result));
int side_map(struct cp *cp) __attribute__((warn_unused_result));
void side_close(struct side *side);
/* The one that is not mapped, and whose data the ring moves; NULL: both are. */
struct side *side_of_ring(struct cp *cp);
/* The next data at or after *start: 0, or -ENXIO: holes to the end. */
int side_next_data(const struct side *side, uint64_t size, uint64_t *start,
		   uint64_t *end) __attribute__((warn_unused_result));

/* copy.c */
int copy_all(struct cp *cp) __attribute__((warn_unused_result));

/* transfer.c */
int transfer_init(struct cp *cp) __attribute__((warn_unused_result));
void transfer_fini(struct cp *cp);
/* [start, end) is pinned. How far it got: a prefix, in any case. */
int transfer_window(struct cp *cp, uint64_t start, uint64_t end,
		    uint64_t *reached) __attribute__((warn_unused_result));

/* saved.c */
/* -ENOENT there is none, -ESTALE it is of something else (and says so). */
int saved_load(struct cp *cp) __attribute__((warn_unused_result));
/* Remember what is done, at times or now. An error: it is not durable. */
int saved_store(struct cp *cp, bool now) __attribute__((warn_unused_result));
void saved_remove(struct cp *cp);

/* report.c */
void report_progress(struct cp *cp, bool last);
void report_stopped(struct cp *cp);
int report_done(const struct cp *cp, bool complete)
	__attribute__((warn_unused_result));

#endif
