/* One session: what happens, how to reach it, how to stop it. */
#include "web/page.h"

#include <string.h>

#include "sys/clock.h"
#include "sys/json.h"
#include "vm/display.h"
#include "web/extend.h"
#include "web/qr.h"
#include "web/view.h"

enum {
	QR_MAX = 512 * 1024,
	REFRESH_SOON_S = 2,
	REFRESH_RUNNING_S = 30,
};

static json_t *progress_value(const struct session *s)
{
	return json_pack("{so so}", "steps", view_steps(s), "failure",
			 view_failure(s));
}

int page_session_json(struct visit *v, int status, const struct session *s,
		      struct err *e)
{
	AUTO_FREE char *url = display_url(&v->config, s);

	return page_json(v, status,
			 json_pack("{so so}", "session",
				   session_to_public(s, url), "progress",
				   progress_value(s)),
			 e);
}

/* Templates cannot compare: a flag for each status of a step. */
static int add_flags(json_t *step)
{
	static const char *const statuses[] = { "done", "active", "waiting",
						"failed" };
	const char *status = json_string_value(json_object_get(step, "status"));
	int failed = !status;

	for (size_t i = 0; i < ARRAY_LEN(statuses) && !failed; i++)
		failed = json_object_set_new(
			step, statuses[i],
			json_boolean(strcmp(status, statuses[i]) == 0));
	return failed;
}

static json_t *steps_with_flags(const struct session *s)
{
	json_t *steps = view_steps(s);
	int failed = !steps;

	for (size_t i = 0; i < json_array_size(steps) && !failed; i++)
		failed = add_flags(json_array_get(steps, i));
	if (!failed)
		return steps;
	json_decref(steps);
	return NULL;
}

/* The code of the link, where it is shown. */
static json_t *qr_value(const char *url)
{
	AUTO_BUF struct buf image = BUF_INIT(QR_MAX);
	struct err e = ERR_INIT;

	if (!url || qr_data_url(url, &image, &e) < 0)
		return json_null(); /* the link itself stands beside it */
	return json_string(buf_str(&image));
}

static json_t *ends_text(const struct session *s)
{
	char text[32];

	/* On a cluster its lifetime counts from its job's start. */
	if (s->state == SESSION_QUEUED ||
	    (s->state == SESSION_STARTING && !s->ends))
		return json_string("Its time begins when it starts");
	if (!s->ends)
		return json_string("When you stop it");
	clock_human(session_ends(s), text, sizeof(text));
	return json_string(text);
}

/* A session in a state below `before`. */
static bool may_stop(const struct visit *v, const struct session *s,
		     enum session_state before)
{
	struct err ignored = ERR_INIT;

	return s->state < before &&
	       access_check(&v->who, ACTION_STOP, s, &ignored) == 0;
}

/* For layout_level = 2. */
static json_t *technical(const struct session *s)
{
	return json_pack("{ss ss ss ss}", "image", s->machine, "format",
			 s->format, "accelerator", s->kvm ? "KVM" : "TCG",
			 "network", s->network[0] ? s->network : "not yet");
}

static json_t *view_value(const struct visit *v, const struct session *s,
			  const char *url, bool confirm)
{
	bool running = s->state == SESSION_RUNNING;

	return json_pack(
		"{ss? sb ss ss ss sb sb sb sb sb so so so so so so sb sb sb so so "
		"so so so}",
		"notice", s->notice[0] ? s->notice : NULL,
		"stands_still", (int)session_stands_still(s),
		"machine_title", view_machine_title(s),
		"state_title", view_state_title(s),
		"state_text", view_state_text(s),
		"live", !session_is_final(s),
		"running", running,
		"stopping", s->state == SESSION_STOPPING,
		"ended", s->state == SESSION_ENDED,
		"failed", s->state == SESSION_FAILED,
		"steps", steps_with_flags(s),
		"failure", view_failure(s),
		"qr", qr_value(running && !confirm ? url : NULL),
		"started_text", view_started(s),
		"ends_text", ends_text(s),
		"time_left", view_time_left(s),
		"can_stop", may_stop(v, s, SESSION_STOPPING),
		"can_stop_now", s->state == SESSION_STOPPING &&
			may_stop(v, s, SESSION_ENDED),
		"confirm_stop", confirm,
		"url_stop", json_sprintf(PAGE_CGI "?session=%s&confirm=stop",
					 s->name),
		"url_self", json_sprintf(PAGE_CGI "?session=%s", s->name),
		"technical", technical(s),
		"extend", extend_offer(v, s), "job", view_job(s));
}

static int refresh_of(const struct session *s, bool confirm)
{
	if (session_is_final(s) || confirm)
		return 0;
	return s->state == SESSION_RUNNING ? REFRESH_RUNNING_S : REFRESH_SOON_S;
}

static int session_html(struct visit *v, const struct session *s,
			bool confirm, struct err *e)
{
	AUTO_FREE char *url = display_url(&v->config, s);
	json_t *value = json_pack("{so so}", "session",
				  session_to_public(s, url), "view",
				  view_value(v, s, url, confirm));

	return page_html(v, 200, "session.html", view_state_title(s),
			 refresh_of(s, confirm), value, e);
}

int page_session(struct visit *v, struct err *e)
{
	const char *name = form_get(&v->request.query, "session");
	const char *confirm = form_get(&v->request.query, "confirm");
	struct session s;

	if (visit_session(v, name ? name : "", ACTION_VIEW, &s, e) < 0)
		return -1;
	if (v->request.wants_json)
		return page_session_json(v, 200, &s, e);
	return session_html(v, &s, confirm && strcmp(confirm, "stop") == 0, e);
}
