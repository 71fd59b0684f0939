/*
 * The one rule for who may.  Exact equality of names, never patterns.
 */
#ifndef QWD_SESSION_ACCESS_H
#define QWD_SESSION_ACCESS_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/options.h"
#include "session/session.h"

/* Who asks.  `user` is "" for nobody. */
struct identity {
	char user[SESSION_USER_SIZE];
	bool admin;
};

enum action {
	ACTION_CREATE,
	ACTION_VIEW,   /* a session's page, its link to the display */
	ACTION_STOP,
	ACTION_MANAGE, /* the list of one's own sessions */
	ACTION_OVERSEE, /* everyone's sessions and the host's load */
	ACTION_STOP_ALL,
};

/* May `who` do this, to `s` where the action is about a session (else NULL)?
 * 0 if so; ERR_LOGIN if nobody asks, ERR_FORBIDDEN otherwise. */
MUST_CHECK int access_check(const struct identity *who, enum action action,
			    const struct session *s, struct err *e);

/* True if `user` stands in user_admin and logins are checked at all:
 * without an authenticator nobody is an administrator. */
bool access_is_admin(const struct config *c, const char *user);

/* True if a method of login is configured. */
bool access_logins_checked(const struct config *c);

#endif
