/*
 * What qwd-net does to itself: no core, no tracing, an end.
 */
#ifndef QWD_NET_LIMITS_H
#define QWD_NET_LIMITS_H

#include "base/err.h"

/* No core file, not to be traced, no signal from a closed socket, nothing for
 * libldap from files and environment. */
MUST_CHECK int limits_set(struct err *e);

/*
 * In `ms` milliseconds, or after CPU seconds of work, write the answer
 * "timeout" to standard output and exit with status 1, wherever the program
 * is then.  A further call begins anew.
 */
MUST_CHECK int limits_deadline(long long ms, struct err *e);

/* For what stays: no file may grow, few descriptors, an end after minutes of
 * work; or less, where less is allowed. */
MUST_CHECK int limits_stay(struct err *e);

/* The deadline has been met: it does not come any more. */
void limits_met(void);

#endif
