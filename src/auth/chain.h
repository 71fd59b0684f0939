/*
 * The chain of authenticators: is it really this user?
 *
 * Every method that the configuration has switched on is asked, one after the
 * other, until one accepts: imap, smtp, ldap (each by qwd-net in a process of
 * its own with a hard deadline), local (saslauthd).  The site's own program,
 * check_user_custom, comes last, always: it sees what the others said and has
 * the last word.  A user whom the web server has checked (`remote`) is
 * accepted before any of them is asked; only the site's program comes behind.
 * Who has the mail of a login by e-mail needs no password: of that login only
 * the site's program is asked here, with `remote` and `mail`.
 *
 * Nothing here takes longer than AUTH_BUDGET_MS, whatever servers do; of that
 * AUTH_CUSTOM_MIN_MS are kept for the site's program.
 *
 * The password goes to children by a pipe and to saslauthd by its socket,
 * never into an argument, an environment or a message; copies are wiped.
 */
#ifndef QWD_AUTH_CHAIN_H
#define QWD_AUTH_CHAIN_H

#include <jansson.h>
#include <stdbool.h>

#include "conf/options.h"
#include "session/access.h"

enum {
	AUTH_BUDGET_MS = 10000,
	AUTH_CUSTOM_MS = 5000, /* of the site's program, at most */
	AUTH_CUSTOM_MIN_MS = 2000,
	AUTH_PASSWORD_MAX = 1024, /* bytes */
	AUTH_REASON_SIZE = 32,
};

struct auth_request {
	const struct config *config;
	const char *user;     /* session_user_ok() */
	const char *password; /* auth_password_ok(); ignored with `remote` */
	bool remote;          /* the web server has checked `user`, or */
	const char *mail;     /* a mail to this address has, if not NULL */
	const char *rhost;    /* the visitor's address */
	const json_t *order;  /* what is asked for; an object, or NULL */
};

enum auth_verdict {
	AUTH_REFUSED, /* by each that was asked, or by the site's program */
	AUTH_OUTAGE,  /* nobody accepts, and not all could be asked */
	AUTH_ACCEPTED,
};

struct auth_result {
	enum auth_verdict verdict;
	struct identity who; /* if accepted: user, mail, method, groups, admin */
	/* For the log: who decided ("none" if nobody was asked), and why. */
	char method[IDENTITY_METHOD_SIZE];
	char reason[AUTH_REASON_SIZE];
	bool guessed; /* some method said that the password is wrong */
};

/* True if `password` may be given to authenticators: 1 to AUTH_PASSWORD_MAX
 * bytes of UTF-8 without control characters. */
bool auth_password_ok(const char *password);

/*
 * Ask.  A password that is not auth_password_ok() is refused with reason
 * "empty-password" or "bad-input", before anybody is asked.
 */
void auth_check(const struct auth_request *r, struct auth_result *ret);

#endif
