#include "web/visit.h"

#include <string.h>

#include "base/log.h"
#include "run/launch.h"
#include "web/cookie.h"

enum { PASSWORD_MAX = 1024 };

int visit_store(struct visit *v, struct err *e)
{
	return v->store.dir >= 0 ? 0 : store_open(&v->config, &v->store, e);
}

int visit_recognise(struct visit *v, struct err *e)
{
	const char *name = reply_cookie_name(v->request.https);
	char cookie[COOKIE_VALUE_MAX + 1];
	struct err failure = ERR_INIT;

	v->who = (struct identity){ .user = "" };
	if (!cookie_get(v->request.cookie, name, cookie))
		return 0;
	if (visit_store(v, e) < 0)
		return -1;
	if (login_find(&v->store, cookie, &v->who, &failure) == 0 ||
	    failure.code == ERR_LOGIN)
		return 0;
	*e = failure;
	return -1;
}

static int check_user(const char *user, struct err *e)
{
	if (!*user)
		return err_field(e, "user", "Enter your user name.");
	if (!session_user_ok(user))
		return err_field(e, "user",
				 "This cannot be a user name: it is too long, "
				 "or holds characters that names do not have.");
	return 0;
}

/* Is it really this user?  Without logins to check, whoever says so. */
static int check_password(const struct visit *v, const char *user,
			  struct err *e)
{
	if (access_logins_checked(&v->config))
		return err_set(e, ERR_LOGIN, "%s could not be logged in.",
			       user);
	return 0;
}

int visit_identify(struct visit *v, bool empty_is_none, bool *ret_new,
		   struct err *e)
{
	const char *user = form_get(&v->request.fields, "user");
	const char *password = form_get(&v->request.fields, "password");

	*ret_new = false;
	if (user && !*user && empty_is_none)
		user = NULL;
	if (user && check_user(user, e) < 0)
		return -1;
	if (password && strlen(password) > PASSWORD_MAX)
		return err_field(e, "password",
				 "The password is longer than %d bytes.",
				 PASSWORD_MAX);
	if (!user)
		return 0;
	if (check_password(v, user, e) < 0)
		return -1;
	*ret_new = strcmp(user, v->who.user) != 0;
	v->who = (struct identity){
		.admin = access_is_admin(&v->config, user),
	};
	memcpy(v->who.user, user, strlen(user) + 1);
	return 0;
}

int visit_session(struct visit *v, const char *name, enum action action,
		  struct session *ret, struct err *e)
{
	if (!v->who.user[0])
		return err_set(e, ERR_LOGIN,
			       "Tell us who you are to see this desktop.");
	if (visit_store(v, e) < 0)
		return -1;
	if (store_read_true(&v->store, name, ret, e) < 0)
		return e->code != ERR_NOT_FOUND ?
			       -1 :
			       err_set(e, ERR_NOT_FOUND,
				       "There is no such desktop. It has "
				       "ended a while ago, or its address is "
				       "mistyped.");
	if (access_check(&v->who, action, ret, e) < 0)
		return e->code != ERR_FORBIDDEN ?
			       -1 :
			       err_set(e, ERR_FORBIDDEN,
				       "This desktop belongs to somebody "
				       "else.");
	return 0;
}

void visit_launch(struct visit *v)
{
	struct err e = ERR_INIT;

	if (v->launch_lock < 0)
		return;
	if (launch_owner(&v->store, &v->launch, v->launch_lock, NULL, &e) < 0)
		log_error("launch", &e);
	close(TAKE_FD(v->launch_lock));
}

void visit_release(struct visit *v)
{
	if (v->launch_lock >= 0)
		close(v->launch_lock);
	request_release(&v->request);
	store_release(&v->store);
	reply_release(&v->reply);
	config_release(&v->config);
}
