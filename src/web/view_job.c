/* Where a session's job is in the cluster, in words. */
#include "farm/slurm_words.h"
#include "sys/clock.h"
#include "web/view.h"

static json_t *why(const struct session *s)
{
	char sentence[SESSION_REASON_SIZE];

	slurm_wait_sentence(s->job_reason, sentence);
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
