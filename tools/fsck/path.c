/* SPDX-License-Identifier: BSD-3-Clause */
#include "path.h"

#include "fsck.h"
#include "inodes.h"

#include <stdio.h>
#include <string.h>

/* Bytes of the well-formed UTF-8 character at `at`, or 0. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
	size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2, i;

	if (at[0] < 0xc2 || at[0] > 0xf4 || length > left)
		return 0;
	for (i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* too long a form, a surrogate, beyond the last character */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f))
		return 0;
	if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return length;
}

void path_printable(char *text, size_t text_bytes, const void *name,
		    size_t name_bytes)
{
	const unsigned char *at = name, *end = at + name_bytes;
	char *out = text, *last = text + text_bytes - 1;

	while (at < end && out < last) {
		size_t length = 1;

		if (*at >= 0x80) {
			length = utf8_length(at, (size_t)(end - at));
			/* U+0080 to U+009F are control characters, too */
			if (*at == 0xc2 && length == 2 && at[1] < 0xa0)
				length = 0;
		} else if (*at < ' ' || *at == 0x7f) {
			length = 0;
		}
		if (length == 0) {
			*out++ = '?';
			at++;
			continue;
		}
		if (length > (size_t)(last - out))
			break;
		memcpy(out, at, length);
		out += length;
		at += length;
	}
	*out = '\0';
}

/* The name of ino's entry at the key its inode names, or NULL. */
static const dirent_media *name_of(struct fsck *fsck, const inode_media *inode)
{
	const inode_media *parent = inodes_find(fsck, inode->parent_ino);
	const dirent_media *entry;

	if (parent == NULL || parent->format != INODE_ENTRIES)
		return NULL;
	entry = inodes_entry(fsck, parent, inode->parent_key);
	if (entry == NULL || entry->ino != inode->ino)
		return NULL;
	return entry;
}

void path_of_inode(struct fsck *fsck, uint64_t ino, char path[PATH_TEXT_BYTES])
{
	char built[PATH_TEXT_BYTES - 4], name[256];
	size_t start = sizeof(built) - 1, length;
	unsigned depth;

	built[start] = '\0';
	for (depth = 0; ino > INO_ROOT && depth < PATH_DEPTH_MAX; depth++) {
		const inode_media *inode = inodes_find(fsck, ino);
		const dirent_media *entry = inode ? name_of(fsck, inode) : NULL;

		if (entry == NULL)
			break;
		path_printable(name, sizeof(name), entry->name,
			       entry->name_length);
		length = strlen(name);
		if (length + 1 > start)
			break;
		start -= length + 1;
		built[start] = '/';
		memcpy(built + start + 1, name, length);
		ino = inode->parent_ino;
	}
	if (ino == INO_INODE_FILE)
		strcpy(path, "the inode file");
	else if (built[start] == '\0')
		strcpy(path, ino == INO_ROOT ? "/" : "?");
	else
		snprintf(path, PATH_TEXT_BYTES, "%s%s",
			 ino == INO_ROOT ? "" : "...", built + start);
}
