/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/token.h"

#include "core/fs.h"
#include "core/inode.h"
#include "udax/protocol.h"
#include "util/clock.h"
#include "util/proc_status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define TOKEN_NS (UDAX_TOKEN_MS * NS_PER_MS)

struct token {
	uint8_t secret[16];
	struct token_caller caller;
	uint64_t ino;
	uint32_t generation;
	bool may_write;
	int64_t issued_ns; /* 0: none, or used */
};

/* In the order of issue, around and around. */
struct token_table {
	pthread_mutex_t lock;
	unsigned next;
	struct token tokens[TOKENS_MAX];
};

int token_init(struct fs *fs)
{
	fs->tokens = calloc(1, sizeof(*fs->tokens));
	if (!fs->tokens)
		return -ENOMEM;
	pthread_mutex_init(&fs->tokens->lock, NULL);
	return 0;
}

void token_fini(struct fs *fs)
{
	if (!fs->tokens)
		return;
	pthread_mutex_destroy(&fs->tokens->lock);
	free(fs->tokens);
	fs->tokens = NULL;
}

/* "Gid" or "Groups": a line of numbers. */
static bool line_has(pid_t pid, const char *key, gid_t wanted)
{
	char *line = proc_status(pid, key);
	char *at = line, *end = line;
	bool has = false;

	while (at && !has) {
		has = strtoul(at, &end, 10) == wanted && end != at;
		at = end != at ? end : NULL;
	}
	free(line);
	return has;
}

static bool is_member(pid_t pid, gid_t group)
{
	return line_has(pid, "Gid", group) || line_has(pid, "Groups", group);
}

int token_allowed(const struct fs *fs, const struct token_caller *caller)
{
	bool allowed = caller->uid == 0;

	switch (fs->options.direct) {
	case DIRECT_OFF:
		return -ENOTSUP;
	case DIRECT_ANY:
		return 0;
	case DIRECT_OWNER:
		allowed = allowed || caller->uid == geteuid();
		break;
	case DIRECT_GROUP:
		allowed = allowed ||
			  is_member(caller->pid, fs->options.direct_group);
		break;
	}
	return allowed ? 0 : -EACCES;
}

static int random_bytes(uint8_t *bytes, size_t length)
{
	ssize_t got;

	do {
		got = getrandom(bytes, length, 0);
	} while (got < 0 && errno == EINTR);
	return got == (ssize_t)length ? 0 : -EIO;
}

int token_issue(struct fs *fs, struct inode *inode, bool may_write,
		const struct token_caller *caller, uint8_t secret[16])
{
	struct token_table *table = fs->tokens;
	int err = token_allowed(fs, caller);

	if (!err)
		err = random_bytes(secret, 16);
	if (err)
		return err;
	pthread_mutex_lock(&table->lock);
	table->tokens[table->next] = (struct token){
		.caller = *caller,
		.ino = inode->ino,
		.generation = inode->media->generation,
		.may_write = may_write,
		.issued_ns = clock_monotonic_ns(),
	};
	memcpy(table->tokens[table->next].secret, secret, 16);
	table->next = (table->next + 1) % TOKENS_MAX;
	pthread_mutex_unlock(&table->lock);
	return 0;
}

/* How long a comparison takes says nothing. */
static bool same_secret(const uint8_t a[16], const uint8_t b[16])
{
	unsigned difference = 0;

	for (unsigned i = 0; i < 16; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

static bool is_good(const struct token *token,
		    const struct token_caller *caller, int64_t now)
{
	return now - token->issued_ns <= TOKEN_NS &&
	       token->caller.pid == caller->pid &&
	       token->caller.uid == caller->uid;
}

/* Somebody else's stays good for who it belongs to. */
static int take(struct token_table *table, const uint8_t secret[16],
		const struct token_caller *caller, struct token *out)
{
	int64_t now = clock_monotonic_ns();
	int err = -EACCES;

	pthread_mutex_lock(&table->lock);
	for (unsigned i = 0; i < TOKENS_MAX && err; i++) {
		struct token *token = &table->tokens[i];

		if (!token->issued_ns || !same_secret(token->secret, secret) ||
		    !is_good(token, caller, now))
			continue;
		*out = *token;
		memset(token, 0, sizeof(*token));
		err = 0;
	}
	pthread_mutex_unlock(&table->lock);
	return err;
}

static int hold(struct fs *fs, const struct token *token, struct inode **out)
{
	struct inode *inode;
	int err = inode_look(fs, token->ino, &inode);

	if (err)
		return err;
	if (inode->media->generation != token->generation)
		err = -ESTALE;
	if (!err)
		err = inode_hold(fs, inode);
	inode_forget(fs, inode, 1);
	*out = inode;
	return err;
}

int token_redeem(struct fs *fs, const uint8_t secret[16],
		 const struct token_caller *caller, struct inode **inode,
		 bool *may_write)
{
	struct token token;
	int err = token_allowed(fs, caller) ? -EACCES : 0;

	if (!err)
		err = take(fs->tokens, secret, caller, &token);
	if (err)
		return err;
	*may_write = token.may_write;
	if (!fs_metadata_enter(fs))
		return -EACCES;
	err = hold(fs, &token, inode);
	fs_metadata_exit(fs);
	return err && err != -ENOMEM ? -EACCES : err;
}
