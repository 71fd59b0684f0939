/*
 * Owners that hang.
 */
#ifndef QWD_RUN_HUNG_H
#define QWD_RUN_HUNG_H

#include "session/store.h"

/* How long past its session's end (and service_stop_grace) an owner may still
 * hold the session's lock. */
enum { HUNG_GRACE_MS = 60 * 1000 };

/*
 * Kill (SIGKILL) each owner that still holds its session's lock when the
 * session should have ended, or has ended by its record, longer ago than
 * service_stop_grace and HUNG_GRACE_MS; wait for its end, so that the session
 * can be cleaned up at once.  The owner is who listens on the session's control
 * socket (SO_PEERCRED, unix(7)) and has the arguments of its owner while the
 * lock is held: no process that has got its number since is ever hit.  Returns how many were killed, or
 * -1 with the first failure, after trying them all.
 */
MUST_CHECK int hung_end(const struct store *st, struct err *e);

#endif
