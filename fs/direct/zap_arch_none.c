/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine that nobody wrote this for: zap_process() is -ENOSYS. */
#include "direct/zap_arch.h"

#include <errno.h>

const unsigned char zap_arch_syscall[] = { 0 };
const size_t zap_arch_syscall_bytes = sizeof(zap_arch_syscall);
const size_t zap_arch_syscall_align = 1;

int zap_arch_get(pid_t tid, struct zap_regs *out)
{
	return -ENOSYS;
}

int zap_arch_set(pid_t tid, const struct zap_regs *regs)
{
	return -ENOSYS;
}

void zap_arch_prepare(struct zap_regs *regs, uint64_t insn, long number,
		      const uint64_t args[6])
{
}

int64_t zap_arch_result(const struct zap_regs *regs)
{
	return -ENOSYS;
}
