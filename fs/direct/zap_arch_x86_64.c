/* SPDX-License-Identifier: BSD-3-Clause */
#include "direct/zap_arch.h"

#include <elf.h>
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

_Static_assert(sizeof(struct user_regs_struct) <= sizeof(struct zap_regs),
	       "the registers fit");

const unsigned char zap_arch_syscall[] = { 0x0f, 0x05 }; /* syscall */
const size_t zap_arch_syscall_bytes = sizeof(zap_arch_syscall);
const size_t zap_arch_syscall_align = 1;

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

	return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &all) < 0 ? -errno
								    : 0;
}

void zap_arch_prepare(struct zap_regs *regs, uint64_t insn, long number,
		      const uint64_t args[6])
{
	struct user_regs_struct *user = (struct user_regs_struct *)regs;

	user->rip = insn;
	user->rax = (uint64_t)number;
	/* In no call: what is in rax is no result that asks for a restart. */
	user->orig_rax = UINT64_MAX;
	user->rdi = args[0];
	user->rsi = args[1];
	user->rdx = args[2];
	user->r10 = args[3];
	user->r8 = args[4];
	user->r9 = args[5];
}

int64_t zap_arch_result(const struct zap_regs *regs)
{
	return (int64_t)((const struct user_regs_struct *)regs)->rax;
}
