/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The INIT reply, with what libfuse does not know added. The flags are one
 * 64-bit set in two words; the second is read by the kernel only if the first
 * says FUSE_INIT_EXT, which libfuse sets when the kernel has it. A libfuse that
 * knows these flags (3.17) is told nothing of them, so that there is one way.
 */
#include "fuse/worker.h"

#include <string.h>

/* <linux/fuse.h> of Linux 6.6; the value is the kernel's ABI. */
#ifndef FUSE_DIRECT_IO_ALLOW_MMAP
#define FUSE_DIRECT_IO_ALLOW_MMAP (1ULL << 36)
#endif

_Static_assert(sizeof(struct fuse_init_out) == 64, "INIT reply on the wire");

static const struct {
	unsigned int wanted;
	uint64_t flag;
} extras[] = {
	{ SESSION_DIRECT_MMAP, FUSE_DIRECT_IO_ALLOW_MMAP },
	{ SESSION_KILLPRIV_V2, FUSE_HANDLE_KILLPRIV_V2 },
	{ SESSION_SETXATTR_EXT, FUSE_SETXATTR_EXT },
};

void negotiate_seen(struct session *session, const struct fuse_in_header *in)
{
	const struct fuse_init_in *init = (const void *)(in + 1);
	size_t length = in->len - sizeof(*in);

	session->init_unique = in->unique;
	session->offered = init->flags;
	if ((init->flags & FUSE_INIT_EXT) && length >= sizeof(*init))
		session->offered |= (uint64_t)init->flags2 << 32;
}

bool negotiate_reply(struct session *session, struct iovec *iov, int count,
		     struct fuse_init_out *out)
{
	const struct fuse_out_header *header = iov[0].iov_base;
	uint64_t flags;

	if (!session->init_unique || header->unique != session->init_unique ||
	    header->error != 0 || count != 2 || iov[1].iov_len != sizeof(*out))
		return false;
	memcpy(out, iov[1].iov_base, sizeof(*out));
	flags = out->flags | (uint64_t)out->flags2 << 32;
	for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
		if (!(session->config.wanted & extras[i].wanted) ||
		    !(session->offered & extras[i].flag))
			continue;
		flags |= extras[i].flag;
		session->granted |= extras[i].wanted;
	}
	out->flags = (uint32_t)flags;
	out->flags2 = (uint32_t)(flags >> 32);
	session->init_unique = 0;
	return true;
}
