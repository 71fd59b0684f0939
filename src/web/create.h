/*
 * Creating a session: what is ordered, a place for it, and the reply.
 */
#ifndef QWD_WEB_CREATE_H
#define QWD_WEB_CREATE_H

#include "session/admission.h"
#include "web/visit.h"

/*
 * What is ordered by the posted fields, as order_read() has it, with the
 * origin of its links.  Asks nobody and changes nothing.
 */
MUST_CHECK int create_read_order(const struct visit *v, struct session *s,
				 long long *ret_lifetime_s, struct err *e);

/* May v->who have *s here?  With the address of its mails, and an open store. */
MUST_CHECK int create_check(struct visit *v, struct session *s,
			    struct err *e);

/*
 * Reserve a place for *s, which belongs to v->who, and reply with its page;
 * its owner is started behind the reply.  With `mail_me` the way to it goes to
 * the letter_address() of v->who.  An error has reserved nothing.
 * Where there are other servers (fallback_servers), it may be one of these that
 * has the place.
 */
MUST_CHECK int create_place(struct visit *v, struct session *s,
			    long long lifetime_s, struct err *e);

/* The same on this host, for what create_check() has let pass; its user has
 * `more` (may be NULL) elsewhere. */
MUST_CHECK int create_here(struct visit *v, struct session *s,
			   long long lifetime_s, const struct elsewhere *more,
			   struct err *e);

/* Both, for v->who, whose login is settled. */
MUST_CHECK int create_session(struct visit *v, struct err *e);

#endif
