/* SPDX-License-Identifier: BSD-3-Clause */
/* Verbs that move a device's state, and those that wait for it. */
#include "control/command.h"
#include "core/fs.h"

#include <errno.h>
#include <string.h>

#define STEP_MAX_MS (24 * 60 * 60 * 1000)
#define CONTINUE_WAIT_MS 10000 /* a step that is about to stop */

static struct json_object *report_json(const struct fs_device *device,
				       const struct removal_report *report)
{
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "version", json_object_new_int(1));
	json_object_object_add(json, "device",
			       json_object_new_string(device->path));
	json_object_object_add(
		json, "state",
		json_object_new_string(removal_state_name(report->state)));
	json_object_object_add(json, "stopped",
			       json_object_new_boolean(report->stopped));
	json_object_object_add(json, "entries_deleted",
			       json_object_new_uint64(report->entries_deleted));
	json_object_object_add(json, "leases_revoked",
			       json_object_new_uint64(report->leases_revoked));
	json_object_object_add(
		json, "kernel_mappings_revoked",
		json_object_new_uint64(report->kernel_mappings_revoked));
	json_object_object_add(
		json, "references",
		report->references < 0
			? NULL
			: json_object_new_int64(report->references));
	json_object_object_add(json, "elapsed_us",
			       json_object_new_int64(report->elapsed_us));
	json_object_object_add(
		json, "first_refusal_us",
		report->first_refusal_us < 0
			? NULL
			: json_object_new_int64(report->first_refusal_us));
	return json;
}

static void answer_report(struct command_context *context,
			  struct answer *answer, struct removal_report *report)
{
	const struct fs_device *device = &context->fs->devices[answer->device];

	removal_report(device->removal, report);
	json_object_put(answer->json);
	answer->json = report_json(device, report);
}

static struct deadline timeout_of(struct json_object *arguments)
{
	return deadline_in(argument_integer(arguments, "timeout_ms", -1));
}

/* The device named, present and with a state machine. */
static struct fs_device *device_of(struct command_context *context,
				   struct json_object *arguments,
				   struct answer *answer)
{
	struct fs_device *device;

	if (argument_device(context, arguments, answer, &answer->device))
		return NULL;
	device = &context->fs->devices[answer->device];
	if (device->removal)
		return device;
	answer_fail(answer, 1, "device %u is missing", answer->device);
	return NULL;
}

static int mode_of(struct json_object *arguments, enum removal_mode *mode)
{
	const char *name = argument_string(arguments, "mode");

	*mode = REMOVAL_REVOKE;
	if (!name || strcmp(name, "revoke") == 0)
		return 0;
	*mode = REMOVAL_DRAIN;
	if (strcmp(name, "drain") == 0)
		return 0;
	*mode = REMOVAL_KILL;
	return strcmp(name, "kill") == 0 ? 0 : -EINVAL;
}

/* How long each step of taking a lease back may last. */
static int limits_of(struct json_object *arguments,
		     struct removal_limits *limits)
{
	const struct {
		const char *key;
		unsigned *ms;
	} steps[] = { { "recall_ms", &limits->recall_ms },
		      { "zap_ms", &limits->zap_ms },
		      { "kill_ms", &limits->kill_ms } };

	*limits = REMOVAL_LIMITS_DEFAULT;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int64_t ms = argument_integer(arguments, steps[i].key,
					      *steps[i].ms);

		if (ms < 0 || ms > STEP_MAX_MS)
			return -EINVAL;
		*steps[i].ms = (unsigned)ms;
	}
	return 0;
}

static void start(struct fs_device *device, struct json_object *arguments,
		  struct answer *answer)
{
	struct removal_limits limits;
	enum removal_mode mode;
	int err;

	if (mode_of(arguments, &mode) || limits_of(arguments, &limits)) {
		answer_fail(answer, 2, "unknown mode, or a limit that is none");
		return;
	}
	err = removal_start(device->removal, mode,
			    argument_flag(arguments, "step"), &limits);
	if (err == -EBUSY)
		answer_fail(answer, 4,
			    "%s: is being removed already; wait-device joins",
			    device->path);
	else if (err == -EALREADY)
		answer_fail(answer, 1, "%s: has been removed already",
			    device->path);
	else if (err)
		answer_fail(answer, 1, "%s: %s", device->path, strerror(-err));
}

void verb_remove_device(struct command_context *context,
			struct json_object *arguments, struct answer *answer)
{
	struct fs_device *device = device_of(context, arguments, answer);
	struct removal_report report;

	if (!device)
		return;
	if (argument_flag(arguments, "evacuate")) {
		answer_fail(answer, 1, "%s: --evacuate is not available yet",
			    device->path);
		return;
	}
	if (!argument_flag(arguments, "dry_run"))
		start(device, arguments, answer);
	if (answer->status)
		return;
	answer_report(context, answer, &report);
	if (argument_flag(arguments, "dry_run"))
		return;
	/* Begun means that new use is refused: a grace period away. */
	answer->state = DEVICE_BLOCKING;
	answer->wait = argument_flag(arguments, "no_wait") ? WAIT_STATE
							   : WAIT_DONE;
	answer->deadline = timeout_of(arguments);
}

void verb_cancel_remove(struct command_context *context,
			struct json_object *arguments, struct answer *answer)
{
	struct fs_device *device = device_of(context, arguments, answer);
	int err;

	if (!device)
		return;
	err = removal_cancel(device->removal);
	if (err == -EALREADY)
		answer_fail(answer, 1, "%s: too late, it has been released",
			    device->path);
	else if (err == -EINVAL)
		answer_fail(answer, 1, "%s: no removal to cancel, it is %s",
			    device->path,
			    removal_state_name(removal_state(device->removal)));
	else {
		answer->wait = WAIT_LIVE;
		answer->deadline = timeout_of(arguments);
	}
}

void verb_continue(struct command_context *context,
		   struct json_object *arguments, struct answer *answer)
{
	if (!device_of(context, arguments, answer))
		return;
	answer->wait = WAIT_STOP;
	answer->deadline = deadline_in(
		argument_integer(arguments, "timeout_ms", CONTINUE_WAIT_MS));
}

void verb_wait_device(struct command_context *context,
		      struct json_object *arguments, struct answer *answer)
{
	const char *name = argument_string(arguments, "state");
	struct fs_device *device;

	if (!name || removal_state_of_name(name, &answer->state)) {
		answer_fail(answer, 2, "unknown state \"%.20s\"",
			    name ? name : "");
		return;
	}
	device = device_of(context, arguments, answer);
	if (!device)
		return;
	answer->wait = WAIT_STATE;
	answer->deadline = timeout_of(arguments);
}

/* --------------------------------------------------------------- waiting */

/* A removal that ended otherwise than its waiter hoped. */
static bool ended(const struct fs_device *device, struct answer *answer,
		  const struct removal_report *report)
{
	switch (report->state) {
	case DEVICE_DEAD:
		if (report->error)
			answer_fail(answer, 1,
				    "%s: removed, but not left clean: %s",
				    device->path, strerror(-report->error));
		return true;
	case DEVICE_FAILED:
		answer_fail(answer, 1, "%s: failed while it was removed",
			    device->path);
		return true;
	case DEVICE_LIVE:
		answer_fail(answer, 1, "%s: the removal was cancelled",
			    device->path);
		return true;
	default:
		return false;
	}
}

static bool continued(struct fs_device *device, struct answer *answer,
		      const struct removal_report *report)
{
	if (removal_continue(device->removal) == 0)
		return true;
	if (report->state == DEVICE_LIVE || report->state >= DEVICE_DEAD ||
	    !removal_is_stepping(device->removal)) {
		answer_fail(answer, 1, "%s: nothing is stopped, it is %s",
			    device->path, removal_state_name(report->state));
		return true;
	}
	return false;
}

bool answer_ready(struct command_context *context, struct answer *answer)
{
	struct fs_device *device = &context->fs->devices[answer->device];
	bool late = deadline_passed(answer->deadline);
	struct removal_report report;
	bool ready = false;

	removal_report(device->removal, &report);
	if (answer->wait == WAIT_STATE)
		ready = removal_reached(&report, answer->state);
	else if (answer->wait == WAIT_LIVE)
		ready = report.state == DEVICE_LIVE;
	else if (answer->wait == WAIT_STOP)
		ready = continued(device, answer, &report);
	else
		ready = ended(device, answer, &report);
	if (!ready && !late)
		return false;
	if (!ready)
		answer_fail(answer, 3, "%s: deadline passed, still %s",
			    device->path, removal_state_name(report.state));
	answer_report(context, answer, &report);
	answer->wait = WAIT_NOTHING;
	return true;
}
