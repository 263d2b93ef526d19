/* SPDX-License-Identifier: BSD-3-Clause */
#include "trace/mutate.h"

#include <stddef.h>
#include <string.h>

unsigned mutation_link_steps;

static const char *const names[MUTATION_SITES] = {
	[MUTATE_RECORD_FENCE] = "record-fence",
	[MUTATE_HOME_BEFORE_RECORD] = "home-before-record",
	[MUTATE_HOME_FLUSH] = "home-flush",
	[MUTATE_HOME_DRAIN] = "home-drain",
	[MUTATE_ANCHOR_FENCE] = "anchor-fence",
	[MUTATE_FREE_EARLY] = "free-early",
	[MUTATE_PENDING_FREE] = "pending-free",
	[MUTATE_PUBLISH_FIRST] = "publish-first",
	[MUTATE_REPLAY_SECURE] = "replay-secure",
	[MUTATE_REPLAY_FLUSH] = "replay-flush",
	[MUTATE_DATA_DRAIN] = "data-drain",
	[MUTATE_OVERWRITE_DRAIN] = "overwrite-drain",
	[MUTATE_CHUNK_ZERO] = "chunk-zero",
	[MUTATE_CHUNK_DRAIN] = "chunk-drain",
	[MUTATE_XATTR_DRAIN] = "xattr-drain",
	[MUTATE_PENDING_MARK] = "pending-mark",
	[MUTATE_LEASE_FLUSH] = "lease-flush",
	[MUTATE_SUPER_FENCES] = "super-fences",
	[MUTATE_SUPER_COPIES] = "super-copies",
	[MUTATE_SUPER_SETTLE] = "super-settle",
	[MUTATE_FREEMAP_AFTER] = "freemap-after",
	[MUTATE_ORPHAN_ORDER] = "orphan-order",
};

const char *mutation_name(unsigned site)
{
	return site < MUTATION_SITES ? names[site] : NULL;
}

#ifdef UDAX_DEBUG
enum mutation_site mutation_now;

bool mutation_choose(const char *name)
{
	unsigned site;

	for (site = 1; site < MUTATION_SITES; site++)
		if (strcmp(names[site], name) == 0) {
			mutation_now = (enum mutation_site)site;
			return true;
		}
	return false;
}
#else
bool mutation_choose(const char *name)
{
	(void)name;
	return false;
}
#endif
