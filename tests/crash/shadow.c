/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/shadow.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *bytes_copy(const unsigned char *bytes, uint64_t size)
{
	unsigned char *copy = malloc(size + 1);

	if (!copy)
		abort();
	if (size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

void shadow_drop_alternates(struct shadow_node *node)
{
	while (node->alternates > 0)
		free(node->alternate[--node->alternates].data);
	node->loose = false;
}

void shadow_node_put(struct shadow_node *node)
{
	if (--node->refs > 0)
		return;
	shadow_drop_alternates(node);
	free(node->data);
	free(node->entries);
	free(node);
}

static struct shadow_node *node_clone(const struct shadow_node *from)
{
	struct shadow_node *node = malloc(sizeof(*node));
	unsigned i;

	*node = *from;
	node->refs = 1;
	if (from->data)
		node->data = bytes_copy(from->data, from->size);
	if (from->entries) {
		node->entries =
			malloc((from->count + 1) * sizeof(*node->entries));
		memcpy(node->entries, from->entries,
		       from->count * sizeof(*node->entries));
	}
	for (i = 0; i < from->alternates; i++)
		node->alternate[i].data = bytes_copy(from->alternate[i].data,
						     from->alternate[i].size);
	return node;
}

void shadow_init(struct shadow *shadow)
{
	unsigned i;

	memset(shadow, 0, sizeof(*shadow));
	for (i = 0; i < OP_SLOTS; i++)
		shadow->slot[i] = NODE_NONE;
	shadow_add(shadow, S_IFDIR | 0755);
	shadow->node[0]->ino = 1;
	shadow->node[0]->nlink = 2;
}

void shadow_fini(struct shadow *shadow)
{
	int i;

	for (i = 0; i < shadow->count; i++)
		if (shadow->node[i])
			shadow_node_put(shadow->node[i]);
	shadow->count = 0;
}

void shadow_copy(struct shadow *to, const struct shadow *from)
{
	int i;

	to->count = from->count;
	memcpy(to->slot, from->slot, sizeof(to->slot));
	memcpy(to->node, from->node,
	       (size_t)from->count * sizeof(struct shadow_node *));
	for (i = 0; i < to->count; i++)
		if (to->node[i])
			to->node[i]->refs++;
}

void shadow_let_go(struct shadow *shadow)
{
	int i;

	for (i = 0; i < OP_SLOTS; i++)
		shadow->slot[i] = NODE_NONE;
	for (i = 0; i < shadow->count; i++) {
		if (!shadow->node[i] || shadow->node[i]->nlink > 0)
			continue;
		shadow_node_put(shadow->node[i]);
		shadow->node[i] = NULL;
	}
}

struct shadow_node *shadow_edit(struct shadow *shadow, int at)
{
	struct shadow_node *node = shadow->node[at];

	if (node->refs > 1) {
		node->refs--;
		node = node_clone(node);
		shadow->node[at] = node;
	}
	return node;
}

int shadow_add(struct shadow *shadow, mode_t mode)
{
	struct shadow_node *node = calloc(1, sizeof(*node));
	int at;

	for (at = 0; at < shadow->count; at++)
		if (!shadow->node[at])
			break;
	assert(at < SHADOW_NODES);
	if (at == shadow->count)
		shadow->count++;
	node->refs = 1;
	node->mode = mode;
	if (!S_ISDIR(mode))
		node->data = calloc(1, 1);
	shadow->node[at] = node;
	return at;
}

struct shadow_node *shadow_keep(struct shadow *shadow, int at)
{
	shadow->node[at]->refs++;
	return shadow->node[at];
}

/* ------------------------------------------------------------------ names */

int shadow_entry(const struct shadow *shadow, int dir, const char *name)
{
	const struct shadow_node *node = shadow->node[dir];
	unsigned i;

	for (i = 0; i < node->count; i++)
		if (strcmp(node->entries[i].name, name) == 0)
			return node->entries[i].node;
	return NODE_NONE;
}

int shadow_find(const struct shadow *shadow, const char *path)
{
	char text[OP_PATH_BYTES];
	char *rest = text;
	char *name;
	int at = 0;

	if (path[0] == '@')
		return shadow->slot[atoi(path + 1)];
	snprintf(text, sizeof(text), "%s", path);
	while (at >= 0 && (name = strsep(&rest, "/")))
		if (name[0])
			at = shadow_entry(shadow, at, name);
	return at;
}

int shadow_parent(const struct shadow *shadow, const char *path,
		  const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[OP_PATH_BYTES];

	*name = slash ? slash + 1 : path;
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 0,
		 path);
	return shadow_find(shadow, dir);
}

void shadow_put_entry(struct shadow *shadow, int dir, const char *name,
		      int child)
{
	struct shadow_node *node = shadow_edit(shadow, dir);
	struct shadow_entry *entry;

	node->entries = realloc(node->entries,
				(node->count + 1) * sizeof(*node->entries));
	node->mtime_known = false;
	entry = &node->entries[node->count++];
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	entry->node = child;
}

void shadow_drop_entry(struct shadow *shadow, int dir, const char *name)
{
	struct shadow_node *node = shadow_edit(shadow, dir);
	unsigned i;

	for (i = 0; i < node->count; i++)
		if (strcmp(node->entries[i].name, name) == 0)
			break;
	assert(i < node->count);
	node->mtime_known = false;
	node->entries[i] = node->entries[--node->count];
}

/* ------------------------------------------------------------------ bytes */

void shadow_resize(struct shadow_node *node, uint64_t size)
{
	if (size == node->size)
		return;
	node->data = realloc(node->data, size + 1);
	if (size > node->size)
		memset(node->data + node->size, 0, size - node->size);
	node->size = size;
}

void shadow_add_alternate(struct shadow_node *node,
			  const struct shadow_node *old)
{
	struct shadow_alternate *alternate;

	assert(node->alternates < SHADOW_ALTERNATES);
	alternate = &node->alternate[node->alternates++];
	alternate->data = bytes_copy(old->data, old->size);
	alternate->size = old->size;
}
