/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/share_model.h"

#include "lib/file_fixture.h"
#include "lib/share_fixture.h"

#include "media/addr.h"

#include <check.h>
#include <errno.h>
#include <string.h>

struct share_one share_files[SHARE_FILES];

void share_models_init(void)
{
	unsigned i;

	for (i = 0; i < SHARE_FILES; i++)
		model_init(&share_files[i].model);
}

void share_models_fini(void)
{
	unsigned i;

	for (i = 0; i < SHARE_FILES; i++)
		model_fini(&share_files[i].model);
}

void share_choose(unsigned which)
{
	fixture.file = share_files[which].file;
	fixture.writable = share_files[which].writable;
}

void share_open_all(void)
{
	char name[] = "file0";
	unsigned i;

	for (i = 0; i < SHARE_FILES; i++) {
		name[4] = (char)('0' + i);
		fixture_open_file(name, true);
		share_files[i].file = fixture.file;
		share_files[i].writable = true;
	}
}

void share_close_all(void)
{
	unsigned i;

	for (i = 0; i < SHARE_FILES; i++) {
		share_choose(i);
		fixture_close_file();
	}
}

/* ----------------------------------------------------------------- choosing */

static uint64_t random_offset(uint64_t below)
{
	uint64_t offset = model_random(below + 1);

	return model_random(5) ? offset & ~(uint64_t)(BLOCK_BYTES - 1) : offset;
}

static void random_copy(struct share_step *step)
{
	step->kind = STEP_COPY;
	step->from = (unsigned)model_random(SHARE_FILES);
	step->from_offset = random_offset(share_files[step->from].model.size);
	step->to_offset = random_offset(share_files[step->to].model.size);
	step->length = 1 + model_random(model_random(3) ? 100000 : 3000000);
	if (model_random(2))
		step->length = (step->length + BLOCK_BYTES - 1) &
			       ~(uint64_t)(BLOCK_BYTES - 1);
	if (model_random(10) == 0)
		step->to_offset += model_random(500000);
	if (model_random(8) == 0) {
		step->from_offset = step->to_offset = 0;
		step->length = 2 * MODEL_BYTES;
	}
	if (step->to_offset > MODEL_BYTES)
		step->to_offset = MODEL_BYTES;
	if (step->length > MODEL_BYTES - step->to_offset)
		step->length = MODEL_BYTES - step->to_offset;
}

/* With or without a moment in which it is open both ways. */
static void random_open(struct share_step *step)
{
	step->kind = STEP_OPEN;
	step->writable = !share_files[step->to].writable ||
			 model_random(4) == 0;
	step->at_once = model_random(2);
}

static bool only_reads(const struct call *call)
{
	return call->kind == READ || call->kind == FILL || call->kind == SEEK;
}

struct share_step share_step_random(void)
{
	struct share_step step = { .to = (unsigned)model_random(SHARE_FILES) };
	const struct share_one *one = &share_files[step.to];
	uint64_t pick = model_random(100);

	if (pick < 3) {
		random_open(&step);
	} else if (pick < 45) {
		random_copy(&step);
	} else {
		step.call = call_random(&one->model);
		/* Many fills make every source one that is copied. */
		if (step.call.kind == FILL && one->writable && pick % 4)
			step.call.kind = READ;
	}
	if (!one->writable && step.kind != STEP_OPEN &&
	    (step.kind == STEP_COPY || !only_reads(&step.call)))
		random_open(&step);
	return step;
}

/* --------------------------------------------------------------- performing */

static void open_again(const struct share_step *step)
{
	struct share_one *one = &share_files[step->to];
	bool before = one->writable;

	if (step->at_once)
		inode_close(core.fs, one->file, before);
	ck_assert_int_eq(inode_open(core.fs, one->file, step->writable), 0);
	if (!step->at_once)
		inode_close(core.fs, one->file, before);
}

static uint64_t copy_clip(const struct share_step *step)
{
	uint64_t size = share_files[step->from].model.size;

	if (step->from_offset >= size)
		return 0;
	return step->length < size - step->from_offset
		       ? step->length
		       : size - step->from_offset;
}

static bool overlaps(const struct share_step *step)
{
	uint64_t length = copy_clip(step);

	return step->from == step->to && length &&
	       step->from_offset < step->to_offset + length &&
	       step->to_offset < step->from_offset + length;
}

static ssize_t copy_once(const struct share_step *step, uint64_t done)
{
	return share_copy(share_files[step->from].file,
			  step->from_offset + done, share_files[step->to].file,
			  step->to_offset + done, step->length - done);
}

static int perform_copy(struct share_step *step, bool full)
{
	uint64_t done = 0, length = copy_clip(step);

	if (overlaps(step)) {
		ck_assert_int_eq(copy_once(step, 0), -EINVAL);
		return 0;
	}
	while (done < length) {
		ssize_t n = copy_once(step, done);

		if (full && n == -ENOSPC) {
			step->length = done;
			share_step_apply(step);
			return -ENOSPC;
		}
		ck_assert_int_gt(n, 0);
		done += (uint64_t)n;
		ck_assert_uint_le(done, length);
	}
	return 0;
}

static int perform_call(struct share_step *step, bool full)
{
	const struct model *model = &share_files[step->to].model;
	ssize_t done;

	share_choose(step->to);
	done = call_perform(model, &step->call);
	if (full && done == -ENOSPC)
		return -ENOSPC;
	if (full && step->call.kind <= APPEND && done > 0)
		step->call.length = (uint64_t)done;
	else
		ck_assert_int_eq(done, call_expected(model, &step->call));
	return 0;
}

int share_step_perform(struct share_step *step, bool full)
{
	if (step->kind == STEP_COPY)
		return perform_copy(step, full);
	if (step->kind == STEP_CALL)
		return perform_call(step, full);
	open_again(step);
	return 0;
}

void share_step_apply(const struct share_step *step)
{
	struct model *to = &share_files[step->to].model;
	uint64_t length;

	switch (step->kind) {
	case STEP_CALL:
		model_apply(to, &step->call);
		break;
	case STEP_OPEN:
		share_files[step->to].writable = step->writable;
		break;
	case STEP_COPY:
		length = overlaps(step) ? 0 : copy_clip(step);
		memmove(to->bytes + step->to_offset,
			share_files[step->from].model.bytes + step->from_offset,
			length);
		if (length && step->to_offset + length > to->size)
			to->size = step->to_offset + length;
	}
}

uint64_t share_check_all(void)
{
	unsigned i;

	for (i = 0; i < SHARE_FILES; i++) {
		share_choose(i);
		model_check(&share_files[i].model);
	}
	share_check_references();
	return share_check_owners();
}
