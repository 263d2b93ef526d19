/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * zap_arch.h -- what a zap has to know of the machine: registers and how a
 *               system call is made
 *
 * One file a machine. The thread is stopped by ptrace for all of it. Errors:
 * -ENOSYS not on this machine, or a process of another word size on it.
 */
#ifndef UDAX_DIRECT_ZAP_ARCH_H
#define UDAX_DIRECT_ZAP_ARCH_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

/* The general registers, as PTRACE_GETREGSET gives them. */
struct zap_regs {
	uint64_t words[48];
};

/* The instruction that makes a system call, and where it may stand. */
extern const unsigned char zap_arch_syscall[];
extern const size_t zap_arch_syscall_bytes;
extern const size_t zap_arch_syscall_align;

int zap_arch_get(pid_t tid, struct zap_regs *out)
	__attribute__((warn_unused_result));
int zap_arch_set(pid_t tid, const struct zap_regs *regs)
	__attribute__((warn_unused_result));

/*
 * Make of a thread's registers those with which it runs the instruction at
 * `insn` as this call, and an interrupted call of its own is left alone.
 */
void zap_arch_prepare(struct zap_regs *regs, uint64_t insn, long number,
		      const uint64_t args[6]);

/* After the call: what it returned, 0 or more, or a negative errno. */
int64_t zap_arch_result(const struct zap_regs *regs);

#endif
