/*
 * Extend: a session gets more time.
 */
#ifndef QWD_WEB_EXTEND_H
#define QWD_WEB_EXTEND_H

#include <jansson.h>

#include "web/visit.h"

/*
 * Carry out session_extend=NAME: the session is to live snapshot_lifetime
 * seconds from now on, as long as may be if that is absent or empty, without
 * an end if it is 0 and the configuration allows it.  The reply is its page.
 */
MUST_CHECK int extend_session(struct visit *v, struct err *e);

/*
 * What may be offered to v->who: {"text", "no_end"}, the time from now that
 * the session can get, for people ("" if none), and whether it may have no
 * end; or JSON's null if neither.  The caller owns it; NULL if no memory.
 */
json_t *extend_offer(const struct visit *v, const struct session *s);

#endif
