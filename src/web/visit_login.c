/* Who is behind a login: by the web server, by the cookie, by a password. */
#include "web/visit.h"

#include <string.h>

#include "auth/attempt.h"
#include "base/log.h"
#include "base/text.h"
#include "web/cookie.h"

const char *visit_remote_user(const struct visit *v)
{
	return v->config.check_user_remote && !v->by_farm ?
		       v->request.remote_user :
		       NULL;
}

/* What a page's script looks up by itself is no use of the login. */
static void note_use(const struct visit *v)
{
	struct err e = ERR_INIT;

	if (v->request.by_script && v->request.method != METHOD_POST)
		return;
	if (login_use(&v->store, v->cookie, &e) < 0)
		log_error("login", &e);
}

static int recognise_cookie(struct visit *v, struct err *e)
{
	const char *name = reply_cookie_name(v->request.https);
	char cookie[COOKIE_VALUE_MAX + 1];
	struct err failure = ERR_INIT;

	if (!cookie_get(v->request.cookie, name, cookie))
		return 0;
	if (visit_store(v, e) < 0)
		return -1;
	if (login_find(&v->store, cookie, &v->who, &failure) == 0) {
		memcpy(v->cookie, cookie, sizeof(v->cookie));
		note_use(v);
		return 0;
	}
	if (failure.code == ERR_LOGIN)
		return 0;
	*e = failure;
	return -1;
}

/* The web server's word is newer than any cookie. */
static int recognise_remote(struct visit *v, const char *user, struct err *e)
{
	if (strcmp(v->who.user, user) == 0)
		return 0;
	v->who = (struct identity){ .user = "" };
	v->cookie[0] = '\0';
	if (!session_user_ok(user)) {
		log_auth("failure", "remote", v->request.remote, "bad-user",
			 user);
		return err_set(e, ERR_FORBIDDEN,
			       "You are logged in under a name that this "
			       "service does not take.");
	}
	if (*v->config.check_user_custom)
		return 0;
	snprintf(v->who.user, sizeof(v->who.user), "%s", user);
	snprintf(v->who.method, sizeof(v->who.method), "remote");
	v->who.admin = access_is_admin(&v->config, &v->who);
	return 0;
}

int visit_recognise(struct visit *v, struct err *e)
{
	const char *remote = visit_remote_user(v);

	v->who = (struct identity){ .user = "" };
	if (recognise_cookie(v, e) < 0)
		return -1;
	return remote ? recognise_remote(v, remote, e) : 0;
}

/* ---- A POST's user and password ---- */

static int check_user(const struct visit *v, const char *user, struct err *e)
{
	const char *remote = visit_remote_user(v);

	if (!*user)
		return err_field(e, "user", "Enter your user name.");
	if (!session_user_ok(user))
		return err_field(e, "user",
				 "This cannot be a user name. Use letters, "
				 "digits and . _ - + @, at most %d, and begin "
				 "with a letter or a digit.",
				 SESSION_USER_SIZE - 1);
	if (remote && strcmp(remote, user) != 0)
		return err_field(e, "user", "You are logged in as %s.", remote);
	return 0;
}

static int check_password(const char *password, struct err *e)
{
	if (strlen(password) > AUTH_PASSWORD_MAX)
		return err_field(e, "password",
				 "The password is longer than %d bytes.",
				 AUTH_PASSWORD_MAX);
	if (text_has_control(password))
		return err_field(e, "password",
				 "The password holds a control character.");
	return 0;
}

/* The user that the form names; NULL if it names none. */
static const char *named_user(const struct visit *v)
{
	const char *user = form_get(&v->request.fields, "user");

	return user && *user ? user : NULL;
}

int visit_check_fields(const struct visit *v, bool empty_is_none,
		       struct err *e)
{
	const char *user = form_get(&v->request.fields, "user");
	const char *password = form_get(&v->request.fields, "password");

	if (user && (*user || !empty_is_none) && check_user(v, user, e) < 0)
		return -1;
	return password ? check_password(password, e) : 0;
}

static void log_attempt(const struct visit *v, const char *user,
			const struct auth_result *r)
{
	if (r->verdict != AUTH_ACCEPTED)
		log_auth(r->verdict == AUTH_OUTAGE ? "error" : "failure",
			 r->method, v->request.remote, r->reason, user);
}

static int attempt(struct visit *v, const struct auth_request *r,
		   struct err *e)
{
	struct auth_result result;
	int answer;

	if (visit_store(v, e) < 0)
		return -1;
	answer = attempt_login(&v->store, r, &result, e);
	if (answer == 0)
		v->who = result.who;
	else if (e->code == ERR_LOGIN || e->code == ERR_BUSY ||
		 e->code == ERR_THROTTLED)
		log_attempt(v, r->user, &result);
	return answer;
}

/* Logins are not checked: it is whoever says so. */
static void believe(struct visit *v, const char *user, bool *ret_new)
{
	*ret_new = strcmp(user, v->who.user) != 0;
	v->who = (struct identity){ .user = "" };
	snprintf(v->who.user, sizeof(v->who.user), "%s", user);
}

int visit_identify(struct visit *v, const json_t *order, bool *ret_new,
		   struct err *e)
{
	const char *remote = visit_remote_user(v);
	const char *user = remote ? remote : named_user(v);
	const char *password = form_get(&v->request.fields, "password");
	struct auth_request r = {
		.config = &v->config,
		.user = user,
		.password = password ? password : "",
		.remote = remote,
		.rhost = v->request.remote,
		.order = order,
	};

	*ret_new = false;
	if (!user)
		return 0;
	if (!access_logins_checked(&v->config)) {
		believe(v, user, ret_new);
		return 0;
	}
	if ((remote || !*r.password) && strcmp(user, v->who.user) == 0)
		return 0;
	if (attempt(v, &r, e) < 0)
		return -1;
	*ret_new = true;
	return 0;
}

/* ---- Logins ---- */

int visit_begin_login(struct visit *v, struct err *e)
{
	if (visit_store(v, e) < 0 ||
	    login_start(&v->store, &v->who, v->new_cookie, e) < 0)
		return -1;
	if (!v->cookie[0])
		return 0;
	if (login_end(&v->store, v->cookie, e) < 0)
		return -1;
	v->cookie[0] = '\0';
	return 0;
}

int visit_end_login(struct visit *v, struct err *e)
{
	if (v->cookie[0] && login_end(&v->store, v->cookie, e) < 0)
		return -1;
	if (v->new_cookie[0] && login_end(&v->store, v->new_cookie, e) < 0)
		return -1;
	v->cookie[0] = v->new_cookie[0] = '\0';
	v->who = (struct identity){ .user = "" };
	return 0;
}

void visit_give_cookie(struct visit *v)
{
	if (!v->new_cookie[0])
		return;
	reply_login_cookie(&v->reply, v->request.https, v->new_cookie);
	log_event("login", "result", "ok", "request", v->request.id, "remote",
		  v->request.remote, "method",
		  v->who.method[0] ? v->who.method : "none", "user",
		  v->who.user, NULL);
}
