/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/copy.h"

#include <stdint.h>
#include <string.h>

#define LINE 64ul

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>

#define BYPASS_BYTES 256 /* below it a flush is cheaper */

typedef void flush_line_fn(const void *line);
typedef void stream_fn(char *to, const char *from, size_t count);

__attribute__((target("clwb"))) static void by_clwb(const void *line)
{
	_mm_clwb((void *)(uintptr_t)line);
}

__attribute__((target("clflushopt"))) static void by_clflushopt(const void *at)
{
	_mm_clflushopt((void *)(uintptr_t)at);
}

static void by_clflush(const void *line)
{
	_mm_clflush(line);
}

/* Whole lines, `to` aligned to one. */
static void stream_sse2(char *to, const char *from, size_t count)
{
	for (; count; count -= LINE, to += LINE, from += LINE) {
		__m128i a = _mm_loadu_si128((const void *)from);
		__m128i b = _mm_loadu_si128((const void *)(from + 16));
		__m128i c = _mm_loadu_si128((const void *)(from + 32));
		__m128i d = _mm_loadu_si128((const void *)(from + 48));

		_mm_stream_si128((void *)to, a);
		_mm_stream_si128((void *)(to + 16), b);
		_mm_stream_si128((void *)(to + 32), c);
		_mm_stream_si128((void *)(to + 48), d);
	}
}

__attribute__((target("avx2"))) static void
stream_avx2(char *to, const char *from, size_t count)
{
	for (; count; count -= LINE, to += LINE, from += LINE) {
		__m256i a = _mm256_loadu_si256((const void *)from);
		__m256i b = _mm256_loadu_si256((const void *)(from + 32));

		_mm256_stream_si256((void *)to, a);
		_mm256_stream_si256((void *)(to + 32), b);
	}
}

static flush_line_fn *flush_line_by(void)
{
	unsigned int eax, ebx, ecx, edx;

	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
		return by_clflush;
	if (ebx & 1u << 24)
		return by_clwb;
	return ebx & 1u << 23 ? by_clflushopt : by_clflush;
}

/* Found out at the first use; threads that race find the same. */
static _Atomic(flush_line_fn *) flush_line;
static _Atomic(stream_fn *) stream;

void copy_flush(const void *from, size_t count)
{
	uintptr_t at = (uintptr_t)from & ~(LINE - 1);
	flush_line_fn *flush = atomic_load_explicit(&flush_line,
						    memory_order_relaxed);

	if (!flush) {
		flush = flush_line_by();
		atomic_store(&flush_line, flush);
	}
	for (; at < (uintptr_t)from + count; at += LINE)
		flush((const void *)at);
}

void copy_fence(void)
{
	_mm_sfence();
}

static void stream_lines(char *to, const char *from, size_t count)
{
	stream_fn *now = atomic_load_explicit(&stream, memory_order_relaxed);

	if (!now) {
		now = __builtin_cpu_supports("avx2") ? stream_avx2
						     : stream_sse2;
		atomic_store(&stream, now);
	}
	now(to, from, count);
}

void copy_in(void *to, const void *from, size_t count)
{
	size_t head = -(uintptr_t)to & (LINE - 1);
	size_t middle;

	if (count < BYPASS_BYTES) {
		memcpy(to, from, count);
		copy_flush(to, count);
		return;
	}
	if (head) {
		memcpy(to, from, head);
		copy_flush(to, head);
	}
	middle = (count - head) & ~(LINE - 1);
	stream_lines((char *)to + head, (const char *)from + head, middle);
	if (head + middle == count)
		return;
	to = (char *)to + head + middle;
	memcpy(to, (const char *)from + head + middle, count - head - middle);
	copy_flush(to, count - head - middle);
}

#elif defined(__aarch64__)

void copy_flush(const void *from, size_t count)
{
	uintptr_t at = (uintptr_t)from & ~(LINE - 1);

	for (; at < (uintptr_t)from + count; at += LINE)
		__asm__ volatile("dc cvac, %0" : : "r"(at) : "memory");
}

void copy_fence(void)
{
	__asm__ volatile("dsb ish" : : : "memory");
}

void copy_in(void *to, const void *from, size_t count)
{
	memcpy(to, from, count);
	copy_flush(to, count);
}

#else
#error "which instruction writes a line back to memory here?"
#endif
