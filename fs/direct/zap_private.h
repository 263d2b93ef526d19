/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * zap_private.h -- the parts of a zap, of one process, by one thread
 *
 *   zap_stop.c    its threads: stopped, and let go again
 *   zap_maps.c    what it has of the file: mappings, descriptors
 *   zap_inject.c  system calls made in its name
 *   zap.c         the order of things
 *
 * ptrace belongs to the thread that attached, so all of it runs in one thread
 * that is made for one zap and then ends. By its end the kernel lets go of
 * whatever it still traces: threads that never stopped (D state), and children
 * that came attached and were never heard of.
 */
#ifndef UDAX_DIRECT_ZAP_PRIVATE_H
#define UDAX_DIRECT_ZAP_PRIVATE_H

#include "direct/zap.h"
#include "direct/zap_arch.h"

#include <stddef.h>

/* --------------------------------------------------------------- the zap */

struct zap_thread {
	pid_t tid;
	bool stopped;
	bool deaf;	  /* in D state for long: goes on without it */
	int64_t since_ns; /* attached */
};

/* A part of a mapping that has to go. */
struct zap_piece {
	uint64_t start;
	uint64_t length;
	int prot;
};

struct zap {
	struct zap_target target;
	struct zap_range *ranges; /* by offset */
	struct deadline deadline;
	struct zap_report report;
	int proc; /* /proc/PID: of this process and no later one */

	struct zap_thread *threads;
	size_t thread_count, thread_room;
	struct zap_piece *pieces; /* by address */
	size_t piece_count, piece_room;
	int *fds;
	size_t fd_count, fd_room;
};

/* One more element at the end of a vector; -ENOMEM. */
int zap_grow(void *vector, size_t count, size_t *room, size_t bytes)
	__attribute__((warn_unused_result));

/* Not a wait for something: a pause between two looks. */
void zap_nap(int64_t ns);

/* -------------------------------------------------------------- zap_stop.c */

#define ZAP_OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE)

/* All threads but those in D state; at least one. */
int zap_stop_all(struct zap *zap) __attribute__((warn_unused_result));

/* A thread of the process that can be made to run something. */
pid_t zap_stopped_thread(const struct zap *zap);

void zap_release(struct zap *zap);

/*
 * 1: stopped, *status is signal | event << 8; 0: not yet; -ESRCH: gone. Takes
 * no exit: that belongs to its parent.
 */
int zap_stop_status(pid_t tid, int *status) __attribute__((warn_unused_result));

/*
 * An exec waits until the other threads of its process are reaped, by whoever
 * traces them, and holds a lock that PTRACE_SEIZE waits for: so somebody else
 * has to do it, any thread of the tracer's process. Again and again.
 */
void zap_reap(pid_t pid);

/* 'R', 'S', 'D', 't', 'Z', ..., or 0: there is none. */
char zap_thread_state(const struct zap *zap, pid_t tid);

/* "Name:\tN" of its status; -1: none. */
long zap_thread_field(const struct zap *zap, pid_t tid, const char *name);

/* -------------------------------------------------------------- zap_maps.c */

/* zap.pieces, zap.fds: what is there now, as this thread has it. */
int zap_look(struct zap *zap, pid_t tid) __attribute__((warn_unused_result));

/* Addresses in it of an instruction that makes a system call, and of a byte
 * that is 0. -EIO: there is none. */
int zap_find_syscall(struct zap *zap, pid_t tid, uint64_t *insn, uint64_t *nul)
	__attribute__((warn_unused_result));

/* ------------------------------------------------------------ zap_inject.c */

struct zap_inject {
	pid_t tid;
	struct zap *zap;
	struct zap_regs saved;
	uint64_t mask; /* of signals */
	uint64_t rseq_at, rseq_cs;
	uint64_t insn, nul;
};

/*
 * From begin to end the thread has its signals blocked and registers that are
 * not its own; should we die meanwhile, the kernel kills it. The deadline does
 * not end these waits: a thread that is inside a call cannot be left. They end
 * with the call, or with the process.
 */
int zap_inject_begin(struct zap_inject *inject, struct zap *zap, pid_t tid)
	__attribute__((warn_unused_result));
int zap_inject_call(struct zap_inject *inject, long number,
		    const uint64_t args[6], int64_t *result)
	__attribute__((warn_unused_result));
/* As it was, and stopped. */
int zap_inject_end(struct zap_inject *inject)
	__attribute__((warn_unused_result));

#endif
