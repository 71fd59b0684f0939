#include "web/view.h"

#include <string.h>

#include "session/lifetime.h"
#include "sys/clock.h"

static const char *const step_ids[] = {
	[STEP_ACCEPTED] = "accepted", [STEP_DISK] = "disk",
	[STEP_SCRIPT] = "script",
	[STEP_QEMU] = "qemu",	      [STEP_DISPLAY] = "display",
	[STEP_GUEST] = "guest",
};

static const char *const step_titles[] = {
	[STEP_ACCEPTED] = "Request accepted",
	[STEP_DISK] = "Disk",
	[STEP_SCRIPT] = "Boot scripts",
	[STEP_QEMU] = "Virtual machine",
	[STEP_DISPLAY] = "Display",
	[STEP_GUEST] = "Operating system",
};

static const char *const advice[] = {
	[STEP_ACCEPTED] = "Create the desktop again. If that fails too, tell "
			  "the administrator.",
	[STEP_DISK] = "Try another machine. The administrator finds the cause "
		      "in the log: a full disk, or a damaged image.",
	[STEP_SCRIPT] = "If the script is yours, correct it and create the "
			"desktop again. If it is this service's, tell the "
			"administrator, who finds the cause in the log.",
	[STEP_QEMU] = "Try again with less memory or fewer processors. The "
		      "administrator finds QEMU's own words in the log.",
	[STEP_DISPLAY] = "Try again in a minute. If that fails too, tell the "
			 "administrator.",
	[STEP_GUEST] = "Create a new desktop. If this happens again with the "
		       "same machine, tell the administrator.",
};

const char *view_state_word(enum session_state state)
{
	static const char *const words[] = {
		[SESSION_STARTING] = "Starting",
		[SESSION_QUEUED] = "Waiting",
		[SESSION_PREPARING] = "Preparing",
		[SESSION_BOOTING] = "Starting",
		[SESSION_RUNNING] = "Running",
		[SESSION_STOPPING] = "Stopping",
		[SESSION_ENDED] = "Ended",
		[SESSION_FAILED] = "Failed",
	};

	return words[state];
}

const char *view_state_title(const struct session *s)
{
	switch (s->state) {
	case SESSION_STARTING:
	case SESSION_PREPARING:
	case SESSION_BOOTING:
		return "Your desktop is starting";
	case SESSION_QUEUED:
		return "Your desktop waits for its turn";
	case SESSION_RUNNING:
		return "Your desktop is ready";
	case SESSION_STOPPING:
		return "Your desktop is stopping";
	case SESSION_ENDED:
		return "Your desktop has ended";
	case SESSION_FAILED:
		break;
	}
	return s->step < STEP_GUEST ? "Your desktop could not be started" :
				      "Your desktop has failed";
}

const char *view_state_text(const struct session *s)
{
	switch (s->state) {
	case SESSION_STARTING:
		return "The request is accepted.";
	case SESSION_QUEUED:
		return "It starts as soon as there is a place.";
	case SESSION_PREPARING:
		return "Its disk is being prepared.";
	case SESSION_BOOTING:
		return "The virtual machine is being switched on.";
	case SESSION_RUNNING:
		return session_is_ending(s) ?
			       "It ends soon: copy your results to a safe "
			       "place." :
			       "Press Connect to see it in a new tab.";
	case SESSION_STOPPING:
		return "It is being switched off.";
	case SESSION_ENDED:
		return "It is switched off, and its disk is erased.";
	case SESSION_FAILED:
		break;
	}
	return "It is switched off, and nothing is left of it.";
}

/* How many steps are behind it; the next one is under way, or failed. */
static int steps_done(const struct session *s)
{
	int done = (int)s->step;

	if (s->state == SESSION_RUNNING && done < STEP_GUEST)
		done = STEP_GUEST;
	if (s->guest_seen && done == STEP_GUEST && s->state != SESSION_FAILED)
		done = STEP_COUNT;
	return done;
}

static const char *step_status(const struct session *s, int step)
{
	int done = steps_done(s);

	if (step < done)
		return "done";
	if (step > done)
		return "waiting";
	if (s->state == SESSION_FAILED)
		return "failed";
	return s->state < SESSION_STOPPING ? "active" : "waiting";
}

static bool step_is_shown(const struct session *s, int step)
{
	if (step == STEP_SCRIPT)
		return s->scripted;
	return step != STEP_GUEST || s->guest_seen ||
	       (s->state == SESSION_FAILED && s->step == STEP_GUEST);
}

/* What is worth knowing about the virtual machine once it is there. */
static const char *step_detail(const struct session *s, int step)
{
	bool lonely = strcmp(s->network, "failed") == 0 ||
		      strcmp(s->network, "none") == 0;

	if (step == STEP_SCRIPT && s->notice[0] && !session_stands_still(s))
		return s->notice;
	if (step == STEP_GUEST && s->state == SESSION_RUNNING)
		return "It has begun to start; its screen shows how far it is.";
	if (step != STEP_QEMU || steps_done(s) <= STEP_QEMU)
		return NULL;
	if (s->kvm)
		return lonely ? "It has no network." : NULL;
	return lonely ? "It is emulated, which is slow, and has no network." :
			"It is emulated, which is slow.";
}

json_t *view_steps(const struct session *s)
{
	json_t *steps = json_array();
	int failed = !steps;

	for (int step = 0; step < STEP_COUNT; step++) {
		if (!step_is_shown(s, step))
			continue;
		failed |= json_array_append_new(
			steps, json_pack("{ss ss ss ss?}", "id", step_ids[step],
					 "title", step_titles[step], "status",
					 step_status(s, step), "detail",
					 step_detail(s, step)));
	}
	if (!failed)
		return steps;
	json_decref(steps);
	return NULL;
}

json_t *view_failure(const struct session *s)
{
	if (s->state != SESSION_FAILED)
		return json_null();
	return json_pack("{ss ss ss}", "step", step_titles[s->step], "why",
			 s->reason[0] ? s->reason : "The cause is not known.",
			 "advice", advice[s->step]);
}

const char *view_machine_title(const struct session *s)
{
	return s->title[0] ? s->title : s->machine;
}

json_t *view_started(const struct session *s)
{
	char text[32];

	clock_human(s->started, text, sizeof(text));
	return json_string(text);
}

json_t *view_time_left(const struct session *s)
{
	char text[32];

	if (!s->ends || session_is_final(s))
		return json_null();
	clock_duration(lifetime_left_s(s, clock_boot_ms()), text, sizeof(text));
	return json_string(text);
}
