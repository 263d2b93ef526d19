/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsck.h"
#include "report.h"

#include "device/foreign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

static void set_aside(struct fsck *fsck, struct device *device)
{
	fsck->aside.device[fsck->aside.count++] = device;
}

/* As at a mount: a copy that does not hold is no copy. */
static bool store_copy(struct device *device, const superblock_media *good,
		       uint64_t offset_bytes)
{
	const superblock_media copy = *good;

	device_copy(device, device_at(device, offset_bytes), &copy,
		    sizeof(copy));
	device_drain(device);
	return device_still_there(device);
}

static const superblock_media *second_copy(const struct device *device,
					   const superblock_media *sb)
{
	return device_at(device, superblock_second_offset(sb->size_blocks));
}

/* One copy holds; the other does not, or is older. */
static void check_other_copy(struct fsck *fsck, struct device *device,
			     const superblock_media *sb, bool damaged)
{
	const superblock_media *first = device_at(device, 0);
	const superblock_media *second = second_copy(device, sb);
	bool first_holds = superblock_check(first, device->size_bytes) == 0;
	uint64_t offset = first_holds ? device_offset(device, second) : 0;
	const char *which = first_holds ? "second" : "primary";
	enum mend_class class = MENDED_SAFELY;

	if (!damaged) {
		if (first->sequence != second->sequence)
			note(fsck,
			     "%s: superblocks %ju and %ju: a write of them was "
			     "interrupted, the newer one holds",
			     device->path, (uintmax_t)first->sequence,
			     (uintmax_t)second->sequence);
		return;
	}
	if (may_write(fsck))
		class = store_copy(device, sb, offset) ? MENDED_ALREADY
						       : MENDED_NOT;
	problem_device(
		fsck, "superblock", device->path, class,
		"the %s superblock is damaged, the other one holds%s", which,
		may_write(fsck) ? "" : "; a mount mends that, or fsck -p");
}

static void report_none(struct fsck *fsck, const struct device *device, int err)
{
	if (device_failed(device))
		operational(fsck, "%s: vanished while it was read",
			    device->path);
	else if (err == -EUCLEAN)
		problem_device(fsck, "superblock", device->path, MENDED_NOT,
			       "both superblocks are damaged: nothing here "
			       "tells what they said");
	else if (err == -EPROTONOSUPPORT)
		operational(fsck,
			    "%s: has a version or feature of udaxfs that this "
			    "program does not know",
			    device->path);
	else
		operational(fsck, "%s: holds no udaxfs filesystem",
			    device->path);
}

/* Put the device where its superblock says that it belongs. */
static void place(struct fsck *fsck, struct device *device,
		  const superblock_media *sb)
{
	struct fsck_device *slot = &fsck->device[sb->device_index];
	char uuid[UUID_STR_LEN];
	unsigned i;

	for (i = 0; i < ROLL_MAX; i++)
		if (fsck->device[i].device != NULL &&
		    memcmp(fsck->device[i].sb.fs_uuid, sb->fs_uuid, 16) != 0) {
			uuid_unparse_lower(sb->fs_uuid, uuid);
			operational(fsck,
				    "%s: belongs to another filesystem, %s",
				    device->path, uuid);
			set_aside(fsck, device);
			return;
		}
	if (slot->device != NULL) {
		operational(fsck, "%s: says it is member %u, as %s does",
			    device->path, sb->device_index, slot->device->path);
		set_aside(fsck, device);
		return;
	}
	slot->device = device;
	slot->sb = *sb;
	slot->clean = (sb->flags & SUPERBLOCK_CLEAN) != 0;
	fsck->members.device[sb->device_index] = device;
	if (fsck->members.count <= sb->device_index)
		fsck->members.count = sb->device_index + 1u;
}

/* The second superblock holds, the primary is none: it may be left of what had
 * the device before. */
static bool is_foreign(struct fsck *fsck, const struct device *device)
{
	char name[FOREIGN_NAME_BYTES];

	if (superblock_check(device_at(device, 0), device->size_bytes) !=
	    -ENODATA)
		return false;
	if (foreign_name(device->fd, name) != 0)
		operational(fsck, "%s: out of memory", device->path);
	else if (name[0] == '\0')
		return false;
	else
		operational(fsck,
			    "%s: holds %s, and the remains of a udaxfs: if it "
			    "is that one which is wanted, wipefs(8) the other",
			    device->path, name);
	return true;
}

static void look_at(struct fsck *fsck, struct device *device)
{
	const superblock_media *sb;
	bool damaged;
	int err = superblock_pick(device->base, device->size_bytes, &sb,
				  &damaged);

	if (err != 0 || device_failed(device)) {
		report_none(fsck, device, err);
		set_aside(fsck, device);
		return;
	}
	if (damaged && is_foreign(fsck, device)) {
		set_aside(fsck, device);
		return;
	}
	if (sb->ro_compat & ~SUPERBLOCK_RO_COMPAT_KNOWN && may_write(fsck)) {
		operational(fsck,
			    "%s: has a feature that this program may only "
			    "read; -n checks what it knows",
			    device->path);
		set_aside(fsck, device);
		return;
	}
	place(fsck, device, sb);
	check_other_copy(fsck, device, sb, damaged);
}

/* The metadata device knows best; without it, whoever was written last. */
static void choose_reference(struct fsck *fsck)
{
	const superblock_media *best = NULL;
	unsigned i;

	for (i = 0; i < ROLL_MAX; i++) {
		const superblock_media *sb = &fsck->device[i].sb;

		if (fsck->device[i].device == NULL)
			continue;
		if (i == sb->metadata_device) {
			best = sb;
			break;
		}
		if (best == NULL || sb->generation > best->generation)
			best = sb;
	}
	fsck->sb = best;
	if (best != NULL) {
		fsck->device_count = best->device_count;
		fsck->metadata_device = best->metadata_device;
	}
}

int check_super(struct fsck *fsck, const char *const *paths, unsigned count)
{
	const struct device_options options = {
		.busy_ms = DEVICE_BUSY_MS,
		.private_copy = !may_write(fsck),
	};
	char why[DEVICE_WHY_BYTES];
	struct members given;
	unsigned i, bad;
	int err;

	err = members_open(&given, paths, count, &options, &bad, why,
			   sizeof(why));
	if (err != 0) {
		operational(fsck, "%s: %s", paths[bad], why);
		return err;
	}
	for (i = 0; i < count; i++)
		look_at(fsck, given.device[i]);
	choose_reference(fsck);
	return fsck->sb ? 0 : -ENODATA;
}
