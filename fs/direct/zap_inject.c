/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls in another process's name, by one of its stopped threads.
 *
 * The thread is sent to a syscall instruction that is there anyway, and comes
 * back by two stops of PTRACE_SYSCALL: on its way in and on its way out. (Not
 * by a single step: that is a real SIGTRAP, which undoes a thread's choice to
 * block or to ignore it.) The stack is not touched. A call that the stop
 * interrupted is put back with the registers, in a last PTRACE_EVENT_STOP: let
 * go from there, the kernel restarts it as it would have.
 */
#include "direct/zap_private.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define SYSCALL_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */
#define OPTIONS_INJECTED (ZAP_OPTIONS | PTRACE_O_EXITKILL)
#define RESUMES_MAX 1000
#define RESTARTS_MAX 100
#define NAP_NS INT64_C(5000)
#define NAPS_SHORT 200
#define NAP_LONG_NS INT64_C(1000000)
#define MASK_BYTES sizeof(uint64_t) /* the kernel's sigset */

/* Newer than glibc's header. */
#define GET_SYSCALL_USER_DISPATCH 0x4211

/* Without a deadline: see the header. */
static int wait_stop(struct zap_inject *inject, int *status)
{
	unsigned naps;
	int rc;

	for (naps = 0;; naps++) {
		rc = zap_stop_status(inject->tid, status);
		if (rc)
			return rc < 0 ? rc : 0;
		if (naps >= NAPS_SHORT) {
			char state = zap_thread_state(inject->zap, inject->tid);

			if (state == '\0' || state == 'Z' || state == 'X')
				return -ESRCH;
		}
		zap_nap(naps < NAPS_SHORT ? NAP_NS : NAP_LONG_NS);
	}
}

/* Signals are blocked, all but SIGSTOP: that one is let happen. */
static long signal_of(int status)
{
	return status >> 8 ? 0 : status & 0x7f;
}

/* On to its next system call stop: into the call, or out of it. */
static int to_syscall_stop(struct zap_inject *inject)
{
	long sig = 0;
	int i, err, status;

	for (i = 0; i < RESUMES_MAX; i++) {
		if (ptrace(PTRACE_SYSCALL, inject->tid, NULL, sig) < 0)
			return -errno;
		err = wait_stop(inject, &status);
		if (err)
			return err;
		if (status == SYSCALL_STOP)
			return 0;
		sig = signal_of(status);
	}
	return -EAGAIN;
}

static int call_once(struct zap_inject *inject, long number,
		     const uint64_t args[6], int64_t *result)
{
	struct zap_regs regs = inject->saved;
	int err;

	zap_arch_prepare(&regs, inject->insn, number, args);
	err = zap_arch_set(inject->tid, &regs);
	if (!err)
		err = to_syscall_stop(inject);
	if (!err)
		err = to_syscall_stop(inject);
	if (!err)
		err = zap_arch_get(inject->tid, &regs);
	if (!err)
		*result = zap_arch_result(&regs);
	return err;
}

static bool wants_restart(int64_t result)
{
	return result <= -512 && result >= -516; /* ERESTARTSYS and its kin */
}

int zap_inject_call(struct zap_inject *inject, long number,
		    const uint64_t args[6], int64_t *result)
{
	int i, err;

	for (i = 0; i < RESTARTS_MAX; i++) {
		err = call_once(inject, number, args, result);
		if (err || !wants_restart(*result))
			return err;
	}
	return -EAGAIN;
}

/*
 * A restartable sequence that the thread is in. The kernel aborts it when it
 * sees the thread again inside; while the thread is elsewhere it forgets, and
 * has to be told again.
 */
static void rseq_save(struct zap_inject *inject)
{
	struct __ptrace_rseq_configuration rseq = { 0 };
	struct iovec local = { &inject->rseq_cs, sizeof(inject->rseq_cs) };
	struct iovec remote = { .iov_len = sizeof(inject->rseq_cs) };

	inject->rseq_at = 0;
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, inject->tid, sizeof(rseq),
		   &rseq) < 0 ||
	    !rseq.rseq_abi_pointer)
		return;
	remote.iov_base = (void *)(uintptr_t)(rseq.rseq_abi_pointer + 8);
	if (process_vm_readv(inject->tid, &local, 1, &remote, 1, 0) > 0 &&
	    inject->rseq_cs)
		inject->rseq_at = rseq.rseq_abi_pointer + 8;
}

static void rseq_restore(struct zap_inject *inject)
{
	struct iovec local = { &inject->rseq_cs, sizeof(inject->rseq_cs) };
	struct iovec remote = { (void *)(uintptr_t)inject->rseq_at,
				sizeof(inject->rseq_cs) };

	if (inject->rseq_at)
		(void)process_vm_writev(inject->tid, &local, 1, &remote, 1, 0);
}

/*
 * One whose system calls are filtered may be killed for ours, or get a SIGSYS.
 * Its filter can be suspended for the moment with CAP_SYS_ADMIN. Dispatch to
 * user space comes even before ptrace.
 */
static int set_options(struct zap_inject *inject)
{
	struct {
		uint64_t mode, selector, offset, length;
	} dispatch = { 0 };
	long options = OPTIONS_INJECTED;

	if (ptrace(GET_SYSCALL_USER_DISPATCH, inject->tid, sizeof(dispatch),
		   &dispatch) == 0 &&
	    dispatch.mode)
		return -EIO;
	if (zap_thread_field(inject->zap, inject->tid, "Seccomp") > 0)
		options |= PTRACE_O_SUSPEND_SECCOMP;
	if (ptrace(PTRACE_SETOPTIONS, inject->tid, NULL, options) == 0)
		return 0;
	return errno == ESRCH ? -ESRCH : -EIO;
}

int zap_inject_begin(struct zap_inject *inject, struct zap *zap, pid_t tid)
{
	uint64_t all = UINT64_MAX;
	int err;

	inject->tid = tid;
	inject->zap = zap;
	err = zap_arch_get(tid, &inject->saved);
	if (!err)
		err = zap_find_syscall(zap, tid, &inject->insn, &inject->nul);
	if (err)
		return err;
	rseq_save(inject);
	if (ptrace(PTRACE_GETSIGMASK, tid, MASK_BYTES, &inject->mask) < 0)
		return -errno;
	err = set_options(inject);
	if (err)
		return err;
	if (ptrace(PTRACE_SETSIGMASK, tid, MASK_BYTES, &all) < 0) {
		err = -errno;
		(void)ptrace(PTRACE_SETOPTIONS, tid, NULL, ZAP_OPTIONS);
	}
	return err;
}

int zap_inject_end(struct zap_inject *inject)
{
	pid_t tid = inject->tid;
	long sig = 0;
	int err = zap_arch_set(tid, &inject->saved);
	int i, status = 0;

	for (i = 0; !err && i < RESUMES_MAX; i++) {
		/* Looked at before anything else, signals too. */
		if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 ||
		    ptrace(PTRACE_CONT, tid, NULL, sig) < 0)
			return -errno;
		err = wait_stop(inject, &status);
		if (err || status >> 8 == PTRACE_EVENT_STOP)
			break;
		sig = signal_of(status);
	}
	if (err)
		return err;
	rseq_restore(inject);
	if (ptrace(PTRACE_SETSIGMASK, tid, MASK_BYTES, &inject->mask) < 0 ||
	    ptrace(PTRACE_SETOPTIONS, tid, NULL, ZAP_OPTIONS) < 0)
		return -errno;
	return 0;
}
