/*
 * A visit: one request on its way through this program, with all that the
 * pages and actions need to answer it.
 */
#ifndef QWD_WEB_VISIT_H
#define QWD_WEB_VISIT_H

#include <jansson.h>

#include "auth/login.h"
#include "conf/options.h"
#include "farm/assertion.h"
#include "session/access.h"
#include "session/store.h"
#include "web/reply.h"
#include "web/request.h"

struct visit {
	struct config config;
	struct request request;
	struct store store;    /* only after visit_store() */
	struct identity who;   /* user "" for nobody */
	char cookie[LOGIN_COOKIE_SIZE]; /* of the login that `who` is from */
	char new_cookie[LOGIN_COOKIE_SIZE]; /* to be given with the reply */
	bool by_farm; /* another server asks for `who` (web/farm_serve.c) */
	const struct assertion *order; /* to create, while it is served */
	struct reply reply;
	struct session launch; /* to be launched once the reply is sent, */
	int launch_lock;       /* if this is not -1: its lock */
	int launch_order;      /* script_order_make()'s, or -1 */
};

#define AUTO_VISIT __attribute__((cleanup(visit_release)))
#define VISIT_INIT                                                             \
	{ .request = REQUEST_INIT, .store = STORE_INIT, .reply = REPLY_INIT,   \
	  .launch_lock = -1, .launch_order = -1 }

/* Open the store, unless it is open. */
MUST_CHECK int visit_store(struct visit *v, struct err *e);

/*
 * Who asks goes to v->who: whom the web server has checked (check_user_remote)
 * or whom the cookie stands for; nobody if there is neither, or the cookie
 * stands for no login.  Where a program of the site's has a say
 * (check_user_custom), whom the web server has checked is nobody either until
 * visit_identify() has asked it.  Fails only if it cannot be found out, or if
 * the web server's name for the user cannot be one (ERR_FORBIDDEN).
 */
MUST_CHECK int visit_recognise(struct visit *v, struct err *e);

/* Whom the web server has checked, where that counts; else NULL. */
const char *visit_remote_user(const struct visit *v);

/*
 * Look at the fields `user` and `password` of a POST, without asking anybody:
 * to be called before anything else is.  An empty user is ERR_INPUT, or with
 * `empty_is_none` the same as none.
 */
MUST_CHECK int visit_check_fields(const struct visit *v, bool empty_is_none,
				  struct err *e);

/*
 * Who asks, by these fields, which are checked, goes to v->who; where there is
 * no user, or no password and the user is the one of the cookie, it stays as
 * it is.  Where logins are checked, the password is checked by the chain of
 * authenticators, which may take seconds; so all other fields are validated
 * before.  `order` (may be NULL) is what is asked for, for the site's own
 * program.  *ret_new becomes true if a login is to begin: see
 * visit_begin_login().  ERR_LOGIN, ERR_THROTTLED, ERR_BUSY.
 */
MUST_CHECK int visit_identify(struct visit *v, const json_t *order,
			      bool *ret_new, struct err *e);

/* A login of v->who begins, and the one of the old cookie ends; the reply,
 * whatever it is, brings the new cookie. */
MUST_CHECK int visit_begin_login(struct visit *v, struct err *e);

/* The login of v->who ends, and nobody is v->who. */
MUST_CHECK int visit_end_login(struct visit *v, struct err *e);

/* Add the cookie of visit_begin_login(), if there is one, to the reply. */
void visit_give_cookie(struct visit *v);

/* ERR_NOT_FOUND, with a sentence, if no session can have this name. */
MUST_CHECK int visit_check_name(const char *name, struct err *e);

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
