/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compiled, never run: no such machine was at hand. Known to be less than on
 * x86-64: an interrupted nanosleep, poll or futex wait with a timeout starts
 * again with all of its time, for the kernel decides about restarts before it
 * stops for us and forgets by then that this one was to go through
 * restart_syscall(2).
 */
#include "direct/zap_arch.h"

#include <elf.h>
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

_Static_assert(sizeof(struct user_regs_struct) <= sizeof(struct zap_regs),
	       "the registers fit");

const unsigned char zap_arch_syscall[] = { 0x01, 0x00, 0x00,
					   0xd4 }; /* svc #0 */
const size_t zap_arch_syscall_bytes = sizeof(zap_arch_syscall);
const size_t zap_arch_syscall_align = 4;

int zap_arch_get(pid_t tid, struct zap_regs *out)
{
	struct iovec regs = { out, sizeof(struct user_regs_struct) };

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &regs) < 0)
		return -errno;
	/* Less comes from one that runs 32-bit code. */
	return regs.iov_len == sizeof(struct user_regs_struct) ? 0 : -ENOSYS;
}

int zap_arch_set(pid_t tid, const struct zap_regs *regs)
{
	struct iovec all = { (void *)regs, sizeof(struct user_regs_struct) };
	int none = -1;
	struct iovec call = { &none, sizeof(none) };

	/* "In no call": the last one's number would have x0 be taken for what
	 * it returned, and pc be set back. */
	if (ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &all) < 0 ||
	    ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &call) < 0)
		return -errno;
	return 0;
}

void zap_arch_prepare(struct zap_regs *regs, uint64_t insn, long number,
		      const uint64_t args[6])
{
	struct user_regs_struct *user = (struct user_regs_struct *)regs;
	int i;

	user->pc = insn;
	user->regs[8] = (uint64_t)number;
	for (i = 0; i < 6; i++)
		user->regs[i] = args[i];
}

int64_t zap_arch_result(const struct zap_regs *regs)
{
	return (int64_t)((const struct user_regs_struct *)regs)->regs[0];
}
