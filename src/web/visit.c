#include "web/visit.h"

#include <string.h>

#include "base/log.h"
#include "run/launch.h"

int visit_store(struct visit *v, struct err *e)
{
	return v->store.dir >= 0 ? 0 : store_open(&v->config, &v->store, e);
}

static int no_session(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND,
		       "There is no such desktop. It has ended a while ago, "
		       "or its address is mistyped.");
}

int visit_check_name(const char *name, struct err *e)
{
	return session_name_ok(name) ? 0 : no_session(e);
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
			       no_session(e);
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
	if (launch_owner(&v->store, &v->launch, v->launch_lock,
			 v->launch_order, NULL, &e) < 0)
		log_error("launch", &e);
	close(TAKE_FD(v->launch_lock));
}

void visit_release(struct visit *v)
{
	if (v->launch_lock >= 0)
		close(v->launch_lock);
	if (v->launch_order >= 0)
		close(v->launch_order);
	request_release(&v->request);
	store_release(&v->store);
	reply_release(&v->reply);
	config_release(&v->config);
}
