#include "web/extend.h"

#include "base/log.h"
#include "base/text.h"
#include "run/control.h"
#include "session/lifetime.h"
#include "sys/clock.h"
#include "web/page.h"

static int read_seconds(const struct visit *v, long long *ret, struct err *e)
{
	const char *text = form_get(&v->request.fields, "snapshot_lifetime");
	const struct config *c = &v->config;

	*ret = LIFETIME_LONGEST;
	if (!text || !*text || text_long(text, 0, c->snapshot_lifetime, ret))
		return 0;
	return err_field(e, "snapshot_lifetime",
			 "The time is a whole number of seconds, from %d to "
			 "%lld.",
			 LIFETIME_MIN_S, c->snapshot_lifetime);
}

int extend_session(struct visit *v, struct err *e)
{
	const char *name = form_get(&v->request.fields, "session_extend");
	struct session s;
	long long seconds;
	bool new_user;

	if (visit_check_fields(v, true, e) < 0 ||
	    read_seconds(v, &seconds, e) < 0 ||
	    visit_check_name(name, e) < 0 ||
	    visit_identify(v, NULL, &new_user, e) < 0 ||
	    visit_session(v, name, ACTION_EXTEND, &s, e) < 0 ||
	    control_extend(&v->store, s.name, seconds, v->who.user, &s, e) < 0)
		return -1;
	log_event("extend", "result", "ok", "request", v->request.id, "remote",
		  v->request.remote, "user", v->who.user, "session", s.name,
		  NULL);
	if (v->request.wants_json)
		return page_session_json(v, 200, &s, e);
	page_see_other(v, "session=%s", s.name);
	return 0;
}

json_t *extend_offer(const struct visit *v, const struct session *s)
{
	bool no_end = v->config.snapshot_unlimited && s->ends &&
		      s->state < SESSION_STOPPING;
	struct err ignored = ERR_INIT;
	char text[32] = "";
	long long seconds;

	seconds = lifetime_offer_s(&v->config, s, clock_boot_ms());
	if ((!seconds && !no_end) ||
	    access_check(&v->who, ACTION_EXTEND, s, &ignored) < 0)
		return json_null();
	if (seconds)
		clock_duration(seconds, text, sizeof(text));
	return json_pack("{ss sb}", "text", text, "no_end", (int)no_end);
}
