/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/file_model.h"

#include "lib/file_fixture.h"
#include "media/addr.h"

#include <check.h>
#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const unsigned weights[KINDS] = { 35, 6, 18, 6, 9, 9, 7, 6, 4 };

uint64_t model_seed;
static unsigned char buffer[CALL_BYTES_MAX];

static uint64_t random_next(void)
{
	model_seed ^= model_seed << 13;
	model_seed ^= model_seed >> 7;
	model_seed ^= model_seed << 17;
	return model_seed;
}

uint64_t model_random(uint64_t below)
{
	return random_next() % below;
}

void model_init(struct model *model)
{
	model->bytes = mmap(NULL, MODEL_BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(model->bytes, MAP_FAILED);
	model->size = 0;
}

void model_fini(struct model *model)
{
	munmap(model->bytes, MODEL_BYTES);
}

struct call call_random(const struct model *model)
{
	struct call call = { .kind = WRITE };
	unsigned pick = (unsigned)model_random(100);

	while (pick >= weights[call.kind])
		pick -= weights[call.kind++];
	call.offset = model_random(MODEL_BYTES);
	if (model_random(3) == 0)
		call.offset = model->size -
			      model_random(model->size < 9000 ? model->size + 1
							      : 9000);
	if (model_random(3) == 0)
		call.offset &= ~(uint64_t)(BLOCK_BYTES - 1);
	if (model_random(20) == 0)
		call.offset = model_random(400);
	switch (model_random(8)) {
	case 0:
		call.length = 1 + model_random(CALL_BYTES_MAX);
		break;
	case 1:
	case 2:
		call.length = BLOCK_BYTES * (1 + model_random(4));
		break;
	case 3:
		call.length = 1 + model_random(200);
		break;
	default:
		call.length = 1 + model_random(65536);
	}
	if (call.kind == APPEND && model->size < MODEL_BYTES)
		call.offset = model->size;
	else if (call.kind == APPEND)
		call.kind = READ;
	if (call.offset >= MODEL_BYTES)
		call.offset = MODEL_BYTES - 1;
	if (call.length > MODEL_BYTES - call.offset)
		call.length = MODEL_BYTES - call.offset;
	call.keep_size = model_random(2);
	call.salt = (unsigned char)random_next();
	return call;
}

static void call_bytes(const struct call *call)
{
	uint64_t i;

	for (i = 0; i < call->length; i++)
		buffer[i] = (unsigned char)(call->salt + i * 7 + (i >> 8));
}

static void model_zero(struct model *model, uint64_t start, uint64_t end)
{
	if (end > model->size)
		end = model->size;
	if (start < end)
		memset(model->bytes + start, 0, end - start);
}

void model_apply(struct model *model, const struct call *call)
{
	uint64_t end = call->offset + call->length;

	switch (call->kind) {
	case WRITE:
	case APPEND:
		call_bytes(call);
		memcpy(model->bytes + call->offset, buffer, call->length);
		if (end > model->size)
			model->size = end;
		break;
	case TRUNCATE:
		model_zero(model, call->offset, MODEL_BYTES);
		model->size = call->offset;
		break;
	case PUNCH:
		model_zero(model, call->offset, end);
		break;
	case ZERO:
		model_zero(model, call->offset, end);
		/* fall through */
	case ALLOCATE:
		if (!call->keep_size && end > model->size)
			model->size = end;
		break;
	default:
		break;
	}
}

void model_copy(struct model *to, const struct model *from)
{
	memcpy(to->bytes, from->bytes, MODEL_BYTES);
	to->size = from->size;
}

/* -------------------------------------------------------------- filesystem */

static uint64_t model_clip(const struct model *model, const struct call *call)
{
	if (call->offset >= model->size)
		return 0;
	return call->length < model->size - call->offset
		       ? call->length
		       : model->size - call->offset;
}

static bool all_zeros(const struct model *model, uint64_t start, uint64_t end)
{
	for (; start < end && start < model->size; start++)
		if (model->bytes[start])
			return false;
	return true;
}

static void check_seek(const struct model *model, uint64_t offset)
{
	off_t data = fixture_seek((off_t)offset, SEEK_DATA);
	off_t hole = fixture_seek((off_t)offset, SEEK_HOLE);

	if (data < 0) {
		ck_assert_int_eq(data, -ENXIO);
		ck_assert(all_zeros(model, offset, model->size));
	} else {
		ck_assert_int_ge(data, offset);
		ck_assert(all_zeros(model, offset, (uint64_t)data));
	}
	if (offset >= model->size) {
		ck_assert_int_eq(hole, -ENXIO);
		return;
	}
	ck_assert_int_ge(hole, offset);
	ck_assert_int_le(hole, model->size);
	ck_assert(all_zeros(model, (uint64_t)hole,
			    ((uint64_t)hole | (BLOCK_BYTES - 1)) + 1));
}

ssize_t call_perform(const struct model *model, const struct call *call)
{
	int mode = call->keep_size ? FALLOC_FL_KEEP_SIZE : 0;
	off_t offset = (off_t)call->offset, length = (off_t)call->length;
	ssize_t done;

	switch (call->kind) {
	case WRITE:
	case APPEND:
		call_bytes(call);
		return fixture_write(buffer, call->length,
				     call->kind == APPEND ? FILE_APPEND
							  : offset);
	case READ:
	case FILL:
		done = (call->kind == READ ? fixture_read : fixture_fill)(
			buffer, call->length, offset);
		if (done > 0)
			ck_assert_mem_eq(buffer, model->bytes + offset,
					 (size_t)done);
		return done;
	case TRUNCATE:
		return fixture_truncate(call->offset);
	case PUNCH:
		mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
		return fixture_fallocate(mode, offset, length);
	case ZERO:
		mode |= FALLOC_FL_ZERO_RANGE;
		/* fall through */
	case ALLOCATE:
		return fixture_fallocate(mode, offset, length);
	default:
		check_seek(model, call->offset);
		return 0;
	}
}

ssize_t call_expected(const struct model *model, const struct call *call)
{
	switch (call->kind) {
	case WRITE:
	case APPEND:
		return (ssize_t)call->length;
	case READ:
	case FILL:
		return (ssize_t)model_clip(model, call);
	default:
		return 0;
	}
}

void model_check(const struct model *model)
{
	struct call whole = { .kind = READ, .length = CALL_BYTES_MAX };

	ck_assert_int_eq(fixture.file->media->size, model->size);
	ck_assert_int_eq(fixture.file->media->pending_end, 0);
	for (; whole.offset < MODEL_BYTES; whole.offset += CALL_BYTES_MAX)
		ck_assert_int_eq(call_perform(model, &whole),
				 call_expected(model, &whole));
}

void model_adopt(struct model *model, const struct model *before,
		 const struct model *after)
{
	uint64_t size = fixture.file->media->size;
	uint64_t low = before->size < after->size ? before->size : after->size;
	uint64_t high = before->size + after->size - low;
	uint64_t at, i;

	ck_assert(size >= low && size <= high);
	memset(model->bytes, 0, MODEL_BYTES);
	for (at = 0; at < size; at += CALL_BYTES_MAX) {
		ssize_t n = fixture_read(buffer, CALL_BYTES_MAX, (off_t)at);

		ck_assert_int_gt(n, 0);
		for (i = 0; i < (uint64_t)n; i++)
			if (buffer[i] != before->bytes[at + i] &&
			    buffer[i] != after->bytes[at + i])
				ck_abort_msg("byte %zu of %zu",
					     (size_t)(at + i), (size_t)size);
		memcpy(model->bytes + at, buffer, (size_t)n);
	}
	model->size = size;
}
