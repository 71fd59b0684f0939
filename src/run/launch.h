/*
 * Launching: hands a reserved session to its owner, a process of its own
 * that outlives the request (run/owner.h).
 */
#ifndef QWD_RUN_LAUNCH_H
#define QWD_RUN_LAUNCH_H

#include "session/store.h"

/*
 * Start the owner of session *s, which takes over `lock` (the caller still
 * closes its own descriptor), and `order` (likewise; -1 if there is none):
 * what boot scripts need of the request, by script_order_make().  `options` are further --name=value arguments
 * that were given by hand, NULL-terminated, or NULL.  On failure the session
 * has been marked failed.
 */
MUST_CHECK int launch_owner(const struct store *st, struct session *s,
			    int lock, int order, const char *const *options,
			    struct err *e);

/*
 * The other side, in a process that systemd has started for a connection
 * (session/launcher.h): becomes what was handed over, this program with
 * arguments of which the first must be --ROLE.  Returns only on failure.
 */
MUST_CHECK int launch_handed_over(const char *role, struct err *e);

#endif
