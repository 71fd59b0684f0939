/*
 * Login by e-mail (check_user_with_email): the visitor gives an address and no
 * password, and a mail brings a link.  The link leads to a page that changes
 * nothing, since mail scanners follow links, and whose button, a POST, uses
 * the ticket up, logs in, and goes on with what was asked for in the form.
 *
 * The link carries the ticket's token in its query, because a fragment does
 * not reach the server without script.  So it is kept short-lived and works
 * once; the page tells its URL to nobody, not to our own log either
 * (Referrer-Policy); our log lines never hold a query, and etc/apache.conf
 * marks these requests for the access log as it does those of the display.
 *
 * Whoever asks learns nothing about people: an address that the mail server
 * does not take, and one that email_deny has, get the same answer, after a
 * multiple of the same time, as all others.  Only domains are told apart.
 */
#ifndef QWD_WEB_MAIL_LOGIN_H
#define QWD_WEB_MAIL_LOGIN_H

#include "auth/ticket.h"
#include "web/letter.h"
#include "web/visit.h"

enum { MAIL_LOGIN_STEP_MS = 500 };

/*
 * Do the posted fields ask for a mail?  They do if they name somebody else
 * than the cookie, without a password (where passwords are checked at all),
 * and it is an address (or can be nothing else).
 */
bool mail_login_wanted(const struct visit *v);

/*
 * Send the mail: all that is asked for has been validated, but the address
 * and, for TICKET_CREATE, the order, which is done here before anything is
 * written.  The reply is 202.  ERR_INPUT at `user` for what is no address or
 * one of another domain; ERR_THROTTLED; ERR_BUSY with a sentence if no mail
 * can be sent: then no ticket is left.
 */
MUST_CHECK int mail_login_ask(struct visit *v, enum ticket_purpose purpose,
			      struct err *e);

/*
 * Use the posted `ticket`: v->who becomes whom it is for, a login begins, and
 * what was asked for is done and replied.  ERR_NOT_FOUND if it does not work
 * any more; other errors are those of what was asked for, with the login
 * begun all the same.
 */
MUST_CHECK int mail_login_use(struct visit *v, struct err *e);

/*
 * Put what ticket *t orders in the place of the posted fields and read it.
 * Errors as by order_read(); then it cannot be had any more.
 */
MUST_CHECK int mail_login_order(struct visit *v, const struct ticket *t,
				struct session *s, struct letter_order *ret,
				struct err *e);

#endif
