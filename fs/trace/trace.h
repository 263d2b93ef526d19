/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace.h -- static trace points (USDT): a nop until bpftrace or perf asks
 *
 * Names follow the kernel's fs_dax events where one exists (dax_insert_pfn,
 * dax_writeback_one, ...); ours for what the kernel does not trace: entry
 * delete, lock wait, pgmap get/put/fail, kill, drain.
 * See them: bpftrace -l 'usdt:PATH_TO_UDAXFS:udaxfs:*'
 */
#ifndef UDAX_TRACE_TRACE_H
#define UDAX_TRACE_TRACE_H

#include <sys/sdt.h>

#define TRACE0(event) DTRACE_PROBE(udaxfs, event)
#define TRACE1(event, a) DTRACE_PROBE1(udaxfs, event, a)
#define TRACE2(event, a, b) DTRACE_PROBE2(udaxfs, event, a, b)
#define TRACE3(event, a, b, c) DTRACE_PROBE3(udaxfs, event, a, b, c)
#define TRACE4(event, a, b, c, d) DTRACE_PROBE4(udaxfs, event, a, b, c, d)

#endif
