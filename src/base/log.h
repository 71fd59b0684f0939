/*
 * The log: one event, one line, on standard error (Apache's error log, the
 * journal, or the terminal).  Library code does not log; roles do.
 *
 *     qemu-web-desktop: event=create result=ok user=ann session=...
 *
 * Never pass a password, a token or a query string.
 */
#ifndef QWD_BASE_LOG_H
#define QWD_BASE_LOG_H

#include "base/err.h"

/*
 * Write one line: "event=EVENT" and then key=value for each pair of strings
 * up to NULL.  Values are escaped (text_log_escape); a NULL value is skipped.
 */
void log_event(const char *event, ...) __attribute__((sentinel));

/*
 * Write the line of one attempt to log in, which fail2ban reads:
 *
 *     qemu-web-desktop: auth WHAT method=METHOD rhost=RHOST reason=REASON
 *             user=USER
 *
 * in one line.  WHAT is "failure" or "error" (an outage); USER, last, is
 * percent-encoded, and "-" where it is "".
 */
void log_auth(const char *what, const char *method, const char *rhost,
	      const char *reason, const char *user);

/* log_event with "error=NAME message=MSG", for the place where e ends. */
void log_error(const char *event, const struct err *e);

#endif
