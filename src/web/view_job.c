/* Where a session's job is in the cluster, in words. */
#include <string.h>

#include "base/text.h"
#include "sys/clock.h"
#include "web/view.h"

/* Slurm's words for why a job waits (squeue(1), JOB REASON CODES). */
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
	{ "QOS", "A limit of its quality of service is reached." },
	{ "Assoc", "A limit of its account on the cluster is reached." },
	{ "MaxJobs", "A limit of jobs on the cluster is reached." },
};

static const char *sentence_of(const char *reason)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (text_starts(reason, reasons[i].word))
			return reasons[i].sentence;
	return "The cluster has not given it a place yet.";
}

static json_t *why(const struct session *s)
{
	const char *sentence = sentence_of(s->job_reason);

	return s->job_reason[0] ? json_sprintf("%s (Slurm: %s)", sentence,
					       s->job_reason) :
				  json_string(sentence);
}

static json_t *start_text(const struct session *s)
{
	char text[32];

	if (!s->job_start)
		return json_null();
	clock_human(s->job_start, text, sizeof(text));
	return json_string(text);
}

json_t *view_job(const struct session *s)
{
	if (!s->job)
		return json_null();
	return json_pack("{sI ss? sb ss? so so sb sb}", "number",
			 (json_int_t)s->job, "node",
			 s->node[0] ? s->node : NULL, "waits",
			 (int)(s->state == SESSION_QUEUED), "reason",
			 s->job_reason[0] ? s->job_reason : NULL, "why", why(s),
			 "start_text", start_text(s), "away",
			 (int)s->job_away, "display_away",
			 (int)(s->display_away &&
			       s->state == SESSION_RUNNING));
}
