/*
 * One attempt to log in: the chain behind the throttle.
 */
#ifndef QWD_AUTH_ATTEMPT_H
#define QWD_AUTH_ATTEMPT_H

#include "auth/chain.h"
#include "session/store.h"

/*
 * A refusal takes a multiple of so many milliseconds, one at least, so that
 * its time does not tell an unknown user from a wrong password.
 */
enum { ATTEMPT_STEP_MS = 500 };

/*
 * Check the user.  0 with the identity in ret->who; else ERR_LOGIN (refused,
 * by whomever, for whatever reason: the sentence is always the same),
 * ERR_THROTTLED (nobody was asked), ERR_BUSY (nobody accepted, and a server
 * could not be asked), or ERR_CONFIG, ERR_SYSTEM, ERR_DAMAGED (we cannot
 * count, so nobody was asked).  *ret is filled in every case, for the log.
 *
 * Only a guess that was wrong stays counted; what was refused before anybody
 * was asked, and an outage, does not.  A user whom the web server has checked
 * is not counted at all.
 */
MUST_CHECK int attempt_login(const struct store *st,
			     const struct auth_request *r,
			     struct auth_result *ret, struct err *e);

#endif
