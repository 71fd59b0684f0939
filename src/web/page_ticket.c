/* What a mailed link leads to: what it stands for, and a button.  Following
 * the link, however often, changes nothing. */
#include "web/farm.h"
#include "web/mail_login.h"
#include "web/page.h"

#include "sys/clock.h"
#include "sys/json.h"

static json_t *expires_value(const struct ticket *t)
{
	char text[32];

	clock_rfc3339(t->expires, text, sizeof(text));
	return json_string(text);
}

/* For programs: the ticket's order in the units of the form's JSON. */
static json_t *json_value(const struct ticket *t,
			  const struct letter_order *order, const char *script)
{
	json_t *what = order ? json_pack("{ss sI sI sI}", "machine",
					 order->session->machine, "cpu",
					 (json_int_t)order->session->cpu,
					 "memory_mb",
					 (json_int_t)order->session->memory_mb,
					 "snapshot_lifetime",
					 (json_int_t)order->lifetime_s) :
			       json_null();

	if (what && script)
		json_object_set_new(what, "config_script", json_string(script));
	return json_pack("{s{ss ss so so}}", "ticket", "user", t->user,
			 "purpose", order ? "create" : "manage", "expires",
			 expires_value(t), "order", what);
}

static json_t *html_value(const struct ticket *t, const char *token,
			  const struct letter_order *order, const char *script)
{
	char left[32];
	long long seconds = t->expires - clock_wall();

	clock_duration(seconds > 0 ? seconds : 0, left, sizeof(left));
	return json_pack("{ss? ss ss so ss}", "script", script, "token", token, "address", t->user,
			 "order", letter_order_value(order), "left", left);
}

int page_ticket(struct visit *v, struct err *e)
{
	const char *token = form_get(&v->request.query, "ticket");
	AUTO_TICKET struct ticket t = TICKET_INIT;
	struct session s = { .name = "" };
	struct letter_order order;
	const struct letter_order *shown = NULL;
	const char *script = NULL;

	if (token && farm_is_ticket(token))
		return farm_enter(v, token, e);
	if (visit_store(v, e) < 0 ||
	    ticket_look(&v->store, token ? token : "", &t, e) < 0)
		return -1;
	if (t.purpose == TICKET_CREATE) {
		if (mail_login_order(v, &t, &s, &order, e) < 0)
			return -1;
		shown = &order;
		/* Whoever presses the button answers for it: they read it. */
		script = form_get(&v->request.fields, "config_script");
		if (script && !*script)
			script = NULL;
	}
	if (v->request.wants_json)
		return page_json(v, 200, json_value(&t, shown, script), e);
	return page_html(v, 200, "ticket.html",
			 shown ? "Create your desktop" : "See your desktops", 0,
			 html_value(&t, token, shown, script), e);
}
