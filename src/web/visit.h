/*
 * A visit: one request on its way through this program, with all that the
 * pages and actions need to answer it.
 */
#ifndef QWD_WEB_VISIT_H
#define QWD_WEB_VISIT_H

#include "auth/login.h"
#include "conf/options.h"
#include "session/access.h"
#include "session/store.h"
#include "web/reply.h"
#include "web/request.h"

struct visit {
	struct config config;
	struct request request;
	struct store store;    /* only after visit_store() */
	struct identity who;   /* user "" for nobody */
	struct reply reply;
	struct session launch; /* to be launched once the reply is sent, */
	int launch_lock;       /* if this is not -1: its lock */
};

#define AUTO_VISIT __attribute__((cleanup(visit_release)))
#define VISIT_INIT                                                             \
	{ .request = REQUEST_INIT, .store = STORE_INIT, .reply = REPLY_INIT,   \
	  .launch_lock = -1 }

/* Open the store, unless it is open. */
MUST_CHECK int visit_store(struct visit *v, struct err *e);

/*
 * Who asks, by the cookie, goes to v->who: nobody if there is no cookie or it
 * stands for no login.  Fails only if that cannot be found out.
 */
MUST_CHECK int visit_recognise(struct visit *v, struct err *e);

/*
 * Who asks, by the fields `user` and `password` of a POST, goes to v->who;
 * where there is no user, it stays who the cookie says.  An empty user is
 * ERR_INPUT, or with `empty_is_none` the same as none.  *ret_new becomes true
 * if another is meant than the cookie says.  ERR_INPUT, ERR_LOGIN.
 */
MUST_CHECK int visit_identify(struct visit *v, bool empty_is_none,
			      bool *ret_new, struct err *e);

/* Read the session that v->who may `action`.  ERR_LOGIN, ERR_NOT_FOUND,
 * ERR_FORBIDDEN, each with a sentence for the visitor. */
MUST_CHECK int visit_session(struct visit *v, const char *name,
			     enum action action, struct session *ret,
			     struct err *e);

/*
 * Hand the session that this visit has reserved, if any, to its owner.  After
 * the reply: the visitor need not wait for it, and if it fails, the session's
 * page says so.
 */
void visit_launch(struct visit *v);

void visit_release(struct visit *v);

#endif
