/*
 * The display gateway: one websockify for all sessions, on service_port.  It
 * belongs to no session.  A keeper, a detached process with a lock of its own
 * (gateway/lock in the store), waits for it and restarts it, and ends both a
 * minute after the last session.
 *
 *     gateway/lock    held by the keeper as long as it lives
 *     gateway/gate    held while a keeper is started or ends
 *     gateway/port    TCP port on which websockify answers; valid only while
 *                     the keeper lives
 *     gateway/tokens  lines "TOKEN: unix_socket:NAME/vnc", replaced atomically
 *     gateway/pages   lines "NAME: ORIGIN ORIGIN...": which pages may open a
 *                     display: those of all names by which sessions came
 *
 * websockify 0.10 reads both anew at each connection, the tokens relative to
 * its working directory, the store's run/.
 */
#ifndef QWD_VM_GATEWAY_H
#define QWD_VM_GATEWAY_H

#include "session/store.h"

/*
 * Start the keeper unless one lives.  `options` are passed on (--config=FILE
 * among them), NULL-terminated, or NULL.  Does not wait: ask gateway_port().
 */
MUST_CHECK int gateway_ensure(const struct store *st,
			      const char *const *options, struct err *e);

/* The port on which the gateway answers; 0 if it does not (yet); -1 if no
 * keeper lives, that is, it could not be started. */
int gateway_port(const struct store *st);

/* Let `s->token` open the session's display from the pages of s->origin and
 * s->port (vm/display.h), or no longer. */
MUST_CHECK int gateway_admit(const struct store *st, const struct session *s,
			     struct err *e);
MUST_CHECK int gateway_revoke(const struct store *st, const char *name,
			      struct err *e);

/* Drop the tokens of sessions that do not live.  Returns how many, or -1. */
MUST_CHECK int gateway_clean(const struct store *st, struct err *e);

/*
 * main() of the keeper: argv is PROGRAM --gateway-keeper LOCK and then options;
 * LOCK is the number of the inherited descriptor.
 */
int keeper_main(int argc, char **argv);

#endif
