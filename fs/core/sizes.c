/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/sizes.h"

#include "core/fs.h"
#include "core/inode.h"
#include "core/lease.h"
#include "udax/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZES_BYTES (SIZES_WORDS * sizeof(uint64_t))

struct sizes {
	pthread_mutex_t lock;
	_Atomic uint64_t *words;
	uint64_t used[SIZES_WORDS / 64];
	uint32_t hint; /* no free word in used[] below */
};

/* Mapped for writing by us, and by nobody who comes later. */
static int page_create(_Atomic uint64_t **words)
{
	int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = memfd_create("udaxfs-sizes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *page;
	int err;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, SIZES_BYTES) != 0)
		goto out_close;
	page = mmap(NULL, SIZES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
	if (page == MAP_FAILED)
		goto out_close;
#ifdef F_SEAL_FUTURE_WRITE
	seals |= F_SEAL_FUTURE_WRITE;
#endif
	if (fcntl(fd, F_ADD_SEALS, seals) != 0)
		goto out_unmap;
	*words = page;
	return fd;
out_unmap:
	err = errno;
	munmap(page, SIZES_BYTES);
	errno = err;
out_close:
	err = errno;
	close(fd);
	return -err;
}

int sizes_init(struct fs *fs)
{
	struct sizes *sizes = calloc(1, sizeof(*sizes));
	int fd;

	if (!sizes)
		return -ENOMEM;
	fd = page_create(&sizes->words);
	if (fd < 0) {
		free(sizes);
		return fd;
	}
	pthread_mutex_init(&sizes->lock, NULL);
	fs->sizes = sizes;
	fs->sizes_fd = fd;
	return 0;
}

void sizes_fini(struct fs *fs)
{
	if (!fs->sizes)
		return;
	munmap((void *)fs->sizes->words, SIZES_BYTES);
	close(fs->sizes_fd);
	pthread_mutex_destroy(&fs->sizes->lock);
	free(fs->sizes);
	fs->sizes = NULL;
	fs->sizes_fd = -1;
}

static uint32_t sizes_take(struct sizes *sizes)
{
	uint32_t word = UDAX_NO_WORD;
	uint32_t i;

	pthread_mutex_lock(&sizes->lock);
	for (i = sizes->hint; i < SIZES_WORDS / 64; i++)
		if (~sizes->used[i])
			break;
	sizes->hint = i;
	if (i < SIZES_WORDS / 64) {
		unsigned bit = (unsigned)__builtin_ctzll(~sizes->used[i]);

		sizes->used[i] |= UINT64_C(1) << bit;
		word = i * 64 + bit;
	}
	pthread_mutex_unlock(&sizes->lock);
	return word;
}

void sizes_give(struct sizes *sizes, uint32_t word)
{
	if (!sizes)
		return;
	pthread_mutex_lock(&sizes->lock);
	sizes->used[word / 64] &= ~(UINT64_C(1) << word % 64);
	if (word / 64 < sizes->hint)
		sizes->hint = word / 64;
	pthread_mutex_unlock(&sizes->lock);
}

void sizes_publish(struct inode *inode)
{
	const struct inode_active *active = atomic_load(&inode->active);

	if (active && active->sizes)
		atomic_store_explicit(&active->sizes->words[active->sizes_word],
				      inode->media->size, memory_order_release);
}

/* Exclusively: two of us would take a word each. */
uint32_t lease_sizes_word(struct fs *fs, struct inode *inode)
{
	uint32_t word = UDAX_NO_WORD;
	struct inode_active *active;

	pthread_rwlock_wrlock(&inode->lock);
	if (inode_activate(fs, inode, &active))
		goto out;
	if (active->sizes) {
		word = active->sizes_word;
		goto out;
	}
	word = sizes_take(fs->sizes);
	if (word != UDAX_NO_WORD) {
		active->sizes_word = word;
		active->sizes = fs->sizes;
		sizes_publish(inode);
	}
out:
	pthread_rwlock_unlock(&inode->lock);
	return word;
}
