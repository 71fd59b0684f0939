/*
 * The TCP ports of sessions that have one of their own.  A port is part of the
 * reservation: it is chosen under admission's lock, and as long as the session
 * lives it is in its record.
 */
#ifndef QWD_SESSION_PORT_H
#define QWD_SESSION_PORT_H

#include "session/store.h"

/*
 * Does a session get a port of its own?  With service_port_multiple each does;
 * without, those that end with their viewer do, where the site offers them
 * (form_oneshot) or they are started by hand (oneshot).  None does behind
 * service_reverse_proxy, which leads to one port only.
 */
bool port_is_own(const struct config *c, bool oneshot);

/*
 * Set s->own_port, s->port and s->password.  The port is the first one of
 * service_port to service_port + service_max_instance_nb that no session of
 * `alive` and no other program has; without service_port_multiple the first is
 * the gateway's.  With service_port = 0 it is 0 for now: any free one.
 * ERR_BUSY if all are taken.
 */
MUST_CHECK int port_reserve(const struct config *c,
			    const struct session_list *alive,
			    struct session *s, struct err *e);

#endif
