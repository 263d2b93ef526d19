/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transfer.c -- one window: from or into mapped device memory
 *
 * By the ring, depth blocks at a time, with the window's memory registered
 * where the kernel does that for memory of this sort. What O_DIRECT cannot do
 * (a last part page) goes through the page cache. Between two mappings the CPU
 * copies.
 *
 * Blocks are begun in order and no more are begun once one has failed or the
 * program is to stop; those under way are waited for. So what is begun and done
 * is a prefix.
 */
#include "cp.h"

#include "util/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct window {
	uint64_t next, end;
	unsigned int under_way;
	uint64_t failed_at; /* the lowest block that failed */
	int err;
};

int transfer_init(struct cp *cp)
{
	unsigned int depth = cp->options.depth;
	int err;

	if (!side_of_ring(cp))
		return 0;
	err = io_uring_queue_init(depth, &cp->ring, 0);
	if (err) {
		log_error("io_uring: %s", strerror(-err));
		return err;
	}
	cp->has_ring = true;
	/* The kernel wants to be able to write to what is registered. */
	cp->register_off = !cp->destination.udax;
	cp->ops = calloc(depth, sizeof(*cp->ops));
	if (!cp->ops) {
		log_error("copy %s: out of memory", cp->source.path);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < depth; i++) {
		cp->ops[i].next = cp->free_ops;
		cp->free_ops = &cp->ops[i];
	}
	return 0;
}

void transfer_fini(struct cp *cp)
{
	if (cp->has_ring)
		io_uring_queue_exit(&cp->ring);
	free(cp->ops);
}

/* ------------------------------------------------------------ the ring's side
 */

static struct side *mapped_side(struct cp *cp)
{
	return cp->source.udax ? &cp->source : &cp->destination;
}

static void prepare(struct cp *cp, struct op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&cp->ring);
	struct side *side = side_of_ring(cp);
	char *at = mapped_side(cp)->map + op->offset;
	bool reads = side == &cp->source;
	int fd;

	op->direct = side->direct_fd >= 0 && !side->direct_off &&
		     op->length % PAGE_BYTES == 0 &&
		     op->offset % PAGE_BYTES == 0;
	fd = op->direct ? side->direct_fd : side->fd;
	if (cp->registered && reads)
		io_uring_prep_read_fixed(sqe, fd, at, op->length, op->offset,
					 0);
	else if (cp->registered)
		io_uring_prep_write_fixed(sqe, fd, at, op->length, op->offset,
					  0);
	else if (reads)
		io_uring_prep_read(sqe, fd, at, op->length, op->offset);
	else
		io_uring_prep_write(sqe, fd, at, op->length, op->offset);
	io_uring_sqe_set_data(sqe, op);
}

static void begin_blocks(struct cp *cp, struct window *window)
{
	while (!window->err && !cp_stopping() && window->next < window->end &&
	       cp->free_ops) {
		struct op *op = cp->free_ops;
		uint64_t left = window->end - window->next;

		cp->free_ops = op->next;
		op->offset = window->next;
		op->length = (uint32_t)(left < cp->options.block_bytes
						? left
						: cp->options.block_bytes);
		window->next += op->length;
		window->under_way++;
		prepare(cp, op);
	}
}

static void block_failed(struct cp *cp, struct window *window,
			 const struct op *op, int err)
{
	const struct side *side = side_of_ring(cp);

	if (!window->err)
		log_error("%s %s: %s", side == &cp->source ? "read" : "write",
			  side->path,
			  err ? strerror(-err) : "it has become shorter");
	if (!window->err || op->offset < window->failed_at)
		window->failed_at = op->offset;
	window->err = err ? err : -EIO;
}

/* True when the op goes on: the rest of it, or another way. */
static bool goes_on(struct cp *cp, struct op *op, int result)
{
	struct side *side = side_of_ring(cp);

	if (result == -EINTR || result == -EAGAIN)
		return true;
	if (result == -EINVAL && op->direct) {
		if (cp->options.verbose && !side->direct_off)
			log_info("%s: O_DIRECT is refused", side->path);
		side->direct_off = true;
		return true;
	}
	if (result <= 0 || (uint32_t)result >= op->length)
		return false;
	op->offset += (uint32_t)result;
	op->length -= (uint32_t)result;
	cp->moved += (uint32_t)result;
	return true;
}

static void finish_block(struct cp *cp, struct window *window, struct op *op,
			 int result)
{
	if (goes_on(cp, op, result)) {
		prepare(cp, op);
		return;
	}
	if (result <= 0)
		block_failed(cp, window, op, result);
	else
		cp->moved += (uint32_t)result;
	op->next = cp->free_ops;
	cp->free_ops = op;
	window->under_way--;
}

static int by_ring(struct cp *cp, struct window *window)
{
	struct io_uring_cqe *cqe;
	int err;

	for (;;) {
		begin_blocks(cp, window);
		if (window->under_way == 0)
			return window->err;
		err = io_uring_submit_and_wait(&cp->ring, 1);
		if (err < 0 && err != -EINTR && err != -EAGAIN &&
		    err != -EBUSY) {
			log_error("io_uring: %s", strerror(-err));
			_exit(1); /* what is under way ends with us */
		}
		while (io_uring_peek_cqe(&cp->ring, &cqe) == 0) {
			struct op *op = io_uring_cqe_get_data(cqe);
			int result = cqe->res;

			io_uring_cqe_seen(&cp->ring, cqe);
			finish_block(cp, window, op, result);
		}
		report_progress(cp, false);
	}
}

static void register_window(struct cp *cp, uint64_t start, uint64_t end)
{
	struct iovec memory = {
		.iov_base = mapped_side(cp)->map + page_down(start),
		.iov_len = page_up(end) - page_down(start),
	};
	int err;

	if (cp->register_off)
		return;
	err = io_uring_register_buffers(&cp->ring, &memory, 1);
	cp->registered = !err;
	cp->register_off = err;
	if (cp->options.verbose && err)
		log_info("registered memory: %s; without", strerror(-err));
}

/* --------------------------------------------------------------- both mapped
 */

static void by_cpu(struct cp *cp, struct window *window)
{
	while (!cp_stopping() && window->next < window->end) {
		uint64_t left = window->end - window->next;
		uint64_t length = left < cp->options.block_bytes
					  ? left
					  : cp->options.block_bytes;

		memcpy(cp->destination.map + window->next,
		       cp->source.map + window->next, length);
		window->next += length;
		cp->moved += length;
		report_progress(cp, false);
	}
}

int transfer_window(struct cp *cp, uint64_t start, uint64_t end,
		    uint64_t *reached)
{
	struct window window = { .next = start, .end = end };
	int err = 0;

	if (!side_of_ring(cp)) {
		by_cpu(cp, &window);
	} else {
		register_window(cp, start, end);
		err = by_ring(cp, &window);
		if (cp->registered)
			(void)!io_uring_unregister_buffers(&cp->ring);
	}
	*reached = err ? window.failed_at : window.next;
	return err;
}
