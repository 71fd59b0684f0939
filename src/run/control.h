/*
 * Messages to a session's owner, over the unix socket run/NAME/control.
 */
#ifndef QWD_RUN_CONTROL_H
#define QWD_RUN_CONTROL_H

#include <stdbool.h>
#include <sys/types.h>

#include "session/store.h"

/* "ok", or "no" and perhaps a sentence for people. */
enum { CONTROL_ANSWER_SIZE = 600 };

/*
 * Make the socket of a session that is being launched.  Whoever asks from now
 * on waits for the owner, who gets the descriptor by inheritance.  Returns
 * it, or -1.
 */
MUST_CHECK int control_listen(const struct store *st, const char *name,
			      struct err *e);

/*
 * Make the kernel name the caller to whoever connects from now on
 * (SO_PEERCRED): until then it names the process that made the socket
 * (unix(7)).
 */
MUST_CHECK int control_adopt(int control, struct err *e);

/* The process that listens on the session's control socket, as the kernel
 * knows it; -1 if that cannot be had.  It may have died since. */
MUST_CHECK pid_t control_peer(const struct store *st, const char *name,
			      struct err *e);

/*
 * Ask the owner to stop the session: the guest is asked to power off and
 * ended after a grace period, or with `now` ended at once.  `who` is kept in
 * the reason.  Returns when the owner has replaced the record; *ret is the
 * session then.  Stopping a session that is already stopping or final is no
 * error.  ERR_NOT_FOUND, ERR_TIMEOUT, ERR_SYSTEM.
 */
MUST_CHECK int control_stop(const struct store *st, const char *name, bool now,
			    const char *who, struct session *ret,
			    struct err *e);

/*
 * Move the session's end as lifetime_extended() has it: `seconds` from now.
 * Returns when the owner has replaced the record; *ret is the session then.
 * Errors as there, and ERR_NOT_FOUND, ERR_TIMEOUT, ERR_SYSTEM.
 */
MUST_CHECK int control_extend(const struct store *st, const char *name,
			      long long seconds, const char *who,
			      struct session *ret, struct err *e);

/*
 * Make the guest stand still: what it has written is on its disk then.  It
 * goes on when the descriptor that is returned is closed.  -1 with
 * ERR_CONFLICT if the session does not run, ERR_NOT_FOUND, ERR_TIMEOUT,
 * ERR_SYSTEM.
 */
MUST_CHECK int control_freeze(const struct store *st, const char *name,
			      struct err *e);

#endif
