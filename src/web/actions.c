#include "web/actions.h"

#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "run/control.h"
#include "session/admission.h"
#include "sys/hostload.h"
#include "web/order.h"
#include "web/page.h"

/* ---- Logins ---- */

/* A login of v->who begins; give_login() tells the visitor. */
static int begin_login(struct visit *v, char ret_cookie[LOGIN_COOKIE_SIZE],
		       struct err *e)
{
	if (visit_store(v, e) < 0)
		return -1;
	return login_start(&v->store, v->who.user, ret_cookie, e);
}

/* Send the cookie with the reply, if there is a new one. */
static void give_login(struct visit *v, const char *cookie)
{
	if (!cookie[0])
		return;
	reply_login_cookie(&v->reply, v->request.https, cookie);
	log_event("login", "result", "ok", "request", v->request.id, "remote",
		  v->request.remote, "user", v->who.user, NULL);
}

/* ---- Create ---- */

static int read_order(struct visit *v, struct session *s,
		      long long *ret_lifetime_s, struct err *e)
{
	struct hostload host;
	struct limits limits;

	if (!v->who.user[0])
		return err_field(e, "user", "Enter your user name.");
	if (hostload_read(&host, e) < 0)
		return -1;
	limits_of(&v->config, &host, &limits);
	if (order_read(&v->request.fields, &v->config, &limits, s,
		       ret_lifetime_s, e) < 0)
		return -1;
	memcpy(s->user, v->who.user, sizeof(s->user));
	request_link_origin(&v->request, &v->config, s->origin);
	return 0;
}

static void log_create(const struct visit *v, const struct session *s)
{
	char cpu[32];
	char memory[32];

	snprintf(cpu, sizeof(cpu), "%lld", s->cpu);
	snprintf(memory, sizeof(memory), "%lld", s->memory_mb);
	log_event("create", "result", "ok", "request", v->request.id, "remote",
		  v->request.remote, "user", s->user, "session", s->name,
		  "machine", s->machine, "cpu", cpu, "memory_mb", memory, NULL);
}

/*
 * From the reservation until the owner has taken over, the web server's
 * SIGTERM (the visitor went away, or it restarts) must not come in between.
 */
static void hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int reserve(struct visit *v, struct session *s, long long lifetime_s,
		   struct err *e)
{
	if (access_check(&v->who, ACTION_CREATE, NULL, e) < 0 ||
	    visit_store(v, e) < 0)
		return -1;
	hold_signals();
	v->launch_lock = admission_reserve(&v->store, s, lifetime_s, e);
	if (v->launch_lock < 0)
		return -1;
	v->launch = *s;
	log_create(v, s);
	return 0;
}

/* No reply could be made, so nobody would know of the session. */
static void unreserve(struct visit *v)
{
	struct err ignored = ERR_INIT;

	if (v->launch_lock < 0)
		return;
	(void)!store_forget(&v->store, v->launch.name, &ignored);
	close(TAKE_FD(v->launch_lock));
}

static int reply_created(struct visit *v, const struct session *s,
			 struct err *e)
{
	if (!v->request.wants_json) {
		page_see_other(v, "session=%s", s->name);
		return 0;
	}
	if (page_session_json(v, 201, s, e) < 0)
		return -1;
	reply_header(&v->reply, "Location", PAGE_CGI "?session=%s", s->name);
	return 0;
}

/* The login comes before the session: nobody could reach one without. */
static int create(struct visit *v, struct err *e)
{
	char cookie[LOGIN_COOKIE_SIZE] = "";
	struct session s = { .name = "" };
	struct err ignored = ERR_INIT;
	long long lifetime_s = 0;
	bool new_user;

	if (visit_identify(v, false, &new_user, e) < 0 ||
	    read_order(v, &s, &lifetime_s, e) < 0 ||
	    (new_user && begin_login(v, cookie, e) < 0))
		return -1;
	if (reserve(v, &s, lifetime_s, e) < 0 || reply_created(v, &s, e) < 0) {
		unreserve(v);
		if (cookie[0])
			(void)!login_end(&v->store, cookie, &ignored);
		return -1;
	}
	give_login(v, cookie);
	return 0;
}

/* What is wrong in the form is shown in the form. */
static int create_or_show(struct visit *v, struct err *e)
{
	struct err why = ERR_INIT;

	if (create(v, &why) == 0)
		return 0;
	if (v->request.wants_json || why.code != ERR_INPUT) {
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
	char cookie[LOGIN_COOKIE_SIZE] = "";
	bool new_user;

	if (visit_identify(v, true, &new_user, e) < 0)
		return -1;
	if (!v->who.user[0])
		return err_set(e, ERR_LOGIN,
			       "Enter your user name to see your desktops.");
	if (new_user && begin_login(v, cookie, e) < 0)
		return -1;
	if (!v->request.wants_json)
		page_see_other(v, "manage=1");
	else if (page_manage(v, e) < 0)
		return -1;
	give_login(v, cookie);
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

static int read_now(const struct visit *v, bool *ret, struct err *e)
{
	const char *text = form_get(&v->request.fields, "now");

	*ret = false;
	if (!text || text_bool(text, ret))
		return 0;
	return err_field(e, "now", "Now is yes or no.");
}

static int stop(struct visit *v, struct err *e)
{
	const char *name = form_get(&v->request.fields, "session_stop");
	struct session s;
	bool new_user;
	bool now;

	if (visit_identify(v, true, &new_user, e) < 0 ||
	    read_now(v, &now, e) < 0 ||
	    visit_session(v, name, ACTION_STOP, &s, e) < 0 ||
	    control_stop(&v->store, s.name, now, v->who.user, &s, e) < 0)
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

	if (visit_identify(v, true, &new_user, e) < 0)
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

/* ---- Which of them ---- */

static const struct {
	const char *field;
	int (*act)(struct visit *v, struct err *e);
	bool is_button; /* one with a value of no does not count */
} actions[] = {
	{ "session_stop", stop, false },
	{ "service_purge", stop_all, true },
	{ "manage", manage_or_show, true },
	{ "create", create_or_show, true },
};

static int check_names(const struct form *f, struct err *e)
{
	static const char *const known[] = {
		"user",		     "password",      "machine", "cpu",
		"memory",	     "gpu",	      "oneshot", "config_script",
		"snapshot_lifetime", "session_stop",  "now",	 "create",
		"fallback_servers",  "service_purge", "manage",
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
				 "service_purge.");
	return actions[chosen].act(v, e);
}
