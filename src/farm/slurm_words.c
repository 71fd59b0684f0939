#include "farm/slurm_words.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* ---- Limits ---- */

/* How a limit counts. */
enum limit_kind {
	LIMIT_NONE,   /* it is no limit's name */
	LIMIT_TOTAL,  /* what all jobs have at once */
	LIMIT_COUNT,  /* how many run */
	LIMIT_SUBMIT, /* how many run or wait */
	LIMIT_BUDGET, /* what all jobs have used, in the course of time */
	LIMIT_JOB,    /* what one job has */
	LIMIT_LEAST,  /* the same, but at least */
	LIMIT_OTHER,
};

struct limit {
	enum limit_kind kind;
	const char *whose;
	const char *what;
};

struct word {
	const char *part; /* of the name */
	const char *what;
	enum limit_kind kind;
};

static const struct word *word_in(const char *name, const struct word *list,
				  size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(name, list[i].part))
			return &list[i];
	return NULL;
}

static enum limit_kind kind_of(const char *name, bool known)
{
	/* The first that is there. */
	static const struct word kinds[] = {
		{ .part = "NotAllowed", .kind = LIMIT_NONE },
		{ .part = "QOSMin", .kind = LIMIT_LEAST },
		{ .part = "PerJob", .kind = LIMIT_JOB },
		{ .part = "PerNode", .kind = LIMIT_JOB },
		{ .part = "Minutes", .kind = LIMIT_BUDGET },
		{ .part = "GrpWall", .kind = LIMIT_BUDGET },
		{ .part = "TimeLimit", .kind = LIMIT_BUDGET },
		{ .part = "Submit", .kind = LIMIT_SUBMIT },
		{ .part = "Job", .kind = LIMIT_COUNT },
	};
	const struct word *word = word_in(name, kinds, ARRAY_LEN(kinds));

	if (word)
		return word->kind;
	return known ? LIMIT_TOTAL : LIMIT_OTHER;
}

static const char *whose_of(const char *name)
{
	if (text_starts(name, "QOS"))
		return "quality of service";
	if (text_starts(name, "Assoc") ||
	    (text_starts(name, "Max") && strstr(name, "PerAccount")))
		return "account on the cluster";
	return NULL;
}

static struct limit limit_of(const char *name)
{
	static const struct word things[] = {
		{ .part = "Cpu", .what = "processors" },
		{ .part = "CPU", .what = "processors" },
		{ .part = "Mem", .what = "memory" },
		{ .part = "GRES", .what = "graphics cards" },
		{ .part = "Node", .what = "computers" },
		{ .part = "Wall", .what = "time" },
		{ .part = "License", .what = "licences" },
	};
	const struct word *thing = word_in(name, things, ARRAY_LEN(things));
	struct limit limit = { .whose = whose_of(name),
			       .what = thing ? thing->what : "of it" };

	if (limit.whose)
		limit.kind = kind_of(name, thing != NULL);
	return limit;
}

bool slurm_is_limit(const char *why)
{
	return limit_of(why).kind != LIMIT_NONE ||
	       strstr(why, "accounting/QOS policy");
}

/* ---- Waiting ---- */

static const struct {
	const char *word; /* or its beginning */
	const char *sentence;
} reasons[] = {
	{ "Resources", "It waits for free processors, memory or graphics "
		       "cards." },
	{ "Priority", "Others are before it in the queue." },
	{ "Dependency", "It waits for another job." },
	{ "BeginTime", "Its time to begin has not come yet." },
	{ "Licenses", "It waits for a licence." },
	{ "ReqNodeNotAvail", "The computers that it could use are not "
			     "available now." },
	{ "Reservation", "It waits for a reservation of the cluster." },
	{ "JobHeld", "It is held back." },
	{ "NodeDown", "The computer for it is down." },
	{ "PartitionDown", "The cluster's partition takes no jobs now." },
	{ "PartitionInactive", "The cluster's partition starts no jobs now." },
	{ "PartitionTimeLimit", "It asks for more time than the cluster's "
				"partition gives." },
	{ "PartitionNodeLimit", "It asks for more than the cluster's partition "
				"has." },
	{ "InvalidAccount", "The cluster does not let it use its account any "
			    "more: stop it, and choose another one, or ask the "
			    "administrator." },
	{ "AccountNotAllowed", "Its account may not use this part of the "
			       "cluster: stop it, and choose another one, or "
			       "ask the administrator." },
	{ "InvalidQOS", "The cluster does not let it use its quality of "
			"service any more: stop it, and choose another one, or "
			"ask the administrator." },
	{ "QOSNotAllowed", "Its quality of service may not use this part of "
			   "the cluster: stop it, and choose another one, or "
			   "ask the administrator." },
};

static const char *sentence_of(const char *reason)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (text_starts(reason, reasons[i].word))
			return reasons[i].sentence;
	return "The cluster has not given it a place yet.";
}

static const char budget[] =
	"What its %s may use in the course of time is used up or promised to "
	"others. Ask the administrator.";

void slurm_wait_sentence(const char *reason, char ret[SESSION_REASON_SIZE])
{
	const struct limit limit = limit_of(reason);
	const size_t size = SESSION_REASON_SIZE;

	switch (limit.kind) {
	case LIMIT_NONE:
		snprintf(ret, size, "%s", sentence_of(reason));
		break;
	case LIMIT_TOTAL:
		snprintf(ret, size,
			 "With it, its %s would have more %s at once than it "
			 "may: it waits until others have ended. If none are "
			 "there, stop it and ask for less.",
			 limit.whose, limit.what);
		break;
	case LIMIT_COUNT:
	case LIMIT_SUBMIT:
		snprintf(ret, size,
			 "As many jobs as its %s may have at once run already: "
			 "it waits until one of them has ended.",
			 limit.whose);
		break;
	case LIMIT_BUDGET:
		snprintf(ret, size, budget, limit.whose);
		break;
	case LIMIT_JOB:
		snprintf(ret, size,
			 "It asks for more %s than its %s lets one machine "
			 "have, and will not start: stop it and ask for less.",
			 limit.what, limit.whose);
		break;
	case LIMIT_LEAST:
		snprintf(ret, size,
			 "Its %s wants more %s than it asks for, so it will not "
			 "start: stop it and ask for more.",
			 limit.whose, limit.what);
		break;
	case LIMIT_OTHER:
		snprintf(ret, size, "A limit of its %s is reached.",
			 limit.whose);
		break;
	}
}

/* ---- Refused ---- */

#define OR_ASK "Choose another one, or ask the administrator."

static const struct {
	const char *part;
	const char *sentence;
} refusals[] = {
	{ "Requested time limit is invalid",
	  "It asks for more time than this part of the cluster gives. Choose a "
	  "shorter lifetime." },
	{ "Requested node configuration is not available",
	  "No computer there has as many processors, as much memory or as many "
	  "graphics cards. Ask for less." },
	{ "More processors requested than permitted",
	  "No computer there has as many processors. Ask for less." },
	{ "Memory required by task is not available",
	  "No computer there has as much memory. Ask for less." },
	{ "group not permitted to use this partition",
	  "It may not use this part of the cluster. " OR_ASK },
	{ "partition not available (inactive or drain)",
	  "This part of the cluster takes no jobs now. Choose another one, or "
	  "try again later." },
};

static const char *known_refusal(const char *why)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (strstr(why, refusals[i].part))
			return refusals[i].sentence;
	return NULL;
}

/* Of a choice; false if it is about none. */
static bool choice_refused(const struct session *s, const char *why,
			   char ret[SESSION_REASON_SIZE])
{
	const size_t size = SESSION_REASON_SIZE;

	if (strstr(why, "Invalid account") && s->account[0])
		snprintf(ret, size,
			 "The cluster does not let it use the account %s%s%s. "
			 OR_ASK,
			 s->account, s->partition[0] ? " in the part " : "",
			 s->partition);
	else if (strstr(why, "Invalid account"))
		snprintf(ret, size, "The cluster has no account for it. Ask "
				    "the administrator for one.");
	else if (strstr(why, "Invalid qos") && s->qos[0])
		snprintf(ret, size,
			 "The cluster does not let it use the quality of "
			 "service %s. " OR_ASK,
			 s->qos);
	else if (strstr(why, "Invalid partition name") && s->partition[0])
		snprintf(ret, size,
			 "The cluster has no part %s. " OR_ASK, s->partition);
	else
		return false;
	return true;
}

static bool limit_refused(const char *why, char ret[SESSION_REASON_SIZE])
{
	const struct limit limit = limit_of(why);
	const size_t size = SESSION_REASON_SIZE;

	switch (limit.kind) {
	case LIMIT_NONE:
		return false;
	case LIMIT_COUNT:
	case LIMIT_SUBMIT:
		snprintf(ret, size,
			 "As many jobs as its %s may have run or wait already. "
			 "Try again when one of them has ended.",
			 limit.whose);
		break;
	case LIMIT_BUDGET:
		snprintf(ret, size, budget, limit.whose);
		break;
	case LIMIT_TOTAL:
	case LIMIT_JOB:
		snprintf(ret, size,
			 "It asks for more %s than its %s lets it have. Ask "
			 "for less.",
			 limit.what, limit.whose);
		break;
	case LIMIT_LEAST:
		snprintf(ret, size,
			 "Its %s wants more %s than it asks for. Ask for "
			 "more.",
			 limit.whose, limit.what);
		break;
	case LIMIT_OTHER:
		snprintf(ret, size, "A limit of its %s is reached.",
			 limit.whose);
		break;
	}
	return true;
}

void slurm_refusal_sentence(const struct session *s, const char *why,
			    char ret[SESSION_REASON_SIZE])
{
	const size_t size = SESSION_REASON_SIZE;
	const char *known = known_refusal(why);
	size_t len;

	if (known) {
		snprintf(ret, size, "%s", known);
	} else if (!choice_refused(s, why, ret) && !limit_refused(why, ret)) {
		snprintf(ret, size, "The cluster refused it: %s.",
			 *why ? why : "it did not say why");
		return;
	}
	len = strlen(ret);
	snprintf(ret + len, size - len, " (Slurm: %s)", why);
}
