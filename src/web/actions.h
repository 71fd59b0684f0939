/*
 * Actions: what a POST may ask for.  Each validates everything first, then
 * acts, then fills v->reply; an error has changed nothing.
 */
#ifndef QWD_WEB_ACTIONS_H
#define QWD_WEB_ACTIONS_H

#include "web/visit.h"

/*
 * Carry out the one action that the posted fields ask for: create, manage (or
 * machine=monitor), session_stop, session_extend, session_connect, service_purge,
 * logout.
 * ERR_INPUT names an unknown field, a second action, or what is wrong in the values.
 */
MUST_CHECK int actions_post(struct visit *v, struct err *e);

/* The one for session_stop. */
MUST_CHECK int actions_stop(struct visit *v, struct err *e);

#endif
