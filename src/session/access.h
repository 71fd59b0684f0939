/*
 * The one rule for who may.  Exact equality of names, never patterns.
 */
#ifndef QWD_SESSION_ACCESS_H
#define QWD_SESSION_ACCESS_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/options.h"
#include "session/session.h"

enum {
	IDENTITY_MAIL_SIZE = 255,
	IDENTITY_GROUPS_SIZE = 8192,
	IDENTITY_METHOD_SIZE = 16,
};

/*
 * Who asks.  `user` is "" for nobody.  All members are plain values: copy
 * with =, nothing to release.
 */
struct identity {
	char user[SESSION_USER_SIZE];
	bool admin;
	char mail[IDENTITY_MAIL_SIZE]; /* "" if not known */
	/* How the user was checked: "ldap", "remote", ...; "" if not at all. */
	char method[IDENTITY_METHOD_SIZE];
	char groups[IDENTITY_GROUPS_SIZE]; /* each with '\n' behind it */
};

enum action {
	ACTION_CREATE,
	ACTION_VIEW,   /* a session's page, its link to the display */
	ACTION_STOP,
	ACTION_EXTEND, /* give it more time */
	ACTION_MANAGE, /* the list of one's own sessions */
	ACTION_OVERSEE, /* everyone's sessions and the host's load */
	ACTION_STOP_ALL,
};

/* May `who` do this, to `s` where the action is about a session (else NULL)?
 * 0 if so; ERR_LOGIN if nobody asks, ERR_FORBIDDEN otherwise. */
MUST_CHECK int access_check(const struct identity *who, enum action action,
			    const struct session *s, struct err *e);

/*
 * May `who` start a machine that machines.conf keeps for these users and
 * groups (exact names, separated by commas; both "": for everybody)?
 * Administrators may; where no login is checked, a machine that is kept for
 * anybody is nobody's.  0, or ERR_FORBIDDEN for field `machine`.
 */
MUST_CHECK int access_check_machine(const struct config *c,
				    const struct identity *who,
				    const char *users, const char *groups,
				    struct err *e);

/* True if user_admin has the user's name, or @ and one of the groups, and
 * logins are checked at all: without an authenticator nobody is an
 * administrator. */
bool access_is_admin(const struct config *c, const struct identity *who);

/* Make `group` one of who->groups.  One that is no name (empty, too long, or
 * with a control character or comma), or finds no room, is left out: groups
 * only ever give rights. */
void access_add_group(struct identity *who, const char *group);

/* True if a method of login is configured. */
bool access_logins_checked(const struct config *c);

/* True if one of them takes a password. */
bool access_passwords_checked(const struct config *c);

#endif
