#include "web/actions.h"

#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "run/control.h"
#include "sys/json.h"
#include "web/create.h"
#include "web/extend.h"
#include "web/farm.h"
#include "web/mail_login.h"
#include "web/order.h"
#include "web/page.h"

/* ---- Create ---- */

/* Who asks, by the posted fields; and a login, if it is a new visitor. */
static int identify(struct visit *v, const json_t *order, struct err *e)
{
	bool new_user;

	if (visit_identify(v, order, &new_user, e) < 0)
		return -1;
	return new_user ? visit_begin_login(v, e) : 0;
}

/* Nobody is known, and nobody is named: then nothing else matters. */
static int expect_somebody(const struct visit *v, struct err *e)
{
	if (v->who.user[0] || visit_remote_user(v) ||
	    form_get(&v->request.fields, "user"))
		return 0;
	if (access_logins_checked(&v->config))
		return err_set(e, ERR_LOGIN, "Log in to create a desktop.");
	return err_field(e, "user", "Enter your user name.");
}

static int identify_owner(struct visit *v, struct session *s,
			  long long lifetime_s, struct err *e)
{
	AUTO_JSON json_t *order = order_value(&v->request.fields, s,
					      lifetime_s);

	if (!order)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (identify(v, order, e) < 0)
		return -1;
	memcpy(s->user, v->who.user, sizeof(s->user));
	return 0;
}

/* The login comes before the session: nobody could reach one without. */
static int create(struct visit *v, struct err *e)
{
	struct session s = { .name = "" };
	struct err ignored = ERR_INIT;
	long long lifetime_s = 0;

	if (visit_check_fields(v, false, e) < 0 || expect_somebody(v, e) < 0 ||
	    create_read_order(v, &s, &lifetime_s, e) < 0)
		return -1;
	if (mail_login_wanted(v))
		return mail_login_ask(v, TICKET_CREATE, e);
	if (identify_owner(v, &s, lifetime_s, e) < 0)
		return -1;
	if (create_place(v, &s, lifetime_s, e) == 0)
		return 0;
	/* A login that was checked is good for another try. */
	if (v->new_cookie[0] && !access_logins_checked(&v->config))
		(void)!visit_end_login(v, &ignored);
	return -1;
}

/* What is wrong in the form is shown in the form. */
static int create_or_show(struct visit *v, struct err *e)
{
	struct err why = ERR_INIT;

	if (create(v, &why) == 0)
		return 0;
	if (v->request.wants_json ||
	    (why.code != ERR_INPUT && why.code != ERR_LOGIN &&
	     strcmp(why.field, "machine") != 0)) {
		*e = why;
		return -1;
	}
	log_event("refused", "request", v->request.id, "remote",
		  v->request.remote, "error", err_name(why.code), "field",
		  why.field, "message", why.msg, NULL);
	return page_form_refused(v, &why, e);
}

/* ---- Manage ---- */

static int manage(struct visit *v, struct err *e)
{
	if (visit_check_fields(v, true, e) < 0)
		return -1;
	if (mail_login_wanted(v))
		return mail_login_ask(v, TICKET_MANAGE, e);
	if (identify(v, NULL, e) < 0)
		return -1;
	if (!v->who.user[0])
		return err_set(e, ERR_LOGIN,
			       "Enter your user name to see your desktops.");
	if (v->request.wants_json)
		return page_manage(v, e);
	page_see_other(v, "manage=1");
	return 0;
}

static int manage_or_show(struct visit *v, struct err *e)
{
	struct err why = ERR_INIT;

	if (manage(v, &why) == 0)
		return 0;
	if (v->request.wants_json || why.code != ERR_INPUT) {
		*e = why;
		return -1;
	}
	return page_login(v, &why, e);
}

/* ---- Stop ---- */

static void log_stop(const struct visit *v, const struct session *s)
{
	log_event("stop", "result", "ok", "request", v->request.id, "remote",
		  v->request.remote, "user", v->who.user, "session", s->name,
		  NULL);
}

static int connect(struct visit *v, struct err *e)
{
	bool new_user;

	if (visit_check_fields(v, true, e) < 0 ||
	    visit_identify(v, NULL, &new_user, e) < 0)
		return -1;
	return farm_connect(v, e);
}

static int read_now(const struct visit *v, bool *ret, struct err *e)
{
	const char *text = form_get(&v->request.fields, "now");

	*ret = false;
	if (!text || text_bool(text, ret))
		return 0;
	return err_field(e, "now", "Now is yes or no.");
}

/* The owner reads what he was sent when he can: one that looks after a job
 * waits for the cluster's file system, where that is away. */
static int stop(struct visit *v, bool now, struct session *s, struct err *e)
{
	if (control_stop(&v->store, s->name, now, v->who.user, s, e) == 0)
		return 0;
	return e->code != ERR_TIMEOUT ?
		       -1 :
		       err_set(e, ERR_CONFLICT,
			       "The machine does not answer now; it is stopped "
			       "as soon as it does. Look again in a minute.");
}

int actions_stop(struct visit *v, struct err *e)
{
	const char *name = form_get(&v->request.fields, "session_stop");
	struct session s;
	bool new_user;
	bool now;

	if (visit_check_fields(v, true, e) < 0 || read_now(v, &now, e) < 0 ||
	    visit_check_name(name, e) < 0 ||
	    visit_identify(v, NULL, &new_user, e) < 0)
		return -1;
	if (form_get(&v->request.fields, "server"))
		return farm_stop(v, now, e);
	if (visit_session(v, name, ACTION_STOP, &s, e) < 0 ||
	    stop(v, now, &s, e) < 0)
		return -1;
	log_stop(v, &s);
	if (v->request.wants_json)
		return page_session_json(v, 200, &s, e);
	page_see_other(v, "session=%s", s.name);
	return 0;
}

/* One that cannot be stopped does not keep the others alive. */
static int stop_each(struct visit *v, const struct session_list *list,
		     struct err *e)
{
	int result = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct err one = ERR_INIT;
		struct session s;

		if (session_is_final(&list->list[i]))
			continue;
		if (control_stop(&v->store, list->list[i].name, true,
				 v->who.user, &s, &one) == 0) {
			log_stop(v, &s);
		} else if (one.code != ERR_NOT_FOUND) {
			*e = one;
			result = -1;
		}
	}
	return result;
}

static int stop_all(struct visit *v, struct err *e)
{
	AUTO_SESSION_LIST struct session_list list = { 0 };
	struct err failure = ERR_INIT;
	bool new_user;

	if (visit_check_fields(v, true, e) < 0 ||
	    visit_identify(v, NULL, &new_user, e) < 0)
		return -1;
	if (access_check(&v->who, ACTION_STOP_ALL, NULL, &failure) < 0)
		return err_set(e, failure.code,
			       failure.code == ERR_LOGIN ?
				       "Tell us who you are first." :
				       "Only an administrator may stop the "
				       "desktops of others.");
	if (visit_store(v, e) < 0 ||
	    store_list(&v->store, NULL, &list, e) < 0 ||
	    stop_each(v, &list, e) < 0)
		return -1;
	if (v->request.wants_json)
		return page_manage(v, e);
	page_see_other(v, "manage=1");
	return 0;
}

/* ---- Log out ---- */

static int log_out(struct visit *v, struct err *e)
{
	struct identity who = v->who;

	if (visit_end_login(v, e) < 0)
		return -1;
	if (v->request.wants_json) {
		if (page_json(v, 200, json_pack("{sn}", "user"), e) < 0)
			return -1;
	} else {
		reply_reset(&v->reply, 303, NULL);
		reply_header(&v->reply, "Location", PAGE_HOME);
	}
	reply_forget_login(&v->reply, v->request.https);
	log_event("logout", "result", "ok", "request", v->request.id, "remote",
		  v->request.remote, "user", who.user, NULL);
	return 0;
}

/* ---- Which of them ---- */

static const struct {
	const char *field;
	int (*act)(struct visit *v, struct err *e);
	bool is_button; /* one with a value of no does not count */
} actions[] = {
	{ "session_stop", actions_stop, false },
	{ "session_extend", extend_session, false },
	{ "session_connect", connect, false },
	{ "service_purge", stop_all, true },
	{ "logout", log_out, true },
	{ "manage", manage_or_show, true },
	{ "create", create_or_show, true },
};

static int check_names(const struct form *f, struct err *e)
{
	static const char *const known[] = {
		"user",		     "password",      "machine", "cpu",
		"memory",	     "gpu",	      "oneshot", "config_script",
		"snapshot_lifetime", "session_stop",  "now",	 "create",
		"fallback_servers",  "service_purge", "manage",	 "logout",
		"ticket",	     "mail_me",	      "disk",	 "account",
		"partition",	     "qos",
		"session_extend",    "farm",	      "session_connect",
		"server",	     "order",
	};

	for (size_t i = 0; i < f->count; i++) {
		bool found = false;

		for (size_t k = 0; k < ARRAY_LEN(known) && !found; k++)
			found = strcmp(f->fields[i].name, known[k]) == 0;
		if (!found)
			return err_field(e, f->fields[i].name,
					 "%s is not a field of this form.",
					 f->fields[i].name);
	}
	return 0;
}

static bool is_asked(const struct form *f, size_t action)
{
	const char *value = form_get(f, actions[action].field);
	bool pressed = true;

	if (!value || !actions[action].is_button)
		return value != NULL;
	/* Whatever a button says, but for "no". */
	return *value && (!text_bool(value, &pressed) || pressed);
}

int actions_post(struct visit *v, struct err *e)
{
	const struct form *f = &v->request.fields;
	const char *machine = form_get(f, "machine");
	size_t chosen = ARRAY_LEN(actions);

	if (check_names(f, e) < 0)
		return -1;
	if (form_get(f, "farm"))
		return farm_serve(v, e);
	if (form_get(f, "ticket"))
		return farm_is_ticket(form_get(f, "ticket")) ?
			       farm_enter(v, form_get(f, "ticket"), e) :
			       mail_login_use(v, e);
	/* Old forms have the list of sessions among their machines. */
	if (machine && strcmp(machine, "monitor") == 0)
		return manage_or_show(v, e);
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (!is_asked(f, i))
			continue;
		if (chosen != ARRAY_LEN(actions))
			return err_field(e, actions[i].field,
					 "%s and %s cannot be asked for "
					 "together.",
					 actions[chosen].field,
					 actions[i].field);
		chosen = i;
	}
	if (chosen == ARRAY_LEN(actions))
		return err_field(e, "create",
				 "Nothing is asked for: there is none of "
				 "create, manage, session_stop, "
				 "session_extend, session_connect, "
				 "service_purge, logout.");
	return actions[chosen].act(v, e);
}
