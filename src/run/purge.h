/*
 * The whole housekeeping: what `qwdctl purge`, a timer and every new session
 * do.
 */
#ifndef QWD_RUN_PURGE_H
#define QWD_RUN_PURGE_H

#include "session/housekeeping.h"

/*
 * hung_end(), stray_end(), leftover_end(), housekeeping_purge(), and logins, counts of failed logins, tickets and
 * display tokens that have lost their sense, which are counted as files.  A
 * failure in one place does not keep the others from their turn; the first is
 * reported.
 */
MUST_CHECK int purge_everything(const struct store *st,
				struct purge_result *ret, struct err *e);

/* And leftover_end_visitors(), which nobody's session may wait for. */
MUST_CHECK int purge_patiently(const struct store *st,
			       struct purge_result *ret, struct err *e);

#endif
